import { expect, test } from '@jest/globals'
import { messageOf } from '../../../src/errors.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import type { ByteSource } from '../../../src/store.js'
import { seededFaults, startFaultProxy, type ProxyFault } from '../../servers/fault-proxy.js'
import type { Fault } from '../../servers/faults.js'
import { DIALECTS, startOrigin, type Dialect } from '../../servers/origin.js'
import { seededRandom } from '../../servers/seeded.js'
import { metaOf, storeOf, uriOf } from './stores.js'

/** Of the server, and of the network before it: together they spoil four requests of ten. */
const LIES: readonly ((random: () => number) => Fault)[] = [
  () => ({ kind: 'fullBody' }), () => ({ kind: 'otherRange' }), () => ({ kind: 'noContentRange' }), () => ({ kind: 'otherTotal' }), () => ({ kind: 'noVersion' }),
  () => ({ kind: 'shortLength' }), () => ({ kind: 'shortRange' }), () => ({ kind: 'longLength' }), () => ({ kind: 'extraBytes' }), () => ({ kind: 'xmlBody' }),
  () => ({ kind: 'garbage' }), () => ({ kind: 'chunkCut' }), () => ({ kind: 'closeCut' }), () => ({ kind: 'status', status: 500 }), () => ({ kind: 'status', status: 503 }),
  () => ({ kind: 'status', status: 429 }), (random) => ({ kind: 'finBody', after: Math.floor(random() * 65_536) }), (random) => ({ kind: 'late', by: random() * 20 })
]
const BREAKS: readonly ((random: () => number) => ProxyFault)[] = [
  () => ({ kind: 'rst0' }), () => ({ kind: 'fin0' }), () => ({ kind: 'dropIdle' }), (random) => ({ kind: 'delay', by: random() * 20 }),
  (random) => ({ kind: 'rst', at: Math.floor(random() * 65_536) }), (random) => ({ kind: 'fin', at: Math.floor(random() * 65_536) })
]
/** They cost time. */
const WAITS: readonly ((random: () => number) => ProxyFault)[] = [() => ({ kind: 'blackhole' }), (random) => ({ kind: 'stall', at: Math.floor(random() * 65_536) })]

const FACTOR = Number(process.env['MILLRACE_FUZZ'] ?? 1)
const SEED = Number(process.env['MILLRACE_SEED'] ?? 20_261_121)
const READS = 10_000 * FACTOR

test(`${READS} reads, of which four requests in ten go wrong, bring not one wrong byte`, async () => {
  const sizes = { 'bucket/a': 1_000_000, 'bucket/b': 300_001, 'bucket/c': 70_000, 'bucket/d': 4096, 'bucket/e': 1 }
  const lie = seededFaults(SEED, 0.23, LIES)
  const broken = seededFaults(SEED + 1, 0.22, BREAKS)
  const waiting = seededFaults(SEED + 2, 0.01, WAITS)
  const origin = await startOrigin({
    objects: sizes,
    plan(_, { pinned }) {
      const fault = lie()
      // Of an object that nobody knows yet, a first reply may say anything.
      return pinned === undefined && (fault?.kind === 'otherTotal' || fault?.kind === 'noVersion') ? undefined : fault
    }
  })
  const proxy = await startFaultProxy(origin.port, () => waiting() ?? broken())
  const stores = new Map<Dialect, RemoteStore>(DIALECTS.map((dialect) => [dialect, storeOf(dialect, proxy.url, {
    pool: { retryBudget: 1 },
    ranges: {
      maxAttempts: 20, backoffBase: 1, throttleBase: 1, backoffCap: 5, ttfbTimeout: 1000, idleTimeout: 1000, minRateWindow: 5000, firstRange: 50_000,
      chunkSize: 65_536, minSplitSize: 131_072, readAhead: 0, coalesceGap: 0, deadline: 60_000
    }
  })]))
  const random = seededRandom(SEED + 3)
  const objects = Object.entries(sizes)
  const wrong: string[] = []

  const sources = new Map<string, Promise<ByteSource>>()
  const sourceOf = (store: RemoteStore, dialect: Dialect, uri: string, size: number): Promise<ByteSource> => {
    const source = sources.get(uri) ?? store.open(uri, { known: metaOf(dialect, uri, size) })
    sources.set(uri, source)
    return source
  }

  let left = READS
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const dialect = DIALECTS[Math.floor(random() * DIALECTS.length)]!
      const kind = random()
      // The small ones are asked for once and held.
      const [object, size] = objects[Math.floor(random() * (kind < 0.9 ? 2 : objects.length))]!
      const offset = Math.floor(random() * size)
      const length = 1 + Math.floor(random() * Math.min(size - offset, random() < 0.05 ? size : 65_536))
      const store = stores.get(dialect)!
      const uri = uriOf(dialect, proxy.url, object)
      const right = origin.bytes(object)
      try {
        if (kind < 0.95) {
          const source = await (kind < 0.9 ? sourceOf(store, dialect, uri, size) : store.open(uri))
          const into = new Uint8Array(length)
          await source.read(offset, into)
          if (kind >= 0.9) await source.close()
          if (Buffer.compare(into, right.subarray(offset, offset + length)) !== 0) wrong.push(`${uri} ${offset}+${length}: other bytes`)
        } else {
          const { bytes } = await store.get(uri)
          if (Buffer.compare(bytes, right) !== 0) wrong.push(`${uri}: other bytes`)
        }
      } catch (error) {
        wrong.push(`${uri} ${offset}+${length}: ${messageOf(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  await Promise.all([...sources.values()].map(async (source) => (await source).close()))
  await Promise.all([...stores.values()].map((store) => store.close()))
  await proxy.close()
  await origin.close()
  expect({ seed: SEED, wrong }).toEqual({ seed: SEED, wrong: [] })
  const faulty = origin.log.filter((one) => one.fault !== undefined).length + proxy.log.filter((one) => one.fault !== undefined).length
  expect(faulty / proxy.log.length).toBeGreaterThan(0.35)
  expect(proxy.log.length).toBeGreaterThan(1.5 * READS)
  expect([proxy.connections.open, origin.connections.open]).toEqual([0, 0])
}, 120_000 * FACTOR)
