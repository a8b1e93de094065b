import type { Access } from '../access.js'
import { fieldsOf } from '../fields.js'
import { findMessage, MESSAGE, type ObjectHeader } from '../object-header.js'

/** The bytes of a value that was never written; all zero when the file does not say. Reads the new message, or the old one. */
export async function readFillValue(access: Access, header: ObjectHeader, elementBytes: number): Promise<Uint8Array> {
  const zeros = (): Uint8Array => new Uint8Array(elementBytes)
  const message = await findMessage(access, header, MESSAGE.fillValue)
  if (message === undefined) {
    const old = await findMessage(access, header, MESSAGE.oldFillValue)
    if (old === undefined) return zeros()
    const fields = fieldsOf(access, old.body, old.address, 'an old fill value')
    const size = fields.u32()
    if (size === 0) return zeros()
    if (size !== elementBytes) throw fields.corrupt(`it has ${size} bytes and values have ${elementBytes}`)
    return fields.bytes(size)
  }
  const fields = fieldsOf(access, message.body, message.address, 'a fill value')
  const version = fields.expect([1, 2, 3], 'version')
  let defined: boolean
  if (version === 3) {
    defined = (fields.u8() & 0x20) !== 0
  } else {
    fields.skip(2)
    defined = fields.u8() !== 0 || version === 1
  }
  if (!defined) return zeros()
  // Signed: -1 says that there is none.
  const size = fields.u32() | 0
  if (size <= 0) return zeros()
  if (size !== elementBytes) throw fields.corrupt(`it has ${size} bytes and values have ${elementBytes}`)
  return fields.bytes(size)
}
