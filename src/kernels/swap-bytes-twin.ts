/**
 * Byte order in plain TypeScript: the specification, the fallback and the test oracle of the WebAssembly kernel.
 */

/** Reverses the bytes of every item of 2, 4 or 8 bytes, in place. Arguments are the caller's to check. */
export function swapBytesTwin(bytes: Uint8Array, itemBytes: number): void {
  // `as number`: all indices are below the length, a whole number of items.
  for (let start = 0; start < bytes.length; start += itemBytes) {
    for (let low = start, high = start + itemBytes - 1; low < high; low++, high--) {
      const byte = bytes[low] as number
      bytes[low] = bytes[high] as number
      bytes[high] = byte
    }
  }
}
