import { afterAll, describe, expect, test } from '@jest/globals'
import type { NdArray } from '../../dist/src/index.js'
import { Dataset, portable, release, writeTfrecord } from '../../dist/src/index.js'
import { DataLoader } from '../../dist/src/loader/data-loader.js'
import { batchSampler } from '../../dist/src/loader/samplers/batch.js'
import { randomSampler } from '../../dist/src/loader/samplers/random.js'
import { endWorkers } from '../../dist/src/workers/pool.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

interface Made {
  readonly x: NdArray<'float32', readonly [4]>
  readonly y: number
  readonly thread: number
  readonly number: number
}

interface Module {
  init(thread: number): void
  get(index: number): Made
  plain(index: number, context: object): readonly [number, number]
  where(rows: readonly { readonly y: number }[]): { readonly ys: readonly number[]; readonly thread: number }
}

const url = pathToFileURL(join(process.cwd(), 'test/workers/modules/loader.mjs'))
const get = portable<Module, 'get'>(url, 'get')
const plain = portable<Module, 'plain'>(url, 'plain')
const where = portable<Module, 'where'>(url, 'where')
const init = portable<Module, 'init'>(url, 'init')

afterAll(() => endWorkers())

async function collect<T>(elements: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const element of elements) all.push(element)
  return all
}

const threadsOf = async (loader: AsyncIterable<{ readonly thread: NdArray }>): Promise<Set<unknown>> => new Set((await collect(loader)).flatMap(({ thread }) => [...(thread.data as Float32Array)]))

describe('a portable get', () => {
  test('runs on numWorkers threads, and in this one without', async () => {
    expect(await threadsOf(new DataLoader({ length: 12, get }, { batchSize: 4 }))).toEqual(new Set([0]))
    const threads = await threadsOf(new DataLoader({ length: 400, get: get }, { sampler: Array.from({ length: 400 }, () => 5), batchSize: 4, numWorkers: 2 }))
    expect(threads.has(0)).toBe(false)
    expect(threads.size).toBeLessThanOrEqual(2)
  })

  test('gives the same batches for any number of workers, and states that go on with any other', async () => {
    const make = (numWorkers: number | 'auto') => new DataLoader({ length: 50, get: plain }, { batchSize: 7, shuffle: true, seed: 4, numWorkers })
    const whole = await collect(make(0))
    const states: [number, string][] = []
    const counts = [0, 1, 2, 'auto'] as const
    for (const count of counts) {
      const loader = make(count)
      const seen: unknown[] = []
      for await (const batch of loader) {
        seen.push(batch)
        states.push([seen.length, JSON.stringify(loader.stateDict())])
      }
      expect(seen).toEqual(whole)
      await loader.close()
    }
    for (const [i, [done, state]] of states.entries()) {
      const resumed = make(counts[(i * 3 + 1) % counts.length] as number)
      resumed.loadStateDict(JSON.parse(state) as ReturnType<typeof resumed.stateDict>)
      expect(await collect(resumed)).toEqual(whole.slice(done))
    }
  }, 60_000)

  test('makes the batches of a batch sampler', async () => {
    const make = (numWorkers: number) => new DataLoader({ length: 20, get: plain }, { batchSampler: batchSampler(randomSampler(20), { batchSize: 6 }), seed: 2, numWorkers })
    expect(await collect(make(2))).toEqual(await collect(make(0)))
  })

  test('that fails is an error at its batch, and the next call goes on', async () => {
    const iterator = new DataLoader({ length: 16, get }, { batchSize: 4, numWorkers: 2 }).stream()
    const seen: unknown[] = []
    for (let i = 0; i < 5; i++) {
      seen.push(await iterator.next().then(({ value }) => [...(value?.y.data ?? [])], (error: unknown) => error))
    }
    expect(seen).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], expect.objectContaining({ kind: 'UserFunction', index: 13, site: expect.stringContaining('loader.test') as unknown }), [12, 14, 15]])
    await iterator.close()
  })

  test('delivers everything once without order, in page-aligned memory', async () => {
    const seen: number[] = []
    for await (const batch of new DataLoader({ length: 60, get: plain }, { batchSize: 8, numWorkers: 2, inOrder: false, pinMemory: true })) {
      expect(batch[0].data.buffer.byteLength % 65_536).toBe(0)
      seen.push(...batch[0].data)
      release(batch)
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i))
  })
})

describe('threads', () => {
  test('are called with workerInit, each with its number', async () => {
    const loader = new DataLoader({ length: 12, get }, { batchSize: 4, numWorkers: 2, workerInit: init })
    const numbers = new Set((await collect(loader)).flatMap(({ number }) => [...number.data]))
    expect([...numbers].every(number => number === 0 || number === 1)).toBe(true)
    const none = new DataLoader({ length: 4, get }, { batchSize: 4, numWorkers: 1 })
    expect((await collect(none)).flatMap(({ number }) => [...number.data])).toEqual([-1, -1, -1, -1])
  })

  test('stay from one epoch to the next with persistentWorkers, until the loader is closed', async () => {
    const make = (persistentWorkers: boolean) => new DataLoader({ length: 8, get }, { batchSize: 4, numWorkers: 1, persistentWorkers })
    const plainLoader = make(false)
    expect(await threadsOf(plainLoader)).not.toEqual(await threadsOf(plainLoader))
    const persistent = make(true)
    const threads = await threadsOf(persistent)
    expect(await threadsOf(persistent)).toEqual(threads)
    expect(await threadsOf(make(true))).toEqual(threads)
    await persistent.close()
    expect(await threadsOf(make(true))).not.toEqual(threads)
  })

  test('run a portable collate', async () => {
    const batches = await collect(new DataLoader([{ y: 1 }, { y: 2 }, { y: 3 }], { batchSize: 2, numWorkers: 1, collate: where }))
    expect(batches.map(({ ys }) => ys)).toEqual([[1, 2], [3]])
    expect(batches.every(({ thread }) => thread > 0)).toBe(true)
  })
})

describe('a Dataset', () => {
  test('gives the same batches, shuffled and sharded, for any number of workers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-loader-'))
    try {
      for (const file of [0, 1, 2]) await writeTfrecord(join(folder, `${file}.tfrecord`), Array.from({ length: 20 }, (_, i) => Uint8Array.of(file, i)))
      const make = (numWorkers: number) => new DataLoader(Dataset.tfrecord(join(folder, '*.tfrecord')), { batchSize: 6, shuffle: 8, seed: 1, shard: { rank: 1, worldSize: 2 }, numWorkers })
      const batches = await collect(make(0))
      expect(batches.flat()).toHaveLength(30)
      expect(await collect(make(2))).toEqual(batches)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
