import { byteLengthOf } from '../array/byte-length.js'
import type { Cursor, Input, OpenContext } from '../plan/operator.js'
import { savedCount, savedList, savedObject } from '../plan/saved.js'
import type { Json } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'
import type { MapParams } from './map.js'
import { wantsContext } from './stages.js'
import { unorderedReason } from './unordered.js'

/** In flight when `parallel` is `'auto'`, to begin with: enough to hide the latency of a disk or a nearby service. */
const AUTO_PARALLEL = 16
/** The most that a tuner makes of it. */
const MOST_PARALLEL = 1024
/** While somebody waits for a slow element, up to so many times `parallel` others may be done before it. */
const DONE_BEHIND = 4
/** Elements of the input that were taken and not begun hold no more than that. */
const WAITING_BYTES = 64 * 1024
/** Elements that may overtake a slow one when order is given up; their ordinals are part of the state. */
const MOST_OVERTAKING = 4096

/** Index of the oldest element that was not delivered, and those that overtook it. */
function savedPlace(saved: Json | undefined): { readonly index: number; readonly overtook: readonly number[] } {
  if (typeof saved !== 'object') return { index: savedCount('map', saved ?? 0), overtook: [] }
  const { index, overtook } = savedObject('map', saved)
  return { index: savedCount('map', index), overtook: savedList('map', overtook, 'overtook').map(ordinal => savedCount('map', ordinal, 'overtook')) }
}

/** Calls that take no longer, in milliseconds, are timed now and then: a clock costs too. */
const QUICK_MS = 0.05
const QUICK_EVERY = 16

/** One element under way or waiting for delivery. An error of the input takes a place among them, and an index. */
interface Slot {
  readonly position: number
  readonly index: number
  status: 'pending' | 'done' | 'failed' | 'input-failed'
  /** The value, or the error. */
  outcome: unknown
  /** What it holds, or is expected to hold. Only what is not done at once is measured. */
  bytes: number
}

/**
 * Up to `parallel` promises in flight, delivered in input order (or as they settle, when not deterministic). A function
 * that returns plain values runs inline, as many at a time as are asked for. State: the position of the oldest element
 * that is not delivered. Without order, elements that overtook it are remembered by ordinal, and left out on restore.
 *
 * Memory: what waits for delivery and what is in flight are `parallel` elements together, and a few times as many done ones
 * while the consumer waits for a slow one before them. Nothing more begins while there is no room for its bytes.
 */
