import { describe, expect, test } from '@jest/globals'
import { split, type ByteRange, type SplitOptions } from '../../../src/storage/layers/split.js'
import { seededRandom } from '../../servers/seeded.js'

const MiB = 1 << 20
const DEFAULT: SplitOptions = { chunkSize: 8 * MiB, minSplitSize: 16 * MiB }
const lengths = (parts: readonly ByteRange[]): number[] => parts.map(({ length }) => length / MiB)

describe('parts of a large read', () => {
  test('a read below minSplitSize is one part', () => {
    expect(split({ offset: 5, length: 16 * MiB - 1 }, DEFAULT)).toEqual([{ offset: 5, length: 16 * MiB - 1 }])
    expect(lengths(split({ offset: 0, length: 16 * MiB }, DEFAULT))).toEqual([8, 8])
  })

  test('they are equal, and end at multiples of chunkSize', () => {
    expect(lengths(split({ offset: 0, length: 44 * MiB }, DEFAULT))).toEqual([8, 8, 8, 8, 8, 4])
    expect(lengths(split({ offset: 4 * MiB, length: 24 * MiB }, DEFAULT))).toEqual([4, 8, 8, 4])
  })

  test('neither the first nor the last is smaller than a quarter of chunkSize', () => {
    expect(lengths(split({ offset: 0, length: 33 * MiB }, DEFAULT))).toEqual([8, 8, 8, 9])
    expect(lengths(split({ offset: 7 * MiB, length: 25 * MiB }, DEFAULT))).toEqual([9, 8, 8])
    expect(lengths(split({ offset: 0, length: 17 * MiB }, { ...DEFAULT, chunkSize: 16 * MiB }))).toEqual([17])
  })

  test('cuts lie at the parts of a multipart upload, when these are known', () => {
    expect(lengths(split({ offset: 0, length: 40 * MiB }, { ...DEFAULT, alignment: 5 * MiB }))).toEqual([5, 5, 5, 5, 5, 5, 5, 5])
    expect(lengths(split({ offset: 0, length: 30 * MiB }, { ...DEFAULT, alignment: 3 * MiB }))).toEqual([6, 6, 6, 6, 6])
    expect(lengths(split({ offset: 0, length: 60 * MiB }, { ...DEFAULT, alignment: 20 * MiB })).map(Math.round)).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 7])
    expect(split({ offset: 0, length: 60 * MiB }, { ...DEFAULT, alignment: 20 * MiB }).map(({ offset }) => offset)).toEqual(expect.arrayContaining([20 * MiB, 40 * MiB]))
  })

  test('with few free slots there are fewer, larger ones: one when none is free', () => {
    expect(lengths(split({ offset: 0, length: 32 * MiB }, { ...DEFAULT, slots: 4 }))).toEqual([8, 8, 8, 8])
    expect(lengths(split({ offset: 0, length: 32 * MiB }, { ...DEFAULT, slots: 2 }))).toEqual([16, 16])
    for (const slots of [1, 0, -5]) expect(lengths(split({ offset: 0, length: 32 * MiB }, { ...DEFAULT, slots }))).toEqual([32])
  })

  test('but none has more than four times chunkSize', () => {
    expect(lengths(split({ offset: 0, length: 128 * MiB }, { ...DEFAULT, slots: 1 }))).toEqual([32, 32, 32, 32])
  })

  test('they cover the range once and in order, whatever the numbers', () => {
    const random = seededRandom(11)
    const some = (most: number): number => 1 + Math.floor(random() ** 2 * most)
    for (let i = 0; i < 20_000; i++) {
      const range = { offset: Math.floor(random() * 10_000), length: some(50_000) }
      const options = { chunkSize: some(3000), minSplitSize: some(6000), ...(random() < 0.5 && { alignment: some(5000) }), ...(random() < 0.5 && { slots: some(40) }) }
      let at = range.offset
      const parts = split(range, options)
      for (const { offset, length } of parts) {
        if (offset !== at || length < 1 || length > 5.5 * options.chunkSize && parts.length > 1) throw new Error(JSON.stringify({ range, options, parts }))
        at += length
      }
      if (at !== range.offset + range.length) throw new Error(JSON.stringify({ range, options, parts }))
      if (options.alignment === undefined && parts.length > 1 && parts.some(({ length }) => length < options.chunkSize / 4)) throw new Error(JSON.stringify({ range, options, parts }))
    }
  })
})
