import { MillraceError } from '../errors.js'
import type { NdArray, RaggedArray } from '../types.js'
import type { Sliced, Unbatched } from './batched.js'
import { isBytes, isNumericArray, widthOf } from './dtype.js'
import { ndarrayFault, raggedFault, sizeOf, viewOf } from './ndarray.js'
import { asNdArray, at, describe, isNdArray, isPlainObject, isRaggedArray, joinPath, setMember } from './nest.js'

/**
 * What counts as sliceable.
 *
 * - `batch`: what `stack` makes. Stacking the rows gives the batch again.
 * - `slices`: for data as users hold it: also plain arrays of numbers, booleans, bigints, strings or bytes, and every typed array
 *   (`Uint8Array` too), which are sliced into plain scalars.
 */
export type SliceMode = 'batch' | 'slices'

/** The rows of a nest, cut on demand. */
export interface Slicer<R> {
  /** Number of rows: the length of the first axis of every leaf. */
  readonly rows: number
  /** Row `i`, which must be inside `[0, rows)`. Arrays are views of the nest, not copies. */
  row(i: number): R
}

/** Number of rows of a batch. @throws MillraceError `Mismatch` when the leaves disagree or cannot be sliced. */
export function rowsOf(nest: unknown, mode: SliceMode = 'batch'): number {
  return slicer(nest, mode).rows
}

/** Row `i` of a batch. For many rows of one nest, {@link slicer} does the checks only once. */
export function sliceRow<B>(batch: B, i: number): Unbatched<B>
export function sliceRow<B>(nest: B, i: number, mode: 'slices'): Sliced<B>
export function sliceRow(nest: unknown, i: number, mode: SliceMode = 'batch'): unknown {
  const { rows, row } = slicer(nest, mode)
  if (!Number.isInteger(i) || i < 0 || i >= rows) throw new RangeError(`row ${i} is not inside the ${rows} rows`)
  return row(i)
}

/** All rows of a batch. */
export function unstack<B>(batch: B): Unbatched<B>[] {
  const { rows, row } = slicer(batch)
  return Array.from({ length: rows }, (_, i) => row(i))
}

/**
 * Checks a nest and makes a function that cuts rows from it along the first axis of every leaf:
 *
 * - rank-1 NdArrays: float32 → number, bool → boolean, int64 → bigint, string → string; of other dtypes → NdArray of rank 0, so
 *   that the dtype survives
 * - NdArrays of higher rank → NdArray view without the first axis
 * - RaggedArrays → the row, a RaggedArray with one row split less
 * - arrays whose items are all bytes → bytes
 * - other objects and arrays → the same structure of rows
 *
 * @throws MillraceError `Mismatch`, naming the key path, when leaves disagree about the number of rows, or have no rows.
 */
export function slicer<B>(batch: B, mode?: 'batch'): Slicer<Unbatched<B>>
export function slicer<B>(nest: B, mode: 'slices'): Slicer<Sliced<B>>
export function slicer(nest: unknown, mode: SliceMode): Slicer<unknown>
export function slicer(nest: unknown, mode: SliceMode = 'batch'): Slicer<unknown> {
  const seen: Seen = { rows: undefined, path: '' }
  const row = compile(nest, '', mode, seen)
  if (seen.rows === undefined) throw refused(`${describe(nest)} has no array to take rows from`, '')
  return { rows: seen.rows, row }
}

type Cut = (i: number) => unknown

interface Seen {
  rows: number | undefined
  path: string
}

