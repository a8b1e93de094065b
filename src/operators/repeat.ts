import type { Input, Operator, State } from '../plan/operator.js'
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
    const restored = (saved ?? { pass: 0, empty: true }) as { readonly pass: number; readonly empty: boolean }
    let { pass, empty } = restored
    let from: State | undefined = savedInputs?.[0]
    let input: Input | undefined

    function* next(max: number): Generator<PromiseLike<unknown>, unknown[] | null, unknown> {
      while (count < 0 || pass < count) {
        input ??= open()
        const chunk = yield* wait(input.pull(max))
        if (chunk !== null) {
          empty = false
          return chunk
        }
        yield* wait(input.close())
        input = from = undefined
        if (empty && count < 0) return null
        pass++
        empty = true
      }
      return null
    }
    return {
      pull: max => run(() => next(max)),
      save: () => ({ self: { pass, empty }, inputs: count < 0 || pass < count ? [(input ??= open()).save()] : [] })
    }
  }
}
