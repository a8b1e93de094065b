/**
 * float16 (IEEE 754 binary16) and bfloat16 (the upper half of a binary32) in plain TypeScript: the specification, the fallback
 * and the test oracle of the WebAssembly kernel.
 *
 * All conversions round to the nearest value, ties to even, keep subnormals and the sign of zero, and turn NaN into NaN with the
 * upper bits of its payload as far as the number type of the source shows them.
 */

/** Widens float16 bits to float32. Exact. */
export function halfToFloatTwin(bits: Uint16Array, into: Float32Array): void {
  const words = wordsOf(into)
  for (let i = 0; i < bits.length; i++) words[i] = halfToWord(bits[i] as number)
}

/** Widens bfloat16 bits to float32. Exact. */
export function bfloat16ToFloatTwin(bits: Uint16Array, into: Float32Array): void {
  const words = wordsOf(into)
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16
}

/** Rounds float32 to float16. */
export function floatToHalfTwin(values: Float32Array, into: Uint16Array): void {
  const words = wordsOf(values)
  for (let i = 0; i < values.length; i++) into[i] = wordToHalf(words[i] as number)
}

/** Rounds float32 to bfloat16. */
export function floatToBfloat16Twin(values: Float32Array, into: Uint16Array): void {
  const words = wordsOf(values)
  for (let i = 0; i < values.length; i++) into[i] = wordToBfloat16(words[i] as number)
}

/** Rounds numbers to float16, once: not by way of float32. */
export function numbersToHalf(values: ArrayLike<number>, into: Uint16Array): void {
  for (let i = 0; i < values.length; i++) into[i] = wordToHalf(wordOddOf(values[i] as number))
}

/** Rounds numbers to bfloat16 by way of float32, as TensorFlow and ml_dtypes do. */
export function numbersToBfloat16(values: ArrayLike<number>, into: Uint16Array): void {
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i] as number
    into[i] = wordToBfloat16(word[0] as number)
  }
}

/** The bits of the float32 equal to these float16 bits. */
function halfToWord(half: number): number {
  const sign = (half & 0x8000) << 16
  const rest = half & 0x7fff
  if (rest >= 0x7c00) return sign | 0x7f800000 | ((rest & 0x3ff) << 13)
  if (rest >= 0x400) return sign | ((rest << 13) + 0x38000000)
  float[0] = rest * 2 ** -24
  return sign | (word[0] as number)
}

/** The float16 nearest to the float32 of these bits, ties to even. */
function wordToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const rest = bits & 0x7fffffff
  if (rest > 0x7f800000) return sign | 0x7c00 | ((rest >>> 13) & 0x3ff || 0x200)
  if (rest >= 0x477ff000) return sign | 0x7c00 // 65520 and more: infinity
  if (rest >= 0x38800000) return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13)
  if (rest <= 0x33000000) return sign // 2^-25 is a tie, and 0 is even
  const shift = 126 - (rest >>> 23)
  const digits = (rest & 0x7fffff) | 0x800000
  const quotient = digits >>> shift
  const twice = (digits - (quotient << shift)) * 2
  const unit = 1 << shift
  return sign | (quotient + (twice > unit || (twice === unit && (quotient & 1) === 1) ? 1 : 0))
}

/** The bfloat16 nearest to the float32 of these bits, ties to even. */
function wordToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | ((bits & 0x7f0000) === 0 ? 0x40 : 0)
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The bits of a number in float32, rounded to odd: rounding them again, to fewer digits, is as good as rounding the number. */
function wordOddOf(value: number): number {
  float[0] = value
  const near = float[0]
  const bits = word[0] as number
  if (near === value || Number.isNaN(near)) return bits
  return (Math.abs(near) > Math.abs(value) ? bits - 1 : bits) | 1
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

const wordsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length)
