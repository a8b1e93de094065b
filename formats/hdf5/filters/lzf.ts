/** From here on a call is faster than a loop. */
const LONG = 48

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
      for (const until = end + length; end < until;) into[end++] = bytes[at++] as number
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
    if (length > LONG && length <= end - from) {
      into.copyWithin(end, from, from + length)
      end += length
      continue
    }
    // Byte by byte: the copy may reach into itself.
    for (const until = end + length; end < until;) into[end++] = into[from++] as number
  }
  return end === into.length
}
