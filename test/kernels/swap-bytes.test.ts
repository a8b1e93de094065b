import { describe, expect, test } from '@jest/globals'
import { swapBytes } from '../../src/kernels/swap-bytes.js'
import { loadSwapBytesKernel } from '../../src/kernels/swap-bytes-kernel.js'
import { swapBytesTwin } from '../../src/kernels/swap-bytes-twin.js'
import { atOffset, randomBytes } from './random.js'

const DATA = randomBytes(300_000)
const kernel = loadSwapBytesKernel()

const reversed = (bytes: Uint8Array, itemBytes: number): Uint8Array =>
  bytes.map((_, at) => bytes[at - (at % itemBytes) + itemBytes - 1 - (at % itemBytes)]!)

describe('swapBytes', () => {
  test('turns big-endian numbers into little-endian ones', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const view = new DataView(bytes.buffer)
    const [short, int, long] = [view.getUint16(0), view.getUint32(0), view.getBigUint64(0)]
    swapBytes(bytes, 2)
    expect(view.getUint16(0, true)).toBe(short)
    swapBytes(bytes, 2)
    swapBytes(bytes, 4)
    expect(view.getUint32(0, true)).toBe(int)
    swapBytes(bytes, 4)
    swapBytes(bytes, 8)
    expect(view.getBigUint64(0, true)).toBe(long)
    swapBytes(bytes, 1)
    expect(view.getBigUint64(0, true)).toBe(long)
  })

  test.each([2, 4, 8])('reverses every item of %d bytes, at any offset, with and without the kernel', itemBytes => {
    expect(kernel).not.toBeNull()
    const lengths = Array.from({ length: 60 }, (_, items) => items * itemBytes)
    for (const edge of [32768, 65536]) for (const items of [-1, 0, 1]) lengths.push(edge + items * itemBytes)
    for (const length of lengths) {
      for (const offset of [0, 1, 3, 8]) {
        const expected = reversed(DATA.subarray(0, length), itemBytes)
        for (const run of [swapBytes, swapBytesTwin, kernel ?? swapBytesTwin]) {
          const bytes = atOffset(DATA.subarray(0, length), offset)
          run(bytes, itemBytes)
          if (!Buffer.from(expected).equals(bytes)) throw new Error(`length ${length}, offset ${offset}`)
          expect([...new Uint8Array(bytes.buffer).subarray(offset + length)]).toEqual([0, 0, 0])
        }
      }
    }
  })

  test.each([0, 3, 16, -2, 2.5, NaN])('refuses items of %d bytes', itemBytes => {
    expect(() => swapBytes(new Uint8Array(48), itemBytes)).toThrow(RangeError)
  })

  test('refuses bytes that end in the middle of an item', () => {
    expect(() => swapBytes(new Uint8Array(6), 4)).toThrow(RangeError)
  })
})
