/**
 * Numbers of one dtype to numbers of another, as NumPy's `astype` and TensorFlow's `cast` do it where the two define it.
 *
 * | from → to | result |
 * |---|---|
 * | integer → integer | modulo 2^bits of the target: 300 → uint8 44, -1 → uint64 2^64 - 1 |
 * | integer → floating point | the nearest value, ties to even (bfloat16 by way of float32) |
 * | floating point → integer | the fraction is cut off; beyond the range the nearest end of it; NaN → 0 |
 * | float64 → float32, float16 | the nearest value, ties to even, rounded once; too large is infinity |
 * | float64 → bfloat16 | by way of float32 |
 * | float16, bfloat16 → wider | exact |
 * | anything → bool | false for 0 and -0, else true; NaN is true |
 * | bool → anything | 0 and 1 |
 *
 * Floating point beyond the range of an integer is undefined in C, hence in NumPy and TensorFlow, which give what the processor
 * gives. Here it is the same everywhere, and the same as XLA, Rust and WebAssembly have it.
 */
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from './half.js'

/** The array that holds the values of each dtype that can be cast: all but strings and complex numbers. */
export interface CastData {
  bool: Uint8Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  float16: Uint16Array
  bfloat16: Uint16Array
  float32: Float32Array
  float64: Float64Array
}

/** The name of a dtype that can be cast. */
export type CastDType = keyof CastData

/** Arrays whose items are plain numbers, each worth what it says. */
type PlainArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array
type WideArray = BigInt64Array | BigUint64Array

/** True for the name of a dtype that {@link castNumbers} takes. */
export function isCastDType(name: unknown): name is CastDType {
  return typeof name === 'string' && Object.hasOwn(MAKE, name)
}

/**
 * Casts numbers to another dtype; the head of this file says how.
 *
 * @param from Data of `fromDtype`; bool data are 0 and 1.
 * @returns New data of the same length; `from` itself when the dtypes are the same.
 * @throws TypeError for a dtype that cannot be cast (strings, complex numbers).
 */
export function castNumbers<D extends CastDType>(from: CastData[CastDType], fromDtype: CastDType, toDtype: D): CastData[D] {
  for (const dtype of [fromDtype, toDtype]) {
    if (!isCastDType(dtype)) throw new TypeError(`castNumbers: cannot cast ${String(dtype)}`)
  }
  // The caller vouches that data and dtype belong together: one cast here, and one for each kind of array below.
  if (fromDtype === toDtype) return from as CastData[D]
  const into: CastData[CastDType] = MAKE[toDtype](from.length)
  if (isHalf(fromDtype)) fromHalf(from as Uint16Array, fromDtype, into, toDtype)
  else if (isWide(fromDtype)) fromWide(from as WideArray, fromDtype, into, toDtype)
  else fromPlain(from as PlainArray, fromDtype, into, toDtype)
  return into as CastData[D]
}

const MAKE: { readonly [D in CastDType]: (length: number) => CastData[D] } = {
  bool: n => new Uint8Array(n),
  int8: n => new Int8Array(n),
  uint8: n => new Uint8Array(n),
  int16: n => new Int16Array(n),
  uint16: n => new Uint16Array(n),
  int32: n => new Int32Array(n),
  uint32: n => new Uint32Array(n),
  int64: n => new BigInt64Array(n),
  uint64: n => new BigUint64Array(n),
  float16: n => new Uint16Array(n),
  bfloat16: n => new Uint16Array(n),
  float32: n => new Float32Array(n),
  float64: n => new Float64Array(n)
}

/** The least and the greatest value of the integers that plain arrays hold. */
const RANGES: { readonly [D in CastDType]?: readonly [least: number, greatest: number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295]
}

const isHalf = (dtype: CastDType): dtype is 'float16' | 'bfloat16' => dtype === 'float16' || dtype === 'bfloat16'
const isWide = (dtype: CastDType): dtype is 'int64' | 'uint64' => dtype === 'int64' || dtype === 'uint64'
const isFloat = (dtype: CastDType): boolean => dtype === 'float32' || dtype === 'float64'

function fromPlain(from: PlainArray, fromDtype: CastDType, into: CastData[CastDType], toDtype: CastDType): void {
  if (toDtype === 'bool') return toBool(from, into as Uint8Array)
  if (isHalf(toDtype)) return toHalf(from, fromDtype, into as Uint16Array, toDtype)
  if (isWide(toDtype)) {
    return isFloat(fromDtype) ? floatToWide(from, into as WideArray, toDtype) : integerToWide(from, into as WideArray)
  }
  const range = RANGES[toDtype]
  if (range === undefined || !isFloat(fromDtype)) (into as PlainArray).set(from)
  else floatToInteger(from, into as PlainArray, range[0], range[1])
}

function toBool(from: PlainArray, into: Uint8Array): void {
  for (let i = 0; i < from.length; i++) into[i] = from[i] === 0 ? 0 : 1
}

function floatToInteger(from: PlainArray, into: PlainArray, least: number, greatest: number): void {
  // What is stored is cut off towards zero, and NaN becomes 0: ECMAScript's ToInt32, of a value in range.
  for (let i = 0; i < from.length; i++) {
    const value = from[i] as number
    into[i] = value < least ? least : value > greatest ? greatest : value
  }
}

