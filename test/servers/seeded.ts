/** Bytes and choices that are the same for the same seed. */

/** Uniform in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** No two places of the object look alike, so that bytes from elsewhere are seen to be wrong. */
export function seededBytes(seed: number, length: number): Uint8Array {
  const words = new Uint32Array((length + 3) >> 2)
  // xorshift32. Globals such as Math are slow to reach where tests run, so there are none in the loop.
  let state = (seed * 0x9e3779b1 + 0x7f4a7c15) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}
