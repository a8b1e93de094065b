import type { Sampler, SamplerPass } from '../sampler.js'
import { foldIn, keyOfSeed, type RandomKey } from '../../util/rng.js'

/** A sampler that knows its indices by their place. */
export interface OrderedSampler extends Sampler {
  readonly length: number
  order(pass: SamplerPass): (place: number) => number
}

/** Tells the random numbers of samplers from those of operators with the same seed. */
const SAMPLER = 0x73616d70

/** The key of the random numbers of a pass; a seed overrides that of the pass. */
export function passKey(pass: SamplerPass, seed: number | undefined): RandomKey {
  return foldIn(foldIn(keyOfSeed(seed ?? pass.seed), SAMPLER), pass.epoch)
}

/** What an order gives, place after place. */
export function* inOrder<T>(order: (place: number) => T, length: number): Generator<T, void, undefined> {
  for (let place = 0; place < length; place++) yield order(place)
}

/** A sampler of what its order says. `identity` makes what {@link Sampler.identity} is. */
export function orderedSampler(name: string, length: number, identity: () => unknown, order: OrderedSampler['order']): OrderedSampler {
  return Object.freeze({
    name,
    length,
    get identity() {
      return identity()
    },
    order,
    indices: (pass: SamplerPass) => inOrder(order(pass), length)
  })
}

/** Stands for an array in an identity. It is computed once: a million numbers take some milliseconds, and each iteration asks. */
export function digester(values: Float64Array): () => string {
  let digest: string | undefined
  return () => (digest ??= digestOf(values))
}

/** 64 bits of the values, in two lanes of FNV-1a by words. Tells changes apart; no defence against malice. */
function digestOf(values: Float64Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length)
  let [a, b] = [0x811c9dc5, 0x01000193]
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193)
    a ^= a >>> 15
    b = Math.imul(b ^ word, 0x85ebca6b)
    b ^= b >>> 13
  }
  return [values.length, a >>> 0, b >>> 0].map(part => part.toString(16)).join('-')
}
