import { fused } from '../operators/fused.js'
import { withInputs } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Lets a source below elementwise operators hand out one array again and again: they are done with it before the next pull. */
export const reuseChunks: Rule = {
  name: 'reuse chunks',
  apply(node) {
    const [source] = node.inputs
    if (source?.op.reusing === undefined || (node.op !== fused && (node.op.stage?.(node.params) ?? null) === null)) return node
    const params: unknown = source.op.reusing(source.params)
    return params === source.params ? node : withInputs(node, [Object.freeze({ ...source, params: Object.freeze(params) })])
  }
}
