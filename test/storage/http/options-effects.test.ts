/**
 * Every field of `StoreTuning` and of `HttpStoreOptions`, given to a store as a program gives it, with what a server then sees. The table has a
 * line for each field, or the compiler says so. What only a clock of a test's own can show is named with the test that has one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { FieldName } from '../../../src/storage/config-fields.js'
import type { StoreTuning } from '../../../src/storage/config.js'
import { httpStore, type HttpStoreOptions } from '../../../src/storage/http/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { exists } from '../../project/tree.js'
import { answer, webServer, type WebServer } from './web-server.js'

const KiB = 1 << 10
const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 31 + (i >> 8))
/** Ranges of 64 KiB, sixteen for the object, one attempt behind the other without waiting. */
const SMALL = { chunkSize: 64 * KiB, minSplitSize: 64 * KiB, firstRange: 64 * KiB, backoffBase: 1, throttleBase: 1, backoffCap: 1 } as const

type Before = (request: IncomingMessage, response: ServerResponse, number: number) => boolean

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
})

/** A server, a store for it, and the object as a listing would tell of it. `before` gets the number of the request, from 1. */
async function setUp(options: HttpStoreOptions, before: Before = () => false): Promise<{ server: WebServer; store: RemoteStore; known: { uri: string; size: number; version: string } }> {
  const server = await webServer({ bytes, before: (request, response) => before(request, response, server.requests.length) })
  const store = httpStore({ ...options, ranges: { ...SMALL, ...options.ranges } })
  closing.push(() => server.close(), () => store.close())
  return { server, store, known: { uri: `${server.url}/x`, size: bytes.length, version: '"v1"' } }
}

/** Reads all of the object at once, while each reply takes `ms`; the most requests that were waiting for theirs, and the connections. */
async function atOnce(options: HttpStoreOptions, refuse = 0): Promise<{ most: number; connections: number }> {
  let [waiting, most, connections] = [0, 0, 0]
  const { server, store, known } = await setUp(options, (request, response, number) => {
    if (number <= refuse) {
      response.writeHead(429).end()
      return true
    }
    most = Math.max(most, ++waiting)
    connections = Math.max(connections, server.connections())
    setTimeout(() => {
      waiting--
      answer(server, request, response)
    }, 20)
    return true
  })
  const source = await store.open(known.uri, { known })
  const into = new Uint8Array(bytes.length)
  for (let i = 0; i <= refuse; i++) {
    most = 0
    await source.read(0, into)
  }
  expect(Buffer.compare(into, bytes)).toBe(0)
  return { most, connections }
}

const rangesOf = (server: WebServer): string[] => server.requests.map(({ headers }) => String(headers.range))

/** Reads 100 KiB in one request; `first` says what becomes of the first one. How many requests it took, and the error if it was one. */
async function reading(tuning: StoreTuning, first: Before, always = false): Promise<{ requests: number; error?: string; ms: number; ranges: string[] }> {
  const { server, store, known } = await setUp({ ...tuning, ranges: { chunkSize: 512 * KiB, minSplitSize: 512 * KiB, readAhead: 0, ...tuning.ranges } },
    (request, response, number) => (number === 1 || always) && first(request, response, number))
  const source = await store.open(known.uri, { known })
  const into = new Uint8Array(100 * KiB)
  const start = performance.now()
  const error = await source.read(0, into).then(() => undefined, (reason: Error & { kind: string }) => reason.kind)
  if (error === undefined) expect(Buffer.compare(into, bytes.subarray(0, into.length))).toBe(0)
  return { requests: server.requests.length, ...(error === undefined ? {} : { error }), ms: performance.now() - start, ranges: rangesOf(server) }
}

const SILENT: Before = () => true
const BUSY: Before = (_, response) => {
  response.writeHead(429).end()
  return true
}
/** The head of a good reply and the first half of its bytes, and then nothing. */
const HALF: Before = (_, response) => {
  response.writeHead(206, { etag: '"v1"', 'content-range': `bytes 0-${100 * KiB - 1}/${bytes.length}`, 'content-length': 100 * KiB })
  response.write(bytes.subarray(0, 50 * KiB))
  return true
}
/** All of it, 1 KiB every 5 ms: half a second, without a gap. */
const SLOW: Before = (_, response) => {
  response.writeHead(206, { etag: '"v1"', 'content-range': `bytes 0-${100 * KiB - 1}/${bytes.length}`, 'content-length': 100 * KiB })
  let at = 0
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, at += KiB))
    if (at >= 100 * KiB) response.end()
    if (at >= 100 * KiB || response.destroyed) clearInterval(timer)
  }, 5)
  response.on('close', () => clearInterval(timer))
  return true
}

