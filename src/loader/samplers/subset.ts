import { checkOptions, checkSeed } from '../../util/check.js'
import { randomOrder } from '../../util/permutation.js'
import { digester, orderedSampler, passKey, type OrderedSampler } from './common.js'

/** Exactly these indices, in this order, in every pass. They are copied. */
export function subsetSampler(indices: ArrayLike<number>): OrderedSampler {
  const chosen = chosenIndices('subsetSampler', indices)
  return orderedSampler('subsetSampler', chosen.length, digester(chosen), () => place => chosen[place] as number)
}

/** Exactly these indices, in random order, another in each epoch, as PyTorch's `SubsetRandomSampler`. They are copied. `seed` as in `randomSampler`. */
export function subsetRandomSampler(indices: ArrayLike<number>, options: { readonly seed?: number | undefined } = {}): OrderedSampler {
  checkOptions('subsetRandomSampler', options, ['seed'])
  const seed = checkSeed('subsetRandomSampler', options.seed)
  const chosen = chosenIndices('subsetRandomSampler', indices)
  const digest = digester(chosen)
  return orderedSampler('subsetRandomSampler', chosen.length, () => [seed ?? null, digest()], pass => {
    const order = randomOrder(passKey(pass, seed), chosen.length)
    return place => chosen[order(place)] as number
  })
}

/** A copy of a list of indices. @throws RangeError naming the first that is none, or that is not below `of` */
export function chosenIndices(where: string, indices: ArrayLike<number>, of = Infinity): Float64Array {
  if (typeof indices !== 'object' || indices === null || typeof indices.length !== 'number') throw new TypeError(`${where}: indices must be an array of integers, got ${indices === null ? 'null' : typeof indices}`)
  const chosen = new Float64Array(indices.length)
  for (let i = 0; i < chosen.length; i++) {
    const index: unknown = indices[i]
    if (typeof index !== 'number') throw new TypeError(`${where}: indices[${i}] must be a number, got ${index === null ? 'null' : typeof index}`)
    if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`${where}: indices[${i}] must be an integer of at least 0, got ${index}`)
    if (index >= of) throw new RangeError(`${where}: indices[${i}] is ${index}, and there are only ${of} elements`)
    chosen[i] = index
  }
  return chosen
}
