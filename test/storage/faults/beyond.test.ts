/** What the matrix has no room for: time, aborts, connections that are kept, and budgets. */
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { StoreTuning } from '../../../src/storage/config.js'
import { azureStore } from '../../../src/storage/azure/store.js'
import { httpStore } from '../../../src/storage/http/store.js'
import type { RequestTrace } from '../../../src/store.js'
import { startFaultProxy } from '../../servers/fault-proxy.js'
import { DIALECTS, startOrigin, type Dialect, type Origin, type OriginOptions } from '../../servers/origin.js'
import { metaOf, storeOf, uriOf } from './stores.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function originOf(options: OriginOptions): Promise<Origin> {
  const origin = await startOrigin(options)
  closers.push(() => origin.close())
  return origin
}

const QUICK = { backoffBase: 1, throttleBase: 1, backoffCap: 4, readAhead: 0, coalesceGap: 0 }

function open(dialect: Dialect, url: string, tuning: StoreTuning): { store: ReturnType<typeof storeOf>; uri: string } {
  const store = storeOf(dialect, url, { pool: { retryBudget: 1, ...tuning.pool }, ranges: { ...QUICK, ...tuning.ranges } })
  closers.push(() => store.close())
  return { store, uri: uriOf(dialect, url, 'bucket/object') }
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000
  while (!condition()) {
    if (performance.now() > end) throw new Error('it never came to that')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => { server.close(() => resolve()) })
  return port
}

describe.each(DIALECTS)('%s', (dialect) => {
  test('waits as long as Retry-After says', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 100 }, plan: (number) => (number === 0 ? { kind: 'status', status: 503, headers: { 'retry-after': '1' } } : undefined) })
    const { store, uri } = open(dialect, origin.url, {})
    const start = performance.now()
    expect((await store.get(uri)).bytes).toEqual(origin.bytes('bucket/object'))
    expect(performance.now() - start).toBeGreaterThan(990)
    expect(origin.log).toHaveLength(2)
  })

  test('asks a server that refuses connections again, and then gives up', async () => {
    const { store, uri } = open(dialect, `http://127.0.0.1:${await freePort()}`, { ranges: { maxAttempts: 3 } })
    await expect(store.get(uri)).rejects.toMatchObject({ kind: 'Unavailable', attempts: 3, uri, message: expect.stringContaining('ECONNREFUSED') })
  })

  test('has its attempts again whenever there was progress', async () => {
    const size = 1_500_000
    const origin = await originOf({ objects: { 'bucket/object': size }, plan: () => ({ kind: 'finBody', after: 300_000 }) })
    const { store, uri } = open(dialect, origin.url, { ranges: { maxAttempts: 2 } })
    const source = await store.open(uri, { known: metaOf(dialect, uri, size) })
    const bytes = new Uint8Array(size - 1)
    await source.read(1, bytes)
    expect(Buffer.compare(bytes, origin.bytes('bucket/object').subarray(1))).toBe(0)
    expect(origin.log.map(({ range }) => range)).toEqual([1, 300_001, 600_001, 900_001, 1_200_001].map((first) => `bytes=${first}-${size - 1}`))
  })

  test('ends a read that is aborted in the middle of a body, and its connection', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 200_000 }, plan: () => ({ kind: 'stallBody' }) })
    const { store, uri } = open(dialect, origin.url, {})
    const controller = new AbortController()
    const source = await store.open(uri, { known: metaOf(dialect, uri, 200_000) })
    const into = new Uint8Array(150_000)
    const reading = source.read(10, into, { signal: controller.signal })
    await until(() => into.some((byte) => byte !== 0))
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    const before = into.slice()
    await until(() => origin.connections.open === 0)
    expect(Buffer.compare(into, before)).toBe(0)
    expect(origin.log).toHaveLength(1)
  })

  test('gives up at the deadline, however many attempts are left', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 100 }, plan: () => ({ kind: 'silence' }) })
    const { store, uri } = open(dialect, origin.url, { ranges: { maxAttempts: 1000, ttfbTimeout: 30, deadline: 200 } })
    const start = performance.now()
    await expect(store.get(uri)).rejects.toMatchObject({ kind: 'Timeout', uri })
    expect(performance.now() - start).toBeLessThan(3000)
  })

  test('takes connections that were closed while they were idle for nobody\'s fault', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 5000 } })
    const proxy = await startFaultProxy(origin.port, () => ({ kind: 'dropIdle' }))
    closers.push(() => proxy.close())
    const { store, uri } = open(dialect, proxy.url, { ranges: { maxAttempts: 1 } })
    const source = await store.open(uri, { known: metaOf(dialect, uri, 5000) })
    for (let i = 0; i < 30; i++) {
      const into = new Uint8Array(100)
      await source.read(1000 + 100 * i, into)
      expect(Buffer.compare(into, origin.bytes('bucket/object').subarray(1000 + 100 * i, 1100 + 100 * i))).toBe(0)
    }
  })

  test('does not ask a host much more often because it fails', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 100 }, plan: () => ({ kind: 'status', status: 500 }) })
    const { store, uri } = open(dialect, origin.url, { pool: { retryBudget: 0.01 } })
    const kinds = await Promise.all(Array.from({ length: 40 }, () => store.get(uri).then(() => 'bytes', (error: { kind: string }) => error.kind)))
    expect(new Set(kinds)).toEqual(new Set(['Unavailable']))
    expect(origin.log.length).toBeLessThanOrEqual(40 + 10)
    expect(origin.log.length).toBeGreaterThan(40)
  })

  test('ends everything when it is closed', async () => {
    const origin = await originOf({ objects: { 'bucket/object': 200_000 }, plan: (number) => ({ kind: number % 2 === 0 ? 'stallBody' : 'silence' }) })
    const { store, uri } = open(dialect, origin.url, {})
    const trace: RequestTrace = { requests: 0, retries: 0 }
    const reads = Array.from({ length: 6 }, () => store.get(uri, { trace }))
    const ends = Promise.allSettled(reads)
    await until(() => origin.log.length === 6)
    await store.close()
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { kind: 'Closed' } })
    await until(() => origin.connections.open === 0)
    expect(trace).toMatchObject({ requests: 6, retries: 0 })
    await expect(store.get(uri)).rejects.toMatchObject({ kind: 'Closed' })
  })
})

