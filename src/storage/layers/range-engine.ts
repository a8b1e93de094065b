import { MillraceError, isMillraceError } from '../../errors.js'
import type { RequestTrace } from '../../store.js'
import { sharedController } from '../../util/abort.js'
import { checkFunction } from '../../util/check.js'
import { DEFAULT_RANGES } from '../config.js'
import { signalWatch } from '../remote/signals.js'
import { split, type ByteRange } from './split.js'

/**
 * Fills all of `into` with the bytes from `offset` on, or rejects. It must have ended with `into` when it settles, and settle soon after
 * its signal aborts.
 */
export type RangeRead = (offset: number, into: Uint8Array, options: RangeReadOptions) => Promise<void>

/** Options of a {@link RangeRead}. */
export interface RangeReadOptions {
  readonly signal: AbortSignal
  readonly trace?: RequestTrace | undefined
}

/** How large reads are split. The fields are read anew for each read, so they may change. */
export interface RangeEngineOptions {
  /** Bytes of one range. @default 8 MiB */
  readonly chunkSize?: number | undefined
  /** Ranges of one read in flight. @default 16 */
  readonly maxConcurrentRanges?: number | undefined
  /** Smaller reads are one range. @default 16 MiB */
  readonly minSplitSize?: number | undefined
  /** Milliseconds for one range. @default 30000 */
  readonly rangeTimeout?: number | undefined
}

/** What an engine is told of its surroundings. */
export interface RangeEngineContext {
  /** Requests that are in flight for others: where those keep the connections busy, reads are split into fewer, larger parts. @default none */
  readonly inFlight?: (() => number) | undefined
  /** Called after each read. */
  readonly record?: ((read: RangeEngineRead) => void) | undefined
  /** Whether `rangeTimeout` holds here. A function that watches the time of its own attempts does not need it. @default true */
  readonly watchTime?: boolean | undefined
}

/** One read, for those who keep statistics. */
export interface RangeEngineRead extends ByteRange {
  readonly ranges: number
  /** Ranges that were under way at the same time. */
  readonly maxInFlight: number
  readonly milliseconds: number
  readonly failed: boolean
}

/** Sums over all reads. */
export interface RangeEngineStats {
  readonly reads: number
  readonly ranges: number
  /** Bytes of the reads that succeeded. */
  readonly bytes: number
  readonly failures: number
  /** Ranges that were under way at the same time, at most, over all reads. */
  readonly maxInFlight: number
  /** 10^6 bytes per second, over the time in which something was read. */
  readonly megabytesPerSecond: number
}

/** Options of {@link RangeEngine.read}. */
export interface RangeEngineReadOptions {
  readonly signal?: AbortSignal | undefined
  /** Cuts lie at multiples of it where that is possible, such as the part size of a multipart upload. */
  readonly alignment?: number | undefined
  readonly trace?: RequestTrace | undefined
}

/** Reads large ranges as many small ones, side by side. */
export interface RangeEngine {
  /**
   * Fills all of `into` with the bytes from `offset` on. The first range that fails ends the others; the read rejects with its error when
   * none of them writes into `into` any more.
   */
  read(offset: number, into: Uint8Array, options?: RangeEngineReadOptions): Promise<void>
  stats(): RangeEngineStats
}

/**
 * Makes an engine that reads large ranges of anything as many small ones, side by side and straight into the one target, so there is
 * nothing to assemble and no second copy in memory.
 *
 * ```ts
 * const file = new Uint8Array(100_000).map((_, i) => i)
 * const engine = rangeEngine(async (offset, into) => into.set(file.subarray(offset, offset + into.length)), { chunkSize: 8192, minSplitSize: 16_384 })
 * const bytes = new Uint8Array(50_000)
 * await engine.read(10_000, bytes)
 * engine.stats().ranges // 7
 * ```
 * @throws MillraceError `Timeout` when a range takes longer than `rangeTimeout`; what `read` rejects with; the reason of the signal
 */
