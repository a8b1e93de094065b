import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import type { LoaderOptions } from '../../src/loader/loader-options.js'
import type { LoaderState } from '../../src/loader/loader-state.js'
import { batchSampler } from '../../src/loader/samplers/batch.js'
import { randomSampler } from '../../src/loader/samplers/random.js'
import { Rng } from '../../src/util/rng.js'
import { collect, gate, numbers, rowsOf } from './helpers.js'

/** What a state is after it was written to a file and read again. */
const stored = (state: LoaderState): LoaderState => JSON.parse(JSON.stringify(state)) as LoaderState

interface Drawn {
  readonly make: (work: LoaderOptions<number>) => DataLoader<number>
  readonly what: string
}

/** A loader with random settings of everything that decides the batches; `work` is what does not. */
function drawLoader(seed: number): Drawn {
  const rng = new Rng([77, seed])
  const length = rng.integer(40)
  const asynchronous = rng.bernoulli()
  const source = rng.integer(4)
  const options: { -readonly [K in keyof LoaderOptions<number>]: LoaderOptions<number>[K] } = { seed: rng.integer(100) }
  if (source < 2) {
    const way = rng.integer(4)
    if (way === 0) options.shuffle = true
    else if (way === 1 && length > 0) options.sampler = randomSampler(length, { replacement: true, numSamples: rng.integer(50) })
    else if (way === 2) options.batchSampler = batchSampler(randomSampler(length), { batchSize: 1 + rng.integer(5) })
  } else if (rng.bernoulli()) options.shuffle = source === 2 ? true : 1 + rng.integer(10)
  if (options.batchSampler === undefined) {
    options.batchSize = 1 + rng.integer(6)
    options.dropLast = rng.bernoulli()
    if (rng.bernoulli(0.3)) options.shard = { rank: rng.integer(3), worldSize: 3 }
  }
  const get = asynchronous ? async (i: number) => i : (i: number) => i
  const make = (work: LoaderOptions<number>): DataLoader<number> => {
    const all = { ...options, ...work }
    if (source < 2) return new DataLoader({ length, get }, all) as DataLoader<number>
    const dataset = source === 2 ? Dataset.range(length) : Dataset.from(function* () { for (let i = 0; i < length; i++) yield i })
    return new DataLoader(asynchronous ? dataset.map(async x => x, { parallel: 4 }) : dataset, all) as DataLoader<number>
  }
  return { make, what: JSON.stringify({ length, asynchronous, source, ...options, sampler: typeof options.sampler, batchSampler: typeof options.batchSampler }) }
}

