import { isMillraceError, type ErrorKind } from '../../errors.js'
import type { ByteSource, RequestOptions, RequestTrace } from '../../store.js'
import { sharedController } from '../../util/abort.js'
import { later } from '../../util/later.js'
import { inParallel } from '../../util/parallel.js'
import { checkRange, closedError } from '../checks.js'
import { DEFAULT_RANGES, type RangeEngineConfig } from '../config.js'
import { signalWatch, type Abortable } from '../remote/signals.js'
import { planRanges, type PlannedRange } from './plan-ranges.js'
import { spareMemory } from './spare-memory.js'
import type { ByteRange } from './split.js'

/** Options of {@link readRanges}. */
export interface ReadRangesOptions extends RequestOptions {
  /** Ranges that lie no farther apart become one request. @default 1 MiB */
  readonly gap?: number | undefined
  /** No merged request is larger. @default 8 MiB */
  readonly largest?: number | undefined
  /** Requests under way at once. @default 16 */
  readonly concurrency?: number | undefined
}

/**
 * Reads many ranges of one object in as few requests as their distances allow.
 *
 * Results are in the order of the ranges. They are views: ranges that were read together share memory, overlapping ones share bytes, and one
 * view keeps the memory of its neighbours alive. The first failure ends the other requests.
 *
 * @throws what `source.read` rejects with; MillraceError `OutOfRange` before anything is read
 */
export async function readRanges(source: ByteSource, ranges: readonly ByteRange[], options: ReadRangesOptions = {}): Promise<Uint8Array[]> {
  const { gap = DEFAULT_RANGES.coalesceGap, largest = DEFAULT_RANGES.chunkSize, concurrency = DEFAULT_RANGES.maxConcurrentRanges, signal, trace } = options
  for (const { offset, length } of ranges) {
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`readRanges: length must be an integer from 0 on, got ${String(length)}`)
    checkRange(source.uri, source.byteLength, offset, length)
  }
  signal?.throwIfAborted()
  const results = ranges.map(() => new Uint8Array(0))
  const controller = sharedController()
  const abort = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await inParallel(planRanges(ranges, { gap, largest }), concurrency, async ({ offset, length, members }) => {
      const bytes = new Uint8Array(length)
      try {
        await source.read(offset, bytes, { signal: controller.signal, trace })
      } catch (error) {
        controller.abort(error)
        throw error
      }
      for (const i of members) {
        const range = ranges[i]
        if (range !== undefined) results[i] = bytes.subarray(range.offset - offset, range.offset - offset + range.length)
      }
    })
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  return results
}

/** Larger reads gain nothing from company, and go at once. */
const LARGE = 256 << 10
/** Memory that a source keeps for merged reads while there are none. */
const KEPT = 1 << 20
/** Errors that every read of the object would get. */
const OF_THE_OBJECT: readonly ErrorKind[] = ['Changed', 'NotFound', 'Denied', 'Closed']

/**
 * Makes one request of small reads that were asked for in the same turn of the event loop and lie close.
 *
 * A merged read is no larger than `chunkSize`, and at most half of it is gaps. Reads of 256 KiB or more go straight through. What is aborted
 * ends at once and leaves the others alone. When a merged read fails, each of those who wait gets a read of their own, but for errors that
 * are of the object and not of the bytes. Of several traces the first one counts the request.
 *
 * Cost: a small read begins when the event loop has had its turn.
 */
export function coalescing(source: ByteSource, config: Pick<RangeEngineConfig, 'coalesceGap' | 'chunkSize'>): ByteSource {
  const { uri, byteLength } = source
  const memory = spareMemory(KEPT)
  const signals = signalWatch()
  let queue: Asked[] = []
  let underWay = 0
  let whenIdle: (() => void) | undefined
  let closing: Promise<void> | undefined

  const settled = (): void => {
    if (--underWay === 0) whenIdle?.()
  }
  const flush = (): void => {
    const asked = queue
    queue = []
    const only = asked[0]
    if (asked.length === 1 && only !== undefined) return alone(only)
    for (const plan of planRanges(asked, { gap: config.coalesceGap, largest: config.chunkSize, waste: 1 })) {
      const members = plan.members.flatMap(i => asked[i] ?? [])
      const [first] = members
      if (members.length === 1 && first !== undefined) alone(first)
      else void together(plan, members).catch(() => undefined) // it has told those who wait
    }
  }
  const alone = (asked: Asked): void => {
    source.read(asked.offset, asked.into, asked.options).then(asked.resolve, asked.reject)
  }

  const together = async (plan: PlannedRange, members: readonly Asked[]): Promise<void> => {
    const controller = sharedController()
    const waiting = new Set(members)
    for (const asked of members) {
      const { signal } = asked.options
      if (signal === undefined) continue
      asked.abort = (reason) => {
        if (!waiting.delete(asked)) return
        asked.reject(reason)
        if (waiting.size === 0) controller.abort(reason)
      }
      if (signal.aborted) asked.abort(signal.reason)
      else signals.add(signal, asked)
    }
    if (waiting.size === 0) return
    const room = memory.take(plan.length) ?? new Uint8Array(plan.length)
    try {
      await source.read(plan.offset, room.subarray(0, plan.length), { signal: controller.signal, trace: traceOf(waiting) })
      for (const asked of waiting) {
        const start = asked.offset - plan.offset
        asked.into.set(room.subarray(start, start + asked.length))
        asked.resolve()
      }
    } catch (error) {
      const ofAll = OF_THE_OBJECT.some(kind => isMillraceError(error, kind))
      for (const asked of waiting) {
        if (ofAll) asked.reject(error)
        else alone(asked)
      }
    } finally {
      waiting.clear()
      for (const asked of members) if (asked.options.signal !== undefined) signals.remove(asked.options.signal, asked)
      memory.give(room)
    }
  }

  return {
    uri,
    byteLength,
    version: source.version,
    read(offset, into, options = {}) {
      const length = into.byteLength
      if (closing !== undefined) return Promise.reject(closedError(uri, 'read', 'the source was closed'))
      if (length >= LARGE || length === 0) return source.read(offset, into, options)
      return new Promise((resolve, reject) => {
        checkRange(uri, byteLength, offset, length)
        options.signal?.throwIfAborted()
        underWay++
        if (queue.length === 0) later(flush)
        queue.push({
          offset, length, into, options, abort: () => undefined,
          resolve: () => { settled(); resolve() },
          reject: (error) => { settled(); reject(error as Error) }
        })
      })
    },
    close: () => (closing ??= (async () => {
      if (underWay > 0) await new Promise<void>((resolve) => { whenIdle = resolve })
      while (memory.discard() > 0);
      await source.close()
    })())
  }
}

/** A read that waits for its turn. */
interface Asked extends ByteRange, Abortable {
  readonly into: Uint8Array
  readonly options: RequestOptions
  abort: (reason: unknown) => void
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

function traceOf(asked: Iterable<Asked>): RequestTrace | undefined {
  for (const { options: { trace } } of asked) if (trace !== undefined) return trace
  return undefined
}
