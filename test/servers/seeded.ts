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
  const bytes = new Uint8Array(length)
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
