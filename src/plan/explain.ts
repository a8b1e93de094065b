import type { Cardinality } from '../types.js'
import { cardinality, type PlanNode } from './node.js'

/** How a plan is printed: `text` is a tree, the last operator first; `mermaid` a flow chart, sources first. */
export type ExplainFormat = 'text' | 'mermaid'

/** Prints a plan before and after the rules, with cardinalities and knobs. */
export function explain(plan: PlanNode, optimized: PlanNode, applied: readonly string[], format: ExplainFormat): string {
  if (format === 'mermaid') {
    const charts = plan === optimized ? [['plan', plan] as const] : ([['plan', plan], ['optimized', optimized]] as const)
    return ['flowchart BT', ...charts.flatMap(([title, root]) => [`  subgraph ${title}`, ...mermaid(root, title), '  end'])].join('\n')
  }
  const before = ['plan', ...explainTree(plan, notes)]
  if (plan === optimized) return before.join('\n')
  return [...before, `optimized (${applied.join(', ')})`, ...explainTree(optimized, notes)].join('\n')
}

/** Prints a plan as a tree, the last operator first, with something about every node. */
export function explainTree(plan: PlanNode, about: (node: PlanNode) => string, depth = 1): string[] {
  return [`${'  '.repeat(depth)}${nodeText(plan)}  [${about(plan)}]`, ...plan.inputs.flatMap(input => explainTree(input, about, depth + 1))]
}

/** `name(arguments)`. */
export function nodeText(node: PlanNode): string {
  return `${node.op.name}(${node.op.describe?.(node.params) ?? ''})`
}

/** A cardinality in words. */
export function cardinalityText(size: Cardinality): string {
  return size === undefined ? 'unknown size' : size === Infinity ? 'infinite' : `${size} element${size === 1 ? '' : 's'}`
}

function notes(node: PlanNode): string {
  const knobs = node.op.knobs?.(node.params) ?? []
  return [cardinalityText(cardinality(node)), ...knobs.map(knob => `knob ${knob.name} = ${knob.value}`)].join(', ')
}

function mermaid(root: PlanNode, prefix: string): string[] {
  let serial = 0
  const lines: string[] = []
  const visit = (node: PlanNode): string => {
    const inputs = node.inputs.map(visit)
    const id = `${prefix}${serial++}`
    lines.push(`    ${id}["${nodeText(node).replaceAll('"', '#quot;')}<br/>${notes(node)}"]`, ...inputs.map(input => `    ${input} --> ${id}`))
    return id
  }
  visit(root)
  return lines
}
