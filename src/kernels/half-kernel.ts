/**
 * Runs the WebAssembly kernels of float16 and bfloat16 (`assembly/half.ts`) over arrays of any length.
 */
import { HALF_WASM } from './half.wasm.js'
import { loadStaged } from './staging.js'

/** The conversions, each for a target at least as long as its source. */
export interface HalfKernels {
  halfToFloat(bits: Uint16Array, into: Float32Array): void
  bfloat16ToFloat(bits: Uint16Array, into: Float32Array): void
  floatToHalf(values: Float32Array, into: Uint16Array): void
  floatToBfloat16(values: Float32Array, into: Uint16Array): void
}

type Kernel = (from: number, count: number, to: number) => void

type KernelExports = { readonly [K in keyof HalfKernels]: Kernel }

/** Values of a block: 64 KiB on the wider side. Half or twice of it makes no difference. */
const BLOCK = 16384
const BITS = 0
/** Behind the bits of a block and the few that the kernel touches behind them. */
const FLOATS = 2 * BLOCK + 64

/** Returns the kernels, or null where they cannot run. */
export function loadHalfKernels(): HalfKernels | null {
  const staged = loadStaged<KernelExports>(HALF_WASM)
  if (staged === null) return null
  const { kernel, bytes } = staged
  const stagedBits = new Uint16Array(bytes.buffer, BITS, BLOCK)
  const stagedFloats = new Float32Array(bytes.buffer, FLOATS, BLOCK)

  const widen = (run: Kernel) => (bits: Uint16Array, into: Float32Array): void => {
    for (let start = 0; start < bits.length; start += BLOCK) {
      const count = Math.min(BLOCK, bits.length - start)
      stagedBits.set(bits.subarray(start, start + count))
      run(BITS, count, FLOATS)
      into.set(stagedFloats.subarray(0, count), start)
    }
  }
  const narrow = (run: Kernel) => (values: Float32Array, into: Uint16Array): void => {
    for (let start = 0; start < values.length; start += BLOCK) {
      const count = Math.min(BLOCK, values.length - start)
      stagedFloats.set(values.subarray(start, start + count))
      run(FLOATS, count, BITS)
      into.set(stagedBits.subarray(0, count), start)
    }
  }
  return {
    halfToFloat: widen(kernel.halfToFloat),
    bfloat16ToFloat: widen(kernel.bfloat16ToFloat),
    floatToHalf: narrow(kernel.floatToHalf),
    floatToBfloat16: narrow(kernel.floatToBfloat16)
  }
}
