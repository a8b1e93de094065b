import { describe, expect, test } from '@jest/globals'
import { isMillraceError } from '../../src/errors.js'
import { equal } from '../../src/array/equal.js'
import { ndarrayFault } from '../../src/array/ndarray.js'
import { encodeTensor, parseTensor } from '../../src/transforms.js'
import type { NdArray } from '../../src/types.js'
import { bytesOf, fixture, golden, type GoldenArray } from './support.js'

const FACTOR = Number(process.env['MILLRACE_FUZZ'] ?? 1)
const MAX_BYTES = 2 ** 16
const { parseTensor: tensors } = fixture<{ readonly parseTensor: readonly { readonly bytes: string; readonly how: string; readonly expected: GoldenArray }[] }>('expected.json')
const parse = parseTensor({ maxBytes: MAX_BYTES })

/** A valid array of no more than `MAX_BYTES`, or one of these errors with an offset in the bytes. */
function outcome(bytes: Uint8Array): 'read' | 'refused' {
  let array: NdArray
  try {
    array = parse(bytes)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    if (!['Corrupt', 'Unsupported', 'Limit'].includes(error.kind)) throw error
    if (error.offset !== undefined && !(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`offset ${error.offset} of ${bytes.length}`, { cause: error })
    return 'refused'
  }
  const fault = ndarrayFault(array)
  if (fault !== undefined) throw new Error(fault)
  if (ArrayBuffer.isView(array.data) && array.data.byteLength > MAX_BYTES) throw new Error('too large')
  return 'read'
}

describe('parseTensor', () => {
  test('reads numbers as views where they are aligned', () => {
    const bytes = encodeTensor(Float64Array.of(1, 2))
    const content = bytes.length - 16
    for (let shift = 0; shift < 8; shift++) {
      const room = new Uint8Array(bytes.length + shift)
      room.set(bytes, shift)
      const { data } = parse(room.subarray(shift)) as NdArray<'float64'>
      expect(data).toEqual(Float64Array.of(1, 2))
      expect(data.buffer === room.buffer).toBe((content + shift) % 8 === 0)
    }
  })

  test('takes fields in any order, in pieces, packed or not, and passes over unknown ones', () => {
    // int_val 1 packed, an unknown field, dtype int32, int_val 2 alone, dim 3, int_val 3 packed.
    expect(parse(Uint8Array.of(0x3a, 1, 1, 0xfa, 1, 1, 9, 8, 3, 0x38, 2, 0x12, 4, 0x12, 2, 8, 3, 0x3a, 1, 3))).toEqual({ dtype: 'int32', shape: [3], data: Int32Array.of(1, 2, 3) })
    // A float_val with the wire type of a varint is no float_val.
    expect(parse(Uint8Array.of(8, 1, 0x28, 5, 0x12, 0))).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(0) })
  })

  test('takes no memory on the word of a shape', () => {
    const huge = (...dims: number[][]): Uint8Array => {
      const shape = dims.flatMap(dim => [0x12, dim.length + 1, 8, ...dim])
      return Uint8Array.of(8, 1, 0x12, shape.length, ...shape)
    }
    const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7] // 2^52 - 1
    expect(() => parse(huge(most))).toThrow(expect.objectContaining({ kind: 'Limit', message: expect.stringContaining('maxBytes is 65536') }))
    expect(() => parse(huge(...Array.from({ length: 9 }, () => most)))).toThrow(expect.objectContaining({ kind: 'Limit' }))
    expect(() => parse(huge([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]))).toThrow(expect.objectContaining({ kind: 'Corrupt', message: expect.stringContaining('an axis has the length') }))
    expect(parse(huge([0], most)).shape).toEqual([0, 2 ** 52 - 1])
  })

  test('refuses what NdArrays cannot hold', () => {
    expect(() => parse(Uint8Array.of(8, 11))).toThrow(expect.objectContaining({ kind: 'Unsupported', message: expect.stringContaining('dtype qint8') }))
    expect(() => parse(Uint8Array.of(8, 99))).toThrow(expect.objectContaining({ kind: 'Unsupported', message: expect.stringContaining('number 99') }))
    expect(() => parse(Uint8Array.of(8, 7, 0x42, 1, 0xff))).toThrow(expect.objectContaining({ kind: 'Corrupt', offset: 4, message: expect.stringContaining('UTF-8') }))
    expect(() => parse(Uint8Array.of(8, 1, 0x12, 2, 0x18, 1))).toThrow(expect.objectContaining({ kind: 'Corrupt', message: expect.stringContaining('unknown rank') }))
    expect(() => parse(Uint8Array.of(8, 10, 0x22, 1, 2))).toThrow(expect.objectContaining({ kind: 'Corrupt', message: expect.stringContaining('a bool is 2') }))
    expect(() => parse(Uint8Array.of(8, 3, 0x38, 1, 0x38, 2))).toThrow(expect.objectContaining({ kind: 'Corrupt', message: expect.stringContaining('more values than the shape') }))
  })
})

describe('damaged tensors', () => {
  test('cut at every byte are refused, or whole all the same', () => {
    let refused = 0
    for (const { bytes, expected } of tensors) {
      const whole = bytesOf(bytes)
      for (let length = 0; length < whole.length; length++) {
        const cut = whole.subarray(0, length)
        // A cut between two fields leaves a shorter message: TensorFlow's reader cannot know either.
        if (outcome(cut) === 'refused') refused++
        else expect(equal(parse(cut).dtype, golden(expected).dtype)).toBe(true)
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  test('with any bit flipped are arrays or typed errors', () => {
    const counts = { read: 0, refused: 0 }
    for (const { bytes } of tensors.filter((_, i) => i % 3 === 0)) {
      const whole = bytesOf(bytes)
      for (let bit = 0; bit < Math.min(8 * whole.length, 8 * 60); bit++) {
        whole[bit >> 3] = (whole[bit >> 3] as number) ^ (1 << (bit & 7))
        counts[outcome(whole)]++
        whole[bit >> 3] = (whole[bit >> 3] as number) ^ (1 << (bit & 7))
      }
    }
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(1000)
  })

  test('of random bytes are arrays or typed errors', () => {
    let state = 1
    const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24
    const likely = [8, 0x12, 0x22, 0x2a, 0x32, 0x3a, 0x42, 0x4a, 0x52, 0x5a, 0x62, 0x6a, 1, 2, 3, 7, 9, 10, 0x18, 0x80]
    for (let i = 0; i < 8000 * FACTOR; i++) outcome(Uint8Array.from({ length: next() % 40 }, () => (next() < 128 ? (likely[next() % likely.length] as number) : next())))
  })
})
