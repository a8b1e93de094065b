import { MillraceError } from '../errors.js'
import { cardinality, type PlanNode } from '../plan/node.js'
import type { Cursor, Input, OpenContext, Operator, RandomAccess, Saved, State } from '../plan/operator.js'
import { badState, savedCount, savedObject, savedStates } from '../plan/saved.js'
import type { Cardinality, Json, MaybePromise } from '../types.js'
import { randomOrder } from '../util/permutation.js'
import { later } from '../util/later.js'
import { chain, isPromise, run, wait } from '../util/promise.js'
import { integerAt, type RandomKey } from '../util/rng.js'
import { unorderedReason } from './unordered.js'

/**
 * Draws elements at random from a buffer that is topped up before every draw and drains at the end, always uniformly.
 * Without a size, the whole input: an index permutation where the input has access by ordinal, else a buffer of all of it.
 *
 * Order: a function of (seed, epoch) alone. Memory: `bufferSize` elements. State: the number of draws; which elements fill
 * the buffer follows from it, and they are read again from a position old enough. With access by ordinal, also the number of elements:
 * resuming among more or fewer is an error.
 */
export interface ShuffleParams {
  /** `Infinity` for all of the input. */
  readonly bufferSize: number
  readonly seed: number | undefined
  readonly reshuffleEachIteration: boolean
}