describe('a state', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))('goes on exactly behind every batch, whatever works ahead: settings %i', async seed => {
    const { make, what } = drawLoader(seed)
    const rng = new Rng([78, seed])
    const work = (): LoaderOptions<number> => ({ maxConcurrency: 1 + rng.integer(8), prefetch: rng.integer(4), pinMemory: rng.bernoulli(0.2) })
    const whole = make(work())
    const epochs = [await rowsOf(whole), await rowsOf(whole)] as const
    const loader = make(work())
    const iterator = loader.stream()
    for (let done = 0; done <= epochs[0].length; done++) {
      const resumed = make(work())
      resumed.loadStateDict(stored(loader.stateDict()))
      expect({ what, done, rows: await rowsOf(resumed), epoch: resumed.epoch }).toEqual({ what, done, rows: epochs[0].slice(done), epoch: 1 })
      expect(await rowsOf(resumed)).toEqual(epochs[1])
      await iterator.next()
    }
    const state = stored(loader.stateDict())
    expect(state).toMatchObject({ epoch: 1, checkpoint: null })
    const next = make(work())
    next.loadStateDict(state)
    expect(await rowsOf(next)).toEqual(epochs[1])
  })

  test('is there before the first epoch, and between epochs', async () => {
    const loader = new DataLoader(numbers(6), { batchSize: 2, shuffle: true })
    const first = loader.stateDict()
    const epochs = [await rowsOf(loader), await rowsOf(loader)]
    const again = new DataLoader(numbers(6), { batchSize: 2, shuffle: true })
    again.loadStateDict(stored(first))
    expect([await rowsOf(again), await rowsOf(again)]).toEqual(epochs)
  })

  test('stays where the loop was left, while what works ahead is lost and done again', async () => {
    const loader = new DataLoader(numbers(20), { batchSize: 4, prefetch: 3 })
    for await (const batch of loader) if (batch.data[0] === 4) break
    const resumed = new DataLoader(numbers(20), { batchSize: 4 })
    resumed.loadStateDict(stored(loader.stateDict()))
    expect(await rowsOf(resumed)).toEqual([[8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19]])
  })

  test('of a batch that is late is the one before it', async () => {
    const { opened, open } = gate()
    const make = () => new DataLoader({ length: 4, get: async i => { if (i === 2) await opened; return i } }, { batchSize: 2, timeout: 5 })
    const loader = make()
    const iterator = loader.stream()
    await iterator.next()
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'Timeout' })
    const state = stored(loader.stateDict())
    open()
    expect((await iterator.next()).value).toMatchObject({ data: new Float32Array([2, 3]) })
    const resumed = make()
    resumed.loadStateDict(state)
    expect(await rowsOf(resumed)).toEqual([[2, 3]])
    expect((await iterator.next()).done).toBe(true)
  })

  test('does not depend on the seed of the loader that takes it', async () => {
    const loader = new DataLoader(numbers(30), { batchSize: 5, shuffle: true, generator: new Rng([3, 3]) })
    const epoch = await rowsOf(loader)
    loader.setEpoch(0)
    const iterator = loader.stream()
    await iterator.next()
    const state = stored(loader.stateDict())
    const rest = await rowsOf(iterator)
    const resumed = new DataLoader(numbers(30), { batchSize: 5, shuffle: true, generator: new Rng([4, 4]) })
    resumed.loadStateDict(state)
    expect(await rowsOf(resumed)).toEqual(rest)
    expect(rest).not.toEqual(epoch.slice(1))
  })

  test('of other settings, of another dataset, or of nothing is refused', async () => {
    const loader = new DataLoader(numbers(9), { batchSize: 2 })
    await loader.stream().next()
    const state = loader.stateDict()
    const load = (other: { loadStateDict(state: LoaderState): void; stream(): unknown }, from = state) => () => {
      other.loadStateDict(from)
      other.stream()
    }
    expect(load(new DataLoader(numbers(9), { batchSize: 3 }))).toThrow('batchSize was 2 and is 3')
    expect(load(new DataLoader(numbers(9), { batchSize: 2, shuffle: true }))).toThrow('shuffle was false and is true')
    expect(load(new DataLoader(numbers(9), { batchSize: 2, sampler: [1] }))).toThrow('shuffle was false and is not given')
    expect(load(new DataLoader(numbers(8), { batchSize: 2 }))).toThrow('belongs to another plan')
    expect(load(new DataLoader({ length: 9, get: i => i + 1 }, { batchSize: 2 }))).toThrow('belongs to another plan')
    expect(load(new DataLoader(numbers(9), { batchSize: 2 }), {} as LoaderState)).toThrow('no state of a loader')
    expect(load(new DataLoader(numbers(9), { batchSize: 2 }), { ...state, version: 2 as 1 })).toThrow('version 2')
    expect(load(new DataLoader(numbers(9), { batchSize: 2 }), { ...state, epoch: -1 })).toThrow('epoch')
    await loader.close()
  })

  test('of a stream without order goes on with the same stream: nothing is lost, and nothing comes twice', async () => {
    const make = () => new DataLoader({ length: 40, get: async i => { for (let k = 0; k < (i * 7) % 5; k++) await Promise.resolve(); return i } }, { batchSize: 4 })
    const loader = make()
    const iterator = loader.stream({ pool: { poolSize: 8 } })
    const before = [await iterator.next(), await iterator.next()].flatMap(({ value }) => [...(value?.data ?? [])])
    const state = stored(loader.stateDict())
    await loader.close()
    const resumed = make()
    resumed.loadStateDict(state)
    expect(() => resumed.stream()).toThrow('the same stream({ pool })')
    const after = (await rowsOf(resumed.stream({ pool: { poolSize: 3 } }))).flat()
    expect([...before, ...after].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })

  test('setEpoch forgets it', async () => {
    const loader = new DataLoader(numbers(4), { batchSize: 2 })
    const iterator = loader.stream()
    await iterator.next()
    loader.loadStateDict(loader.stateDict())
    loader.setEpoch(5)
    expect(loader.stateDict()).toMatchObject({ epoch: 5, checkpoint: null })
    expect(await collect(loader)).toHaveLength(2)
    await iterator.close()
  })
})
