import type { ByteSource } from '../../store.js'
import { sharedController } from '../../util/abort.js'
import type { MemoryBudget, ReadAheadConfig } from './read-ahead.js'
import { spareMemory } from './spare-memory.js'

/** Bytes that were asked for ahead of a reader. */
export interface Window {
  readonly offset: number
  readonly end: number
  /** `dropped`: the row was, before they came. */
  readonly state: 'coming' | 'there' | 'failed' | 'dropped'
  readonly bytes: Uint8Array
  readonly error: unknown
  /** Resolves when it is no longer coming. Never rejects. */
  readonly settled: Promise<void>
  /** Whoever took it does not need it any more. */
  release(): void
}

/** The windows ahead of one reader, without a gap between them. */
export interface WindowRow {
  /** Offset behind the last one. */
  end(): number
  /** Those that hold bytes of the range, from its beginning on. They stay until they are released. */
  take(offset: number, end: number): readonly Window[]
  /** Forgets what lies before `next`, and makes requests until so many bytes behind it are there or on their way. */
  fetch(next: number, bytes: number): void
  /** Ends what is on its way and forgets what is there. */
  drop(): void
}

/** The windows of all readers of a source. */
export interface ReadAheadWindows {
  open(offset: number): WindowRow
  /** Resolves when nothing is on its way. All rows have been dropped. */
  close(): Promise<void>
}

/** The smallest request that is made ahead: smaller ones cost more than they bring. */
const LEAST = 256 << 10

/** Fetches windows of a source, with at most `readAhead` bytes of memory, or its share of the budget, and `maxConcurrentRanges` requests for all rows together. */
export function readAheadWindows(source: ByteSource, config: ReadAheadConfig, budget: MemoryBudget | undefined): ReadAheadWindows {
  const { byteLength } = source
  const spare = spareMemory(Infinity)
  const rows = new Set<Row>()
  const underWay = new Set<Promise<void>>()
  let held = 0 // bytes of memory, the spare ones included

  const limit = (): number => Math.min(config.readAhead, budget === undefined ? Infinity : budget.share() * rows.size)
  const discard = (): boolean => {
    const bytes = spare.discard()
    held -= bytes
    budget?.give(bytes)
    return bytes > 0
  }
  /** Memory for a window, if there may be more of it. */
  const memoryOf = (length: number): Uint8Array | undefined => {
    const memory = spare.take(length)
    if (memory !== undefined) return memory
    const most = limit()
    while (held + length > most || budget?.take(length) === false) if (!discard()) return undefined // what is left is in use
    held += length
    return new Uint8Array(length)
  }
  const recycle = (memory: Uint8Array): void => {
    spare.give(memory)
    const most = limit() // 0 when nobody reads in order any more
    while (held > most && discard());
  }

  const begin = (row: Row, offset: number, memory: Uint8Array, length: number): Held => {
    let users = 0
    let retired = false
    let isFree = false
    const bytes = memory.subarray(0, length)
    const free = (): void => {
      if (isFree || !retired || users > 0 || window.state === 'coming') return
      isFree = true
      recycle(memory)
    }
    const read = async (): Promise<void> => {
      try {
        await source.read(offset, bytes, { signal: row.controller.signal })
        window.state = 'there'
      } catch (error) {
        window.state = row.controller.signal.aborted ? 'dropped' : 'failed'
        window.error = error
        row.isBroken = true
      }
    }
    const window: Held = {
      offset, end: offset + length, bytes, state: 'coming', error: undefined, settled: Promise.resolve(),
      hold: () => { users++ },
      release: () => { users--; free() },
      retire: () => { retired = true; free() }
    }
    window.settled = read().then(() => {
      underWay.delete(window.settled)
      free()
      for (const each of rows) pump(each)
    })
    underWay.add(window.settled)
    return window
  }

  /** Gives up what is farthest ahead, while there is more memory than there may be. */
  const trim = (row: Row): void => {
    const most = limit()
    while (held > most && discard());
    for (let last = row.windows.at(-1); held > most && last !== undefined && last.state !== 'coming'; last = row.windows.at(-1)) {
      row.windows.pop()
      row.end = last.offset
      last.retire()
    }
  }

  const pump = (row: Row): void => {
    while (!row.isBroken && row.end < byteLength && underWay.size < config.maxConcurrentRanges) {
      const { readAhead, maxConcurrentRanges, chunkSize } = config
      const most = limit()
      const largest = Math.floor(Math.min(chunkSize, Math.max(LEAST, Math.min(readAhead / maxConcurrentRanges, most / 4))))
      const length = Math.min(row.size, largest, readAhead, byteLength - row.end)
      const room = row.next + Math.min(row.bytes, most / rows.size) - row.end
      if (room < length && (room <= 0 || row.windows.length > 0)) return
      const memory = memoryOf(length)
      if (memory === undefined) return
      row.windows.push(begin(row, row.end, memory, length))
      row.end += length
      row.size = Math.min(2 * row.size, largest)
    }
  }

  return {
    open(offset) {
      const row: Row = { windows: [], next: offset, bytes: 0, end: offset, size: LEAST, isBroken: false, controller: sharedController() }
      rows.add(row)
      const leave = budget?.join(() => trim(row))
      return {
        end: () => row.end,
        take(from, to) {
          const taken = row.windows.filter(window => window.end > from && window.offset < to)
          for (const window of taken) window.hold()
          return taken
        },
        fetch(next, bytes) {
          row.next = next
          row.bytes = bytes
          while ((row.windows[0]?.end ?? Infinity) <= next) row.windows.shift()?.retire()
          if (row.end < next) row.end = next
          pump(row)
        },
        drop() {
          row.isBroken = true
          row.controller.abort(new DOMException('nobody reads on here', 'AbortError'))
          if (!rows.delete(row)) return
          leave?.()
          for (const window of row.windows.splice(0)) window.retire()
          if (rows.size === 0) while (discard());
          for (const each of rows) pump(each)
        }
      }
    },
    async close() {
      await Promise.all(underWay)
    }
  }
}

interface Held extends Window {
  state: Window['state']
  error: unknown
  settled: Promise<void>
  /** Keeps it until `release`. */
  hold(): void
  /** Nobody will take it any more. */
  retire(): void
}

interface Row {
  readonly windows: Held[]
  /** Where the reader will read next, and how many bytes it wants there. */
  next: number
  bytes: number
  end: number
  /** Of the next window. */
  size: number
  /** No more windows: one has failed, or the row was dropped. */
  isBroken: boolean
  readonly controller: AbortController
}
