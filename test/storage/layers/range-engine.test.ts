import { describe, expect, test } from '@jest/globals'
import { rangeEngine, type RangeEngineRead, type RangeRead } from '../../../src/storage/layers/range-engine.js'
import { seededBytes, seededRandom } from '../../servers/seeded.js'
import { virtualTime } from './virtual-time.js'

const bytes = seededBytes(2, 100_000)
const SMALL = { chunkSize: 1000, minSplitSize: 2000, maxConcurrentRanges: 4 }
const fill: RangeRead = async (offset, into) => { into.set(bytes.subarray(offset, offset + into.length)) }

describe('a range engine', () => {
  test('reads what is small in one range', async () => {
    const engine = rangeEngine(fill, SMALL)
    const into = new Uint8Array(1999)
    await engine.read(17, into)
    expect(Buffer.compare(into, bytes.subarray(17, 2016))).toBe(0)
    expect(engine.stats()).toMatchObject({ reads: 1, ranges: 1, bytes: 1999, failures: 0, maxInFlight: 1 })
  })

  test('reads what is large in many, as many at a time as it may, straight into the target', async () => {
    const time = virtualTime()
    const order: number[] = []
    const memory = new Uint8Array(50_000)
    const recorded: RangeEngineRead[] = []
    const engine = rangeEngine(async (offset, into, options) => {
      order.push(offset)
      expect(into.buffer).toBe(memory.buffer)
      await time.sleep(10)
      await fill(offset, into, options)
    }, SMALL, { record: read => recorded.push(read) })
    await time.until(engine.read(10_000, memory))
    expect(Buffer.compare(memory, bytes.subarray(10_000, 60_000))).toBe(0)
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => 10_000 + i * 1000))
    expect(time.now()).toBe(130) // 50 ranges, 4 at a time
    expect(engine.stats()).toMatchObject({ reads: 1, ranges: 50, maxInFlight: 4, bytes: 50_000 })
    expect(engine.stats().megabytesPerSecond).toBeGreaterThan(0)
    expect(recorded).toMatchObject([{ offset: 10_000, length: 50_000, ranges: 50, maxInFlight: 4, failed: false }])
  })

  test('reads nothing without asking for it', async () => {
    const engine = rangeEngine(() => Promise.reject(new Error('asked')), SMALL)
    await engine.read(5, new Uint8Array(0))
    expect(engine.stats().ranges).toBe(0)
  })

  test('has few, larger ranges while others keep the connections busy', async () => {
    let others = 0
    const engine = rangeEngine(fill, SMALL, { inFlight: () => others })
    const ranges = async (): Promise<number> => {
      const before = engine.stats().ranges
      await engine.read(0, new Uint8Array(4000))
      return engine.stats().ranges - before
    }
    expect(await ranges()).toBe(4)
    others = 2
    expect(await ranges()).toBe(2)
    others = 100
    expect(await ranges()).toBe(1)
  })

  test('cuts at an alignment', async () => {
    const offsets: number[] = []
    const engine = rangeEngine(async (offset) => { offsets.push(offset) }, SMALL)
    await engine.read(0, new Uint8Array(3500), { alignment: 700 })
    expect(offsets).toEqual([0, 700, 1400, 2100, 2800])
  })

  test('follows settings that change', async () => {
    const settings = { ...SMALL }
    const engine = rangeEngine(fill, settings)
    await engine.read(0, new Uint8Array(8000))
    settings.chunkSize = 4000
    await engine.read(0, new Uint8Array(8000))
    expect(engine.stats().ranges).toBe(10)
  })

  test('any read gives the bytes that are there', async () => {
    const random = seededRandom(5)
    const some = (most: number): number => 1 + Math.floor(random() ** 2 * most)
    for (let i = 0; i < 100; i++) {
      const time = virtualTime()
      const options = { chunkSize: 2000 + some(5000), minSplitSize: some(8000), maxConcurrentRanges: some(20) }
      let now = 0
      const engine = rangeEngine(async (offset, into, context) => {
        expect(++now).toBeLessThanOrEqual(options.maxConcurrentRanges)
        await time.sleep(Math.floor(random() * 4))
        await fill(offset, into, context)
        now--
      }, options)
      const offset = Math.floor(random() * 90_000)
      const into = new Uint8Array(Math.floor(random() * Math.min(60_000, 100_000 - offset)))
      await time.until(engine.read(offset, into, random() < 0.5 ? { alignment: 1000 + some(4000) } : {}))
      expect(Buffer.compare(into, bytes.subarray(offset, offset + into.length))).toBe(0)
    }
  })
})

