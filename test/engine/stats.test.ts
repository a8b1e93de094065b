import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { consumerClock } from '../../src/engine/consumer.js'
import { watched } from '../operators/live.js'

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
const compute = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
}

describe('statistics', () => {
  test('are plain data: JSON, with one entry per stage, sources first', async () => {
    const iterator = Dataset.range(20).map(async x => x, { parallel: 4 }).shuffle(3, { seed: 1 }).batch(2).prefetch(2).iterator()
    await iterator.next()
    const stats = iterator.stats()
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats)
    expect(stats.stages.map(({ name }) => name)).toEqual(['range', 'map', 'shuffle', 'batch', 'prefetch'])
    expect(stats.stages[1]?.knobs).toEqual([{ name: 'map.parallel', value: 4, auto: false }])
    expect(stats.memory.ceilingBytes).toBeGreaterThan(0)
    await iterator.close()
    expect(iterator.stats().elements).toBe(1)
  })
  test('tell waiting from computing, and whose time it is', async () => {
    const iterator = Dataset.range(8).map(x => { compute(2); return x }).batch(1).map(async x => { await pause(4); return x }).iterator()
    while ((await iterator.next()).done !== true);
    const { stages, elapsedMs } = iterator.stats()
    const computing = stages.find(({ name }) => name === 'map')
    const waiting = stages.find(({ name }) => name === 'map#2') ?? stages.at(-1)
    expect(computing?.selfMs).toBeGreaterThanOrEqual(15)
    expect(computing?.waitMs).toBe(0)
    expect(waiting?.waitMs).toBeGreaterThanOrEqual(25)
    expect(waiting?.selfMs).toBeLessThanOrEqual(elapsedMs - 14)
    expect(waiting?.elementsPerSecond).toBeCloseTo(8000 / elapsedMs, -2)
  })
  test('name the stage that holds things up, and why', async () => {
    const slow = Dataset.range(30).map(async x => { await pause(3); return x }, { parallel: 2 }).batch(2)
    const waiting = slow.iterator()
    while ((await waiting.next()).done !== true);
    expect(waiting.stats().bottleneck).toMatchObject({ stage: 'map', reason: expect.stringMatching(/for each of 30 calls with up to 2 side by side: .* per delivered element/) })
    const computing = Dataset.range(20).map(x => { compute(1); return x }).batch(2).iterator()
    while ((await computing.next()).done !== true);
    expect(computing.stats().bottleneck).toMatchObject({ stage: 'map', reason: expect.stringContaining('it computes on this thread') })
    const alone = Dataset.range(10).map(async x => { await pause(2); return x }).iterator()
    while ((await alone.next()).done !== true);
    expect(alone.stats().bottleneck).toMatchObject({ reason: expect.stringContaining('side by side would hide that') })
    const kept = Dataset.range(10).iterator()
    while ((await kept.next()).done !== true) await pause(2)
    expect(kept.stats().bottleneck).toMatchObject({ stage: 'consumer', reason: expect.stringContaining('the plan keeps up') })
    expect(Dataset.range(1).iterator().stats().bottleneck).toBeUndefined()
  })
  test('measure what the consumer takes for itself, and what it waits', async () => {
    const { iterator, view } = watched(Dataset.range(12).map(async x => { await pause(2); return x }, { parallel: 'auto' }), {}, { initialParallelism: 1 })
    for (let i = 0; i < 10; i++) {
      await iterator.next()
      await pause(5)
    }
    await iterator.next()
    const { delivered, gapMs, waitMs, gaps } = view().consumer()
    expect(delivered).toBe(11)
    expect(gaps).toHaveLength(10)
    expect(Math.min(...gaps)).toBeGreaterThan(4)
    expect(gapMs).toBeCloseTo(gaps.reduce((sum, gap) => sum + gap, 0), 6)
    expect(waitMs).toBeGreaterThan(0)
    await iterator.close()
  })
})

describe('the clock of the consumer', () => {
  test('remembers the last 128 gaps, newest last', () => {
    const clock = consumerClock()
    for (let i = 0; i < 300; i++) {
      clock.called()
      clock.delivered()
      compute(i < 290 ? 0.03 : 0.2)
    }
    clock.called()
    const { gaps } = clock.times()
    expect(gaps).toHaveLength(128)
    expect(Math.min(...gaps.slice(-10))).toBeGreaterThanOrEqual(0.2)
  })
  test('looks at the clock now and then while elements are quick, and estimates the rest', () => {
    const clock = consumerClock()
    let reads = 0
    const now = performance.now.bind(performance)
    performance.now = () => {
      reads++
      return now()
    }
    try {
      for (let i = 0; i < 20_000; i++) {
        clock.called()
        clock.delivered()
      }
    } finally {
      performance.now = now
    }
    const { gapMs, waitMs, gaps } = clock.times()
    expect(gaps.length).toBeGreaterThan(8)
    expect(gapMs).toBeGreaterThan(0)
    expect(waitMs).toBeGreaterThan(0)
    expect(reads).toBeLessThan(10_000) // of 40,000 moments
  })
})

