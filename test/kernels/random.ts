/** A seeded stream of unsigned 32-bit numbers (xorshift). */
export function numbers(seed: number): () => number {
  let x = seed
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
}

/** Seeded bytes. */
export function randomBytes(length: number, seed = 2463534242): Uint8Array {
  const next = numbers(seed)
  return Uint8Array.from({ length }, () => next() >>> 11)
}

/** A view of a copy of the bytes, `offset` bytes into a longer buffer: not aligned when the offset is odd. */
export function atOffset(bytes: Uint8Array, offset: number): Uint8Array {
  const view = new Uint8Array(bytes.length + offset + 3).subarray(offset, offset + bytes.length)
  view.set(bytes)
  return view
}
