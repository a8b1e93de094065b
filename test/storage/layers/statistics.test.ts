import { describe, expect, test } from '@jest/globals'
import { MillraceError } from '../../../src/errors.js'
import { forward } from '../../../src/storage/layers/forward.js'
import { histogram } from '../../../src/storage/layers/histogram.js'
import { createStatistics, measured } from '../../../src/storage/layers/statistics.js'
import { memoryStore } from '../../../src/storage/memory.js'
import type { RequestTrace, Store, StoreCapabilities } from '../../../src/store.js'
import { storeConformance } from '../../../src/testing/store.js'
import { mulberry } from './random.js'
import { pattern, readObject, scripted, settled, untilAborted } from './scripted-store.js'

const A = 'mem://a'

describe('a layer that forwards everything', () => {
  for (const { name, run } of storeConformance(() => ({ store: forward(memoryStore(), {}), prefix: 'mem://t/', lacks: ['verify'] }))) test(name, run)

  test('has what the inner store has, and what is its own', async () => {
    const { get: _, copy: __, ...least } = memoryStore()
    const plain: Store = forward(least, {})
    expect([plain.get, plain.copy, plain.containers, plain.close]).toEqual([undefined, undefined, undefined, undefined])
    expect('get' in plain).toBe(false)
    const own = forward(memoryStore(), { answer: 42, stat: async () => ({ uri: 'x', size: 1, version: 'v' }) })
    expect(own.answer).toBe(42)
    expect(await own.stat(A)).toMatchObject({ version: 'v' })
    expect(own.get).toBeInstanceOf(Function)
  })

  test('calls methods of the inner store on it, and asks for its capabilities each time', async () => {
    const inner = {
      ...memoryStore(),
      range: 5,
      get capabilities(): StoreCapabilities { return { write: true, list: true, idealRange: this.range } },
      async get() { return { bytes: new Uint8Array(this.range), meta: { uri: A, size: this.range, version: '1' }, verified: false } }
    }
    const layer = forward(inner, {})
    expect((await layer.get?.(A))?.bytes).toHaveLength(5)
    expect(layer.capabilities.idealRange).toBe(5)
    inner.range = 7
    expect(layer.capabilities.idealRange).toBe(7)
  })
})

describe('histogram', () => {
  test('quantiles are right to 1.6 %, the rest exactly', () => {
    const random = mulberry(1)
    const values = Array.from({ length: 50_000 }, () => Math.exp(random() * 20 - 6))
    const counted = histogram()
    for (const value of values) counted.record(value)
    values.sort((a, b) => a - b)
    for (const share of [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.max(1, Math.ceil(share * values.length)) - 1] as number
      expect(Math.abs(counted.quantile(share) / exact - 1)).toBeLessThan(0.016)
    }
    const sum = values.reduce((a, b) => a + b)
    const summary = counted.summary()
    expect(summary).toMatchObject({ count: 50_000, min: values[0], max: values.at(-1), p50: counted.quantile(0.5), p999: counted.quantile(0.999) })
    expect(summary.sum / sum).toBeCloseTo(1, 9)
    expect(summary.mean).toBeCloseTo(summary.sum / 50_000, 9)
  })

  test('of one value every quantile is that value', () => {
    for (const value of [0, 1, 0.3, 1e-9, 1234.5, 2 ** 50]) {
      const counted = histogram()
      counted.record(value)
      expect([0, 0.5, 1].map(counted.quantile)).toEqual([value, value, value])
    }
  })

  test('of nothing everything is 0, and what is no number is left out', () => {
    const counted = histogram()
    counted.record(Number.NaN)
    expect(counted.summary()).toEqual({ count: 0, sum: 0, mean: 0, min: 0, max: 0, p50: 0, p90: 0, p99: 0, p999: 0 })
    counted.record(-5)
    expect(counted.summary()).toMatchObject({ count: 1, max: 0 })
    expect(() => counted.quantile(1.1)).toThrow(RangeError)
  })

  test('merged ones are as if all had been recorded in one, also after a journey as JSON', () => {
    const random = mulberry(2)
    const [one, two, all] = [histogram(), histogram(), histogram()]
    for (let i = 0; i < 1000; i++) {
      const value = random() * 1000
      all.record(value)
      if (i % 3 === 0) one.record(value)
      else two.record(value)
    }
    const merged = histogram()
    merged.merge(one)
    merged.merge(JSON.parse(JSON.stringify(two)) as ReturnType<typeof two.toJSON>)
    merged.merge(histogram())
    const { sum, mean, ...rest } = merged.summary()
    expect(all.summary()).toMatchObject(rest)
    expect(sum).toBeCloseTo(all.summary().sum, 6)
    expect(mean).toBeCloseTo(all.summary().mean, 6)
    expect(() => merged.merge({ count: 1, sum: 1, min: 1, max: 1, buckets: [99_999, 1] })).toThrow(RangeError)
  })

  test('the smallest and largest values have places', () => {
    const counted = histogram()
    for (const value of [0, Number.MIN_VALUE, 1e-300, Number.MAX_VALUE, Infinity]) counted.record(value)
    expect(counted.summary()).toMatchObject({ count: 5, min: 0, max: Infinity })
  })
})

