import { isMillraceError } from '../../errors.js'
import type { ByteSource, Store } from '../../store.js'
import { sharedController } from '../../util/abort.js'
import { checkInteger, checkOptions } from '../../util/check.js'
import { systemSurroundings } from '../remote/surroundings.js'
import { histogram, type Histogram, type HistogramSummary } from './histogram.js'
import { inOrderOfStart } from './op-log-order.js'
import { readOpLog } from './op-log-read.js'
import type { OpLogRow } from './op-log-rows.js'
import { failureOf } from './statistics.js'

/** Options of {@link replayOpLog}. */
export interface ReplayOptions {
  readonly signal?: AbortSignal | undefined
  /** Where the log is. @default local files */
  readonly from?: Store | undefined
  /** How fast: 1 as it was recorded, 2 twice as fast, `Infinity` as fast as the store can. @default 1 */
  readonly speed?: number | undefined
  /** Operations at once, at most. Those that have to wait are late. @default 64 */
  readonly concurrency?: number | undefined
  /** The URI to use instead of that of the row; nothing to leave the row out. @default that of the row */
  readonly remap?: ((row: OpLogRow) => string | undefined) | undefined
  /** Whether to repeat what writes and deletes. Objects get bytes without meaning: remap them to a place of their own. @default false */
  readonly writes?: boolean | undefined
}

/** What came of a replay. Times in milliseconds. */
export interface ReplaySummary {
  /** Rows of the log. */
  readonly rows: number
  readonly operations: Readonly<Record<string, ReplayedOperation>>
  /** Rows that were not repeated, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  readonly bytes: number
  readonly elapsed: number
  /** From the first start to the last end in the log. */
  readonly recordedElapsed: number
  /** How much later than they were due operations began. */
  readonly lateness: HistogramSummary
  /** Whether the log was cut off; what was before is repeated. */
  readonly truncated: boolean
}

/** All operations of one name. */
export interface ReplayedOperation {
  readonly count: number
  readonly bytes: number
  /** By kind. */
  readonly failures: Readonly<Record<string, number>>
  /** How long they took when they were recorded. */
  readonly recorded: HistogramSummary
  /** How long they took now. */
  readonly replayed: HistogramSummary
}

/** Rows that are held back to bring them into order. */
const HELD = 10_000
/** Sources that are kept open; more when more are read at once. */
const LEAST_OPEN = 256
/** Objects larger than this are written in pieces. */
const PIECE = 8 << 20

/**
 * Does once more what a log says: reads, listings and stats, and writes if they are wanted, at the times that were recorded or as fast as
 * the store can. What failed when it was recorded is left out. A failure now does not end the replay; it is counted.
 *
 * @param log URI of a log of {@link opLog}, s3dlio or warp, plain or compressed; or its rows
 * @throws the reason of the signal, when nothing is under way any more; MillraceError when the log cannot be read
 */
