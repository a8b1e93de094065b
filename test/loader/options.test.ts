import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import type { LoaderOptions } from '../../src/loader/loader-options.js'
import { debug, distributedOptimized, gpuOptimized } from '../../src/loader/presets.js'
import { portable } from '../../src/portable.js'
import { optionsOf } from '../../src/operators/options.js'
import { nodesOf } from '../../src/plan/node.js'
import { Rng } from '../../src/util/rng.js'
import { numbers } from './helpers.js'

type Given = LoaderOptions<number>
const loaderOf = (options: Given) => new DataLoader(numbers(10), options)
const paramsOf = (loader: { readonly dataset: Dataset<unknown> }, name: string): Record<string, unknown> | undefined =>
  [...nodesOf(loader.dataset.plan)].findLast(node => node.op.name === name)?.params as Record<string, unknown> | undefined
const get = portable<{ double: (i: number) => number }>('data:text/javascript,export const double = i => 2 * i', 'double')
const init = portable<{ init: (n: number) => void }>('data:text/javascript,export const init = () => {}', 'init')

describe('options that exclude each other are errors when the loader is made', () => {
  const sampler = [1, 2]
  const batchSampler = { length: 1, batches: () => [[1]] }
  test.each<[Given, string]>([
    [{ sampler, shuffle: true }, 'sampler excludes shuffle'],
    [{ batchSampler, batchSize: 2 }, 'batchSampler excludes batchSize'],
    [{ batchSampler, batchSize: null }, 'batchSampler excludes batchSize'],
    [{ batchSampler, shuffle: true }, 'batchSampler excludes shuffle'],
    [{ batchSampler, sampler }, 'batchSampler excludes sampler'],
    [{ batchSampler, dropLast: true }, 'batchSampler excludes dropLast'],
    [{ batchSampler, shard: { rank: 0, worldSize: 2 } }, 'batchSampler excludes shard'],
    [{ batchSampler, inOrder: false }, 'batchSampler excludes inOrder'],
    [{ seed: 1, generator: new Rng([1, 1]) }, 'generator excludes seed'],
    [{ generator: new Rng([1, 1]), shard: { rank: 0, worldSize: 2 } }, 'generator excludes shard'],
    [{ batchSize: null, dropLast: true }, 'dropLast excludes batchSize'],
    [{ batchSize: null, collate: () => 1 }, 'collate excludes batchSize'],
    [{ prefetchFactor: 2 }, 'prefetchFactor needs numWorkers'],
    [{ prefetchFactor: 2, numWorkers: 0 }, 'prefetchFactor needs numWorkers'],
    [{ persistentWorkers: true }, 'persistentWorkers needs numWorkers'],
    [{ workerInit: init }, 'workerInit needs numWorkers'],
    [{ prefetch: 2, prefetchFactor: 2, numWorkers: 'auto' }, 'prefetch excludes prefetchFactor'],
    [{ numWorkers: 2 }, 'threads can load neither get nor collate']
  ])('%o', (options, message) => {
    expect(() => loaderOf(options)).toThrow(TypeError)
    expect(() => loaderOf(options)).toThrow(message)
  })

  test('false, and what is undefined, is as good as not given', () => {
    loaderOf({ sampler, shuffle: false, dropLast: false, persistentWorkers: false })
    loaderOf({ batchSampler, shuffle: false, dropLast: false })
    const absent: object = { seed: undefined, generator: new Rng([1, 1]), batchSize: undefined }
    loaderOf(absent)
  })
})

