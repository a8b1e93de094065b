import { checkInteger, checkOptions, checkSeed } from '../../util/check.js'
import { integerAt, uniformAt, type RandomKey } from '../../util/rng.js'
import { digester, orderedSampler, passKey, type OrderedSampler } from './common.js'

/** Options of {@link weightedRandomSampler}. */
export interface WeightedRandomSamplerOptions {
  /** Draw every index from all of them. @default true */
  readonly replacement?: boolean
  /** Fixes the random numbers; each epoch still has its own. @default that of the iteration */
  readonly seed?: number | undefined
}

/**
 * Indices with probabilities in proportion to `weights`, which need not sum to 1 and are copied, as PyTorch's `WeightedRandomSampler`.
 * Memory: 20 bytes per weight.
 *
 * With replacement every sample is drawn alone, by Walker's alias method in Vose's form, in constant time. Without, the samples of a
 * pass are drawn together, each in proportion to the weights of those that are left (Efraimidis and Spirakis, "Weighted random
 * sampling with a reservoir", 2006), and indices of weight 0 never come.
 *
 * @throws RangeError for weights that are negative, not finite or all 0, and for more samples without replacement than weights above 0.
 */
export function weightedRandomSampler(weights: ArrayLike<number>, numSamples: number, options: WeightedRandomSamplerOptions = {}): OrderedSampler {
  checkOptions('weightedRandomSampler', options, ['replacement', 'seed'])
  checkInteger('weightedRandomSampler', 'numSamples', numSamples, 1)
  const { replacement = true } = options
  const seed = checkSeed('weightedRandomSampler', options.seed)
  const scaled = scaledWeights(weights)
  const positive = scaled.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0)
  if (!replacement && numSamples > positive) {
    throw new RangeError(`weightedRandomSampler: ${numSamples} samples without replacement need as many weights above 0, and there are ${positive}`)
  }
  const digest = digester(scaled)
  let table: AliasTable | undefined
  return orderedSampler('weightedRandomSampler', numSamples, () => [replacement, numSamples, seed ?? null, digest()], pass => {
    const key = passKey(pass, seed)
    if (!replacement) {
      let drawn: Uint32Array | undefined
      return place => (drawn ??= drawAll(key, scaled, numSamples))[place] as number
    }
    const { share, alias } = (table ??= aliasTable(scaled))
    return place => {
      const column = integerAt(key, 2 * place, share.length)
      return uniformAt(key, 2 * place + 1) < (share[column] as number) ? column : (alias[column] as number)
    }
  })
}

/** A copy of the weights, in units of the largest, so that no sum of them overflows. */
function scaledWeights(weights: ArrayLike<number>): Float64Array {
  if (typeof weights !== 'object' || weights === null || typeof weights.length !== 'number') throw new TypeError('weightedRandomSampler: weights must be an array of numbers')
  const scaled = new Float64Array(weights.length)
  let most = 0
  for (let i = 0; i < scaled.length; i++) {
    const weight: unknown = weights[i]
    if (typeof weight !== 'number') throw new TypeError(`weightedRandomSampler: weights[${i}] must be a number, got ${typeof weight}`)
    if (!(weight >= 0) || weight === Infinity) throw new RangeError(`weightedRandomSampler: weights[${i}] must be finite and at least 0, got ${weight}`)
    scaled[i] = weight
    if (weight > most) most = weight
  }
  if (most === 0) throw new RangeError(`weightedRandomSampler: ${scaled.length === 0 ? 'there are no weights' : 'all weights are 0'}`)
  return scaled.map(weight => weight / most)
}

/** Column `i` stands for index `i` with the probability `share[i]`, else for `alias[i]`. */
interface AliasTable {
  readonly share: Float64Array
  readonly alias: Uint32Array
}

function aliasTable(weights: Float64Array): AliasTable {
  const length = weights.length
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const share = weights.map(weight => (weight / sum) * length)
  const alias = Uint32Array.from(share, (_, i) => i)
  // One stack from each end: columns with room, and columns with too much.
  const stacks = new Uint32Array(length)
  let small = 0
  let large = length
  for (let i = 0; i < length; i++) stacks[(share[i] as number) < 1 ? small++ : --large] = i
  while (small > 0 && large < length) {
    const less = stacks[--small] as number
    const more = stacks[large] as number
    alias[less] = more
    const left = (share[more] as number) - (1 - (share[less] as number))
    share[more] = left
    if (left < 1) {
      large++
      stacks[small++] = more
    }
  }
  // What is left is full but for rounding. A weight of 0 is full only by rounding, and still must not come.
  const heaviest = weights.indexOf(1)
  for (let k = 0; k < small; k++) fill(stacks[k] as number)
  for (let k = large; k < length; k++) fill(stacks[k] as number)
  return { share, alias }

  function fill(column: number): void {
    share[column] = weights[column] === 0 ? 0 : 1
    alias[column] = weights[column] === 0 ? heaviest : column
  }
}

/** Every index gets an exponential time with its weight as the rate; the first to ring are the samples, in that order. */
function drawAll(key: RandomKey, weights: Float64Array, count: number): Uint32Array {
  const times = weights.map((weight, i) => (weight === 0 ? Infinity : -Math.log(1 - uniformAt(key, i)) / weight))
  const candidates = Uint32Array.from(weights.keys()).filter(i => weights[i] !== 0)
  return candidates.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b).slice(0, count)
}
