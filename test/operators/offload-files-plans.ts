import type { Dataset } from '../../src/dataset.js'
import { processBudget } from '../../src/engine/memory-budget.js'
import { iterate, type DatasetIterator, type IterateOptions } from '../../src/engine/iterate.js'
import { offloadFiles, type OffloadFilesParams } from '../../src/operators/offload-files.js'
import { readFiles, type ReadFilesParams } from '../../src/operators/read-files.js'
import { travels } from '../../src/operators/travel.js'
import { offloadFilesRule } from '../../src/optimizer/offload-files.js'
import { optimizeInner } from '../../src/optimizer/optimize-inner.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import { nodesOf, withInputs, type PlanNode } from '../../src/plan/node.js'
import { optimize } from '../../src/plan/rewrite.js'
import type { Workers } from '../../src/plan/workers.js'

/** Files in memory do not travel: under another name they do, and sessions are told their files. */
const elsewhere = (node: PlanNode): PlanNode => (node.op === readFiles
  ? Object.freeze({ ...node, params: Object.freeze({ ...(node.params as ReadFilesParams), patterns: ['elsewhere'] }) })
  : withInputs(node, node.inputs.map(elsewhere)))

export interface OffloadedOptions {
  readonly unitBytes?: number
}

/** A dataset that is run by such workers. */
export interface Offloaded extends Dataset<unknown> {
  /** The plan that is run. */
  readonly run: PlanNode
  readonly isOffloaded: boolean
}

/** The same dataset, run by such workers. */
export function offloaded(dataset: Dataset<unknown>, workers: () => Workers | null, { unitBytes }: OffloadedOptions = {}): Offloaded {
  const { plan } = dataset
  const rule = offloadFilesRule(node => travels(elsewhere(node)))
  const withUnits = (node: PlanNode): PlanNode => {
    const inner = withInputs(node, node.inputs.map(withUnits))
    return inner.op === offloadFiles ? Object.freeze({ ...inner, params: Object.freeze({ ...(inner.params as OffloadFilesParams), unitBytes }) }) : inner
  }
  const run = optimizedPlan(withUnits(optimize(plan, [rule]))).plan
  const iterator = (options: IterateOptions = {}): DatasetIterator<unknown> => {
    const found = workers()
    const hidden: Workers | null = found && {
      get size() {
        return found.size
      },
      most: found.most,
      load: piece => found.load({ ...piece, plan: elsewhere(piece.plan) })
    }
    const services = { threading: {}, budget: processBudget(), cores: 2, workers: () => Promise.resolve(hidden), close: () => Promise.resolve() }
    return iterate({ plan, optimized: run, optimize: optimizeInner, services }, options)
  }
  return Object.create(dataset, { run: { value: run }, isOffloaded: { value: [...nodesOf(run)].some(({ op }) => op === offloadFiles) }, iterator: { value: iterator } }) as Offloaded
}
