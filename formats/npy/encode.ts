import { bytesPerValue, holds, isDType, MillraceError, swapBytes, widthOf, type DType, type NdArray, type Shape } from '../../src/format.js'
import { LITTLE_ENDIAN } from './item.js'
import { PIECE_BYTES, product } from './sizes.js'

/** An array that can be written: an NdArray, or a typed array for one with one axis (`Uint8Array` is uint8). */
export type Writable = NdArray | ArrayBufferView

const DESCR: Readonly<Partial<Record<DType, string>>> = {
  bool: '|b1', int8: '|i1', uint8: '|u1', int16: '<i2', uint16: '<u2', int32: '<i4', uint32: '<u4', int64: '<i8', uint64: '<u8',
  float16: '<f2', float32: '<f4', float64: '<f8', complex64: '<c8', complex128: '<c16'
}
const BY_TAG: Readonly<Record<string, DType>> = {
  Int8Array: 'int8', Uint8Array: 'uint8', Uint8ClampedArray: 'uint8', Int16Array: 'int16', Uint16Array: 'uint16', Int32Array: 'int32', Uint32Array: 'uint32',
  BigInt64Array: 'int64', BigUint64Array: 'uint64', Float32Array: 'float32', Float64Array: 'float64'
}

/** The array that something stands for, checked. @throws TypeError for anything else, or for one whose data do not fit dtype and shape */
export function asArray(where: string, value: unknown): NdArray {
  if (ArrayBuffer.isView(value)) {
    const dtype = BY_TAG[(value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '']
    if (dtype !== undefined) return { dtype, shape: [(value as Uint8Array).length], data: value as Uint8Array }
  }
  const { dtype, shape, data } = (typeof value === 'object' && value !== null ? value : {}) as Partial<NdArray>
  if (dtype === undefined || shape === undefined || data === undefined) throw new TypeError(`${where} must be an NdArray or a typed array, not ${describe(value)}`)
  if (!isDType(dtype) || !Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new TypeError(`${where} has the dtype ${String(dtype)} and the shape ${String(shape)}, which no array has`)
  }
  if (dtype === 'bfloat16') throw new TypeError(`${where} is bfloat16, which NumPy does not have: cast it to float32 first`)
  if (!holds(data, dtype) || data.length !== product(shape) * widthOf(dtype)) {
    throw new TypeError(`${where} has data that do not fit ${dtype} [${shape.join(', ')}]: ${describe(data)}`)
  }
  return { dtype, shape, data }
}

function describe(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${(value as { readonly length?: number }).length ?? value.byteLength}`
  return Array.isArray(value) ? `an array of ${value.length}` : value === null ? 'null' : typeof value
}

/** The beginning of an NPY file, padded as NumPy does: the data begin at a multiple of 64, and the first axis has room to grow. */
export function headerBytes(dtype: DType, shape: Shape, stringLength: number): Uint8Array {
  const descr = dtype === 'string' ? `<U${stringLength}` : DESCR[dtype]
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const room = shape[0] === undefined ? 0 : 21 - String(shape[0]).length
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }${' '.repeat(Math.max(0, room))}`
  const start = 10
  const length = text.length + 1
  const padding = 64 - ((start + length) % 64)
  const bytes = new Uint8Array(start + length + padding)
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (length + padding) & 0xff, (length + padding) >>> 8])
  bytes.set(new TextEncoder().encode(`${text}${' '.repeat(padding)}\n`), start)
  return bytes
}

/** Bytes of the data of an array. */
export function dataBytes({ dtype, shape }: Pick<NdArray, 'dtype' | 'shape'>, stringLength: number): number {
  return product(shape) * (dtype === 'string' ? 4 * stringLength : bytesPerValue(dtype))
}

/** The data as they stand in the file, little-endian, in pieces: views of the array where that is possible. */
export function* dataPieces({ dtype, data }: NdArray, stringLength: number): Generator<Uint8Array, void, undefined> {
  if (dtype === 'string') {
    const perPiece = Math.max(1, Math.floor(PIECE_BYTES / (4 * stringLength)))
    for (let i = 0; i < data.length; i += perPiece) yield encodeStrings(data as readonly string[], i, Math.min(data.length, i + perPiece), stringLength)
    return
  }
  const { buffer, byteOffset, byteLength } = data as Uint8Array
  const itemBytes = bytesPerValue(dtype) / widthOf(dtype)
  for (let at = 0; at < byteLength; at += 4 * PIECE_BYTES) {
    const piece = new Uint8Array(buffer, byteOffset + at, Math.min(byteLength - at, 4 * PIECE_BYTES))
    yield LITTLE_ENDIAN ? piece : swapped(piece, itemBytes)
  }
}

function swapped(piece: Uint8Array, itemBytes: number): Uint8Array {
  const copy = piece.slice()
  swapBytes(copy, itemBytes)
  return copy
}

/** Characters of the longest string; NumPy has no dtype without any. @throws MillraceError `Lossy` for what a string dtype cannot hold */
export function longestString(strings: readonly string[], first = 0): number {
  let longest = 1
  strings.forEach((text, i) => {
    if (text.endsWith('\0')) {
      throw new MillraceError('Lossy', `string ${first + i} ends with a NUL, which NumPy takes for padding: cut it off, or write the bytes as uint8`, { index: first + i })
    }
    longest = Math.max(longest, charactersOf(text))
  })
  return longest
}

function charactersOf(text: string): number {
  let count = text.length
  for (let i = 0; i < text.length; i++) if ((text.codePointAt(i) as number) > 0xffff) count--
  return count
}

function encodeStrings(strings: readonly string[], start: number, end: number, length: number): Uint8Array {
  const bytes = new Uint8Array((end - start) * length * 4)
  const view = new DataView(bytes.buffer)
  for (let i = start; i < end; i++) {
    let at = (i - start) * length * 4
    for (const character of strings[i] as string) {
      view.setUint32(at, character.codePointAt(0) as number, true)
      at += 4
    }
  }
  return bytes
}
