import { MillraceError } from '../errors.js'
import type { DataOf, DType, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import { allocate, dtypeOfArray, holds, isDType, storageName, storedValue, tagOf, widthOf } from './dtype.js'
import type { DTypeOfArray } from './dtype.js'
import { formatShape } from './nest.js'

export { isNdArray, isRaggedArray } from './nest.js'

/** Arrays of arrays of one kind of scalar, to any depth. */
export type Nested<T> = readonly T[] | readonly Nested<T>[]

type NestedShape<T> = T extends readonly (infer U)[] ? readonly [number, ...NestedShape<U>] : readonly []

type ScalarIn<T> = T extends readonly (infer U)[] ? ScalarIn<U> : T

type NestedDType<T> =
  [ScalarIn<T>] extends [boolean] ? 'bool'
  : [ScalarIn<T>] extends [bigint] ? 'int64'
  : [ScalarIn<T>] extends [string] ? 'string'
  : 'float32'

/**
 * Makes an {@link NdArray}: row-major and contiguous.
 *
 * - From a typed array: its values, not copied. `shape` defaults to rank 1, `dtype` to that of the class (uint8 for
 *   `Uint8Array`); another dtype is allowed if the same class holds it, like `'bool'` for a `Uint8Array`.
 * - From nested arrays of numbers, booleans, bigints or strings: copied; the shape is inferred, or given. Numbers become
 *   float32 by default, booleans bool, bigints int64, strings string.
 *
 * @throws RangeError when the shape does not fit the data or the nesting is ragged; TypeError for data of another kind;
 * MillraceError `Lossy` for a value that the dtype cannot hold exactly.
 */
export function ndarray<const A extends NumericArray | Uint8Array>(data: A): NdArray<DTypeOfArray<A>, readonly [number]>
export function ndarray<A extends NumericArray | Uint8Array, const S extends Shape>(
  data: A, shape: S
): NdArray<DTypeOfArray<A>, Readonly<S>>
export function ndarray<A extends Nested<number> | Nested<boolean> | Nested<bigint> | Nested<string>>(
  data: A
): NdArray<NestedDType<A>, NestedShape<A>>
export function ndarray<A extends Nested<number> | Nested<boolean> | Nested<bigint> | Nested<string>, const S extends Shape>(
  data: A, shape: S
): NdArray<NestedDType<A>, Readonly<S>>
export function ndarray<const D extends DType, const S extends Shape>(
  data: DataOf[D] | Nested<number> | Nested<boolean> | Nested<bigint> | Nested<string>, shape: S | undefined, dtype: D
): NdArray<D, Readonly<S>>
export function ndarray(data: unknown, shape?: Shape, dtype?: DType): unknown {
  if (dtype !== undefined && !isDType(dtype)) throw new TypeError(`unknown dtype ${String(dtype)}`)
  if (ArrayBuffer.isView(data)) return fromTypedArray(data as NumericArray, shape, dtype)
  if (Array.isArray(data)) return fromNested(data, shape, dtype)
  throw new TypeError('ndarray needs a typed array or nested arrays of numbers, booleans, bigints or strings')
}

/**
 * Makes an {@link NdArray} of rank 0: a number, boolean, bigint or string that keeps this dtype when it is batched.
 *
 * @throws MillraceError `Lossy` for a value that the dtype cannot hold exactly.
 */
export function scalar<const D extends DType>(value: number | boolean | bigint | string, dtype: D): NdArray<D, readonly []> {
  if (!isDType(dtype)) throw new TypeError(`unknown dtype ${String(dtype)}`)
  const data = allocate<DType>(dtype, widthOf(dtype)) as unknown[]
  data[0] = exact(value, dtype)
  return { dtype, shape: [], data: data as unknown as DataOf[D] }
}

/** Makes a {@link RaggedArray} and checks that its row splits fit each other and the data. Nothing is copied. */
export function ragged<const D extends DType>(dtype: D, data: DataOf[D], rowSplits: readonly Int32Array[]): RaggedArray<D> {
  const array: RaggedArray<D> = { dtype, data, rowSplits }
  const fault = raggedFault(array)
  if (fault !== undefined) throw new RangeError(fault)
  return array
}

/** Number of values in an array of that shape. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (let axis = 0; axis < shape.length; axis++) size *= shape[axis] as number
  return size
}

/** A part of the data of an array: a view, except of strings. */
export function viewOf(data: NdArray['data'], start: number, end: number): NdArray['data'] {
  // One cast for the union of typed arrays: all have the same `subarray`.
  return ArrayBuffer.isView(data) ? (data as Float32Array).subarray(start, end) : data.slice(start, end)
}

/** True when both shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false
  return true
}

/** Why this is no valid NdArray; `undefined` when it is one. */
export function ndarrayFault({ dtype, shape, data }: NdArray): string | undefined {
  const lengths = shape.every((length) => Number.isInteger(length) && length >= 0)
  if (!lengths) return `shape ${formatShape(shape)} has an axis that is no length`
  if (!holds(data, dtype)) return `${dtype} values are held in a ${storageName(dtype)}, not in a ${tagOf(data)}`
  const need = sizeOf(shape) * widthOf(dtype)
  if (data.length !== need) return `${dtype} ${formatShape(shape)} needs ${need} values, the data hold ${data.length}`
  return undefined
}

/** Why this is no valid RaggedArray; `undefined` when it is one. */
export function raggedFault({ dtype, data, rowSplits }: RaggedArray): string | undefined {
  if (!holds(data, dtype)) return `${dtype} values are held in a ${storageName(dtype)}, not in a ${tagOf(data)}`
  for (let level = 0; level < rowSplits.length; level++) {
    const splits = rowSplits[level]
    if (tagOf(splits) !== 'Int32Array' || splits === undefined || splits.length === 0 || splits[0] !== 0) {
      return `row splits ${level} must be an Int32Array that begins with 0`
    }
    for (let i = 1; i < splits.length; i++) {
      if ((splits[i] as number) < (splits[i - 1] as number)) return `row splits ${level} must not decrease (at ${i})`
    }
    const inner = rowSplits[level + 1]
    const need = inner === undefined ? data.length / widthOf(dtype) : inner.length - 1
    if (splits[splits.length - 1] !== need) {
      const what = inner === undefined ? 'values' : 'inner rows'
      return `row splits ${level} end at ${splits[splits.length - 1]}, but there are ${need} ${what}`
    }
  }
  return undefined
}

function fromTypedArray(view: NumericArray, shape: Shape | undefined, dtype: DType | undefined): NdArray {
  const own = dtypeOfArray(view)
  if (own === undefined) throw new TypeError(`ndarray cannot use a ${tagOf(view)}`)
  const data = tagOf(view) === 'Uint8ClampedArray' ? new Uint8Array(view.buffer, view.byteOffset, view.length) : view
  const kind = dtype ?? own
  if (!holds(data, kind)) {
    throw new TypeError(`${kind} values are held in a ${storageName(kind)}; convert the ${tagOf(view)} first`)
  }
  return checked(kind, shape ?? [view.length / widthOf(kind)], data)
}

function fromNested(nested: readonly unknown[], shape: Shape | undefined, dtype: DType | undefined): NdArray {
  const found = nestedShape(nested)
  const values = found.length === 1 ? nested : (nested.flat(found.length - 1) as readonly unknown[])
  const kind = dtype ?? defaultDType(values[0])
  if (widthOf(kind) !== 1) throw new TypeError(`${kind} takes a typed array with real and imaginary parts in turn`)
  const data = allocate<DType>(kind, values.length) as unknown[]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (Array.isArray(value)) {
      throw new RangeError(`ragged nesting: the arrays have the shape ${formatShape(found)}, but value ${i} is an array`)
    }
    data[i] = exact(value, kind)
  }
  return checked(kind, shape ?? found, data as unknown as NdArray['data'])
}

