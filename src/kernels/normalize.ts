/**
 * `x * scale + bias` per channel: what turns stored pixels and features into the numbers that a model is trained on.
 */
import { bfloat16ToFloat, halfToFloat } from './half.js'
import { KERNEL_CHANNELS, loadScaleBiasKernel, type ScaleBias } from './normalize-kernel.js'
import { scaleBiasTwin, type ScaleBiasSource } from './normalize-twin.js'

export type { ScaleBiasSource } from './normalize-twin.js'

/**
 * `into[i] = from[i] * scale[c] + bias[c]`, where `c = i mod channels`: the channel is the last axis.
 *
 * In float32, like NumPy's `from.astype(float32) * scale + bias`: the value is rounded to float32, then the product, then the
 * sum.
 *
 * @param from A whole number of groups of `channels` values.
 * @param scale One factor for all, or one per channel.
 * @param bias One summand for all, or one per channel.
 * @param channels At least 1.
 * @param into At least as long as `from`; may be `from` itself, but may not overlap it in another way.
 * @param bits What the items of a `Uint16Array` are the bits of. Without it they are integers.
 * @throws RangeError when lengths do not fit; TypeError for `bits` of another array.
 */
export function scaleBias(
  from: ScaleBiasSource, scale: Float32Array | number, bias: Float32Array | number, channels: number, into: Float32Array,
  bits?: 'float16' | 'bfloat16'
): void {
  if (!Number.isSafeInteger(channels) || channels < 1) {
    throw new RangeError(`scaleBias: channels must be a positive integer, got ${channels}`)
  }
  if (from.length % channels !== 0) {
    throw new RangeError(`scaleBias: ${from.length} values are no whole number of groups of ${channels} channels`)
  }
  if (into.length < from.length) throw new RangeError(`scaleBias: ${from.length} values into room for ${into.length}`)
  const scales = perChannel('scale', scale, channels)
  const biases = perChannel('bias', bias, channels)
  if (bits === undefined) return compute(from, scales, biases, into)
  const tag = from[Symbol.toStringTag]
  if (tag !== 'Uint16Array') throw new TypeError(`scaleBias: ${bits} bits come in a Uint16Array, not in a ${tag}`)
  const widen = bits === 'float16' ? halfToFloat : bfloat16ToFloat
  // In blocks that stay in the cache between the two steps.
  const block = Math.ceil(BLOCK / channels) * channels
  for (let start = 0; start < from.length; start += block) {
    const end = Math.min(start + block, from.length)
    const floats = into.subarray(start, end)
    widen(from.subarray(start, end) as Uint16Array, floats)
    compute(floats, scales, biases, floats)
  }
}

function compute(from: ScaleBiasSource, scale: Float32Array, bias: Float32Array, into: Float32Array): void {
  if (from.length < KERNEL_FROM || scale.length > KERNEL_CHANNELS) return scaleBiasTwin(from, scale, bias, into)
  kernel ??= loadScaleBiasKernel() ?? scaleBiasTwin
  kernel(from, scale, bias, into)
}

/** Values of a block. */
const BLOCK = 16384
/** Fewer values than this are computed faster than they are copied into the memory of the kernel (even at 64, measured). */
const KERNEL_FROM = 96

/** The kernel, or the twin where there is none; loaded for the first input that is long enough. */
let kernel: ScaleBias | undefined

function perChannel(name: string, values: Float32Array | number, channels: number): Float32Array {
  if (typeof values === 'number') return new Float32Array(channels).fill(values)
  if (values.length !== channels) throw new RangeError(`scaleBias: ${values.length} values of ${name} for ${channels} channels`)
  return values
}
