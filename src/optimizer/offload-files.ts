import { batch, type BatchParams } from '../operators/batch.js'
import { filter } from '../operators/filter.js'
import { map, type MapParams } from '../operators/map.js'
import { offloadFiles, type OffloadFilesParams } from '../operators/offload-files.js'
import type { ResolvedOptions } from '../operators/options.js'
import { parseExample } from '../operators/parse-example.js'
import { readFiles, type ReadFilesParams } from '../operators/read-files.js'
import { travels } from '../operators/travel.js'
import { nodesOf, withInputs, type PlanNode } from '../plan/node.js'
import { optimize, rewrite, type Rule } from '../plan/rewrite.js'
import { transformBatches } from './transform-batches.js'

/** How it is found out whether a node can run elsewhere. */
type Travels = (node: PlanNode) => string | undefined

/** Where the options ask for worker threads, files are read there. Applied once, to the plan as it was written. */
export const offloadFilesFirst = ({ workers: { count = 0 } }: ResolvedOptions): Rule => {
  const rule = offloadFilesRule()
  return {
    name: rule.name,
    apply(plan) {
      if (count === 0) return plan
      const there = optimize(plan, [rule])
      return count === 'auto' ? rewrite(there, backIfBetterHere) : there
    }
  }
}

/** Formats whose rows may have to be decompressed. */
const COMPRESSED: ReadonlySet<string> = new Set(['hdf5', 'npz'])

/** Takes back what costs less than to send what comes of it: bytes that are read, and decoded straight into a batch. */
const backIfBetterHere: Rule = {
  name: 'read files here',
  apply(node) {
    const [input] = node.inputs
    if (input?.op !== offloadFiles) return node
    const { written } = input.params as OffloadFilesParams
    const here = withInputs(node, [written])
    const nodes = [...nodesOf(written)]
    const computes = nodes.some(({ op }) => op === map || op === filter) && transformBatches.apply(here) === here
    return computes || COMPRESSED.has((nodes[0]?.params as ReadFilesParams).formatName) ? node : here
  }
}

/** Runs readers and the elementwise operators above them in worker threads, with rows stacked for a `batch` on top. */
export function offloadFilesRule(why: Travels = travels): Rule {
  const offloaded = (written: PlanNode, stack: OffloadFilesParams['stack'], plain: PlanNode = readHere(written)): PlanNode => {
    const params: OffloadFilesParams = Object.freeze({ written, stack })
    return Object.freeze({ op: offloadFiles, params, inputs: Object.freeze([plain]), depth: written.depth, site: written.site })
  }
  return {
    name: 'read files in worker threads',
    apply(node) {
      const [input] = node.inputs
      if (input === undefined) return node
      if (input.op === offloadFiles) {
        const { written, stack } = input.params as OffloadFilesParams
        if (node.op.noOp?.(node.params, undefined) === true) return input
        if (stack === undefined && isElementwise(node) && why(node) === undefined) return offloaded(withInputs(node, [written]), undefined)
        const size = stack === undefined ? sizeOf(node) : undefined
        return size === undefined ? node : withInputs(node, [offloaded(written, { size, numbers: 'float32' }, input.inputs[0])])
      }
      if (!isWholeReader(input) || why(input) !== undefined) return node
      if (isElementwise(node) && why(node) === undefined) return offloaded(node, undefined)
      const size = sizeOf(node)
      return size === undefined ? node : withInputs(node, [offloaded(input, { size, numbers: 'float32' })])
    }
  }
}

/** Params of readers that stand in for those in threads. */
const HERE = new WeakSet<object>()

/** The plan with a reader that no rule takes away again. */
function readHere(node: PlanNode): PlanNode {
  if (node.op !== readFiles) return withInputs(node, node.inputs.map(readHere))
  const params: ReadFilesParams = Object.freeze({ ...(node.params as ReadFilesParams) })
  HERE.add(params)
  return Object.freeze({ ...node, params })
}

function isElementwise({ op, params }: PlanNode): boolean {
  return op === filter || op === parseExample || (op === map && (params as MapParams).deterministic)
}

/** Rows of a batch whose elements are again what they were when they are taken apart: not those of numbers of another dtype. */
function sizeOf({ op, params }: PlanNode): number | undefined {
  return op === batch && (params as BatchParams).numbers === 'float32' ? (params as BatchParams).size : undefined
}

function isWholeReader({ op, params }: PlanNode): boolean {
  if (op !== readFiles || HERE.has(params as ReadFilesParams)) return false
  const { onChanged, selection: { start, step, count }, stacked, transient } = params as ReadFilesParams
  return onChanged === 'fail' && start === 0 && step === 1 && count === Infinity && !stacked && !transient
}
