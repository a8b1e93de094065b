import { storedValue, tagOf } from '../array/dtype.js'
import { ndarrayFault } from '../array/ndarray.js'
import { asNdArray, at, describe, joinPath, kindOf, setMember } from '../array/nest.js'
import { messageOf, MillraceError } from '../errors.js'
import type { NdArray, NumericArray } from '../types.js'

/** The part of a TensorFlow.js tensor that is used here. A `tf.Tensor` is one. */
export interface TfTensor {
  readonly shape: readonly number[]
  readonly dtype: string
  dispose(): void
}

/** The part of TensorFlow.js that is used here: `import * as tf from '@tensorflow/tfjs'` is one, and so is tfjs-core. */
export interface TensorFlow<X extends TfTensor = TfTensor> {
  tensor(values: Float32Array | Int32Array | Uint8Array | string[], shape: number[], dtype: 'float32' | 'int32' | 'bool' | 'string'): X
}

/** How arrays become tensors. */
export interface TensorOptions {
  /** Round float64 arrays to float32, the widest that TensorFlow.js has, instead of refusing them. @default false */
  readonly downcast?: boolean | undefined
}

/**
 * A nest with tensors in place of its arrays. Float32Arrays are handed over as they are: the cpu backend uses their memory.
 *
 * | dtype | tensor |
 * |---|---|
 * | float32, float16, bfloat16 | float32 |
 * | (u)int8, (u)int16, int32 | int32 |
 * | uint32, int64, uint64 | int32; a value that does not fit is `Lossy` |
 * | bool, string | bool, string |
 * | float64 | `Lossy`, or float32 with `downcast` |
 *
 * `leaf` says what becomes of numbers, booleans, bigints, strings and bytes; ragged and complex arrays are `Unsupported`.
 * When one fails, the tensors made before it are disposed of.
 */
export function tensorsOf(value: unknown, tf: TensorFlow, options: TensorOptions, leaf: LeafOf, path = ''): unknown {
  const made: TfTensor[] = []
  const tensor = (array: NdArray, path: string): TfTensor => {
    const tensor = tensorOf(array, tf, options, path)
    made.push(tensor)
    return tensor
  }
  const visit = (value: unknown, path: string): unknown => {
    switch (kindOf(value)) {
      case 'array':
        return tensor(asNdArray(value as NdArray | NumericArray), path)
      case 'list':
        return (value as readonly unknown[]).map((item, i) => visit(item, joinPath(path, i)))
      case 'object': {
        const out: Record<string, unknown> = {}
        for (const [key, member] of Object.entries(value as object)) setMember(out, key, visit(member, joinPath(path, key)))
        return out
      }
      case 'ragged':
        throw refuse('Unsupported', 'TensorFlow.js has no ragged tensors; pad the rows with paddedBatch', value, path)
      default:
        return leaf(value, path, array => tensor(array, path))
    }
  }
  try {
    return visit(value, path)
  } catch (error) {
    for (const one of made) one.dispose()
    throw error
  }
}

/** What becomes of a leaf that is no array. */
export type LeafOf = (value: unknown, path: string, tensor: (array: NdArray) => TfTensor) => unknown

/** Scalars become tensors of shape []. */
export const scalarTensor: LeafOf = (value, path, tensor) => {
  switch (typeof value) {
    case 'number':
      if (storedValue(value, 'float32') === undefined) throw refuse('Lossy', `float32 cannot hold ${value} exactly; batch it with another dtype`, value, path)
      return tensor({ dtype: 'float32', shape: [], data: Float32Array.of(value) })
    case 'boolean':
      return tensor({ dtype: 'bool', shape: [], data: Uint8Array.of(Number(value)) })
    case 'bigint':
      return tensor({ dtype: 'int32', shape: [], data: Int32Array.of(smallBigint(value, path)) })
    case 'string':
      return tensor({ dtype: 'string', shape: [], data: [value] })
    default:
      throw noTensor(value, path)
  }
}

/** Scalars and bytes stay what they are, as tf.data has them; a bigint becomes a number. */
export const plainScalar: LeafOf = (value, path) => {
  switch (kindOf(value)) {
    case 'number': case 'boolean': case 'string': case 'bytes': return value
    case 'bigint': return smallBigint(value as bigint, path)
    default: throw noTensor(value, path)
  }
}

