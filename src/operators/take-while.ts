import type { ElementContext, Operator } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { run, wait } from '../util/promise.js'

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

  open({ params: { fn, seed }, inputs: [input], saved, ctx }) {
    if (input === undefined) throw new TypeError('takeWhile needs an input')
    const source = ctx.track(input)
    const context = ctx.elementContexts(seed)
    let index = typeof saved === 'number' ? saved : 0
    let ended = saved === ENDED
    /** An error behind elements that were delivered first. */
    let held: { readonly error: unknown; readonly counted: number } | undefined

    function* fill(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      if (held !== undefined) {
        const { error, counted } = held
        held = undefined
        index += counted
        throw error
      }
      const out: unknown[] = []
      while (!ended && out.length < max) {
        let counted = 0
        try {
          source.release(source.position)
          const chunk: unknown[] | null = yield* wait(source.pull(1))
          counted = 1
          if (chunk === null || !(yield* test(chunk[0]))) ended = true
          else out.push(chunk[0])
          index++
        } catch (error) {
          held = { error, counted }
          return out.length > 0 ? out : yield* fill(max)
        }
      }
      return out.length > 0 ? out : null
    }
    function* test(value: unknown): Generator<PromiseLike<unknown>, unknown, unknown> {
      try {
        return yield* wait(fn(value, context(index)))
      } catch (error) {
        throw ctx.userError(error, index)
      }
    }
    return {
      pull: max => run(() => fill(max)),
      save: () => ({ self: ended ? ENDED : index, inputs: [source.stateAt(held === undefined ? source.position : source.position - 1)] })
    }
  }
}

const ENDED = 'ended'
