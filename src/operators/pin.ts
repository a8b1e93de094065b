import { pinnedPool } from '../array/pinned.js'
import { release } from '../array/pool.js'
import type { Operator } from '../plan/operator.js'
import { chain } from '../util/promise.js'

/**
 * Copies the arrays of every batch into page-aligned memory that is used again when the batch is released. Order: kept. Memory: what was
 * released, 64 batches or 1 GiB at most. Values, states and fingerprints do not depend on it.
 */
export interface PinParams {
  /** True when nobody else holds the arrays of the input, so that those are given back at once. */
  readonly releases: boolean
}

export const pin: Operator<PinParams, unknown> = {
  name: 'pin',
  describe: () => '',
  sameElements: true,
  transparent: true,
  cardinality: (_, [input]) => input,
  open({ params: { releases }, inputs: [input], ctx }) {
    if (input === undefined) throw new TypeError('pin needs an input')
    const pool = pinnedPool(ctx.memo)
    const pinned = (batch: unknown): unknown => {
      const copy = pool.pin(batch)
      if (releases && copy !== batch) release(batch)
      return copy
    }
    return { pull: max => chain(input.pull(max), chunk => chunk?.map(pinned) ?? null), close: pool.close }
  }
}
