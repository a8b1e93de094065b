/**
 * What to read from a `tf.train.Example`: one {@link Feature} per key, named as TensorFlow names them, and the type of the
 * element that comes of it.
 */
import { isBytes } from '../array/dtype.js'
import { sizeOf } from '../array/ndarray.js'
import { formatShape } from '../array/nest.js'
import type { DType, NdArray, RaggedArray, Shape } from '../types.js'
import { defaultNumbers } from './numbers.js'

/** Integers that an int64_list may be read as; values that do not fit are a `Lossy` error. */
type IntegerDType = 'bool' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64'

/**
 * How values arrive. What is read for it, unless `from` says otherwise:
 *
 * | dtype | read from | a single value is |
 * |---|---|---|
 * | `'bytes'` | bytes_list | `Uint8Array`, a view of the record |
 * | `'string'` | bytes_list, decoded as UTF-8 | `string` |
 * | `'float32'` | float_list | `number` |
 * | `'int64'`, `'uint64'` | int64_list | `bigint` |
 * | `'bool'` | int64_list of 0 and 1 | `boolean` |
 * | `'int8'` … `'uint32'`, `'float64'` | int64_list, each value checked to fit | `number` |
 * | `'float16'`, `'bfloat16'` | raw bytes (`from: 'bytes'`), arrays only | |
 */
export type FeatureDType = 'bytes' | 'string' | IntegerDType | 'float16' | 'bfloat16' | 'float32' | 'float64'

/** The list of a Feature that values are read from. */
export type FeatureSource = 'bytes' | 'float' | 'int64'

/** One value of a dtype. */
export type ScalarOf<D extends FeatureDType> =
  D extends 'bytes' ? Uint8Array
    : D extends 'string' ? string
      : D extends 'int64' | 'uint64' ? bigint
        : D extends 'bool' ? boolean
          : number

/** One value for all positions, or all values in row-major order. */
export type DefaultValue<D extends FeatureDType> = ScalarOf<D> | readonly ScalarOf<D>[]

/** See {@link fixedLen}. */
export interface FixedLen<D extends FeatureDType = FeatureDType, S extends Shape = Shape> {
  readonly kind: 'fixedLen'
  readonly dtype: D
  readonly shape: S
  readonly from: FeatureSource
  readonly defaultValue?: DefaultValue<FeatureDType>
  readonly allowMissing?: boolean
}

/** See {@link varLen}. */
export interface VarLen<D extends FeatureDType = FeatureDType> {
  readonly kind: 'varLen'
  readonly dtype: D
  readonly from: FeatureSource
}

/** See {@link ragged}. */
export interface Ragged<D extends FeatureDType = FeatureDType> {
  readonly kind: 'ragged'
  readonly dtype: D
  readonly from: FeatureSource
}

/** How one feature is read. */
export type Feature = FixedLen | VarLen | Ragged

/** The features to read, by key. Other keys of the record are passed over. */
export type ExampleSpec = { readonly [key: string]: Feature }

/** Options that all kinds of features have. */
export interface FeatureOptions {
  /**
   * The list that the values are in, where it is not the usual one of the dtype (see {@link FeatureDType}):
   * `'int64'` for integers that shall arrive as floats, `'float'` for floats that shall arrive as `'float64'`, and
   * `'bytes'` for numbers that one byte string holds raw, little-endian, as image bytes or `tf.io.decode_raw` have them.
   */
  readonly from?: FeatureSource
}

/** Options of {@link fixedLen}. */
export interface FixedLenOptions<D extends FeatureDType> extends FeatureOptions {
  /** Stands in for a missing feature. One value fills the whole shape. Without it a missing feature is an error. */
  readonly defaultValue?: DefaultValue<D>
  /**
   * Only in the `sequence` part of a SequenceExample: a missing feature list has no steps instead of being an error.
   * @default false
   */
  readonly allowMissing?: boolean
}

/**
 * A feature with the same number of values in every record (TensorFlow's `FixedLenFeature`).
 *
 * With shape `[]` the element is a single value, see {@link FeatureDType}; otherwise it is an `NdArray` of that shape, or
 * for `'bytes'` the list of the byte strings in row-major order. Another number of values is a `Mismatch`.
 *
 * ```ts
 * fixedLen([], 'int64')                                  // a label, as bigint
 * fixedLen([28, 28], 'uint8', { from: 'bytes' })         // the 784 bytes of an image
 * fixedLen([3], 'float32', { defaultValue: 0 })
 * ```
 */
export function fixedLen<const S extends Shape, D extends FeatureDType>(
  shape: S, dtype: D, options: FixedLenOptions<D> = {}
): FixedLen<D, S> {
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    const hint = 'for a length that differs use varLen or ragged'
    throw new RangeError(`fixedLen: shape must be a list of lengths of 0 and more, not ${String(shape)}; ${hint}`)
  }
  const from = sourceOf('fixedLen', dtype, options.from)
  if (shape.length === 0 && (dtype === 'float16' || dtype === 'bfloat16')) {
    throw new TypeError(`fixedLen: a single ${dtype} cannot be held in a number without conversion; use shape [1]`)
  }
  const { defaultValue, allowMissing } = options
  const feature: FixedLen<D, S> = {
    kind: 'fixedLen', dtype, shape: Object.freeze(shape.slice()) as unknown as S, from,
    ...(defaultValue === undefined ? {} : { defaultValue }),
    ...(allowMissing === undefined ? {} : { allowMissing })
  }
  if (defaultValue !== undefined) checkDefault(feature, defaultValue)
  return Object.freeze(feature)
}

