/**
 * Runs the WebAssembly kernel of CRC-32C (`assembly/crc32c.ts`) over bytes of any length.
 */
import { CRC32C_WASM } from './crc32c.wasm.js'
import { instantiate } from './instantiate.js'

/** Moves a register (not inverted, signed; -1 at the start of a message) over `bytes[start, end)`, which lies in `bytes`. */
export type Crc32cUpdate = (register: number, bytes: Uint8Array, start: number, end: number) => number

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly windowStart: { readonly value: number }
  readonly windowBytes: { readonly value: number }
  update(register: number, length: number): number
}

/**
 * Compiles the kernel (2 ms the first time) and returns it, or null where there is no WebAssembly, no SIMD in it, or no permission
 * to compile it (a content security policy without `'wasm-unsafe-eval'`).
 *
 * It owns 192 KiB of memory. Bytes are copied there by windows of 128 KiB, which stay in the second-level cache: the copy costs
 * about a third of the whole. Browsers compile synchronously only what is small, and the module has 1.8 KB.
 */
export function loadCrc32cKernel(): Crc32cUpdate | null {
  const kernel = instantiate<KernelExports>(CRC32C_WASM)
  if (kernel === null) return null
  const windowBytes = kernel.windowBytes.value
  const window = new Uint8Array(kernel.memory.buffer, kernel.windowStart.value, windowBytes)
  return (register, bytes, start, end) => {
    let crc = register
    for (let from = start; from < end; from += windowBytes) {
      const to = Math.min(from + windowBytes, end)
      window.set(bytes.subarray(from, to))
      crc = kernel.update(crc, to - from)
    }
    return crc
  }
}
