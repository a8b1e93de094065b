import { MillraceError } from '../errors.js'
import type { DType, NdArray, NumericArray, Shape } from '../types.js'
import type { PaddedBatched } from './batched.js'
import { compile, copyInto, rowAt, type Column } from './columns.js'
import { allocate, checkNumberDType, storedValue, widthOf, type NumberDType } from './dtype.js'
import { ndarrayFault, sizeOf, viewOf } from './ndarray.js'
import { alike, asNdArray, at, describe, formatShape, isPlainObject, joinPath, kindOf } from './nest.js'
import { broken } from './stack-errors.js'

/** A shape to pad to: a fixed length per axis; `-1` or `null` for the longest in the batch. */
export type PaddedShape = readonly (number | null)[]

/** The structure of an element with a {@link PaddedShape} per leaf; what is left out is padded to the longest in the batch. */
export type PaddedShapes = PaddedShape | null | readonly PaddedShapes[] | { readonly [key: string]: PaddedShapes | undefined }

/** A value to pad with. */
export type PadValue = number | boolean | bigint | string

/**
 * The structure of an element with a {@link PadValue} per leaf. One value in place of a structure stands for all leaves in it.
 */
export type PadValues = PadValue | null | readonly PadValues[] | { readonly [key: string]: PadValues | undefined }

/** How elements are padded. */
export interface PadOptions<D extends NumberDType = NumberDType> {
  /** @default the longest in the batch, for every axis */
  readonly shapes?: PaddedShapes | undefined
  /** @default 0, false, '' */
  readonly values?: PadValues | undefined
  /** As in `stack`. @default 'float32' */
  readonly numbers?: D | undefined
}

/** Pads and stacks batch after batch. */
export type PadStacker<D extends NumberDType = 'float32'> =
  <T>(elements: readonly T[], firstIndex?: number) => PaddedBatched<T, number, D>

/**
 * Stacks elements whose NdArrays differ in shape: each is padded at the end of every axis to the longest in the batch, or to the
 * length that `shapes` fixes. Ranks must agree. Leaves that are not arrays are stacked as `stack` does; so are bytes, which stay
 * a list, and RaggedArrays, which need no padding.
 *
 * @throws MillraceError `Mismatch` when an element is longer than a fixed length, when ranks, dtypes or structures differ, or
 * when `shapes` or `values` name something that the elements do not have; `Lossy` for a value that its dtype cannot hold
 * exactly.
 */
export function padStack<T, const D extends NumberDType = 'float32'>(
  elements: readonly T[], options: PadOptions<D> = {}, firstIndex = 0
): PaddedBatched<T, number, D> {
  return padStacker(options)(elements, firstIndex)
}

/** The form of {@link padStack} for batch after batch: what it has compiled for one batch serves all that are alike. */
export function padStacker<const D extends NumberDType = 'float32'>(options: PadOptions<D> = {}): PadStacker<D> {
  const numbers = checkNumberDType(options.numbers)
  let column: Column | undefined
  let example: unknown
  return <T>(elements: readonly T[], firstIndex = 0) => {
    if (elements.length === 0) throw new RangeError('there is no element to stack')
    if (column === undefined || !alike(example, elements[0])) {
      const leaves = new Map<string, LeafPadding>()
      resolve(elements[0], options.shapes, options.values, '', leaves)
      column = compile(elements[0], { numbers }, '', firstIndex, (value, path) => {
        if (kindOf(value) !== 'array') return undefined
        const { dtype, shape } = asNdArray(value as NdArray | NumericArray)
        return padColumn(dtype, shape.length, leaves.get(path) ?? {}, path)
      })
      example = elements[0]
    }
    return column(elements, firstIndex) as PaddedBatched<T, number, D>
  }
}

interface LeafPadding {
  readonly shape?: PaddedShape
  readonly value?: PadValue
}

/** Walks element, shapes and values together, so that a shape is told from an array of shapes. */
function resolve(element: unknown, shapes: unknown, values: unknown, path: string, leaves: Map<string, LeafPadding>): void {
  const kind = kindOf(element)
  if (kind === 'list' || kind === 'object') {
    checkMembers(element as object, shapes, 'shapes', path)
    if (typeof values === 'object') checkMembers(element as object, values, 'values', path)
    for (const [key, member] of Object.entries(element as object)) {
      const inner = typeof values === 'object' ? memberOf(values, key) : values
      resolve(member, memberOf(shapes, key), inner, joinPath(path, kind === 'list' ? Number(key) : key), leaves)
    }
    return
  }
  const shape = shapes === undefined || shapes === null ? undefined : checkShape(shapes, path)
  if (typeof values === 'object' && values !== null) {
    throw mismatch(`values${at(path)} is ${describe(values)}, but the elements have ${describe(element)} there`, path)
  }
  const value = values === undefined || values === null ? undefined : (values as PadValue)
  if (shape !== undefined && kind !== 'array' && !(shape.length === 0 && kind !== 'bytes' && kind !== 'ragged')) {
    throw mismatch(
      `shapes${at(path)} is ${formatFixed(shape)}, but the elements have ${describe(element)} there, which is not padded`,
      path
    )
  }
  leaves.set(path, { ...(shape === undefined ? {} : { shape }), ...(value === undefined ? {} : { value }) })
}

function checkMembers(element: object, option: unknown, name: string, path: string): void {
  if (option === undefined || option === null) return
  const fits = Array.isArray(element) ? Array.isArray(option) && option.length === element.length : isPlainObject(option)
  const extra = fits ? Object.keys(option).find((key) => !Object.hasOwn(element, key)) : undefined
  if (fits && extra === undefined) return
  throw mismatch(
    extra === undefined
      ? `${name}${at(path)} is ${describe(option)}, but the elements have ${describe(element)} there`
      : `${name} has ${joinPath(path, extra)}, which the elements do not have`,
    path
  )
}

