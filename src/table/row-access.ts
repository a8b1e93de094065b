import { slicer } from '../array/slice.js'
import { allocateColumns, bytesPerRow, gatherRows } from './columns.js'
import type { Columns, Table } from './table.js'

/** Rows closer together than that many bytes are read at once: a range of a local file costs about as much by itself. */
const GAP_BYTES = 16 << 10
/** The most bytes of one range. */
const RANGE_BYTES = 1 << 20
/** Ranges, or blocks, that are read at the same time. */
const IN_FLIGHT = 16
const BLOCKS_IN_FLIGHT = 4

/** Rows by ordinal, in the order of the ordinals. */
export type RowAccess = (ordinals: readonly number[], options: { readonly signal: AbortSignal }) => Promise<unknown[]>

/** Access by ordinal to a table whose rows cost what their bytes cost: neighbouring rows are one range. */
export function directAccess(table: Table): RowAccess {
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
    await eachOf(ranges, IN_FLIGHT, async ({ first, end }) => {
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

/** Access by ordinal to a table whose rows come in blocks: blocks stay in memory, those used last, up to `cacheBytes`. */
export function blockAccess(table: Table, cacheBytes: number): RowAccess {
  const blockBytes = bytesPerRow(table.spec) * Math.min(table.blockRows, table.rows)
  const most = Math.max(1, Math.floor(cacheBytes / blockBytes))
  const kept = new Map<number, Columns>()
  const free: Columns[] = []
  return async (ordinals, options) => {
    const columns = allocateColumns(table.spec, ordinals.length)
    const byBlock = new Map<number, number[]>() // places in `ordinals`
    ordinals.forEach((ordinal, place) => {
      const block = Math.floor(ordinal / table.blockRows)
      const places = byBlock.get(block)
      if (places === undefined) byBlock.set(block, [place])
      else places.push(place)
    })
    const take = (block: number, from: Columns, places: readonly number[]): void => {
      kept.delete(block)
      kept.set(block, from)
      gatherRows(from, places.map(place => (ordinals[place] as number) - block * table.blockRows), columns, places)
    }
    const missing: [number, readonly number[]][] = []
    for (const [block, places] of byBlock) {
      const from = kept.get(block)
      if (from === undefined) missing.push([block, places])
      else take(block, from, places)
    }
    await eachOf(missing, BLOCKS_IN_FLIGHT, async ([block, places]) => {
      while (kept.size >= most) {
        const [oldest, memory] = kept.entries().next().value as [number, Columns]
        kept.delete(oldest)
        if (free.length < BLOCKS_IN_FLIGHT) free.push(memory)
      }
      const start = block * table.blockRows
      const memory = free.pop() ?? allocateColumns(table.spec, Math.min(table.blockRows, table.rows))
      await table.read(start, Math.min(table.blockRows, table.rows - start), memory, 0, options)
      take(block, memory, places)
    })
    return rowsOf(columns, ordinals.length)
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

/** Calls a function for every item, with so many calls under way. After a failure no more are begun; it waits for those that were. */
async function eachOf<T>(items: readonly T[], atOnce: number, visit: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const work = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      try {
        await visit(items[next++] as T)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  if (failure !== undefined) throw failure.error
}

