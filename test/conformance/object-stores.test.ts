/** Sources over object stores, end to end: what a training job does with a bucket. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { release } from '../../src/array/pool.js'
import type { NdArray } from '../../src/types.js'
import { azureStore } from '../../src/storage/azure/store.js'
import { directStore } from '../../src/storage/direct.js'
import { fileStore } from '../../src/storage/file.js'
import { gcsStore } from '../../src/storage/gcs/store.js'
import { httpStore } from '../../src/storage/http/store.js'
import { cached } from '../../src/storage/layers/cache.js'
import { measured } from '../../src/storage/layers/statistics.js'
import { memoryStore } from '../../src/storage/memory.js'
import { s3Store } from '../../src/storage/s3/store.js'
import type { Store } from '../../src/store.js'
import type { RemoteStore } from '../../src/storage/remote/remote-store.js'
import { writeHdf5, writeNpy, writeNpz } from '../../src/write-arrays.js'
import { writeTfrecord } from '../../src/write.js'
import { startGcsFake, type GcsFake } from '../servers/gcs-fake.js'
import { startS3Fake, type S3Fake } from '../servers/s3-fake.js'
import { startServer, type RunningServer } from '../servers/start.js'

let server: S3Fake
let store: RemoteStore

beforeAll(async () => {
  server = await startS3Fake({ buckets: ['train', 'many', 'changing'] })
  store = s3Store({ endpoint: server.url, region: server.region, forcePathStyle: true, credentials: server.credentials })
})
afterAll(async () => {
  await store.close()
  await server.close()
})

describe('a bucket of 10,000 objects', () => {
  const COUNT = 10_000
  beforeAll(() => {
    for (let i = 0; i < COUNT; i++) server.put('many', `images/${String(i).padStart(5, '0')}.bin`, new Uint8Array([i & 0xff, i >> 8, 7]))
  })
  const order = (seed: number): Promise<string[]> => Dataset.listFiles('s3://many/images/*.bin', { store }).shuffle(COUNT, { seed }).toArray()

  test('comes in the same order for the same seed, and in another for another', async () => {
    const [first, again, other] = [await order(1), await order(1), await order(2)]
    expect(new Set(first).size).toBe(COUNT)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
    expect([...other].sort()).toEqual([...first].sort())
  }, 60_000)

  test('is read in that order, every object exactly once and with one request', async () => {
    const before = server.log.length
    const uris: string[] = []
    for await (const { uri, bytes } of Dataset.raw('s3://many/images/*.bin', { store, withUri: true }).shuffle(COUNT, { seed: 1 })) {
      uris.push(uri)
      if (bytes.length !== 3 || Number(/(\d+)\.bin$/.exec(uri)?.[1]) !== (bytes[0] as number) + 256 * (bytes[1] as number)) throw new Error(`${uri} has other bytes`)
    }
    expect(uris).toEqual(await order(1))
    const requests = server.log.slice(before).map(({ operation }) => operation)
    expect(requests.filter(operation => operation === 'GetObject').length).toBe(COUNT)
    expect(new Set(requests)).toEqual(new Set(['GetObject', 'ListObjectsV2']))
  }, 120_000)

  test('goes on exactly from a checkpoint', async () => {
    const dataset = Dataset.raw('s3://many/images/*.bin', { store, withUri: true }).shuffle({ seed: 3 }).map(({ uri }) => uri).take(600)
    const iterator = dataset.iterator()
    for (let i = 0; i < 400; i++) await iterator.next()
    const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as ReturnType<typeof iterator.checkpoint>
    const rest: string[] = []
    for await (const uri of iterator) rest.push(uri)
    const resumed: string[] = []
    for await (const uri of dataset.iterator({ from: checkpoint })) resumed.push(uri)
    expect(rest.length).toBe(200)
    expect(resumed).toEqual(rest)
  }, 60_000)
})

describe('100 NPZ objects', () => {
  /** Points of a plane, and on which side of a line they lie. */
  const ROWS = 64
  beforeAll(async () => {
    for (let file = 0; file < 100; file++) {
      const xs = Float32Array.from({ length: ROWS * 2 }, (_, i) => Math.sin((file * ROWS * 2 + i) * 12.9898) * 2)
      const ys = BigInt64Array.from({ length: ROWS }, (_, i) => (3 * (xs[2 * i] as number) - 2 * (xs[2 * i + 1] as number) + 0.5 > 0 ? 1n : 0n))
      await writeNpz(`s3://train/npz/${String(file).padStart(3, '0')}.npz`,
        { x: { dtype: 'float32', shape: [ROWS, 2], data: xs }, y: { dtype: 'int64', shape: [ROWS], data: ys } }, { store, compression: file % 2 === 0 ? 'deflate' : 'none' })
    }
  }, 60_000)

  test('feed a training loop that learns', async () => {
    type Batch = { readonly x: NdArray<'float32', [number, 2]>; readonly y: NdArray<'int64', [number]> }
    const batches = Dataset.npz<{ x: NdArray<'float32', [2]>; y: bigint }>('s3://train/npz/*.npz', { store, keys: ['x', 'y'] }).shuffle(6400, { seed: 5 }).batch(128).prefetch(2)
    const weights = [0, 0, 0]
    let seen = 0
    let right = 0
    for (let epoch = 0; epoch < 2; epoch++) {
      right = 0
      for await (const batch of batches as unknown as AsyncIterable<Batch>) {
        const { x, y } = batch
        for (let row = 0; row < y.shape[0]; row++) {
          const [a, b] = [x.data[2 * row] as number, x.data[2 * row + 1] as number]
          const [w0, w1, w2] = weights as [number, number, number]
          const guess = 1 / (1 + Math.exp(-(w0 * a + w1 * b + w2)))
          const truth = Number(y.data[row])
          if ((guess > 0.5 ? 1 : 0) === truth) right++
          const step = 0.5 * (truth - guess)
          weights[0] = w0 + step * a
          weights[1] = w1 + step * b
          weights[2] = w2 + step
          seen++
        }
        release(batch)
      }
    }
    expect(seen).toBe(2 * 6400)
    expect(right / 6400).toBeGreaterThan(0.97)
  }, 60_000)
})

