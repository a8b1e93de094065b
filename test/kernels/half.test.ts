import { describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from '../../src/kernels/half.js'
import { loadHalfKernels } from '../../src/kernels/half-kernel.js'
import * as twins from '../../src/kernels/half-twin.js'
import { randomBytes } from './random.js'

/** SHA-256 of what NumPy and ml_dtypes give; see make.py for what is hashed. */
const GOLDEN = JSON.parse(readFileSync(new URL('../fixtures/kernels/half.json', import.meta.url), 'utf8')) as Record<string, string>

const EVERY = Uint16Array.from({ length: 65536 }, (_, bits) => bits)
const kernels = loadHalfKernels()

const sha256 = (data: Uint32Array | Uint16Array): string =>
  createHash('sha256').update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).digest('hex')

function digestOfFloats(floats: Float32Array): string {
  return sha256(new Uint32Array(floats.buffer).map((bits, i) => (Number.isNaN(floats[i]) ? 0x7fc00000 : bits)))
}

function floatsOf(widen: typeof halfToFloat): Float32Array {
  const floats = new Float32Array(65536)
  widen(EVERY, floats)
  return floats
}

/** Halfway between neighbours, a bit (`step`) less, that, a bit more; both signs: as in make.py. */
function midpoints(widen: typeof halfToFloat, last: number, step: number): Float64Array {
  const steps = Float64Array.from(floatsOf(widen).subarray(0, last + 2))
  steps[last + 1] = 2 * steps[last]! - steps[last - 1]!
  const middle = Float64Array.from({ length: last + 1 }, (_, i) => (steps[i]! + steps[i + 1]!) / 2)
  const around = [1 - step, 1, 1 + step].flatMap(factor => [...middle.map(value => value * factor)])
  return Float64Array.from([...around, ...around.map(value => -value)])
}

function rounded(round: typeof floatToHalf, values: ArrayLike<number>): Uint16Array {
  const into = new Uint16Array(values.length)
  round(values, into)
  return into
}

