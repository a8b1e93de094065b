import type { NumberDType } from '../array/dtype.js'
import { batchSpec, isLeafSpec } from '../array/spec.js'
import type { ElementSpec } from '../types.js'
import type { RowsParams } from './collect-rows.js'

/** The spec of what `batch` makes of such elements, where it can be told. */
export function batchedSpec(spec: ElementSpec | undefined, { size, dropRemainder, numbers }: RowsParams & { readonly numbers: NumberDType }): ElementSpec | undefined {
  // `float32 []` is a plain number, whose dtype `numbers` decides, or an array of rank 0, which keeps its own.
  if (spec === undefined || (numbers !== 'float32' && mayHoldNumbers(spec))) return undefined
  return batchSpec(spec, dropRemainder ? size : -1)
}

function mayHoldNumbers(spec: ElementSpec): boolean {
  return isLeafSpec(spec) ? spec.dtype === 'float32' && spec.shape.length === 0 : Object.values(spec).some(mayHoldNumbers)
}
