import { checkInteger } from '../../util/check.js'
import { orderedSampler, type OrderedSampler } from './common.js'

/** The indices `0` to `length - 1` in turn, as PyTorch's `SequentialSampler`. */
export function sequentialSampler(length: number): OrderedSampler {
  checkInteger('sequentialSampler', 'length', length, 0)
  return orderedSampler('sequentialSampler', length, () => length, () => place => place)
}
