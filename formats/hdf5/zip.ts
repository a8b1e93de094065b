import { MillraceError, bytesPerValue, type Columns, type DType, type LeafSpec, type NdArray, type RowSpec, type Table } from '../../src/format.js'

/** Above this many bytes in a block of several tables, it has the rows that suit the one with the largest rows. */
const MOST_BLOCK_BYTES = 2 ** 25

/**
 * Several tables side by side: the columns of one table. A table of columns under a key gives `key.column`; one under `null` keeps its names.
 * @throws MillraceError `Mismatch` when they do not have the same number of rows.
 */
export function zipTables(tables: readonly KeyedTable[], uri: string): Table {
  const [first] = tables
  const rows = first?.[1].rows ?? 0
  for (const [key, table] of tables) {
    if (table.rows === rows) continue
    const name = ([key, table]: KeyedTable): string => (key ?? Object.keys(table.spec).join(', '))
    throw new MillraceError('Mismatch',
      `${uri}: '${name([key, table])}' has ${table.rows} rows and '${first === undefined ? '' : name(first)}' has ${rows}. ` +
      'Datasets that are read together need the same number of rows', { uri, keyPath: name([key, table]), operation: 'open' })
  }
  const spec: Record<string, LeafSpec> = {}
  const parts = tables.map(([key, table]) => {
    const names = namesOf(key, table.spec)
    for (const [, name, leaf] of names) {
      if (Object.hasOwn(spec, name)) throw new MillraceError('Mismatch', `${uri}: two columns are called '${name}'. Choose other keys`, { uri, keyPath: name, operation: 'open' })
      Object.defineProperty(spec, name, { value: leaf, enumerable: true })
    }
    return { table, names }
  })

  return {
    rows,
    spec,
    blockRows: blockRowsOf(tables.map(([, table]) => table)),
    async read(start, count, columns, at, options) {
      const reads = parts.map(({ table, names }) => table.read(start, count, columnsFor(columns, names), at, options))
      const ended = await Promise.allSettled(reads)
      for (const result of ended) if (result.status === 'rejected') throw result.reason
    },
    async close() {
      for (const [, table] of tables) await table.close?.()
    }
  }
}

/** A table and the key that it stands under. */
export type KeyedTable = readonly [key: string | null, table: Table]

type Names = readonly (readonly [inner: string, outer: string, leaf: LeafSpec])[]

function namesOf(key: string | null, spec: RowSpec): Names {
  if (isLeaf(spec)) return [['', key ?? '', spec]]
  return Object.entries(spec).map(([name, leaf]) => [name, key === null ? name : `${key}.${name}`, leaf])
}

function isLeaf(spec: RowSpec): spec is LeafSpec {
  return typeof spec['dtype'] === 'string'
}

/** The columns of one of the tables, under its own names. */
function columnsFor(columns: Columns, names: Names): Columns {
  const of = columns as { readonly [key: string]: NdArray }
  const [only] = names
  if (only?.[0] === '') return of[only[1]] as NdArray
  return Object.fromEntries(names.map(([inner, outer]) => [inner, of[outer] as NdArray]))
}

/** The largest blocks, or those of the largest rows when the others are much longer than what they hold needs. */
function blockRowsOf(tables: readonly Table[]): number {
  const largest = Math.max(1, ...tables.map(table => table.blockRows))
  const rowBytes = tables.map(table => bytesOf(table.spec))
  if (largest * rowBytes.reduce((sum, bytes) => sum + bytes, 0) <= MOST_BLOCK_BYTES) return largest
  return tables[rowBytes.indexOf(Math.max(...rowBytes))]?.blockRows ?? largest
}

function bytesOf(spec: RowSpec): number {
  const leaves = isLeaf(spec) ? [spec] : Object.values(spec)
  return leaves.reduce((sum, { dtype, shape }) => sum + shape.reduce((product, length) => product * length, bytesPerValue(dtype as DType) || 32), 0)
}
