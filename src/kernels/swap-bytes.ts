/**
 * Reverses the order of the bytes in every item, to turn big-endian data into little-endian or back.
 */
import { loadSwapBytesKernel, type SwapBytes } from './swap-bytes-kernel.js'
import { swapBytesTwin } from './swap-bytes-twin.js'

/**
 * Reverses the bytes of every item, in place.
 *
 * @param bytes A whole number of items; they need not be aligned.
 * @param itemBytes 1, 2, 4 or 8. A complex number is two items: give the size of its parts.
 * @throws RangeError for another size of items, or when `bytes` ends in the middle of one.
 */
export function swapBytes(bytes: Uint8Array, itemBytes: number): void {
  if (itemBytes !== 1 && itemBytes !== 2 && itemBytes !== 4 && itemBytes !== 8) {
    throw new RangeError(`swapBytes: itemBytes must be 1, 2, 4 or 8, got ${itemBytes}`)
  }
  if (bytes.length % itemBytes !== 0) {
    throw new RangeError(`swapBytes: ${bytes.length} bytes are no whole number of items of ${itemBytes}`)
  }
  if (itemBytes === 1) return
  if (bytes.length < KERNEL_FROM) return swapBytesTwin(bytes, itemBytes)
  kernel ??= loadSwapBytesKernel() ?? swapBytesTwin
  kernel(bytes, itemBytes)
}

/** Shorter than this, copying the bytes to the memory of the kernel and back costs more than it saves (even at 128, measured). */
const KERNEL_FROM = 160

/** The kernel, or the twin where there is none; loaded for the first input that is long enough. */
let kernel: SwapBytes | undefined