describe('measured', () => {
  for (const { name, run } of storeConformance(() => ({ store: measured(memoryStore()), prefix: 'mem://t/', lacks: ['verify'] }))) test(name, run)

  test('counts operations, objects, bytes, requests and failures', async () => {
    const inner = scripted(memoryStore(), { whole: true })
    const store = measured(inner)
    for (let i = 0; i < 3; i++) await store.put(`mem://dir/${i}`, pattern(1000 * i, i))
    await readObject(store, 'mem://dir/2', 10, 510)
    await store.get?.('mem://dir/1')
    await expect(store.stat(A)).rejects.toThrow()
    const writer = await store.createWriter(A)
    await writer.write(pattern(300, 1))
    await writer.write(pattern(400, 1))
    await writer.finalize()
    await (await store.createWriter(A)).abort()
    for await (const page of store.list('mem://dir/')) void page
    await expect(store.open('mem://nothing', { signal: AbortSignal.abort() })).rejects.toThrow()
    await store.deleteMany?.(['mem://dir/0', 'mem://dir/1'])

    const { operations } = store.stats()
    expect(operations).toMatchObject({
      put: { count: 3, inFlight: 0, objects: 3, bytes: 3000, requests: 3, failures: {}, duration: { count: 3 } },
      open: { count: 2, objects: 1, failures: { aborted: 1 } },
      read: { count: 1, bytes: 500 },
      get: { count: 1, bytes: 1000 },
      stat: { count: 1, objects: 0, failures: { NotFound: 1 }, duration: { count: 0 } },
      write: { count: 2, bytes: 700, objects: 1, failures: { aborted: 1 } },
      list: { count: 1, objects: 3 },
      deleteMany: { count: 1, objects: 2 }
    })
    expect(operations.delete).toBe(undefined)
    expect(JSON.parse(JSON.stringify(store.stats()))).toMatchObject({ operations: { put: { count: 3 } } })
  })

  test('tells what is under way', async () => {
    const inner = scripted(memoryStore())
    await inner.put(A, pattern(10, 1))
    const store = measured(inner)
    inner.before = (_, signal) => untilAborted(signal)
    const controller = new AbortController()
    const asking = [store.stat(A, { signal: controller.signal }), store.stat(A, { signal: controller.signal })]
    const failed = Promise.allSettled(asking)
    await settled()
    expect(store.stats().operations.stat).toMatchObject({ inFlight: 2, count: 0 })
    controller.abort()
    await failed
    expect(store.stats().operations.stat).toMatchObject({ inFlight: 0, count: 2, failures: { aborted: 2 } })
  })

  test('adds what it took to the trace of the caller', async () => {
    const inner = scripted(memoryStore(), { endpoint: 'host:1' })
    const store = measured(inner)
    const trace: RequestTrace = { requests: 5, retries: 1 }
    await store.put(A, pattern(10, 1), { trace })
    await store.stat(A, { trace })
    expect(trace).toMatchObject({ requests: 7, retries: 1, endpoint: 'host:1' })
  })

  test('a listing that is left early has ended, and the first page is the first byte', async () => {
    const inner = memoryStore()
    for (let i = 0; i < 1500; i++) await inner.put(`mem://${i}`, new Uint8Array(1))
    const store = measured(inner)
    for await (const page of store.list('mem://')) {
      expect(page).toHaveLength(1000)
      break
    }
    expect(store.stats().operations.list).toMatchObject({ count: 1, inFlight: 0, objects: 1000, failures: {}, firstByte: { count: 1 } })
  })

  test('some failures of many are counted with the rest of the call', async () => {
    const inner = memoryStore()
    const store = measured({ ...inner, deleteMany: async uris => uris.map((uri, i) => i === 1 ? { uri, error: new MillraceError('Denied', 'no') } : { uri }) })
    await store.deleteMany?.([A, 'mem://b', 'mem://c'])
    expect(store.stats().operations.deleteMany).toMatchObject({ count: 1, objects: 2, failures: { Denied: 1 } })
  })

  test('containers are counted too', async () => {
    const containers = { list: async function* () { yield 'mem://x/' }, create: async () => undefined, delete: async () => { throw new MillraceError('NotFound', 'no') } }
    const store = measured({ ...memoryStore(), containers })
    await store.containers?.create('mem://x/')
    for await (const uri of store.containers?.list() ?? []) expect(uri).toBe('mem://x/')
    await expect(store.containers?.delete('mem://x/')).rejects.toThrow()
    expect(store.stats().operations).toMatchObject({ createContainer: { count: 1 }, listContainers: { count: 1, objects: 1 }, deleteContainer: { count: 1, failures: { NotFound: 1 } } })
  })
})

