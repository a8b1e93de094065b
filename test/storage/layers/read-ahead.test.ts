import { describe, expect, test } from '@jest/globals'
import { encodeRecord, tfrecord } from '../../../formats/tfrecord/index.js'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import { memoryBudget, readAhead } from '../../../src/storage/layers/read-ahead.js'
import type { ByteSource } from '../../../src/store.js'
import { seededRandom } from '../../servers/seeded.js'
import { slowSource, virtualTime, type SlowSource, type VirtualTime } from './virtual-time.js'

const KiB = 1 << 10
const MiB = 1 << 20
/** Bytes per millisecond of one connection: 90 MB/s, as was measured for object stores. */
const RATE = 90_000
const bytes = new Uint8Array(new Uint32Array(16 * MiB).map((_, i) => (i * 0x9e3779b1) ^ (i >>> 7)).buffer)

function slow(options: { readonly latency?: number; readonly rate?: number } = {}, of: Uint8Array = bytes): { time: VirtualTime; slow: SlowSource } {
  const time = virtualTime()
  return { time, slow: slowSource(of, time, { rate: RATE, ...options }) }
}

/** Reads a range in blocks, so many of them asked for at the same time, and checks every byte. */
async function readThrough(source: ByteSource, block: number, depth: number, from = 0, to = source.byteLength): Promise<void> {
  const flights: Promise<void>[] = []
  const begin = async (offset: number): Promise<void> => {
    const into = new Uint8Array(Math.min(block, to - offset))
    await source.read(offset, into)
    if (Buffer.compare(into, bytes.subarray(offset, offset + into.length)) !== 0) throw new Error(`wrong bytes at ${offset}`)
  }
  for (let offset = from; offset < to; offset += block) {
    flights.push(begin(offset))
    if (flights.length >= depth) await flights.shift()
  }
  await Promise.all(flights)
}

