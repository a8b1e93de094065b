import { byteLengthOf } from '../array/byte-length.js'
import type { Operator } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { later } from '../util/later.js'
import { isPromise } from '../util/promise.js'

/**
 * Keeps up to `size` elements ready ahead of the consumer. Order: kept. Memory: `size` elements, and no new element is
 * fetched while those that wait hold `memoryBytes` or more, or while there is no room in the process. `'auto'` begins with 2
 * and doubles, up to 32, whenever the consumer finds it empty after it was full; until a tuner sets it.
 */
export interface PrefetchParams {
  readonly size: number | 'auto'
  readonly memoryBytes: number
  /** True when a rule put it there. */
  readonly injected: boolean
}

const AUTO_FIRST = 2
const AUTO_MOST = 32
/** The most that a tuner makes of it. */
const MOST = 256
/** Elements behind a prefetch are mostly batches: few of them should be made again on restore. */
const TRACK_EVERY = 4

type Item = { readonly position: number; readonly bytes: number } & ({ readonly value: unknown } | { readonly error: unknown })

export const prefetch: Operator<PrefetchParams, unknown> = {
  name: 'prefetch',
  sameElements: true,
  describe: ({ size, injected }) => `${size}${injected ? ', injected' : ''}`,
  cardinality: (_, [input]) => input,
  knobs: ({ size }) => [{ name: 'prefetch.size', value: size }],
  transparent: true,
  readsAhead: true,

  open({ params: { size, memoryBytes }, inputs: [input], ctx }) {
    if (input === undefined) throw new TypeError('prefetch needs an input')
    const source = ctx.track(input, TRACK_EVERY)
    const { meter, memory } = ctx
    const queue: Item[] = []
    let taken = 0 // position behind the last item; `source.position` moves on a moment before the item arrives here
    let limit = size === 'auto' ? AUTO_FIRST : size
    let doubles = size === 'auto'
    let wasFull = false
    let full = false
    let bytes = 0
    let ended = false
    let closed = false
    let fetching: Promise<void> | undefined
    let callOff: (() => void) | undefined

    const took = (chunk: unknown[] | null): void => {
      if (chunk === null) {
        ended = true
        return
      }
      for (const value of chunk) {
        const size = byteLengthOf(value)
        bytes += size
        memory.add(size)
        queue.push({ position: taken++, bytes: size, value })
      }
      meter.queued += chunk.length
      if (queue.length < limit) return
      if (!full) meter.full++
      wasFull = full = true
    }
    const failed = (error: unknown): void => {
      queue.push({ position: taken++, bytes: 0, error })
      meter.queued++
    }
    const going = (): boolean => !closed && !ended && !ctx.signal.aborted
    /** What holds nothing may fetch one, whatever others hold: somebody waits for it, or soon will. */
    const hasRoom = (): boolean => {
      const room = queue.length === 0 || (queue.length < limit && bytes < memoryBytes && memory.hasRoom)
      if (!room && !full) meter.full++
      full = !room
      return room
    }
    /** Fetches one element, then makes way for the consumer: fetching that never waits must not keep it from running. */
    const fetch = (): void => {
      callOff = undefined
      if (fetching !== undefined || !going() || !hasRoom()) return
      try {
        const chunk = source.pull(1)
        if (isPromise(chunk)) {
          fetching = chunk.then(took, failed).then(() => {
            fetching = undefined
            fetch()
          })
          return
        }
        took(chunk)
      } catch (error) {
        failed(error)
      }
      schedule()
    }
    const schedule = (): void => {
      if (callOff === undefined && fetching === undefined && queue.length < limit && going()) callOff = later(fetch)
    }
    const deliver = (max: number): unknown[] | null => {
      const out: unknown[] = []
      while (queue.length > 0 && out.length < max) {
        const item = queue[0] as Item
        if ('error' in item && out.length > 0) break
        queue.shift()
        meter.queued--
        bytes -= item.bytes
        memory.add(-item.bytes)
        source.release(item.position + 1)
        if ('error' in item) {
          schedule()
          throw item.error
        }
        out.push(item.value)
      }
      schedule()
      return out.length > 0 ? out : null
    }
    const next = (max: number): MaybePromise<unknown[] | null> => {
      if (queue.length > 0) return deliver(max)
      if (ended) return null
      ctx.signal.throwIfAborted()
      if (fetching === undefined) {
        callOff?.()
        fetch()
      }
      // The fetch under way may be one whose element was delivered already.
      return fetching === undefined ? next(max) : (fetching as Promise<void>).then(() => next(max))
    }
    ctx.knob({
      name: 'prefetch.size',
      auto: size === 'auto',
      least: 1,
      most: MOST,
      resource: 'memory',
      get: () => limit,
      set(value) {
        limit = Math.max(1, value)
        doubles = false
        if (taken > 0) schedule() // nothing is read before the first pull
      }
    })
    return {
      pull(max): MaybePromise<unknown[] | null> {
        if (queue.length === 0 && !ended) {
          meter.starved++
          if (doubles && wasFull) limit = Math.min(AUTO_MOST, limit * 2)
          wasFull = false
        }
        return next(max)
      },
      save: () => ({ inputs: [source.stateAt(queue[0]?.position ?? taken)] }),
      async close() {
        closed = true
        callOff?.()
        await fetching
        meter.queued -= queue.length
      }
    }
  }
}
