/**
 * Runs the WebAssembly kernel of byte order (`assembly/swap-bytes.ts`) over bytes of any length.
 */
import { loadStaged } from './staging.js'
import { SWAP_BYTES_WASM } from './swap-bytes.wasm.js'

/** Reverses the bytes of every item of 2, 4 or 8 bytes, in place. */
export type SwapBytes = (bytes: Uint8Array, itemBytes: number) => void

type Kernel = (at: number, length: number) => void

interface KernelExports {
  readonly swap2: Kernel
  readonly swap4: Kernel
  readonly swap8: Kernel
}

/** Bytes of a block. From 16 to 64 KiB it makes no difference. */
const BLOCK = 32768

/** Returns the kernel, or null where it cannot run. */
export function loadSwapBytesKernel(): SwapBytes | null {
  const staged = loadStaged<KernelExports>(SWAP_BYTES_WASM)
  if (staged === null) return null
  const { kernel, bytes: stage } = staged
  return (bytes, itemBytes) => {
    const run = itemBytes === 2 ? kernel.swap2 : itemBytes === 4 ? kernel.swap4 : kernel.swap8
    for (let start = 0; start < bytes.length; start += BLOCK) {
      const length = Math.min(BLOCK, bytes.length - start)
      stage.set(bytes.subarray(start, start + length))
      run(0, length)
      bytes.set(stage.subarray(0, length), start)
    }
  }
}
