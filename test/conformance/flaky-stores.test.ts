/** Datasets over a store of which a third of the replies are wrong: the same elements in the same order as over memory, from the beginning and from any checkpoint. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { memoryStore } from '../../src/storage/memory.js'
import type { RemoteStore } from '../../src/storage/remote/remote-store.js'
import type { Store } from '../../src/store.js'
import { writeHdf5, writeNpz } from '../../src/write-arrays.js'
import { writeTfrecord } from '../../src/write.js'
import { seededFaults } from '../servers/fault-proxy.js'
import type { Fault } from '../servers/faults.js'
import { startOrigin, type Origin } from '../servers/origin.js'
import { seededBytes, seededRandom } from '../servers/seeded.js'
import { storeOf } from '../storage/faults/stores.js'

const SEED = Number(process.env['MILLRACE_SEED'] ?? 20_261_124)

const FAULTS: readonly ((random: () => number) => Fault)[] = [
  () => ({ kind: 'rst0' }), () => ({ kind: 'fin0' }), () => ({ kind: 'garbage' }), () => ({ kind: 'rstBody' }), (random) => ({ kind: 'finBody', after: Math.floor(random() * 9000) }),
  () => ({ kind: 'chunkCut' }), () => ({ kind: 'closeCut' }), () => ({ kind: 'shortLength' }), () => ({ kind: 'shortRange' }), () => ({ kind: 'longLength' }), () => ({ kind: 'extraBytes' }),
  () => ({ kind: 'otherRange' }), () => ({ kind: 'lateRange' }), () => ({ kind: 'noContentRange' }), () => ({ kind: 'xmlBody' }), () => ({ kind: 'status', status: 500 }),
  () => ({ kind: 'status', status: 503 }), (random) => ({ kind: 'late', by: random() * 5 })
]

const memory = memoryStore()
let origin: Origin
const stores: RemoteStore[] = []

/** A store of its own for each iteration, as another process would have it. */
function flaky(rate: number, seed: number): RemoteStore {
  const fault = seededFaults(seed, rate, FAULTS)
  origin.setPlan(() => fault())
  const store = storeOf('s3', origin.url, {
    pool: { retryBudget: 1 },
    ranges: {
      maxAttempts: 60, backoffBase: 1, throttleBase: 1, backoffCap: 3, ttfbTimeout: 5000, idleTimeout: 5000, minRateWindow: 10_000, deadline: 60_000,
      chunkSize: 8192, firstRange: 4096, minSplitSize: 16_384, readAhead: 65_536, coalesceGap: 1000
    }
  })
  stores.push(store)
  return store
}

const names = (kind: string, count: number): string[] => Array.from({ length: count }, (_, i) => `bucket/${kind}-${String(i).padStart(3, '0')}`)
const FILES = { tfrecord: names('tfrecord', 4), npz: names('npz', 3), hdf5: names('hdf5', 1), raw: names('raw', 60) }

beforeAll(async () => {
  const random = seededRandom(SEED)
  for (const [i, name] of FILES.tfrecord.entries()) {
    await writeTfrecord(`mem://${name}`, Array.from({ length: 60 }, (_, k) => seededBytes(SEED + 100 * i + k, Math.floor(random() * 1500))), { store: memory })
  }
  for (const [i, name] of FILES.npz.entries()) {
    const xs = Float32Array.from({ length: 200 * 16 }, (_, k) => i + k / 7)
    const ys = Int32Array.from({ length: 200 }, (_, k) => 1000 * i + k)
    await writeNpz(`mem://${name}`, { x: { dtype: 'float32', shape: [200, 16], data: xs }, y: { dtype: 'int32', shape: [200], data: ys } }, { store: memory, compression: i === 1 ? 'deflate' : 'none' })
  }
  await writeHdf5(`mem://${FILES.hdf5[0]}`, { '/x': { data: { dtype: 'float32', shape: [300, 8], data: Float32Array.from({ length: 300 * 8 }, (_, k) => k / 3) }, chunks: [32, 8], compression: 4 } }, { store: memory })
  for (const [i, name] of FILES.raw.entries()) await memory.put(`mem://${name}`, seededBytes(SEED + i, Math.floor(random() * (i % 20 === 0 ? 40_000 : 3000))))
  origin = await startOrigin()
  for (const name of Object.values(FILES).flat()) origin.put(name, await bytesOf(`mem://${name}`))
})
afterAll(async () => {
  await Promise.all(stores.map(store => store.close()))
  await origin.close()
})