/** Two hundred small replies, after which a host is known well enough to hedge, and then one that does not come. How the last one ended. */
async function stalled(pool: StoreTuning['pool']): Promise<{ requests: number; error?: string }> {
  let stall = false
  const { server, store, known } = await setUp({ pool: { ...pool }, ranges: { ttfbTimeout: 1000, maxAttempts: 1, readAhead: 0 } }, () => {
    const silent = stall
    stall = false
    return silent
  })
  const source = await store.open(known.uri, { known })
  const into = new Uint8Array(1000)
  for (let i = 0; i < 250; i++) await source.read(i * 4000, into)
  const before = server.requests.length
  stall = true
  const error = await source.read(1_010_000, into).then(() => undefined, (reason: Error & { kind: string }) => reason.kind)
  return { requests: server.requests.length - before, ...(error === undefined ? {} : { error }) }
}

const EFFECTS: Readonly<Record<FieldName | 'adaptive', string | (() => Promise<void>)>> = {
  async poolSize() {
    expect(await atOnce({ pool: { poolSize: 2 } })).toEqual({ most: 2, connections: 2 })
    expect((await atOnce({})).connections).toBeGreaterThan(2)
  },
  async maxInflight() {
    expect((await atOnce({ pool: { maxInflight: 3 } })).most).toBe(3)
  },
  async maxInflightBytes() {
    expect((await atOnce({ pool: { maxInflightBytes: 3 * 64 * KiB } })).most).toBe(3)
  },
  async adaptiveConcurrency() {
    expect((await atOnce({ pool: { poolSize: 16 } }, 1)).most).toBeLessThan(16)
    expect((await atOnce({ pool: { poolSize: 16, adaptiveConcurrency: false } }, 1)).most).toBe(16)
  },
  async retryBudget() {
    expect(await reading({ pool: { retryBudget: 0 } }, BUSY)).toMatchObject({ requests: 1, error: 'Throttled' })
    expect(await reading({}, BUSY)).toMatchObject({ requests: 2 })
  },
  async hedge() {
    // With a budget that the slow replies before it cannot have used up.
    expect(await stalled({ hedge: true, hedgeBudget: 1 })).toEqual({ requests: 2 })
    expect(await stalled({ hedge: false })).toEqual({ requests: 1, error: 'Timeout' })
  },
  hedgeQuantile: 'test/storage/layers/hedge.test.ts',
  async hedgeBudget() {
    expect(await stalled({ hedge: true, hedgeBudget: 0.001 })).toEqual({ requests: 1, error: 'Timeout' }) // a quarter of a request
  },
  async chunkSize() {
    const { server, store, known } = await setUp({ ranges: { chunkSize: 32 * KiB } })
    const source = await store.open(known.uri, { known })
    await source.read(0, new Uint8Array(128 * KiB))
    expect(rangesOf(server).sort()).toEqual(['bytes=0-32767', 'bytes=32768-65535', 'bytes=65536-98303', 'bytes=98304-131071'])
  },
  async maxConcurrentRanges() {
    expect((await atOnce({ ranges: { maxConcurrentRanges: 5 } })).most).toBe(5)
  },
  async minSplitSize() {
    expect((await reading({ ranges: { chunkSize: 32 * KiB, minSplitSize: 64 * KiB } }, () => false)).requests).toBeGreaterThan(1)
    expect((await reading({ ranges: { chunkSize: 32 * KiB, minSplitSize: 128 * KiB } }, () => false)).requests).toBe(1)
  },
  async firstRange() {
    const { server, store, known } = await setUp({ ranges: { firstRange: 5000 } })
    const source = await store.open(known.uri)
    expect(rangesOf(server)).toEqual(['bytes=0-4999'])
    await source.close()
  },
  async coalesceGap() {
    for (const [coalesceGap, expected] of [[2000, ['bytes=200000-203999']], [0, ['bytes=200000-200999', 'bytes=203000-203999']]] as const) {
      const { server, store, known } = await setUp({ ranges: { coalesceGap, readAhead: 0 } })
      const source = await store.open(known.uri, { known })
      await Promise.all([source.read(200_000, new Uint8Array(1000)), source.read(203_000, new Uint8Array(1000))])
      expect(rangesOf(server).sort()).toEqual(expected)
    }
  },
  async readAhead() {
    const asked = async (ahead: number): Promise<number> => {
      const { server, store, known } = await setUp({ ranges: { readAhead: ahead } })
      const source = await store.open(known.uri, { known })
      for (let i = 0; i < 4; i++) await source.read(i * 64 * KiB, new Uint8Array(64 * KiB))
      const furthest = Math.max(...rangesOf(server).map(range => Number(/-(\d+)$/.exec(range)?.[1])))
      await source.close()
      return furthest
    }
    expect(await asked(0)).toBe(256 * KiB - 1)
    expect(await asked(1 << 20)).toBeGreaterThan(256 * KiB)
  },
  connectTimeout: 'test/storage/remote/socket-transport.test.ts',
  async ttfbTimeout() {
    expect(await reading({ ranges: { ttfbTimeout: 60 } }, SILENT)).toMatchObject({ requests: 2 })
  },
  async idleTimeout() {
    const { requests, ranges } = await reading({ ranges: { idleTimeout: 60 } }, HALF)
    expect([requests, ranges]).toEqual([2, ['bytes=0-102399', 'bytes=51200-102399']]) // it goes on where it stopped
  },
  async minRate() {
    expect((await reading({ ranges: { minRate: 2 ** 30, minRateWindow: 100 } }, SLOW)).requests).toBe(2)
    expect((await reading({ ranges: { minRate: 0, minRateWindow: 100 } }, SLOW)).requests).toBe(1)
  },
  async minRateWindow() {
    expect((await reading({ ranges: { minRate: 2 ** 30, minRateWindow: 20_000 } }, SLOW)).requests).toBe(1)
  },
  async rangeTimeout() {
    expect((await reading({ ranges: { rangeTimeout: 150, minRate: 2 ** 30, minRateWindow: 20_000 } }, SLOW)).requests).toBe(2)
    expect((await reading({ ranges: { rangeTimeout: 20_000, minRate: 2 ** 30, minRateWindow: 20_000 } }, SLOW)).requests).toBe(1)
  },
  async deadline() {
    const { error, ms } = await reading({ ranges: { deadline: 200, ttfbTimeout: 60 } }, SILENT, true)
    expect(error).toBe('Timeout')
    expect(ms).toBeLessThan(5000)
  },
  async maxAttempts() {
    expect(await reading({ ranges: { maxAttempts: 3 } }, BUSY, true)).toMatchObject({ requests: 3, error: 'Throttled' })
  },
  backoffBase: 'test/storage/remote/validated-read.test.ts',
  throttleBase: 'test/storage/remote/validated-read.test.ts',
  backoffCap: 'test/storage/remote/validated-read.test.ts',
  async adaptive() {
    const server = await webServer({ bytes: bytes.subarray(0, 1000) })
    const store = httpStore({ adaptive: true })
    closing.push(() => server.close(), () => store.close())
    for (let i = 0; i < 9; i++) await (await store.open(`${server.url}/x`)).close()
    expect(rangesOf(server)).toEqual([...Array.from({ length: 8 }, () => 'bytes=0-1048575'), 'bytes=0-65535'])
    expect(store.explainConfig().find(({ name }) => name === 'firstRange')).toMatchObject({ value: 64 * KiB, from: 'adaptive (smallFile)' })
  }
}

