/**
 * `x * scale + bias` per channel in plain TypeScript: the specification, the fallback and the test oracle of the WebAssembly
 * kernel.
 */

/** What can be normalised. */
export type ScaleBiasSource =
  | Uint8Array | Uint8ClampedArray | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array

/**
 * `into[i] = from[i] * scale[i mod channels] + bias[i mod channels]`, in float32: the value is rounded to float32, then the
 * product, then the sum. Arguments are the caller's to check.
 */
export function scaleBiasTwin(from: ScaleBiasSource, scale: Float32Array, bias: Float32Array, into: Float32Array): void {
  const channels = scale.length
  let channel = 0
  for (let i = 0; i < from.length; i++) {
    // Math.fround of a product or sum of float32 values is what float32 arithmetic gives: 53 bits are more than 2 * 24 + 2.
    const product = Math.fround(Math.fround(from[i] as number) * (scale[channel] as number))
    into[i] = product + (bias[channel] as number)
    channel = channel + 1 === channels ? 0 : channel + 1
  }
}
