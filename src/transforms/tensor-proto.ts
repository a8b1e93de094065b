/**
 * `tf.TensorProto`, as far as dense tensors of numbers, booleans and strings need it.
 *
 * Sources: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto, tensor_shape.proto and
 * types.proto
 */
import { allocate, bytesPerValue, widthOf } from '../array/dtype.js'
import { sizeOf } from '../array/ndarray.js'
import { formatShape } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import { joinBytes, newWire, readEnd, readTag, readVarint, skipField, corrupt, type Wire } from '../example/wire.js'
import type { DType, NdArray } from '../types.js'
import { numbersOf } from './decode-raw.js'

/** The number of each dtype in `types.proto`. */
export const DTYPE_NUMBERS: { readonly [D in DType]: number } = {
  float32: 1, float64: 2, int32: 3, uint8: 4, int16: 5, int8: 6, string: 7, complex64: 8, int64: 9, bool: 10,
  bfloat16: 14, uint16: 17, complex128: 18, float16: 19, uint32: 22, uint64: 23
}

const DTYPE_OF_NUMBER = new Map(Object.entries(DTYPE_NUMBERS).map(([dtype, number]) => [number, dtype as DType]))

/** The dtypes that are not read, by their numbers. */
const OTHER_DTYPES: Readonly<Record<number, string>> = {
  11: 'qint8', 12: 'quint8', 13: 'qint32', 15: 'qint16', 16: 'quint16', 20: 'resource', 21: 'variant',
  24: 'float8_e5m2', 25: 'float8_e4m3fn', 29: 'int4', 30: 'uint4'
}

/** The list that holds the values of a dtype where `tensor_content` does not, and how long an item of it is; 0 for varints. */
const LISTS: { readonly [D in DType]: { readonly field: number; readonly itemBytes: 0 | 4 | 8 } } = {
  float32: { field: 5, itemBytes: 4 },
  float64: { field: 6, itemBytes: 8 },
  int8: { field: 7, itemBytes: 0 },
  uint8: { field: 7, itemBytes: 0 },
  int16: { field: 7, itemBytes: 0 },
  uint16: { field: 7, itemBytes: 0 },
  int32: { field: 7, itemBytes: 0 },
  string: { field: 8, itemBytes: 0 },
  complex64: { field: 9, itemBytes: 4 },
  int64: { field: 10, itemBytes: 0 },
  bool: { field: 11, itemBytes: 0 },
  complex128: { field: 12, itemBytes: 8 },
  float16: { field: 13, itemBytes: 0 },
  bfloat16: { field: 13, itemBytes: 0 },
  uint32: { field: 16, itemBytes: 0 },
  uint64: { field: 17, itemBytes: 0 }
}

const ITEM_BYTES = new Map(Object.values(LISTS).map(({ field, itemBytes }) => [field, itemBytes]))

/** A message cut into its parts; nothing is read of them yet. */
interface Parts {
  dtype: number
  readonly shape: number[]
  unknownRank: boolean
  content: Uint8Array | undefined
  /** The pieces of every list by its field: packed numbers, single numbers, byte strings. */
  readonly lists: Map<number, Piece[]>
}

interface Piece {
  readonly start: number
  readonly end: number
}

/**
 * The tensor in the bytes of a TensorProto. What TensorFlow writes short is made whole: a list that is shorter than the tensor
 * repeats its last value, and an empty one is all zero.
 *
 * @throws MillraceError `Corrupt` with the offset, `Unsupported` for other dtypes, `Limit` above `maxBytes`.
 */
