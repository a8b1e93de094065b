import { batch, type BatchParams } from '../operators/batch.js'
import { collectBatch, type CollectBatchParams } from '../operators/collect-batch.js'
import type { Rule } from '../plan/rewrite.js'

/** Decodes records straight into the arrays of the batch, and lets a source below reuse the memory of its records. */
export const fuseDecodeBatch: Rule = {
  name: 'decode into the batch',
  apply(node) {
    const [decode] = node.inputs
    const [input] = decode?.inputs ?? []
    if (node.op !== batch || decode?.op.collector === undefined || input === undefined) return node
    const transient: unknown = input.op.transient?.(input.params)
    const below = transient === undefined ? input : Object.freeze({ ...input, params: Object.freeze(transient) })
    const params: CollectBatchParams = Object.freeze({ batch: node.params as BatchParams, decode })
    return Object.freeze({ op: collectBatch, params, inputs: Object.freeze([below]), depth: node.depth, site: node.site })
  }
}
