import { isMillraceError, type ErrorKind } from '../errors.js'
import { sharedController } from '../util/abort.js'
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

/** What is wrong with the data, and not with getting at them. */
const DAMAGES: readonly ErrorKind[] = ['Corrupt', 'Mismatch', 'Truncated']

/** Reads a table block by block, ahead of demand. Memory: `ahead` blocks, and those that were handed out. */
export function blockReads(table: Table, { from, blockRows, ahead, signal }: BlockReadsOptions): BlockReads {
  const controller = sharedController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const flights: Promise<readonly Outcome[]>[] = []
  const arrived: Outcome[] = []
  const free: Columns[] = []
  const wholes = new WeakSet<Columns>() // large enough for every block, which the parts of a damaged one are not
  let last: Promise<unknown> = Promise.resolve()
  let row = from // of the next block to ask for

  const readRows = async (start: number, rows: number, columns: Columns): Promise<Outcome> => {
    try {
      await table.read(start, rows, columns, 0, { signal: controller.signal })
      return { start, rows, columns }
    } catch (error) {
      // A stream that is damaged for good is not decompressed again and again to find the last sound row, just the last sound block.
      const final = table.blockRows === 1 && 'next' in (error as object)
      return { error: behind(error, start + rows), ofData: DAMAGES.some(kind => isMillraceError(error, kind)) && !final }
    }
  }
  /** One block; where its data are damaged, its halves and theirs, so that no more rows are lost than have to be. */
  const fetch = async (start: number, rows: number, columns: Columns): Promise<readonly Outcome[]> => {
    const whole = await readRows(start, rows, columns)
    if (!('error' in whole) || !whole.ofData || controller.signal.aborted) return [whole]
    const end = start + rows
    const middle = boundary(start, end, table.blockRows)
    if (middle === undefined) return [whole]
    const former = await fetch(start, middle - start, allocateColumns(table.spec, middle - start))
    const last = former.at(-1) as Outcome
    if ('error' in last && ((last.error as { next?: number } | null)?.next ?? 0) >= end) return former // it says that there is nothing more
    return [...former, ...(await fetch(middle, end - middle, allocateColumns(table.spec, end - middle)))]
  }
  const begin = (): void => {
    const start = row
    const rows = Math.min(table.rows, (Math.floor(start / blockRows) + 1) * blockRows) - start
    row = start + rows
    const read = (): Promise<readonly Outcome[]> => {
      const columns = free.pop() ?? allocateColumns(table.spec, Math.min(blockRows, table.rows))
      wholes.add(columns)
      return fetch(start, rows, columns)
    }
    const flight = table.sequential === true ? last.then(read) : read()
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
    recycle({ columns }) {
      if (wholes.has(columns)) free.push(columns)
    },
    async close() {
      signal.removeEventListener('abort', abort)
      controller.abort(new DOMException('the reading was ended', 'AbortError'))
      await Promise.all(flights)
      await last
    }
  }
}

/** The multiple of `unit` inside a range that is nearest to its middle, if there is one. */
function boundary(start: number, end: number, unit: number): number | undefined {
  const above = Math.ceil((start + end) / 2 / unit) * unit
  if (above > start && above < end) return above
  return above - unit > start ? above - unit : undefined
}

type Outcome = Block | { readonly error: unknown; readonly ofData: boolean }

/** The error, saying that reading goes on at that row. */
function behind(error: unknown, next: number): unknown {
  if (typeof error !== 'object' || error === null || 'next' in error || !Object.isExtensible(error)) return error
  return Object.defineProperty(error, 'next', { value: next, enumerable: true })
}
