import { describe, expect, test } from '@jest/globals'
import { DEFAULT_POOL, type ConnectionPoolConfig } from '../../../src/storage/config.js'
import { limits, type LimitChange, type RequestLimits } from '../../../src/storage/layers/limits.js'
import type { Permit } from '../../../src/storage/remote/reader.js'
import { seededRandom } from '../../servers/seeded.js'

const KiB = 1 << 10
const MiB = 1 << 20
const NEVER = new AbortController().signal
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

const make = (config: Partial<ConnectionPoolConfig>, observer?: (change: LimitChange) => void): RequestLimits =>
  limits({ ...DEFAULT_POOL, ...config }, { now: () => 42 }, observer)

/** Enters, and writes its name down when it is in. */
function entering(gate: RequestLimits, log: string[]): (name: string, bytes: number, host?: string) => { permit: Promise<Permit> } {
  return (name, bytes, host = 'h') => {
    const entered = gate.enter(host, bytes, NEVER)
    return {
      permit: Promise.resolve(entered).then((permit) => {
        log.push(name)
        return permit
      })
    }
  }
}

describe('what is in flight', () => {
  test('a request that need not wait gets its permit at once, as a plain value', () => {
    const gate = make({ maxInflight: 2 })
    const permit = gate.enter('h', 10, NEVER)
    expect(permit).not.toBeInstanceOf(Promise)
    expect([gate.inFlight(), gate.inFlightBytes(), gate.waiting()]).toEqual([1, 10, 0])
    ;(permit as Permit).leave('ok')
    ;(permit as Permit).leave('ok') // once more is the same
    expect([gate.inFlight(), gate.inFlightBytes()]).toEqual([0, 0])
  })

  test('no more than maxInflight requests, first come, first served', async () => {
    const gate = make({ maxInflight: 2 })
    const log: string[] = []
    const enter = entering(gate, log)
    const entered = ['a', 'b', 'c', 'd', 'e'].map(name => enter(name, 1))
    await turn()
    expect(log).toEqual(['a', 'b'])
    for (const { permit } of entered) (await permit).leave('ok')
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(gate.inFlight()).toBe(0)
  })

  test('no more than maxInflightBytes, but a single request may have more', async () => {
    const gate = make({ maxInflightBytes: 10 * MiB })
    const log: string[] = []
    const enter = entering(gate, log)
    const first = enter('first', 8 * MiB)
    const huge = enter('huge', 64 * MiB)
    const last = enter('last', MiB)
    await turn()
    expect(log).toEqual(['first']) // `last` would fit, but came after `huge`
    ;(await first.permit).leave('ok')
    await turn()
    expect(log).toEqual(['first', 'huge'])
    expect(gate.inFlightBytes()).toBe(64 * MiB)
    ;(await huge.permit).leave('failed')
    ;(await last.permit).leave('ok')
    expect(log).toEqual(['first', 'huge', 'last'])
  })

  test('requests without bytes are let in while nothing else fits', () => {
    const gate = make({ maxInflightBytes: 100 })
    expect(gate.enter('h', 100, NEVER)).not.toBeInstanceOf(Promise)
    expect(gate.enter('h', 0, NEVER)).not.toBeInstanceOf(Promise)
  })

  test('small requests go ahead of large ones that do not fit, eight of them, and then it is the turn of the large one', async () => {
    const gate = make({ maxInflightBytes: 10 * MiB })
    const log: string[] = []
    const enter = entering(gate, log)
    const first = enter('first', 9.5 * MiB)
    const large = enter('large', 4 * MiB)
    const small = Array.from({ length: 12 }, (_, i) => enter(`small ${i}`, 4 * KiB))
    await turn()
    expect(log).toEqual(['first', ...Array.from({ length: 8 }, (_, i) => `small ${i}`)])
    ;(await first.permit).leave('ok')
    await turn()
    expect(log.slice(9)).toEqual(['large', 'small 8', 'small 9', 'small 10', 'small 11'])
    for (const { permit } of [large, ...small]) (await permit).leave('ok')
    expect(gate.inFlight()).toBe(0)
  })

  test('neither small nor large ones starve when there are more of both than places', async () => {
    const gate = make({ maxInflight: 4 })
    const log: string[] = []
    const enter = entering(gate, log)
    const entered = Array.from({ length: 200 }, (_, i) => enter(i % 2 === 0 ? 'large' : 'small', i % 2 === 0 ? MiB : KiB))
    const work = async ({ permit }: { permit: Promise<Permit> }): Promise<void> => (await permit).leave('ok')
    await Promise.all(entered.map(work))
    expect(log).toHaveLength(200)
    const half = log.slice(0, 90)
    expect(half.filter(name => name === 'large').length).toBeGreaterThan(8)
    expect(half.filter(name => name === 'small').length).toBeGreaterThan(60)
  })

  test('a host that is full makes nobody wait who asks another', async () => {
    const gate = make({ poolSize: 1 })
    const log: string[] = []
    const enter = entering(gate, log)
    const [a, waits, b] = [enter('a', 1, 'one'), enter('waits', 1, 'one'), enter('b', 1, 'two')]
    await turn()
    expect(log).toEqual(['a', 'b'])
    for (const { permit } of [a, waits, b]) (await permit).leave('ok')
    expect(log).toEqual(['a', 'b', 'waits'])
  })

  test('waiting ends with the reason of the signal, and lets the next one in', async () => {
    const gate = make({ maxInflightBytes: 10 })
    const held = gate.enter('h', 6, NEVER) as Permit
    const controller = new AbortController()
    const gone = gate.enter('h', 8, controller.signal) as Promise<Permit>
    const next = gate.enter('h', 4, NEVER)
    controller.abort(new Error('enough'))
    await expect(gone).rejects.toThrow('enough')
    await next
    expect([gate.inFlight(), gate.inFlightBytes(), gate.waiting()]).toEqual([2, 10, 0])
    held.leave('ok')
    expect(() => gate.enter('h', 1, controller.signal)).toThrow('enough')
  })

  test('whatever happens, the bounds hold and everybody gets in', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = seededRandom(seed)
      const gate = make({ maxInflight: 8, maxInflightBytes: MiB, poolSize: 5 })
      let entered = 0
      let aborted = 0
      const one = async (): Promise<void> => {
        const bytes = Math.floor(random() ** 3 * 1.2 * MiB)
        const controller = new AbortController()
        const host = `h${Math.floor(random() * 3)}`
        if (random() < 0.1) queueMicrotask(() => controller.abort())
        try {
          const permit = await gate.enter(host, bytes, controller.signal)
          entered++
          expect(gate.inFlight()).toBeLessThanOrEqual(8)
          expect(gate.inFlightBytes() <= MiB || gate.inFlight() === 1 || bytes === 0).toBe(true)
          for (let turns = random() * 4; turns > 0; turns--) await turn()
          permit.leave(random() < 0.1 ? 'throttled' : random() < 0.1 ? 'failed' : 'ok')
        } catch (error) {
          if (!controller.signal.aborted) throw error
          aborted++
        }
      }
      await Promise.all(Array.from({ length: 300 }, one))
      expect(entered + aborted).toBe(300)
      expect([gate.inFlight(), gate.inFlightBytes(), gate.waiting()]).toEqual([0, 0, 0])
    }
  })
})

