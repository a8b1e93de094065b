import { batch, type BatchParams } from '../operators/batch.js'
import { filter } from '../operators/filter.js'
import { map, type MapParams } from '../operators/map.js'
import { offload, type OffloadParams } from '../operators/offload.js'
import type { ResolvedOptions } from '../operators/options.js'
import { parseExample } from '../operators/parse-example.js'
import { travels } from '../operators/travel.js'
import { nodesOf, withInputs, type PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'
import { coreCount } from '../util/cores.js'
import { transformBatches } from './transform-batches.js'

const ELEMENTWISE: ReadonlySet<object> = new Set<object>([map, filter, parseExample])

/**
 * Puts chains of operators whose functions can travel on worker threads: those around a `map` with `parallel`, and all of them where the
 * options ask for workers. It is applied once, to the plan as written.
 */
export const offloadRule = (options: ResolvedOptions): Rule => ({
  name: 'run on threads',
  apply: root => {
    const reads = [...nodesOf(root)].some(({ op }) => op.reads === true) // then a prefetch will be put at the end
    return visit(root, undefined, { options, ahead: reads })
  }
})

interface Surroundings {
  readonly options: ResolvedOptions
  readonly ahead: boolean
}

/** `above` is the `batch` that takes the elements of the node as they are. */
function visit(node: PlanNode, above: PlanNode | undefined, around: Surroundings): PlanNode {
  const chain = chainBelow(node)
  const params = chain.length === 0 ? undefined : paramsOf(chain, above, around)
  if (params !== undefined) {
    const [bottom] = chain
    const [input] = bottom?.inputs ?? []
    if (input === undefined) return node
    return Object.freeze({ op: offload, params: Object.freeze(params), inputs: Object.freeze([visit(input, undefined, around)]), depth: node.depth, site: node.site })
  }
  const below = { ...around, ahead: true } // there is one above what overlaps, too
  return withInputs(node, node.inputs.map(input => visit(input, node.op === batch ? node : undefined, below)))
}

/**
 * The longest chain that ends with this node, nearest to the source first: elementwise operators that can travel, a `filter` only as the last.
 * What carries options and nothing else is looked through; whatever buffers ends it.
 */
function chainBelow(end: PlanNode): readonly PlanNode[] {
  const chain: PlanNode[] = []
  for (let node: PlanNode | undefined = end; node !== undefined; node = node.inputs[0]) {
    if (node.op.transparent === true && node.op.readsAhead !== true && chain.length > 0) continue
    if (!ELEMENTWISE.has(node.op) || travels(node) !== undefined || (node.op === filter && chain.length > 0)) break
    chain.unshift(node)
  }
  return Object.freeze(chain)
}

/** How a chain is to run; undefined when it is to stay as it is. */
function paramsOf(chain: readonly PlanNode[], above: PlanNode | undefined, { options, ahead }: Surroundings): OffloadParams | undefined {
  const asked = chain.filter(({ op }) => op === map).map(({ params }) => (params as MapParams).parallel).filter(parallel => parallel !== undefined)
  const { count = 0 } = options.workers
  if (asked.length === 0 && count === 0) return undefined
  const numbers = [...asked, ...(count === 0 ? [] : [count])].filter((parallel): parallel is number => parallel !== 'auto')
  const mode = numbers.length > 0 ? 'always' : 'auto'
  if (mode === 'auto' && betterHere(chain, above)) return undefined
  const input = (chain[0] as PlanNode).inputs[0] as PlanNode
  const written = chain.reduce((below, node) => withInputs(node, [below]), input)
  const { size, numbers: dtype } = (above?.params ?? {}) as Partial<BatchParams>
  // Rows that came stacked and must be taken apart again are numbers where they were arrays without axes: only of float32 is that the same batch.
  const stacks = size !== undefined && dtype === 'float32' && !chain.some(({ op }) => op === filter)
  return {
    chain, written, input, mode, ahead,
    stack: stacks ? { size, numbers: dtype } : undefined,
    parallel: numbers.length > 0 ? Math.max(...numbers) : undefined,
    cores: options.autotune.cpuBudget ?? coreCount()
  }
}

/** True when this thread has a faster way than one element after the other: decoding into the batch, and transforming whole batches. */
function betterHere(chain: readonly PlanNode[], above: PlanNode | undefined): boolean {
  if (above === undefined) return false
  return (chain.length === 1 && chain[0]?.op === parseExample) || transformBatches.apply(above) !== above
}
