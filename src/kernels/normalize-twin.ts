/**
 * `x * scale + bias` per channel in plain TypeScript: the specification, the fallback and the test oracle of the WebAssembly kernel.
 */

/**
 * `into[i] = from[i] * scale[i mod channels] + bias[i mod channels]`, in float32: the value is rounded to float32, then the product,
 * then the sum. Arguments are the caller's to check.
 */
export function scaleBiasTwin(from: ArrayLike<number>, scale: Float32Array, bias: Float32Array, into: Float32Array): void {
  const channels = scale.length
  // Math.fround of a double product or sum of float32 values is what float32 arithmetic gives: 53 bits are more than 2 * 24 + 2.
  for (let start = 0; start < from.length; start += channels) {
    const end = Math.min(channels, from.length - start)
    for (let c = 0; c < end; c++) {
      into[start + c] = Math.fround(Math.fround(from[start + c] as number) * (scale[c] as number)) + (bias[c] as number)
    }
  }
}
