import { isDType, type DTypeOfArray } from '../array/dtype.js'
import { at, describe } from '../array/nest.js'
import { castNumbers, isCastDType, type CastData } from '../kernels/cast.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import { checkInteger, checkOptions } from '../util/check.js'
import type { CastDType } from './cast.js'
import { arrayAt, arrayOrScalar, batchAt, refused } from './leaf.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** How {@link oneHot} writes a class. */
export interface OneHotOptions<D extends OneHotDType = OneHotDType> {
  /** Number of classes: the length of the new last axis. */
  readonly depth: number
  /** @default 1 */
  readonly on?: number
  /** @default 0 */
  readonly off?: number
  /** @default 'float32' */
  readonly dtype?: D
  /**
   * What becomes of an index that is not in `[0, depth)`: an error, or a row without a class, which is what TensorFlow makes of
   * it.
   * @default 'error'
   */
  readonly outOfRange?: 'error' | 'zeros'
}

/** A dtype that {@link oneHot} can write. */
export type OneHotDType = Exclude<CastDType, 'complex64' | 'complex128'>

/** What is done to the element, or to parts of it by their keys. */
export type OneHotSpec = SpecOf<OneHotOptions>

/** What {@link oneHot} makes. */
export interface OneHotTransform<S extends OneHotSpec> extends Transform {
  <T extends HasKeys<S, OneHotOptions>>(element: T): OneHot<T, S>
}

/** An element of type `T` after {@link oneHot} by `S`. */
export type OneHot<T, S> =
  S extends OneHotOptions ? OneHotLeaf<T, S['depth'], S extends { readonly dtype: infer D extends OneHotDType } ? D : 'float32'>
  : { [K in keyof T]: K extends keyof S ? OneHot<T[K], S[K]> : T[K] }

type OneHotLeaf<T, N extends number, D extends OneHotDType> =
  unknown extends T ? unknown
  : T extends { readonly dtype: DType; readonly shape: infer S extends Shape } ? NdArray<D, readonly [...S, N]>
  : T extends Uint8Array ? never
  : [DTypeOfArray<T>] extends [never] ? (T extends number | bigint ? NdArray<D, readonly [N]> : never)
  : T extends NumericArray ? NdArray<D, readonly [number, N]> : never

/**
 * Makes a transform that turns the number of a class into a vector with `on` at that place and `off` at all others, as
 * `tf.one_hot` does.
 *
 * Numbers, bigints and arrays of any integer or floating-point dtype come in; all values must be integers. The new axis is the
 * last one.
 *
 * @throws MillraceError `Mismatch` for a value that is no integer in `[0, depth)`, and for missing keys. TypeError or
 * RangeError for a wrong spec.
 * @example Dataset.of({ label: 3n }).map(oneHot({ label: { depth: 10 } }))
 */
export function oneHot<const S extends OneHotSpec>(spec: S): OneHotTransform<S> {
  const tree = resolveSpec('oneHot', spec, optionsLeaf, resolveOptions)
  return makeTransform('oneHot', specOfTree(tree, ({ options }) => options),
    (element: unknown) => applyTree('oneHot', tree, element, (leaf, value, path) => {
      const number = typeof value === 'number' || typeof value === 'bigint'
      return vectors(number ? arrayOrScalar('oneHot', value, path) : arrayAt('oneHot', value, path), leaf, path)
    }),
    (batch, row) => applyTree('oneHot', tree, batch,
      (leaf, value, path, part) => vectors(batchAt('oneHot', value, path, part, 'any'), leaf, path), row))
}

interface Resolved {
  readonly options: Required<OneHotOptions>
  /** One vector of `off`, and `on` in the same dtype. */
  readonly empty: CastData[OneHotDType]
  readonly on: number | bigint
}

function resolveOptions(given: unknown, where: string): Resolved {
  checkOptions(where, given as OneHotOptions, ['depth', 'on', 'off', 'dtype', 'outOfRange'])
  const { depth, on = 1, off = 0, dtype = 'float32', outOfRange = 'error' } = given as OneHotOptions
  checkInteger(where, 'depth', depth, 1)
  if (!isDType(dtype) || !isCastDType(dtype)) throw new TypeError(`${where}: dtype must be a dtype of real numbers, not ${String(dtype)}`)
  if (outOfRange !== 'error' && (outOfRange as string) !== 'zeros') {
    throw new TypeError(`${where}: outOfRange must be 'error' or 'zeros', not ${String(outOfRange)}`)
  }
  const stored = (name: string, value: number): number | bigint => {
    if (typeof value !== 'number') throw new TypeError(`${where}: ${name} must be a number, got ${typeof value}`)
    const cell = castNumbers(Float64Array.of(value), 'float64', dtype)
    const back = castNumbers(cell, dtype, 'float64')[0]
    // A fraction may be rounded; what is cut off, wrapped or made true is another value.
    const rounded = dtype.includes('float') && Number.isFinite(value) && !Number.isInteger(value)
    if (back !== value && !rounded) throw new RangeError(`${where}: ${name} ${value} does not fit ${dtype}`)
    return cell[0] as number | bigint
  }
  const options = { depth, on, off, dtype, outOfRange }
  const empty = castNumbers(new Float64Array(depth), 'float64', dtype)
  ;(empty as Uint8Array).fill(stored('off', off) as number)
  return { options, empty, on: stored('on', on) }
}

function vectors(array: NdArray, { options: { depth, dtype, outOfRange }, empty, on }: Resolved, path: string): NdArray {
  const { dtype: from, shape, data } = array
  if (!isCastDType(from) || from === 'bool') throw refused('oneHot', `there is ${describe(array)}${at(path)}; it takes integers, of any dtype that holds some`, path)
  const indices = (from === 'float16' || from === 'bfloat16' ? castNumbers(data as Uint16Array, from, 'float32') : data) as ArrayLike<number | bigint>
  // One cast for the union of typed arrays: `empty` is of the dtype that is asked for.
  const into = new (empty.constructor as Uint8ArrayConstructor)(indices.length * depth)
  const [vector, mark] = [empty as Uint8Array, on as number]
  const offIsZero = empty[0] === 0 || empty[0] === 0n
  for (let i = 0; i < indices.length; i++) {
    const index = Number(indices[i])
    if (!offIsZero) into.set(vector, i * depth)
    if (index >= 0 && index < depth && Number.isInteger(index)) into[i * depth + index] = mark
    else if (!Number.isInteger(index)) throw refused('oneHot', `${index}${at(path)} is no integer`, path)
    else if (outOfRange === 'error') {
      throw refused('oneHot', `class ${index}${at(path)} is outside [0, ${depth}); with outOfRange: 'zeros' it has no class`, path)
    }
  }
  return { dtype, shape: [...shape, depth], data: into }
}