describe('every format', () => {
  const values = Float32Array.from({ length: 300 }, (_, i) => i / 7)
  const array = { dtype: 'float32', shape: [100, 3], data: values } as const
  const rows = (list: readonly unknown[]): number[] => (list as NdArray<'float32'>[]).flatMap(({ data }) => [...data])
  let azurite: RunningServer
  let gcs: GcsFake
  let directory: string
  beforeAll(async () => {
    azurite = await startServer('azurite')
    gcs = await startGcsFake({ buckets: ['train'] })
    directory = await mkdtemp(join(tmpdir(), 'millrace-formats-'))
  }, 90_000)
  afterAll(async () => {
    await azurite.stop()
    await gcs.close()
    await rm(directory, { recursive: true, force: true })
  })
  /** A store, and what URIs in it begin with. */
  const places: Readonly<Record<string, () => Promise<{ readonly store: Store; readonly at: string }>>> = {
    's3://': async () => ({ store, at: 's3://train/all/' }),
    'az://': async () => {
      const azure = azureStore({ account: 'devstoreaccount1', key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==', endpoint: `${azurite.url}/devstoreaccount1` })
      await azure.containers?.create('az://devstoreaccount1/train/')
      return { store: azure, at: 'az://devstoreaccount1/train/' }
    },
    'gs://': async () => ({ store: gcsStore({ endpoint: gcs.url, anonymous: true }), at: 'gs://train/all/' }),
    'file://': async () => ({ store: fileStore(), at: `${pathToFileURL(directory).href}/a/` }),
    'a plain path': async () => ({ store: fileStore({ root: directory }), at: 'b/' }),
    'direct://': async () => ({ store: directStore({ fallback: 'buffered' }), at: `direct://${directory}/c/` }),
    'mem://': async () => ({ store: memoryStore(), at: 'mem://all/' }),
    's3:// with a cache': async () => ({ store: cached(store, { memoryBytes: 64 << 20 }), at: 's3://train/cached/' }),
    's3:// with statistics': async () => ({ store: measured(store), at: 's3://train/measured/' })
  }

  test.each(Object.keys(places))('is written to %s and read back, from a checkpoint in the middle too', async name => {
    const { store, at } = await (places[name] as (typeof places)[string])()
    await writeNpy(`${at}a.npy`, array, { store })
    await writeNpz(`${at}a.npz`, { v: array }, { store })
    await writeHdf5(`${at}a.h5`, { '/v': { data: array, chunks: [16, 3], compression: 4 } }, { store })
    await writeTfrecord(`${at}a.tfrecord`, Array.from({ length: 50 }, (_, i) => new Uint8Array(1000).fill(i)), { store })
    await store.put(`${at}a.bin`, new Uint8Array(6000).map((_, i) => i))
    const all = {
      npy: { read: () => Dataset.npy(`${at}*.npy`, { store }), expected: [...values], flat: rows },
      npz: { read: () => Dataset.npz(`${at}*.npz`, { store }).map(row => row['v']), expected: [...values], flat: rows },
      hdf5: { read: () => Dataset.hdf5(`${at}*.h5`, '/v', { store }), expected: [...values], flat: rows },
      tfrecord: { read: () => Dataset.tfrecord(`${at}*.tfrecord`, { store, readBytes: 8192 }), expected: Array.from({ length: 50 }, (_, i) => i), flat: (list: readonly unknown[]) => (list as Uint8Array[]).map(bytes => bytes[999]) },
      fixed: { read: () => Dataset.fixedLengthRecords(`${at}*.bin`, { store, recordBytes: 100 }), expected: Array.from({ length: 60 }, (_, i) => (i * 100) & 0xff), flat: (list: readonly unknown[]) => (list as Uint8Array[]).map(bytes => bytes[0]) },
      raw: { read: () => Dataset.raw(`${at}*.bin`, { store }), expected: [6000], flat: (list: readonly unknown[]) => (list as Uint8Array[]).map(bytes => bytes.length) },
      detected: { read: () => Dataset.fromFiles(`${at}a.npy`, { store }), expected: [...values], flat: rows }
    }
    for (const [format, { read, expected, flat }] of Object.entries(all)) {
      const dataset = read() as Dataset<unknown>
      expect([format, flat(await dataset.toArray())]).toEqual([format, expected])
      if (format === 'raw') continue
      const iterator = dataset.iterator()
      const head: unknown[] = []
      for (let i = 0; i < 20; i++) head.push((await iterator.next()).value)
      const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as ReturnType<typeof iterator.checkpoint>
      await iterator.close()
      expect([format, flat([...head, ...await dataset.toArray({ from: checkpoint })])]).toEqual([format, expected])
    }
    if (store.scheme !== 's3') await store.close?.()
  }, 60_000)

  test('is read from https:// as well, where names are given', async () => {
    const web = httpStore()
    const signed = server.url // the fake lets nobody in without a signature
    await expect(Dataset.npy(`${signed}/train/all/a.npy`, { store: web }).toArray()).rejects.toMatchObject({ kind: 'Denied' })
    await web.close()
    const bytes = (await store.get('s3://train/all/a.npz')).bytes
    const origin = createServer((request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      const [from, to] = [Number(first ?? 0), Math.min(Number(last ?? Infinity), bytes.length - 1)]
      response.writeHead(first === undefined ? 200 : 206, { etag: '"1"', 'content-length': to - from + 1, ...(first !== undefined && { 'content-range': `bytes ${from}-${to}/${bytes.length}` }) })
      response.end(bytes.subarray(from, to + 1))
    })
    await new Promise<void>(resolve => { origin.listen(0, '127.0.0.1', resolve) })
    const plain = httpStore()
    try {
      const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/a.npz`
      expect(rows((await Dataset.npz(url, { store: plain }).toArray()).map(row => row['v']))).toEqual([...values])
    } finally {
      await plain.close()
      await new Promise(resolve => { origin.close(resolve) })
    }
  })

  test('asks for each file once and nothing more, when it is small', async () => {
    for (const [name, read] of [
      ['a.npy', () => Dataset.npy('s3://train/all/a.npy', { store })],
      ['a.bin', () => Dataset.raw('s3://train/all/a.bin', { store })]
    ] as const) {
      const before = server.log.length
      await (read() as Dataset<unknown>).toArray()
      expect([name, ...server.log.slice(before).map(({ operation }) => operation)]).toEqual([name, 'GetObject'])
    }
  })
})

describe('an object that is replaced', () => {
  const write = (name: string, fill: number): Promise<unknown> =>
    writeTfrecord(`s3://changing/${name}.tfrecord`, Array.from({ length: 4000 }, () => new Uint8Array(1000).fill(fill)), { store })
  const read = (onChanged: 'fail' | 'reread' | 'skip'): Dataset<number> =>
    Dataset.tfrecord('s3://changing/*.tfrecord', { store, onChanged, readBytes: 65536, index: false }).map(bytes => bytes[0] as number)

  test('while a pass reads it is Changed, read again, or left out, as the policy says; never a mixture', async () => {
    const outcomes: Record<string, unknown> = {}
    for (const onChanged of ['fail', 'reread', 'skip'] as const) {
      for (const [k, name] of ['a', 'b', 'c'].entries()) await write(name, k + 1)
      const iterator = read(onChanged).iterator()
      const counts: Record<number, number> = {}
      let error: unknown
      for (let i = 0; ; i++) {
        if (i === 4001) await write('c', 30) // listed with the others, not yet opened
        const { done, value } = await iterator.next().catch((thrown: unknown) => {
          error = thrown
          return { done: true, value: undefined }
        })
        if (done === true) break
        counts[value as number] = (counts[value as number] ?? 0) + 1
      }
      await iterator.close()
      outcomes[onChanged] = { counts, error: (error as { kind?: string } | undefined)?.kind }
    }
    expect(outcomes).toEqual({
      fail: { counts: { 1: 4000, 2: 4000 }, error: 'Changed' },
      reread: { counts: { 1: 4000, 2: 4000, 30: 4000 }, error: undefined },
      skip: { counts: { 1: 4000, 2: 4000 }, error: undefined }
    })
  }, 60_000)
})
