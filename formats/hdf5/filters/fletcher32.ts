/**
 * Fletcher's checksum as the filter of HDF5 stores it: two sums, modulo 65535, of words of 16 bits, the higher byte first; an odd byte at
 * the end is the higher one of a last word.
 */
export function fletcher32(bytes: Uint8Array): number {
  // Modulo 65535 the order of the bytes in the words may be changed behind the sums. So the words are taken as the machine has them.
  const even = bytes.length & ~1
  const aligned = bytes.byteOffset % 2 === 0 ? bytes.subarray(0, even) : bytes.slice(0, even)
  const words = new Uint16Array(aligned.buffer, aligned.byteOffset, even >>> 1)
  let a = 0
  let b = 0
  for (let i = 0; i < words.length;) {
    // As many as fit 32 bits before the sums have to be reduced.
    const until = Math.min(words.length, i + 360)
    for (; i < until; i++) {
      a += words[i] ?? 0
      b += a
    }
    a = (a & 0xffff) + (a >>> 16)
    b = (b & 0xffff) + (b >>> 16)
    if (b > 0xffff) b = (b & 0xffff) + (b >>> 16)
  }
  if (even < bytes.length) {
    a += bytes[even] ?? 0
    a = (a & 0xffff) + (a >>> 16)
    b += a
  }
  return ((reduced(b) << 16) | reduced(a)) >>> 0
}

/** Folded to 16 bits, with the bytes exchanged. */
function reduced(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16)
  folded = (folded & 0xffff) + (folded >>> 16)
  return ((folded & 0xff) << 8) | (folded >>> 8)
}

/** True if the checksum is that of the bytes. Old versions of HDF5 stored it with the bytes of both halves exchanged. */
export function matchesFletcher32(bytes: Uint8Array, stored: number): boolean {
  const sum = fletcher32(bytes)
  const exchanged = (((sum & 0x00ff00ff) << 8) | ((sum >>> 8) & 0x00ff00ff)) >>> 0
  return stored === sum || stored === exchanged
}
