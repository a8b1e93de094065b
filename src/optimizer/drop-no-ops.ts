import { cardinality } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Leaves out operators that change nothing: `take(-1)`, `skip(0)`, `shard(1, 0)`, `repeat(1)`, `take(10)` of 8 elements. */
export const dropNoOps: Rule = {
  name: 'drop no-ops',
  apply(node) {
    const [input] = node.inputs
    return input !== undefined && node.op.noOp?.(node.params, cardinality(input)) === true ? input : node
  }
}
