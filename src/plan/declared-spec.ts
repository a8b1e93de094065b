import type { ElementSpec } from '../types.js'
import type { PlanNode } from './node.js'

/**
 * What the plan declares of the structure of its elements, without reading any; undefined when it declares nothing.
 * Operators that pass their elements on unchanged keep a declaration, and some can tell what they make of it.
 */
export function declaredSpec(node: PlanNode): ElementSpec | undefined {
  const inputs = node.inputs.map(declaredSpec)
  if (node.op.elementSpec !== undefined) return node.op.elementSpec(node.params, inputs)
  if (node.op.sameElements !== true && node.op.transparent !== true) return undefined
  const [spec] = inputs
  return inputs.every(input => JSON.stringify(input) === JSON.stringify(spec)) ? spec : undefined
}
