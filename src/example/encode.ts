/** Writes `tf.train.Example` and `tf.train.SequenceExample`. */
import { isBytes, tagOf } from '../array/dtype.js'
import { joinPath } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import type { NdArray, NumericArray, RaggedArray } from '../types.js'
import { joinBytes } from './wire.js'

/** Values whose list is said and not guessed. See {@link floatList}, {@link int64List}, {@link bytesList}. */
export type ListValue =
  | { readonly list: 'float'; readonly values: number | ArrayLike<number> }
  | { readonly list: 'int64'; readonly values: number | bigint | boolean | ArrayLike<number | bigint | boolean> }
  | { readonly list: 'bytes'; readonly values: string | Uint8Array | readonly (string | Uint8Array)[] }

/**
 * What a feature may be given as. Its list follows from its type and never from its values, so that all records of a
 * file agree:
 *
 * | value | list |
 * |---|---|
 * | `number`, `number[]`, `Float32Array`, `Float64Array` | float_list |
 * | `bigint`, `boolean`, lists of them, and all integer typed arrays but `Uint8Array` | int64_list |
 * | `string` (as UTF-8), `Uint8Array`, lists of them | bytes_list |
 * | `NdArray`, `RaggedArray` of one row | by dtype: floats, integers and bool, string |
 * | `[]` | none: the kind is not set, which every reader takes for a missing feature |
 *
 * Numbers are floats even when they are whole: write a label as `7n`, `int64List(7)` or an integer typed array.
 */
export type FeatureValue =
  | number | bigint | boolean | string | Uint8Array | NumericArray | NdArray | RaggedArray | ListValue
  | readonly number[] | readonly bigint[] | readonly boolean[] | readonly (string | Uint8Array)[]

/** One value per step, an `NdArray` whose first axis is time, or a `RaggedArray` with one row per step. */
export type FeatureListValue = readonly FeatureValue[] | NdArray | RaggedArray

/** A float_list. Values are rounded to float32; an integer that float32 cannot hold is `Lossy`. */
export function floatList(values: number | ArrayLike<number>): ListValue {
  return { list: 'float', values }
}

/** An int64_list. Numbers must be safe integers; anything else is `Lossy`. */
export function int64List(values: number | bigint | boolean | ArrayLike<number | bigint | boolean>): ListValue {
  return { list: 'int64', values }
}

/** A bytes_list; strings are written as UTF-8. */
export function bytesList(values: string | Uint8Array | readonly (string | Uint8Array)[]): ListValue {
  return { list: 'bytes', values }
}

/**
 * Serialises a `tf.train.Example`. Keys are sorted by their UTF-8 bytes, so equal features give equal bytes: the same
 * that `SerializeToString(deterministic=True)` gives in TensorFlow 2.21 for Python. See {@link FeatureValue} for what
 * becomes which list.
 *
 * ```ts
 * encodeExample({ image: pixels, label: 7n, weight: 0.5 })      // pixels: Uint8Array
 * ```
 *
 * Throws `TypeError` for values that no list holds, and `Lossy` for numbers that do not fit theirs.
 */
export function encodeExample(features: { readonly [key: string]: FeatureValue }): Uint8Array {
  return joinBytes(delimited(1, featureMap(features)))
}

/** Serialises a `tf.train.SequenceExample`, like {@link encodeExample}. An absent part is not written. */
export function encodeSequenceExample(example: {
  readonly context?: { readonly [key: string]: FeatureValue }
  readonly sequence?: { readonly [key: string]: FeatureListValue }
}): Uint8Array {
  const { context, sequence } = example
  const lists = mapEntries(sequence ?? {}, (value, path) =>
    featureSteps(value, path).flatMap((step, i) => delimited(1, feature(step, joinPath(path, i)))))
  return joinBytes([
    ...(context === undefined ? [] : delimited(1, featureMap(context))),
    ...(sequence === undefined ? [] : delimited(2, lists))
  ])
}

/** A message in pieces: nothing is copied before the end. */
type Pieces = readonly Uint8Array[]

const encoder = new TextEncoder()