describe('with the option', () => {
  for (const [name, effect] of Object.entries(EFFECTS)) {
    if (typeof effect === 'string') {
      test(`${name}, see ${effect}`, () => expect(exists(effect)).toBe(true))
    } else {
      test(`${name}, the server sees other requests`, effect, 30_000)
    }
  }

  test('headers, every request has them', async () => {
    const { server, store } = await setUp({ headers: { 'x-api-key': 'k' } })
    await store.stat(`${server.url}/x`)
    await store.get(`${server.url}/x`)
    expect(new Set(server.requests.map(({ headers }) => headers['x-api-key']))).toEqual(new Set(['k']))
  })
})

test('what is in the wrong place, or from another library, is told where it belongs', () => {
  const messageOf = (options: object): string => {
    try {
      httpStore(options)
      return 'none'
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(messageOf({ chunkSize: 1 })).toBe("httpStore: unknown option 'chunkSize'; it belongs to ranges")
  expect(messageOf({ poolSize: 1 })).toBe("httpStore: unknown option 'poolSize'; it belongs to pool")
  expect(messageOf({ header: {} })).toBe("httpStore: unknown option 'header'; did you mean 'headers'?")
  expect(messageOf({ constructor: {} })).toContain('known are headers, pool, ranges, adaptive')
})
