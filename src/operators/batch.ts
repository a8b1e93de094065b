import type { NumberDType } from '../array/dtype.js'
import { batchPool } from '../array/pool.js'
import { stacker } from '../array/stack.js'
import type { Operator } from '../plan/operator.js'
import { batchedSpec } from './batched-spec.js'
import { collectRows, groupCount, type RowsParams } from './collect-rows.js'
import { stackedOf } from './stacked-chunk.js'

/**
 * Stacks `size` elements into one. Order: kept. Memory: one batch. It reads no element beyond the batches asked for.
 * An error of the input is thrown at once; the rows before it stay, and the next pull fills the same batch.
 */
export interface BatchParams extends RowsParams {
  /** Dtype of plain numbers. */
  readonly numbers: NumberDType
  /** True when no rule is to change the order of this batch and what is below it. */
  readonly asWritten?: boolean
}

export const batch: Operator<BatchParams, unknown> = {
  name: 'batch',
  describe: ({ size, dropRemainder, numbers }) => `${size}${dropRemainder ? ', dropRemainder' : ''}${numbers === 'float32' ? '' : `, numbers: ${numbers}`}`,
  identity: ({ size, dropRemainder, numbers }) => ({ size, dropRemainder, numbers }),
  cardinality: (params, [input]) => groupCount(params, input),
  elementSpec: (params, [input]) => batchedSpec(input, params),
  open(args) {
    const pool = batchPool({ memo: args.ctx.memo })
    const stack = stacker({ numbers: args.params.numbers, pool })
    return { ...collectRows(args, (rows, firstIndex) => stackedOf(rows) ?? stack(rows, firstIndex)), close: pool.close }
  }
}
