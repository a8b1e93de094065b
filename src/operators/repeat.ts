import type { Input, Operator, State } from '../plan/operator.js'
import { badState, savedCount, savedObject, savedStates } from '../plan/saved.js'
import { run, wait } from '../util/promise.js'

/**
 * Passes over the input `count` times, `-1` for ever. Every pass is a new epoch, and no two are mixed. Memory: none.
 * An input without elements ends an endless repeat at once instead of hanging it.
 *
 * Epochs: pass `p` of iteration `e` is epoch `e × count + p`, or `e + p` when it repeats for ever.
 */
export interface RepeatParams {
  readonly count: number
}

interface RepeatState {
  readonly pass: number
  /** No element came in this pass. */
  readonly empty: boolean
  /** An endless repeat of nothing has ended. */
  readonly ended?: boolean
}

export const repeat: Operator<RepeatParams, unknown> = {
  name: 'repeat',
  sameElements: true,
  describe: ({ count }) => (count < 0 ? '' : String(count)),
  cardinality: ({ count }, [input]) => (count === 0 || input === 0 ? 0 : count < 0 ? Infinity : input === undefined ? undefined : input * count),
  noOp: ({ count }) => count === 1,
  lazyInputs: true,

  open({ params: { count }, node: { inputs: [inputNode] }, saved, savedInputs, ctx }) {
    if (inputNode === undefined) throw new TypeError('repeat needs an input')
    const open = (): Input => ctx.open(inputNode, { saved: from, epoch: ctx.epoch * Math.max(1, count) + pass })
    const restored = savedObject('repeat', saved ?? { pass: 0, empty: true }) as { readonly [member in keyof RepeatState]?: unknown }
    let pass = savedCount('repeat', restored.pass, 'the pass', count < 0 ? undefined : count)
    let empty = restored.empty === true
    let ended = restored.ended === true
    if (restored.empty !== empty || (ended && (count >= 0 || !empty))) throw badState('repeat', `the state ${JSON.stringify(saved)}`)
    let from: State | undefined = ended || pass === count ? undefined : savedStates('repeat', saved, savedInputs, 1)?.[0]
    let input: Input | undefined

    function* next(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      while (!ended && (count < 0 || pass < count)) {
        input ??= open()
        const chunk = yield* wait(input.pull(max))
        if (chunk !== null) {
          empty = false
          return chunk
        }
        yield* wait(input.close())
        input = from = undefined
        ended = empty && count < 0
        pass++
        empty = true
      }
      return null
    }
    return {
      pull: max => run(() => next(max)),
      save: () => (ended ? { self: { pass, empty, ended }, inputs: [] } : { self: { pass, empty }, inputs: count < 0 || pass < count ? [(input ??= open()).save()] : [] })
    }
  }
}