describe('what fails', () => {
  test('the first failure ends the others, is told when they have ended, and nothing is written after it', async () => {
    const time = virtualTime()
    let ended = 0
    const engine = rangeEngine(async (offset, into, { signal }) => {
      if (offset === 2000) {
        await time.sleep(5)
        throw new Error('broken')
      }
      try {
        await time.sleep(20, signal)
        into.fill(1)
      } catch (error) {
        await time.sleep(100) // it takes a while to end
        into.fill(2)
        ended++
        throw error
      }
    }, SMALL)
    const into = new Uint8Array(10_000)
    await expect(time.until(engine.read(0, into))).rejects.toThrow('broken')
    expect([ended, time.now()]).toEqual([3, 105])
    expect(engine.stats()).toMatchObject({ ranges: 4, failures: 1, bytes: 0 })
    into.fill(0)
    await time.until(time.sleep(1000))
    expect(into.every(byte => byte === 0)).toBe(true)
  })

  test('a function that throws at once fails the read, and no more', async () => {
    for (const length of [100, 10_000]) {
      await expect(rangeEngine(() => { throw new Error('at once') }, SMALL).read(0, new Uint8Array(length))).rejects.toThrow('at once')
    }
  })

  test('an abort ends all ranges, and is told with its own reason', async () => {
    const time = virtualTime()
    let underWay = 0
    const engine = rangeEngine(async (_, __, { signal }) => {
      underWay++
      await time.sleep(1000, signal).finally(() => underWay--)
    }, SMALL)
    for (const length of [100, 10_000]) {
      const controller = new AbortController()
      const reading = engine.read(0, new Uint8Array(length), { signal: controller.signal })
      expect(underWay).toBe(length === 100 ? 1 : 4)
      controller.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      expect(underWay).toBe(0)
      await expect(engine.read(0, new Uint8Array(length), { signal: controller.signal })).rejects.toThrow('enough')
    }
    expect(engine.stats().ranges).toBe(5)
  })

  test('a range that takes longer than rangeTimeout is a Timeout that says where', async () => {
    const stuck: RangeRead = (_, __, { signal }) => new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('I was told to stop')), { once: true })
    })
    for (const length of [100, 10_000]) {
      await expect(rangeEngine(stuck, { ...SMALL, rangeTimeout: 5 }).read(0, new Uint8Array(length)))
        .rejects.toMatchObject({ kind: 'Timeout', offset: 0, message: expect.stringContaining('rangeTimeout, 5 ms') })
    }
  })

  test('a function that watches the time itself is not timed', async () => {
    const engine = rangeEngine(async (offset, into, options) => {
      for (const start = performance.now(); performance.now() - start < 5;) await new Promise(resolve => setImmediate(resolve))
      await fill(offset, into, options)
    }, { ...SMALL, rangeTimeout: 1 }, { watchTime: false })
    await engine.read(0, new Uint8Array(3000))
    expect(engine.stats().failures).toBe(0)
  })

  test('settings that cannot be are refused at the call', () => {
    expect(() => rangeEngine(fill, { chunkSize: 0 })).toThrow(new RangeError('rangeEngine: chunkSize must be a whole number of at least 1, got 0'))
    expect(() => rangeEngine(fill, { maxConcurrentRanges: 1.5 })).toThrow(RangeError)
    expect(() => rangeEngine(fill, { minSplitSize: '1' as unknown as number })).toThrow(TypeError)
    expect(() => rangeEngine(undefined as unknown as RangeRead)).toThrow(TypeError)
  })
})
