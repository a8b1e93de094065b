import { afterEach, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { ndarray } from '../../src/array/ndarray.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import { storeWith } from '../storage/s3/kit.js'
import { startS3Fake, type S3Fake } from '../servers/s3-fake.js'
import type { NdArray } from '../../src/types.js'
import { writeNpz } from '../../src/write-arrays.js'
import { collect } from './helpers.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => { for (const each of open.splice(0).reverse()) await each.close() })

async function bucket() {
  const fake = await startS3Fake({ buckets: ['b'] })
  const store = storeWith({ endpoint: fake.url })
  open.push(fake, store)
  return { fake, store }
}

const requests = ({ log }: S3Fake): string[] => log.map(({ operation, headers }) => `${operation} ${headers['range'] ?? ''}`.trim())

describe('objects in S3', () => {
  test('one listing and one request for each object', async () => {
    const { fake, store } = await bucket()
    for (let i = 0; i < 20; i++) fake.put('b', `train/${String(i).padStart(2, '0')}`, new Uint8Array(100).fill(i))
    const batches = await collect(DataLoader.fromPrefix('s3://b/train/', { store, batchSize: 8, shuffle: true, seed: 1 }))
    expect(batches.flatMap(({ bytes }) => bytes.map(([first]) => first)).sort((a = 0, b = 0) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(fake.log.map(({ operation }) => operation).sort()).toEqual([...Array.from({ length: 20 }, () => 'GetObject'), 'ListObjectsV2'])
  })

  test('large ones in parts of partSize', async () => {
    const { fake, store } = await bucket()
    const bytes = new Uint8Array(5 << 20).map((_, i) => i * 31)
    fake.put('b', 'large', bytes)
    const [object] = await collect(DataLoader.fromUris(['s3://b/large'], { store, batchSize: null, readerMode: 'range', partSize: 1 << 20 }))
    expect(Buffer.compare(object?.bytes ?? new Uint8Array(), bytes)).toBe(0)
    expect(requests(fake).every(request => request.startsWith('GetObject bytes='))).toBe(true)
    expect(requests(fake).length).toBeGreaterThanOrEqual(5)
  })

  test('a hundred NPZ files feed a training loop, the same by the loader and by a chain', async () => {
    const { store } = await bucket()
    await Promise.all(Array.from({ length: 100 }, (_, i) => writeNpz(`s3://b/npz/${String(i).padStart(3, '0')}.npz`, { xs: ndarray(new Float32Array(8).fill(i), [4, 2]), ys: new Int32Array(4).fill(i) }, { store })))
    const files = Dataset.npz<{ readonly xs: NdArray; readonly ys: NdArray }>('s3://b/npz/*.npz', { store })
    const sums: number[] = []
    for (const batches of [new DataLoader(files, { batchSize: 50, shuffle: true, seed: 3 }), files.shuffle().batch(50).prefetch(2).iterator({ seed: 3, epoch: 0 })]) {
      let weight = 0
      for await (const { xs, ys } of batches) for (const [i, y] of [...(ys.data as Int32Array)].entries()) weight = weight * 0.999 + y * Number(xs.data[2 * i])
      sums.push(weight)
    }
    expect(sums[0]).toBeGreaterThan(0)
    expect(sums[1]).toBe(sums[0])
  }, 30_000)

  test('an abort ends the requests that are under way', async () => {
    const { fake, store } = await bucket()
    for (let i = 0; i < 8; i++) fake.put('b', `k${i}`, new Uint8Array(10))
    fake.setFault(() => ({ kind: 'silence' }))
    const controller = new AbortController()
    const running = collect(DataLoader.fromUris(Array.from({ length: 8 }, (_, i) => `s3://b/k${i}`), { store, signal: controller.signal }))
    while (fake.log.length < 8) await new Promise(resolve => setImmediate(resolve))
    controller.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    expect(fake.log).toHaveLength(8)
  })
})