describe('wrong options', () => {
  test.each<[object, string]>([
    [{ batchsize: 3 }, "unknown option 'batchsize'; did you mean 'batchSize'?"],
    [{ num_workers: 3 }, "did you mean 'numWorkers'?"],
    [{ partSize: 3 }, 'it belongs to DataLoader.fromUris'],
    [{ poolSize: 3 }, 'it belongs to stream({ pool })'],
    [{ batchSize: 0 }, 'batchSize must be an integer of at least 1'],
    [32 as never, 'options must be an object, such as { batchSize: 32 }, got a number'],
    [{ batchSize: '3' }, 'batchSize must be a number'],
    [{ shuffle: 0 }, 'shuffle must be'],
    [{ shuffle: 100 }, 'shuffle must be true or false here'],
    [{ shuffle: 'yes' }, 'shuffle must be true or false'],
    [{ seed: 1.5 }, 'seed must be an integer'],
    [{ generator: 4 }, 'generator must be an Rng'],
    [{ sampler: {} }, "'indices(pass)'"],
    [{ sampler: [-1] }, 'integer of at least 0'],
    [{ batchSampler: [] }, "batchSampler must have a method 'batches(pass)'"],
    [{ numWorkers: -1 }, 'numWorkers must be'],
    [{ collate: 3 }, 'collate must be a function'],
    [{ dropLast: 1 }, 'dropLast must be true or false'],
    [{ timeout: 0 }, 'timeout must be an integer of at least 1'],
    [{ timeout: 2 ** 40 }, 'timeout must be at most'],
    [{ prefetch: -1 }, 'prefetch must be'],
    [{ maxConcurrency: 0 }, 'maxConcurrency must be'],
    [{ workerInit: () => 1, numWorkers: 'auto' }, 'workerInit must be a portable function'],
    [{ signal: {} }, 'signal must be an AbortSignal'],
    [{ autotune: 4 }, 'autotune'],
    [{ shard: { rank: 2, worldSize: 2 } }, 'rank must be below worldSize'],
    [{ shard: { rank: 0, world_size: 2 } }, "did you mean 'worldSize'?"],
    [{ shard: { rank: 0, worldSize: 2, workerIndex: 1 } }, 'workerIndex must be below workerCount'],
    [{ shard: { rank: 0, worldSize: 2, remainder: 'all' } }, "remainder must be 'pad'"]
  ])('%o', (options, message) => {
    expect(() => loaderOf(options as Given)).toThrow(message)
  })

  test('what has no effect on a Dataset or an iterable is refused', () => {
    expect(() => new DataLoader(Dataset.range(4), { sampler: [1] })).toThrow('sampler needs a map-style dataset')
    expect(() => new DataLoader(Dataset.range(4), { batchSampler: { length: 0, batches: () => [] } })).toThrow('batchSampler needs a map-style dataset')
    expect(() => new DataLoader(new Set([1]), { shuffle: true })).toThrow('give the size of a buffer')
    expect(() => new DataLoader(Dataset.range(4).map(x => x), { inOrder: false })).toThrow('no map or interleave of the dataset has parallel')
    expect(() => new DataLoader(new Set([1]), { numWorkers: 2 })).toThrow('threads can load neither the iterable nor collate')
  })

  test('what is no dataset is refused', () => {
    expect(() => new DataLoader(3 as never)).toThrow('expected a Dataset, a map-style dataset')
    expect(() => new DataLoader(null as never)).toThrow('expected a Dataset')
    expect(() => new DataLoader({ length: -1, get: () => 1 })).toThrow('length must be an integer of at least 0')
  })
})

describe('options of workers arrive in the plan', () => {
  test('numWorkers, persistentWorkers and workerInit', () => {
    const loader = new DataLoader({ length: 4, get }, { numWorkers: 3, persistentWorkers: true, workerInit: init })
    expect(optionsOf(loader.dataset.plan)).toMatchObject({ workers: { count: 3, persistent: true, init: init.portable }, threading: { privateThreadpoolSize: 3 } })
    expect(paramsOf(loader, 'map')).toMatchObject({ fn: get, parallel: 3 })
  })

  test('without workers a portable get stays in this thread', async () => {
    const loader = new DataLoader({ length: 4, get }, { numWorkers: 0, batchSize: 4 })
    expect(paramsOf(loader, 'map')?.['fn']).not.toBe(get)
    expect(optionsOf(loader.dataset.plan).workers).toEqual({ count: 0 })
    const none = new DataLoader({ length: 4, get }, { batchSize: 4 })
    expect(none.dataset.fingerprint()).toBe(new DataLoader({ length: 4, get }, { batchSize: 4, numWorkers: 2 }).dataset.fingerprint())
  })

  test('a Dataset keeps its own options where the loader says nothing', () => {
    const dataset = Dataset.range(4).options({ workers: { count: 5, retries: 2 } })
    expect(optionsOf(new DataLoader(dataset).dataset.plan).workers).toEqual({ count: 5, retries: 2 })
    expect(optionsOf(new DataLoader(dataset, { numWorkers: 2 }).dataset.plan).workers).toEqual({ count: 2, retries: 2 })
  })

  test('each worker prepares prefetchFactor batches ahead, 2 if nothing is said', () => {
    const sizes = ([{ numWorkers: 3 }, { numWorkers: 3, prefetchFactor: 4 }, { numWorkers: 3, prefetch: 5 }, {}, { prefetch: 'auto' }, { prefetch: 0 }] as Given[])
      .map(options => paramsOf(new DataLoader({ length: 4, get }, options), 'prefetch')?.['size'])
    expect(sizes).toEqual([6, 12, 5, 2, 'auto', undefined])
  })

  test('a portable collate is given to the workers', () => {
    const collate = portable<{ first: (rows: readonly number[]) => number }>('data:text/javascript,export const first = rows => rows[0]', 'first')
    const loader = new DataLoader(numbers(4), { collate, numWorkers: 2 })
    expect(paramsOf(loader, 'map')).toMatchObject({ fn: collate, parallel: 2 })
  })

  test('maxConcurrency auto is left to the tuner', () => {
    expect(paramsOf(loaderOf({ maxConcurrency: 'auto' }), 'map')).toMatchObject({ parallel: 'auto' })
    expect(optionsOf(new DataLoader(Dataset.range(3), { maxConcurrency: 'auto' }).dataset.plan).threading).toEqual({})
  })

  test('autotune', () => {
    expect(optionsOf(loaderOf({ autotune: false }).dataset.plan).autotune).toEqual({ enabled: false })
    expect(optionsOf(loaderOf({ autotune: { cpuBudget: 3 } }).dataset.plan).autotune).toEqual({ cpuBudget: 3 })
  })
})

