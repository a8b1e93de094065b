/** Everything that JSON can hold: states, fingerprints and plans are made of it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A value that is here already, or a promise of it. The engine awaits only the second. */
export type MaybePromise<T> = T | Promise<T>

/** Number of elements: an exact count, `Infinity` for an endless dataset, `undefined` when it cannot be known without reading. */
export type Cardinality = number | undefined

/** The array that holds the values of one {@link DType}. */
export interface DataOf {
  /** One byte each, 0 or 1. */
  bool: Uint8Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  /** IEEE 754 binary16, as raw bits. */
  float16: Uint16Array
  /** The upper half of a float32, as raw bits. */
  bfloat16: Uint16Array
  float32: Float32Array
  float64: Float64Array
  string: readonly string[]
  /** Real and imaginary part in turn. */
  complex64: Float32Array
  /** Real and imaginary part in turn. */
  complex128: Float64Array
}

/** Type of the values of an {@link NdArray}, named as NumPy and TensorFlow name them. */
export type DType = keyof DataOf

/** The shape of an array: the length of each axis, slowest first. `[]` is a scalar. */
export type Shape = readonly number[]

/** A dense array: row-major, contiguous. `data.length` is the product of `shape` (twice that for complex dtypes). */
export interface NdArray<D extends DType = DType, S extends Shape = Shape> {
  readonly dtype: D
  readonly shape: S
  readonly data: DataOf[D]
}

/**
 * Rows of unequal length, as TensorFlow's RaggedTensor holds them: `data` is the concatenation of all rows, and
 * `rowSplits[k]` (outermost first) cuts it: row `i` is `[splits[i], splits[i + 1])` of the next level.
 * Without row splits it is one single row.
 */
export interface RaggedArray<D extends DType = DType> {
  readonly dtype: D
  readonly data: DataOf[D]
  readonly rowSplits: readonly Int32Array[]
}

/** A typed array that may stand for a rank-1 {@link NdArray}. `Uint8Array` is not among them: it is a byte string. */
export type NumericArray =
  | Int8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array
  | Float32Array | Float64Array | BigInt64Array | BigUint64Array

/** What an element is made of once its objects and arrays are opened. */
export type Leaf = number | boolean | bigint | string | Uint8Array | NumericArray | NdArray | RaggedArray

/** An element that can be batched: any nest of objects and arrays with {@link Leaf}s at the ends. */
export type Nest = Leaf | readonly Nest[] | { readonly [key: string]: Nest }

/** Dtype and shape of one leaf; `-1` is an axis whose length may differ from element to element. */
export interface LeafSpec {
  readonly dtype: DType | 'bytes' | 'unknown'
  readonly shape: Shape
}

/** The structure of an element with a {@link LeafSpec} in place of every leaf. */
export type ElementSpec = LeafSpec | readonly ElementSpec[] | { readonly [key: string]: ElementSpec }