function featureMap(features: { readonly [key: string]: FeatureValue }): Pieces {
  return mapEntries(features, feature)
}

/** The entries of a map field, in the order of their keys' bytes. */
function mapEntries<V>(values: { readonly [key: string]: V }, encode: (value: V, path: string) => Pieces): Pieces {
  return Object.keys(values)
    .map((key) => ({ key, name: encoder.encode(key) }))
    .sort((a, b) => compareBytes(a.name, b.name))
    .flatMap(({ key, name }) => {
      const value = encode(values[key] as V, joinPath('', key))
      return delimited(1, [...delimited(1, [name]), ...delimited(2, value)])
    })
}

/**
 * By bytes, and a key behind those that it is the beginning of: the order of upb, which serialises for TensorFlow's Python
 * interface.
 */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number)
  }
  return b.length - a.length
}

/** A Feature message. */
function feature(value: FeatureValue, path: string): Pieces {
  const list = listOf(value, path)
  if (list === null) return []
  switch (list.list) {
    case 'bytes': {
      const { values } = list
      const items = typeof values === 'string' || isBytes(values) ? [values] : values
      return delimited(1, Array.from(items).flatMap((item) => delimited(1, [bytesOf(item, path)])))
    }
    case 'float':
      return delimited(2, packed(floatBytes(list.values, path)))
    case 'int64':
      return delimited(3, packed(varints(list.values, path)))
  }
}

function packed(bytes: Uint8Array): Pieces {
  return bytes.length === 0 ? [] : delimited(1, [bytes])
}

/** Decides for a list; `null` when nothing tells its kind. */
function listOf(value: FeatureValue, path: string): ListValue | null {
  switch (typeof value) {
    case 'number': return floatList(value)
    case 'bigint':
    case 'boolean': return int64List(value)
    case 'string': return bytesList(value)
    default:
  }
  if (typeof value !== 'object' || value === null) throw unsupported(value, path)
  if (isBytes(value)) return bytesList(value)
  if (ArrayBuffer.isView(value)) {
    const view = value as NumericArray
    if (isFloats(view)) return floatList(view)
    if ('length' in view) return int64List(view)
    throw unsupported(value, path)
  }
  if ('list' in value) return value
  if ('dtype' in value) return arrayList(value, path)
  if (!Array.isArray(value)) throw unsupported(value, path)
  return plainList(value as readonly unknown[], path)
}

function plainList(values: readonly unknown[], path: string): ListValue | null {
  const [first] = values
  if (values.length === 0) return null
  const kind = kindOf(first)
  const odd = values.findIndex((one) => kindOf(one) !== kind)
  if (kind === null || odd >= 0) throw unsupported(odd >= 0 ? values[odd] : first, `${path}[${Math.max(odd, 0)}]`)
  // Every value was seen to be of this kind.
  return { list: kind, values } as ListValue
}

function kindOf(value: unknown): ListValue['list'] | null {
  switch (typeof value) {
    case 'number': return 'float'
    case 'bigint':
    case 'boolean': return 'int64'
    case 'string': return 'bytes'
    default: return isBytes(value) ? 'bytes' : null
  }
}

function arrayList(array: NdArray | RaggedArray, path: string): ListValue {
  const { dtype, data } = array
  if ('rowSplits' in array && array.rowSplits.length > 0) {
    throw new TypeError(`feature ${path}: a Feature holds one row; encode the rows of a RaggedArray one by one`)
  }
  switch (dtype) {
    case 'string': return bytesList(data as readonly string[])
    case 'float32':
    case 'float64': return floatList(data as Float32Array | Float64Array)
    case 'float16':
    case 'bfloat16':
    case 'complex64':
    case 'complex128':
      throw new TypeError(`feature ${path}: no list holds ${dtype}; convert it to float32, or write its bytes as a Uint8Array`)
    default: return int64List(data as ArrayLike<number | bigint>)
  }
}