function tensorOf(array: NdArray, tf: TensorFlow, { downcast = false }: TensorOptions, path: string): TfTensor {
  const fault = ndarrayFault(array)
  if (fault !== undefined) throw refuse('Mismatch', fault, array, path)
  const shape = array.shape.slice()
  // The storage of each dtype was checked by ndarrayFault.
  switch (array.dtype) {
    case 'float32': return tf.tensor(array.data as Float32Array, shape, 'float32')
    case 'int32': return tf.tensor(array.data as Int32Array, shape, 'int32')
    case 'bool': return tf.tensor(array.data as Uint8Array, shape, 'bool')
    case 'string': return tf.tensor((array.data as readonly string[]).slice(), shape, 'string')
    case 'int8': case 'uint8': case 'int16': case 'uint16':
      return tf.tensor(new Int32Array(array.data as Int8Array | Uint8Array | Int16Array | Uint16Array), shape, 'int32')
    case 'uint32': return tf.tensor(checkedInt32(array.data as Uint32Array, path), shape, 'int32')
    case 'int64': case 'uint64': return tf.tensor(checkedInt32(array.data as BigInt64Array | BigUint64Array, path), shape, 'int32')
    case 'float16': return tf.tensor(Float32Array.from(array.data as Uint16Array, float16Value), shape, 'float32')
    case 'bfloat16': return tf.tensor(widenBfloat16(array.data as Uint16Array), shape, 'float32')
    case 'float64':
      if (downcast) return tf.tensor(new Float32Array(array.data as Float64Array), shape, 'float32')
      throw refuse('Lossy', 'TensorFlow.js has no float64; pass { downcast: true } to round it to float32', array, path)
    case 'complex64': case 'complex128':
      throw refuse('Unsupported', 'split it into its real and its imaginary part in a map()', array, path)
  }
}

function checkedInt32(data: Uint32Array | BigInt64Array | BigUint64Array, path: string): Int32Array {
  const out = new Int32Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i])
    out[i] = value
    if (out[i] !== value) throw tooLarge(data[i], path, ` (value ${i})`)
  }
  return out
}

function smallBigint(value: bigint, path: string): number {
  const number = Number(value)
  if (number !== (number | 0)) throw tooLarge(value, path)
  return number
}

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. Every one of its values is a float32. */
function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function widenBfloat16(data: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(data, bits => bits << 16).buffer)
}

const where = (path: string): string => (path === '' ? 'the element' : path)

function refuse(kind: 'Lossy' | 'Mismatch' | 'Unsupported', advice: string, value: unknown, path: string): MillraceError {
  return new MillraceError(kind, `${where(path)} is ${describe(value)}, which cannot become a tensor: ${advice}`, { keyPath: path })
}

function tooLarge(value: unknown, path: string, which = ''): MillraceError {
  return new MillraceError('Lossy', `${String(value)}${at(path)}${which} does not fit int32, the widest integer that TensorFlow.js has; cast it in a map()`, { keyPath: path })
}

function noTensor(value: unknown, path: string): MillraceError {
  const advice = tagOf(value) === 'Uint8Array'
    ? 'decode the bytes in a map(), or read them as uint8 where the format can'
    : 'select the arrays that the model needs'
  return refuse('Unsupported', advice, value, path)
}

/** Tried in turn when no `tf` was passed. Both share one engine and its backends. */
const PACKAGES = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'] as const
const RANGE = '^4.0.0'

/**
 * TensorFlow.js, from the package that is installed.
 * @throws MillraceError `MissingPackage` that says what to install.
 */
export async function loadTensorFlow(load: (name: string) => Promise<unknown> = name => import(name)): Promise<TensorFlow> {
  const causes: string[] = []
  for (const name of PACKAGES) {
    try {
      const tf = await load(name)
      if (isTensorFlow(tf)) return tf
      causes.push(`${name} has no function tensor()`)
    } catch (error) {
      causes.push(messageOf(error))
    }
  }
  throw new MillraceError('MissingPackage',
    `TensorFlow.js is needed for this: npm install "${PACKAGES[0]}@${RANGE}", or pass the module that you use as { tf }. Tried: ${causes.join('; ')}`)
}

/** True for what has the one function that is needed of TensorFlow.js. */
export function isTensorFlow(value: unknown): value is TensorFlow {
  return typeof value === 'object' && value !== null && typeof (value as { tensor?: unknown }).tensor === 'function'
}
