const NAME_AT = 30

/**
 * Tells from the first bytes of a file (300 are enough) whether it is NPZ: a zip file whose first member is named `….npy`, or one without
 * members.
 */
export function detect(head: Uint8Array, byteLength: number): boolean {
  const [p, k, a = 0, b = 0] = head
  if (p !== 0x50 || k !== 0x4b) return false
  if (a === 5 && b === 6) return byteLength === 22
  if (a !== 3 || b !== 4 || head.length < NAME_AT) return false
  const nameBytes = (head[26] ?? 0) | ((head[27] ?? 0) << 8)
  return new TextDecoder().decode(head.subarray(NAME_AT, NAME_AT + nameBytes)).endsWith('.npy')
}