describe('presets', () => {
  const linesOf = (options: Given, name: string) => new DataLoader({ length: 64, get }, options).explainConfig().find(line => line.name === name)

  test.each<[string, Given]>([['gpuOptimized', gpuOptimized], ['distributedOptimized(1, 4)', distributedOptimized(1, 4)], ['debug', debug]])('every member of %s arrives', (name, preset) => {
    expect(Object.isFrozen(preset)).toBe(true)
    for (const [key, value] of Object.entries(preset)) expect(linesOf({ ...preset }, key)).toMatchObject({ value: value as unknown, origin: 'preset', from: `preset ${name}` })
    expect(linesOf({ ...preset, batchSize: 8 }, 'batchSize')).toMatchObject({ value: 8, origin: 'option' })
  })

  test('what is given beside a preset wins, and is no longer its own', () => {
    expect(linesOf({ ...gpuOptimized, prefetch: 9 }, 'prefetch')).toMatchObject({ value: 9, origin: 'option' })
    expect(linesOf({ ...gpuOptimized, ...distributedOptimized(0, 2) }, 'maxConcurrency')).toMatchObject({ value: 64, from: 'preset distributedOptimized(0, 2)' })
    expect(linesOf({ ...gpuOptimized, ...distributedOptimized(0, 2) }, 'pinMemory')).toMatchObject({ value: true, from: 'preset gpuOptimized' })
  })

  test('gpuOptimized: threads, pages, four batches ahead, one shape', async () => {
    const loader = new DataLoader({ length: 50, get }, { ...gpuOptimized })
    expect(loader.length).toBe(1)
    expect(optionsOf(loader.dataset.plan).workers).toEqual({ count: 'auto', persistent: true })
    expect(paramsOf(loader, 'prefetch')).toMatchObject({ size: 4 })
    expect(paramsOf(loader, 'pin')).toBeDefined()
    expect(paramsOf(new DataLoader(numbers(5), { ...gpuOptimized }), 'map')).toMatchObject({ parallel: 64 })
  })

  test('distributedOptimized: one part, in random order, as on all ranks', () => {
    const loader = new DataLoader(numbers(100), { ...distributedOptimized(1, 3), batchSize: 10 })
    expect(loader.length).toBe(3)
    expect(loader.dataset.toString()).toContain('distributedSampler(1 of 3)')
    expect(() => distributedOptimized(3, 3) && new DataLoader(numbers(4), distributedOptimized(3, 3))).toThrow('rank must be below')
  })

  test('debug: one call after the other, and nothing ahead', async () => {
    const calls: number[] = []
    const loader = new DataLoader({ length: 6, get: async i => { calls.push(i); return i } }, { ...debug, batchSize: 2 })
    const iterator = loader.stream()
    expect(calls).toEqual([])
    await iterator.next()
    expect(calls.length).toBeLessThanOrEqual(3)
    expect(paramsOf(loader, 'prefetch')).toBeUndefined()
    expect(paramsOf(loader, 'map')).toMatchObject({ parallel: 1 })
    await iterator.close()
  })
})

describe('explainConfig', () => {
  test('says every setting with its value and where that comes from', () => {
    const lines = new DataLoader(numbers(8), { batchSize: 4, collate: rows => rows.length }).explainConfig()
    const by = Object.fromEntries(lines.map(({ name, value, origin, from }) => [name, [value, origin, from]]))
    expect(by).toMatchObject({
      batchSize: [4, 'option', 'batchSize'], collate: ['a function', 'option', 'collate'], dropLast: [false, 'default', 'default'], maxConcurrency: [16, 'default', 'default'],
      'pool.poolSize': [16, 'pool', 'pool, from the options'], 'pool.readaheadBatches': [2, 'pool', 'pool, from the options'],
      parallel: [16, 'option', 'numWorkers or maxConcurrency'], ahead: [2, 'option', 'prefetch or prefetchFactor']
    })
    expect(lines.every(({ meaning }) => meaning.length > 5)).toBe(true)
  })

  test('with a pool says what is in force then', () => {
    const lines = new DataLoader(numbers(8), { batchSize: 100 }).explainConfig({ pool: { poolSize: 20, maxInflight: 250 } })
    const by = Object.fromEntries(lines.map(({ name, value, from }) => [name, [value, from]]))
    expect(by).toMatchObject({ 'pool.poolSize': [20, 'pool'], 'pool.ordered': [false, 'pool'], parallel: [20, 'poolSize, at most maxInflight'], ahead: [2, 'readaheadBatches, at most what maxInflight leaves'] })
  })
})
