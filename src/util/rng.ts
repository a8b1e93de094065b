/**
 * Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011; the generator that JAX uses). A number is a pure function of a key and a counter, so it does not
 * matter who draws it, when, or after how many others.
 */
export type RandomKey = readonly [number, number]

/** The second word of the last {@link threefry}; the first is its return value. Spares an array per draw. */
let second = 0

/** One block of Threefry-2x32-20: returns the first word, as a signed 32-bit integer, and leaves the second in `second`. */
function threefry(k0: number, k1: number, c0: number, c1: number): number {
  const k2 = 0x1bd11bda ^ k0 ^ k1
  let x = (c0 + k0) | 0
  let y = (c1 + k1) | 0
  x = (x + y) | 0; y = ((y << 13) | (y >>> 19)) ^ x
  x = (x + y) | 0; y = ((y << 15) | (y >>> 17)) ^ x
  x = (x + y) | 0; y = ((y << 26) | (y >>> 6)) ^ x
  x = (x + y) | 0; y = ((y << 6) | (y >>> 26)) ^ x
  x = (x + k1) | 0; y = (y + k2 + 1) | 0
  x = (x + y) | 0; y = ((y << 17) | (y >>> 15)) ^ x
  x = (x + y) | 0; y = ((y << 29) | (y >>> 3)) ^ x
  x = (x + y) | 0; y = ((y << 16) | (y >>> 16)) ^ x
  x = (x + y) | 0; y = ((y << 24) | (y >>> 8)) ^ x
  x = (x + k2) | 0; y = (y + k0 + 2) | 0
  x = (x + y) | 0; y = ((y << 13) | (y >>> 19)) ^ x
  x = (x + y) | 0; y = ((y << 15) | (y >>> 17)) ^ x
  x = (x + y) | 0; y = ((y << 26) | (y >>> 6)) ^ x
  x = (x + y) | 0; y = ((y << 6) | (y >>> 26)) ^ x
  x = (x + k0) | 0; y = (y + k1 + 3) | 0
  x = (x + y) | 0; y = ((y << 17) | (y >>> 15)) ^ x
  x = (x + y) | 0; y = ((y << 29) | (y >>> 3)) ^ x
  x = (x + y) | 0; y = ((y << 16) | (y >>> 16)) ^ x
  x = (x + y) | 0; y = ((y << 24) | (y >>> 8)) ^ x
  x = (x + k1) | 0; y = (y + k2 + 4) | 0
  x = (x + y) | 0; y = ((y << 13) | (y >>> 19)) ^ x
  x = (x + y) | 0; y = ((y << 15) | (y >>> 17)) ^ x
  x = (x + y) | 0; y = ((y << 26) | (y >>> 6)) ^ x
  x = (x + y) | 0; y = ((y << 6) | (y >>> 26)) ^ x
  second = (y + k0 + 5) | 0
  return (x + k2) | 0
}

const high = (n: number): number => Math.floor(n / 4294967296) | 0

/** The key of a seed: any integer that a double holds exactly. */
export function keyOfSeed(seed: number): RandomKey {
  return [seed | 0, high(seed)]
}

/** A new key from a key and a number, like JAX's `fold_in`. */
export function foldIn(key: RandomKey, data: number): RandomKey {
  const first = threefry(key[0], key[1], data | 0, high(data))
  return [first, second]
}

/** Both words of the block at `counter`. For tests and for people who build on it. */
export function randomBits(key: RandomKey, counter: RandomKey): [number, number] {
  const first = threefry(key[0], key[1], counter[0], counter[1])
  return [first >>> 0, second >>> 0]
}

/** The draw number `counter` of the key, uniform in `[0, 1)` with 53 random bits. */
export function uniformAt(key: RandomKey, counter: number): number {
  const first = threefry(key[0], key[1], counter | 0, high(counter)) >>> 5
  return (first * 67108864 + (second >>> 6)) / 9007199254740992
}

/** The draw number `counter` of the key, uniform in `[0, bound)`. Bias: at most `bound` / 2⁵³. */
export function integerAt(key: RandomKey, counter: number, bound: number): number {
  return Math.floor(uniformAt(key, counter) * bound)
}

/** The integers `[0, length)` in random order: Fisher and Yates, every order equally likely up to the bits of the key. */
export function permutation(key: RandomKey, length: number): Uint32Array {
  const order = new Uint32Array(length)
  for (let i = 0; i < length; i++) order[i] = i
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(uniformAt(key, i) * (i + 1))
    const other = order[j] as number
    order[j] = order[i] as number
    order[i] = other
  }
  return order
}

/** A stream of random numbers of one key. */
export class Rng {
  readonly #key: RandomKey
  #drawn = 0

  constructor(key: RandomKey) {
    this.#key = key
  }

  /** Uniform in `[low, high)`. @default `[0, 1)` */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * uniformAt(this.#key, this.#drawn++)
  }

  /** An integer, uniform in `[0, bound)`. */
  integer(bound: number): number {
    if (!(bound >= 1)) throw new RangeError(`rng.integer(bound): bound must be at least 1, got ${bound}`)
    return integerAt(this.#key, this.#drawn++, bound)
  }

  /** Normally distributed (Box and Muller). @default mean 0, standard deviation 1 */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform())
  }

  /** True with that probability. @default 0.5 */
  bernoulli(probability = 0.5): boolean {
    return this.uniform() < probability
  }
}