describe('a reader in order', () => {
  test('with blocks of 1 MiB, two at a time, gets what sixteen connections give', async () => {
    const plain = slow()
    await plain.time.until(readThrough(plain.slow, MiB, 2))
    const ahead = slow()
    const source = readAhead(ahead.slow, DEFAULT_RANGES)
    await ahead.time.until(readThrough(source, MiB, 2))
    // 16 requests of 2 MiB in flight: 32 MiB in 20 + 23.3 ms, and the time to get going
    const best = 64 * MiB / (32 * MiB / (20 + 2 * MiB / RATE))
    expect(ahead.time.now()).toBeLessThan(2.5 * best)
    expect(plain.time.now()).toBeGreaterThan(4.5 * ahead.time.now())
    expect(ahead.slow.maxInFlight).toBeGreaterThanOrEqual(12)
    expect(ahead.slow.maxInFlight).toBeLessThanOrEqual(17) // and one that the reader asked for itself
    await source.close()
  })

  test('asks for no byte twice, and for none that is not read', async () => {
    for (const [block, depth] of [[100_000, 1], [MiB, 2], [3 * MiB, 1], [4 * KiB, 4]] as const) {
      const { time, slow: origin } = slow({}, bytes.subarray(0, 8 * MiB + 17))
      const source = readAhead(origin, DEFAULT_RANGES)
      await time.until(readThrough(source, block, depth))
      expect(origin.requests.reduce((sum, [, length]) => sum + length, 0)).toBe(8 * MiB + 17)
      await source.close()
      expect(origin.closed).toBe(true)
    }
  })

  test('asks for growing ranges, never more than four times what it has read', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    let asked = 0
    for (let offset = 0; offset < 8 * MiB; offset += 128 * KiB) {
      await time.until(source.read(offset, new Uint8Array(128 * KiB)))
      asked = origin.requests.reduce((most, [at, length]) => Math.max(most, at + length), 0)
      expect(asked).toBeLessThanOrEqual(5 * (offset + 128 * KiB))
    }
    const ahead = origin.requests.map(([, length]) => length).filter(length => length > 128 * KiB)
    expect(ahead.slice(0, 5)).toEqual([256 * KiB, 512 * KiB, MiB, 2 * MiB, 2 * MiB])
    expect(Math.max(...ahead)).toBe(2 * MiB)
    expect(asked).toBeGreaterThan(36 * MiB) // 8 MiB and the 32 that may be ahead, of which less than a range is missing
    expect(asked).toBeLessThanOrEqual(40 * MiB)
    await source.close()
  })

  test('is recognised with small reads, and where it leaves out a little', async () => {
    const { time, slow: origin } = slow({ rate: Infinity })
    const source = readAhead(origin, DEFAULT_RANGES)
    await time.until((async () => {
      for (let offset = 0; offset + 1000 < 4 * MiB; offset += 1040) await source.read(offset, new Uint8Array(1000))
    })())
    expect(time.now()).toBeGreaterThan(4000 * 20) // with gaps from the beginning on nobody is recognised
    const before = time.now()
    await time.until((async () => {
      for (let offset = 0; offset < 32_000; offset += 1000) await source.read(offset, new Uint8Array(1000))
      for (let offset = 32_000; offset + 1000 < 4 * MiB; offset += 1040) await source.read(offset, new Uint8Array(1000))
    })())
    expect(time.now() - before).toBeLessThan(40 * 20)
    await source.close()
  })

  test('several readers may interleave, and share the memory', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, { ...DEFAULT_RANGES, readAhead: 16 * MiB })
    const parts = [0, 1, 2, 3].map(k => readThrough(source, 256 * KiB, 1, k * 16 * MiB, (k + 1) * 16 * MiB))
    await time.until(Promise.all(parts))
    expect(origin.requests.length).toBeLessThan(120) // of 256 reads
    const one = slow()
    await one.time.until(readThrough(one.slow, 256 * KiB, 1, 0, 16 * MiB))
    expect(time.now()).toBeLessThan(one.time.now() / 2)
    await source.close()
  })

  test('a tfrecord file at 20 ms of latency is read at more than twice the speed, though it is small', async () => {
    const random = seededRandom(3)
    const records = Array.from({ length: 6000 }, () => encodeRecord(bytes.subarray(0, Math.floor(random() * 8000))))
    const file = Buffer.concat(records)
    const read = async (source: ByteSource): Promise<number> => {
      let count = 0
      const reader = await tfrecord.open(source, { index: false }, { signal: new AbortController().signal } as Parameters<typeof tfrecord.open>[2])
      for await (const { elements } of reader.read(0, { signal: new AbortController().signal })) count += elements.length
      return count
    }
    const plain = slow({}, file)
    expect(await plain.time.until(read(plain.slow))).toBe(6000)
    const ahead = slow({}, file)
    const source = readAhead(ahead.slow, DEFAULT_RANGES)
    expect(await ahead.time.until(read(source))).toBe(6000)
    expect(plain.time.now()).toBeGreaterThan(2 * ahead.time.now())
    await source.close()
  })
})

describe('everybody else', () => {
  test('random access costs not one request more', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    const random = seededRandom(7)
    await time.until((async () => {
      for (let i = 0; i < 500; i++) await source.read(Math.floor(random() * 60 * MiB), new Uint8Array(1 + Math.floor(random() * 100_000)))
    })())
    expect(origin.requests).toHaveLength(500)
    await source.close()
  })

  test('blocks of readAhead bytes and more go straight through, and so does everything with readAhead 0', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, { ...DEFAULT_RANGES, readAhead: 8 * MiB })
    await time.until(readThrough(source, 8 * MiB, 1))
    expect(origin.requests).toHaveLength(8)
    await source.close()
    const off = slow()
    const none = readAhead(off.slow, { ...DEFAULT_RANGES, readAhead: 0 })
    await off.time.until(readThrough(none, MiB, 2))
    expect(off.slow.requests).toHaveLength(64)
  })

  test('somebody who skips far ahead stops what is fetched for them from growing', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    await time.until(readThrough(source, MiB, 1, 0, 4 * MiB))
    const before = origin.requests.reduce((most, [at, length]) => Math.max(most, at + length), 0)
    for (let offset = 5 * MiB; offset < before; offset += 2 * MiB) await time.until(source.read(offset, new Uint8Array(1000)))
    expect(origin.requests.reduce((most, [at, length]) => Math.max(most, at + length), 0)).toBeLessThanOrEqual(before + 512 * KiB)
    await source.close()
  })
})