/**
 * A feature of any number of values (TensorFlow's `VarLenFeature`, dense here): an `NdArray` of rank 1, or for `'bytes'`
 * a list of byte strings. A missing feature has length 0. Only records of equal length can be batched.
 */
export function varLen<D extends FeatureDType>(dtype: D, options: FeatureOptions = {}): VarLen<D> {
  return Object.freeze({ kind: 'varLen', dtype, from: sourceOf('varLen', dtype, options.from) })
}

/**
 * A feature of any number of values that is batched without padding (TensorFlow's `RaggedFeature` without partitions): a
 * `RaggedArray` without row splits, which is one row. A missing feature is an empty row.
 */
export function ragged<D extends Exclude<FeatureDType, 'bytes'>>(dtype: D, options: FeatureOptions = {}): Ragged<D> {
  if ((dtype as FeatureDType) === 'bytes') {
    throw new TypeError('ragged: a RaggedArray holds no byte strings; use varLen(\'bytes\'), or dtype \'string\' for text')
  }
  return Object.freeze({ kind: 'ragged', dtype, from: sourceOf('ragged', dtype, options.from) })
}

const SOURCES: Readonly<Record<FeatureDType, readonly FeatureSource[]>> = {
  bytes: ['bytes'],
  string: ['bytes'],
  bool: ['int64'],
  int8: ['int64', 'bytes'],
  uint8: ['int64', 'bytes'],
  int16: ['int64', 'bytes'],
  uint16: ['int64', 'bytes'],
  int32: ['int64', 'bytes'],
  uint32: ['int64', 'bytes'],
  int64: ['int64', 'bytes'],
  uint64: ['int64', 'bytes'],
  float16: ['bytes'],
  bfloat16: ['bytes'],
  float32: ['float', 'int64', 'bytes'],
  float64: ['int64', 'float', 'bytes']
}

function sourceOf(name: string, dtype: FeatureDType, from: FeatureSource | undefined): FeatureSource {
  const sources = Object.hasOwn(SOURCES, dtype) ? SOURCES[dtype] : undefined
  const [usual] = sources ?? []
  if (sources === undefined || usual === undefined) {
    throw new TypeError(`${name}: dtype must be one of ${Object.keys(SOURCES).join(', ')}, not ${String(dtype)}`)
  }
  if (from !== undefined && !sources.includes(from)) {
    throw new TypeError(`${name}: ${dtype} can be read from ${sources.join(', ')}, not from ${String(from)}`)
  }
  return from ?? usual
}

const SCALAR_TYPES: Readonly<Partial<Record<FeatureDType, string>>> = {
  string: 'string', int64: 'bigint', uint64: 'bigint', bool: 'boolean'
}

function checkDefault(feature: FixedLen, value: unknown): void {
  const { dtype, shape } = feature
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  const expected = dtype === 'bytes' ? 'a Uint8Array' : `a ${SCALAR_TYPES[dtype] ?? 'number'}`
  for (const one of values) {
    const fits = dtype === 'bytes' ? isBytes(one) : typeof one === (SCALAR_TYPES[dtype] ?? 'number')
    if (!fits) throw new TypeError(`fixedLen: the default value of dtype ${dtype} must be ${expected}, not ${typeof one}`)
  }
  if (dtype === 'float16' || dtype === 'bfloat16') throw new TypeError(`fixedLen: ${dtype} has no default values`)
  if (dtype !== 'bytes' && dtype !== 'string') values.forEach((one) => { defaultNumbers(dtype, 1, one) })
  if (Array.isArray(value) && value.length !== sizeOf(shape)) {
    const needed = `shape ${formatShape(shape)} needs ${sizeOf(shape)}`
    throw new RangeError(`fixedLen: the default value has ${value.length} values, and ${needed}`)
  }
}

/** The dtypes of arrays: byte strings have none. */
type DTypeOf<D extends FeatureDType> = Exclude<D, 'bytes'> & DType

/** What one feature of a parsed Example is. */
export type ParsedFeature<F extends Feature> =
  F extends FixedLen<infer D, infer S>
    ? S extends readonly []
      ? ScalarOf<D>
      : (D extends 'bytes' ? readonly Uint8Array[] : NdArray<DTypeOf<D>, S>) | (number extends S['length'] ? ScalarOf<D> : never)
    : F extends VarLen<infer D>
      ? D extends 'bytes' ? readonly Uint8Array[] : NdArray<DTypeOf<D>, readonly [number]>
      : F extends Ragged<infer D> ? RaggedArray<DTypeOf<D>> : never

/** The element that {@link ExampleSpec} `S` gives for one record. */
export type ParsedExample<S extends ExampleSpec> = { readonly [K in keyof S]: ParsedFeature<S[K]> }
