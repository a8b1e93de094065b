import { batch, type BatchParams } from '../operators/batch.js'
import { repeat } from '../operators/repeat.js'
import { withInputs, type PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Lets a source of tables hand whole batches to `batch`: rows are copied at once, and are never objects of their own. */
export const readStacked: Rule = {
  name: 'read rows stacked',
  apply(node) {
    const [input] = node.inputs
    if (node.op !== batch || input === undefined) return node
    if ((node.params as BatchParams).numbers !== 'float32') return node // rows of float32 would become numbers, and these another dtype
    const below = stacking(input)
    return below === null ? node : withInputs(node, [below])
  }
}

/** The plan with a source that stacks, below nothing but `repeat`; `null` when there is none. */
function stacking(node: PlanNode): PlanNode | null {
  if (node.op === repeat) {
    const [input] = node.inputs
    const below = input === undefined ? null : stacking(input)
    return below === null ? null : withInputs(node, [below])
  }
  const params: unknown = node.op.stacked?.(node.params)
  return params === null || params === undefined || params === node.params ? null : Object.freeze({ ...node, params: Object.freeze(params) })
}