export async function replayOpLog(
  log: string | AsyncIterable<OpLogRow> | Iterable<OpLogRow>,
  store: Store,
  options: ReplayOptions = {},
  surroundings: { now(): number; sleep(milliseconds: number, signal: AbortSignal): Promise<void> } = systemSurroundings
): Promise<ReplaySummary> {
  const { from, speed, concurrency, remap, writes, signal } = resolveOptions(options)
  const stop = sharedController()
  const onAbort = (): void => stop.abort(signal?.reason)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })

  const operations = new Map<string, Counts>()
  const skipped = new Map<string, number>()
  const lateness = histogram()
  const sources = openSources(store, Math.max(LEAST_OPEN, 2 * concurrency))
  const underWay = new Set<Promise<void>>()
  const begun = surroundings.now()
  let rows = 0
  let bytes = 0
  let truncated = false
  let [firstStart, lastEnd] = [Infinity, -Infinity]

  async function repeat(row: OpLogRow, uri: string, operation: Operation): Promise<void> {
    const counts = countsOf(operations, row.operation)
    const start = surroundings.now()
    try {
      const count = await operation({ store, sources, uri, row, signal: stop.signal })
      counts.replayed.record(surroundings.now() - start)
      counts.bytes += count
      bytes += count
    } catch (error) {
      const name = failureOf(error)
      counts.failures.set(name, (counts.failures.get(name) ?? 0) + 1)
    }
    counts.count++
    counts.recorded.record(row.duration)
  }

  async function repeatAll(): Promise<void> {
    for await (const row of inOrderOfStart(counted(), HELD)) {
      stop.signal.throwIfAborted()
      const operation = OPERATIONS[row.operation]
      const uri = operation === undefined ? undefined : remap(row)
      const why = whyNot(row, operation, uri, writes, store)
      if (why !== undefined || operation === undefined || uri === undefined) {
        skipped.set(why ?? '', (skipped.get(why ?? '') ?? 0) + 1)
        continue
      }
      const due = speed === Infinity ? -Infinity : begun + (row.start - firstStart) / speed
      const early = due - surroundings.now()
      if (early > 0) await surroundings.sleep(early, stop.signal)
      while (underWay.size >= concurrency) await Promise.race(underWay)
      stop.signal.throwIfAborted()
      if (speed !== Infinity) lateness.record(surroundings.now() - due)
      const repeating = repeat(row, uri, operation.run)
      underWay.add(repeating)
      repeating.finally(() => underWay.delete(repeating)).catch(() => undefined) // it does not reject
    }
  }

  /** The rows, and what is to be known of all of them. A log that ends too early is a log all the same. */
  async function* counted(): AsyncGenerator<OpLogRow> {
    try {
      for await (const row of typeof log === 'string' ? readOpLog(log, { store: from, signal: stop.signal }) : log) {
        rows++
        firstStart = Math.min(firstStart, row.start)
        lastEnd = Math.max(lastEnd, row.end)
        yield row
      }
    } catch (error) {
      if (!isMillraceError(error, 'Truncated')) throw error
      truncated = true
    }
  }

  try {
    await repeatAll()
  } catch (error) {
    stop.abort(error)
    throw error
  } finally {
    await Promise.all(underWay)
    await sources.close()
    signal?.removeEventListener('abort', onAbort)
  }
  signal?.throwIfAborted()
  return {
    rows,
    operations: Object.fromEntries([...operations].map(([name, { count, bytes: sum, failures, recorded, replayed }]) =>
      [name, { count, bytes: sum, failures: Object.fromEntries(failures), recorded: recorded.summary(), replayed: replayed.summary() }])),
    skipped: Object.fromEntries(skipped),
    bytes,
    elapsed: surroundings.now() - begun,
    recordedElapsed: rows === 0 ? 0 : lastEnd - firstStart,
    lateness: lateness.summary(),
    truncated
  }
}

interface Counts {
  count: number
  bytes: number
  readonly failures: Map<string, number>
  readonly recorded: Histogram
  readonly replayed: Histogram
}

function countsOf(operations: Map<string, Counts>, name: string): Counts {
  let counts = operations.get(name)
  if (counts === undefined) operations.set(name, counts = { count: 0, bytes: 0, failures: new Map(), recorded: histogram(), replayed: histogram() })
  return counts
}

interface Repetition {
  readonly store: Store
  readonly sources: OpenSources
  readonly uri: string
  readonly row: OpLogRow
  readonly signal: AbortSignal
}

/** Does it, and returns the number of bytes. */
type Operation = (repetition: Repetition) => Promise<number>

/** By the names that this library, s3dlio and warp give them. What is not here cannot be repeated from what the log says. */
const OPERATIONS: Readonly<Record<string, { readonly run: Operation; readonly writes?: true }>> = {
  OPEN: { run: async ({ sources, uri, signal }) => sources.use(uri, signal, async () => 0) },
  GET: { run: ({ row: { offset, bytes }, ...rest }) => (offset === undefined ? getWhole(rest) : getRange(rest, offset, bytes)) },
  GET_RANGE: { run: ({ row: { offset, bytes }, ...rest }) => getRange(rest, offset ?? 0, bytes) },
  STAT: { run: stat },
  HEAD: { run: stat },
  LIST: {
    async run({ store, uri, signal }) {
      for await (const page of store.list(uri, { signal })) void page
      return 0
    }
  },
  LIST_DIRECTORY: {
    async run({ store, uri, signal }) {
      for await (const page of store.listDirectory?.(uri, { signal }) ?? []) void page
      return 0
    }
  },
  PUT: { run: put, writes: true },
  DELETE: {
    async run({ store, uri, signal }) {
      await store.delete(uri, { signal })
      return 0
    },
    writes: true
  }
}

