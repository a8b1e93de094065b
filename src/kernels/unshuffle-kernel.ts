/**
 * Runs the WebAssembly kernel of the inverse byte shuffle (`assembly/unshuffle.ts`) over bytes of any length.
 */
import { loadStaged } from './staging.js'
import { UNSHUFFLE_WASM } from './unshuffle.wasm.js'

/** Puts shuffled bytes back in the order of items of 2, 4, 8 or 16 bytes. */
export type Unshuffle = (shuffled: Uint8Array, itemBytes: number, into: Uint8Array) => void

type Kernel = (from: number, stride: number, items: number, to: number) => void

interface KernelExports {
  readonly unshuffle2: Kernel
  readonly unshuffle4: Kernel
  readonly unshuffle8: Kernel
  readonly unshuffle16: Kernel
}

/** Bytes of a block: half of it costs more calls and is 10 to 30 % slower, twice of it is no faster (measured). */
const BLOCK = 32768
/** Between the planes of a block. Without it they lie powers of two apart and drive each other from the cache. */
const GAP = 80
const OUTPUT = 65536

/** Returns the kernel, or null where it cannot run. */
export function loadUnshuffleKernel(): Unshuffle | null {
  const staged = loadStaged<KernelExports>(UNSHUFFLE_WASM)
  if (staged === null) return null
  const { kernel, bytes } = staged
  const byBytes: Readonly<Record<number, Kernel>> = {
    2: kernel.unshuffle2, 4: kernel.unshuffle4, 8: kernel.unshuffle8, 16: kernel.unshuffle16
  }
  return (shuffled, itemBytes, into) => {
    const run = byBytes[itemBytes]
    if (run === undefined) throw new RangeError(`no kernel for items of ${itemBytes} bytes`)
    const items = Math.floor(shuffled.length / itemBytes)
    const blockItems = BLOCK / itemBytes
    for (let start = 0; start < items; start += blockItems) {
      const count = Math.min(blockItems, items - start)
      for (let byte = 0, from = start; byte < itemBytes; byte++, from += items) {
        bytes.set(shuffled.subarray(from, from + count), byte * (blockItems + GAP))
      }
      run(0, blockItems + GAP, count, OUTPUT)
      into.set(bytes.subarray(OUTPUT, OUTPUT + count * itemBytes), start * itemBytes)
    }
    into.set(shuffled.subarray(items * itemBytes), items * itemBytes)
  }
}