describe('float16 and bfloat16', () => {
  test('widen to float32 as NumPy and ml_dtypes do it, all 65536 values', () => {
    expect(digestOfFloats(floatsOf(halfToFloat))).toBe(GOLDEN['float16 to float32'])
    expect(digestOfFloats(floatsOf(twins.halfToFloatTwin))).toBe(GOLDEN['float16 to float32'])
    expect(digestOfFloats(floatsOf(bfloat16ToFloat))).toBe(GOLDEN['bfloat16 to float32'])
    expect(digestOfFloats(floatsOf(twins.bfloat16ToFloatTwin))).toBe(GOLDEN['bfloat16 to float32'])
  })

  test('are rounded to as NumPy and ml_dtypes do it, around every tie between neighbours', () => {
    const [half, brain] = [midpoints(halfToFloat, 0x7bff, 2 ** -52), midpoints(bfloat16ToFloat, 0x7f7f, 2 ** -52)]
    expect(sha256(rounded(floatToHalf, half))).toBe(GOLDEN['float64 to float16'])
    expect(sha256(rounded(floatToBfloat16, brain))).toBe(GOLDEN['float64 to bfloat16'])
    const half32 = Float32Array.from(midpoints(halfToFloat, 0x7bff, 2 ** -23))
    const brain32 = Float32Array.from(midpoints(bfloat16ToFloat, 0x7f7f, 2 ** -23))
    expect(sha256(rounded(floatToHalf, half32))).toBe(GOLDEN['float32 to float16'])
    expect(sha256(rounded(floatToBfloat16, brain32))).toBe(GOLDEN['float32 to bfloat16'])
    expect(sha256(rounded(twins.floatToHalfTwin as typeof floatToHalf, half32))).toBe(GOLDEN['float32 to float16'])
    expect(sha256(rounded(twins.floatToBfloat16Twin as typeof floatToHalf, brain32))).toBe(GOLDEN['float32 to bfloat16'])
  })

  test('come back with all their bits, NaN too, from float32', () => {
    expect(rounded(floatToHalf, floatsOf(halfToFloat))).toEqual(EVERY)
    expect(rounded(floatToBfloat16, floatsOf(bfloat16ToFloat))).toEqual(EVERY)
  })

  test('are what Float16Array holds, where the platform has it', () => {
    const { Float16Array } = globalThis as { Float16Array?: new (buffer: ArrayBufferLike) => ArrayLike<number> }
    // Known values stand in for it where it is missing.
    const native = Float16Array === undefined ? undefined : new Float16Array(EVERY.buffer)
    const floats = floatsOf(halfToFloat)
    const known = [[0x3c00, 1], [0xc000, -2], [1, 2 ** -24], [0x7bff, 65504], [0xfc00, -Infinity]]
    const expected = native === undefined ? known : [...EVERY].map(bits => [bits, native[bits]])
    for (const [bits, value] of expected) {
      if (!Object.is(floats[bits!], value)) throw new Error(`${bits}: ${floats[bits!]}, not ${value}`)
    }
  })

  test('round numbers of JavaScript once, keep the sign of zero, and turn NaN into NaN', () => {
    expect([...rounded(floatToHalf, [1 + 2 ** -11 + 2 ** -40, 65519.99, 65520, -1e300, -0, 2 ** -25, 2 ** -25 + 2 ** -60, NaN])])
      .toEqual([0x3c01, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0, 1, 0x7e00])
    expect([...rounded(floatToBfloat16, [1, -2, 3.4e38, -1e300, -0, NaN])])
      .toEqual([0x3f80, 0xc000, 0x7f80, 0xff80, 0x8000, 0x7fc0])
  })

  test('do not fit in less room than they need', () => {
    const [bits, floats] = [new Uint16Array(3), new Float32Array(2)]
    for (const run of [halfToFloat, bfloat16ToFloat]) expect(() => run(bits, floats)).toThrow(RangeError)
    for (const run of [floatToHalf, floatToBfloat16]) expect(() => run([1, 2, 3, 4], bits)).toThrow(RangeError)
  })
})

describe('the kernels of float16 and bfloat16', () => {
  const BITS = new Uint16Array(randomBytes(160_000).buffer)
  const FLOATS = new Float32Array(randomBytes(160_000).buffer)
  const lengths = [...Array.from({ length: 201 }, (_, length) => length), 16383, 16384, 16385, 16391, 32768, 39_000]

  test('run on this platform', () => {
    expect(kernels).not.toBeNull()
  })

  test.each(['halfToFloat', 'bfloat16ToFloat'] as const)('%s equals its twin to the last bit, at any length', name => {
    for (const length of lengths) {
      const bits = BITS.subarray(length % 5, (length % 5) + length)
      const [into, expected] = [new Float32Array(length + 1), new Float32Array(length + 1)]
      kernels?.[name](bits, into)
      twins[`${name}Twin`](bits, expected)
      if (!Buffer.from(expected.buffer).equals(Buffer.from(into.buffer))) throw new Error(`length ${length}`)
    }
  })

  test.each(['floatToHalf', 'floatToBfloat16'] as const)('%s equals its twin to the last bit, on all kinds of numbers', name => {
    const special = new Uint32Array(4 * 65536).map((_, i) => (i >>> 2) * 65536 + [0, 1, 0x7fff, 0x8000][i & 3]!)
    const inputs = lengths.map(length => FLOATS.subarray(length % 5, (length % 5) + length))
    inputs.push(new Float32Array(special.buffer))
    for (const values of inputs) {
      const [into, expected] = [new Uint16Array(values.length + 1), new Uint16Array(values.length + 1)]
      kernels?.[name](values, into)
      twins[`${name}Twin`](values, expected)
      if (!Buffer.from(expected.buffer).equals(Buffer.from(into.buffer))) throw new Error(`length ${values.length}`)
    }
  })
})
