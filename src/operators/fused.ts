import type { Operator, RandomAccess } from '../plan/operator.js'
import type { MaybePromise } from '../types.js'
import { chain as then } from '../util/promise.js'
import { openStages, type StageNode } from './stages.js'

/** A run of adjacent elementwise operators in one generated loop. Made by a rule; its state is that of the operators. */
export interface FusedParams {
  /** Nearest to the source first. */
  readonly chain: readonly StageNode[]
}

export const fused: Operator<FusedParams, unknown> = {
  name: 'fused',
  describe: ({ chain }) => chain.map(({ node }) => `${node.op.name}(${node.op.describe?.(node.params) ?? ''})`).join(' → '),
  cardinality: ({ chain }, [input]) => chain.reduce((size, { node }) => node.op.cardinality?.(node.params, [size]), input),
  lazyInputs: true,

  randomAccess({ params: { chain }, inputs: [input], ctx }) {
    return chain.reduce<MaybePromise<RandomAccess | null>>((access, { node }) => {
      const origin = { ...ctx, elementContexts: (seed?: number) => ctx.elementContexts(seed, node), userError: (error: unknown, index: number) => ctx.userError(error, index, node) }
      return then(access, access => node.op.randomAccess?.({ params: node.params, inputs: [access], ctx: origin }) ?? null)
    }, input ?? null)
  },

  open({ params, node, saved, savedInputs, ctx }) {
    const [inputNode] = node.inputs
    if (inputNode === undefined) throw new TypeError('fused needs an input')
    return openStages(params.chain, params, ctx, inputNode, saved, savedInputs)
  }
}
