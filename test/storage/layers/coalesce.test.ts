import { describe, expect, test } from '@jest/globals'
import { MillraceError } from '../../../src/errors.js'
import { coalescing, readRanges } from '../../../src/storage/layers/coalesce.js'
import { planRanges } from '../../../src/storage/layers/plan-ranges.js'
import type { ByteSource, RequestTrace } from '../../../src/store.js'
import { seededBytes, seededRandom } from '../../servers/seeded.js'
import { slowSource, virtualTime } from './virtual-time.js'

const KiB = 1 << 10
const bytes = seededBytes(3, 1 << 20)
const CONFIG = { coalesceGap: 4 * KiB, chunkSize: 64 * KiB }
const same = (actual: Uint8Array, offset: number): boolean => Buffer.compare(actual, bytes.subarray(offset, offset + actual.length)) === 0

describe('the plan', () => {
  const plan = (ranges: [number, number][], gap: number, more: { largest?: number; waste?: number } = {}): unknown =>
    planRanges(ranges.map(([offset, length]) => ({ offset, length })), { gap, ...more }).map(({ offset, length, members }) => [offset, length, members])

  test('ranges become one up to the gap, in any order', () => {
    expect(plan([[200, 10], [0, 10], [20, 10]], 10)).toEqual([[0, 30, [1, 2]], [200, 10, [0]]])
    expect(plan([[0, 10], [20, 10]], 9)).toEqual([[0, 10, [0]], [20, 10, [1]]])
    expect(plan([[0, 10], [10, 10]], 0)).toEqual([[0, 20, [0, 1]]])
  })

  test('ranges that overlap or are equal are read once', () => {
    expect(plan([[0, 100], [10, 10], [0, 100], [50, 100]], 0)).toEqual([[0, 150, [0, 2, 1, 3]]])
  })

  test('ranges without bytes are not read', () => {
    expect(plan([[5, 0], [7, 3]], 100)).toEqual([[7, 3, [1]]])
    expect(plan([], 0)).toEqual([])
  })

  test('no merged range is larger than it may be, but what one asks for stays whole', () => {
    expect(plan([[0, 40], [40, 40], [80, 40], [300, 500], [400, 10]], 10, { largest: 100 })).toEqual([[0, 80, [0, 1]], [80, 40, [2]], [300, 500, [3, 4]]])
  })

  test('no more is wasted than may be, but for what costs less than a request', () => {
    const M = 1 << 20
    expect(plan([[0, M], [1.5 * M, M], [4 * M, M]], 2 * M, { waste: 0.5 })).toEqual([[0, 2.5 * M, [0, 1]], [4 * M, M, [2]]])
    expect(plan([[0, 10], [60_000, 10]], 100_000, { waste: 0 })).toEqual([[0, 60_010, [0, 1]]])
  })
})

