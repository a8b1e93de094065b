import { HEADER_BYTES, lengthIsSound } from './framing.js'

/** How many of the first bytes of a file {@link detectCompression} looks at. */
export const HEAD_BYTES = HEADER_BYTES

/**
 * Tells from the first bytes of a file (12, or all if it has fewer) how it is compressed.
 *
 * The magic numbers alone do not decide: a plain file begins with the length of its first record, and a record of 559,903
 * bytes begins like gzip, one of 376 bytes like zlib. But only a plain file has the right CRC-32C of the first eight bytes
 * behind them (a compressed one with probability 2^-32). A plain file whose first header is damaged is still told from zlib
 * by the upper half of the length, which is zero.
 */
export function detectCompression(head: Uint8Array): 'none' | 'gzip' | 'zlib' {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = head
  if (head.length >= HEADER_BYTES && lengthIsSound(head, 0)) return 'none'
  // RFC 1952: ID1, ID2, CM = deflate, reserved flags zero. A file may end inside it.
  if (a === 0x1f && b === 0x8b && (head.length < 3 || c === 8) && (d & 0xe0) === 0) return 'gzip'
  // RFC 1950: CM = deflate, window at most 32 KiB, check bits, no preset dictionary.
  const zlib = (a & 0x0f) === 8 && a >>> 4 <= 7 && ((a << 8) | b) % 31 === 0 && (b & 0x20) === 0 && head.length >= 2
  return zlib && (head.length < 8 || (e | f | g | h) !== 0) ? 'zlib' : 'none'
}

/** Tells from the first bytes of a file (12 are enough) whether it is a plain TFRecord file: by the checksum of the first length. */
export function detect(head: Uint8Array): boolean {
  return head.length >= HEADER_BYTES && lengthIsSound(head, 0)
}
