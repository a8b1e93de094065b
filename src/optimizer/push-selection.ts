import { withInputs, type PlanNode } from '../plan/node.js'
import type { Selection } from '../plan/operator.js'
import type { Rule } from '../plan/rewrite.js'

/**
 * Hands `take`, `skip` and `shard` to a source that can select by itself, so that it makes no element in vain. It looks through
 * transparent operators: a checkpoint must fit the plan with a prefetch and the one without.
 */
export const pushSelection: Rule = {
  name: 'push selection into the source',
  apply(node) {
    const [input] = node.inputs
    const selection = node.op.selection?.(node.params)
    return input === undefined || selection === null || selection === undefined ? node : (selecting(input, selection) ?? node)
  }
}

/** The plan with a source that yields just the selected elements; `null` when it has none that can. */
function selecting(node: PlanNode, selection: Selection): PlanNode | null {
  if (node.op.transparent === true) {
    const [input] = node.inputs
    const below = input === undefined ? null : selecting(input, selection)
    return below === null ? null : withInputs(node, [below])
  }
  const params: unknown = node.op.select?.(node.params, selection)
  return params === null || params === undefined ? null : Object.freeze({ ...node, params: Object.freeze(params) })
}
