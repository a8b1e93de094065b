import { compressor, type Codec } from '../../codecs/deflate.js'
import { zstdCompressor } from '../../codecs/zstd.js'
import { MillraceError } from '../../errors.js'
import type { Store } from '../../store.js'
import { abortable } from '../../util/abort.js'
import { checkInteger, checkOptions } from '../../util/check.js'
import { closedError } from '../checks.js'
import { schemeOf, withoutSecrets } from '../uri.js'
import { observed, type OperationObserver, type OperationRecord } from './observe.js'
import { HEADER, rowOf, writeRow, type OpLogRow } from './op-log-rows.js'

/** Options of {@link opLog}. */
export interface OpLogOptions {
  /** Where the log goes. There it appears as a whole, when it is closed. @default a local file, which grows as rows come */
  readonly store?: Store | undefined
  /** @default by the ending of the name: `gzip` for `.gz`, `zstd` for `.zst`, else `none` */
  readonly compression?: 'none' | 'gzip' | 'zstd' | undefined
  /** What stands in the column `client_id`. @default the number of the process */
  readonly client?: string | undefined
  /** Rows that may wait to be written. @default 65536 */
  readonly queueRows?: number | undefined
  /**
   * What happens when so many wait: `count` leaves rows out and writes one that says how many; `wait` lets operations begin only when there
   * is room. @default 'count'
   */
  readonly onFull?: 'count' | 'wait' | undefined
}

/** What has become of the rows. */
export interface OpLogStats {
  /** Written, or handed to what compresses them. */
  readonly rows: number
  /** Left out: the queue was full, or the log can no longer be written. */
  readonly dropped: number
  /** Not yet written. */
  readonly waiting: number
}

/** A log of operations. It may serve several stores. */
export interface OpLog extends OperationObserver {
  stats(): OpLogStats
  /** Resolves when all rows so far are written. @throws MillraceError when the log cannot be written */
  flush(): Promise<void>
  /** Writes what waits and ends the log. @throws MillraceError when not all of it could be written */
  close(): Promise<OpLogStats>
}

/** Rows that are made into text at once: half a millisecond of work. */
const ROWS_AT_ONCE = 256
/** How long rows may wait for more before they are written together. */
const PATIENCE_MS = 100

/**
 * Makes a log with one row for every operation: what, when, how long until the first byte and until the end, bytes, endpoint, retries, error.
 *
 * Rows are text separated by tabs with a header, in the columns of s3dlio and MinIO's warp, whose tools read them. Writing a row costs the
 * operation about a microsecond and never makes it wait; a log that cannot keep up says how many rows it left out, and one that cannot be
 * written does no harm to what it logs: `flush` and `close` tell of it. URIs and errors are without secrets.
 *
 * ```ts
 * const log = opLog('operations.tsv.gz')
 * const store = logged(memoryStore(), log)
 * await store.put('mem://a', new Uint8Array(1000))
 * await log.close()
 * ```
 *
 * @throws TypeError, RangeError for options that cannot be; MillraceError `Unsupported` for `zstd` where the platform does not have it
 */
