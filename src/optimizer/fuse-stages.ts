import { fused, type FusedParams } from '../operators/fused.js'
import type { StageNode } from '../operators/stages.js'
import type { PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Puts adjacent elementwise operators into one loop. */
export const fuseStages: Rule = {
  name: 'fuse elementwise operators',
  apply(node) {
    const [input] = node.inputs
    const upper = chainOf(node)
    const lower = input === undefined ? null : chainOf(input)
    if (input === undefined || upper === null || lower === null) return node
    const params: FusedParams = Object.freeze({ chain: Object.freeze([...lower, ...upper]) })
    return Object.freeze({ op: fused, params, inputs: input.inputs, depth: node.depth, site: node.site })
  }
}

function chainOf(node: PlanNode): readonly StageNode[] | null {
  if (node.op === fused) return (node.params as FusedParams).chain
  const stage = node.op.stage?.(node.params) ?? null
  return stage === null ? null : [{ node, stage }]
}
