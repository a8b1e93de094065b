import type { Table, TableReader } from './table.js'

/** How {@link tableReader} reads. */
export interface TableReaderOptions {
  /** Name of the file, for errors. */
  readonly uri: string
  /** Bytes per read ahead, rounded to whole rows and blocks. @default 1 MiB */
  readonly readBytes?: number
  /** Most bytes of decoded blocks that access by ordinal keeps. @default 256 MiB */
  readonly cacheBytes?: number
}

/** Reads a table: elements, stacked runs, access by ordinal, all from {@link Table.read}. One fragment. */
export function tableReader(table: Table, options: TableReaderOptions): TableReader {
  throw new Error(`not built yet: ${options.uri} ${table.rows}`)
}
