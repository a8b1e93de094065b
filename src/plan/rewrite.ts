import { withInputs, type PlanNode } from './node.js'

/** A rule: plan → plan. It returns the node itself when it has nothing to do. */
export interface Rule {
  readonly name: string
  readonly apply: (node: PlanNode) => PlanNode
}

/** Applies a rule to every node, inputs first. */
export function rewrite<T>(node: PlanNode<T>, rule: Rule): PlanNode<T> {
  return rule.apply(withInputs(node, node.inputs.map(input => rewrite(input, rule)))) as PlanNode<T>
}

/** Applies the rules in turn, again and again, until none of them changes anything. */
export function optimize<T>(plan: PlanNode<T>, rules: readonly Rule[]): PlanNode<T> {
  for (;;) {
    const before = plan
    for (const rule of rules) plan = rewrite(plan, rule)
    if (plan === before) return plan
  }
}
