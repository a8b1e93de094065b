/**
 * CRC-32C, the checksum of TFRecord framing, Snappy framing, iSCSI and cloud stores, by the fastest way this machine has.
 */
import { type Crc32cUpdate, loadCrc32cKernel } from './crc32c-kernel.js'
import { checkRange, crc32cUpdate } from './crc32c-twin.js'

export { crc32cTwin } from './crc32c-twin.js'

/**
 * Computes the CRC-32C (Castagnoli, RFC 3720 B.4) of `bytes[start, end)`.
 *
 * From 384 bytes on it runs in WebAssembly with SIMD, where there is that; the result is the same without it.
 *
 * @param start First byte, `0 <= start <= end`. @default 0
 * @param end Behind the last byte, at most `bytes.length`. @default bytes.length
 * @returns An unsigned 32-bit number; 0 for no bytes.
 * @throws RangeError when `[start, end)` does not lie in `bytes`.
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  checkRange(bytes, start, end)
  if (end - start < KERNEL_FROM) return ~crc32cUpdate(-1, bytes, start, end) >>> 0
  update ??= loadCrc32cKernel() ?? crc32cUpdate
  return ~update(-1, bytes, start, end) >>> 0
}

/** Goes on with a CRC-32C: `crc32cNext(crc32c(a), b)` is that of `a` followed by `b`; begin with 0. */
export function crc32cNext(crc: number, bytes: Uint8Array): number {
  if (bytes.length >= KERNEL_FROM) update ??= loadCrc32cKernel() ?? crc32cUpdate
  return ~(bytes.length < KERNEL_FROM || update === undefined ? crc32cUpdate : update)(~crc, bytes, 0, bytes.length) >>> 0
}

/**
 * Computes the CRC-32C of `bytes[start, end)`, masked as TFRecord stores it: rotated right by 15 bits, plus 0xa282ead8.
 *
 * The mask keeps the CRC of data that holds CRCs from becoming trivial (tensorflow/core/lib/hash/crc32c.h).
 * Parameters, result and errors are those of {@link crc32c}.
 */
export function maskedCrc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const crc = crc32c(bytes, start, end)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** Shorter than this, copying the bytes into the memory of the kernel costs more than it saves (even at 290 to 350, measured). */
const KERNEL_FROM = 384

/** The kernel, or the twin where there is none; loaded for the first input that is long enough. */
let update: Crc32cUpdate | undefined
