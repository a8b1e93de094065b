import { drawsBatches, sampledParams } from '../../operators/sampled.js'
import { checkInteger, checkOptions, checkSeed } from '../../util/check.js'
import { randomOrder } from '../../util/permutation.js'
import { foldIn } from '../../util/rng.js'
import type { Sampler, SamplerPass } from '../sampler.js'
import { inOrder, passKey } from './common.js'
import { sequentialSampler } from './sequential.js'

/** Options of {@link distributedSampler}. */
export interface DistributedSamplerOptions {
  /** Which process this is, from 0. */
  readonly rank: number
  /** How many processes share the elements. */
  readonly worldSize: number
  /** Put them in random order first, the same in all processes. @default true for a number of elements, false for a sampler */
  readonly shuffle?: boolean
  /** The same in all processes; that of the iteration is not used, which may differ. @default 0 */
  readonly seed?: number
  /** Leave out what is too few for all ranks, rather than give some elements twice. @default false */
  readonly dropLast?: boolean
}

/** A {@link Sampler} for one of several processes. */
export interface DistributedSampler extends Sampler {
  /** Draws for that epoch, in passes that begin from now on. Without it, for the epoch of the pass. */
  setEpoch(epoch: number): void
}

/**
 * Every `worldSize`-th index from `rank` on, as PyTorch's `DistributedSampler`: together the ranks have all, and each as many as the others. Where
 * they do not come out even, the first ones come again at the end (all of them, as often as needed, where there are fewer than ranks);
 * with `dropLast` the last ones are left out instead.
 *
 * Instead of a number of elements it takes another sampler and divides what that draws, which has to be the same in all processes: it gets a pass
 * with `seed`. Memory: `worldSize` indices; all of them to shuffle a sampler that does not know its order.
 */
export function distributedSampler(source: number | Sampler, options: DistributedSamplerOptions): DistributedSampler {
  checkOptions('distributedSampler', options, ['rank', 'worldSize', 'shuffle', 'seed', 'dropLast'])
  const { rank, worldSize, seed = 0, dropLast = false, shuffle = typeof source === 'number' } = options
  checkInteger('distributedSampler', 'worldSize', worldSize, 1)
  if (checkInteger('distributedSampler', 'rank', rank, 0) >= worldSize) throw new RangeError(`distributedSampler: rank must be below worldSize ${worldSize}, got ${rank}`)
  checkSeed('distributedSampler', seed)
  const sampler: Sampler = typeof source === 'number' ? sequentialSampler(checkInteger('distributedSampler', 'length', source, 0)) : source
  if (drawsBatches(sampledParams(sampler).sampler)) throw new TypeError('distributedSampler: the sampler must draw indices, and this one draws batches')
  const { length: total } = sampler
  if (shuffle && total === Infinity) throw new RangeError('distributedSampler: an endless sampler cannot be shuffled')
  const length = total === undefined ? undefined : dropLast ? Math.floor(total / worldSize) : Math.ceil(total / worldSize)
  let set: number | undefined

  const shared = (pass: SamplerPass): SamplerPass => ({ seed, epoch: pass.epoch })
  const share = (at: (place: number) => number, of: number) => (place: number): number => at((rank + place * worldSize) % of)
  const { order } = sampler
  return {
    name: `distributedSampler(${rank} of ${worldSize})`,
    length,
    get identity() {
      return [rank, worldSize, shuffle, seed, dropLast, sampler.identity ?? sampler.indices]
    },
    get epoch() {
      return set ?? sampler.epoch
    },
    setEpoch(epoch) {
      set = checkInteger('distributedSampler', 'epoch', epoch, 0)
    },
    *indices(pass) {
      if (order !== undefined && total !== undefined && length !== undefined) yield* inOrder(ordered(pass, order, total), length)
      else if (shuffle) {
        const drawn = [...sampler.indices(shared(pass))]
        const shuffled = share(shuffledOrder(pass, place => drawn[place] as number, drawn.length), drawn.length)
        yield* inOrder(shuffled, dropLast ? Math.floor(drawn.length / worldSize) : Math.ceil(drawn.length / worldSize))
      } else yield* divided(sampler.indices(shared(pass)), rank, worldSize, dropLast)
    },
    ...(order !== undefined && total !== undefined && total < Infinity && { order: (pass: SamplerPass) => ordered(pass, order, total) })
  }

  function ordered(pass: SamplerPass, from: NonNullable<Sampler['order']>, of: number): (place: number) => number {
    const at = from.call(sampler, shared(pass))
    return share(shuffle ? shuffledOrder(pass, at, of) : at, of)
  }
  function shuffledOrder(pass: SamplerPass, at: (place: number) => number, of: number): (place: number) => number {
    const shuffled = randomOrder(foldIn(passKey(pass, seed), SHUFFLE), of)
    return place => at(shuffled(place))
  }
}

/** Tells this order from that of a random sampler below, which gets the same seed. */
const SHUFFLE = 1

/** The share of a rank of indices that come one by one. */
function* divided(indices: Iterable<number>, rank: number, worldSize: number, dropLast: boolean): Generator<number, void, undefined> {
  const first: number[] = []
  let group: number[] = []
  for (const index of indices) {
    if (first.length < worldSize) first.push(index)
    if (group.push(index) < worldSize) continue
    yield group[rank] as number
    group = []
  }
  if (group.length > 0 && !dropLast) yield (rank < group.length ? group[rank] : first[(rank - group.length) % first.length]) as number
}
