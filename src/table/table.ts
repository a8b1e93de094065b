import type { FormatReader, FragmentReadOptions } from '../format.js'
import type { BlockCache } from './block-cache.js'
import type { LeafSpec, MaybePromise, NdArray } from '../types.js'

/** The structure of one row: a leaf, or an object of leaves. Shapes are without the axis of the rows, and all their lengths are known. */
export type RowSpec = LeafSpec | { readonly [key: string]: LeafSpec }

/** Arrays for the rows of a table, in the structure of its rows: every shape has the number of rows in front. */
export type Columns = NdArray | { readonly [key: string]: NdArray }

/**
 * Rows of one shape: what NPY, NPZ, HDF5 and IDX files hold. A format says how to put a range of rows into arrays; reading
 * ahead, elements, batches, access by ordinal and positions come from {@link tableReader}.
 */
export interface Table {
  /** Number of rows. */
  readonly rows: number
  readonly spec: RowSpec
  /**
   * How many rows, beginning at a multiple of it, cost no more than one of them: the rows of a chunk that has to be decompressed
   * whole. 1 when a row costs what its bytes cost.
   */
  readonly blockRows: number
  /** True when blocks have to be read in order: a stream that is decompressed. Reading an earlier one begins anew. */
  readonly sequential?: boolean
  /**
   * Puts the rows `[start, start + count)` into `columns`, from row `at` of them on. Ranges are asked for in blocks, or in
   * parts of one where `blockRows` is 1. Calls may overlap, unless the table is sequential.
   * @throws MillraceError with `uri` and `offset`. After `Corrupt`, `Truncated` and `Mismatch` smaller ranges are tried, down to a block, to find the rows
   * that are damaged; after any other error all rows of the range count as lost.
   */
  read(start: number, count: number, columns: Columns, at: number, options: { readonly signal: AbortSignal }): Promise<void>
  /** Releases what the table holds; the source is closed by the caller. */
  close?(): Promise<void>
}

/** Some rows, stacked: what `batch` would make of them. */
export interface StackedRows {
  readonly rows: number
  readonly stacked: Columns
}

/** A pass over the rows of a fragment, stacked. */
export interface StackedRun {
  /** True when `next` has a row without reading. */
  ready(): boolean
  /** The next 1 to `max` rows, in arrays of their own; `null` at the end. A plain value when they are here already. */
  next(max: number): MaybePromise<StackedRows | null>
  close(): Promise<void>
}

/** A reader of tables: one fragment each. Positions (`next`, `from`) are numbers of rows. */
export interface TableReader extends FormatReader<unknown> {
  /** The rows of a fragment, stacked. */
  stacked(fragment: number, options: FragmentReadOptions): StackedRun
  /** Makes `get` keep its blocks in a cache that several readers share; to be called before it. */
  useCache(cache: BlockCache): void
}