async function bytesOf(uri: string): Promise<Uint8Array> {
  const source = await memory.open(uri)
  const bytes = new Uint8Array(source.byteLength)
  await source.read(0, bytes)
  await source.close()
  return bytes
}

type Make = (uris: (names: readonly string[]) => string[], store: Store) => Dataset<unknown>
const CASES: { readonly [name: string]: Make } = {
  'records': (uris, store) => Dataset.tfrecord(uris(FILES.tfrecord), { store, readBytes: 4096 }),
  'records, shuffled and batched': (uris, store) => Dataset.tfrecord(uris(FILES.tfrecord), { store, readBytes: 10_000 }).shuffle(50, { seed: 5 }).map(bytes => bytes.length).batch(7),
  'files of records, side by side': (uris, store) => Dataset.from(uris(FILES.tfrecord)).interleave(uri => Dataset.tfrecord(uri, { store, readBytes: 4096 }), { cycleLength: 3, blockLength: 2 }),
  'a shard of records': (uris, store) => Dataset.tfrecord(uris(FILES.tfrecord), { store, readBytes: 4096 }).shard(3, 1),
  'rows of archives': (uris, store) => Dataset.npz(uris(FILES.npz), { store }),
  'rows of archives, batched and shuffled': (uris, store) => Dataset.npz(uris(FILES.npz), { store }).shuffle(100, { seed: 2 }).batch(16),
  'rows of archives by their ordinals': (uris, store) => Dataset.npz(uris(FILES.npz), { store }).shuffle({ seed: 9 }).take(150),
  'rows of HDF5': (uris, store) => Dataset.hdf5(uris(FILES.hdf5), '/x', { store }).batch(9),
  'objects': (uris, store) => Dataset.raw(uris(FILES.raw), { store }),
  'objects, shuffled': (uris, store) => Dataset.raw(uris(FILES.raw), { store }).shuffle({ seed: 3 }),
  'objects, skipped and taken': (uris, store) => Dataset.raw(uris(FILES.raw), { store }).skip(5).take(40).shard(2, 1)
}

/** Elements as text that tells every byte. */
function textOf(element: unknown): string {
  return JSON.stringify(element, (_, value: unknown) => (ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') : typeof value === 'bigint' ? String(value) : value))
}

async function all(dataset: Dataset<unknown>): Promise<string[]> {
  const out: string[] = []
  for await (const element of dataset) out.push(textOf(element))
  return out
}

describe('over a store that fails', () => {
  const overMemory: Make extends (...args: infer _) => infer R ? (make: Make) => R : never = make => make(list => list.map(name => `mem://${name}`), memory)
  const overFlaky = (make: Make, rate: number, seed: number): Dataset<unknown> => make(list => list.map(name => `s3://${name}`), flaky(rate, seed))

  for (const [n, [name, make]] of Object.entries(CASES).entries()) {
    test(`${name} are the same as over memory, and go on from any checkpoint`, async () => {
      const random = seededRandom(SEED + 17 * n)
      const right = await all(overMemory(make))
      expect(right.length).toBeGreaterThan(10)
      expect(await all(overFlaky(make, 0.3, SEED + n))).toEqual(right)
      for (let resume = 0; resume < 3; resume++) {
        const rate = 0.2 + 0.2 * random()
        const before = Math.floor(random() * right.length)
        const iterator = overFlaky(make, rate, SEED + 31 * n + resume).iterator()
        const got: string[] = []
        while (got.length < before) got.push(textOf((await iterator.next()).value))
        const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as ReturnType<typeof iterator.checkpoint>
        await iterator.return?.()
        const goingOn = overFlaky(make, rate, SEED + 61 * n + resume).iterator({ from: checkpoint })
        for await (const element of goingOn) got.push(textOf(element))
        expect({ before, got }).toEqual({ before, got: right })
      }
    }, 120_000)
  }

  test('nothing is left open', async () => {
    expect(origin.log.filter(({ fault }) => fault !== undefined).length / origin.log.length).toBeGreaterThan(0.2)
    await Promise.all(stores.map(store => store.close()))
    for (let i = 0; i < 500 && origin.connections.open > 0; i++) await delay(5)
    expect(origin.connections.open).toBe(0)
  }, 30_000)
})