describe('many ranges of one object', () => {
  test('come in few requests, as views in the order of the ranges', async () => {
    const time = virtualTime()
    const source = slowSource(bytes, time)
    const ranges = [{ offset: 5000, length: 100 }, { offset: 0, length: 50 }, { offset: 5050, length: 100 }, { offset: 9, length: 0 }, { offset: 900_000, length: 7 }]
    const results = await time.until(readRanges(source, ranges, { gap: 5000 }))
    expect(source.requests).toEqual([[0, 5150], [900_000, 7]])
    results.forEach((result, i) => expect([result.length, same(result, ranges[i]!.offset)]).toEqual([ranges[i]!.length, true]))
    expect(results[0]?.buffer).toBe(results[2]?.buffer)
  })

  test('are read so many at a time', async () => {
    const time = virtualTime()
    const source = slowSource(bytes, time)
    const ranges = Array.from({ length: 20 }, (_, i) => ({ offset: i * 1000, length: 10 }))
    await time.until(readRanges(source, ranges, { gap: 0, concurrency: 5 }))
    expect([source.maxInFlight, source.requests.length, time.now()]).toEqual([5, 20, 80])
  })

  test('one that is not in the object is refused before anything is read', async () => {
    const source = slowSource(bytes, virtualTime())
    await expect(readRanges(source, [{ offset: 0, length: 5 }, { offset: bytes.length - 1, length: 2 }])).rejects.toMatchObject({ kind: 'OutOfRange' })
    await expect(readRanges(source, [{ offset: 0, length: -5 }])).rejects.toThrow(RangeError)
    await expect(readRanges(source, [{ offset: 0.5, length: 5 }])).rejects.toThrow(RangeError)
    expect(source.requests).toEqual([])
  })

  test('the first failure, or an abort, ends the other requests', async () => {
    const time = virtualTime()
    const source = slowSource(bytes, time)
    source.fail = (offset) => {
      if (offset === 0) throw new Error('broken')
    }
    const ranges = Array.from({ length: 20 }, (_, i) => ({ offset: i * 50_000, length: i === 0 ? 10 : 10_000 }))
    await expect(time.until(readRanges(source, ranges, { gap: 0, concurrency: 4 }))).rejects.toThrow('broken')
    expect([source.inFlight, source.requests.length]).toEqual([0, 4])
    source.fail = undefined
    const controller = new AbortController()
    const reading = readRanges(source, ranges, { gap: 0, concurrency: 4, signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    expect(source.inFlight).toBe(0)
  })

  test('any ranges, merged in any way, are slices of the object', async () => {
    const random = seededRandom(9)
    const source: ByteSource = { uri: 'test://x', byteLength: bytes.length, version: '', close: async () => undefined, read: async (offset, into) => { into.set(bytes.subarray(offset, offset + into.length)) } }
    for (let i = 0; i < 300; i++) {
      const ranges = Array.from({ length: Math.floor(random() * 30) }, () => {
        const offset = Math.floor(random() * bytes.length)
        return { offset, length: Math.min(bytes.length - offset, Math.floor(random() ** 3 * 100_000)) }
      })
      const results = await readRanges(source, ranges, { gap: Math.floor(random() ** 3 * 100_000), largest: 1 + Math.floor(random() * 200_000) })
      expect(results.map((result, k) => result.length === ranges[k]!.length && same(result, ranges[k]!.offset))).toEqual(ranges.map(() => true))
    }
  })
})

describe('reads of one turn', () => {
  const read = async (source: ByteSource, offset: number, length: number, signal?: AbortSignal): Promise<boolean> => {
    const into = new Uint8Array(length)
    await source.read(offset, into, { signal })
    return same(into, offset)
  }

  test('that lie close are one request', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const source = coalescing(origin, CONFIG)
    const first = [read(source, 6000, 100), read(source, 0, 5000)]
    const chained = Promise.resolve().then(() => Promise.resolve()).then(() => read(source, 7000, 100)) // later, but in the same turn
    const far = read(source, 500_000, 100)
    expect(await time.until(Promise.all([...first, chained, far]))).toEqual([true, true, true, true])
    expect(origin.requests).toEqual([[0, 7100], [500_000, 100]])
    await source.close()
  })

  test('that come in different turns are requests of their own, straight into the memory of the caller', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const targets: Uint8Array[] = []
    const source = coalescing({ ...origin, read: (offset, into, options) => {
      targets.push(into)
      return origin.read(offset, into, options)
    } }, CONFIG)
    const [one, two] = [new Uint8Array(10), new Uint8Array(10)]
    await time.until(source.read(0, one))
    await time.until(source.read(10, two))
    expect(targets[0]).toBe(one)
    expect(targets[1]).toBe(two)
  })

  test('of 256 KiB or more go at once', () => {
    const origin = slowSource(bytes, virtualTime())
    const source = coalescing(origin, CONFIG)
    for (const offset of [0, 256 * KiB]) source.read(offset, new Uint8Array(256 * KiB)).catch(() => undefined)
    expect(origin.requests).toHaveLength(2)
  })

  test('a merged request has at most chunkSize bytes, of which at most half were not asked for', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const source = coalescing(origin, { coalesceGap: 200 * KiB, chunkSize: 150 * KiB })
    await time.until(Promise.all(Array.from({ length: 20 }, (_, i) => read(source, i * 10_000, 10_000))))
    expect(origin.requests).toEqual([[0, 150_000], [150_000, 50_000]])
    await time.until(Promise.all([0, 100_000, 200_000].map(offset => read(source, offset, 10))))
    expect(origin.requests.slice(2)).toHaveLength(3)
  })

  test('a failed merged request is made again for each, and fails only those that it has to', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    origin.fail = (offset, length) => {
      if (offset <= 1000 && offset + length > 1000) throw new Error('bad sector')
    }
    const source = coalescing(origin, CONFIG)
    const results = await time.until(Promise.allSettled([read(source, 0, 100), read(source, 950, 100), read(source, 2000, 100)]))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(origin.requests).toEqual([[0, 2100], [0, 100], [950, 100], [2000, 100]])
  })

  test('an error of the object is told to all, without asking again', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    origin.fail = () => { throw new MillraceError('Changed', 'it is another one now') }
    const source = coalescing(origin, CONFIG)
    const results = await time.until(Promise.allSettled([read(source, 0, 100), read(source, 100, 100)]))
    expect(results.map(result => result.status === 'rejected' && result.reason.kind)).toEqual(['Changed', 'Changed'])
    expect(origin.requests).toHaveLength(1)
  })

  test('one who gives up ends at once and leaves the others alone; the request ends with the last one', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const source = coalescing(origin, CONFIG)
    const [a, b, never] = [new AbortController(), new AbortController(), new AbortController()]
    never.abort(new Error('before'))
    await expect(source.read(0, new Uint8Array(10), { signal: never.signal })).rejects.toThrow('before')
    const into = new Uint8Array(100)
    const gone = source.read(0, into, { signal: a.signal })
    const stays = read(source, 100, 100, b.signal)
    await new Promise(resolve => setImmediate(resolve))
    expect(origin.inFlight).toBe(1)
    a.abort(new Error('enough'))
    await expect(gone).rejects.toThrow('enough')
    expect(await time.until(stays)).toBe(true)
    expect(into.every(byte => byte === 0)).toBe(true)

    const both = [source.read(0, into, { signal: a.signal }).catch(() => 'gone'), ...[1, 2].map(k => source.read(k * 100, new Uint8Array(10), { signal: b.signal }).catch(() => 'gone'))]
    await new Promise(resolve => setImmediate(resolve))
    expect(origin.inFlight).toBe(1)
    b.abort()
    expect(await Promise.all(both)).toEqual(['gone', 'gone', 'gone'])
    await new Promise(resolve => setImmediate(resolve))
    expect(origin.inFlight).toBe(0)
    await source.close()
  })

  test('a signal that aborts before the turn is over asks for nothing', async () => {
    const origin = slowSource(bytes, virtualTime())
    const source = coalescing(origin, CONFIG)
    const controller = new AbortController()
    const gone = [0, 50].map(offset => source.read(offset, new Uint8Array(10), { signal: controller.signal }))
    controller.abort(new Error('enough'))
    for (const read of gone) await expect(read).rejects.toThrow('enough')
    expect(origin.inFlight).toBe(0)
    expect(origin.requests).toEqual([])
  })

  test('a range that is not in the object fails alone', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const source = coalescing(origin, CONFIG)
    const good = read(source, bytes.length - 100, 100)
    await expect(source.read(bytes.length - 10, new Uint8Array(20))).rejects.toMatchObject({ kind: 'OutOfRange' })
    expect(await time.until(good)).toBe(true)
  })

  test('one trace counts the request', async () => {
    const traces: (RequestTrace | undefined)[] = []
    const source = coalescing({ uri: 'x', byteLength: 1000, version: '', close: async () => undefined, read: async (_, __, { trace: told } = {}) => { traces.push(told) } }, CONFIG)
    const trace = { requests: 0, retries: 0 }
    await Promise.all([{}, { trace }, { trace: { ...trace } }].map((options, i) => source.read(5 * i, new Uint8Array(5), options)))
    expect(traces).toHaveLength(1)
    expect(traces[0]).toBe(trace)
  })

  test('close waits for reads, also for those that were just asked for, and refuses what comes after it', async () => {
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    const source = coalescing(origin, CONFIG)
    const reads = [read(source, 0, 100), read(source, 100, 100)]
    const closing = source.close()
    await expect(source.read(0, new Uint8Array(1))).rejects.toMatchObject({ kind: 'Closed' })
    expect(await time.until(Promise.all(reads))).toEqual([true, true])
    await closing
    expect(origin.closed).toBe(true)
  })

  test('any mixture of reads, aborts and failures gives the right bytes or an error of its own', async () => {
    const random = seededRandom(21)
    const time = virtualTime()
    const origin = slowSource(bytes, time)
    origin.fail = () => {
      if (random() < 0.1) throw new Error('failed')
    }
    const source = coalescing(origin, CONFIG)
    const one = async (): Promise<void> => {
      const offset = Math.floor(random() * 200_000)
      const into = new Uint8Array(Math.floor(random() ** 3 * 50_000))
      const controller = new AbortController()
      if (random() < 0.2) void time.sleep(Math.floor(random() * 30)).then(() => controller.abort(new Error('aborted')), () => undefined)
      await time.sleep(Math.floor(random() * 50))
      try {
        await source.read(offset, into, { signal: controller.signal })
        if (!same(into, offset)) throw new Error('wrong bytes')
      } catch (error) {
        if (!/failed|aborted/.test(String(error))) throw error
        into.fill(0)
        await time.sleep(100)
        if (into.some(byte => byte !== 0)) throw new Error('written after it failed')
      }
    }
    await time.until(Promise.all(Array.from({ length: 2000 }, one)))
    expect(origin.requests.length).toBeLessThan(1900)
    await time.until(source.close())
  })
})