function toHalf(from: PlainArray, fromDtype: CastDType, into: Uint16Array, toDtype: 'float16' | 'bfloat16'): void {
  const round = toDtype === 'float16' ? floatToHalf : floatToBfloat16
  if (isFloat(fromDtype)) return round(from, into)
  // Integers by way of float32. For float16 that rounds once all the same: what float32 has to round is infinite.
  inBlocks(from.length, (start, end, floats) => {
    floats.set(from.subarray(start, end))
    round(floats, into.subarray(start, end))
  })
}

function fromHalf(from: Uint16Array, fromDtype: 'float16' | 'bfloat16', into: CastData[CastDType], toDtype: CastDType): void {
  const widen = fromDtype === 'float16' ? halfToFloat : bfloat16ToFloat
  if (toDtype === 'float32') return widen(from, into as Float32Array)
  inBlocks(from.length, (start, end, floats) => {
    widen(from.subarray(start, end), floats)
    fromPlain(floats, 'float32', into.subarray(start, end), toDtype)
  })
}

function fromWide(from: WideArray, fromDtype: 'int64' | 'uint64', into: CastData[CastDType], toDtype: CastDType): void {
  const halves = halvesOf(from)
  if (toDtype === 'bool') return wideToBool(halves, into as Uint8Array)
  if (isWide(toDtype)) return halvesOf(into as WideArray).set(halves)
  if (toDtype === 'float64') return wideToDouble(halves, fromDtype, into as Float64Array)
  if (toDtype === 'float32') return wideToFloat(halves, fromDtype, into as Float32Array)
  if (!isHalf(toDtype)) return wideToInteger(halves, into as PlainArray)
  const round = toDtype === 'float16' ? floatToHalf : floatToBfloat16
  inBlocks(from.length, (start, end, floats) => {
    wideToFloat(halves.subarray(2 * start, 2 * end), fromDtype, floats)
    round(floats, (into as Uint16Array).subarray(start, end))
  })
}

/** Which of the two int32 of an int64 is the lower one: that depends on the byte order of the machine. */
const LOW = new Int32Array(BigInt64Array.of(1n).buffer)[0] === 1 ? 0 : 1
const HIGH = 1 - LOW
const TWO_32 = 2 ** 32

const halvesOf = (wide: WideArray): Int32Array => new Int32Array(wide.buffer, wide.byteOffset, 2 * wide.length)

function wideToBool(halves: Int32Array, into: Uint8Array): void {
  for (let i = 0; i < into.length; i++) into[i] = ((halves[2 * i] as number) | (halves[2 * i + 1] as number)) === 0 ? 0 : 1
}

function wideToInteger(halves: Int32Array, into: PlainArray): void {
  for (let i = 0; i < into.length; i++) into[i] = halves[2 * i + LOW] as number
}

function wideToDouble(halves: Int32Array, dtype: 'int64' | 'uint64', into: Float64Array): void {
  const wrap = dtype === 'int64' ? 0 : TWO_32
  for (let i = 0; i < into.length; i++) {
    const high = halves[2 * i + HIGH] as number
    into[i] = (high < 0 ? high + wrap : high) * TWO_32 + ((halves[2 * i + LOW] as number) >>> 0)
  }
}

/**
 * A float64 cannot hold all 64 bits, and rounding twice is not rounding once. Hence, from 2^53 on, the lower 11 bits are cut off
 * and the bit above them is set if they were not all zero ("round to odd"): that fits in a float64, and rounds to float32 as the
 * whole does.
 */
function wideToFloat(halves: Int32Array, dtype: 'int64' | 'uint64', into: Float32Array): void {
  const wrap = dtype === 'int64' ? 0 : TWO_32
  for (let i = 0; i < into.length; i++) {
    const signed = halves[2 * i + HIGH] as number
    const high = signed < 0 ? signed + wrap : signed
    const low = halves[2 * i + LOW] as number
    const odd = high < 0x200000 && high >= -0x200000 ? low : (low & ~0x7ff) | ((low & 0x7ff) === 0 ? 0 : 0x800)
    into[i] = high * TWO_32 + (odd >>> 0)
  }
}

function integerToWide(from: PlainArray, into: WideArray): void {
  const halves = halvesOf(into)
  for (let i = 0; i < from.length; i++) {
    const value = from[i] as number
    halves[2 * i + LOW] = value
    halves[2 * i + HIGH] = value < 0 ? -1 : 0
  }
}

function floatToWide(from: PlainArray, into: WideArray, dtype: 'int64' | 'uint64'): void {
  const halves = halvesOf(into)
  const least = dtype === 'int64' ? -(2 ** 63) : 0
  const above = dtype === 'int64' ? 2 ** 63 : 2 ** 64
  const greatest = dtype === 'int64' ? 0x7fffffff : -1 // its upper half; all bits of the lower one are set
  for (let i = 0; i < from.length; i++) {
    const value = from[i] as number
    if (value >= above) {
      halves[2 * i + LOW] = -1
      halves[2 * i + HIGH] = greatest
    } else {
      const whole = value > least ? Math.trunc(value) : value <= least ? least : 0 // 0 for NaN
      const high = Math.floor(whole / TWO_32)
      halves[2 * i + LOW] = whole - high * TWO_32
      halves[2 * i + HIGH] = high
    }
  }
}

/** Runs a step for blocks of values that stay in the first-level cache, each with a float32 for every value. */
function inBlocks(length: number, step: (start: number, end: number, floats: Float32Array) => void): void {
  const floats = new Float32Array(Math.min(length, BLOCK))
  for (let start = 0; start < length; start += BLOCK) {
    const end = Math.min(start + BLOCK, length)
    step(start, end, floats.subarray(0, end - start))
  }
}

const BLOCK = 2048