/** The shape by the first item of each level; throws where another item differs. */
function nestedShape(nested: readonly unknown[]): number[] {
  const shape = [nested.length]
  let level: readonly unknown[] = nested
  while (Array.isArray(level[0])) {
    const length = level[0].length
    for (let i = 1; i < level.length; i++) {
      const item = level[i]
      if (!Array.isArray(item) || item.length !== length) {
        const other = Array.isArray(item) ? `an array of ${item.length}` : 'no array'
        const depth = shape.length
        throw new RangeError(`ragged nesting: at depth ${depth}, item 0 is an array of ${length} and item ${i} is ${other}`)
      }
    }
    shape.push(length)
    level = level.flat() as readonly unknown[]
  }
  return shape
}

function defaultDType(value: unknown): DType {
  switch (typeof value) {
    case 'boolean': return 'bool'
    case 'bigint': return 'int64'
    case 'string': return 'string'
    default: return 'float32'
  }
}

function exact(value: unknown, dtype: DType): number | bigint | string {
  const stored = storedValue(value, dtype)
  if (stored !== undefined) return stored
  const numeric = typeof value === 'number' || typeof value === 'bigint'
  if (!numeric || dtype === 'bool' || dtype === 'string') {
    throw new TypeError(`${String(value)} (${typeof value}) is no ${dtype} value`)
  }
  throw new MillraceError('Lossy', `${String(value)} cannot be held exactly as ${dtype}; use another dtype`)
}

function checked(dtype: DType, shape: Shape, data: NdArray['data']): NdArray {
  const array: NdArray = { dtype, shape: shape.slice(), data }
  const fault = ndarrayFault(array)
  if (fault !== undefined) throw new RangeError(fault)
  return array
}
