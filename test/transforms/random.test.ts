import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { ndarray } from '../../src/index.js'
import { operatorConformance } from '../../src/testing.js'
import { cast, decodeRaw, flip, normalize, randomCrop, randomFlip } from '../../src/transforms.js'
import type { NdArray } from '../../src/types.js'
import { call } from './support.js'

const image = ndarray(new Uint8Array(20).map((_, i) => i), [4, 5])
const pairs = (count: number): Dataset<{ image: typeof image; mask: typeof image }> => Dataset.range(count).map(() => ({ image, mask: image }))

describe('transforms in a plan pass the conformance suite', () => {
  const augmented = (parallel?: number): Dataset<unknown> => pairs(12)
    .map(randomFlip({ image: { horizontal: 0.5, vertical: 0.5 } }), parallel === undefined ? {} : { parallel })
    .map(randomCrop({ image: { height: 2, width: 3 }, mask: { height: 2, width: 3 } }))
    .map(normalize({ image: { scale: 1 / 255 } }))
    .map(cast({ mask: 'int32' }))
  for (const { name, run } of operatorConformance({ make: () => augmented(), same: [() => augmented(4)] })) test(name, run)

  const failing = (): Dataset<unknown> => Dataset.from([4, 5, 8, 2].map(length => new Uint8Array(length))).map(decodeRaw({ dtype: 'uint16', shape: [-1, 2] }))
  for (const { name, run } of operatorConformance({ make: failing })) test(`with errors: ${name}`, run)
})

describe('randomFlip and randomCrop', () => {
  test('give the same for the same seed, and something else for another', async () => {
    const crops = (seed: number): Promise<unknown[]> => pairs(40).map(randomCrop({ image: { height: 2, width: 2 } }), { seed }).toArray()
    expect(await crops(1)).toEqual(await crops(1))
    expect(await crops(1)).not.toEqual(await crops(2))
  })

  test('do to all keys of an element the same', async () => {
    const both = { horizontal: 0.5, vertical: 0.5 }
    const size = { height: 3, width: 2 }
    for (const element of await pairs(60).map(randomFlip({ image: both, mask: both })).map(randomCrop({ image: size, mask: size })).toArray()) expect(element.image).toEqual(element.mask)
  })

  test('flip as often as they are told', () => {
    const flips = (options: { horizontal?: number; vertical?: number }): Record<string, number> => {
      const named = { none: image, horizontal: flip('horizontal')(image), vertical: flip('vertical')(image), both: flip('both')(image) }
      const counts: Record<string, number> = { none: 0, horizontal: 0, vertical: 0, both: 0 }
      for (let index = 0; index < 2000; index++) {
        const { data } = call(randomFlip(options), image, index) as NdArray
        const kind = Object.entries(named).find(([, other]) => String(other.data) === String(data))?.[0] ?? 'wrong'
        counts[kind] = (counts[kind] ?? 0) + 1
      }
      return counts
    }
    expect(flips({ horizontal: 1, vertical: 0 })).toEqual({ none: 0, horizontal: 2000, vertical: 0, both: 0 })
    expect(flips({ horizontal: 1, vertical: 1 })).toEqual({ none: 0, horizontal: 0, vertical: 0, both: 2000 })
    expect(flips({ horizontal: 0 })).toEqual({ none: 2000, horizontal: 0, vertical: 0, both: 0 })
    const even = flips({ horizontal: 0.5, vertical: 0.5 })
    for (const count of Object.values(even)) expect(Math.abs(count - 500)).toBeLessThan(100)
    const usual = flips({})
    expect([usual['vertical'], usual['both']]).toEqual([0, 0])
    expect(Math.abs((usual['horizontal'] ?? 0) - 1000)).toBeLessThan(120)
  })

  test('cut at every place, each as often as the others', () => {
    const counts = new Map<string, number>()
    for (let index = 0; index < 3000; index++) {
      const { shape, data } = call(randomCrop({ height: 3, width: 3 }), image, index) as NdArray
      expect(shape).toEqual([3, 3])
      const first = data[0] as number
      expect([...(data as Uint8Array)]).toEqual([0, 1, 2, 5, 6, 7, 10, 11, 12].map(offset => first + offset))
      counts.set(String(first), (counts.get(String(first)) ?? 0) + 1)
    }
    expect([...counts.keys()].map(Number).sort((a, b) => a - b)).toEqual([0, 1, 2, 5, 6, 7])
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(100)
  })

  test('refuse what is too small, and what is no image, whether chance would change it or not', () => {
    for (let index = 0; index < 9; index++) {
      expect(() => call(randomCrop({ height: 5, width: 5 }), image, index)).toThrow(expect.objectContaining({ kind: 'Mismatch', message: expect.stringContaining('is not inside the image of 4 x 5') }))
      expect(() => call(randomFlip(), new Float32Array(3), index)).toThrow(expect.objectContaining({ kind: 'Mismatch' }))
    }
    expect(call(randomCrop({ height: 4, width: 5 }), image)).toEqual(image)
  })
})
