import type { Access } from '../access.js'
import { fieldsOf } from '../fields.js'
import type { Message } from '../object-header.js'

/** How many values there are, and in which axes. */
export interface Dataspace {
  /** `[]` for a scalar, `null` for none at all. */
  readonly shape: readonly number[] | null
  /** The largest length of each axis, `Infinity` where there is none. */
  readonly maxShape: readonly number[]
}

const MOST_AXES = 32

/** Reads a dataspace message (specification §IV.A.2.b). */
export function readDataspace(access: Access, message: Message): Dataspace {
  const fields = fieldsOf(access, message.body, message.address, 'a dataspace')
  const version = fields.expect([1, 2], 'version')
  const rank = fields.u8()
  if (rank > MOST_AXES) throw fields.corrupt(`${rank} axes are more than ${MOST_AXES}`)
  const flags = fields.u8()
  const type = version === 1 ? 1 : fields.expect([0, 1, 2], 'type')
  if (version === 1) fields.skip(5)
  const shape = Array.from({ length: rank }, () => fields.length())
  const maxShape = (flags & 1) === 0 ? shape : Array.from({ length: rank }, () => fields.lengthOrUnlimited())
  maxShape.forEach((most, axis) => {
    if (most < (shape[axis] ?? 0)) throw fields.corrupt(`axis ${axis} is longer than its largest length`)
  })
  if (type === 2) return { shape: null, maxShape: [] }
  if (version === 2 && type === 0 && rank > 0) throw fields.corrupt('a scalar has no axes')
  if (!Number.isSafeInteger(shape.reduce((product, length) => product * length, 1))) throw fields.corrupt('it has more than 2^53 values')
  return { shape, maxShape }
}
