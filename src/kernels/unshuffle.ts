/**
 * The byte shuffle of HDF5 and its inverse, by the fastest way this machine has.
 */
import { loadUnshuffleKernel, type Unshuffle } from './unshuffle-kernel.js'
import { shuffleTwin, unshuffleTwin } from './unshuffle-twin.js'

/**
 * Undoes the byte shuffle of HDF5 (filter 2): `shuffled` holds byte 0 of every item, then byte 1 of every item, …
 *
 * Bytes behind the last whole item are copied. Items of 2, 4, 8 and 16 bytes are done by WebAssembly with SIMD, where there is
 * that.
 *
 * @param itemBytes Bytes of one item, at least 1.
 * @param into As long as `shuffled`, and no part of it.
 * @throws RangeError for another length or item size.
 */
export function unshuffle(shuffled: Uint8Array, itemBytes: number, into: Uint8Array): void {
  checkLengths('unshuffle', shuffled, itemBytes, into)
  if (shuffled.length < KERNEL_ITEMS * itemBytes || !KERNEL_SIZES.has(itemBytes)) return unshuffleTwin(shuffled, itemBytes, into)
  kernel ??= loadUnshuffleKernel() ?? unshuffleTwin
  kernel(shuffled, itemBytes, into)
}

/**
 * Does what HDF5 calls shuffle: byte 0 of every item, then byte 1 of every item, … Bytes behind the last whole item are copied.
 *
 * @param itemBytes Bytes of one item, at least 1.
 * @param into As long as `bytes`, and no part of it.
 * @throws RangeError for another length or item size.
 */
export function shuffle(bytes: Uint8Array, itemBytes: number, into: Uint8Array): void {
  checkLengths('shuffle', bytes, itemBytes, into)
  shuffleTwin(bytes, itemBytes, into)
}

function checkLengths(where: string, from: Uint8Array, itemBytes: number, into: Uint8Array): void {
  if (!Number.isSafeInteger(itemBytes) || itemBytes < 1) {
    throw new RangeError(`${where}: itemBytes must be a positive integer, got ${itemBytes}`)
  }
  if (from.length !== into.length) {
    throw new RangeError(`${where}: ${from.length} bytes into ${into.length}: both must have the same length`)
  }
}

const KERNEL_SIZES: ReadonlySet<number> = new Set([2, 4, 8, 16])
/** For fewer items, copying their planes into the memory of the kernel costs more than it saves (even at 32 to 64, measured). */
const KERNEL_ITEMS = 64

/** The kernel, or the twin where there is none; loaded for the first input that is long enough. */
let kernel: Unshuffle | undefined