/** The values of the steps of a FeatureList. */
function featureSteps(value: FeatureListValue, path: string): readonly FeatureValue[] {
  if (Array.isArray(value)) return value as readonly FeatureValue[]
  const array = value as NdArray | RaggedArray
  if (typeof array !== 'object' || array === null || !('dtype' in array)) throw unsupported(value, path)
  const { dtype, data } = array
  if ('rowSplits' in array) {
    const [splits] = array.rowSplits
    if (splits === undefined || array.rowSplits.length > 1) {
      throw new TypeError(`feature ${path}: a RaggedArray of steps has one row split, not ${array.rowSplits.length}`)
    }
    return Array.from(splits.subarray(1), (to, i) => ({ dtype, data: data.slice(splits[i], to), rowSplits: [] }))
  }
  const [time, ...shape] = array.shape
  if (time === undefined) throw new TypeError(`feature ${path}: an NdArray of steps has a time axis, and this one is a scalar`)
  const size = data.length / Math.max(time, 1)
  return Array.from({ length: time }, (_, i) => ({ dtype, shape, data: data.slice(i * size, (i + 1) * size) }))
}

function floatBytes(values: number | ArrayLike<number>, path: string): Uint8Array {
  const source = typeof values === 'number' ? [values] : values
  const floats = tagOf(source) === 'Float32Array' ? source as Float32Array : Float32Array.from(source)
  if (floats !== source) {
    for (let i = 0; i < floats.length; i++) {
      const value = source[i]
      if (typeof value !== 'number') throw unsupported(value, `${path}[${i}]`)
      if (floats[i] !== value && Number.isInteger(value)) {
        throw lossy(path, i, `float32 cannot hold the integer ${value}; write it with int64List`)
      }
    }
  }
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
}

function varints(values: number | bigint | boolean | ArrayLike<number | bigint | boolean>, path: string): Uint8Array {
  const source = typeof values === 'object' ? values : [values]
  const bytes = new Uint8Array(10 * source.length)
  let at = 0
  for (let i = 0; i < source.length; i++) {
    const value = source[i]
    if (typeof value === 'bigint') at = bigVarint(bytes, at, value, path, i)
    else if (typeof value === 'number' || typeof value === 'boolean') {
      const number = Number(value)
      if (!Number.isSafeInteger(number)) {
        throw lossy(path, i, `${number} is no safe integer; pass a bigint, or write it with floatList`)
      }
      if (number < 0) at = bigVarint(bytes, at, BigInt(number), path, i)
      else {
        let rest = number
        for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128
        bytes[at++] = rest
      }
    } else throw unsupported(value, `${path}[${i}]`)
  }
  return bytes.subarray(0, at)
}

function bigVarint(bytes: Uint8Array, at: number, value: bigint, path: string, index: number): number {
  if (BigInt.asIntN(64, value) !== value) throw lossy(path, index, `int64 cannot hold ${value}`)
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes[at++] = Number(rest & 127n) | 128
  bytes[at++] = Number(rest)
  return at
}

function bytesOf(value: string | Uint8Array, path: string): Uint8Array {
  if (typeof value === 'string') return encoder.encode(value)
  if (isBytes(value)) return value
  throw unsupported(value, path)
}

/** A length-delimited field. */
function delimited(field: number, pieces: Pieces): Pieces {
  let length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const header = [(field << 3) | 2]
  for (; length > 127; length = Math.floor(length / 128)) header.push((length % 128) | 128)
  header.push(length)
  return [Uint8Array.from(header), ...pieces]
}

function isFloats(value: unknown): value is Float32Array | Float64Array {
  return tagOf(value) === 'Float32Array' || tagOf(value) === 'Float64Array'
}

function lossy(path: string, index: number, what: string): MillraceError {
  return new MillraceError('Lossy', `feature ${path}, value ${index}: ${what}`, { keyPath: path })
}

function unsupported(value: unknown, path: string): TypeError {
  const what = typeof value === 'object' && value !== null ? Object.prototype.toString.call(value).slice(8, -1) : String(value)
  const give = 'give numbers, bigints, booleans, strings, bytes, or lists of one of them'
  return new TypeError(`feature ${path}: ${what} cannot be written; ${give}`)
}
