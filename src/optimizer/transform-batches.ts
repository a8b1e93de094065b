import { batch, type BatchParams } from '../operators/batch.js'
import { fromArray } from '../operators/from.js'
import { fromTensorSlices } from '../operators/from-tensors.js'
import { map, type MapParams } from '../operators/map.js'
import { parseExample } from '../operators/parse-example.js'
import { range } from '../operators/range.js'
import { readFiles } from '../operators/read-files.js'
import { repeat } from '../operators/repeat.js'
import { shard, skip, take } from '../operators/select.js'
import { shuffle } from '../operators/shuffle.js'
import { taskElements } from '../operators/task-elements.js'
import { transformBatch, type BatchableTransform, type TransformBatchParams } from '../operators/transform-batch.js'
import { withInputs, type PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Operators whose elements can be had again, without a function of the user seeing it. */
const REPEATABLE: ReadonlySet<object> = new Set<object>([fromArray, fromTensorSlices, parseExample, range, readFiles, repeat, shard, shuffle, skip, take, taskElements])

/** Stacks rows first and transforms whole batches, where `batch` stands above maps of declarative transforms. */
export const transformBatches: Rule = {
  name: 'transform whole batches',
  apply(node) {
    if (node.op !== batch || (node.params as BatchParams).numbers !== 'float32' || (node.params as BatchParams).asWritten === true) return node
    const transforms: BatchableTransform[] = []
    let below = node.inputs[0] as PlanNode
    for (let fn = transformOf(below); fn !== undefined; fn = transformOf(below)) {
      transforms.unshift(fn)
      below = below.inputs[0] as PlanNode
    }
    if (transforms.length === 0 || !isRepeatable(below)) return node
    const written: PlanNode = Object.freeze({ ...node, params: Object.freeze({ ...(node.params as BatchParams), asWritten: true }) })
    const params: TransformBatchParams = Object.freeze({ transforms: Object.freeze(transforms), written })
    return Object.freeze({ op: transformBatch, params, inputs: Object.freeze([withInputs(node, [below])]), depth: node.depth, site: node.site })
  }
}

function transformOf({ op, params }: PlanNode): BatchableTransform | undefined {
  if (op !== map) return undefined
  const { fn } = params as MapParams
  const { transform, batched } = fn as unknown as Partial<BatchableTransform>
  return transform === undefined || batched === undefined || !(params as MapParams).deterministic ? undefined : (fn as unknown as BatchableTransform)
}

function isRepeatable({ op, inputs }: PlanNode): boolean {
  return (REPEATABLE.has(op) || op.transparent === true) && inputs.every(isRepeatable)
}