describe('a host that throttles', () => {
  const run = (gate: RequestLimits, count: number, outcome: 'ok' | 'throttled' | 'failed', host = 'h'): void => {
    const permits = Array.from({ length: count }, () => gate.enter(host, 1, NEVER) as Permit)
    for (const permit of permits) permit.leave(outcome)
  }

  test('gets 70 % of the requests, once for all that were under way', () => {
    const changes: LimitChange[] = []
    const gate = make({}, change => changes.push(change))
    expect(gate.limitOf('h')).toBe(64)
    run(gate, 64, 'throttled')
    expect(gate.limitOf('h')).toBe(44)
    run(gate, 44, 'throttled')
    expect(gate.limitOf('h')).toBe(30)
    expect(gate.limitOf('other')).toBe(64)
    expect(changes).toEqual([{ host: 'h', before: 64, limit: 44, at: 42 }, { host: 'h', before: 44, limit: 30, at: 42 }])
  })

  test('never gets fewer than four, or than there may be', () => {
    const gate = make({})
    for (let i = 0; i < 20; i++) run(gate, 1, 'throttled')
    expect(gate.limitOf('h')).toBe(4)
    const narrow = make({ maxInflight: 2 })
    run(narrow, 1, 'throttled')
    expect(narrow.limitOf('h')).toBe(2)
  })

  test('gets one more for each run of good replies in which it was busy, up to poolSize', () => {
    const gate = make({ poolSize: 8 })
    run(gate, 8, 'throttled')
    expect(gate.limitOf('h')).toBe(5)
    for (let i = 0; i < 32 / 4; i++) run(gate, 4, 'ok') // not more than 90 % of it
    expect(gate.limitOf('h')).toBe(5)
    for (let i = 0; i < 7; i++) run(gate, 5, 'ok')
    expect(gate.limitOf('h')).toBe(6)
    for (let i = 0; i < 100; i++) run(gate, gate.limitOf('h'), 'ok')
    expect(gate.limitOf('h')).toBe(8)
  })

  test('failures of other kinds change nothing', () => {
    const gate = make({ poolSize: 8 })
    for (let i = 0; i < 100; i++) run(gate, 8, 'failed')
    expect(gate.limitOf('h')).toBe(8)
  })

  test('the limit holds, and those who wait come in as it grows', async () => {
    const gate = make({ poolSize: 8 })
    run(gate, 8, 'throttled')
    const log: string[] = []
    const enter = entering(gate, log)
    const entered = Array.from({ length: 60 }, (_, i) => enter(String(i), 1))
    await turn()
    expect(log).toHaveLength(5)
    for (const { permit } of entered) (await permit).leave('ok')
    expect(gate.limitOf('h')).toBe(6)
  })

  test('keeps its limit without adaptiveConcurrency', () => {
    const gate = make({ adaptiveConcurrency: false })
    run(gate, 64, 'throttled')
    expect(gate.limitOf('h')).toBe(64)
  })

  test('thousands of hosts leave nothing behind that is idle and new', () => {
    const gate = make({ poolSize: 8 })
    run(gate, 8, 'throttled', 'first')
    for (let i = 0; i < 3000; i++) run(gate, 1, 'ok', `h${i}`)
    expect(gate.limitOf('first')).toBe(8) // forgotten: it was not asked for long
  })
})
