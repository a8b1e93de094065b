import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import type { BatchSampler, Sampler, SamplerPass } from '../../src/loader/sampler.js'
import { batchSampler } from '../../src/loader/samplers/batch.js'
import { distributedSampler, type DistributedSamplerOptions } from '../../src/loader/samplers/distributed.js'
import { randomSampler } from '../../src/loader/samplers/random.js'
import { sequentialSampler } from '../../src/loader/samplers/sequential.js'
import { subsetRandomSampler, subsetSampler } from '../../src/loader/samplers/subset.js'
import { weightedRandomSampler } from '../../src/loader/samplers/weighted.js'

interface Expected {
  readonly distributed: readonly { length: number; worldSize: number; dropLast: boolean; lengths: number[]; ranks: number[][] }[]
  readonly batches: readonly { sampler: 'sequential' | 'squares'; length: number; batchSize: number; dropLast: boolean; batches: number[][]; count: number }[]
  readonly random: readonly { length: number; numSamples: number; count: number; completeRounds: number[][] }[]
  readonly sequential: readonly number[][]
}
const torch = JSON.parse(readFileSync(new URL('../fixtures/loader/expected.json', import.meta.url), 'utf8')) as Expected

const PASS: SamplerPass = { seed: 11, epoch: 0 }
const draw = (sampler: Sampler, pass = PASS): number[] => [...sampler.indices(pass)]
const upTo = (length: number): number[] => Array.from({ length }, (_, i) => i)
const sorted = (indices: readonly number[]): number[] => [...indices].sort((a, b) => a - b)
/** A sampler of a user, who gives no order. */
const squares = (length: number): Sampler => ({ length, indices: () => upTo(length).map(i => i * i) })
const withoutOrder = ({ indices }: Sampler, length: number | undefined): Sampler => ({ length, indices })

/** Pearson's statistic of counts against expected ones. */
const chiSquare = (counts: readonly number[], expected: readonly number[]): number =>
  counts.reduce((sum, count, i) => sum + (expected[i] === 0 ? (count === 0 ? 0 : Infinity) : (count - expected[i]!) ** 2 / expected[i]!), 0)
/** The bound that chance passes once in 10,000 times (Wilson and Hilferty). */
const bound = (freedom: number): number => freedom * (1 - 2 / (9 * freedom) + 3.719 * Math.sqrt(2 / (9 * freedom))) ** 3
const countsOf = (indices: Iterable<number>, length: number): number[] => {
  const counts = Array<number>(length).fill(0)
  for (const index of indices) counts[index]!++
  return counts
}

const SAMPLERS: Record<string, (seed?: number) => Sampler> = {
  sequential: () => sequentialSampler(40),
  random: seed => randomSampler(40, { seed }),
  'random in several rounds': seed => randomSampler(40, { seed, numSamples: 101 }),
  'random with replacement': seed => randomSampler(40, { seed, replacement: true }),
  'subset': () => subsetSampler([5, 3, 3, 30]),
  'random subset': seed => subsetRandomSampler(upTo(40).map(i => 2 * i), { seed }),
  weighted: seed => weightedRandomSampler(upTo(40), 50, { seed }),
  'weighted without replacement': seed => weightedRandomSampler(upTo(40), 39, { seed, replacement: false }),
  distributed: seed => distributedSampler(80, { rank: 1, worldSize: 2, ...(seed !== undefined && { seed }) }),
  'distributed over another': seed => distributedSampler(randomSampler(80), { rank: 0, worldSize: 2, ...(seed !== undefined && { seed }) })
}