describe('waiting', () => {
  /** Work that one element in 64 waits 50 ms for, by a clock that only it moves; the others take 1 µs. */
  async function withClock(work: (advance: (ms: number) => void) => Promise<void>): Promise<void> {
    const { now } = performance
    let time = 1000
    performance.now = () => time
    try {
      await work(ms => { time += ms })
    } finally {
      performance.now = now
    }
  }
  const bursts = (advance: (ms: number) => void) => Dataset.range(6400).map(x => {
    advance(0.001)
    return x % 64 === 63 ? Promise.resolve().then(() => { advance(50); return x }) : x
  })

  test('is added up as it was, when few of many quick elements wait', () =>
    withClock(async advance => {
      const iterator = bursts(advance).iterator()
      while ((await iterator.next()).done !== true);
      const { consumer, stages, elapsedMs } = iterator.stats()
      expect(elapsedMs).toBeCloseTo(100 * 50 + 6.4, 0)
      expect(consumer.waitMs / 5000).toBeCloseTo(1, 2)
      expect((stages.at(-1)?.waitMs ?? 0) / 5000).toBeCloseTo(1, 2)
      expect((stages.at(-1)?.busyMs ?? 0) / 5000).toBeCloseTo(1, 2)
    }))
  test('is not taken for what the consumer leaves', () =>
    withClock(async advance => {
      const iterator = bursts(advance).iterator()
      while ((await iterator.next()).done !== true) advance(0.01)
      const { gapMs } = iterator.stats().consumer
      expect(gapMs / 64).toBeCloseTo(1, 1)
    }))
})

describe('a tuner', () => {
  test('begins with the first next when a knob is to be chosen, and stops with the iteration', async () => {
    for (const [parallel, begins] of [['auto', 1], [4, 0]] as const) {
      const calls = { begun: 0, stopped: 0 }
      const { iterator } = watched(Dataset.range(4).map(async x => x, { parallel }), {}, {
        tune: () => {
          calls.begun++
          return { log: () => [], profile: () => ({ version: 1, knobs: { x: 1 } }), stop: () => void calls.stopped++ }
        }
      })
      expect(calls.begun).toBe(0)
      await iterator.next()
      expect(calls).toEqual({ begun: begins, stopped: 0 })
      expect(iterator.profile()).toEqual({ version: 1, knobs: begins === 1 ? { x: 1 } : {} })
      while ((await iterator.next()).done !== true);
      expect(calls).toEqual({ begun: begins, stopped: begins })
      await iterator.close()
    }
  })
  test('begins with a knob that comes to be later, and not after the end', async () => {
    const names: string[] = []
    const plan = Dataset.range(3).repeat(2).concatenate(Dataset.range(2).map(async x => x, { parallel: 'auto' }))
    const { iterator } = watched(plan, {}, {
      tune: view => {
        names.push(...view.stages().flatMap(({ knobs }) => knobs.map(({ name }) => name)))
        return { log: () => [], profile: () => ({ version: 1, knobs: {} }), stop: () => undefined }
      }
    }, plan.plan)
    while ((await iterator.next()).done !== true);
    expect(names).toEqual(['map.parallel'])
    const closed = watched(plan)
    await closed.iterator.close()
    expect(await closed.iterator.next()).toEqual({ done: true, value: undefined })
    expect(closed.knobs()).toEqual([])
  })
  test('sees the stages with sources first, the event loop, the cores, and the memory', async () => {
    const { iterator, view } = watched(Dataset.range(10).map(async x => x, { parallel: 'auto' }).batch(2), {}, { cores: 3 })
    await iterator.next()
    compute(30)
    expect(view().stages().map(({ operator, stage }) => [stage, operator])).toEqual([[0, 'range'], [1, 'map'], [2, 'batch'], [3, 'prefetch']])
    expect(view().cores).toBe(3)
    expect(view().eventLoop()).toBeGreaterThan(0.5)
    expect(view().eventLoop()).toBeLessThanOrEqual(1)
    expect(view().memory()).toMatchObject({ heldBytes: expect.any(Number), usedBytes: expect.any(Number), ceilingBytes: expect.any(Number) })
    await iterator.close()
  })
  test('that is switched off leaves a profile of the present values', async () => {
    const iterator = Dataset.range(4).map(async x => x, { parallel: 'auto' }).map(x => x).map(async x => x, { parallel: 'auto' }).options({ autotune: { enabled: false, initialParallelism: 3 } }).iterator()
    await iterator.next()
    expect(iterator.profile()).toEqual({ version: 1, knobs: { 'map.parallel': 3, 'map.parallel#2': 3 } })
    expect(iterator.tuning()).toEqual([])
    await iterator.close()
  })
})

describe('explain of an iterator', () => {
  test('prints the plan that runs with rates, queues, knobs and the bottleneck', async () => {
    const iterator = Dataset.range(200).map(async x => { await pause(2); return x }, { parallel: 3 }).batch(2).iterator()
    expect(iterator.explain()).toContain('nothing asked for yet')
    for (let i = 0; i < 20; i++) await iterator.next()
    const text = iterator.explain()
    expect(text.split('\n')).toHaveLength(5)
    expect(text).toMatch(/^running for \d+\.\d s: 20 elements, .*\/s, the consumer waited \d+ % of its time, buffers hold .* of .* [MG]iB\n/)
    expect(text).toMatch(/\n {2}prefetch\(auto, injected\) {2}\[.*prefetch\.size = \d+ \(auto\)/)
    expect(text).toMatch(/\n {6}map\(.*\) {2}\[.*\/s, .* each, busy .*3 under way.*map\.parallel = 3, ← bottleneck: .* calls with up to 3 side by side/)
    await iterator.close()
  })
})

describe('a prefetch at the end', () => {
  test.each([
    ['work behind a parallel map', () => Dataset.range(4).map(async x => x, { parallel: 2 }).batch(2), true],
    ['work behind a parallel interleave', () => Dataset.range(4).interleave(x => Dataset.range(x), { parallel: 2 }).batch(2), true],
    ['a parallel map alone', () => Dataset.range(4).map(async x => x, { parallel: 2 }), false],
    ['no parallelism', () => Dataset.range(4).map(async x => x).batch(2), false],
    ['one of the user', () => Dataset.range(4).map(async x => x, { parallel: 2 }).batch(2).prefetch(1), false]
  ])('with %s', (_, make, injected) => {
    expect(make().explain().includes('injected')).toBe(injected)
  })
})
