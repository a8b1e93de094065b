/**
 * Many who read at once, in all the ways there are, from servers of which a third of the replies are wrong; some of them give up, some close what others use. Every byte that
 * is delivered is right, nothing is written after a read has ended, nobody waits for ever, and nothing is left. (Rejections that nobody handles fail a test in any case.)
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { MillraceError, isMillraceError } from '../../../src/errors.js'
import type { StoreTuning } from '../../../src/storage/config.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { readRanges } from '../../../src/storage/layers/coalesce.js'
import { streamObject } from '../../../src/storage/operations/read.js'
import { metaOf, storeOf, uriOf } from '../faults/stores.js'
import { seededFaults } from '../../servers/fault-proxy.js'
import type { Fault } from '../../servers/faults.js'
import { DIALECTS, startOrigin, type Dialect, type Origin } from '../../servers/origin.js'
import { seededRandom } from '../../servers/seeded.js'

const FACTOR = Number(process.env['MILLRACE_FUZZ'] ?? 1)
const SEED = Number(process.env['MILLRACE_SEED'] ?? 20_261_123)
const PLANS = 16 * FACTOR

const SIZES: Readonly<Record<string, number>> = { 'bucket/none': 0, 'bucket/one': 1, 'bucket/small': 4095, 'bucket/chunk': 8192, 'bucket/more': 8193, 'bucket/middle': 70_001, 'bucket/large': 700_000 }

const FAULTS: readonly ((random: () => number) => Fault)[] = [
  () => ({ kind: 'rst0' }), () => ({ kind: 'fin0' }), () => ({ kind: 'garbage' }), () => ({ kind: 'rstBody' }), (random) => ({ kind: 'finBody', after: Math.floor(random() * 9000) }),
  () => ({ kind: 'chunkCut' }), () => ({ kind: 'closeCut' }), () => ({ kind: 'shortLength' }), () => ({ kind: 'shortRange' }), () => ({ kind: 'longLength' }), () => ({ kind: 'longRange' }),
  () => ({ kind: 'extraBytes' }), () => ({ kind: 'fullBody' }), () => ({ kind: 'otherRange' }), () => ({ kind: 'otherRange', by: -9 }), () => ({ kind: 'lateRange' }), () => ({ kind: 'noContentRange' }),
  () => ({ kind: 'invertedRange' }), () => ({ kind: 'chunked' }), () => ({ kind: 'xmlBody' }), () => ({ kind: 'status', status: 500 }), () => ({ kind: 'status', status: 503 }),
  () => ({ kind: 'status', status: 429 }), (random) => ({ kind: 'late', by: random() * 10 }), (random) => ({ kind: 'late', by: random() * 10 })
]

let origin: Origin
beforeAll(async () => { origin = await startOrigin({ objects: SIZES }) })
afterAll(() => origin.close())

type Random = () => number
const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1))
const pick = <T>(random: Random, ...of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
const pause = (milliseconds: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, milliseconds) })
const GAVE_UP = new Error('gave up')

/** Thresholds close to each other, and to the sizes of objects and reads. */
function tuning(random: Random): StoreTuning {
  const chunkSize = pick(random, 4096, 8192, 65_536)
  return {
    pool: { retryBudget: 1, poolSize: pick(random, 1, 3, 16), maxInflightBytes: pick(random, 65_536, 1 << 28), hedge: random() < 0.2, adaptiveConcurrency: random() < 0.5 },
    ranges: {
      maxAttempts: 40, backoffBase: 1, throttleBase: 1, backoffCap: 4, ttfbTimeout: 5000, idleTimeout: 5000, minRateWindow: 10_000, deadline: 60_000,
      chunkSize, firstRange: pick(random, 1, 4096, 8192, 50_000), minSplitSize: chunkSize * pick(random, 1, 2), maxConcurrentRanges: pick(random, 1, 2, 16),
      readAhead: pick(random, 0, 65_536, 1 << 20), coalesceGap: pick(random, 0, 100, 1 << 20)
    }
  }
}

