import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import { randomSampler } from '../../src/loader/samplers/random.js'
import { batchSampler } from '../../src/loader/samplers/batch.js'
import { weightedRandomSampler } from '../../src/loader/samplers/weighted.js'
import { collect, numbers, rowsOf } from './helpers.js'

describe('a loader of a map-style dataset', () => {
  test('delivers batches in order, and stacks elements', async () => {
    const loader = new DataLoader({ length: 7, get: i => ({ x: i * 10, name: `n${i}` }) }, { batchSize: 3 })
    const batches = await collect(loader)
    expect(batches.map(({ x }) => [...x.data])).toEqual([[0, 10, 20], [30, 40, 50], [60]])
    expect(batches[0]?.name).toEqual({ dtype: 'string', shape: [3], data: ['n0', 'n1', 'n2'] })
    expect(loader.length).toBe(3)
  })

  test('has 32 elements in a batch by default, and none is left out', async () => {
    const loader = new DataLoader(numbers(70))
    expect((await collect(loader)).map(batch => batch.shape[0])).toEqual([32, 32, 6])
  })

  test('leaves out a last batch that is not full with dropLast', async () => {
    const loader = new DataLoader(numbers(10), { batchSize: 4, dropLast: true })
    expect(await rowsOf(loader)).toEqual([[0, 1, 2, 3], [4, 5, 6, 7]])
    expect(loader.length).toBe(2)
  })

  test('with batchSize null delivers elements as they are', async () => {
    const loader = new DataLoader({ length: 3, get: async i => [i] }, { batchSize: null })
    expect(await collect(loader)).toEqual([[0], [1], [2]])
    expect(loader.length).toBe(3)
  })

  test('takes an array as one', async () => {
    expect(await rowsOf(new DataLoader([5, 6, 7], { batchSize: 2 }))).toEqual([[5, 6], [7]])
  })

  test('calls get as a method', async () => {
    class Squares {
      readonly length = 4
      readonly power = 2
      get(index: number): number {
        return index ** this.power
      }
    }
    expect(await rowsOf(new DataLoader(new Squares(), { batchSize: 4 }))).toEqual([[0, 1, 4, 9]])
  })

  test('shuffles anew in each epoch, and the same again with the same seed', async () => {
    const make = (seed: number) => new DataLoader(numbers(100), { batchSize: 100, shuffle: true, seed })
    const loader = make(7)
    const [first, second] = [(await rowsOf(loader)).flat(), (await rowsOf(loader)).flat()]
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(second).not.toEqual(first)
    const again = make(7)
    expect([(await rowsOf(again)).flat(), (await rowsOf(again)).flat()]).toEqual([first, second])
    expect((await rowsOf(make(8))).flat()).not.toEqual(first)
  })

  test('without a seed has another order in each loader', async () => {
    const make = async () => (await rowsOf(new DataLoader(numbers(100), { batchSize: 100, shuffle: true }))).flat()
    expect(await make()).not.toEqual(await make())
  })

  test('setEpoch decides the order of the next epoch, and those after it count on', async () => {
    const loader = new DataLoader(numbers(50), { batchSize: 50, shuffle: true, seed: 1 })
    const epochs = [await rowsOf(loader), await rowsOf(loader), await rowsOf(loader)]
    loader.setEpoch(1)
    expect(loader.epoch).toBe(1)
    expect([await rowsOf(loader), await rowsOf(loader)]).toEqual(epochs.slice(1))
  })

  test('asks a generator for the seed of each epoch', async () => {
    const { Rng } = await import('../../src/util/rng.js')
    const make = () => new DataLoader(numbers(50), { batchSize: 50, shuffle: true, generator: new Rng([1, 2]) })
    const [a, b] = [make(), make()]
    const first = await rowsOf(a)
    a.setEpoch(0)
    expect(await rowsOf(a)).not.toEqual(first) // the same epoch, another seed
    expect(await rowsOf(b)).toEqual(first)
  })

  test('draws what a sampler says, and passes it seed and epoch', async () => {
    const passes: unknown[] = []
    const sampler = { length: 4, indices: (pass: unknown) => { passes.push(pass); return [3, 1, 3, 0] } }
    const loader = new DataLoader(numbers(5), { batchSize: 2, sampler, seed: 9 })
    expect(await rowsOf(loader)).toEqual([[3, 1], [3, 0]])
    expect(await rowsOf(loader)).toEqual([[3, 1], [3, 0]])
    expect(passes).toEqual([{ seed: 9, epoch: 0 }, { seed: 9, epoch: 1 }])
    expect(loader.length).toBe(2)
  })

  test('takes an array of indices as a sampler', async () => {
    expect(await rowsOf(new DataLoader(numbers(10), { batchSize: 2, sampler: [9, 0, 9] }))).toEqual([[9, 0], [9]])
  })

  test('draws with our samplers', async () => {
    const drawn = (await rowsOf(new DataLoader(numbers(3), { batchSize: 50, sampler: weightedRandomSampler([0, 1, 1], 50), seed: 1 }))).flat()
    expect(new Set(drawn)).toEqual(new Set([1, 2]))
    const some = (await rowsOf(new DataLoader(numbers(100), { sampler: randomSampler(100, { numSamples: 5 }), seed: 1 }))).flat()
    expect(new Set(some).size).toBe(5)
  })

  test('makes the batches that a batch sampler says', async () => {
    const loader = new DataLoader(numbers(10), { batchSampler: { length: 3, batches: () => [[9], [1, 2, 3], [0, 0]] } })
    expect(await rowsOf(loader)).toEqual([[9], [1, 2, 3], [0, 0]])
    expect(loader.length).toBe(3)
    const ours = new DataLoader(numbers(5), { batchSampler: batchSampler(randomSampler(5), { batchSize: 2 }), seed: 3 })
    expect((await rowsOf(ours)).map(row => row.length)).toEqual([2, 2, 1])
  })

  test.each([
    ['no array', [[1, 2], 5, [3]], 'a batch must be an array of indices'],
    ['an empty batch', [[1, 2], []], 'a batch must be an array of indices, at least one'],
    ['nothing but what is no array', [5], 'a batch must be an array of indices'],
    ['fewer batches than it says', [[1], [2]], 'it ended behind 2 batches, and its length says 3'],
    ['more batches than it says', [[1], [2], [3], [4]], 'it goes on behind 3 batches, and its length says so many']
  ])('a batch sampler that gives %s is an error, and no silent end', async (_, batches, message) => {
    const loader = new DataLoader(numbers(10), { batchSampler: { length: 3, batches: () => batches as number[][] } })
    await expect(rowsOf(loader)).rejects.toThrow(message)
  })

  test('an element that fails makes its batch of a batch sampler shorter, and no other', async () => {
    const loader = new DataLoader({ length: 6, get: i => { if (i === 3) throw new Error('rotten'); return i } }, { batchSampler: { length: 3, batches: () => [[0, 1], [2, 3], [4, 5]] }, prefetch: 0 })
    const seen = await outcomes(loader.stream())
    expect(seen).toEqual([[0, 1], 'rotten', [2], [4, 5]])
  })

  test('collates as asked, also with promises', async () => {
    const sums = new DataLoader(numbers(5), { batchSize: 2, collate: elements => elements.reduce((a, b) => a + b, 0) })
    expect(await collect(sums)).toEqual([1, 5, 4])
    const lists = new DataLoader(numbers(3), { batchSize: 2, collate: async elements => [...elements] })
    expect(await collect(lists)).toEqual([[0, 1], [2]])
    const sampled = new DataLoader(numbers(3), { batchSampler: { length: 1, batches: () => [[2, 0]] }, collate: elements => elements.join() })
    expect(await collect(sampled)).toEqual(['2,0'])
  })

  test('an error surfaces at its batch, and the next call goes on', async () => {
    const loader = new DataLoader({ length: 6, get: async i => { if (i === 2) throw new Error('rotten'); return i } }, { batchSize: 2 })
    expect(await outcomes(loader.stream())).toEqual([[0, 1], 'rotten', [3, 4], [5]])
    await expect(collect(loader)).rejects.toMatchObject({ kind: 'UserFunction', operator: 'map', index: 2 })
    expect(await outcomes(loader.stream())).toEqual([[0, 1], 'rotten', [3, 4], [5]])
  })

  test('a wrong index of a sampler is an error in its place', async () => {
    const loader = new DataLoader(numbers(3), { batchSize: 1, sampler: [0, 7, 2] })
    const iterator = loader.stream()
    expect((await iterator.next()).value).toMatchObject({ data: new Float32Array([0]) })
    await expect(iterator.next()).rejects.toThrow('index 7 is not below 3')
    expect((await iterator.next()).value).toMatchObject({ data: new Float32Array([2]) })
    await iterator.close()
  })
})

