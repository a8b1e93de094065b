import type { Input, State, TrackedInput } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { isPromise } from '../util/promise.js'

interface Mark {
  /** Ordinal of the event before which the state was taken. */
  readonly at: number
  readonly state: State
}

/**
 * Pulls from an input and remembers its state every so often, so that any unreleased position can be told as an older
 * state plus a number of elements to leave out. Taking states costs more than pulling; telling a position is rare.
 */
export function trackInput<T>(input: Input<T>, every: number): TrackedInput<T> {
  let position = 0
  let stale = true // after an error no older mark may serve the positions behind it
  let pending = false
  const marks: Mark[] = []
  const errors: number[] = []

  const took = (chunk: T[] | null): T[] | null => {
    pending = false
    if (chunk !== null) position += chunk.length
    return chunk
  }
  const threw = (error: unknown): never => {
    pending = false
    errors.push(position++)
    stale = true
    throw error
  }
  return {
    pull(max): MaybePromise<T[] | null> {
      const last = marks[marks.length - 1]
      const exact = input.ordered === false // elements that are read again may be others: then none may be left out by their number
      if (exact) max = 1
      if (exact || stale || last === undefined || position - last.at >= every) {
        marks.push({ at: position, state: input.save() })
        stale = false
      }
      let chunk: MaybePromise<T[] | null>
      try {
        chunk = input.pull(max)
      } catch (error) {
        return threw(error)
      }
      if (!isPromise(chunk)) return took(chunk)
      pending = true
      return chunk.then(took, threw)
    },
    get position() {
      return position
    },
    stateAt(at, delivered = at) {
      if (at === position && !pending) return input.save()
      const mark = marks.findLast(mark => mark.at <= at)
      if (mark === undefined) throw new Error(`position ${at} of a tracked input was released`)
      const drop = (mark.state.drop ?? 0) + at - mark.at
      // Ordinals of `faults` count outputs only; every passed-over error before one shifts it.
      const offset = (mark.state.drop ?? 0) - mark.at
      const faults = errors.filter(error => error >= at && error < delivered).map((error, before) => error + offset - before)
      return {
        ...mark.state,
        ...(drop > 0 && { drop }),
        ...(faults.length > 0 && { faults: [...(mark.state.faults ?? []), ...faults] })
      }
    },
    release(before) {
      while (marks.length > 1 && (marks[1] as Mark).at <= before) marks.shift()
      while (errors.length > 0 && (errors[0] as number) < (marks[0]?.at ?? 0)) errors.shift()
    }
  }
}
