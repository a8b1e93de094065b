import { storedValue, widthOf, type DTypeOfArray } from '../array/dtype.js'
import { sizeOf } from '../array/ndarray.js'
import { at, formatShape } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import { floatToBfloat16, floatToHalf } from '../kernels/half.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import { checkOptions } from '../util/check.js'
import { copyBlock } from './blocks.js'
import { arrayAt, batchAt, refused, roomFor, withData } from './leaf.js'
import { checkShape, type LengthsOf } from './reshape.js'
import { applyTree, optionsLeaf, resolveSpec, specOfTree, type HasKeys, type SpecOf } from './spec.js'
import { makeTransform, type Transform } from './transform.js'

/** What an array is padded to. */
export interface PadToOptions {
  /** The length of each axis; `-1` leaves it as it is. */
  readonly shape: Shape
  /** What is put at the ends. @default 0, false or '' */
  readonly value?: number | boolean | bigint | string
}

/** What the element is padded to, or parts of it by their keys. */
export type PadToSpec = SpecOf<PadToOptions>

/** What {@link padTo} makes. */
export interface PadToTransform<S extends PadToSpec> extends Transform {
  <T extends HasKeys<S, PadToOptions>>(element: T): Padded<T, S>
}

/** An element of type `T` padded to `S`. */
export type Padded<T, S> =
  S extends { readonly shape: infer P extends Shape } ? PaddedLeaf<T, LengthsOf<P>>
  : { [K in keyof T]: K extends keyof S ? Padded<T[K], S[K]> : T[K] }

type PaddedLeaf<T, P extends Shape> =
  unknown extends T ? unknown
  : T extends { readonly dtype: infer D extends DType; readonly shape: Shape } ? NdArray<D, P>
  : T extends Uint8Array ? never
  : T extends NumericArray ? NdArray<DTypeOfArray<T>, P>
  : never

/**
 * Makes a transform that pads arrays of any dtype to a shape, at the end of every axis. An array that has the shape already is
 * not copied.
 *
 * @throws MillraceError `Mismatch` when an axis is longer than asked for or the rank is another one, for other values and for
 * missing keys; `Lossy` for a value that the dtype cannot hold. TypeError or RangeError for a wrong spec.
 * @example Dataset.of({ tokens: new Int32Array(3) }).map(padTo({ tokens: { shape: [8], value: -1 } }))
 */
export function padTo<const S extends PadToSpec>(spec: S): PadToTransform<S> {
  const tree = resolveSpec('padTo', spec, optionsLeaf, (options, where) => {
    checkOptions(where, options as PadToOptions, ['shape', 'value'])
    const { shape, value } = options as PadToOptions
    if (value !== undefined && !['number', 'boolean', 'bigint', 'string'].includes(typeof value)) {
      throw new TypeError(`${where}: value must be a number, boolean, bigint or string, got ${typeof value}`)
    }
    return { shape: checkShape(shape, `${where}: shape`, Infinity), ...(value !== undefined && { value }) } satisfies PadToOptions
  })
  return makeTransform('padTo', specOfTree(tree),
    (element: unknown) => applyTree('padTo', tree, element, (options, value, path) => padded(arrayAt('padTo', value, path), options, 0, path)),
    (batch, row) => applyTree('padTo', tree, batch,
      (options, value, path, part) => padded(batchAt('padTo', value, path, part, 'none'), options, 1, path), row))
}

/** `lead` axes come before those of a row. */
function padded(array: NdArray, { shape: fixed, value }: PadToOptions, lead: 0 | 1, path: string): NdArray {
  const { dtype, shape } = array
  const row = shape.slice(lead)
  if (row.length !== fixed.length) {
    throw refused('padTo', `${formatShape(row)}${at(path)} has rank ${row.length}, and the shape ${formatShape(fixed)} has rank ${fixed.length}`, path)
  }
  const into = [...shape.slice(0, lead), ...fixed.map((length, axis) => (length === -1 ? (row[axis] as number) : length))]
  const long = into.findIndex((length, axis) => (shape[axis] as number) > length)
  if (long >= 0) {
    const longer = `(axis ${long - lead}: ${shape[long]} > ${into[long]})`
    throw refused('padTo', `${formatShape(row)}${at(path)} is longer than ${formatShape(fixed)} ${longer}; cut it first, or pad to more`, path)
  }
  const pad = value === undefined ? undefined : padValue(value, dtype, path)
  if (into.every((length, axis) => length === shape[axis])) return array
  const width = widthOf(dtype)
  const data = roomFor(array, sizeOf(into) * width)
  if (pad !== undefined) for (let i = 0; i < data.length; i += width) (data as unknown[])[i] = pad
  const start = shape.map(() => 0)
  copyBlock({ data: array.data, shape, start }, { data, shape: into, start }, shape, width)
  return withData(array, into, data)
}

/** Complex data get the value as their real part. */
function padValue(value: number | boolean | bigint | string, dtype: DType, path: string): unknown {
  const half = dtype === 'float16' ? floatToHalf : dtype === 'bfloat16' ? floatToBfloat16 : undefined
  if (half !== undefined && typeof value === 'number') {
    const bits = new Uint16Array(1)
    half([value], bits)
    return bits[0]
  }
  const stored = storedValue(value, dtype)
  if (stored !== undefined) return stored
  const numeric = (typeof value === 'number' || typeof value === 'bigint') && dtype !== 'bool' && dtype !== 'string'
  if (!numeric) throw refused('padTo', `the value ${JSON.stringify(String(value))} (${typeof value})${at(path)} is no ${dtype} value`, path)
  throw new MillraceError('Lossy', `padTo: the value ${String(value)}${at(path)} cannot be held exactly as ${dtype}`, { keyPath: path })
}
