import { holds, isDType, MillraceError, swapBytes, widthOf, type NdArray } from '../../../src/format.js'

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** The bytes of an array that holds no strings, in little-endian order: a view of them where that is the order of this machine. */
export function bytesOf({ data }: NdArray): Uint8Array {
  const view = data as Uint8Array
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  if (LITTLE_ENDIAN || view.BYTES_PER_ELEMENT === 1) return bytes
  const swapped = bytes.slice()
  swapBytes(swapped, view.BYTES_PER_ELEMENT)
  return swapped
}

/** @throws MillraceError `Mismatch` for what is no array whose data fit its shape. */
export function checkArray(path: string, value: unknown): asserts value is NdArray {
  const { dtype, shape, data } = (value ?? {}) as Partial<NdArray>
  if (!isDType(dtype) || !Array.isArray(shape) || !holds(data, dtype)) {
    throw new MillraceError('Mismatch', `${path}: rows must come as arrays { dtype, shape, data }`)
  }
  const length = (shape as readonly number[]).reduce((product, axis) => product * axis, widthOf(dtype))
  if (data.length === length) return
  throw new MillraceError('Mismatch', `${path}: an array of shape [${shape.join(', ')}] has ${data.length} items of data, not ${length}`)
}
