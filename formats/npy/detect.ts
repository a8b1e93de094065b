/** Tells from the first bytes of a file (6 are enough) whether it is NPY. */
export function detect(head: Uint8Array): boolean {
  return head.length >= MAGIC.length && MAGIC.every((byte, i) => head[i] === byte)
}

/** `\x93NUMPY` */
export const MAGIC: readonly number[] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
