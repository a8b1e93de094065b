import type { Rule } from '../plan/rewrite.js'

/** Hands `take`, `skip` and `shard` to a source that can select by itself, so that it makes no element in vain. */
export const pushSelection: Rule = {
  name: 'push selection into the source',
  apply(node) {
    const [source] = node.inputs
    const selection = node.op.selection?.(node.params)
    if (source === undefined || selection === null || selection === undefined) return node
    const params: unknown = source.op.select?.(source.params, selection)
    return params === null || params === undefined ? node : Object.freeze({ ...source, params: Object.freeze(params) })
  }
}
