import { describe, expect, test } from '@jest/globals'
import { DataLoader } from '../../src/loader/data-loader.js'
import { measured } from '../../src/storage/layers/statistics.js'
import { memoryStore } from '../../src/storage/memory.js'
import type { Store } from '../../src/store.js'
import { collect } from './helpers.js'

async function filled(count: number, bytes: (i: number) => number = () => 4): Promise<{ readonly store: Store; readonly uris: string[] }> {
  const store = memoryStore()
  const uris = Array.from({ length: count }, (_, i) => `mem://data/train/${String(i).padStart(5, '0')}`)
  for (const [i, uri] of uris.entries()) await store.put(uri, new Uint8Array(bytes(i)).fill(i))
  await store.put('mem://data/other', new Uint8Array(1))
  return { store, uris }
}

/** The same store, which notes what is read of opened objects, and how many reads are under way. */
function watched(store: Store): { readonly store: Store; readonly reads: [number, number][]; readonly state: { most: number; opened: number } } {
  const reads: [number, number][] = []
  const state = { most: 0, opened: 0 }
  let now = 0
  const { get: _, ...rest } = store
  const open: Store['open'] = async (uri, options) => {
    const source = await store.open(uri, options)
    state.opened++
    return {
      ...source, uri: source.uri, byteLength: source.byteLength, version: source.version,
      async read(offset, into, given) {
        reads.push([offset, into.length])
        state.most = Math.max(state.most, ++now)
        await new Promise(resolve => setImmediate(resolve))
        await source.read(offset, into, given)
        now--
      },
      close: async () => {
        state.opened--
        await source.close()
      }
    }
  }
  return { store: { ...rest, open }, reads, state }
}

const urisOf = async (loader: AsyncIterable<{ readonly uri: { readonly data: readonly string[] } }>): Promise<string[]> => (await collect(loader)).flatMap(({ uri }) => [...uri.data])

describe('fromUris', () => {
  test('loads whole objects with their URIs, in batches', async () => {
    const { store, uris } = await filled(5)
    const [first, ...more] = await collect(DataLoader.fromUris(uris, { store, batchSize: 2 }))
    expect(first).toEqual({ uri: { dtype: 'string', shape: [2], data: uris.slice(0, 2) }, bytes: [new Uint8Array(4), new Uint8Array(4).fill(1)] })
    expect(more).toHaveLength(2)
    expect(DataLoader.fromUris(uris, { store, batchSize: 2 }).length).toBe(3)
  })

  test('is map-style: samplers, shards and items apply', async () => {
    const { store, uris } = await filled(6)
    expect(await urisOf(DataLoader.fromUris(uris, { store, sampler: [5, 0] }))).toEqual([uris[5], uris[0]])
    expect(await urisOf(DataLoader.fromUris(uris, { store, shard: { rank: 1, worldSize: 2 } }))).toEqual([uris[1], uris[3], uris[5]])
    const items = await collect(DataLoader.fromUris(uris, { store, sampler: [4, 2] }).items())
    expect(items.map(({ index, element }) => [index, element.uri])).toEqual([[4, uris[4]], [2, uris[2]]])
  })

  test('reads maxConcurrency objects at once', async () => {
    const { store, uris } = await filled(20)
    const { store: slow, state } = watched(store)
    await collect(DataLoader.fromUris(uris, { store: slow, maxConcurrency: 7 }))
    expect(state).toEqual({ most: 7, opened: 0 })
  })

  test("reads at once with readerMode 'whole', and in parts of partSize with 'range', maxInflightParts of them side by side", async () => {
    const { store, uris } = await filled(1, () => 1000)
    const whole = watched(store)
    await collect(DataLoader.fromUris(uris, { store: whole.store }))
    expect(whole.reads).toEqual([[0, 1000]])
    const parts = watched(store)
    const [object] = await collect(DataLoader.fromUris(uris, { store: parts.store, readerMode: 'range', partSize: 128, maxInflightParts: 3, batchSize: null }))
    expect(object?.bytes).toEqual(new Uint8Array(1000))
    expect(parts.reads).toHaveLength(8)
    expect(parts.reads.every(([, length]) => length <= 128)).toBe(true)
    expect(parts.state).toEqual({ most: 3, opened: 0 })
  })

  test('asks for a whole object in one request', async () => {
    const { store, uris } = await filled(10)
    const counted = measured(store)
    await collect(DataLoader.fromUris(uris, { store: counted }))
    const { get, open, stat } = counted.stats().operations
    expect([get?.count, open?.count ?? 0, stat?.count ?? 0]).toEqual([10, 0, 0])
  })

  test('adaptive chooses parts by the sizes that were read; what is given stays', async () => {
    const { store, uris } = await filled(12)
    const lineOf = (loader: DataLoader<unknown, object>, name: string) => loader.explainConfig().find(line => line.name === name)
    const loader = DataLoader.fromUris(uris, { store, adaptive: true, maxInflightParts: 5 })
    expect(lineOf(loader as never, 'partSize')).toMatchObject({ value: 8 << 20, origin: 'default' })
    expect(lineOf(loader as never, 'readerMode')).toMatchObject({ value: 'range' })
    await collect(loader)
    expect(lineOf(loader as never, 'partSize')).toMatchObject({ value: 4 << 20, origin: 'adaptive', from: 'adaptive (smallFile)' })
    expect(lineOf(loader as never, 'maxInflightParts')).toMatchObject({ value: 5, origin: 'option' })
  })

  test('an object that is not there is an error in its place, and empty ones are empty', async () => {
    const { store, uris } = await filled(3, i => (i === 1 ? 0 : 2))
    await store.delete(uris[0] as string)
    for (const more of [{}, { readerMode: 'range' as const }]) {
      const iterator = DataLoader.fromUris(uris, { store, batchSize: 1, ...more }).stream()
      await expect(iterator.next()).rejects.toMatchObject({ kind: 'NotFound', uri: uris[0] })
      expect((await iterator.next()).value).toMatchObject({ bytes: [new Uint8Array(0)] })
      expect((await iterator.next()).value).toMatchObject({ bytes: [new Uint8Array(2).fill(2)] })
      await iterator.close()
    }
  })

  test('contradictions and wrong values are refused', async () => {
    const { store, uris } = await filled(1)
    const make = (options: object) => () => DataLoader.fromUris(uris, { store, ...options })
    expect(make({ partSize: 5 })).toThrow("partSize needs readerMode: 'range'")
    expect(make({ maxInflightParts: 5, readerMode: 'whole' })).toThrow("maxInflightParts needs readerMode: 'range'")
    expect(make({ adaptive: true, readerMode: 'whole' })).toThrow('adaptive excludes readerMode')
    expect(make({ readerMode: 'part' })).toThrow("readerMode must be 'whole' or 'range'")
    expect(make({ store: 3 })).toThrow('store must be a store')
    expect(make({ numWorkers: 2 })).toThrow('what reads the objects')
    expect(make({ partsize: 5 })).toThrow("did you mean 'partSize'?")
    expect(() => DataLoader.fromUris([])).toThrow('no files are named')
    expect(() => DataLoader.fromUris([3] as unknown as string[])).toThrow('a file name must be a string')
  })
})

