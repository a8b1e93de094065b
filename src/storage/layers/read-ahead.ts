import type { ByteSource, RequestOptions } from '../../store.js'
import { closedError } from '../checks.js'
import type { RangeEngineConfig } from '../config.js'
import { signalWatch, type Abortable } from '../remote/signals.js'
import { readAheadWindows, type Window, type WindowRow } from './read-ahead-windows.js'

/** Bytes that several sources may hold together. */
export interface MemoryBudget {
  /** False when there is no room for so many bytes. */
  take(bytes: number): boolean
  give(bytes: number): void
  /** Somebody reads in order, until the function that is returned is called. `trim` lets go of what is more than the share. */
  join(trim: () => void): () => void
  /** Bytes for each of those who do. */
  share(): number
}

/** So many bytes, in equal shares for all who read in order. */
export function memoryBudget(most: number): MemoryBudget {
  let used = 0
  const readers = new Set<() => void>()
  return {
    take(bytes) {
      // Those who came first, and those who do not read on, may have more than their share.
      if (used + bytes > most) for (const trim of readers) trim()
      if (used + bytes > most) return false
      used += bytes
      return true
    },
    give(bytes) {
      used -= bytes
    },
    join(trim) {
      readers.add(trim)
      return () => readers.delete(trim)
    },
    share: () => most / Math.max(1, readers.size)
  }
}

/** What read-ahead needs of the settings. Read anew each time, so they may change. */
export type ReadAheadConfig = Pick<RangeEngineConfig, 'chunkSize' | 'maxConcurrentRanges' | 'readAhead'>

/** Reads that end where another one began, looked back upon. */
const REMEMBERED = 16
/** Readers that go through the object side by side, at most. */
const READERS = 8
/** Bytes in order, or reads in order, that make a reader. */
const ENOUGH_BYTES = 128 << 10
const ENOUGH_READS = 3
/** Bytes that are fetched for a reader who has read less than a quarter of them. */
const LEAST_AHEAD = 256 << 10
/** What a reader may leave out and still count as reading in order. */
const SKIP = 64 << 10

/**
 * Fetches ahead of those who read an object in order, so that they need not wait for one round trip after another.
 *
 * A reader is noticed when reads follow each other without a gap: two of them with 128 KiB together, or three. Then requests of 256 KiB,
 * doubling up to a `maxConcurrentRanges`-th of `readAhead` and at most `chunkSize`, are made ahead of it: four times as many bytes as it has read in
 * order, and at most `readAhead`, which up to eight readers of one source share, or their share of `limits.memory`. They are copied to it when it comes; blocks of `readAhead` bytes or more go
 * straight through. Reads that follow no other cost nothing and go straight through.
 *
 * Memory: `readAhead` bytes for each source that is being read in order, used again and again; less when a shared budget has no more.
 *
 * An error ahead of the reader is told when a read reaches it; a read after that asks anew. When the signal of a read aborts, its reader is taken to have gone, and
 * what was fetched for it is dropped.
 */
