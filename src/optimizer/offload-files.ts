import { batch, type BatchParams } from '../operators/batch.js'
import { filter } from '../operators/filter.js'
import { map, type MapParams } from '../operators/map.js'
import { offloadFiles, type OffloadFilesParams } from '../operators/offload-files.js'
import { parseExample } from '../operators/parse-example.js'
import { readFiles, type ReadFilesParams } from '../operators/read-files.js'
import { travels } from '../operators/travel.js'
import { withInputs, type PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'
import type { WorkerOptions } from '../plan/tuning.js'

/** How it is found out whether a node can run elsewhere. */
export type Travels = (node: PlanNode) => string | undefined

/** Runs readers and the elementwise operators above them in worker threads, with rows stacked for a `batch` on top. */
export function offloadFilesRule({ retries = 0 }: WorkerOptions = {}, why: Travels = travels): Rule {
  const offloaded = (written: PlanNode, stack: OffloadFilesParams['stack'], plain: PlanNode = written): PlanNode => {
    const params: OffloadFilesParams = Object.freeze({ written, stack, retries })
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

function isElementwise({ op, params }: PlanNode): boolean {
  return op === filter || op === parseExample || (op === map && (params as MapParams).deterministic)
}

/** Rows of a batch whose elements are again what they were when they are taken apart: not those of numbers of another dtype. */
function sizeOf({ op, params }: PlanNode): number | undefined {
  return op === batch && (params as BatchParams).numbers === 'float32' ? (params as BatchParams).size : undefined
}

function isWholeReader({ op, params }: PlanNode): boolean {
  if (op !== readFiles) return false
  const { onChanged, selection: { start, step, count }, stacked, transient } = params as ReadFilesParams
  return onChanged === 'fail' && start === 0 && step === 1 && count === Infinity && !stacked && !transient
}
