/**
 * Runs the WebAssembly kernel of `x * scale + bias` (`assembly/normalize.ts`) over arrays of any length.
 */
import { NORMALIZE_WASM } from './normalize.wasm.js'
import type { ScaleBiasSource } from './normalize-twin.js'
import { loadStaged } from './staging.js'

/** `into[i] = from[i] * scale[c] + bias[c]` with `c = i mod scale.length`, for at most {@link KERNEL_CHANNELS} channels. */
export type ScaleBias = (from: ScaleBiasSource, scale: Float32Array, bias: Float32Array, into: Float32Array) => void

interface KernelExports {
  scaleBiasBytes(from: number, count: number, scale: number, bias: number, channels: number, step: number, to: number): void
  scaleBiasFloats(at: number, count: number, scale: number, bias: number, channels: number, step: number): void
}

/** For more channels there is no room on the stage. */
export const KERNEL_CHANNELS = 8192

/** Values of a block: 64 KiB of float32. Fewer are slower, more no faster (measured from 1024 to 32768). */
const BLOCK = 16384
/** Values that the kernel takes at a time. */
const GROUP = 16

const BYTES = 0
const FLOATS = BYTES + BLOCK + GROUP
const SCALES = FLOATS + 4 * (BLOCK + GROUP)
const BIASES = SCALES + 4 * (KERNEL_CHANNELS + GROUP)

/** Returns the kernel, or null where it cannot run. */
export function loadScaleBiasKernel(): ScaleBias | null {
  const staged = loadStaged<KernelExports>(NORMALIZE_WASM)
  if (staged === null) return null
  const { kernel, bytes } = staged
  const floats = new Float32Array(bytes.buffer, FLOATS, BLOCK)
  const scales = new Float32Array(bytes.buffer, SCALES, KERNEL_CHANNELS + GROUP)
  const biases = new Float32Array(bytes.buffer, BIASES, KERNEL_CHANNELS + GROUP)

  return (from, scale, bias, into) => {
    const channels = scale.length
    comeRound(scale, scales)
    comeRound(bias, biases)
    const step = GROUP % channels // GROUP itself when there are more channels
    // Whole groups of channels, so that every block begins with the first one.
    const block = BLOCK - (BLOCK % channels)
    const unsigned = isBytes(from)
    for (let start = 0; start < from.length; start += block) {
      const count = Math.min(block, from.length - start)
      const values = from.subarray(start, start + count)
      if (unsigned) {
        bytes.set(values, BYTES)
        kernel.scaleBiasBytes(BYTES, count, SCALES, BIASES, channels, step, FLOATS)
      } else {
        floats.set(values) // rounds to float32
        kernel.scaleBiasFloats(FLOATS, count, SCALES, BIASES, channels, step)
      }
      into.set(floats.subarray(0, count), start)
    }
  }
}

/** Writes the values, and goes on from the first one again until there are 15 more. */
function comeRound(values: Float32Array, table: Float32Array): void {
  table.set(values)
  for (let i = values.length; i < values.length + GROUP - 1; i++) table[i] = table[i - values.length] as number
}

function isBytes(values: ScaleBiasSource): boolean {
  const tag = values[Symbol.toStringTag]
  return tag === 'Uint8Array' || tag === 'Uint8ClampedArray'
}
