import { prefetch } from '../operators/prefetch.js'
import { nodesOf, planNode, type PlanNode } from '../plan/node.js'
import type { Rule } from '../plan/rewrite.js'

/** Bytes that an injected prefetch may hold. */
const MEMORY_BYTES = 256 * 2 ** 20

/**
 * Ends a plan that reads from a store with a prefetch, so that it works while the consumer does. One with a stage that works ahead of demand
 * too, when there is work behind that stage: else what comes ready waits until it is asked for.
 */
export const injectPrefetch: Rule = {
  name: 'prefetch at the end',
  apply(root) {
    const waits = (node: PlanNode): boolean => node.op.reads === true || (overlaps(node) && !overlaps(root))
    if (root.op.readsAhead === true || ![...nodesOf(root)].some(waits)) return root
    return planNode(prefetch, { size: 'auto', memoryBytes: MEMORY_BYTES, injected: true }, [root])
  }
}

const overlaps = ({ op, params }: PlanNode): boolean => op.overlaps?.(params) === true
