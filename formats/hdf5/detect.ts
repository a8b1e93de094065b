const SIGNATURE: readonly number[] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

/**
 * Tells from the first bytes of a file whether it is HDF5. The superblock stands at byte 0, or behind a user block of 512 bytes or any power
 * of two above that; it is looked for as far as `head` reaches.
 */
export function detect(head: Uint8Array): boolean {
  for (let at = 0; at + SIGNATURE.length <= head.length; at = at === 0 ? 512 : 2 * at) {
    if (SIGNATURE.every((byte, i) => head[at + i] === byte)) return true
  }
  return false
}
