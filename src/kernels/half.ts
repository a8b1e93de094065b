/**
 * float16 and bfloat16 to and from the numbers of JavaScript.
 */
import { type HalfKernels, loadHalfKernels } from './half-kernel.js'
import {
  bfloat16ToFloatTwin, floatToBfloat16Twin, floatToHalfTwin, halfToFloatTwin, numbersToBfloat16, numbersToHalf
} from './half-twin.js'

/**
 * Widens float16 bits (IEEE 754 binary16) to float32, exactly: subnormals, infinities, the sign of zero and NaN too.
 *
 * @param into At least as long as `bits`.
 * @throws RangeError when `into` is too short.
 */
export function halfToFloat(bits: Uint16Array, into: Float32Array): void {
  checkRoom('halfToFloat', bits, into)
  kernelsFor(bits.length).halfToFloat(bits, into)
}

/**
 * Rounds numbers to float16 bits: to nearest, ties to even, 65520 and more to infinity; subnormals, the sign of zero and NaN are
 * kept. A number that is no float32 is rounded once, as NumPy does it.
 *
 * @param into At least as long as `values`.
 * @throws RangeError when `into` is too short.
 */
export function floatToHalf(values: ArrayLike<number>, into: Uint16Array): void {
  checkRoom('floatToHalf', values, into)
  if (isFloat32Array(values)) kernelsFor(values.length).floatToHalf(values, into)
  else numbersToHalf(values, into)
}

/**
 * Widens bfloat16 bits (the upper half of a float32) to float32, exactly.
 *
 * @param into At least as long as `bits`.
 * @throws RangeError when `into` is too short.
 */
export function bfloat16ToFloat(bits: Uint16Array, into: Float32Array): void {
  checkRoom('bfloat16ToFloat', bits, into)
  kernelsFor(bits.length).bfloat16ToFloat(bits, into)
}

/**
 * Rounds numbers to bfloat16 bits: to nearest, ties to even; NaN stays NaN. A number that is no float32 is rounded to one first,
 * as TensorFlow does it.
 *
 * @param into At least as long as `values`.
 * @throws RangeError when `into` is too short.
 */
export function floatToBfloat16(values: ArrayLike<number>, into: Uint16Array): void {
  checkRoom('floatToBfloat16', values, into)
  if (isFloat32Array(values)) kernelsFor(values.length).floatToBfloat16(values, into)
  else numbersToBfloat16(values, into)
}

function checkRoom(where: string, from: ArrayLike<number>, into: ArrayLike<number>): void {
  if (into.length < from.length) throw new RangeError(`${where}: ${from.length} values into room for ${into.length}`)
}

function isFloat32Array(values: ArrayLike<number>): values is Float32Array {
  return (values as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Float32Array'
}

const TWINS: HalfKernels = {
  halfToFloat: halfToFloatTwin,
  bfloat16ToFloat: bfloat16ToFloatTwin,
  floatToHalf: floatToHalfTwin,
  floatToBfloat16: floatToBfloat16Twin
}

function kernelsFor(length: number): HalfKernels {
  if (length < KERNEL_FROM) return TWINS
  return (kernels ??= loadHalfKernels() ?? TWINS)
}

/** Fewer values are converted faster than they are copied into the memory of the kernel (even at 32 to 64, measured). */
const KERNEL_FROM = 96

/** The kernels, or the twins where there are none; loaded for the first input that is long enough. */
let kernels: HalfKernels | undefined
