import { describe, expect, test } from '@jest/globals'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import { newClocks, watchdog, type Stage, type Watched } from '../../../src/storage/remote/watchdog.js'
import { testTime, type TestTime } from './scripted.js'

const CONFIG = { ...DEFAULT_RANGES, ttfbTimeout: 4000, idleTimeout: 3000, minRate: 1000, minRateWindow: 5000, rangeTimeout: 20_000, deadline: 60_000 }

interface Subject extends Watched {
  stage: Stage
  exchange: { received: number, queued: boolean } | undefined
  expired: string[]
}

function subject(stage: Stage, more: Partial<Subject> = {}): Subject {
  const one: Subject = {
    stage, exchange: { received: 0, queued: false }, deadlineAt: Infinity, asked: 10_000, clocks: newClocks(), expired: [],
    expire(why) { one.expired.push(why) },
    ...more
  }
  return one
}

function watching(...reads: Subject[]): TestTime {
  const time = testTime()
  const dog = watchdog(CONFIG, time)
  for (const read of reads) dog.add(read)
  return time
}

describe('the watchdog', () => {
  test('waits for the head of a reply for ttfbTimeout', async () => {
    const read = subject('head')
    const time = watching(read)
    await time.advance(4000)
    expect(read.expired).toEqual([])
    await time.advance(500)
    expect(read.expired).toEqual(['ttfb'])
  })

  test('does not count the time for which a request waits for a connection', async () => {
    const read = subject('head', { exchange: { received: 0, queued: true } })
    const time = watching(read)
    await time.advance(100_000)
    expect(read.expired).toEqual([])
    if (read.exchange !== undefined) read.exchange.queued = false
    await time.advance(3500)
    expect(read.expired).toEqual([])
    await time.advance(500)
    expect(read.expired).toEqual(['ttfb'])
  })

  test('waits for the next byte for idleTimeout', async () => {
    const exchange = { received: 0, queued: false }
    const read = subject('body', { exchange })
    const time = watching(read)
    for (let i = 0; i < 4; i++) {
      exchange.received += 10_000
      await time.advance(2500)
    }
    expect(read.expired).toEqual([])
    await time.advance(1000)
    expect(read.expired).toEqual(['idle'])
  })

  test('ends what comes at less than minRate over minRateWindow', async () => {
    const exchange = { received: 0, queued: false }
    const read = subject('body', { exchange, asked: 1e9 })
    const time = watching(read)
    for (let i = 0; i < 40; i++) {
      exchange.received += 510
      await time.advance(500)
    }
    expect(read.expired).toEqual([])
    for (let i = 0; i < 20; i++) {
      exchange.received += 490
      await time.advance(500)
    }
    expect(read.expired).toContain('rate')
  })

  test('ends what takes longer than rangeTimeout and its size at minRate', async () => {
    const exchange = { received: 0, queued: false }
    const read = subject('body', { exchange, asked: 10_000 })
    const time = watching(read)
    const feed = async (milliseconds: number): Promise<void> => {
      for (let i = 0; i < milliseconds; i += 500) {
        exchange.received += 1000
        await time.advance(500)
      }
    }
    await feed(30_000)
    expect(read.expired).toEqual([])
    await feed(500)
    expect(read.expired).toEqual(['range'])
  })

  test('counts anew for each request', async () => {
    const read = subject('head')
    const time = watching(read)
    await time.advance(3500)
    read.clocks.since = -1
    await time.advance(4000)
    expect(read.expired).toEqual([])
    await time.advance(500)
    expect(read.expired).toEqual(['ttfb'])
  })

  test('counts anew for the body', async () => {
    const read = subject('head')
    const time = watching(read)
    await time.advance(4000)
    read.stage = 'body'
    await time.advance(3000)
    expect(read.expired).toEqual([])
    await time.advance(500)
    expect(read.expired).toEqual(['idle'])
  })

  test('leaves alone what we make wait ourselves', async () => {
    const read = subject('paused', { deadlineAt: 0 })
    await watching(read).advance(1_000_000)
    expect(read.expired).toEqual([])
  })

  test('ends everything else at its deadline', async () => {
    for (const stage of ['asking', 'head', 'body'] as const) {
      const read = subject(stage, { deadlineAt: 1000 + 1500, exchange: stage === 'asking' ? undefined : { received: 0, queued: true } })
      const time = watching(read)
      await time.advance(1499)
      expect(read.expired).toEqual([])
      await time.advance(1)
      expect(read.expired).toEqual(['deadline'])
    }
  })

  test('takes no time in which the program computed for time in which nothing came', async () => {
    const read = subject('body')
    const time = watching(read)
    await time.advance(500)
    for (let i = 0; i < 2; i++) {
      time.block(60_000)
      await time.advance(500) // counts as two ticks, however long it was
    }
    await time.advance(500)
    expect(read.expired).toEqual([])
    await time.advance(500)
    expect(read.expired).toEqual(['idle'])
  })

  test('watches any number of reads with one timer, and none when there are no reads', async () => {
    const time = testTime()
    let timers = 0
    const { every } = time
    const dog = watchdog<Subject>(CONFIG, { ...time, now: () => time.now(), every: (interval, run) => { timers++; return (every as NonNullable<typeof every>)(interval, run) } })
    const reads = Array.from({ length: 100 }, () => subject('head'))
    for (const read of reads) dog.add(read)
    expect(timers).toBe(1)
    for (const read of reads) dog.remove(read)
    expect(time.ticking).toBe(true) // the next read needs no new one
    await time.advance(500)
    expect(time.ticking).toBe(false)
    dog.add(subject('head'))
    expect(timers).toBe(2)
  })

  test('looks four times during the shortest limit', () => {
    const time = testTime()
    const intervals: number[] = []
    const surroundings = { now: () => 0, random: () => 0, sleep: () => Promise.resolve(), every: (interval: number) => { intervals.push(interval); return () => undefined } }
    for (const ttfbTimeout of [100_000, 200, 1]) watchdog({ ...CONFIG, ttfbTimeout }, surroundings).add(subject('head'))
    expect(intervals).toEqual([500, 50, 5])
    expect(time.ticking).toBe(false)
  })
})