describe('bounds', () => {
  test('memory stays below readAhead and is used again', async () => {
    const { time, slow: origin } = slow()
    const memories = new Set<ArrayBufferLike>()
    let bytesOf = 0
    const watched: ByteSource = { ...origin, read(offset, into, options) {
      if (!memories.has(into.buffer) && into.length >= 256 * KiB) bytesOf += into.buffer.byteLength
      if (into.length >= 256 * KiB) memories.add(into.buffer)
      return origin.read(offset, into, options)
    } }
    const source = readAhead(watched, { ...DEFAULT_RANGES, readAhead: 8 * MiB })
    await time.until(readThrough(source, 64 * KiB, 1))
    expect(bytesOf).toBeLessThanOrEqual(8 * MiB + 2 * MiB) // the small first ones make way
    await source.close()
  })

  test('sources that share a budget stay below it together, and give it back', async () => {
    let used = 0
    let most = 0
    const inner = memoryBudget(6 * MiB)
    const memory = {
      ...inner,
      take(n: number) {
        const ok = inner.take(n)
        if (ok) most = Math.max(most, used += n)
        return ok
      },
      give(n: number) {
        used -= n
        inner.give(n)
      }
    }
    const { time, slow: origin } = slow()
    const sources = Array.from({ length: 4 }, () => readAhead({ ...origin, close: async () => undefined }, DEFAULT_RANGES, { memory }))
    await time.until(Promise.all(sources.map(source => readThrough(source, 256 * KiB, 2, 0, 16 * MiB))))
    expect(most).toBeGreaterThan(4 * MiB)
    expect(most).toBeLessThanOrEqual(6 * MiB)
    await Promise.all(sources.map(source => source.close()))
    expect(used).toBe(0)
    expect(inner.take(6 * MiB)).toBe(true)
  })

  test('each of many sources gets its share, also those that come late', async () => {
    const memory = memoryBudget(16 * MiB)
    const times: number[] = []
    const { time, slow: origin } = slow()
    const source = (): ByteSource => readAhead({ ...origin, close: async () => undefined }, DEFAULT_RANGES, { memory })
    const first = source()
    await time.until(readThrough(first, MiB, 1, 0, 16 * MiB)) // it fills all of it, and stays
    expect(memory.take(2 * MiB)).toBe(false)
    const others = Array.from({ length: 7 }, source)
    const start = time.now()
    await time.until(Promise.all([first, ...others].map(async (each, i) => {
      await readThrough(each, 128 * KiB, 1, i === 0 ? 16 * MiB : 0, 32 * MiB)
      times.push(time.now() - start)
    })))
    const alone = 256 * (20 + 128 * KiB / RATE)
    expect(Math.max(...times)).toBeLessThan(alone / 4)
    await Promise.all([first, ...others].map(each => each.close()))
    expect(memory.take(16 * MiB)).toBe(true)
  })

  test('the ninth reader takes the place of the one that was seen last', async () => {
    const { time, slow: origin } = slow({ latency: 1 })
    const source = readAhead(origin, DEFAULT_RANGES)
    for (let k = 0; k < 12; k++) await time.until(readThrough(source, 128 * KiB, 1, k * 4 * MiB, k * 4 * MiB + MiB))
    await time.until(source.close())
    expect(origin.inFlight).toBe(0)
    expect(origin.closed).toBe(true)
  })
})

