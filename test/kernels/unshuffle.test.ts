import { describe, expect, test } from '@jest/globals'
import { shuffle, unshuffle } from '../../src/kernels/unshuffle.js'
import { loadUnshuffleKernel } from '../../src/kernels/unshuffle-kernel.js'
import { shuffleTwin, unshuffleTwin } from '../../src/kernels/unshuffle-twin.js'
import { atOffset, numbers, randomBytes } from './random.js'

const DATA = randomBytes(300_000)
const kernel = loadUnshuffleKernel()

/** The definition: byte k of item i is byte i of plane k. */
function definition(shuffled: Uint8Array, itemBytes: number): Uint8Array {
  const items = Math.floor(shuffled.length / itemBytes)
  const source = (at: number): number => (at < items * itemBytes ? (at % itemBytes) * items + Math.floor(at / itemBytes) : at)
  return shuffled.map((_, at) => shuffled[source(at)]!)
}

describe('unshuffle', () => {
  test('gives items their bytes back, and copies what is left behind the last one', () => {
    const shuffled = Uint8Array.of(1, 4, 7, 2, 5, 8, 3, 6, 9, 10, 11)
    const into = new Uint8Array(11)
    unshuffle(shuffled, 3, into)
    expect([...into]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    shuffle(into, 3, shuffled)
    expect([...shuffled]).toEqual([1, 4, 7, 2, 5, 8, 3, 6, 9, 10, 11])
  })

  test.each([1, 2, 3, 4, 5, 8, 12, 16, 24, 700])('is what HDF5 defines, with items of %d bytes, at lengths to 1100', itemBytes => {
    for (let length = 0; length <= 1100; length += length < 200 ? 1 : 37) {
      const shuffled = DATA.subarray(length % 7, (length % 7) + length)
      const expected = definition(shuffled, itemBytes)
      for (const run of [unshuffle, unshuffleTwin]) {
        const into = new Uint8Array(length)
        run(shuffled, itemBytes, into)
        if (!Buffer.from(expected).equals(into)) throw new Error(`${run.name}, length ${length}`)
      }
    }
  })

  test('undoes shuffle at random lengths and item sizes', () => {
    const random = numbers(88172645)
    for (let i = 0; i < 60; i++) {
      const length = random() % 200_000
      const itemBytes = 1 + (random() % 20)
      const bytes = DATA.subarray(random() % 1000).subarray(0, length)
      const [shuffled, back] = [new Uint8Array(bytes.length), new Uint8Array(bytes.length)]
      shuffle(bytes, itemBytes, shuffled)
      unshuffle(shuffled, itemBytes, back)
      expect(Buffer.compare(back, bytes)).toBe(0)
    }
  })

  test.each([0, -1, 1.5, NaN, Infinity])('refuses items of %d bytes', itemBytes => {
    for (const run of [unshuffle, shuffle]) expect(() => run(new Uint8Array(4), itemBytes, new Uint8Array(4))).toThrow(RangeError)
  })

  test('refuses a target of another length', () => {
    for (const run of [unshuffle, shuffle]) expect(() => run(new Uint8Array(4), 2, new Uint8Array(5))).toThrow(RangeError)
  })
})

describe('the unshuffle kernel', () => {
  test('runs on this platform', () => {
    expect(kernel).not.toBeNull()
  })

  test.each([2, 4, 8, 16])('equals the twin for items of %d bytes, at lengths to 200 and around its blocks', itemBytes => {
    const lengths = Array.from({ length: 201 }, (_, length) => length)
    for (const edge of [32768, 65536, 131072]) for (let off = -70; off <= 70; off += 5) lengths.push(edge + off)
    for (const length of lengths) {
      const shuffled = atOffset(DATA.subarray(0, length), length % 17)
      const [into, expected] = [atOffset(new Uint8Array(length), length % 5), new Uint8Array(length)]
      kernel?.(shuffled, itemBytes, into)
      unshuffleTwin(shuffled, itemBytes, expected)
      if (!Buffer.from(expected).equals(into)) throw new Error(`length ${length}`)
      // What lies behind the target is not touched.
      expect([...new Uint8Array(into.buffer).subarray(into.byteOffset + length)]).toEqual([0, 0, 0])
    }
  })

  test('reads and writes shared memory', () => {
    const [shuffled, into] = [new Uint8Array(new SharedArrayBuffer(70_000)), new Uint8Array(new SharedArrayBuffer(70_000))]
    shuffled.set(DATA.subarray(0, 70_000))
    kernel?.(shuffled, 4, into)
    const back = new Uint8Array(70_000)
    shuffleTwin(into, 4, back)
    expect(Buffer.compare(back, DATA.subarray(0, 70_000))).toBe(0)
  })
})