describe.each(Object.entries(SAMPLERS))('a sampler: %s', (name, make) => {
  const random = !['sequential', 'subset'].includes(name)
  test('draws as many as its length says, and by place the same', () => {
    const sampler = make()
    const indices = draw(sampler)
    expect(indices.length).toBe(sampler.length)
    const at = sampler.order!(PASS)
    for (const place of [...upTo(indices.length).reverse(), ...upTo(indices.length)]) expect(at(place)).toBe(indices[place])
  })

  test('draws the same in the same pass, and with other samplers made alike', () => {
    const sampler = make()
    expect(draw(sampler)).toEqual(draw(sampler))
    expect(draw(make())).toEqual(draw(sampler))
    const other = draw(sampler, { seed: 11, epoch: 3 })
    if (random) expect(other).not.toEqual(draw(sampler))
    else expect(other).toEqual(draw(sampler))
  })

  test('tells itself from others', () => {
    expect(make().identity).toEqual(make().identity)
    expect(JSON.stringify(make().identity).length).toBeLessThan(200)
    if (random) expect(make(1).identity).not.toEqual(make(2).identity)
  })

  test('passes that are mixed do not disturb each other', () => {
    const sampler = make()
    const [a, b] = [PASS, { seed: 11, epoch: 1 }].map(pass => sampler.indices(pass)[Symbol.iterator]())
    const found: number[][] = [[], []]
    for (let i = 0; i < sampler.length!; i++) [a, b].forEach((iterator, k) => found[k]!.push(iterator!.next().value as number))
    expect(found).toEqual([draw(sampler), draw(sampler, { seed: 11, epoch: 1 })])
  })

  if (random) {
    test('takes its random numbers from its seed, or else from that of the pass', () => {
      expect(draw(make(5), { seed: 1, epoch: 2 })).toEqual(draw(make(5), { seed: 99, epoch: 2 }))
      expect(draw(make(5))).not.toEqual(draw(make(6)))
      if (name.startsWith('distributed')) expect(draw(make(), { seed: 1, epoch: 0 })).toEqual(draw(make(), { seed: 2, epoch: 0 }))
      else expect(draw(make(), { seed: 1, epoch: 0 })).not.toEqual(draw(make(), { seed: 2, epoch: 0 }))
    })
  }
})

test('samplers over other indices or weights tell themselves from each other', () => {
  const lists = [[1, 2, 3], [1, 3, 2], [1, 2], [1, 2, 3, 0], [0, 1, 2, 3], [1, 2, 2 ** 40], [1, 2, 2 ** 40 + 1]]
  const makers: ((numbers: number[]) => Sampler | BatchSampler)[] = [
    subsetSampler, subsetRandomSampler, numbers => weightedRandomSampler(numbers, 2),
    numbers => batchSampler(subsetSampler(numbers), { batchSize: 2 }), numbers => distributedSampler(subsetSampler(numbers), { rank: 0, worldSize: 2 })
  ]
  for (const make of makers) expect(new Set(lists.map(numbers => JSON.stringify(make(numbers).identity))).size).toBe(lists.length)
})

describe('sequentialSampler', () => {
  test('gives what PyTorch gives', () => {
    for (const indices of torch.sequential) expect(draw(sequentialSampler(indices.length))).toEqual(indices)
  })
})