export function readAhead(source: ByteSource, config: ReadAheadConfig, limits: { readonly memory?: MemoryBudget | undefined } = {}): ByteSource {
  const { uri, byteLength } = source
  const windows = readAheadWindows(source, config, limits.memory)
  const signals = signalWatch()
  let readers: Reader[] = []
  const recent = Array.from({ length: REMEMBERED }, (): Run => ({ next: -1, bytes: 0, reads: 0 }))
  let oldest = 0
  let reads = 0
  let serving = 0
  let whenIdle: (() => void) | undefined
  let closing: Promise<void> | undefined

  const leave = (reader: Reader): void => {
    if (!readers.includes(reader)) return
    readers = readers.filter(other => other !== reader)
    follow(reader, undefined)
    reader.ahead.drop()
  }
  const follow = (reader: Reader, signal: AbortSignal | undefined): void => {
    if (reader.signal === signal) return
    if (reader.signal !== undefined) signals.remove(reader.signal, reader)
    reader.signal = signal
    if (signal !== undefined) signals.add(signal, reader)
  }
  /** Makes a reader of one who has read enough in order. */
  const join = (run: Run): Reader => {
    if (readers.length >= READERS) leave(readers.reduce((least, other) => (other.lastRead < least.lastRead ? other : least)))
    const reader: Reader = { next: run.next, bytes: run.bytes, lastRead: reads, serving: 0, signal: undefined, abort: () => leave(reader), ahead: windows.open(run.next) }
    readers.push(reader)
    return reader
  }

  /** The reader that this read belongs to. */
  const readerOf = (offset: number): Reader | undefined => {
    let nearest: Reader | undefined
    for (const reader of readers) {
      if (offset < reader.next || offset > Math.max(reader.next + SKIP, reader.ahead.end())) continue
      if (nearest === undefined || reader.next > nearest.next) nearest = reader
    }
    return nearest
  }
  /** Takes down where a read ended; the run that it makes longer, when that is long enough. */
  const remember = (offset: number, length: number): Run | undefined => {
    for (const run of recent) {
      if (run.next !== offset) continue
      run.next += length
      run.bytes += length
      if (++run.reads < ENOUGH_READS && run.bytes < ENOUGH_BYTES) return undefined
      const found = { ...run }
      run.next = -1
      return found
    }
    const run = recent[oldest] as Run
    oldest = (oldest + 1) % REMEMBERED
    run.next = offset + length
    run.bytes = length
    run.reads = 1
    return undefined
  }

  /** Moves a reader behind the bytes that it asks for, and lets requests be made ahead of it. */
  const advance = (reader: Reader, offset: number, end: number): void => {
    if (offset > reader.next + SKIP) reader.bytes = 0 // it skips: less is fetched until it reads in order again
    reader.bytes += end - offset
    reader.next = end
    reader.lastRead = reads
    // Somebody who has not come for long has probably gone, without a word.
    for (const other of readers) if (other.lastRead < reads - 64 * READERS) leave(other)
    reader.ahead.fetch(end, Math.max(4 * reader.bytes, LEAST_AHEAD))
  }

  const serve = async (reader: Reader, offset: number, into: Uint8Array, options: RequestOptions): Promise<void> => {
    const { signal } = options
    const end = offset + into.byteLength
    const held = reader.ahead.take(offset, end)
    const fetched = held.at(-1)?.end ?? offset
    serving++
    reader.serving++
    let rest: Promise<void> | undefined
    try {
      // It reads faster than is fetched: what is not under way yet is asked for directly.
      if (fetched < end) {
        rest = source.read(fetched, into.subarray(fetched - offset), options)
        rest.catch(() => undefined) // thrown below
      }
      follow(reader, signal)
      advance(reader, offset, end)
      for (const window of held) {
        if (window.state === 'coming') await (signal === undefined ? window.settled : settled(window, signal))
        const again = copy(window, offset, into, options)
        if (again !== undefined) await again
      }
      await rest
    } catch (error) {
      leave(reader)
      await rest?.catch(() => undefined) // nothing may write into the memory any more
      throw error
    } finally {
      for (const window of held) window.release()
      if (--reader.serving === 0 && reader.next >= byteLength) leave(reader)
      if (--serving === 0) whenIdle?.()
    }
  }
  const settled = (window: Window, signal: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    const waiting = { abort: reject }
    signals.add(signal, waiting)
    void window.settled.then(() => {
      signals.remove(signal, waiting)
      resolve()
    }, reject)
  })
  /** What a window holds of a range. */
  const copy = (window: Window, offset: number, into: Uint8Array, options: RequestOptions): Promise<void> | undefined => {
    const from = Math.max(window.offset, offset)
    const to = Math.min(window.end, offset + into.byteLength)
    const target = into.subarray(from - offset, to - offset)
    if (window.state === 'failed') throw window.error
    if (window.state === 'dropped') return source.read(from, target, options) // somebody else who read here gave up
    target.set(window.bytes.subarray(from - window.offset, to - window.offset))
    return undefined
  }

  return {
    uri,
    byteLength,
    version: source.version,
    read(offset, into, options = {}) {
      if (closing !== undefined) return Promise.reject(closedError(uri, 'read', 'the source was closed'))
      const length = into.byteLength
      if (length === 0 || length >= config.readAhead || !(offset + length <= byteLength) || options.signal?.aborted === true) return source.read(offset, into, options)
      reads++
      let reader = readers.length === 0 ? undefined : readerOf(offset)
      if (reader === undefined) {
        const run = remember(offset, length)
        if (run === undefined || run.next >= byteLength) return source.read(offset, into, options)
        reader = join({ ...run, next: offset, bytes: run.bytes - length })
      }
      return serve(reader, offset, into, options)
    },
    close: () => (closing ??= (async () => {
      if (serving > 0) await new Promise<void>((resolve) => { whenIdle = resolve })
      for (const reader of [...readers]) leave(reader)
      await windows.close()
      await source.close()
    })())
  }
}

/** Reads without a gap. */
interface Run {
  /** Where they end. */
  next: number
  bytes: number
  reads: number
}

/** Somebody who goes through the object in order. */
interface Reader extends Abortable {
  /** Where it will read next. */
  next: number
  /** Bytes that it has read in order. */
  bytes: number
  /** The number of its last read, among all of the source. */
  lastRead: number
  /** Reads of it that are under way. */
  serving: number
  signal: AbortSignal | undefined
  readonly ahead: WindowRow
}