export const shuffle: Operator<ShuffleParams, unknown> = {
  name: 'shuffle',
  sameElements: true,
  describe: ({ bufferSize, seed, reshuffleEachIteration }) =>
    [bufferSize === Infinity ? 'all' : bufferSize, ...(seed === undefined ? [] : [`seed: ${seed}`]), ...(reshuffleEachIteration ? [] : ['same order each iteration'])].join(', '),
  cardinality: (_, [input]) => input,
  noOp: ({ bufferSize }) => bufferSize === 1,
  lazyInputs: true,

  open({ params: { bufferSize, seed, reshuffleEachIteration }, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('shuffle needs an input')
    const key = ctx.randomKey(seed, reshuffleEachIteration ? ctx.epoch : 0)
    const open = (access: RandomAccess | null): MaybePromise<Cursor<unknown>> => {
      if (access === null) {
        if (saved === undefined) return bufferShuffle(key, bufferSize, ctx, inputNode, saved, savedInputs)
        throw new MillraceError('Checkpoint', 'shuffle: the elements could be read by their ordinals when the checkpoint was taken, and cannot now. Restore the index of the files, or begin anew without the checkpoint', { operator: 'shuffle' })
      }
      try {
        return indexShuffle(key, access, saved)
      } catch (error) {
        return chain(access.close?.(), () => { throw error })
      }
    }
    // What was begun in a buffer goes on in one, also when there is access by ordinal by now: its order is another.
    const buffered = bufferSize < Infinity || (saved !== undefined && savedObject('shuffle', saved)['drawn'] !== undefined)
    return buffered ? bufferShuffle(key, bufferSize, ctx, inputNode, saved, savedInputs) : openLater(() => chain(ctx.randomAccess(inputNode), open), { self: saved, inputs: savedInputs ?? [] })
  }
}

/** A cursor that is opened by its first pull: files may have to be looked at to know which it is. */
function openLater(open: () => MaybePromise<Cursor<unknown>>, saved: { readonly self: Json | undefined; readonly inputs: readonly State[] }): Cursor<unknown> {
  let cursor: Cursor<unknown> | undefined
  let failed = false
  const opened = (fresh: Cursor<unknown>): Cursor<unknown> => (cursor = fresh)
  return {
    pull(max) {
      if (cursor !== undefined) return cursor.pull(max)
      if (failed) return null // without access there is no other element to go on with
      failed = true
      return chain(open(), fresh => {
        failed = false
        return opened(fresh).pull(max)
      })
    },
    save: () => (cursor === undefined ? { ...(saved.self !== undefined && { self: saved.self }), inputs: saved.inputs } : (cursor.save?.() ?? {})),
    close: () => cursor?.close?.()
  }
}

/** Full shuffle by ordinal: nothing is held, and any place can be resumed at once. */
function indexShuffle(key: RandomKey, access: RandomAccess, saved: Json | undefined): Cursor<unknown> {
  let place = savedPlace(saved, access.length)
  let order: ((place: number) => number) | undefined
  let single = false // after a failure: find the element that fails

  const advance = (by: number) => (values: unknown[]): unknown[] => {
    place += by
    return values
  }
  return {
    pull(max): MaybePromise<unknown[] | null> {
      const count = Math.min(single ? 1 : max, access.length - place)
      if (count <= 0) return null
      const orderOf = (order ??= randomOrder(key, access.length))
      const indices = new Array<number>(count)
      for (let i = 0; i < count; i++) indices[i] = orderOf(place + i)
      const recover = (error: unknown): MaybePromise<unknown[] | null> => {
        if (count > 1) {
          single = true
          return this.pull(1)
        }
        single = false
        place++
        throw error
      }
      let values: MaybePromise<unknown[]>
      try {
        values = access.get(indices)
      } catch (error) {
        return recover(error)
      }
      return isPromise(values) ? values.then(advance(count), recover) : advance(count)(values)
    },
    save: () => ({ self: { place, of: access.length } }),
    close: () => access.close?.()
  }
}

/** The order is one of so many elements: in any other number of them a place means nothing. */
function savedPlace(saved: Json | undefined, length: number): number {
  if (saved === undefined) return 0
  const state = savedObject('shuffle', saved)
  const of = savedCount('shuffle', state['of'], 'the number of elements')
  if (of !== length) {
    throw new MillraceError('Checkpoint', `shuffle: there are ${length} elements now, and there were ${of} when the checkpoint was taken: they are not the same data. Begin anew without it`, { operator: 'shuffle' })
  }
  return savedCount('shuffle', state['place'], 'the position', length)
}

/** What is in the buffer after some draws, by ordinal of the input. */
interface Slots {
  readonly ordinals: number[]
  /** The slot that the last draw emptied, or -1. It is filled before the next draw. */
  hole: number
  /** The ordinal that will be taken from the input next. */
  next: number
}

/** After so many, 30 ms of them, others have their turn: an abort must be heard. */
const DRAWS_AT_A_TIME = 2 ** 20

/** Plays the draws over ordinals alone: 30 ns each, which spares the checkpoint a list as long as the buffer. */
function* slotsAfter(key: RandomKey, size: number, drawn: number, total: number, signal: AbortSignal): Generator<PromiseLike<unknown>, Slots, unknown> {
  const first = Math.min(size, total)
  const slots: Slots = { ordinals: Array.from({ length: first }, (_, i) => i), hole: -1, next: first }
  for (let draw = 0; draw < drawn; draw++) {
    if (draw % DRAWS_AT_A_TIME === DRAWS_AT_A_TIME - 1) {
      yield new Promise<void>(resolve => later(resolve))
      signal.throwIfAborted()
    }
    if (slots.hole >= 0) {
      if (slots.next < total) slots.ordinals[slots.hole] = slots.next++
      else closeHole(slots.ordinals, slots.hole)
    }
    slots.hole = integerAt(key, draw, slots.ordinals.length)
  }
  return slots
}

function closeHole(list: unknown[], hole: number): void {
  const last = list.pop()
  if (hole < list.length) list[hole] = last
}

interface BufferState {
  readonly drawn: number
  /** Ordinal of the element that the saved input yields next. */
  readonly floor: number
  /** Size of the input, once its end was seen. */
  readonly total?: number
}

/** No array that holds more elements than that was ever filled. */
const LARGEST_BUFFER = 2 ** 26

function bufferState(saved: Json | undefined, size: number, inputs: Cardinality): BufferState {
  const state = savedObject('shuffle', saved ?? { drawn: 0, floor: 0 }) as { readonly [member in keyof BufferState]?: unknown }
  const drawn = savedCount('shuffle', state.drawn, 'the number of draws', inputs)
  const floor = savedCount('shuffle', state.floor, 'the floor', drawn + Math.min(size, Number.MAX_SAFE_INTEGER - drawn))
  if (state.total === undefined && (size < Infinity || drawn === 0)) return { drawn, floor }
  const total = savedCount('shuffle', state.total, 'the total')
  if (total < drawn || total < floor || Math.min(size, total) > LARGEST_BUFFER) throw badState('shuffle', `a total of ${total} behind ${drawn} draws`)
  return { drawn, floor, total }
}

function bufferShuffle(key: RandomKey, size: number, ctx: OpenContext, inputNode: PlanNode, saved: Json | undefined, savedInputs: readonly State[] | undefined): Cursor<unknown> {
  const restored = bufferState(saved, size, cardinality(inputNode))
  const input: Input = ctx.open(inputNode, { saved: savedStates('shuffle', saved, savedInputs, 1)?.[0] })
  const source = ctx.track(input, Math.min(size, 4096))
  const values: unknown[] = []
  let ordinals: number[] = []
  let hole = -1
  let next = 0
  let drawn = restored.drawn
  let total = restored.total ?? Infinity
  let { floor } = restored
  let floorPosition = 0
  let scanned = restored.floor // `next` when the floor was last looked for
  let restoring = drawn > 0
  let ended = false
  let errors: number[] = [] // ordinals before which the input threw, behind the floor
  let past = 0 // such errors before the floor
  let slots: Slots | undefined // to be filled after a restore
  let refilled = restored.floor

  const positionOf = (ordinal: number): number => ordinal - restored.floor + past + errors.reduce((count, error) => count + (error <= ordinal ? 1 : 0), 0)
  /** Lets go of input states older than every element in the buffer; looking for the oldest is amortised over `size` draws. */
  const raiseFloor = (): void => {
    if (next - scanned < Math.max(64, ordinals.length)) return
    scanned = next
    floor = ordinals.reduce((least, ordinal, slot) => (slot === hole ? least : Math.min(least, ordinal)), next)
    floorPosition = positionOf(floor)
    const left = errors.filter(error => error > floor)
    past += errors.length - left.length
    errors = left
    source.release(floorPosition)
  }
  function* refill(): Generator<PromiseLike<unknown>, void, unknown> {
    slots ??= yield* slotsAfter(key, size, drawn, total, ctx.signal)
    const slotOf = new Map(slots.ordinals.map((ordinal, slot) => [ordinal, slot]))
    while (refilled < slots.next) {
      const chunk: unknown[] | null = yield* wait(read(Math.min(256, slots.next - refilled), refilled))
      if (chunk === null) {
        ended = true // there is nothing to go on with
        throw new MillraceError('Checkpoint', `shuffle: the data end at element ${refilled}, before the ${slots.next} that the checkpoint saw: they are not the same data`, { operator: 'shuffle' })
      }
      for (const value of chunk) {
        const slot = slotOf.get(refilled++)
        if (slot !== undefined) values[slot] = value
      }
    }
    ordinals = slots.ordinals
    next = slots.next
    hole = slots.hole
    restoring = false
  }
  const add = (value: unknown): void => {
    if (hole < 0) {
      values.push(value)
      ordinals.push(next++)
      return
    }
    values[hole] = value
    ordinals[hole] = next++
    hole = -1
  }
  const draw = (): unknown => {
    hole = integerAt(key, drawn++, values.length)
    const value = values[hole]
    values[hole] = undefined
    return value
  }
  const read = (count: number, ordinal = next): MaybePromise<unknown[] | null> => {
    const threw = (error: unknown): never => {
      errors.push(ordinal)
      throw error
    }
    try {
      const chunk = source.pull(count)
      return isPromise(chunk) ? chunk.then(undefined, threw) : chunk
    } catch (error) {
      return threw(error)
    }
  }
  /** One draw for every element of the chunk. */
  const replace = (chunk: readonly unknown[], max: number): unknown[] => {
    const out: unknown[] = []
    if (hole < 0 && out.length < max) out.push(draw())
    for (const value of chunk) {
      add(value)
      out.push(draw())
    }
    raiseFloor()
    return out
  }
  const drain = (max: number): unknown[] | null => {
    const out: unknown[] = []
    while (out.length < max) {
      if (hole >= 0) {
        closeHole(values, hole)
        closeHole(ordinals, hole)
        hole = -1
      }
      if (values.length === 0) break
      out.push(draw())
    }
    return out.length > 0 ? out : null
  }
  return {
    pull(max) {
      if (ended) return null
      if (restoring || (values.length < size && total === Infinity)) {
        return run(function* () {
          if (restoring) yield* refill()
          while (total === Infinity && values.length < size) {
            const chunk: unknown[] | null = yield* wait(read(Math.min(size - values.length, 1024)))
            if (chunk === null) total = next
            else for (const value of chunk) add(value)
          }
          return yield* wait(step(max))
        })
      }
      return step(max)
    },
    save(): Saved {
      if (restoring) return { self: saved as Json, inputs: savedInputs ?? [] }
      return {
        self: { drawn, floor: drawn === 0 ? restored.floor : floor, ...(total !== Infinity && drawn > 0 && { total }) },
        inputs: [source.stateAt(floorPosition, source.position)],
        ...(drawn > 0 && input.ordered === false && { refused: unorderedReason('shuffle', 'behind its first element') })
      }
    }
  }

  function step(max: number): MaybePromise<unknown[] | null> {
    if (total !== Infinity) return drain(max)
    if (hole < 0) return replace([], max) // the first draw reads nothing, so that no error can come before it
    return chain(read(max), chunk => {
      if (chunk !== null) return replace(chunk, max)
      total = next
      return drain(max)
    })
  }
}
