import { MillraceError } from '../errors.js'
import type { BatchPool } from '../array/pool.js'
import type { FormatChunk, FragmentReadOptions } from '../format.js'
import type { Json, MaybePromise } from '../types.js'
import { blockReads, type Block, type BlockReads } from './block-reads.js'
import { allocateColumns, bytesPerRow, copyRows, firstRows, lendColumns } from './columns.js'
import { blockCache, type BlockCache } from './block-cache.js'
import { adaptiveAccess, blockAccess, rowsOf, type RowAccess } from './row-access.js'
import type { Columns, StackedRows, StackedRun, Table, TableReader } from './table.js'

/** How {@link tableReader} reads. */
export interface TableReaderOptions {
  /** Name of the file, for errors. */
  readonly uri: string
  /** Bytes per read, rounded to whole rows and blocks. @default 1 MiB */
  readonly readBytes?: number | undefined
  /** Most bytes of decoded blocks that access by ordinal keeps. @default 256 MiB */
  readonly cacheBytes?: number | undefined
}

/** Reads under way at once: two keep a local disk busy, decompression takes a thread for each. */
const AHEAD = 3
/** Bytes that a stream is decompressed ahead of demand. */
const SEQUENTIAL_AHEAD_BYTES = 16 << 20

/**
 * Reads a table of rows: elements, stacked runs, access by ordinal (unless it is sequential) and positions, all from
 * {@link Table.read}. One fragment; a position is a number of rows.
 *
 * When a block cannot be read, the rows before it are delivered first; reading goes on behind it.
 * Memory: about five reads; for access by ordinal, `cacheBytes` of blocks that had to be decoded.
 */
export function tableReader(table: Table, options: TableReaderOptions): TableReader {
  const { uri, readBytes = 1 << 20, cacheBytes = 256 << 20 } = options
  const rowBytes = bytesPerRow(table.spec)
  const unitBytes = rowBytes * table.blockRows
  const blockRows = table.blockRows * Math.max(1, Math.floor(readBytes / unitBytes))
  const ahead = table.sequential === true ? Math.max(2, Math.floor(SEQUENTIAL_AHEAD_BYTES / (blockRows * rowBytes))) : AHEAD
  let cache: BlockCache | undefined

  const reads = (fragment: number, { from, signal }: FragmentReadOptions): BlockReads => {
    if (fragment !== 0) throw new RangeError(`${uri} has one fragment, 0; there is no fragment ${fragment}`)
    return blockReads(table, { from: rowAt(from), blockRows, ahead, signal })
  }
  const rowAt = (from: Json | undefined): number => {
    if (from === undefined) return 0
    if (typeof from === 'number' && Number.isSafeInteger(from) && from >= 0 && from <= table.rows) return from
    throw new MillraceError('Checkpoint',
      `Cannot go on in ${uri} at row ${JSON.stringify(from)}: it has ${table.rows} rows. Has the file been replaced since the checkpoint? Begin anew without it`, { uri, operation: 'read' })
  }
  return {
    fragments: [{ count: table.rows }],
    async *read(fragment, readOptions): AsyncGenerator<FormatChunk<unknown>, void, undefined> {
      const blocks = reads(fragment, readOptions)
      try {
        let before: Block | undefined
        for (let block = await blocks.next(); block !== null; block = await blocks.next()) {
          yield { elements: rowsOf(block.columns, block.rows), next: block.start + block.rows }
          if (before !== undefined) blocks.recycle(before)
          before = readOptions.transient === true ? block : undefined
        }
      } finally {
        await blocks.close()
      }
    },
    stacked: (fragment, readOptions) => stackedRun(table, reads(fragment, readOptions), readOptions.pool),
    seek: (_, ordinal) => ordinal,
    ...(table.sequential !== true && { get: rowsByOrdinal() }),
    useCache(shared) {
      cache = shared
    },
    async close() {
      cache?.forget(table)
      await table.close?.()
    }
  }

  function rowsByOrdinal(): NonNullable<TableReader['get']> {
    let access: RowAccess | undefined
    return (fragment, ordinals, { signal }) => {
      if (fragment !== 0) throw new RangeError(`${uri} has one fragment, 0; there is no fragment ${fragment}`)
      cache ??= blockCache(cacheBytes)
      access ??= table.blockRows === 1 ? adaptiveAccess(table, blockRows, cache) : blockAccess(table, table.blockRows, cache)
      return access(ordinals, { signal })
    }
  }
}

/** Rows in arrays of their own, copied out of blocks whose memory is used again. */
function stackedRun(table: Table, blocks: BlockReads, pool: BatchPool | undefined): StackedRun {
  let block: Block | null = null
  let at = 0 // in the block
  let failure: { readonly error: unknown } | undefined
  /** The block that has the next row; `null` at the end. */
  const current = async (): Promise<Block | null> => {
    if (block !== null && at < block.rows) return block
    if (block !== null) blocks.recycle(block)
    block = null
    at = 0
    return (block = await blocks.next())
  }
  /** What is left of so many rows, block after block. */
  const finish = async (columns: Columns, rows: number, wanted: number): Promise<StackedRows> => {
    while (rows < wanted) {
      let from: Block | null = null
      try {
        from = await current()
      } catch (error) {
        failure = { error }
      }
      if (from === null) break
      rows = take(from, columns, rows, wanted)
    }
    return { rows, stacked: lendColumns(firstRows(columns, rows, wanted), pool) }
  }
  const take = (from: Block, columns: Columns, rows: number, wanted: number): number => {
    const count = Math.min(wanted - rows, from.rows - at)
    copyRows(from.columns, at, count, columns, rows)
    at += count
    return rows + count
  }
  const begin = (first: Block, max: number): MaybePromise<StackedRows> => {
    const wanted = Math.min(max, table.rows - first.start - at)
    const columns = allocateColumns(table.spec, wanted, pool)
    const rows = take(first, columns, 0, wanted)
    return rows === wanted ? { rows, stacked: lendColumns(columns, pool) } : finish(columns, rows, wanted)
  }
  return {
    ready: () => block !== null && at < block.rows && failure === undefined,
    next(max) {
      if (failure !== undefined) throw failure.error
      if (block !== null && at < block.rows) return begin(block, max)
      return current().then(first => (first === null ? null : begin(first, max)))
    },
    close: () => blocks.close()
  }
}
