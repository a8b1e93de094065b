import { prefetch } from '../operators/prefetch.js'
import { nodesOf, planNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Bytes that an injected prefetch may hold. */
const MEMORY_BYTES = 256 * 2 ** 20

/** Ends a plan that reads from a store with a prefetch, so that it works while the consumer does. */
export const injectPrefetch: Rule = {
  name: 'prefetch at the end',
  apply(root) {
    if (root.op.readsAhead === true || ![...nodesOf(root)].some(node => node.op.reads === true)) return root
    return planNode(prefetch, { size: 'auto', memoryBytes: MEMORY_BYTES, injected: true }, [root])
  }
}
