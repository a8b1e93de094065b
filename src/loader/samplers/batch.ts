import { drawsBatches, sampledParams } from '../../operators/sampled.js'
import { checkInteger, checkOptions } from '../../util/check.js'
import type { BatchSampler, Sampler, SamplerPass } from '../sampler.js'

/** Options of {@link batchSampler}. */
export interface BatchSamplerOptions {
  readonly batchSize: number
  /** Leave out a last batch that is not full. @default false */
  readonly dropLast?: boolean
}

/** The indices of a sampler, so many at a time, as PyTorch's `BatchSampler`. Memory: one batch. */
export function batchSampler(sampler: Sampler, options: BatchSamplerOptions): BatchSampler {
  checkOptions('batchSampler', options, ['batchSize', 'dropLast'])
  if (drawsBatches(sampledParams(sampler).sampler)) throw new TypeError('batchSampler: the sampler must draw indices, and this one draws batches')
  const { batchSize: size, dropLast = false } = options
  checkInteger('batchSampler', 'batchSize', size, 1)
  const { length: indices, order } = sampler
  return Object.freeze({
    name: `batchSampler(${size})`,
    length: indices === undefined ? undefined : dropLast ? Math.floor(indices / size) : Math.ceil(indices / size),
    get identity() {
      return [size, dropLast, sampler.identity ?? sampler.indices]
    },
    get epoch() {
      return sampler.epoch
    },
    *batches(pass: SamplerPass) {
      let batch: number[] = []
      for (const index of sampler.indices(pass)) {
        if (batch.push(index) < size) continue
        yield batch
        batch = []
      }
      if (batch.length > 0 && !dropLast) yield batch
    },
    ...(order !== undefined && indices !== undefined && {
      order: (pass: SamplerPass) => {
        const at = order.call(sampler, pass)
        return (place: number) => Array.from({ length: Math.min(size, indices - place * size) }, (_, i) => at(place * size + i))
      }
    })
  })
}
