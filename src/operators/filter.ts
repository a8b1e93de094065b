import type { ElementContext, Operator } from '../plan/operator.js'
import { openStages } from './stages.js'

/** Keeps the elements for which a predicate, which may return a promise, is truthy. Order: kept. Memory: none. */
export interface FilterParams {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a user function of any element type
  readonly fn: (value: any, context: ElementContext) => unknown
  readonly seed: number | undefined
}

export const filter: Operator<FilterParams, unknown> = {
  name: 'filter',
  sameElements: true,
  describe: ({ fn }) => fn.name || 'fn',
  identity: ({ fn, seed }) => [fn, seed ?? null],
  stage: ({ fn, seed }) => ({ kind: 'filter', fn, seed }),
  lazyInputs: true,

  open({ params, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('filter needs an input')
    return openStages([{ node, stage: { kind: 'filter', fn: params.fn, seed: params.seed } }], params, ctx, inputNode, saved, savedInputs)
  }
}