describe('what goes wrong', () => {
  test('an error ahead of the reader is told when it gets there, and a retry asks anew', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    let broken = true
    origin.fail = (offset, length) => {
      if (broken && offset <= 6 * MiB && offset + length > 6 * MiB) throw new Error('the disk of the service is on fire')
    }
    let reached = 0
    await expect(time.until((async () => {
      for (; ; reached += MiB) await source.read(reached, new Uint8Array(MiB))
    })())).rejects.toThrow('on fire')
    expect(reached).toBeGreaterThan(4 * MiB)
    expect(reached).toBeLessThanOrEqual(6 * MiB)
    const tried = origin.requests.length
    await expect(time.until(source.read(6 * MiB, new Uint8Array(10)))).rejects.toThrow('on fire')
    expect(origin.requests.length).toBe(tried + 1)
    broken = false
    await time.until(readThrough(source, MiB, 2, reached))
    await source.close()
  })

  test('an abort ends the read at once, and all that was on its way for the reader', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    const controller = new AbortController()
    const { signal } = controller
    for (let offset = 0; offset < 4 * MiB; offset += MiB) await time.until(source.read(offset, new Uint8Array(MiB), { signal }))
    expect(origin.inFlight).toBeGreaterThan(2)
    const into = new Uint8Array(8 * MiB)
    const reading = source.read(4 * MiB, into, { signal })
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    into.fill(0)
    await time.until(new Promise<void>(resolve => setImmediate(resolve)))
    expect(origin.inFlight).toBe(0)
    await time.until(source.read(0, new Uint8Array(10)))
    expect(into.every(byte => byte === 0)).toBe(true)
    await source.close()
  })

  test('a reader whose signal aborts between two reads is gone too', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    const controller = new AbortController()
    for (let offset = 0; offset < 4 * MiB; offset += MiB) await time.until(source.read(offset, new Uint8Array(MiB), { signal: controller.signal }))
    controller.abort()
    await new Promise<void>(resolve => setImmediate(resolve))
    expect(origin.inFlight).toBe(0)
    await source.close()
  })

  test('one who gives up does not take others along who read the same place', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    await time.until(readThrough(source, MiB, 1, 0, 4 * MiB))
    const controller = new AbortController()
    const into = new Uint8Array(4 * MiB)
    const gives = source.read(4 * MiB, new Uint8Array(4 * MiB), { signal: controller.signal })
    const stays = source.read(8 * MiB, into)
    controller.abort(new Error('enough'))
    await expect(gives).rejects.toThrow('enough')
    await time.until(stays)
    expect(Buffer.compare(into, bytes.subarray(8 * MiB, 12 * MiB))).toBe(0)
    await source.close()
  })

  test('close waits for reads, ends what was fetched ahead, and refuses what comes after it', async () => {
    const { time, slow: origin } = slow()
    const source = readAhead(origin, DEFAULT_RANGES)
    for (let offset = 0; offset < 4 * MiB; offset += MiB) await time.until(source.read(offset, new Uint8Array(MiB)))
    const into = new Uint8Array(MiB)
    const reading = source.read(4 * MiB, into)
    const closing = source.close()
    expect(source.close()).toBe(closing)
    await expect(source.read(0, new Uint8Array(1))).rejects.toMatchObject({ kind: 'Closed' })
    await time.until(Promise.all([reading, closing]))
    expect(Buffer.compare(into, bytes.subarray(4 * MiB, 5 * MiB))).toBe(0)
    expect([origin.inFlight, origin.closed]).toEqual([0, true])
  })

  test('any mixture of readers, skips, aborts and failures gives the right bytes or an error', async () => {
    const small = bytes.subarray(0, 2 * MiB)
    for (let seed = 0; seed < 40; seed++) {
      const random = seededRandom(seed)
      const time = virtualTime()
      const origin = slowSource(small, time, { latency: 5, rate: 5000 })
      origin.fail = () => {
        if (random() < 0.05) throw new Error('failed')
      }
      const source = readAhead(origin, { chunkSize: 64 * KiB, maxConcurrentRanges: 4, readAhead: 300 * KiB }, seed % 2 === 0 ? {} : { memory: memoryBudget(400 * KiB) })
      const work = async (): Promise<void> => {
        let offset = Math.floor(random() * small.length)
        for (let i = 0; i < 60; i++) {
          if (random() < 0.1) offset = Math.floor(random() * small.length)
          if (random() < 0.1) offset = Math.min(small.length - 1, offset + Math.floor(random() * 100_000))
          const into = new Uint8Array(Math.min(small.length - offset, 1 + Math.floor(random() * 60_000)))
          const controller = new AbortController()
          if (random() < 0.05) void time.sleep(random() * 20).then(() => controller.abort(new Error('aborted')), () => undefined)
          const at = offset
          offset = at + into.length < small.length ? at + into.length : 0
          try {
            await source.read(at, into, random() < 0.5 ? { signal: controller.signal } : {})
          } catch (error) {
            if (!/failed|aborted/.test(String(error))) throw error
            into.fill(0)
            await time.sleep(50)
            if (into.some(byte => byte !== 0)) throw new Error('written after it failed')
            continue
          }
          if (Buffer.compare(into, small.subarray(at, at + into.length)) !== 0) throw new Error(`wrong bytes, seed ${seed}, offset ${at}`)
        }
      }
      await time.until(Promise.all([work(), work(), work()]))
      await time.until(source.close())
      expect([origin.inFlight, origin.closed]).toEqual([0, true])
    }
  })
})