function compile(value: unknown, path: string, mode: SliceMode, seen: Seen): Cut {
  if (ArrayBuffer.isView(value)) {
    if (mode === 'slices' && (isBytes(value) || isNumericArray(value))) {
      agree(value.length, path, seen)
      return (i) => value[i]
    }
    if (isNumericArray(value)) return cutArray(asNdArray(value), path, seen)
  } else if (Array.isArray(value)) {
    if (value.length > 0 ? value.every(isBytes) || (mode === 'slices' && isScalars(value)) : mode === 'slices') {
      agree(value.length, path, seen)
      return (i) => value[i] as unknown
    }
    const cuts = value.map((item, k) => compile(item, joinPath(path, k), mode, seen))
    return (i) => cuts.map((cut) => cut(i))
  } else if (isNdArray(value)) {
    return cutArray(value, path, seen)
  } else if (isRaggedArray(value)) {
    return cutRagged(value, path, seen)
  } else if (isPlainObject(value)) {
    const keys = Object.keys(value)
    const cuts = keys.map((key) => compile(value[key], joinPath(path, key), mode, seen))
    return (i) => {
      const row: Record<string, unknown> = {}
      for (let k = 0; k < keys.length; k++) setMember(row, keys[k] as string, (cuts[k] as Cut)(i))
      return row
    }
  }
  const hint = mode === 'batch' && !isBytes(value)
    ? 'Rows are taken from NdArrays, RaggedArrays and lists of bytes, in plain objects and arrays.'
    : 'Rows are taken from NdArrays, RaggedArrays, typed arrays and arrays of scalars, in plain objects and arrays of these.'
  throw refused(`${describe(value)}${at(path)} has no rows. ${hint}`, path)
}

function refused(text: string, keyPath: string): MillraceError {
  return new MillraceError('Mismatch', `cannot slice: ${text}`, { keyPath })
}

function agree(rows: number, path: string, seen: Seen): void {
  if (seen.rows === undefined) {
    seen.rows = rows
    seen.path = path
  } else if (seen.rows !== rows) {
    const others = `${seen.rows} rows${at(seen.path)}`
    throw refused(`there are ${rows} rows${at(path)}, but ${others}. All arrays need the same first axis.`, path)
  }
}

function isScalars(items: readonly unknown[]): boolean {
  const type = typeof items[0]
  if (type !== 'number' && type !== 'string' && type !== 'boolean' && type !== 'bigint') return false
  return items.every((item) => typeof item === type)
}

function cutArray(array: NdArray, path: string, seen: Seen): Cut {
  const { dtype, shape, data } = array
  const fault = ndarrayFault(array)
  if (fault !== undefined) throw refused(`the array${at(path)} is not valid: ${fault}`, path)
  const rows = shape[0]
  if (rows === undefined) {
    throw refused(`${describe(array)}${at(path)} has rank 0, and so no rows`, path)
  }
  agree(rows, path, seen)
  if (shape.length === 1) {
    switch (dtype) {
      case 'float32':
      case 'int64':
      case 'string':
        return (i) => data[i]
      case 'bool':
        return (i) => data[i] !== 0
      default:
    }
  }
  const inner = Object.freeze(shape.slice(1))
  const size = sizeOf(inner) * widthOf(dtype)
  return (i) => ({ dtype, shape: inner, data: viewOf(data, i * size, (i + 1) * size) })
}

function cutRagged(array: RaggedArray, path: string, seen: Seen): Cut {
  const { dtype, data, rowSplits } = array
  const fault = raggedFault(array)
  if (fault !== undefined) throw refused(`the array${at(path)} is not valid: ${fault}`, path)
  const outer = rowSplits[0]
  if (outer === undefined) {
    throw refused(`${describe(array)}${at(path)} is one single row`, path)
  }
  agree(outer.length - 1, path, seen)
  const width = widthOf(dtype)
  return (i) => {
    let start = outer[i] as number
    let end = outer[i + 1] as number
    const inner: Int32Array[] = []
    for (let level = 1; level < rowSplits.length; level++) {
      const splits = (rowSplits[level] as Int32Array).slice(start, end + 1)
      start = splits[0] as number
      end = splits[splits.length - 1] as number
      for (let k = 0; k < splits.length; k++) splits[k] = (splits[k] as number) - start
      inner.push(splits)
    }
    return { dtype, data: viewOf(data, start * width, end * width), rowSplits: inner }
  }
}
