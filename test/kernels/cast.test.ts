import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import type { DataOf } from '../../src/types.js'
import { type CastData, type CastDType, castNumbers, isCastDType } from '../../src/kernels/cast.js'

interface Case {
  readonly from: CastDType
  readonly to: CastDType
  /** Little-endian bytes, as the output. */
  readonly input: string
  readonly output: string
}

/** What NumPy and ml_dtypes give, for every pair of dtypes. */
const CASES = JSON.parse(readFileSync(new URL('../fixtures/kernels/cast.json', import.meta.url), 'utf8')) as Case[]

const ARRAYS = {
  bool: Uint8Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array,
  uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array, float16: Uint16Array, bfloat16: Uint16Array,
  float32: Float32Array, float64: Float64Array
}

function dataOf(dtype: CastDType, hex: string): CastData[CastDType] {
  return new ARRAYS[dtype](Uint8Array.from(Buffer.from(hex, 'hex')).buffer)
}

const hexOf = (data: CastData[CastDType]): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')

const float64 = (...values: number[]): Float64Array => Float64Array.from(values)

describe('castNumbers', () => {
  test('knows every pair of dtypes that the fixture has, which is all of them', () => {
    expect(CASES.length).toBe(13 * 12)
    expect(CASES.every(({ from, to }) => isCastDType(from) && isCastDType(to))).toBe(true)
  })

  test.each(CASES)('gives what NumPy gives for $from → $to', ({ from, to, input, output }) => {
    const result = castNumbers(dataOf(from, input), from, to)
    expect(result.constructor.name).toBe(ARRAYS[to].name)
    expect(hexOf(result)).toBe(output)
    // The same for a view in the middle of a buffer, and over the length of a block.
    const times = Math.ceil(5000 / result.length)
    const long = castNumbers(dataOf(from, input.repeat(times)).subarray(3), from, to)
    expect(hexOf(long) === output.repeat(times).slice(2 * 3 * ARRAYS[to].BYTES_PER_ELEMENT)).toBe(true)
  })

  test('takes floating point beyond the range of an integer for the nearest end of it, and NaN for 0', () => {
    const values = float64(-Infinity, -1e300, -1e19, -129, 256, 4e9, 5e9, 1e300, Infinity, NaN, -0.9)
    expect([...castNumbers(values, 'float64', 'uint8')]).toEqual([0, 0, 0, 0, 255, 255, 255, 255, 255, 0, 0])
    expect([...castNumbers(values, 'float64', 'int8')]).toEqual([-128, -128, -128, -128, 127, 127, 127, 127, 127, 0, 0])
    expect([...castNumbers(values, 'float64', 'int32')].slice(5)).toEqual([2147483647, 2147483647, 2147483647, 2147483647, 0, 0])
    expect([...castNumbers(values, 'float64', 'uint32')].slice(5)).toEqual([4e9, 4294967295, 4294967295, 4294967295, 0, 0])
    const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n]
    const middle = [256n, 4000000000n, 5000000000n]
    expect([...castNumbers(values, 'float64', 'int64')]).toEqual([least, least, least, -129n, ...middle, most, most, 0n, 0n])
    const end = 2n ** 64n - 1n
    expect([...castNumbers(values, 'float64', 'uint64')]).toEqual([0n, 0n, 0n, 0n, ...middle, end, end, 0n, 0n])
    expect([...castNumbers(Uint16Array.of(0x7c00, 0xfc00, 0x7e00), 'float16', 'int16')]).toEqual([32767, -32768, 0])
    expect([...castNumbers(Uint16Array.of(0x7f80, 0xff80, 0x7fc0), 'bfloat16', 'int64')]).toEqual([most, least, 0n])
  })

  test('takes NaN for true, and keeps it among floating point', () => {
    expect([...castNumbers(float64(NaN, 0, -0, 1e-320), 'float64', 'bool')]).toEqual([1, 0, 0, 1])
    expect([...castNumbers(Uint16Array.of(0x7e00, 0x8000, 1), 'float16', 'bool')]).toEqual([1, 0, 1])
    for (const to of ['float16', 'bfloat16', 'float32'] as const) {
      expect([...castNumbers(castNumbers(float64(NaN), 'float64', to), to, 'float64')]).toEqual([NaN])
    }
  })

  test('returns data of the same dtype as they are, and new data for another one', () => {
    const data = Uint8Array.of(0, 1, 1)
    expect(castNumbers(data, 'uint8', 'uint8')).toBe(data)
    const bools = castNumbers(data, 'uint8', 'bool')
    expect(bools).not.toBe(data)
    expect([...bools]).toEqual([0, 1, 1])
    expect(castNumbers(new Float32Array(0), 'float32', 'int64').length).toBe(0)
  })

  test('refuses strings and complex numbers', () => {
    for (const dtype of ['string', 'complex64', 'nonsense', undefined]) {
      expect(isCastDType(dtype)).toBe(false)
      expect(() => castNumbers(new Float32Array(2), dtype as CastDType, 'float32')).toThrow(TypeError)
      expect(() => castNumbers(new Float32Array(2), 'float32', dtype as CastDType)).toThrow(TypeError)
    }
  })

  test('holds its numbers in the arrays of the library', () => {
    // Fails to compile when the two tables differ.
    const same: CastData = {} as Omit<DataOf, 'string' | 'complex64' | 'complex128'>
    const back: Omit<DataOf, 'string' | 'complex64' | 'complex128'> = same
    expect(back).toEqual({})
  })
})