function whyNot(row: OpLogRow, operation: { readonly writes?: true } | undefined, uri: string | undefined, writes: boolean, store: Store): string | undefined {
  if (row.operation === 'DROPPED') return 'rows that the log left out'
  if (operation === undefined) return `${row.operation}: not in the log in full`
  if (row.error !== '') return 'failed when it was recorded'
  if (operation.writes === true && !writes) return 'writes are not wanted'
  if (row.operation === 'DELETE' && row.objects > 1) return 'DELETE of many: not in the log in full'
  if (row.operation === 'LIST_DIRECTORY' && store.listDirectory === undefined) return 'LIST_DIRECTORY: the store does not have it'
  return uri === undefined ? 'mapped to nothing' : undefined
}

type Plain = Omit<Repetition, 'row'>

async function getWhole({ store, sources, uri, signal }: Plain): Promise<number> {
  if (store.get !== undefined) return (await store.get(uri, { signal })).bytes.byteLength
  return sources.use(uri, signal, async source => {
    await source.read(0, new Uint8Array(source.byteLength), { signal })
    return source.byteLength
  })
}

function getRange({ sources, uri, signal }: Plain, offset: number, bytes: number): Promise<number> {
  return sources.use(uri, signal, async source => {
    await source.read(offset, new Uint8Array(bytes), { signal })
    return bytes
  })
}

async function stat({ store, uri, signal }: Plain): Promise<number> {
  await store.stat(uri, { signal })
  return 0
}

async function put({ store, uri, row: { bytes }, signal }: Repetition): Promise<number> {
  if (bytes <= PIECE) {
    await store.put(uri, filling(bytes), { signal })
    return bytes
  }
  const writer = await store.createWriter(uri, { signal })
  try {
    const piece = filling(PIECE)
    for (let left = bytes; left > 0; left -= PIECE) await writer.write(left >= PIECE ? piece : piece.subarray(0, left))
    await writer.finalize()
  } catch (error) {
    await writer.abort()
    throw error
  }
  return bytes
}

/** Bytes that do not compress, so that they cost a store what real ones do. */
function filling(length: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4)
  const words = new Uint32Array(bytes.buffer)
  for (let i = 0, x = length | 1; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return bytes.subarray(0, length)
}

/** Sources that stay open for the next read, as those had that were recorded. */
interface OpenSources {
  use<T>(uri: string, signal: AbortSignal, read: (source: ByteSource) => Promise<T>): Promise<T>
  close(): Promise<void>
}

function openSources(store: Store, most: number): OpenSources {
  const open = new Map<string, Promise<ByteSource>>()
  const closing = new Set<Promise<unknown>>()

  function close(source: Promise<ByteSource>): void {
    const ended = source.then(each => each.close()).catch(() => undefined) // how opening failed was told to who opened
    closing.add(ended)
    ended.finally(() => closing.delete(ended)).catch(() => undefined)
  }

  return {
    async use(uri, signal, read) {
      let source = open.get(uri)
      open.delete(uri)
      source ??= store.open(uri, { signal })
      open.set(uri, source)
      for (const [first, oldest] of open) {
        if (open.size <= most) break
        open.delete(first)
        close(oldest)
      }
      try {
        return await read(await source)
      } catch (error) {
        // It may be of a version that is gone: the next one opens it anew.
        if (open.get(uri) === source) {
          open.delete(uri)
          close(source)
        }
        throw error
      }
    },
    async close() {
      for (const source of open.values()) close(source)
      open.clear()
      await Promise.all(closing)
    }
  }
}

const OPTIONS: readonly (keyof ReplayOptions)[] = ['from', 'speed', 'concurrency', 'remap', 'writes', 'signal']

interface Resolved extends Required<Pick<ReplayOptions, 'from' | 'signal'>> {
  readonly speed: number
  readonly concurrency: number
  readonly writes: boolean
  readonly remap: (row: OpLogRow) => string | undefined
}

function resolveOptions(options: ReplayOptions): Resolved {
  checkOptions('replayOpLog', options, OPTIONS)
  const { from, speed = 1, concurrency = 64, remap = row => row.file, writes = false, signal } = options
  if (typeof speed !== 'number' || !(speed > 0)) throw new RangeError(`replayOpLog: speed must be more than 0, got ${String(speed)}`)
  if (typeof remap !== 'function') throw new TypeError('replayOpLog: remap must be a function')
  return { from, speed, concurrency: checkInteger('replayOpLog', 'concurrency', concurrency, 1), remap, writes, signal }
}
