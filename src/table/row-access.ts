import { slicer } from '../array/slice.js'
import { inParallel } from '../util/parallel.js'
import type { BlockCache } from './block-cache.js'
import { allocateColumns, bytesPerRow, gatherRows } from './columns.js'
import type { Columns, Table } from './table.js'

/** Rows closer together than that many bytes are read at once: a range of a local file costs about as much by itself. */
const GAP_BYTES = 16 << 10
/** The most bytes of one range. */
const RANGE_BYTES = 1 << 20
/** Ranges, or blocks, that are read at the same time. */
const IN_FLIGHT = 32
const BLOCKS_IN_FLIGHT = 4
/** A table is read in blocks once a row out of so many was asked for. */
const ENOUGH = 16

/** Rows by ordinal, in the order of the ordinals. */
export type RowAccess = (ordinals: readonly number[], options: { readonly signal: AbortSignal }) => Promise<unknown[]>

/** Access by ordinal to a table whose rows cost what their bytes cost: neighbouring rows are one range. */
function directAccess(table: Table): RowAccess {
  const rowBytes = bytesPerRow(table.spec)
  const gap = Math.floor(GAP_BYTES / rowBytes)
  const most = Math.max(1, Math.floor(RANGE_BYTES / rowBytes))
  return async (ordinals, options) => {
    const sorted = [...new Set(ordinals)].sort((a, b) => a - b)
    const columns = allocateColumns(table.spec, sorted.length)
    const ranges: { readonly first: number; readonly end: number }[] = [] // in `sorted`
    for (let first = 0, i = 1; i <= sorted.length; i++) {
      const joined = i < sorted.length && (sorted[i] as number) - (sorted[i - 1] as number) <= gap + 1 && (sorted[i] as number) - (sorted[first] as number) < most
      if (joined) continue
      ranges.push({ first, end: i })
      first = i
    }
    await inParallel(ranges, IN_FLIGHT, async ({ first, end }) => {
      const start = sorted[first] as number
      const count = (sorted[end - 1] as number) + 1 - start
      if (count === end - first) return table.read(start, count, columns, first, options)
      const range = allocateColumns(table.spec, count)
      await table.read(start, count, range, 0, options)
      const rows = sorted.slice(first, end).map(ordinal => ordinal - start)
      gatherRows(range, rows, columns, rows.map((_, k) => first + k))
    })
    return inOrder(columns, sorted, ordinals)
  }
}

/** Access by ordinal by blocks of so many rows, which stay in the cache. */
export function blockAccess(table: Table, blockRows: number, cache: BlockCache): RowAccess {
  const most = Math.min(blockRows, table.rows)
  const bytes = bytesPerRow(table.spec) * most
  return async (ordinals, options) => {
    const columns = allocateColumns(table.spec, ordinals.length)
    const byBlock = new Map<number, number[]>() // places in `ordinals`
    ordinals.forEach((ordinal, place) => {
      const block = Math.floor(ordinal / blockRows)
      const places = byBlock.get(block)
      if (places === undefined) byBlock.set(block, [place])
      else places.push(place)
    })
    const take = (block: number, from: Columns, places: readonly number[]): void =>
      gatherRows(from, places.map(place => (ordinals[place] as number) - block * blockRows), columns, places)
    const missing: [number, readonly number[]][] = []
    for (const [block, places] of byBlock) {
      const from = cache.find(table, block)
      if (from === undefined) missing.push([block, places])
      else take(block, from, places)
    }
    await inParallel(missing, BLOCKS_IN_FLIGHT, async ([block, places]) => {
      const start = block * blockRows
      const memory = cache.room(table, bytes) ?? allocateColumns(table.spec, most)
      try {
        await table.read(start, Math.min(blockRows, table.rows - start), memory, 0, options)
      } catch (error) {
        cache.release(bytes)
        throw error
      }
      cache.add(table, block, bytes, memory)
      take(block, memory, places)
    })
    return rowsOf(columns, ordinals.length)
  }
}

/**
 * Access by ordinal to a table whose rows cost what their bytes cost: by ranges at first, by whole blocks that are kept once so much of
 * it was asked for that all of it is going to be, if the cache can hold that.
 */
export function adaptiveAccess(table: Table, blockRows: number, cache: BlockCache): RowAccess {
  const ranges = directAccess(table)
  const blocks = bytesPerRow(table.spec) * table.rows <= cache.mostBytes ? blockAccess(table, blockRows, cache) : ranges
  let asked = 0
  return (ordinals, options) => {
    asked += ordinals.length
    if (blocks === ranges || asked * ENOUGH <= table.rows) return ranges(ordinals, options)
    // Which rows are lost may not depend on how they are read: a row that is damaged takes no neighbour with it.
    return blocks(ordinals, options).catch(async (error: unknown) => {
      if (options.signal.aborted) throw error
      return ranges(ordinals, options)
    })
  }
}

function inOrder(columns: Columns, sorted: readonly number[], ordinals: readonly number[]): unknown[] {
  if (sorted.length === 0) return []
  const { row } = slicer(columns as unknown, 'batch')
  const placeOf = new Map(sorted.map((ordinal, place) => [ordinal, place]))
  return ordinals.map(ordinal => row(placeOf.get(ordinal) as number))
}

/** The rows as elements: views of the columns. */
export function rowsOf(columns: Columns, count: number, first = 0): unknown[] {
  if (count === 0) return []
  const { row } = slicer(columns as unknown, 'batch')
  const rows = new Array<unknown>(count)
  for (let i = 0; i < count; i++) rows[i] = row(first + i)
  return rows
}
