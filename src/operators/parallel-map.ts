import type { Cursor, Input, OpenContext } from '../plan/operator.js'
import { savedCount, savedList, savedObject } from '../plan/saved.js'
import type { Json } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'
import type { MapParams } from './map.js'
import { wantsContext } from './stages.js'
import { unorderedReason } from './unordered.js'

/** In flight when `parallel` is `'auto'`: enough to hide the latency of a disk or a nearby service. */
const AUTO_PARALLEL = 16
/** Elements that may overtake a slow one when order is given up; their ordinals are part of the state. */
const MOST_OVERTAKING = 4096

/** Index of the oldest element that was not delivered, and those that overtook it. */
function savedPlace(saved: Json | undefined): { readonly index: number; readonly overtook: readonly number[] } {
  if (typeof saved !== 'object') return { index: savedCount('map', saved ?? 0), overtook: [] }
  const { index, overtook } = savedObject('map', saved)
  return { index: savedCount('map', index), overtook: savedList('map', overtook, 'overtook').map(ordinal => savedCount('map', ordinal, 'overtook')) }
}

/** One element under way or waiting for delivery. An error of the input takes a place among them, and an index. */
interface Slot {
  readonly position: number
  readonly index: number
  status: 'pending' | 'done' | 'failed' | 'input-failed'
  /** The value, or the error. */
  outcome: unknown
}

/**
 * Up to `parallel` promises in flight, delivered in input order (or as they settle, when not deterministic). A function
 * that returns plain values runs inline, as many at a time as are asked for. State: the position of the oldest element
 * that is not delivered. Without order, elements that overtook it are remembered by ordinal, and left out on restore.
 */
export function openParallelMap(params: MapParams, input: Input, ctx: OpenContext, saved: Json | undefined): Cursor<unknown> {
  const limit = params.parallel === 'auto' ? AUTO_PARALLEL : (params.parallel ?? 1)
  const { fn, deterministic } = params
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
  let ended = false
  let reading: Promise<void> | undefined
  let wake: (() => void) | undefined

  const settle = (slot: Slot, status: Slot['status'], outcome: unknown): void => {
    slot.status = status
    slot.outcome = status === 'failed' ? ctx.userError(outcome, slot.index) : outcome
  }
  const settleLater = (slot: Slot, status: Slot['status'], outcome: unknown): void => {
    settle(slot, status, outcome)
    inFlight--
    advance(0)
    wake?.()
  }
  const start = (value: unknown, position: number): void => {
    const slot: Slot = { position, index: index++, status: 'pending', outcome: undefined }
    if (overtook.has(slot.index)) return
    queue.push(slot)
    try {
      const result = context === null ? (fn as (value: unknown) => unknown)(value) : fn(value, context(slot.index))
      if (!isPromise(result)) return settle(slot, 'done', result)
      asynchronous = true
      inFlight++
      Promise.resolve(result).then(value => settleLater(slot, 'done', value), error => settleLater(slot, 'failed', error))
    } catch (error) {
      settle(slot, 'failed', error)
    }
  }
  const took = (chunk: unknown[] | null): void => {
    if (chunk === null) ended = true
    waiting = chunk ?? []
    started = 0
  }
  const inputFailed = (error: unknown): void => {
    queue.push({ position: waitingFrom, index: ctx.signal.aborted ? index : index++, status: 'input-failed', outcome: error })
    waitingFrom++
  }
  /** Starts and reads until enough is under way; never waits. */
  const advance = (wanted: number): void => {
    for (;;) {
      const room = overtook.size >= MOST_OVERTAKING ? 1 : asynchronous ? limit : wanted
      if (closed || queue.length >= room) return
      if (started < waiting.length) start(waiting[started], waitingFrom + started++)
      else if (ended || reading !== undefined) return
      else read(room - queue.length)
    }
  }
  const read = (count: number): void => {
    waitingFrom = source.position
    waiting = []
    started = 0
    try {
      const chunk = source.pull(count)
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
      for (const ordinal of overtook) if (ordinal < (queue[0]?.index ?? index)) overtook.delete(ordinal)
      source.release(oldestPosition())
      if (slot.status !== 'done') throw slot.outcome
      out.push(slot.outcome)
    }
  }
  let closed = false

  return {
    pull: max =>
      run(function* () {
        const out: unknown[] = []
        for (;;) {
          advance(max)
          deliver(out, max)
          if (out.length > 0) return out
          if (ended && queue.length === 0 && started >= waiting.length) return null
          if (ready() < 0 || (queue.length === 0 && reading !== undefined)) {
            yield* wait(new Promise<void>(resolve => (wake = resolve)))
            wake = undefined
          }
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
    }
  }
}
