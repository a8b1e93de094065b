import { sizeOf } from '../array/ndarray.js'
import { at, formatShape } from '../array/nest.js'
import { widthOf, type DTypeOfArray } from '../array/dtype.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import { arrayOrScalar, batchAt, refused } from './leaf.js'
import { applyTree, resolveSpec, specOfTree, valueLeaf, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** The shape of the element, or of parts of it by their keys. One axis may be `-1`: whatever is left for it. */
export type ReshapeSpec = SpecOf<Shape>

/** What {@link reshape} makes. */
export interface ReshapeTransform<S extends ReshapeSpec> extends Transform {
  <T extends HasKeys<S, Shape>>(element: T): Reshaped<T, S>
}

/** An element of type `T` after a reshape by `S`. */
export type Reshaped<T, S> = S extends Shape ? ReshapedLeaf<T, LengthsOf<S>> : { [K in keyof T]: K extends keyof S ? Reshaped<T[K], S[K]> : T[K] }

/** A shape in which `-1` is any length. */
export type LengthsOf<S extends Shape> = { readonly [K in keyof S]: S[K] extends -1 ? number : S[K] }

type ReshapedLeaf<T, S extends Shape> =
  unknown extends T ? unknown
  : T extends { readonly dtype: infer D extends DType; readonly shape: Shape } ? NdArray<D, S>
  : T extends Uint8Array ? never
  : T extends NumericArray ? NdArray<DTypeOfArray<T>, S>
  : T extends number ? NdArray<'float32', S>
  : T extends boolean ? NdArray<'bool', S>
  : T extends bigint ? NdArray<'int64', S>
  : T extends string ? NdArray<'string', S>
  : never

/**
 * Makes a transform that gives arrays another shape of the same size. Row-major order is kept, and nothing is copied. Plain
 * scalars become arrays of the dtype that they are stacked to.
 *
 * @throws MillraceError `Mismatch` when the size is another one, for bytes and for missing keys. TypeError or RangeError for a
 * wrong spec.
 * @example Dataset.of({ x: new Float32Array(784) }).map(reshape({ x: [28, 28, -1] }))
 */
export function reshape<const S extends ReshapeSpec>(spec: S): ReshapeTransform<S> {
  const tree = resolveSpec('reshape', spec, valueLeaf, (shape, where) => checkShape(shape, where, 1))
  return makeTransform('reshape', specOfTree(tree),
    (element: unknown) => applyTree('reshape', tree, element, (shape, value, path) => reshaped(arrayOrScalar('reshape', value, path), shape, 0, path)),
    (batch, row) => applyTree('reshape', tree, batch, (shape, value, path, part) => reshaped(batchAt('reshape', value, path, part, 'any'), shape, 1, path), row))
}

/** A frozen shape, with at most that many axes of length `-1`. */
export function checkShape(shape: unknown, where: string, open: number): Shape {
  if (!Array.isArray(shape)) throw new TypeError(`${where} must be a shape: a list with the length of each axis`)
  const isLength = (length: unknown): boolean => Number.isSafeInteger(length) && (length as number) >= -1
  if (!shape.every(isLength)) throw new RangeError(`${where}: a shape has lengths of 0 and more, or -1, not [${shape.map(String).join(', ')}]`)
  const lengths = shape as readonly number[]
  if (lengths.filter(length => length === -1).length > open) throw new RangeError(`${where}: only one axis may be -1, not [${lengths.join(', ')}]`)
  return Object.freeze(lengths.slice())
}

/** The shape with its `-1` filled in, for that many values; `undefined` when they do not fit. */
export function filledShape(shape: Shape, size: number): Shape | undefined {
  const open = shape.indexOf(-1)
  if (open < 0) return sizeOf(shape) === size ? shape : undefined
  const others = -sizeOf(shape)
  return others > 0 && size % others === 0 ? shape.map(length => (length === -1 ? size / others : length)) : undefined
}

/** `lead` axes come before those of a row. */
function reshaped({ dtype, shape: from, data }: NdArray, shape: Shape, lead: 0 | 1, path: string): NdArray {
  const row = from.slice(lead)
  const size = sizeOf(row)
  const filled = filledShape(shape, size)
  if (filled !== undefined && data.length === sizeOf(from) * widthOf(dtype)) return { dtype, shape: lead === 0 ? filled : [from[0] as number, ...filled], data }
  throw refused('reshape', `${formatShape(row)}${at(path)} is ${size} values, which do not fit ${formatShape(shape)}`, path)
}
