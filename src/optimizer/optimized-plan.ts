import { optionsOf } from '../operators/options.js'
import type { PlanNode } from '../plan/node.js'
import { optimize, type Rule } from '../plan/rewrite.js'
import { FINAL_RULES, FIRST_RULES } from './plan-rules.js'
import { RULES } from './rules.js'

/** What the rules made of a plan. */
export interface OptimizedPlan<T = unknown> {
  readonly plan: PlanNode<T>
  /** Names of the rules that changed something, in the order in which they first did. */
  readonly applied: readonly string[]
}

/** Kept, so that it is done once per plan and generated loops are used again. */
const OPTIMIZED = new WeakMap<PlanNode, OptimizedPlan>()

/** The plan that is run in place of this one. */
export function optimizedPlan<T>(plan: PlanNode<T>): OptimizedPlan<T> {
  let result = OPTIMIZED.get(plan)
  if (result === undefined) {
    const applied: string[] = []
    const noting = (rule: Rule): Rule => ({
      name: rule.name,
      apply(node) {
        const after = rule.apply(node)
        if (after !== node && !applied.includes(rule.name)) applied.push(rule.name)
        return after
      }
    })
    // Those that look at the options and at the plan as it was written come first.
    const given = optionsOf(plan)
    let best: PlanNode = FIRST_RULES.reduce<PlanNode>((plan, rule) => noting(rule(given)).apply(plan), plan)
    best = optimize(best, RULES.map(noting))
    for (const rule of FINAL_RULES) best = noting(rule).apply(best)
    result = { plan: best, applied }
    OPTIMIZED.set(plan, result)
  }
  return result as OptimizedPlan<T>
}
