import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import type { LoaderOptions, ShardOptions } from '../../src/loader/loader-options.js'
import { distributedSampler } from '../../src/loader/samplers/distributed.js'
import { numbers, rowsOf } from './helpers.js'

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)
const below = (length: number): number[] => Array.from({ length }, (_, i) => i)

/** What each rank gets in two epochs. */
async function ranks(worldSize: number, make: (shard: ShardOptions) => DataLoader<number>, remainder?: ShardOptions['remainder']): Promise<[number[], number[]][]> {
  const all: [number[], number[]][] = []
  for (let rank = 0; rank < worldSize; rank++) {
    const loader = make({ rank, worldSize, ...(remainder !== undefined && { remainder }) })
    all.push([(await rowsOf(loader)).flat(), (await rowsOf(loader)).flat()])
  }
  return all
}

const loaderOf = (length: number, options: LoaderOptions<number> = {}) => (shard: ShardOptions) => new DataLoader(numbers(length), { batchSize: 3, ...options, shard }) as DataLoader<number>

describe('shard', () => {
  test('divides a map-style dataset as PyTorch: all ranks have as many, and some elements come twice', async () => {
    const parts = await ranks(4, loaderOf(10, { shuffle: true }))
    for (const epoch of [0, 1] as const) {
      expect(parts.map(part => part[epoch].length)).toEqual([3, 3, 3, 3])
      expect(new Set(parts.flatMap(part => part[epoch]))).toEqual(new Set(below(10)))
    }
    expect(parts[0]?.[1]).not.toEqual(parts[0]?.[0])
  })

  test('without a seed all processes draw the same order', async () => {
    const parts = await ranks(3, loaderOf(30, { shuffle: true }))
    expect(ascending(parts.flatMap(part => part[0]))).toEqual(below(30))
    const other = await ranks(3, loaderOf(30, { shuffle: true, seed: 1 }))
    expect(ascending(other.flatMap(part => part[1]))).toEqual(below(30))
    expect(other).not.toEqual(parts)
  })

  test('is what a distributedSampler draws', async () => {
    const [part] = await ranks(3, loaderOf(20, { shuffle: true, seed: 4 }))
    expect(part?.[0]).toHaveLength(7)
    const sampler = distributedSampler(20, { rank: 1, worldSize: 3, shuffle: false })
    const [, second] = await ranks(3, loaderOf(20))
    expect((await rowsOf(new DataLoader(numbers(20), { sampler, batchSize: 3 }))).flat()).toEqual(second?.[0])
  })

  test('drops what is too few for all, or keeps it, as asked', async () => {
    const dropped = await ranks(4, loaderOf(10), 'drop')
    expect(dropped.map(part => part[0])).toEqual([[0, 4], [1, 5], [2, 6], [3, 7]])
    const kept = await ranks(4, loaderOf(10), 'keep')
    expect(kept.map(part => part[0])).toEqual([[0, 4, 8], [1, 5, 9], [2, 6], [3, 7]])
  })

  test('divides what a sampler draws', async () => {
    const parts = await ranks(2, loaderOf(10, { sampler: [9, 8, 7, 6] }))
    expect(parts.map(part => part[0])).toEqual([[9, 7], [8, 6]])
  })

  test.each(['keep', 'drop', 'pad'] as const)('divides a Dataset: %s', async remainder => {
    for (const length of [0, 1, 7, 9]) {
      const parts = await ranks(3, shard => new DataLoader(Dataset.range(length), { batchSize: 2, shuffle: true, shard }) as DataLoader<number>, remainder)
      const lengths = parts.map(part => part[0].length)
      const all = ascending(parts.flatMap(part => part[0]))
      if (remainder === 'keep') expect(all).toEqual(below(length))
      if (remainder === 'drop') expect(all).toEqual(below(length - (length % 3)))
      if (remainder === 'pad') expect([new Set(all), all.length]).toEqual([new Set(below(length)), Math.ceil(length / 3) * 3])
      if (remainder !== 'keep') expect(new Set(lengths).size).toBe(1)
    }
  })

  test('keeps by default what a Dataset has, each element once', async () => {
    const parts = await ranks(4, shard => new DataLoader(Dataset.range(10), { shard }) as DataLoader<number>)
    expect(parts.map(part => part[0])).toEqual([[0, 4, 8], [1, 5, 9], [2, 6], [3, 7]])
  })

  test('can be even only where the number of elements is known', () => {
    const make = () => new DataLoader(Dataset.range(10).filter(() => true), { shard: { rank: 0, worldSize: 2, remainder: 'pad' } })
    expect(make).toThrow("remainder 'pad' needs a known number of elements")
  })

  test('is divided once more among the loaders of a process', async () => {
    const seen: number[] = []
    for (let rank = 0; rank < 2; rank++) {
      for (let workerIndex = 0; workerIndex < 3; workerIndex++) {
        const loader = new DataLoader(numbers(12), { shuffle: true, shard: { rank, worldSize: 2, workerIndex, workerCount: 3 } })
        const part = (await rowsOf(loader)).flat()
        expect(part).toHaveLength(2)
        seen.push(...part)
      }
    }
    expect(ascending(seen)).toEqual(below(12))
  })
})
