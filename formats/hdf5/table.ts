import { widthOf, type Columns, type NdArray, type RowSpec, type Table } from '../../src/format.js'
import type { Access } from './access.js'
import { isDense, type Column } from './columns.js'
import { bytesOf, convertColumn, finish } from './convert.js'
import type { GlobalHeap } from './heaps/global-heap.js'
import type { Rows } from './rows/rows.js'
import type { Scratch } from './scratch.js'

/** What {@link datasetTable} makes a table of. */
export interface TableParts {
  readonly access: Access
  readonly heap: GlobalHeap
  readonly scratch: Scratch
  /** Number of rows, and how many values each of them has. */
  readonly rows: number
  readonly rowElements: number
  readonly elementBytes: number
  readonly columns: readonly Column[]
  readonly spec: RowSpec
  readonly source: Rows
  /** Address of the object header, for errors. */
  readonly address: number
}

/**
 * The rows of a dataset. When the bytes in the file are those of the only column, they are read straight into its memory; else values
 * are read as they are and taken apart.
 */
export function datasetTable(parts: TableParts): Table {
  const { access, heap, scratch, rows, rowElements, elementBytes, columns, spec, source, address } = parts
  const [only] = columns
  const dense = isDense(columns, elementBytes) ? only : undefined

  function dataOf(into: Columns, column: Column): NdArray {
    const found = column.name === '' ? into : (into as { readonly [key: string]: NdArray })[column.name]
    if (found === undefined) throw new TypeError(`There is no column '${column.name}' to read into`)
    return found as NdArray
  }

  return {
    rows,
    spec,
    blockRows: source.blockRows,
    async read(start, count, into, at, { signal }) {
      if (!(start >= 0 && count >= 0 && start + count <= rows)) throw new RangeError(`Rows ${start} to ${start + count} are not all among the ${rows} of ${access.path ?? access.uri}`)
      signal.throwIfAborted()
      const file = access.with({ signal })
      const elements = count * rowElements
      if (elements === 0) return
      if (dense !== undefined) {
        const { data } = dataOf(into, dense)
        const bytes = bytesOf(data, at * itemsOf(dense), elements * elementBytes)
        await source.read(file, start, count, bytes)
        finish(dense, bytes)
        return
      }
      const raw = scratch.take(elements * elementBytes)
      await source.read(file, start, count, raw)
      const context = { access: file, heap, place: access.place(address) }
      for (const column of columns) {
        await convertColumn(context, column, raw, elementBytes, elements, dataOf(into, column).data, at * itemsOf(column))
      }
      scratch.give(raw)
    }
  }

  /** Items of the data of a column per row. */
  function itemsOf({ shape, dtype }: Column): number {
    return shape.reduce((product, length) => product * length, rowElements) * widthOf(dtype)
  }
}
