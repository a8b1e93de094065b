import type { RangeEngineConfig } from '../config.js'
import type { Surroundings } from './reader.js'
import { systemSurroundings } from './surroundings.js'

/** What a read is waiting for. `paused` is what we make it wait for ourselves: a place among those in flight, or the time of a retry. */
export type Stage = 'paused' | 'asking' | 'head' | 'body'

export type Expiry = 'ttfb' | 'idle' | 'rate' | 'range' | 'deadline'

/** A read, as its watchdog sees it. The watchdog alone writes the clocks; setting `clocks.since` to -1 starts them anew. */
export interface Watched {
  readonly stage: Stage
  /** What the request of the stages `head` and `body` has brought. */
  readonly exchange: { readonly received: number, readonly queued?: boolean } | undefined
  /** When all has to be over, in the time of the surroundings. */
  readonly deadlineAt: number
  /** Bytes that the request asks for. */
  readonly asked: number
  readonly clocks: Clocks
  expire(why: Expiry): void
}

export interface Clocks {
  /** When the request went out, or -1. */
  since: number
  /** When the stage was first seen. */
  stageSince: number
  stage: Stage
  /** When bytes came last, and how many there were then. */
  progress: number
  received: number
  /** Where the window begins over which the rate is taken. */
  windowSince: number
  windowReceived: number
}

export const newClocks = (): Clocks => ({ since: -1, stageSince: 0, stage: 'paused', progress: 0, received: 0, windowSince: 0, windowReceived: 0 })

export interface Watchdog<R extends Watched> {
  add(read: R): void
  remove(read: R): void
  readonly reads: ReadonlySet<R>
}

/**
 * One timer for all reads of a store: it ends those that wait too long for the head of a reply, for the next byte, or for a decent rate.
 * Nothing is done at the time of a request but to enter it, so times are as coarse as the timer: half a second, or a quarter of
 * the shortest limit.
 *
 * Its time stands still while the program computes: bytes that nobody could take are not late.
 */
export function watchdog<R extends Watched>(config: RangeEngineConfig, surroundings: Surroundings): Watchdog<R> {
  const { ttfbTimeout, idleTimeout, minRate, minRateWindow, rangeTimeout, deadline } = config
  const interval = Math.max(5, Math.min(500, Math.floor(Math.min(ttfbTimeout, idleTimeout, minRateWindow, rangeTimeout, deadline) / 4)))
  const reads = new Set<R>()
  let time = 0
  let last = 0
  let stop: (() => void) | undefined

  function tick(): void {
    if (reads.size === 0) {
      stop?.()
      stop = undefined
      return
    }
    const now = surroundings.now()
    time += Math.min(now - last, 2 * interval)
    last = now
    for (const read of reads) {
      const why = expired(read, now)
      if (why !== undefined) read.expire(why)
    }
  }

  function expired({ stage, exchange, deadlineAt, asked, clocks }: R, now: number): Expiry | undefined {
    if (stage === 'paused') return undefined
    if (now >= deadlineAt) return 'deadline'
    if (stage === 'asking' || exchange === undefined) return undefined
    if (clocks.since < 0 || exchange.queued === true) clocks.since = time
    if (clocks.since === time || clocks.stage !== stage) {
      clocks.stage = stage
      clocks.stageSince = clocks.progress = clocks.windowSince = time
      clocks.received = clocks.windowReceived = exchange.received
      return undefined
    }
    if (time - clocks.since >= rangeTimeout + (minRate > 0 ? asked / minRate * 1000 : 0)) return 'range'
    if (stage === 'head') return time - clocks.stageSince >= ttfbTimeout ? 'ttfb' : undefined
    if (exchange.received !== clocks.received) {
      clocks.progress = time
      clocks.received = exchange.received
    } else if (time - clocks.progress >= idleTimeout) return 'idle'
    const window = time - clocks.windowSince
    if (window < minRateWindow) return undefined
    if ((exchange.received - clocks.windowReceived) * 1000 < minRate * window) return 'rate'
    clocks.windowSince = time
    clocks.windowReceived = exchange.received
    return undefined
  }

  return {
    reads,
    add(read) {
      reads.add(read)
      if (stop !== undefined) return
      last = surroundings.now()
      stop = (surroundings.every ?? systemSurroundings.every)(interval, tick)
    },
    remove: read => reads.delete(read)
  }
}
