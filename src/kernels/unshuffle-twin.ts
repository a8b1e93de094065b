/**
 * The byte shuffle of HDF5 (filter 2) and its inverse in plain TypeScript: the specification, the fallback and the test oracle of
 * the WebAssembly kernel.
 *
 * Shuffling puts byte 0 of every item first, then byte 1 of every item, and so on: bytes of like meaning side by side compress
 * better. Bytes behind the last whole item stay where they are (H5Zshuffle.c).
 */

/** Puts shuffled bytes back in the order of items. Lengths are the caller's to check. */
export function unshuffleTwin(shuffled: Uint8Array, itemBytes: number, into: Uint8Array): void {
  const items = Math.floor(shuffled.length / itemBytes)
  // Items in blocks that stay in the first-level cache while all their bytes are gathered.
  for (let block = 0; block < items; block += BLOCK) {
    const end = Math.min(block + BLOCK, items)
    for (let byte = 0; byte < itemBytes; byte++) {
      const plane = byte * items
      for (let item = block, to = block * itemBytes + byte; item < end; item++, to += itemBytes) {
        into[to] = shuffled[plane + item] as number
      }
    }
  }
  into.set(shuffled.subarray(items * itemBytes), items * itemBytes)
}

/** Puts byte 0 of every item first, then byte 1 of every item, … Lengths are the caller's to check. */
export function shuffleTwin(bytes: Uint8Array, itemBytes: number, into: Uint8Array): void {
  const items = Math.floor(bytes.length / itemBytes)
  for (let block = 0; block < items; block += BLOCK) {
    const end = Math.min(block + BLOCK, items)
    for (let byte = 0; byte < itemBytes; byte++) {
      const plane = byte * items
      for (let item = block, from = block * itemBytes + byte; item < end; item++, from += itemBytes) {
        into[plane + item] = bytes[from] as number
      }
    }
  }
  into.set(bytes.subarray(items * itemBytes), items * itemBytes)
}

const BLOCK = 2048
