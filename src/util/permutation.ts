import { foldIn, permutation, randomBits, type RandomKey } from './rng.js'

/** Up to this length an order is a table of 4 bytes per index: every order equally likely, made in a moment. */
const TABLE_LENGTH = 1 << 22
const ROUNDS = 8

/**
 * A random order of `[0, length)`, as a function of the place: `order(i)` is the index at place `i`. Short ones are drawn by
 * Fisher and Yates; long ones are a keyed bijection in constant memory: a Feistel network over the next even power of
 * two, walked until it lands inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
 */
export function randomOrder(key: RandomKey, length: number): (place: number) => number {
  if (length <= TABLE_LENGTH) {
    const table = permutation(key, length)
    return place => table[place] as number
  }
  return bijection(key, length)
}

/** The constant-memory form, for any length. */
export function bijection(key: RandomKey, length: number): (place: number) => number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, length)) / 2))
  const half = 2 ** halfBits
  const keys = Array.from({ length: ROUNDS }, (_, round) => foldIn(key, round))
  return place => {
    let value = place
    do {
      let left = Math.floor(value / half)
      let right = value % half
      for (const roundKey of keys) {
        const mixed = (left ^ (randomBits(roundKey, [right, 0])[0] % half)) >>> 0
        left = right
        right = mixed
      }
      value = left * half + right
    } while (value >= length)
    return value
  }
}
