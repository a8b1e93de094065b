/**
 * `x * scale + bias` per channel: what turns stored pixels and features into the numbers that a model is trained on.
 */
import { bfloat16ToFloat, halfToFloat } from './half.js'
import { scaleBiasTwin } from './normalize-twin.js'

/** What {@link scaleBias} reads. */
export type ScaleBiasSource =
  | Uint8Array | Uint8ClampedArray | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array

/**
 * `into[i] = from[i] * scale[c] + bias[c]`, where `c = i mod channels`: the channel is the last axis.
 *
 * In float32, like NumPy's `from.astype(float32) * scale + bias`: the value is rounded to float32, then the product, then the sum.
 *
 * @param from A whole number of groups of `channels` values.
 * @param scale One factor for all, or one per channel.
 * @param bias One summand for all, or one per channel.
 * @param channels At least 1.
 * @param into At least as long as `from`; may be `from` itself, but may not overlap it in another way.
 * @param bits What a `Uint16Array` holds when it is no integers. @default undefined
 * @throws RangeError when lengths do not fit.
 */
export function scaleBias(
  from: ScaleBiasSource, scale: Float32Array | number, bias: Float32Array | number, channels: number, into: Float32Array,
  bits?: 'float16' | 'bfloat16'
): void {
  if (!Number.isSafeInteger(channels) || channels < 1) throw new RangeError(`scaleBias: channels must be a positive integer, got ${channels}`)
  if (from.length % channels !== 0) throw new RangeError(`scaleBias: ${from.length} values are no whole number of groups of ${channels} channels`)
  if (into.length < from.length) throw new RangeError(`scaleBias: ${from.length} values into room for ${into.length}`)
  const scales = perChannel('scale', scale, channels)
  const biases = perChannel('bias', bias, channels)
  if (bits === undefined) return scaleBiasTwin(from, scales, biases, into)
  const target = into.subarray(0, from.length)
  if (bits === 'float16') halfToFloat(from as Uint16Array, target)
  else bfloat16ToFloat(from as Uint16Array, target)
  scaleBiasTwin(target, scales, biases, target)
}

function perChannel(name: string, values: Float32Array | number, channels: number): Float32Array {
  if (typeof values === 'number') return new Float32Array(channels).fill(values)
  if (values.length !== channels) throw new RangeError(`scaleBias: ${values.length} values of ${name} for ${channels} channels`)
  return values
}