export function opLog(to: string, options: OpLogOptions = {}): OpLog {
  const { store, compression, client, queueRows, onFull } = resolveOptions(to, options)
  const uri = withoutSecrets(to)
  const thread = threadId()
  const codec = codecFor(compression, uri)
  const sink = openSink(to, store, codec)
  sink.catch(() => undefined) // told by flush and close

  let queue: (OperationRecord | Gap)[] = []
  let waiting = 0
  let rows = 0
  let index = 0
  let dropped = 0
  let gap: Gap | undefined
  let failure: { readonly error: unknown } | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let draining: Promise<void> | undefined
  let closing: Promise<OpLogStats> | undefined
  let whenRoom: (() => void)[] = []

  const isFull = (): boolean => waiting >= queueRows && failure === undefined && closing === undefined

  function push(record: OperationRecord | Gap): void {
    queue.push(record)
    waiting++
  }

  function ended(record: OperationRecord): void {
    if (failure !== undefined || closing !== undefined) {
      dropped++
      return
    }
    // Those that waited for room may find it gone: they are no more than are under way.
    if (onFull === 'count' && isFull()) {
      dropped++
      gap ??= { operation: 'DROPPED', count: 0, start: record.start, end: record.end }
      gap.count++
      gap.end = record.end
      return
    }
    if (gap !== undefined) {
      push(gap)
      gap = undefined
    }
    push(record)
    if (draining !== undefined) return
    if (waiting >= ROWS_AT_ONCE) drainSoon()
    else if (timer === undefined) {
      const patience: unknown = timer = setTimeout(drainSoon, PATIENCE_MS)
      ;(patience as { unref?: () => void }).unref?.() // a number where the platform is a browser
    }
  }

  function drainSoon(): void {
    drain().catch(() => undefined) // told by flush and close
  }

  /** Writes all that waits. One at a time, whoever asks. */
  function drain(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    return draining ??= (async () => {
      try {
        const open = await sink
        while (queue.length > 0) {
          const batch = queue
          queue = []
          for (let i = 0; i < batch.length; i += ROWS_AT_ONCE) {
            const part = batch.slice(i, i + ROWS_AT_ONCE)
            await open.write(new TextEncoder().encode(part.map(textOf).join('')))
            rows += part.length
            waiting -= part.length
            letIn()
          }
        }
      } catch (error) {
        failure ??= { error }
        dropped += waiting
        waiting = 0
        queue = []
        letIn()
        throw error
      } finally {
        draining = undefined
      }
    })()
  }

  function textOf(record: OperationRecord | Gap): string {
    return writeRow(record.operation === 'DROPPED' ? rowOfGap(record, index++, thread, client) : rowOf(record, index++, thread, client))
  }

  function letIn(): void {
    if (whenRoom.length === 0 || isFull()) return
    const all = whenRoom
    whenRoom = []
    for (const enter of all) enter()
  }

  async function waitForRoom(signal: AbortSignal | undefined): Promise<void> {
    while (isFull()) {
      const room = new Promise<void>(resolve => whenRoom.push(resolve))
      await (signal === undefined ? room : abortable(room, signal))
    }
  }

  async function flush(): Promise<void> {
    if (failure === undefined) await drain()
    if (failure !== undefined) throw failure.error
  }

  async function finish(): Promise<OpLogStats> {
    letIn()
    if (gap !== undefined && failure === undefined) push(gap)
    try {
      await flush()
      await (await sink).close()
    } catch (error) {
      failure ??= { error }
      await sink.then(open => open.abandon(), () => undefined)
      throw new MillraceError('Unavailable', `op-log ${uri}: it could not be written; ${dropped} of ${dropped + rows} rows are missing`,
        { uri, operation: 'close', cause: error })
    } finally {
      await codec?.close()
    }
    return stats()
  }

  function stats(): OpLogStats {
    return { rows, dropped, waiting }
  }

  return {
    ...onFull === 'wait' && { admit: (signal: AbortSignal | undefined) => (isFull() ? waitForRoom(signal) : undefined) },
    ended,
    stats,
    async flush() {
      if (closing !== undefined) throw closedError(uri, 'flush', 'the log was closed')
      await flush()
    },
    close: () => (closing ??= finish())
  }
}

/** A store all of whose operations are written to a log. Closing the store does not close the log. */
export function logged(store: Store, log: OpLog): Store {
  return observed(store, log)
}

/** Rows that were left out. */
interface Gap {
  readonly operation: 'DROPPED'
  count: number
  readonly start: number
  end: number
}

function rowOfGap({ count, start, end }: Gap, index: number, thread: number, client: string): OpLogRow {
  const { timeOrigin } = performance
  return {
    index, thread, operation: 'DROPPED', client, objects: count, bytes: 0, endpoint: '', file: '', error: `${count} rows were left out: the log could not keep up`,
    start: timeOrigin + start, firstByte: undefined, end: timeOrigin + end, duration: end - start, offset: undefined, requests: 0, retries: 0
  }
}