export function readTensor(bytes: Uint8Array, maxBytes: number, keyPath: string): NdArray {
  const wire = newWire('TensorProto')
  wire.bytes = bytes
  wire.keyPath = keyPath
  const parts = readParts(wire, bytes.length)
  const dtype = DTYPE_OF_NUMBER.get(parts.dtype)
  if (dtype === undefined) {
    const what = parts.dtype === 0 ? 'no dtype' : `dtype ${OTHER_DTYPES[parts.dtype] ?? `number ${parts.dtype}`}`
    throw new MillraceError(parts.dtype === 0 ? 'Corrupt' : 'Unsupported', `${subjectOf(wire)}: a tensor of ${what} cannot be read`, { keyPath, offset: 0 })
  }
  if (parts.unknownRank) throw corrupt(wire, 0, 'a tensor has no shape, only an unknown rank')
  const { shape } = parts
  const size = sizeOf(shape)
  // A text takes a pointer at least, wherever its characters are.
  const byteLength = size * (bytesPerValue(dtype) || 8)
  if (!(byteLength <= maxBytes)) {
    throw new MillraceError('Limit', `${subjectOf(wire)}: a tensor ${dtype} ${formatShape(shape)} takes ${byteLength} bytes, and maxBytes is ${maxBytes}`, { keyPath })
  }
  if (parts.content !== undefined && parts.content.length > 0) return { dtype, shape, data: readContent(wire, dtype, size, parts.content) }
  return { dtype, shape, data: dtype === 'string' ? readStrings(wire, size, parts) : readList(wire, dtype, size, parts) }
}

const subjectOf = ({ keyPath }: Wire): string => (keyPath === '' ? 'TensorProto' : `TensorProto at ${keyPath}`)

function readParts(wire: Wire, end: number): Parts {
  const parts: Parts = { dtype: 0, shape: [], unknownRank: false, content: undefined, lists: new Map() }
  while (wire.at < end) {
    const tag = readTag(wire, end)
    const [field, type] = [tag >>> 3, tag & 7]
    const start = wire.at
    if (field === 1 && type === 0) {
      readVarint(wire, end)
      parts.dtype = wire.low
    } else if (field === 2 && type === 2) readShape(wire, readEnd(wire, end), parts)
    else if (field === 4 && type === 2) {
      const to = readEnd(wire, end)
      parts.content = wire.bytes.subarray(wire.at, to)
      wire.at = to
    } else {
      skipField(wire, tag, end)
      if (!isList(field, type)) continue
      const list = parts.lists.get(field)
      const piece = { start: type === 2 ? startOfPiece(wire, start) : start, end: wire.at }
      if (list === undefined) parts.lists.set(field, [piece])
      else list.push(piece)
    }
  }
  return parts
}

/** True for a list that is known, packed or one value at a time. With another wire type it is a field that nobody knows. */
function isList(field: number, type: number): boolean {
  const itemBytes = ITEM_BYTES.get(field)
  if (itemBytes === undefined) return false
  return type === 2 || (field !== LISTS.string.field && type === (itemBytes === 0 ? 0 : itemBytes === 4 ? 5 : 1))
}

/** Behind the length of a piece that was skipped. */
function startOfPiece(wire: Wire, from: number): number {
  const to = wire.at
  wire.at = from
  readEnd(wire, to)
  const start = wire.at
  wire.at = to
  return start
}

function readShape(wire: Wire, end: number, parts: Parts): void {
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === 18) parts.shape.push(readDim(wire, readEnd(wire, end)))
    else if (tag === 24) {
      readVarint(wire, end)
      parts.unknownRank = wire.low !== 0
    } else skipField(wire, tag, end)
    if (parts.shape.length > MAX_RANK) throw corrupt(wire, wire.at, `a tensor has more than ${MAX_RANK} axes`)
  }
}

/** That of TensorFlow. */
const MAX_RANK = 254

function readDim(wire: Wire, end: number): number {
  let length = 0
  while (wire.at < end) {
    const { at } = wire
    const tag = readTag(wire, end)
    if (tag !== 8) {
      skipField(wire, tag, end)
      continue
    }
    readVarint(wire, end)
    length = wire.high * 2 ** 32 + (wire.low >>> 0)
    if (!Number.isSafeInteger(length) || length < 0) throw corrupt(wire, at, `an axis has the length ${length}`)
  }
  return length
}

