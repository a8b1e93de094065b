import { describe, expect, test } from '@jest/globals'
import { floatToHalf, halfToFloat } from '../../src/kernels/half.js'
import { scaleBias, type ScaleBiasSource } from '../../src/kernels/normalize.js'
import { KERNEL_CHANNELS, loadScaleBiasKernel } from '../../src/kernels/normalize-kernel.js'
import { scaleBiasTwin } from '../../src/kernels/normalize-twin.js'
import { randomBytes } from './random.js'

const DATA = randomBytes(400_000)
const kernel = loadScaleBiasKernel()

const SOURCES: readonly (new (buffer: ArrayBuffer, offset: number, length: number) => ScaleBiasSource)[] = [
  Uint8Array, Uint8ClampedArray, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array
]
const buffer = DATA.buffer as ArrayBuffer
const factors = (channels: number): Float32Array => Float32Array.from({ length: channels }, (_, c) => 1 / (255 + c))
const summands = (channels: number): Float32Array => Float32Array.from({ length: channels }, (_, c) => -0.485 + c / 7)

describe('scaleBias', () => {
  test('multiplies and adds per channel, in float32', () => {
    const into = new Float32Array(6)
    const tenth = Math.fround(0.1)
    scaleBias(Uint8Array.of(0, 1, 2, 253, 254, 255), Float32Array.of(1, 0.1, 2), Float32Array.of(0, 0.5, -1), 3, into)
    expect([...into]).toEqual([0, Math.fround(tenth + 0.5), 3, 253, Math.fround(Math.fround(254 * tenth) + 0.5), 509])
  })

  test('takes one factor and one summand for all channels', () => {
    const into = new Float32Array(4)
    scaleBias(Int16Array.of(-2, 4, 6, 8), 0.5, Float32Array.of(1, -1), 2, into)
    expect([...into]).toEqual([0, 1, 4, 3])
    scaleBias(Float64Array.of(1e300, 1, 2, 3), 2, 1, 4, into)
    expect([...into]).toEqual([Infinity, 3, 5, 7])
  })

  test('writes into its own source', () => {
    const values = Float32Array.from({ length: 40_000 }, (_, i) => i)
    scaleBias(values, 2, 1, 5, values)
    expect(values.every((value, i) => value === 2 * i + 1)).toBe(true)
  })

  test.each([1, 3, 20_000])('reads float16 and bfloat16 bits, with %d channels', channels => {
    const numbers = Float32Array.from({ length: 60_000 }, (_, i) => (i % 512) - 256)
    const [half, brain] = [new Uint16Array(60_000), new Uint16Array(numbers.map(value => value)).fill(0)]
    floatToHalf(numbers, half)
    new Uint32Array(numbers.buffer).forEach((bits, i) => { brain[i] = bits >>> 16 })
    const [expected, exact, into] = [new Float32Array(60_000), new Float32Array(60_000), new Float32Array(60_000)]
    halfToFloat(half, exact)
    expect(exact).toEqual(numbers)
    scaleBiasTwin(numbers, factors(channels), summands(channels), expected)
    scaleBias(half, factors(channels), summands(channels), channels, into, 'float16')
    expect(into).toEqual(expected)
    scaleBias(brain, factors(channels), summands(channels), channels, into.fill(0), 'bfloat16')
    expect(into).toEqual(expected)
  })

  test('refuses lengths that do not fit', () => {
    const into = new Float32Array(6)
    expect(() => scaleBias(new Uint8Array(5), 1, 0, 3, into)).toThrow(RangeError)
    expect(() => scaleBias(new Uint8Array(9), 1, 0, 3, into)).toThrow(RangeError)
    expect(() => scaleBias(new Uint8Array(6), new Float32Array(2), 0, 3, into)).toThrow(RangeError)
    expect(() => scaleBias(new Uint8Array(6), 1, new Float32Array(4), 3, into)).toThrow(RangeError)
    for (const channels of [0, -1, 1.5, NaN]) expect(() => scaleBias(new Uint8Array(6), 1, 0, channels, into)).toThrow(RangeError)
    expect(() => scaleBias(new Uint8Array(6), 1, 0, 3, into, 'float16')).toThrow(TypeError)
  })
})

describe('the kernel of scaleBias', () => {
  function expectTwin(from: ScaleBiasSource, channels: number): void {
    const [into, expected] = [new Float32Array(from.length + 1), new Float32Array(from.length + 1)]
    kernel?.(from, factors(channels), summands(channels), into)
    scaleBiasTwin(from, factors(channels), summands(channels), expected)
    // Compared as numbers: the payload of a NaN is the processor's.
    const differs = into.findIndex((value, i) => !Object.is(value, expected[i]))
    const where = `${from.constructor.name}, ${from.length} values, ${channels} channels`
    if (differs >= 0) throw new Error(`${where}: at ${differs} ${into[differs]}, not ${expected[differs]}`)
  }

  test('runs on this platform', () => {
    expect(kernel).not.toBeNull()
  })

  test.each(SOURCES)('equals the twin for %p at lengths to 200 and any offset', Source => {
    const bytes = Number((Source as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT)
    for (let length = 0; length <= 200; length++) expectTwin(new Source(buffer, bytes * (length % 13), length), 1 + (length % 5))
  })

  const CHANNELS = [1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 32, 33, 100, 784, 8191, KERNEL_CHANNELS]

  test.each(CHANNELS)('equals the twin with %d channels, over several blocks', channels => {
    const length = Math.floor(40_000 / channels) * channels
    expectTwin(DATA.subarray(1, 1 + length), channels)
    expectTwin(new Float32Array(buffer, 4, length), channels)
    expectTwin(new Int16Array(buffer, 2, length), channels)
  })

  test('gives way to the twin when there are more channels than it has room for', () => {
    const channels = KERNEL_CHANNELS + 1
    const [into, expected] = [new Float32Array(2 * channels), new Float32Array(2 * channels)]
    scaleBias(DATA.subarray(0, 2 * channels), factors(channels), summands(channels), channels, into)
    scaleBiasTwin(DATA.subarray(0, 2 * channels), factors(channels), summands(channels), expected)
    expect(into).toEqual(expected)
  })
})