export function rangeEngine(read: RangeRead, options: RangeEngineOptions = {}, context: RangeEngineContext = {}): RangeEngine {
  checkFunction('rangeEngine', 'read', read)
  check(options)
  const { inFlight: others, record, watchTime = true } = context
  const sums = { reads: 0, ranges: 0, bytes: 0, failures: 0, maxInFlight: 0 }
  const signals = signalWatch()
  let busy = 0 // reads under way
  let busySince = 0
  let busyTime = 0
  let inFlight = 0 // ranges under way

  const timed = async ({ offset, length }: ByteRange, into: Uint8Array, { signal, trace }: RangeReadOptions, timeout: number): Promise<void> => {
    const controller = new AbortController()
    signals.add(signal, controller)
    const timer = setTimeout(() => {
      controller.abort(new MillraceError('Timeout',
        `read: ${length} bytes at ${offset} took longer than rangeTimeout, ${timeout} ms; give it more, or make chunkSize smaller`, { offset, operation: 'read' }))
    }, timeout)
    try {
      await read(offset, into, { signal: controller.signal, trace })
    } catch (error) {
      throw isMillraceError(controller.signal.reason, 'Timeout') && !signal.aborted ? controller.signal.reason : error
    } finally {
      clearTimeout(timer)
      signals.remove(signal, controller)
    }
  }
  const one = async (range: ByteRange, into: Uint8Array, options_: RangeReadOptions, timeout: number): Promise<void> => {
    if (++inFlight > sums.maxInFlight) sums.maxInFlight = inFlight
    sums.ranges++
    try {
      if (timeout === Infinity) await read(range.offset, into, options_)
      else await timed(range, into, options_, timeout)
    } finally {
      inFlight--
    }
  }
  /** So many at a time, in the order of their offsets. Returns how many were under way at once. */
  const all = async (parts: readonly ByteRange[], atOnce: number, offset: number, into: Uint8Array, options_: RangeEngineReadOptions, timeout: number): Promise<number> => {
    const { signal, trace } = options_
    const controller = sharedController()
    if (signal !== undefined) signals.add(signal, controller)
    let next = 0
    let now = 0
    let most = 0
    let failure: { readonly error: unknown } | undefined
    const work = async (): Promise<void> => {
      for (let part = parts[next]; part !== undefined && !controller.signal.aborted; part = parts[next]) {
        next++
        if (++now > most) most = now
        try {
          const start = part.offset - offset
          await one(part, into.subarray(start, start + part.length), { signal: controller.signal, trace }, timeout)
        } catch (error) {
          failure ??= { error }
          controller.abort(error)
        }
        now--
      }
    }
    try {
      await Promise.all(Array.from({ length: Math.min(atOnce, parts.length) }, work))
    } finally {
      if (signal !== undefined) signals.remove(signal, controller)
    }
    signal?.throwIfAborted()
    if (failure !== undefined) throw failure.error
    return most
  }

  return {
    async read(offset, into, options_ = {}) {
      const { signal = NEVER, alignment, trace } = options_
      if (signal.aborted) throw signal.reason
      const length = into.byteLength
      if (length === 0) return
      const { chunkSize = DEFAULT_RANGES.chunkSize, minSplitSize = DEFAULT_RANGES.minSplitSize } = options
      const timeout = watchTime ? (options.rangeTimeout ?? DEFAULT_RANGES.rangeTimeout) : Infinity
      const start = performance.now()
      if (busy++ === 0) busySince = start
      sums.reads++
      let ranges = 1
      let most = 1
      let failed = true
      try {
        if (length < minSplitSize || length <= chunkSize) {
          await one({ offset, length }, into, { signal, trace }, timeout)
        } else {
          const { maxConcurrentRanges = DEFAULT_RANGES.maxConcurrentRanges } = options
          const free = maxConcurrentRanges - (others?.() ?? 0)
          const parts = split({ offset, length }, { chunkSize, minSplitSize, alignment, slots: free < maxConcurrentRanges ? free : Infinity })
          ranges = parts.length
          if (ranges === 1) await one({ offset, length }, into, { signal, trace }, timeout)
          else most = await all(parts, maxConcurrentRanges, offset, into, options_, timeout)
        }
        failed = false
        sums.bytes += length
      } finally {
        const end = performance.now()
        if (--busy === 0) busyTime += end - busySince
        if (failed) sums.failures++
        record?.({ offset, length, ranges, maxInFlight: most, milliseconds: end - start, failed })
      }
    },
    stats() {
      const time = busyTime + (busy > 0 ? performance.now() - busySince : 0)
      return { ...sums, megabytesPerSecond: time > 0 ? sums.bytes / time / 1000 : 0 }
    }
  }
}

const NEVER = new AbortController().signal

function check(options: RangeEngineOptions): void {
  for (const name of ['chunkSize', 'maxConcurrentRanges', 'minSplitSize', 'rangeTimeout'] as const) {
    const value: unknown = options[name]
    if (value === undefined) continue
    if (typeof value !== 'number') throw new TypeError(`rangeEngine: ${name} must be a number, got ${typeof value}`)
    if (!(value >= 1) || (name !== 'rangeTimeout' && !Number.isSafeInteger(value) && value !== Infinity)) {
      throw new RangeError(`rangeEngine: ${name} must be a whole number of at least 1, got ${value}`)
    }
  }
}
