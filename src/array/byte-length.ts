import { isPlainObject } from './nest.js'

/** Bytes counted for an object or array itself, and for a value whose size cannot be told. */
const OVERHEAD = 16
/** Deeper nests are not walked: an estimate must not hang on a cycle. */
const MAX_DEPTH = 64
/** No more objects than that are opened: cycles that branch have 2 to the depth paths. */
const MOST_OBJECTS = 65536

/**
 * Estimates the bytes that an element holds, to bound buffers: 8 for numbers and the like, 2 per UTF-16 unit of a string, the
 * length of byte arrays and typed arrays (the part that a view shows), and a little for structure. What cannot be looked at, because
 * a getter throws, counts as little: it is for operators that need the value to fail.
 */
export function byteLengthOf(element: unknown): number {
  if (typeof element !== 'object' || element === null) return measure(element, 0)
  opened = 0
  try {
    return measure(element, 0)
  } catch {
    return OVERHEAD
  }
}

let opened = 0

function measure(value: unknown, depth: number): number {
  if (typeof value === 'string') return 2 * value.length
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (depth === MAX_DEPTH || opened++ >= MOST_OBJECTS) return OVERHEAD
  let sum = OVERHEAD
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) sum += measure(value[i], depth + 1)
  } else if (isPlainObject(value)) {
    for (const key in value) sum += measure(value[key], depth + 1)
  } else {
    const { byteLength } = value as { readonly byteLength?: unknown }
    if (typeof byteLength === 'number') return byteLength
    // NdArrays and the like that are instances of a class.
    for (const key of Object.keys(value)) {
      const member = (value as Readonly<Record<string, unknown>>)[key]
      if (ArrayBuffer.isView(member)) sum += member.byteLength
    }
  }
  return sum
}
