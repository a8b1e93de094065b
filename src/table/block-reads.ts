import { allocateColumns } from './columns.js'
import type { Columns, Table } from './table.js'

/** Rows that were read together. */
export interface Block {
  /** Number of its first row in the table. */
  readonly start: number
  readonly rows: number
  /** Arrays of at least so many rows. */
  readonly columns: Columns
}

/** Blocks in order, of which some are read before they are asked for. */
export interface BlockReads {
  /** The next block, `null` at the end. Rejects with the error of the block, of which `next` is the row behind it. */
  next(): Promise<Block | null>
  /** Takes a block back, to read another into its memory. */
  recycle(block: Block): void
  /** Stops what is under way and waits for it. */
  close(): Promise<void>
}

/** How blocks are read. */
export interface BlockReadsOptions {
  /** The first row that is wanted. */
  readonly from: number
  /** Rows of a block; a multiple of the table's `blockRows`. Blocks begin at multiples of it, so that it is the same wherever one begins. */
  readonly blockRows: number
  /** Blocks that may be read before they are asked for. */
  readonly ahead: number
  readonly signal: AbortSignal
}

/** Reads a table block by block, ahead of demand. Memory: `ahead` blocks, and those that were handed out. */
export function blockReads(table: Table, { from, blockRows, ahead, signal }: BlockReadsOptions): BlockReads {
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const flights: Promise<readonly Outcome[]>[] = []
  const arrived: Outcome[] = []
  const free: Columns[] = []
  let last: Promise<unknown> = Promise.resolve()
  let row = from // of the next block to ask for

  const readRows = async (start: number, rows: number, columns: Columns): Promise<Outcome> => {
    try {
      await table.read(start, rows, columns, 0, { signal: controller.signal })
      return { start, rows, columns }
    } catch (error) {
      return { error: behind(error, start + rows) }
    }
  }
  /** One block; if it cannot be read, its parts, so that no more rows are lost than have to be. */
  const fetch = async (start: number, rows: number): Promise<readonly Outcome[]> => {
    const whole = await readRows(start, rows, free.pop() ?? allocateColumns(table.spec, Math.max(rows, Math.min(blockRows, table.rows))))
    const unit = table.blockRows
    if (!('error' in whole) || unit === 1 || rows <= unit || controller.signal.aborted) return [whole]
    const parts: Outcome[] = []
    for (let at = start; at < start + rows; at = (Math.floor(at / unit) + 1) * unit) {
      const count = Math.min(start + rows, (Math.floor(at / unit) + 1) * unit) - at
      parts.push(await readRows(at, count, allocateColumns(table.spec, count)))
    }
    return parts
  }
  const begin = (): void => {
    const start = row
    const rows = Math.min(table.rows, (Math.floor(start / blockRows) + 1) * blockRows) - start
    row = start + rows
    const flight = table.sequential === true ? last.then(() => fetch(start, rows)) : fetch(start, rows)
    last = flight
    flights.push(flight)
  }
  return {
    async next() {
      signal.throwIfAborted()
      if (arrived.length === 0) {
        while (row < table.rows && flights.length <= ahead) begin()
        const flight = flights.shift()
        if (flight === undefined) return null
        arrived.push(...(await flight))
        signal.throwIfAborted()
        while (row < table.rows && flights.length < ahead) begin()
      }
      const outcome = arrived.shift() as Outcome
      if ('error' in outcome) throw outcome.error
      return outcome
    },
    recycle: ({ columns }) => void free.push(columns),
    async close() {
      signal.removeEventListener('abort', abort)
      controller.abort(new DOMException('the reading was ended', 'AbortError'))
      await Promise.all(flights)
      await last
    }
  }
}

type Outcome = Block | { readonly error: unknown }

/** The error, saying that reading goes on at that row. */
function behind(error: unknown, next: number): unknown {
  if (typeof error !== 'object' || error === null || 'next' in error || !Object.isExtensible(error)) return error
  return Object.defineProperty(error, 'next', { value: next, enumerable: true })
}
