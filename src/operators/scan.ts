import { byteLengthOf } from '../array/byte-length.js'
import { decodeJson, encodeJson } from '../array/json.js'
import { describe } from '../array/nest.js'
import { messageOf, MillraceError } from '../errors.js'
import type { ElementContext, Operator, Saved } from '../plan/operator.js'
import { badState, savedCount, savedObject } from '../plan/saved.js'
import type { Json, MaybePromise } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'

/**
 * Maps elements with a state that goes from each to the next: `[state, output] = fn(state, element, context)`. Order: kept; a
 * promise is awaited before the next call. Memory: one chunk.
 *
 * When the function throws, the element is thrown as that error, and the next one gets the state from before it, as in tf.data.
 *
 * The state may be anything that `encodeJson` writes: numbers, bigints, strings, bytes, typed arrays, NdArrays, in plain objects
 * and arrays. With any other a dataset runs, but refuses checkpoints. The function may change the state in place and return it,
 * if it does not do so in a call that throws and puts no part of it into the output; every iteration begins with a copy of
 * `initial` (with `initial` itself when it cannot be written as JSON).
 *
 * Checkpoint: the state is written once in 64 elements, more rarely when it is big, and only if a position is asked for at all.
 * A checkpoint holds the last that was written and the number of elements since; a restore reads those again and calls the
 * function with them, so it must do the same again.
 */
export interface ScanParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any state and any element type
  readonly fn: (state: any, element: any, context: ElementContext) => MaybePromise<readonly [unknown, unknown]>
  readonly seed: number | undefined
  readonly initial: Initial
}

/** The initial state as JSON; or itself, with the reason why it cannot be written. */
export type Initial = { readonly json: Json } | { readonly value: unknown; readonly reason: string }

export function scanParams(initial: unknown, fn: ScanParams['fn'], seed: number | undefined): ScanParams {
  const json = tryEncode(initial)
  return { fn, seed, initial: 'reason' in json ? { value: initial, reason: json.reason } : json }
}

/** Elements between two snapshots of the state: a small one, and at most. */
const SNAPSHOT_EVERY = 64
const SNAPSHOT_AT_MOST = 65536
/** Snapshots of a big state are so rare that an element pays for that many bytes: 2 µs at the 130 MB/s of base64. */
const BYTES_PER_ELEMENT = 256

export const scan: Operator<ScanParams> = {
  name: 'scan',
  describe: ({ fn }) => fn.name || 'fn',
  identity: ({ fn, seed, initial }) => [fn, seed ?? null, 'json' in initial ? initial.json : 'opaque'],
  cardinality: (_, [input]) => input,

  open({ params: { fn, seed, initial }, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('scan needs an input')
    const source = ctx.track(input)
    const context = ctx.elementContexts(seed)
    const restored = saved === undefined ? undefined : scanState(saved)
    let snapshot: Snapshot = {
      index: restored?.index ?? 0,
      position: 0,
      json: restored?.state,
      reason: 'reason' in initial ? initial.reason : undefined,
      lasts: 0
    }
    let state: unknown = snapshot.json !== undefined ? decodeJson(snapshot.json) : 'json' in initial ? decodeJson(initial.json) : initial.value
    let since = restored?.since ?? 0 // elements behind the snapshot
    let replay = since
    let chunk: readonly unknown[] = NONE
    let at = 0
    let held: { readonly error: unknown } | undefined // of the element at `at`; first the elements before it are delivered

    /** Takes the new state; returns the output. */
    const accept = (result: unknown): unknown => {
      if (!Array.isArray(result) || result.length !== 2) throw new TypeError(`the function must return [state, output], got ${describe(result)}`)
      state = result[0]
      return result[1]
    }
    /** Brings the state from the snapshot to where the checkpoint was taken. What fails now has failed before. */
    function* catchUp(): Generator<PromiseLike<unknown>, void, unknown> {
      while (replay > 0) {
        const again: unknown[] | null = yield* wait(source.pull(Math.min(replay, 256)))
        if (again === null) throw new MillraceError('Checkpoint', `scan: the data end ${replay} elements before the place where the checkpoint was taken: they are not the same data`)
        for (const element of again) {
          try {
            accept(yield* wait(fn(state, element, context(snapshot.index + since - replay))))
          } catch {
            ctx.signal.throwIfAborted()
          }
          replay--
        }
      }
    }
    function* fill(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      if (replay > 0) yield* catchUp()
      const out: unknown[] = []
      if (held === undefined && at === chunk.length) {
        chunk = NONE
        at = 0
        if (since > snapshot.lasts) source.release(source.position) // the next save begins here, or later
        const next: unknown[] | null = yield* wait(source.pull(max))
        if (next === null) return null
        chunk = next
      }
      while (held === undefined && at < chunk.length && out.length < max) {
        const index = snapshot.index + since
        try {
          const result = fn(state, chunk[at], context(index))
          out.push(accept(isPromise(result) ? yield* wait(result) : result))
          at++
          since++
        } catch (error) {
          held = { error: ctx.userError(error, index) }
        }
      }
      if (out.length > 0 || held === undefined) return out
      const { error } = held
      held = undefined
      at++
      since++
      throw error
    }
    const place = (): number => source.position - chunk.length + at

    return {
      pull: max => run(() => fill(max)),
      save(): Saved {
        if (replay === 0 && since > (input.ordered === false ? 0 : snapshot.lasts)) {
          snapshot = takeSnapshot(state, snapshot.index + since, place())
          since = 0
          source.release(snapshot.position)
        }
        if (snapshot.reason !== undefined) return { refused: `scan: a checkpoint cannot hold its state: ${snapshot.reason}` }
        const { index, json, position } = snapshot
        return {
          self: { index, since, ...(json !== undefined && { state: json }) },
          inputs: [source.stateAt(position, place())]
        }
      }
    }
  }
}

/** The state, checked. */
function scanState(saved: Json): ScanState {
  const { index, since, state } = savedObject('scan', saved) as { readonly [member in keyof ScanState]?: unknown }
  const restored = { index: savedCount('scan', index), since: savedCount('scan', since, 'since', SNAPSHOT_AT_MOST) }
  if (state === undefined && restored.index === 0) return restored
  try {
    decodeJson(state as Json)
  } catch (error) {
    throw badState('scan', `the state (${messageOf(error)})`)
  }
  return { ...restored, state: state as Json }
}

const NONE: readonly unknown[] = Object.freeze([])

interface ScanState {
  /** Ordinal of the element before which the state was written. */
  readonly index: number
  /** Elements since. */
  readonly since: number
  /** Absent at the beginning. */
  readonly state?: Json
}

interface Snapshot {
  readonly index: number
  /** The same place in the source. */
  readonly position: number
  readonly json: Json | undefined
  /** Why there is none. */
  readonly reason: string | undefined
  /** How many elements it serves; the first serves none, so that a state that cannot be written is told at once. */
  readonly lasts: number
}

function takeSnapshot(state: unknown, index: number, position: number): Snapshot {
  const result = tryEncode(state)
  const lasts = Math.min(SNAPSHOT_AT_MOST, Math.max(SNAPSHOT_EVERY, Math.ceil(byteLengthOf(state) / BYTES_PER_ELEMENT)))
  return 'reason' in result ? { index, position, json: undefined, reason: result.reason, lasts } : { index, position, json: result.json, reason: undefined, lasts }
}

function tryEncode(value: unknown): { readonly json: Json } | { readonly reason: string } {
  try {
    return { json: encodeJson(value) }
  } catch (error) {
    return { reason: messageOf(error) }
  }
}
