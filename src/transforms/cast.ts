import type { ScalarRow } from '../array/batched.js'
import { isDType } from '../array/dtype.js'
import { at, describe } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import { castNumbers, isCastDType, type CastData } from '../kernels/cast.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import { arrayAt, batchAt, plainScalar, refused } from './leaf.js'
import { applyTree, resolveSpec, specOfTree, valueLeaf, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** A dtype that numbers can be cast to. */
export type CastDType = Exclude<DType, 'string'>

/** The dtype of the element, or of parts of it by their keys. */
export type CastSpec = SpecOf<CastDType>

/** What {@link cast} makes. */
export interface CastTransform<S extends CastSpec> extends Transform {
  <T extends HasKeys<S, CastDType>>(element: T): Cast<T, S>
}

/** An element of type `T` after a cast by `S`. */
export type Cast<T, S> = S extends CastDType ? CastLeaf<T, S> : { [K in keyof T]: K extends keyof S ? Cast<T[K], S[K]> : T[K] }

type CastLeaf<T, D extends CastDType> =
  unknown extends T ? unknown
  : T extends { readonly dtype: DType; readonly shape: infer S extends Shape } ? NdArray<D, S>
  : T extends Uint8Array ? never
  : T extends NumericArray ? NdArray<D, readonly [number]>
  : T extends number | boolean | bigint ? ScalarRow<D>
  : never

/**
 * Makes a transform that gives numbers another dtype, as `tf.cast` and NumPy's `astype` do it: integers wrap around, fractions
 * are cut off, and what is rounded goes to the nearest value, ties to even. Floating point beyond the range of an integer dtype
 * becomes the nearest end of it, and NaN becomes 0; C, and so TensorFlow and NumPy, leave that open.
 *
 * - NdArrays and typed arrays → NdArray of the same shape; one that has the dtype already is not copied.
 * - Plain numbers (float64 to begin with), booleans and bigints → what a row of that dtype is: a number for float32, a bigint
 *   for int64, a boolean for bool, and an NdArray of rank 0 for all others.
 * - Real numbers → complex ones, without an imaginary part; not the other way.
 *
 * @throws MillraceError `Mismatch` for strings, bytes and missing keys; `Lossy` for a bigint of more than 64 bits. TypeError
 * for a wrong spec.
 * @example Dataset.of({ x: new Uint8Array(2).map(() => 3), y: 1n }).map(cast({ y: 'float32' }))
 */
export function cast<const S extends CastSpec>(spec: S): CastTransform<S> {
  const tree = resolveSpec('cast', spec, valueLeaf, checkDType)
  return makeTransform('cast', specOfTree(tree),
    (element: unknown) => applyTree('cast', tree, element, castLeaf),
    (batch, row) => applyTree('cast', tree, batch, castBatch, row))
}

function checkDType(dtype: unknown, where: string): CastDType {
  if (isDType(dtype) && dtype !== 'string') return dtype
  throw new TypeError(`${where} must be a dtype of numbers, like 'float32', not ${typeof dtype === 'string' ? `'${dtype}'` : describe(dtype)}`)
}

function castLeaf(dtype: CastDType, value: unknown, path: string): unknown {
  switch (typeof value) {
    case 'number':
      if (dtype === 'float32') return Math.fround(value)
      return plainScalar(castArray({ dtype: 'float64', shape: [], data: Float64Array.of(value) }, dtype, path))
    case 'boolean':
      return dtype === 'bool' ? value : plainScalar(castArray({ dtype: 'bool', shape: [], data: Uint8Array.of(Number(value)) }, dtype, path))
    case 'bigint':
      return plainScalar(castArray(bigScalar(value, path), dtype, path))
    default:
      return castArray(arrayAt('cast', value, path), dtype, path)
  }
}

function bigScalar(value: bigint, path: string): NdArray {
  if (BigInt.asIntN(64, value) === value) return { dtype: 'int64', shape: [], data: BigInt64Array.of(value) }
  throw new MillraceError('Lossy', `cast: ${value}${at(path)} is no int64; keep such integers in an NdArray of dtype uint64`, { keyPath: path })
}

/** A batch keeps what its rows were only if they lost nothing when they were stacked. */
function castBatch(dtype: CastDType, value: unknown, path: string, row: unknown): unknown {
  return castArray(batchAt('cast', value, path, row, dtype === 'float32' ? 'any' : 'exact'), dtype, path)
}

function castArray(array: NdArray, to: CastDType, path: string): NdArray {
  const { dtype: from, shape, data } = array
  if (from === to) return array
  if (isCastDType(from)) {
    // `arrayAt` has checked that data and dtype belong together.
    const numbers = data as CastData[typeof from]
    if (isCastDType(to)) return { dtype: to, shape, data: castNumbers(numbers, from, to) }
    if (to === 'complex64') return { dtype: to, shape, data: interleaved(castNumbers(numbers, from, 'float32'), new Float32Array(2 * numbers.length)) }
    return { dtype: to, shape, data: interleaved(castNumbers(numbers, from, 'float64'), new Float64Array(2 * numbers.length)) }
  }
  if (from !== 'string' && to === 'complex64') return { dtype: to, shape, data: Float32Array.from(data as Float64Array) }
  if (from !== 'string' && to === 'complex128') return { dtype: to, shape, data: Float64Array.from(data as Float32Array) }
  const hint = from === 'string' ? 'parse strings in a function of your own' : 'say in a function of your own which part is meant'
  throw refused('cast', `${from} values${at(path)} cannot be cast to ${to}; ${hint}`, path)
}

function interleaved<A extends Float32Array | Float64Array>(real: A, into: A): A {
  for (let i = 0; i < real.length; i++) into[2 * i] = real[i] as number
  return into
}
