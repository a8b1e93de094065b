import type { BatchPool } from '../array/pool.js'
import { allocate, bytesPerValue, widthOf } from '../array/dtype.js'
import type { DataOf, DType, LeafSpec, NdArray } from '../types.js'
import type { Columns, RowSpec } from './table.js'

/** What a string is taken to weigh; what it does weigh is known only when it is there. */
const STRING_BYTES = 32

/** True for the structure of rows that are one leaf each. */
export function isLeafSpec(spec: RowSpec): spec is LeafSpec {
  return typeof (spec as { readonly dtype?: unknown }).dtype === 'string'
}

/** The structure of the rows, leaf by leaf. */
function leavesOf(spec: RowSpec): readonly LeafSpec[] {
  return isLeafSpec(spec) ? [spec] : Object.values(spec)
}

/** Bytes of one row, at least 1. */
export function bytesPerRow(spec: RowSpec): number {
  let bytes = 0
  for (const { dtype, shape } of leavesOf(spec)) bytes += product(shape) * (bytesPerValue(dtype as DType) || STRING_BYTES)
  return Math.max(1, bytes)
}

/** Arrays for so many rows. From a pool they may be dirty. */
export function allocateColumns(spec: RowSpec, rows: number, pool?: BatchPool): Columns {
  return mapLeaves(spec, ({ dtype, shape }) => ({
    dtype: dtype as DType,
    shape: Object.freeze([rows, ...shape]),
    data: (pool?.take ?? allocate)(dtype as DType, rows * product(shape) * widthOf(dtype as DType))
  }))
}

/** Copies rows. Both have the same structure. */
export function copyRows(from: Columns, start: number, count: number, into: Columns, at: number): void {
  eachPair(from, into, (source, target) => {
    const size = rowSize(source)
    if (Array.isArray(source.data)) {
      const strings = target.data as string[]
      for (let i = 0; i < count * size; i++) strings[at * size + i] = (source.data as readonly string[])[start * size + i] as string
    } else {
      ;(target.data as Uint8Array).set((source.data as Uint8Array).subarray(start * size, (start + count) * size), at * size)
    }
  })
}

/** Copies single rows, in the order of `rows`. */
export function gatherRows(from: Columns, rows: readonly number[], into: Columns, places: readonly number[]): void {
  eachPair(from, into, (source, target) => {
    const size = rowSize(source)
    if (Array.isArray(source.data)) {
      const strings = target.data as string[]
      for (let k = 0; k < rows.length; k++) {
        for (let i = 0; i < size; i++) strings[(places[k] as number) * size + i] = (source.data as readonly string[])[(rows[k] as number) * size + i] as string
      }
      return
    }
    const [data, out] = [source.data as Uint8Array, target.data as Uint8Array]
    for (let k = 0; k < rows.length; k++) {
      const row = rows[k] as number
      if (size === 1) out[places[k] as number] = data[row] as number
      else out.set(data.subarray(row * size, (row + 1) * size), (places[k] as number) * size)
    }
  })
}

/** Notes that arrays of a pool go out with a batch. */
export function lendColumns(columns: Columns, pool: BatchPool | undefined): Columns {
  if (pool !== undefined) eachPair(columns, columns, ({ data }) => void pool.lend(data))
  return columns
}

/** The first rows of so many, as views. */
export function firstRows(columns: Columns, rows: number, of: number): Columns {
  if (rows === of) return columns
  return mapColumns(columns, array => {
    const size = rowSize(array)
    const data = Array.isArray(array.data) ? array.data.slice(0, rows * size) : (array.data as Uint8Array).subarray(0, rows * size)
    return { dtype: array.dtype, shape: Object.freeze([rows, ...array.shape.slice(1)]), data: data as DataOf[DType] }
  })
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1)
}

/** Items of the data per row. */
function rowSize({ dtype, shape }: NdArray): number {
  return product(shape.slice(1)) * widthOf(dtype)
}

function mapLeaves(spec: RowSpec, make: (leaf: LeafSpec) => NdArray): Columns {
  if (isLeafSpec(spec)) return make(spec)
  return Object.fromEntries(Object.entries(spec).map(([key, leaf]) => [key, make(leaf)]))
}

function isArray(columns: Columns): columns is NdArray {
  return typeof (columns as { readonly dtype?: unknown }).dtype === 'string'
}

function mapColumns(columns: Columns, make: (array: NdArray) => NdArray): Columns {
  if (isArray(columns)) return make(columns)
  return Object.fromEntries(Object.entries(columns).map(([key, array]) => [key, make(array)]))
}

function eachPair(from: Columns, into: Columns, visit: (source: NdArray, target: NdArray) => void): void {
  if (isArray(from)) return visit(from, into as NdArray)
  for (const key of Object.keys(from)) visit(from[key] as NdArray, (into as { readonly [key: string]: NdArray })[key] as NdArray)
}