describe('a loader of a Dataset', () => {
  test('batches, shuffles and shards it as a user would write it', async () => {
    const loader = new DataLoader(Dataset.range(20), { batchSize: 4, shuffle: true, shard: { rank: 1, worldSize: 2 }, seed: 5, prefetch: 3 })
    const written = Dataset.range(20).shard(2, 1).shuffle().batch(4).prefetch(3)
    expect(loader.dataset.toString()).toBe(written.toString())
    expect(await rowsOf(loader)).toEqual((await written.toArray({ seed: 5, epoch: 0 })).map(batch => [...batch.data]))
    expect(loader.explain()).toContain('shard')
    expect(loader.length).toBe(3)
  })

  test('draws from a buffer of the size that shuffle says', async () => {
    const loader = new DataLoader(Dataset.range(30), { batchSize: 30, shuffle: 5, seed: 1 })
    const drawn = (await rowsOf(loader)).flat()
    expect(drawn.every((value, place) => value < place + 5)).toBe(true)
    expect(drawn).not.toEqual([...drawn].sort((a, b) => a - b))
  })

  test('takes iterables, async iterables and generator functions', async () => {
    expect(await rowsOf(new DataLoader(new Set([1, 2, 3]), { batchSize: 2 }))).toEqual([[1, 2], [3]])
    const make = async function* () { yield* [1, 2, 3] }
    const loader = new DataLoader(make, { batchSize: 2 })
    expect([await rowsOf(loader), await rowsOf(loader)]).toEqual([[[1, 2], [3]], [[1, 2], [3]]])
    expect(await rowsOf(new DataLoader(make(), { batchSize: 2 }))).toEqual([[1, 2], [3]])
    expect(loader.length).toBeUndefined()
  })

  test('is bounded in what runs in parallel by maxConcurrency', async () => {
    const most = await atOnce(async call => collect(new DataLoader(Dataset.range(40).map(call, { parallel: 16 }), { maxConcurrency: 3 })))
    expect(most).toBe(3)
  })
})

