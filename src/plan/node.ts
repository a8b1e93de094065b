import type { Cardinality } from '../types.js'
import type { Operator } from './operator.js'

/** One frozen step of a plan. `T` is the type of its elements. */
export interface PlanNode<T = unknown> {
  readonly op: Operator<any, T> // eslint-disable-line @typescript-eslint/no-explicit-any -- an open set of parameters
  readonly params: unknown
  readonly inputs: readonly PlanNode[]
  /**
   * Distance from the farthest source when the plan was built, transparent operators not counted. It is part of the key of random
   * numbers, so rules keep it.
   */
  readonly depth: number
  /** Tells where in user code the operator was added: `at file:line:column`. */
  readonly site: (() => string | undefined) | undefined
}

/** Anything that has a plan: a `Dataset`. Operators whose functions return datasets ask for no more. */
export interface Planned<T = unknown> {
  readonly plan: PlanNode<T>
}

/** Makes a node. Params are frozen, one level deep. */
export function planNode<P, T>(op: Operator<P, T>, params: P, inputs: readonly PlanNode[] = [], site?: () => string | undefined): PlanNode<T> {
  return Object.freeze({
    op,
    params: Object.freeze(params),
    inputs: Object.freeze(inputs.slice()),
    depth: inputs.reduce((most, input) => Math.max(most, input.depth + (op.transparent === true ? 0 : 1)), 0),
    site
  })
}

/** The same node with other inputs; itself when they are the same. */
export function withInputs<T>(node: PlanNode<T>, inputs: readonly PlanNode[]): PlanNode<T> {
  return inputs.every((input, i) => input === node.inputs[i]) ? node : Object.freeze({ ...node, inputs: Object.freeze(inputs.slice()) })
}

/** Number of elements of a pass over the plan. */
export function cardinality(node: PlanNode): Cardinality {
  return node.op.cardinality?.(node.params, node.inputs.map(cardinality))
}

/** Every node of the plan, inputs first. */
export function* nodesOf(node: PlanNode): Generator<PlanNode> {
  for (const input of node.inputs) yield* nodesOf(input)
  yield node
}