export function openParallelMap(params: MapParams, input: Input, ctx: OpenContext, saved: Json | undefined): Cursor<unknown> {
  const { fn, deterministic } = params
  const most = ctx.threading.maxIntraOpParallelism ?? Infinity
  let limit = Math.min(most, params.parallel === 'auto' ? AUTO_PARALLEL : (params.parallel ?? 1))
  const { meter, memory } = ctx
  const context = wantsContext(fn) ? ctx.elementContexts(params.seed) : null
  const restored = savedPlace(saved)
  const source = ctx.track(input)
  const overtook = new Set(restored.overtook)
  const queue: Slot[] = []
  let waiting: readonly unknown[] = [] // taken from the input, not yet started
  let started = 0 // of `waiting`
  let waitingFrom = 0 // position of its first element
  let index = restored.index
  let inFlight = 0
  let asynchronous = false // a promise was seen
  let demanded = false // a pull waits
  let advancing = false
  let inputBytes: number | undefined // of an element of the input, on average
  let outputBytes: number | undefined
  let full = false
  let timeEvery = 1 // calls, of which one is timed
  let untimed = 0
  let ended = false
  let closed = false
  let reading: Promise<void> | undefined
  let wake: (() => void) | undefined

  const hold = (slot: Slot, bytes: number): void => {
    memory.add(bytes - slot.bytes)
    slot.bytes = bytes
  }
  const settle = (slot: Slot, status: Slot['status'], outcome: unknown): void => {
    slot.status = status
    slot.outcome = status === 'failed' ? ctx.userError(outcome, slot.index) : outcome
  }
  const settleLater = (slot: Slot, status: Slot['status'], outcome: unknown, begun: number, stands: number): void => {
    settle(slot, status, outcome)
    inFlight--
    meter.inFlight--
    meter.queued++
    meter.served++
    if (stands > 0) {
      const took = performance.now() - begun
      meter.serviceMs += took * stands
      timeEvery = took > QUICK_MS ? 1 : QUICK_EVERY
    }
    const bytes = status === 'done' ? byteLengthOf(outcome) : 0
    hold(slot, bytes)
    if (status === 'done') outputBytes = average(outputBytes, bytes)
    advance(0)
    wake?.()
  }
  const start = (value: unknown, position: number): void => {
    const slot: Slot = { position, index: index++, status: 'pending', outcome: undefined, bytes: 0 }
    if (overtook.has(slot.index)) return
    queue.push(slot)
    const stands = asynchronous && ++untimed >= timeEvery ? timeEvery : 0
    const begun = stands > 0 ? performance.now() : 0
    if (stands > 0) untimed = 0
    try {
      const result = context === null ? (fn as (value: unknown) => unknown)(value) : fn(value, context(slot.index))
      if (!isPromise(result)) {
        meter.queued++
        return settle(slot, 'done', result)
      }
      const first = !asynchronous
      const since = first ? performance.now() : begun
      const counts = first ? 1 : stands
      asynchronous = true
      inFlight++
      meter.inFlight++
      const size = byteLengthOf(value)
      inputBytes = average(inputBytes, size)
      hold(slot, Math.max(size, outputBytes ?? 0))
      Promise.resolve(result).then(value => settleLater(slot, 'done', value, since, counts), error => settleLater(slot, 'failed', error, since, counts))
    } catch (error) {
      meter.queued++
      settle(slot, 'failed', error)
    }
  }
  const took = (chunk: unknown[] | null): void => {
    if (chunk === null) ended = true
    waiting = chunk ?? []
    started = 0
  }
  const inputFailed = (error: unknown): void => {
    queue.push({ position: waitingFrom, index: ctx.signal.aborted ? index : index++, status: 'input-failed', outcome: error, bytes: 0 })
    meter.queued++
    waitingFrom++
  }
  /** How many more may be begun. Those that are done count, unless somebody waits for a slow one before them. */
  const room = (wanted: number): number => {
    if (overtook.size >= MOST_OVERTAKING) return 1 - queue.length
    if (!asynchronous) return wanted - queue.length
    const held = demanded && deterministic && queue[0]?.status === 'pending'
    const free = limit - (held ? Math.max(inFlight, queue.length - limit * (DONE_BEHIND - 1)) : queue.length)
    const now = free <= 0 || (queue.length > 0 && !memory.hasRoom) ? 0 : free
    if (now === 0 && !full && !ended) meter.full++
    full = now === 0
    return now
  }
  /** Starts and reads until enough is under way; never waits. */
  const advance = (wanted: number): void => {
    if (advancing) return // a function that changes a knob
    advancing = true
    for (;;) {
      const more = closed ? 0 : room(wanted)
      if (more <= 0) break
      if (started < waiting.length) start(waiting[started], waitingFrom + started++)
      else if (ended || reading !== undefined) break
      else read(more)
    }
    advancing = false
  }
  const read = (count: number): void => {
    waitingFrom = source.position
    waiting = []
    started = 0
    try {
      const few = source.position === 0 ? 1 : inputBytes === undefined ? count : Math.max(1, Math.floor(WAITING_BYTES / (inputBytes + 1)))
      const chunk = source.pull(Math.min(count, few))
      if (!isPromise(chunk)) return took(chunk)
      reading = chunk.then(took, inputFailed).then(() => {
        reading = undefined
        advance(1)
        wake?.()
      })
    } catch (error) {
      inputFailed(error)
    }
  }
  /** Place in the queue of what may be delivered now. An error of the input is no overtaker: it keeps its place. */
  const ready = (): number =>
    deterministic ? (queue[0]?.status === 'pending' ? -1 : 0) : queue.findIndex((slot, at) => slot.status !== 'pending' && (slot.status !== 'input-failed' || at === 0))
  /** Not `source.position`, which moves on a moment before the chunk arrives here. */
  const oldestPosition = (): number => queue[0]?.position ?? waitingFrom + started

  const deliver = (out: unknown[], max: number): void => {
    while (out.length < max && queue.length > 0) {
      const at = ready()
      if (at < 0) return
      const slot = queue[at] as Slot
      if (slot.status !== 'done' && out.length > 0) return // first what came before
      if (at === 0) queue.shift()
      else {
        queue.splice(at, 1)
        overtook.add(slot.index)
      }
      meter.queued--
      if (slot.bytes > 0) memory.add(-slot.bytes)
      if (overtook.size > 0) for (const ordinal of overtook) if (ordinal < (queue[0]?.index ?? index)) overtook.delete(ordinal)
      source.release(oldestPosition())
      if (slot.status !== 'done') throw slot.outcome
      out.push(slot.outcome)
    }
  }

  ctx.knob({
    name: 'map.parallel',
    auto: params.parallel === 'auto',
    least: 1,
    most: Math.min(most, MOST_PARALLEL),
    resource: 'request',
    get: () => limit,
    set(value) {
      limit = Math.max(1, Math.min(most, value))
      if (asynchronous && !ctx.signal.aborted) advance(0)
    }
  })
  return {
    pull: max =>
      run(function* () {
        const out: unknown[] = []
        try {
          for (;;) {
            advance(max)
            deliver(out, max)
            if (out.length > 0) return out
            if (ended && queue.length === 0 && started >= waiting.length) return null
            if (ready() >= 0 && (queue.length > 0 || reading === undefined)) continue
            if (!demanded) {
              meter.starved++
              demanded = true
              continue
            }
            yield* wait(new Promise<void>(resolve => (wake = resolve)))
            wake = undefined
          }
        } finally {
          demanded = false
          if (asynchronous && !ctx.signal.aborted) advance(0) // in place of what was delivered, and not with the next pull
        }
      }),
    save() {
      const oldest = queue[0]?.index ?? index
      return {
        self: overtook.size > 0 ? { index: oldest, overtook: [...overtook] } : oldest,
        inputs: [source.stateAt(oldestPosition())],
        ...(overtook.size > 0 && input.ordered === false && { refused: unorderedReason('map', 'behind an element that overtook another') })
      }
    },
    async close() {
      closed = true
      await reading
      while (inFlight > 0) await new Promise<void>(resolve => (wake = resolve))
      meter.queued -= queue.length
    }
  }
}

/** A mean that follows what changes. */
const average = (before: number | undefined, value: number): number => (before === undefined ? value : before + (value - before) / 8)