describe('fromPrefix', () => {
  test('loads all objects below it, in order, whatever number there is', async () => {
    const { store, uris } = await filled(30)
    const loader = DataLoader.fromPrefix('mem://data/train/', { store, batchSize: 8 })
    expect(await urisOf(loader)).toEqual(uris)
    expect(loader.length).toBeUndefined()
  })

  test('lists anew in each epoch', async () => {
    const { store, uris } = await filled(3)
    const loader = DataLoader.fromPrefix('mem://data/train/', { store })
    await urisOf(loader)
    await store.put('mem://data/train/x', new Uint8Array(1))
    expect(await urisOf(loader)).toEqual([...uris, 'mem://data/train/x'])
  })

  test('shards and shuffles what was listed, and knows its ordinals', async () => {
    const { store, uris } = await filled(9)
    const options = { store, shuffle: true, seed: 3, batchSize: 2 }
    const parts = await Promise.all([0, 1].map(rank => urisOf(DataLoader.fromPrefix('mem://data/train/', { ...options, shard: { rank, worldSize: 2 } }))))
    expect(parts.flat().sort()).toEqual(uris)
    const loader = DataLoader.fromPrefix('mem://data/train/', options)
    const items = await collect(loader.items())
    expect(items.every(({ index, element }) => element.uri === uris[index])).toBe(true)
    expect(items.map(({ element }) => element.uri)).toEqual(await urisOf(loader))
  })

  test('goes on exactly behind every batch', async () => {
    const { store } = await filled(10)
    const make = () => DataLoader.fromPrefix('mem://data/train/', { store, shuffle: 4, seed: 3, batchSize: 3 })
    const whole = await collect(make())
    const loader = make()
    const iterator = loader.stream()
    for (let done = 0; done <= whole.length; done++) {
      const resumed = make()
      resumed.loadStateDict(JSON.parse(JSON.stringify(loader.stateDict())) as ReturnType<typeof loader.stateDict>)
      expect(await collect(resumed)).toEqual(whole.slice(done))
      await iterator.next()
    }
  })

  test('nothing below it is an error', async () => {
    const { store } = await filled(1)
    await expect(collect(DataLoader.fromPrefix('mem://data/none/', { store }))).rejects.toMatchObject({ kind: 'NotFound', uri: 'mem://data/none/' })
    expect(() => DataLoader.fromPrefix('mem://data/train/', { sampler: [1] })).toThrow('sampler needs a map-style dataset')
  })

  test('a bucket of 10,000 objects: one seed is one order, another seed another, and each object comes once', async () => {
    const { store, uris } = await filled(10_000, () => 1)
    const order = (seed: number) => urisOf(DataLoader.fromPrefix('mem://data/train/', { store, shuffle: true, seed, batchSize: 500, maxConcurrency: 64 }))
    const first = await order(1)
    expect(await order(1)).toEqual(first)
    expect(await order(2)).not.toEqual(first)
    expect([...first].sort()).toEqual(uris)
  })
})
