import type { PlanNode } from '../plan/node.js'
import { optimize } from '../plan/rewrite.js'
import { RULES } from './rules.js'

const INNER = new WeakMap<PlanNode, PlanNode>()

/** The rules alone, for plans that are opened inside a running one: nothing is injected at their end. */
export function optimizeInner(plan: PlanNode): PlanNode {
  let result = INNER.get(plan)
  if (result === undefined) INNER.set(plan, (result = optimize(plan, RULES)))
  return result
}