test('a server that comes back is read from', async () => {
  const port = await freePort()
  let asked = 0
  const headers = (): Record<string, string> => {
    asked++ // before each request
    return {}
  }
  const store = httpStore({ headers, pool: { retryBudget: 1 }, ranges: { ...QUICK, maxAttempts: 1000, backoffBase: 5, backoffCap: 5 } })
  closers.push(() => store.close())
  const reading = store.get(uriOf('http', `http://127.0.0.1:${port}`, 'bucket/object'))
  await until(() => asked > 1)
  const origin = await originOf({ objects: { 'bucket/object': 100 }, port })
  expect((await reading).bytes).toEqual(origin.bytes('bucket/object'))
})

test('Azure proves ranges by their MD5, where it is asked to', async () => {
  const origin = await originOf({ objects: { 'bucket/object': 50_000 }, plan: (number) => (number < 2 ? { kind: 'flip' } : undefined) })
  const store = azureStore({ endpoint: `${origin.url}/devstoreaccount1`, account: 'devstoreaccount1', anonymous: true, rangeMd5: true, ranges: { ...QUICK, maxAttempts: 4 } })
  closers.push(() => store.close())
  const uri = uriOf('azure', origin.url, 'bucket/object')
  const source = await store.open(uri, { known: metaOf('azure', uri, 50_000) })
  const bytes = new Uint8Array(20_000)
  await source.read(10_000, bytes)
  expect(Buffer.compare(bytes, origin.bytes('bucket/object').subarray(10_000, 30_000))).toBe(0)
  expect(origin.log).toHaveLength(3)
  origin.setPlan(() => ({ kind: 'flip' }))
  await expect(source.read(30_000, bytes)).rejects.toMatchObject({ kind: 'Unavailable' })
})
