import type { Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import { checkInteger } from '../util/check.js'

/**
 * The numbers `start, start + step, …` before `stop`. Order: as said. Memory: none. Random access.
 */
export interface RangeParams {
  readonly start: number
  readonly step: number
  readonly count: number
  /** True when whoever pulls is done with a chunk before the next pull; a rule finds out. */
  readonly reuse: boolean
}

/** Resolves `range(stop)`, `range(start, stop)` and `range(start, stop, step)`; `step` may be negative, not 0. */
export function rangeParams(first: number, stop?: number, step = 1): RangeParams {
  const [from, to] = stop === undefined ? [0, first] : [first, stop]
  checkInteger('range', 'start', from)
  if (to !== Infinity && to !== -Infinity) checkInteger('range', 'stop', to)
  checkInteger('range', 'step', step)
  if (step === 0) throw new RangeError('range: step must not be 0')
  return { start: from, step, count: Math.max(0, Math.ceil((to - from) / step)), reuse: false }
}

export const range: Operator<RangeParams, number> = {
  name: 'range',
  describe: ({ start, step, count }) => (step === 1 && start === 0 ? `${count}` : `${start}, ${start + step * count}${step === 1 ? '' : `, ${step}`}`),
  identity: ({ start, step, count }) => [start, step, count],
  cardinality: ({ count }) => count,
  free: true,
  reusing: params => (params.reuse ? params : { ...params, reuse: true }),
  select: ({ start, step, count, reuse }, selection) => ({
    start: start + selection.start * step,
    step: step * selection.step,
    count: Math.max(0, Math.min(selection.count, Math.ceil((count - selection.start) / selection.step))),
    reuse
  }),
  randomAccess: ({ params: { start, step, count } }) =>
    count === Infinity ? null : { length: count, get: indices => indices.map(index => start + index * step) },

  open({ params: { start, step, count, reuse }, saved }) {
    let index = savedPosition('range', saved, count)
    let scratch: number[] = []
    return {
      pull(max) {
        const length = Math.min(max, count - index)
        if (length <= 0) return null
        const out = reuse && scratch.length === length ? scratch : (scratch = new Array<number>(length))
        for (let i = 0, value = start + index * step; i < length; i++, value += step) out[i] = value
        index += length
        return out
      },
      save: () => ({ self: index })
    }
  }
}