/** What one reader does. Nothing when all of it was right. */
async function reader(random: Random, dialect: Dialect, store: RemoteStore, late: (() => string | undefined)[]): Promise<string | undefined> {
  const object = pick(random, ...Object.keys(SIZES), 'bucket/large', 'bucket/middle')
  const right = origin.bytes(object)
  const size = right.length
  const uri = uriOf(dialect, origin.url, object)
  const known = random() < 0.5 ? metaOf(dialect, uri, size) : undefined
  const impatient = random() < 0.25
  const controller = new AbortController()
  if (impatient) setTimeout(() => controller.abort(GAVE_UP), random() * 15)
  const signal = impatient || random() < 0.5 ? controller.signal : undefined
  const same = (bytes: Uint8Array, offset: number): boolean => Buffer.compare(bytes, right.subarray(offset, offset + bytes.length)) === 0
  const what = `${dialect} ${object}${known === undefined ? '' : ' known'}`
  const kind = random()
  try {
    if (kind < 0.25) {
      const { bytes, meta } = await store.get(uri, { signal, known, verify: pick(random, undefined, false) })
      return bytes.length === size && same(bytes, 0) && meta.size === size ? undefined : `${what}: get: other bytes, ${bytes.length}`
    }
    if (kind < 0.4) {
      const start = upTo(random, size)
      let at = start
      for await (const part of streamObject(store, uri, { signal, start, chunkSize: 1 + upTo(random, 20_000), ahead: upTo(random, 4) })) {
        if (!same(part, at)) return `${what}: streamObject: other bytes at ${at}`
        at += part.length
        if (random() < 0.05) return undefined
      }
      return at === size ? undefined : `${what}: streamObject ended at ${at} of ${size}`
    }
    const source = await store.open(uri, { known, signal })
    try {
      if (source.byteLength !== size) return `${what}: ${source.byteLength} bytes`
      if (kind < 0.5) {
        const ranges = Array.from({ length: 12 }, () => { const offset = upTo(random, size); return { offset, length: upTo(random, Math.min(size - offset, 3000)) } })
        const parts = await readRanges(source, ranges, { signal, gap: upTo(random, 5000), largest: 1 + upTo(random, 20_000) })
        return parts.every((part, i) => part.length === ranges[i]?.length && same(part, ranges[i].offset)) ? undefined : `${what}: readRanges: other bytes`
      }
      // Some in order, some anywhere, several at once.
      const inOrder = random() < 0.5
      const most = pick(random, 50, 4096, 8192, 20_000, size)
      let next = inOrder ? upTo(random, size) : 0
      const wrong: (string | undefined)[] = []
      const reads = async (): Promise<void> => {
        for (let n = 0; n < 10; n++) {
          const offset = inOrder ? Math.min(next, size) : upTo(random, size)
          const length = upTo(random, Math.min(size - offset, most))
          next = offset + length
          const memory = new Uint8Array(length + 20).fill(0x5a)
          const into = memory.subarray(10, 10 + length)
          let failure: unknown
          await source.read(offset, into, { signal }).catch((error: unknown) => { failure = error })
          const settled = memory.slice()
          late.push(() => (Buffer.compare(memory, settled) === 0 ? undefined : `${what}: ${offset}+${length} was written after the read had ended`))
          if (failure !== undefined) throw failure as Error
          if (!same(into, offset)) wrong.push(`${what}: ${offset}+${length}: other bytes`)
          if ([...memory.subarray(0, 10), ...memory.subarray(10 + length)].some(byte => byte !== 0x5a)) wrong.push(`${what}: ${offset}+${length}: written beyond its memory`)
        }
      }
      const all = Promise.allSettled(Array.from({ length: pick(random, 1, 1, 4) }, reads))
      if (random() < 0.1) {
        await pause(random() * 10)
        await source.close()
      }
      for (const outcome of await all) {
        if (outcome.status === 'rejected' && !isMillraceError(outcome.reason, 'Closed')) throw outcome.reason
      }
      return wrong.find(text => text !== undefined)
    } finally {
      await source.close()
    }
  } catch (error) {
    if (error === GAVE_UP && signal?.aborted === true) return undefined
    if (isMillraceError(error, 'Closed')) return undefined // by those who close the store
    return `${what}: ${error instanceof MillraceError ? error.message : String(error)}`
  }
}

test(`${PLANS} plans of 12 readers each`, async () => {
  const random = seededRandom(SEED)
  const wrong: unknown[] = []
  const late: (() => string | undefined)[] = []
  for (let plan = 0; plan < PLANS; plan++) {
    const seed = SEED + 1000 * plan
    const fault = seededFaults(seed, pick(random, 0, 0.35, 0.35), FAULTS)
    origin.setPlan(() => fault())
    const dialect = pick(random, ...DIALECTS)
    const store = storeOf(dialect, origin.url, tuning(random))
    const readers = Promise.all(Array.from({ length: 12 }, (_, i) => reader(seededRandom(seed + i), dialect, store, late)))
    if (random() < 0.2) {
      await pause(random() * 30)
      await store.close()
    }
    for (const text of await readers) if (text !== undefined) wrong.push(`plan ${plan}: ${text}`)
    await store.close()
  }
  await pause(20)
  for (const check of late) {
    const text = check()
    if (text !== undefined) wrong.push(text)
  }
  expect({ seed: SEED, wrong }).toEqual({ seed: SEED, wrong: [] })
  for (let i = 0; i < 500 && origin.connections.open > 0; i++) await pause(5)
  expect(origin.connections.open).toBe(0)
  expect(late.length).toBeGreaterThan(PLANS * 40)
}, 180_000 * FACTOR)