/** Where the bytes of the log go. */
interface Sink {
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
  /** Leaves nothing open. */
  abandon(): Promise<void>
}

/** Begins with the header, so that what cannot be written is known early. */
async function openSink(to: string, store: Store | undefined, codec: Codec | undefined): Promise<Sink> {
  const plain = store === undefined ? await localSink(to) : await storeSink(to, store)
  const sink = codec === undefined ? plain : compressedSink(plain, codec)
  try {
    await sink.write(new TextEncoder().encode(HEADER))
    return sink
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

async function localSink(to: string): Promise<Sink> {
  const { openLogFile } = await import('../file-log.js')
  const file = await openLogFile(to)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= file.close())
  return { write: file.write, close, abandon: () => close().catch(() => undefined) }
}

async function storeSink(to: string, store: Store): Promise<Sink> {
  const writer = await store.createWriter(to)
  return {
    write: bytes => writer.write(bytes),
    async close() {
      await writer.finalize()
    },
    abandon: () => writer.abort().catch(() => undefined)
  }
}

function compressedSink(plain: Sink, codec: Codec): Sink {
  const passing = (async () => {
    try {
      for (let piece = await codec.read(); piece !== null; piece = await codec.read()) await plain.write(piece)
    } catch (error) {
      await codec.close() // or who writes would wait for ever
      throw error
    }
  })()
  passing.catch(() => undefined) // told by the next write, and by close
  return {
    async write(bytes) {
      if (await codec.write(bytes)) return
      await passing
      throw new Error('the compressor was closed')
    },
    async close() {
      await codec.end()
      await passing
      await plain.close()
    },
    async abandon() {
      await codec.close()
      await passing.catch(() => undefined)
      await plain.abandon()
    }
  }
}

function codecFor(compression: 'none' | 'gzip' | 'zstd', uri: string): Codec | undefined {
  if (compression === 'none') return undefined
  if (compression === 'gzip') return compressor('gzip')
  const codec = zstdCompressor()
  if (codec !== undefined) return codec
  throw new MillraceError('Unsupported', `op-log ${uri}: zstd needs Node 22.15, 23.8 or later; name the log .gz, or give compression: 'gzip'`,
    { uri, operation: 'opLog' })
}

const OPTIONS: readonly (keyof OpLogOptions)[] = ['store', 'compression', 'client', 'queueRows', 'onFull']

interface Resolved {
  readonly store: Store | undefined
  readonly compression: 'none' | 'gzip' | 'zstd'
  readonly client: string
  readonly queueRows: number
  readonly onFull: 'count' | 'wait'
}

function resolveOptions(to: string, options: OpLogOptions): Resolved {
  if (typeof to !== 'string' || to === '') throw new TypeError('opLog: name the file or object that the log goes to')
  checkOptions('opLog', options, OPTIONS)
  const { store, client = String((globalThis.process as { pid?: number } | undefined)?.pid ?? ''), queueRows = 65_536, onFull = 'count' } = options
  const compression = options.compression ?? (to.endsWith('.gz') ? 'gzip' : to.endsWith('.zst') ? 'zstd' : 'none')
  if (!['none', 'gzip', 'zstd'].includes(compression)) throw new TypeError(`opLog: compression must be 'none', 'gzip' or 'zstd', got ${String(compression)}`)
  if (!['count', 'wait'].includes(onFull)) throw new TypeError(`opLog: onFull must be 'count' or 'wait', got ${String(onFull)}`)
  if (typeof client !== 'string') throw new TypeError(`opLog: client must be a string, got ${typeof client}`)
  const scheme = schemeOf(to)
  if (store === undefined && scheme !== '' && scheme !== 'file') {
    throw new TypeError(`opLog: ${scheme}:// is no local file; give the store that it is to be written to too`)
  }
  return { store, compression, client, queueRows: checkInteger('opLog', 'queueRows', queueRows, 1), onFull }
}

function threadId(): number {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
  return (host?.getBuiltinModule?.('node:worker_threads') as { threadId?: number } | undefined)?.threadId ?? 0
}
