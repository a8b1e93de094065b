/**
 * Decompresses LZF (Marc Lehmann's liblzf): runs of up to 32 bytes as they are, and copies of 3 to 264 bytes from up to 8192 bytes back.
 * Fills `into` whole.
 * @returns false when the data are damaged, or are not as many as `into` holds.
 */
export function lzfDecompress(bytes: Uint8Array, into: Uint8Array): boolean {
  let at = 0
  let end = 0
  while (at < bytes.length) {
    const control = bytes[at++] ?? 0
    if (control < 32) {
      const length = control + 1
      if (length > bytes.length - at || length > into.length - end) return false
      for (let i = 0; i < length; i++) into[end++] = bytes[at++] ?? 0
      continue
    }
    let length = control >>> 5
    if (length === 7) {
      if (at >= bytes.length) return false
      length += bytes[at++] ?? 0
    }
    if (at >= bytes.length) return false
    let from = end - (((control & 31) << 8) | (bytes[at++] ?? 0)) - 1
    length += 2
    if (from < 0 || length > into.length - end) return false
    // Byte by byte: the copy may reach into itself.
    for (let i = 0; i < length; i++) into[end++] = into[from++] ?? 0
  }
  return end === into.length
}
