import { checkInteger, checkOptions, checkSeed } from '../../util/check.js'
import { randomOrder } from '../../util/permutation.js'
import { foldIn, integerAt, type RandomKey } from '../../util/rng.js'
import { orderedSampler, passKey, type OrderedSampler } from './common.js'

/** Options of {@link randomSampler}. */
export interface RandomSamplerOptions {
  /** Draw every index from all of them, so that some come several times and others not. @default false */
  readonly replacement?: boolean
  /** How many indices a pass has. @default `length` */
  readonly numSamples?: number
  /** Fixes the random numbers; each epoch still has its own. @default that of the iteration */
  readonly seed?: number | undefined
}

/**
 * Indices below `length` in random order, another in each epoch, as PyTorch's `RandomSampler`. More samples than there are indices go
 * through all of them again, in another order. Without replacement it holds 4 bytes per index up to 2²² of them, and nothing beyond.
 *
 * @throws RangeError for samples with replacement from nothing.
 */
export function randomSampler(length: number, options: RandomSamplerOptions = {}): OrderedSampler {
  checkInteger('randomSampler', 'length', length, 0)
  checkOptions('randomSampler', options, ['replacement', 'numSamples', 'seed'])
  const { replacement = false, seed, numSamples = length } = options
  checkInteger('randomSampler', 'numSamples', numSamples, 0)
  checkSeed('randomSampler', seed)
  if (length === 0 && numSamples > 0) throw new RangeError(`randomSampler: there are no elements to draw ${numSamples} samples from`)
  return orderedSampler('randomSampler', numSamples, () => [length, replacement, numSamples, seed ?? null], pass => {
    const key = passKey(pass, seed)
    return replacement ? place => integerAt(key, place, length) : rounds(key, length)
  })
}

/** One order of all after the other. */
function rounds(key: RandomKey, length: number): (place: number) => number {
  let round = -1
  let order: (place: number) => number
  return place => {
    const wanted = Math.floor(place / length)
    if (wanted !== round) {
      order = randomOrder(wanted === 0 ? key : foldIn(key, wanted), length)
      round = wanted
    }
    return order(place - round * length)
  }
}