describe('createStatistics', () => {
  const attempt = { endpoint: 'host:1', bytes: 100, firstByte: 5, milliseconds: 10, fault: undefined }

  test('counts requests by endpoint and fault', () => {
    const statistics = createStatistics({ requestsInFlight: () => 3 })
    statistics.record(attempt)
    statistics.record({ ...attempt, endpoint: 'host:2', bytes: 50, fault: 'Throttled', milliseconds: 99 })
    statistics.record({ ...attempt, firstByte: undefined, bytes: 0, fault: 'Unavailable' })
    statistics.verified(1000, true)
    statistics.verified(500, false)
    expect(statistics.snapshot()).toMatchObject({
      requests: {
        count: 3, inFlight: 3, bytes: 150, throttled: 1, faults: { Throttled: 1, Unavailable: 1 },
        firstByte: { count: 2, max: 5 }, duration: { count: 1, max: 10 },
        endpoints: { 'host:1': { count: 2, bytes: 100, faults: 1 }, 'host:2': { count: 1, bytes: 50, faults: 1 } }
      },
      verifiedBytes: 1000,
      unverifiedBytes: 500
    })
  })

  test('a snapshot does not change afterwards', () => {
    const statistics = createStatistics()
    statistics.record(attempt)
    const before = statistics.snapshot()
    const text = JSON.stringify(before)
    statistics.record({ ...attempt, fault: 'Timeout' })
    expect(JSON.stringify(before)).toBe(text)
  })

  test('throughput is that of the last five seconds', () => {
    let now = 1000
    const statistics = createStatistics({ now: () => now })
    const read = (bytes: number): void => statistics.ended({
      operation: 'read', uri: A, offset: 0, objects: 1, bytes, start: now, end: now, failed: false, error: undefined, requests: 0, retries: 0
    })
    expect(statistics.snapshot().throughput).toEqual({ seconds: 5, read: 0, written: 0, received: 0 })
    for (let i = 0; i < 200; i++) {
      now += 100
      statistics.began('read')
      read(1000)
      statistics.record({ ...attempt, bytes: 2000 })
      if (i === 9) expect(statistics.snapshot().throughput.read).toBe(10_000)
    }
    const { throughput } = statistics.snapshot()
    expect(throughput.read / 10_000).toBeCloseTo(1, 1)
    expect(throughput.received / 20_000).toBeCloseTo(1, 1)
    now += 2500
    expect(statistics.snapshot().throughput.read).toBeLessThan(6000)
    expect(statistics.snapshot().throughput.read).toBeGreaterThan(4000)
    now += 3000
    expect(statistics.snapshot().throughput.read).toBe(0)
    now += 1e9
    read(5000)
    expect(statistics.snapshot().throughput.read).toBeCloseTo(1000, 5)
  })

  test('thousands of endpoints are not kept apart without end', () => {
    const statistics = createStatistics()
    for (let i = 0; i < 5000; i++) statistics.record({ ...attempt, endpoint: `host:${i}` })
    const { endpoints } = statistics.snapshot().requests
    expect(Object.keys(endpoints).length).toBeLessThan(300)
    expect(endpoints['others']?.count).toBe(5000 - Object.keys(endpoints).length + 1)
  })
})