describe('without batches', () => {
  test('items have their ordinals in the dataset, in the order of the next epoch', async () => {
    for (const loader of [
      new DataLoader(numbers(12, 10), { batchSize: 12, shuffle: true, seed: 2 }),
      new DataLoader(Dataset.range(12).map(x => x * 10), { batchSize: 12, shuffle: true, seed: 2 }),
      new DataLoader(Dataset.range(12).map(x => x * 10), { batchSize: 12, shuffle: 4, seed: 2 })
    ]) {
      const items = await collect(loader.items())
      expect(items.every(({ index, element }) => element === index * 10)).toBe(true)
      expect([items.map(({ element }) => element)]).toEqual(await rowsOf(loader))
    }
  })

  test('items end with their signal', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const reading = (async () => {
      for await (const { index } of new DataLoader(numbers(9)).items({ signal: controller.signal })) {
        seen.push(index)
        if (index === 2) controller.abort(new Error('enough'))
      }
    })()
    await expect(reading).rejects.toThrow('enough')
    expect(seen).toEqual([0, 1, 2])
  })

  test('a batch can be looked at, and no epoch is used up', async () => {
    const loader = new DataLoader(numbers(10), { batchSize: 2, shuffle: true, seed: 4 })
    const look = await loader.collectBatch(5)
    expect([...(look?.data ?? [])]).toEqual((await rowsOf(loader)).flat().slice(0, 5))
    expect(await new DataLoader([] as number[]).collectBatch(3)).toBeUndefined()
    expect(await new DataLoader(numbers(4), { collate: elements => elements.length, batchSampler: { length: 1, batches: () => [[1, 2, 3]] } }).collectBatch(2)).toBe(2)
  })
})

async function outcomes(iterator: AsyncIterator<{ readonly data: ArrayLike<number> }>): Promise<unknown[]> {
  const seen: unknown[] = []
  for (;;) {
    try {
      const step = await iterator.next()
      if (step.done === true) return seen
      seen.push(Array.from(step.value.data))
    } catch (error) {
      seen.push(((error as Error).cause as Error).message)
    }
  }
}

async function atOnce(use: (call: (x: number) => Promise<number>) => Promise<unknown>): Promise<number> {
  let now = 0
  let most = 0
  await use(async x => {
    most = Math.max(most, ++now)
    await new Promise(resolve => setImmediate(resolve))
    now--
    return x
  })
  return most
}