describe('randomSampler', () => {
  test('goes through all of them in every round, as PyTorch does', () => {
    for (const { length, numSamples, count, completeRounds } of torch.random) {
      const indices = draw(randomSampler(length, { numSamples }))
      expect(indices.length).toBe(count)
      completeRounds.forEach((round, k) => expect(sorted(indices.slice(k * length, (k + 1) * length))).toEqual(round))
      const rest = indices.slice(completeRounds.length * length)
      expect(new Set(rest).size).toBe(rest.length)
    }
  })

  test('draws every order equally often', () => {
    const sampler = randomSampler(4)
    const counts = new Map<string, number>()
    for (let epoch = 0; epoch < 24_000; epoch++) {
      const order = draw(sampler, { seed: 1, epoch }).join()
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    expect(chiSquare([...counts.values()], Array<number>(24).fill(1000))).toBeLessThan(bound(23))
  })

  test('with replacement draws every index equally often, whatever came before', () => {
    const indices = draw(randomSampler(10, { replacement: true, numSamples: 100_000, seed: 3 }))
    expect(chiSquare(countsOf(indices, 10), Array<number>(10).fill(10_000))).toBeLessThan(bound(9))
    const pairs = indices.slice(1).map((index, i) => indices[i]! * 10 + index)
    expect(chiSquare(countsOf(pairs, 100), Array<number>(100).fill(999.99))).toBeLessThan(bound(99))
  })

  test('needs no memory for a thousand million of them', () => {
    const sampler = randomSampler(1e9)
    const at = sampler.order(PASS)
    const some = [0, 1, 2, 499_999_999, 999_999_999].map(at)
    expect(new Set(some).size).toBe(5)
    for (const index of some) expect(index >= 0 && index < 1e9 && Number.isInteger(index)).toBe(true)
    const thousand = upTo(10_000).map(at)
    expect(new Set(thousand).size).toBe(10_000)
    expect(chiSquare(countsOf(thousand.map(index => Math.floor(index / 1e7)), 100), Array<number>(100).fill(100))).toBeLessThan(bound(99))
  })

  test('refuses wrong arguments at the call', () => {
    expect(() => randomSampler(-1)).toThrow(RangeError)
    expect(() => randomSampler('5' as never)).toThrow(TypeError)
    expect(() => randomSampler(0, { numSamples: 1 })).toThrow('there are no elements to draw 1 samples from')
    expect(() => randomSampler(5, { numSamples: 1.5 })).toThrow(RangeError)
    expect(() => randomSampler(5, { samples: 1 } as never)).toThrow("unknown option 'samples'")
    expect(() => randomSampler(5, { seed: NaN })).toThrow(RangeError)
  })
})

describe('subsetSampler and subsetRandomSampler', () => {
  test('draw these indices, in their order or in a random one', () => {
    const indices = [7, 3, 900, 3, 0]
    expect(draw(subsetSampler(indices))).toEqual(indices)
    expect(draw(subsetSampler(Uint8Array.of(4, 2)))).toEqual([4, 2])
    expect(sorted(draw(subsetRandomSampler(indices)))).toEqual(sorted(indices))
    expect(draw(subsetRandomSampler([]))).toEqual([])
  })

  test('keep a copy', () => {
    const indices = [1, 2, 3]
    const sampler = subsetSampler(indices)
    indices[0] = 9
    expect(draw(sampler)).toEqual([1, 2, 3])
  })

  test('name the index that is none', () => {
    for (const [make, name] of [[subsetSampler, 'subsetSampler'], [subsetRandomSampler, 'subsetRandomSampler']] as const) {
      expect(() => make([1, -2])).toThrow(`${name}: indices[1] must be an integer of at least 0, got -2`)
      expect(() => make([0.5])).toThrow(RangeError)
      expect(() => make(['1' as never])).toThrow(TypeError)
      expect(() => make(null as never)).toThrow(TypeError)
    }
  })
})

describe('weightedRandomSampler', () => {
  const weights = [1, 0, 5, 0.25, 100, 3, 0, 20, 7.5, 12]
  const sum = weights.reduce((a, b) => a + b)

  test.each([1, 2, 3])('draws in proportion to the weights (seed %i)', seed => {
    const indices = draw(weightedRandomSampler(weights, 200_000, { seed }))
    expect(chiSquare(countsOf(indices, weights.length), weights.map(weight => (200_000 * weight) / sum))).toBeLessThan(bound(7))
  })

  test('takes weights of any size', () => {
    for (const scale of [1e-300, 1e300, Number.MAX_VALUE / 100]) {
      expect(draw(weightedRandomSampler(weights.map(weight => weight * scale), 50, { seed: 1 }))).toEqual(draw(weightedRandomSampler(weights, 50, { seed: 1 })))
    }
    expect(draw(weightedRandomSampler([0, 0, 3], 5))).toEqual([2, 2, 2, 2, 2])
    expect(new Set(draw(weightedRandomSampler(Float32Array.of(0, 1e-30, 0, 1e-30), 99)))).toEqual(new Set([1, 3]))
  })

  test('has a table that holds exactly the weights', () => {
    // Many equal weights leave columns that are full only by rounding, and weights of 0 among them.
    const many = upTo(1000).map(i => (i % 3 === 0 ? 0 : 0.1 + (i % 7)))
    const counts = countsOf(draw(weightedRandomSampler(many, 300_000, { seed: 9 })), 1000)
    const total = many.reduce((a, b) => a + b)
    expect(chiSquare(counts, many.map(weight => (300_000 * weight) / total))).toBeLessThan(bound(665))
  })

  test('without replacement draws each in proportion to the weights of those that are left', () => {
    const few = [1, 2, 0, 3, 4]
    const sampler = weightedRandomSampler(few, 2, { replacement: false })
    const counts = Array<number>(25).fill(0)
    for (let epoch = 0; epoch < 50_000; epoch++) {
      const [first, second] = draw(sampler, { seed: 5, epoch }) as [number, number]
      counts[first * 5 + second]!++
    }
    const expected = counts.map((_, pair) => {
      const [first, second] = [Math.floor(pair / 5), pair % 5]
      return first === second ? 0 : (50_000 * (few[first]! / 10) * few[second]!) / (10 - few[first]!)
    })
    expect(chiSquare(counts, expected)).toBeLessThan(bound(11))
  })

  test('without replacement gives none twice, and none of weight 0', () => {
    const indices = draw(weightedRandomSampler(weights, 8, { replacement: false }))
    expect(sorted(indices)).toEqual([0, 2, 3, 4, 5, 7, 8, 9])
    expect(() => weightedRandomSampler(weights, 9, { replacement: false })).toThrow('9 samples without replacement need as many weights above 0, and there are 8')
  })

  test('refuses weights that are none', () => {
    expect(() => weightedRandomSampler([1, -1], 1)).toThrow('weights[1] must be finite and at least 0, got -1')
    expect(() => weightedRandomSampler([NaN], 1)).toThrow(RangeError)
    expect(() => weightedRandomSampler([Infinity], 1)).toThrow(RangeError)
    expect(() => weightedRandomSampler([0, 0], 1)).toThrow('all weights are 0')
    expect(() => weightedRandomSampler([], 1)).toThrow('there are no weights')
    expect(() => weightedRandomSampler(['1' as never], 1)).toThrow(TypeError)
    expect(() => weightedRandomSampler([1], 0)).toThrow(RangeError)
  })
})

describe('batchSampler', () => {
  test('gives what PyTorch gives, by place and in turn', () => {
    for (const { sampler, length, batchSize, dropLast, batches, count } of torch.batches) {
      const batched = batchSampler(sampler === 'squares' ? squares(length) : sequentialSampler(length), { batchSize, dropLast })
      expect([...batched.batches(PASS)]).toEqual(batches)
      expect(batched.length).toBe(count)
      expect(batched.order === undefined).toBe(sampler === 'squares')
      if (batched.order !== undefined) expect(upTo(count).map(batched.order(PASS))).toEqual(batches)
    }
  })

  test('takes samplers whose length nobody knows, and endless ones', () => {
    const unknown = batchSampler(withoutOrder(squares(5), undefined), { batchSize: 2 })
    expect(unknown.length).toBeUndefined()
    expect([...unknown.batches(PASS)]).toEqual([[0, 1], [4, 9], [16]])
    expect(batchSampler({ length: Infinity, indices: () => [] }, { batchSize: 2 }).length).toBe(Infinity)
  })

  test('refuses wrong arguments at the call', () => {
    expect(() => batchSampler(sequentialSampler(3), { batchSize: 0 })).toThrow(RangeError)
    expect(() => batchSampler(sequentialSampler(3), { size: 3 } as never)).toThrow(TypeError)
    expect(() => batchSampler(batchSampler(sequentialSampler(3), { batchSize: 1 }) as BatchSampler as never, { batchSize: 1 })).toThrow('must draw indices')
  })
})

describe('distributedSampler', () => {
  test('divides, pads and drops as PyTorch does', () => {
    expect(torch.distributed.length).toBeGreaterThan(100)
    for (const { length, worldSize, dropLast, lengths, ranks } of torch.distributed) {
      const sources = [length, sequentialSampler(length), withoutOrder(sequentialSampler(length), length), withoutOrder(sequentialSampler(length), undefined)]
      for (const source of sources) {
        const samplers = upTo(worldSize).map(rank => distributedSampler(source, { rank, worldSize, shuffle: false, dropLast }))
        expect(samplers.map(sampler => draw(sampler))).toEqual(ranks)
        if (typeof source === 'number' || source.length !== undefined) expect(samplers.map(sampler => sampler.length)).toEqual(lengths)
      }
    }
  })

  test.each([[100, 8], [101, 8], [7, 3], [2, 5], [1, 4], [64, 1]])('shuffled, the ranks have all of %i elements, and beyond padding none twice (%i ranks)', (length, worldSize) => {
    const sources = [length, randomSampler(length), withoutOrder(randomSampler(length), length), withoutOrder(randomSampler(length), undefined)]
    for (const source of sources) {
      for (const shuffle of [true, false]) {
        for (const epoch of [0, 1]) {
          const ranks = (dropLast: boolean) => upTo(worldSize).map(rank => draw(distributedSampler(source, { rank, worldSize, dropLast, shuffle }), { seed: 100 + worldSize, epoch }))
          const padded = ranks(false)
          expect(new Set(padded.map(indices => indices.length))).toEqual(new Set([Math.ceil(length / worldSize)]))
          expect(sorted([...new Set(padded.flat())])).toEqual(upTo(length))
          const dropped = ranks(true)
          expect(new Set(dropped.map(indices => indices.length))).toEqual(new Set([Math.floor(length / worldSize)]))
          expect(new Set(dropped.flat()).size).toBe(Math.floor(length / worldSize) * worldSize)
        }
      }
    }
  })

  test('draws alike in all ranks, though the iterations have other seeds', () => {
    const all = upTo(4).flatMap(rank => draw(distributedSampler(40, { rank, worldSize: 4 }), { seed: rank, epoch: 2 }))
    expect(sorted(all)).toEqual(upTo(40))
    expect(all).not.toEqual(upTo(40))
  })

  test('shuffles what a sampler draws with random numbers of its own', () => {
    const indices = (epoch: number) => draw(distributedSampler(randomSampler(4), { rank: 0, worldSize: 1, shuffle: true }), { seed: 0, epoch })
    const counts = new Map<string, number>()
    for (let epoch = 0; epoch < 12_000; epoch++) counts.set(indices(epoch).join(), (counts.get(indices(epoch).join()) ?? 0) + 1)
    expect(counts.size).toBe(24)
    expect(chiSquare([...counts.values()], Array<number>(24).fill(500))).toBeLessThan(bound(23))
  })

  test('takes the epoch of the pass until one is set', () => {
    const sampler = distributedSampler(30, { rank: 0, worldSize: 2 })
    expect(sampler.epoch).toBeUndefined()
    sampler.setEpoch(4)
    expect(sampler.epoch).toBe(4)
    expect(batchSampler(sampler, { batchSize: 3 }).epoch).toBe(4)
    expect(() => sampler.setEpoch(-1)).toThrow(RangeError)
  })

  test('divides an endless sampler', () => {
    const endless: Sampler = { length: Infinity, *indices() { for (let i = 0; ; i++) yield i } }
    const sampler = distributedSampler(endless, { rank: 1, worldSize: 3 })
    expect(sampler.length).toBe(Infinity)
    const found: number[] = []
    for (const index of sampler.indices(PASS)) if (found.push(index) === 4) break
    expect(found).toEqual([1, 4, 7, 10])
    expect(() => distributedSampler(endless, { rank: 1, worldSize: 3, shuffle: true })).toThrow(RangeError)
  })

  test('refuses wrong arguments at the call', () => {
    const make = (options: Partial<DistributedSamplerOptions>) => () => distributedSampler(10, { rank: 0, worldSize: 2, ...options })
    expect(make({ rank: 2 })).toThrow('rank must be below worldSize 2, got 2')
    expect(make({ rank: -1 })).toThrow(RangeError)
    expect(make({ worldSize: 0 })).toThrow(RangeError)
    expect(make({ numReplicas: 2 } as never)).toThrow(TypeError)
    expect(() => distributedSampler(-1, { rank: 0, worldSize: 1 })).toThrow(RangeError)
    expect(() => distributedSampler({} as never, { rank: 0, worldSize: 1 })).toThrow(TypeError)
  })
})
