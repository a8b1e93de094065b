import type { ElementContext, Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import type { MaybePromise } from '../types.js'
import { isPromise, run, wait } from '../util/promise.js'

/**
 * The elements before the first for which the predicate is falsy. Order: kept. Memory: what one pull asks for.
 *
 * It reads elements one by one, so that it takes none behind the one that fails the predicate. An error, of the input or of the
 * predicate, is no end: the next pull goes on behind it.
 */
export interface TakeWhileParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (value: any, context: ElementContext) => MaybePromise<unknown>
  readonly seed: number | undefined
}

export const takeWhile: Operator<TakeWhileParams> = {
  name: 'takeWhile',
  describe: ({ fn }) => fn.name || 'fn',
  identity: ({ fn, seed }) => [fn, seed ?? null],
  sameElements: true,

  open({ params: { fn, seed }, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('takeWhile needs an input')
    const source = ctx.track(input)
    const context = ctx.elementContexts(seed)
    let ended = saved === ENDED
    let index = ended ? 0 : savedPosition('takeWhile', saved)
    /** An error, and how many elements it takes; first the elements before it are delivered. */
    let held: { readonly error: unknown; readonly taken: number } | undefined

    function* fill(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      const out: unknown[] = []
      while (held === undefined && !ended && out.length < max) {
        let element: unknown[] | null
        try {
          source.release(source.position)
          element = yield* wait(source.pull(1))
        } catch (error) {
          held = { error, taken: ctx.signal.aborted ? 0 : 1 } // an error of the input takes an index too
          break
        }
        if (element === null) {
          ended = true
          break
        }
        try {
          const passes = fn(element[0], context(index))
          if (isPromise(passes) ? yield* wait(passes) : passes) out.push(element[0])
          else ended = true
          index++
        } catch (error) {
          held = { error: ctx.userError(error, index), taken: 1 }
          break
        }
      }
      if (out.length > 0) return out
      if (held === undefined) return null
      const { error, taken } = held
      held = undefined
      index += taken
      throw error
    }
    return {
      pull: max => run(() => fill(max)),
      save: () => ({ self: ended ? ENDED : index, inputs: [source.stateAt(held === undefined ? source.position : source.position - 1)] })
    }
  }
}

const ENDED = 'ended'