/** The packed bytes of a tensor, as they lie in memory; strings are all lengths, then all texts. */
function readContent(wire: Wire, dtype: DType, size: number, content: Uint8Array): NdArray['data'] {
  const offset = content.byteOffset - wire.bytes.byteOffset
  if (dtype !== 'string') {
    const need = size * bytesPerValue(dtype)
    if (content.length !== need) throw corrupt(wire, offset, `tensor_content has ${content.length} bytes, and ${size} ${dtype} values take ${need}`)
    if (dtype === 'bool') {
      const wrong = content.findIndex(byte => byte > 1)
      if (wrong >= 0) throw corrupt(wire, offset + wrong, `a bool is ${content[wrong]}`)
    }
    return numbersOf(content, dtype, true)
  }
  const end = offset + content.length
  wire.at = offset
  const lengths = new Array<number>(Math.min(size, content.length))
  for (let i = 0; i < size; i++) {
    readVarint(wire, end)
    lengths[i] = wire.high === 0 ? wire.low >>> 0 : Infinity
  }
  return lengths.map(length => {
    const start = wire.at
    if (length > end - start) throw corrupt(wire, start, `a string of ${length} bytes is cut off`)
    wire.at = start + length
    return textAt(wire, start, wire.at)
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textAt(wire: Wire, start: number, end: number): string {
  try {
    return utf8.decode(wire.bytes.subarray(start, end))
  } catch {
    throw corrupt(wire, start, 'a string is not valid UTF-8, and an NdArray holds texts only')
  }
}

function readStrings(wire: Wire, size: number, { lists }: Parts): readonly string[] {
  const pieces = lists.get(LISTS.string.field) ?? []
  checkCount(wire, pieces.length, size)
  const texts = pieces.map(({ start, end }) => textAt(wire, start, end))
  while (texts.length < size) texts.push('')
  return texts
}

function checkCount(wire: Wire, count: number, size: number): void {
  if (count > size) throw corrupt(wire, 0, `a list has ${count} values, and the shape ${size}`)
}

function readList(wire: Wire, dtype: Exclude<DType, 'string'>, size: number, { lists }: Parts): NdArray['data'] {
  const { field, itemBytes } = LISTS[dtype]
  const pieces = lists.get(field) ?? []
  const items = size * widthOf(dtype)
  const data = itemBytes === 0 ? allocate(dtype, items) : readFixed(wire, dtype, items, itemBytes, pieces)
  const count = itemBytes === 0 ? readVarints(wire, dtype, data, pieces) : pieces.reduce((sum, { start, end }) => sum + end - start, 0) / itemBytes
  if (count % widthOf(dtype) !== 0) throw corrupt(wire, 0, `a list of complex numbers has ${count} parts`)
  // What is missing is the last value again. One cast for the union of typed arrays.
  const values = data as Float64Array
  if (count > 0) repeatLast(values, count, widthOf(dtype))
  return data
}

function repeatLast(values: Float64Array, count: number, width: number): void {
  if (width === 1) values.fill(values[count - 1] as number, count)
  else for (let i = count; i < values.length; i++) values[i] = values[i - width] as number
}

/** Packed or single numbers of fixed size. */
function readFixed(wire: Wire, dtype: Exclude<DType, 'string'>, items: number, itemBytes: number, pieces: readonly Piece[]): NdArray['data'] {
  const data = allocate(dtype, items)
  const packed = joinBytes(pieces.map(({ start, end }) => wire.bytes.subarray(start, end)))
  if (packed.length % itemBytes !== 0) throw corrupt(wire, pieces[0]?.start ?? 0, `a list of ${packed.length} bytes is no whole number of values of ${itemBytes}`)
  checkCount(wire, packed.length / itemBytes / widthOf(dtype), items / widthOf(dtype))
  const values = numbersOf(packed, dtype, true)
  ;(data as Float64Array).set(values as Float64Array)
  return data
}

/** Packed or single varints; returns their number. Values are cut to the bits of the dtype, as TensorFlow does it. */
function readVarints(wire: Wire, dtype: DType, data: NdArray['data'], pieces: readonly Piece[]): number {
  const wide = dtype === 'int64' || dtype === 'uint64'
  const halves = wide ? new Int32Array((data as BigInt64Array).buffer) : undefined
  const [low, high] = new Int32Array(BigInt64Array.of(1n).buffer)[0] === 1 ? [0, 1] : [1, 0]
  let count = 0
  for (const { start, end } of pieces) {
    wire.at = start
    while (wire.at < end) {
      readVarint(wire, end)
      if (count === data.length) throw corrupt(wire, start, `a list has more values than the shape, ${data.length}`)
      if (halves !== undefined) {
        halves[2 * count + low] = wire.low
        halves[2 * count + high] = wire.high
      } else (data as Int32Array)[count] = dtype === 'bool' ? Number(wire.low !== 0 || wire.high !== 0) : wire.low
      count++
    }
  }
  return count
}