function memberOf(option: unknown, key: string): unknown {
  return typeof option === 'object' && option !== null ? (option as Readonly<Record<string, unknown>>)[key] : undefined
}

function checkShape(shape: unknown, path: string): PaddedShape {
  const isLength = (length: unknown): boolean => length === null || (Number.isInteger(length) && (length as number) >= -1)
  if (Array.isArray(shape) && shape.every(isLength)) return shape as PaddedShape
  throw mismatch(`shapes${at(path)} must be a list with a length, -1 or null for each axis, not ${describe(shape)}`, path)
}

function mismatch(text: string, keyPath: string, index?: number): MillraceError {
  return new MillraceError('Mismatch', `cannot pad: ${text}`, { keyPath, ...(index === undefined ? {} : { index }) })
}

function padColumn(dtype: DType, rank: number, padding: LeafPadding, path: string): Column {
  const fixed = padding.shape
  if (fixed !== undefined && fixed.length !== rank) {
    throw mismatch(
      `shapes${at(path)} is ${formatFixed(fixed)}, of rank ${fixed.length}, but the elements have rank ${rank} there`,
      path
    )
  }
  const pad = padding.value === undefined ? undefined : padValue(padding.value, dtype, path)
  const width = widthOf(dtype)
  return (values, first) => {
    const n = values.length
    const target = new Array<number>(rank).fill(0)
    for (let i = 0; i < n; i++) {
      const row = rowAt(values, i, first, path, dtype)
      const fault = ndarrayFault(row)
      if (fault !== undefined) throw broken(fault, path, first + i)
      if (row.shape.length !== rank) {
        const others = `element ${first} has shape ${formatShape(asNdArray(values[0] as NdArray | NumericArray).shape)}`
        throw mismatch(
          `element ${first + i} has shape ${formatShape(row.shape)}${at(path)}, but ${others}. Padding does not change the rank.`,
          path, first + i
        )
      }
      for (let axis = 0; axis < rank; axis++) {
        const length = row.shape[axis] as number
        const limit = fixed?.[axis] ?? -1
        if (limit >= 0 && length > limit) {
          throw mismatch(
            `element ${first + i} has shape ${formatShape(row.shape)}${at(path)}, which is longer than the fixed shape ` +
              `${formatFixed(fixed ?? [])} (axis ${axis}: ${length} > ${limit}). Raise the length, use -1, or cut the elements in a map.`,
            path, first + i
          )
        }
        target[axis] = limit >= 0 ? limit : Math.max(target[axis] as number, length)
      }
    }
    const size = sizeOf(target) * width
    const data = allocate<DType>(dtype, n * size)
    if (pad !== undefined) fill(data, pad, width)
    for (let i = 0; i < n; i++) place(rowAt(values, i, first, path, dtype), data, i * size, target, width)
    return { dtype, shape: [n, ...target], data }
  }
}

function padValue(value: PadValue, dtype: DType, path: string): number | bigint | string | undefined {
  const stored = storedValue(value, dtype)
  if (stored !== undefined) return stored === 0 && !Object.is(stored, -0) ? undefined : stored
  if (dtype === 'float16' || dtype === 'bfloat16') {
    const text = `cannot pad ${dtype}${at(path)} with ${String(value)}: only 0 is supported`
    throw new MillraceError('Unsupported', text, { keyPath: path })
  }
  const numeric = (typeof value === 'number' || typeof value === 'bigint') && dtype !== 'bool' && dtype !== 'string'
  if (!numeric) throw mismatch(`the value ${JSON.stringify(String(value))} (${typeof value})${at(path)} is no ${dtype} value`, path)
  const text = `cannot pad: the value ${String(value)}${at(path)} cannot be held exactly as ${dtype}`
  throw new MillraceError('Lossy', text, { keyPath: path })
}

/** Complex data get the value as their real part. */
function fill(data: NdArray['data'], value: number | bigint | string, width: number): void {
  if (width === 1) (data as unknown as unknown[]).fill(value)
  else for (let i = 0; i < data.length; i += width) (data as unknown[])[i] = value
}

/** Copies a row into the corner of its padded place, in the longest runs that are contiguous in both. */
function place(row: NdArray, data: NdArray['data'], offset: number, target: Shape, width: number): void {
  const { shape } = row
  if (row.data.length === 0) return
  // Axes after `axis` are as long in the row as in the target, so one item of `axis` is a run of `inner` in both.
  let axis = shape.length - 1
  let inner = width
  while (axis > 0 && shape[axis] === target[axis]) inner *= shape[axis--] as number
  if (axis <= 0) return copyInto(data, row.data, offset)
  const run = inner * (shape[axis] as number)
  const position = new Array<number>(axis).fill(0)
  for (let from = 0; from < row.data.length; from += run) {
    let into = 0
    for (let k = 0; k < axis; k++) into = (into + (position[k] as number)) * (target[k + 1] as number)
    copyInto(data, viewOf(row.data, from, from + run), offset + into * inner)
    for (let k = axis - 1; k >= 0; k--) {
      position[k] = (position[k] as number) + 1
      if ((position[k] as number) < (shape[k] as number)) break
      position[k] = 0
    }
  }
}

function formatFixed(shape: PaddedShape): string {
  return formatShape(shape.map((length) => length ?? -1))
}
