import { inParallel, MillraceError, type Columns, type LeafSpec, type NdArray, type RowSpec, type Table } from '../../src/format.js'
import { axesShape } from './item.js'
import type { ArrayReader } from './array.js'
import type { ResolvedNpyOptions } from './options.js'

/** An array, and what it is called in the elements; nothing for one that is all of the element. */
export interface NamedArray {
  readonly key: string | undefined
  readonly array: ArrayReader
}

/** Arrays that are read at the same time. */
const AT_ONCE = 16
/** Arrays that have to be read in order, and have no more bytes in all, are one block: that can be had at any time, and be kept. */
const SMALL_BYTES = 2 ** 23

/**
 * The rows that several arrays have side by side, or with `element: 'file'` one row that is all of them.
 * @throws MillraceError `Mismatch` when the arrays have not the same number of rows, or two columns the same name
 */
export function tableOf(uri: string, arrays: readonly NamedArray[], options: Pick<ResolvedNpyOptions, 'element' | 'fortranBytes'>): Table {
  const whole = options.element === 'file'
  const parts = arrays.map(({ key, array }) => ({ array, names: array.columns.map(({ name }) => joined(key, name)) }))
  const spec = specOf(uri, arrays, whole)
  const rows = whole ? 1 : commonRows(uri, arrays)
  const ordered = arrays.some(({ array }) => array.region.ordered)
  const small = arrays.reduce((sum, { array }) => sum + array.header.dataBytes, 0) <= SMALL_BYTES
  const canEnd = arrays.some(({ array }) => array.region.final !== undefined)
  let before: Promise<unknown> = Promise.resolve()

  async function readAll(start: number, count: number, columns: Columns, at: number, signal: AbortSignal): Promise<void> {
    const readOne = ({ array, names }: typeof parts[number]): Promise<void> => {
      const into = names.map((name) => (name === undefined ? columns : (columns as { readonly [key: string]: NdArray })[name]) as NdArray)
      return whole ? array.read(0, array.rows, into, at * array.rows, signal) : array.read(start, count, into, at, signal)
    }
    const [only] = parts
    if (parts.length === 1 && only !== undefined) return readOne(only)
    await inParallel(parts, AT_ONCE, readOne)
  }

  return {
    rows: arrays.length === 0 ? 0 : rows,
    spec,
    blockRows: whole ? 1 : ordered && small ? Math.max(1, rows) : blockRows(arrays, rows, options.fortranBytes),
    sequential: ordered && !whole && !small,
    read(start, count, columns, at, { signal }) {
      if (!canEnd && !ordered) return readAll(start, count, columns, at, signal)
      const reading = (ordered ? before : Promise.resolve()).then(() => readAll(start, count, columns, at, signal)).catch((error: unknown) => {
        if (typeof error === 'object' && error !== null && arrays.some(({ array }) => array.region.final?.(error) === true)) {
          Object.defineProperty(error, 'next', { value: rows, enumerable: true, configurable: true })
        }
        throw error
      })
      before = reading.catch(() => undefined)
      return reading
    }
  }
}

/** The name of a column; nothing if it is the whole row. */
function joined(key: string | undefined, name: string): string | undefined {
  if (key === undefined) return name === '' ? undefined : name
  return name === '' ? key : `${key}.${name}`
}

function specOf(uri: string, arrays: readonly NamedArray[], whole: boolean): RowSpec {
  const leaves = new Map<string, LeafSpec>()
  for (const { key, array } of arrays) {
    for (const [k, { name, spec }] of array.columns.entries()) {
      const leaf = array.header.item.leaves[k]
      const column = whole && leaf !== undefined ? { dtype: spec.dtype, shape: Object.freeze([...array.header.shape, ...axesShape(leaf)]) } : spec
      const called = joined(key, name)
      if (called === undefined) return column
      if (leaves.has(called)) {
        throw new MillraceError('Mismatch', `${uri}: two columns would be called ${JSON.stringify(called)}; rename an array with the option keys: { newName: 'name' }`,
          { uri, keyPath: called })
      }
      leaves.set(called, column)
    }
  }
  return Object.freeze(Object.fromEntries(leaves))
}

function commonRows(uri: string, arrays: readonly NamedArray[]): number {
  const [first, ...others] = arrays
  if (first === undefined) return 0
  const axis = ({ array: { header: { shape } } }: NamedArray): string => (shape[0] === undefined ? 'no axis' : `${shape[0]} rows`)
  for (const other of others) {
    if (axis(other) === axis(first)) continue
    throw new MillraceError('Mismatch', `${uri}: ${String(first.key)} has ${axis(first)} and ${String(other.key)} has ${axis(other)}, so there are no rows across both. `
      + "Choose arrays of the same length with the option keys, or read the whole file as one element: element: 'file'", { uri, keyPath: String(other.key) })
  }
  return first.array.rows
}

/** As many rows as may be transposed at once. */
function blockRows(arrays: readonly NamedArray[], rows: number, fortranBytes: number): number {
  const strewn = arrays.filter(({ array }) => array.fortran)
  if (strewn.length === 0) return 1
  const rowBytes = strewn.reduce((sum, { array }) => sum + array.itemsPerRow * array.header.item.bytes, 0)
  return Math.max(1, Math.min(rows, Math.floor(fortranBytes / rowBytes)))
}
