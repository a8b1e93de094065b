import { describe, expect, test } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { Dataset } from '../../src/dataset.js'
import { changesNothing, watched } from './live.js'
import { asyncRange, failing, failingLater, slow } from './sources.js'

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise(resolve => setImmediate(resolve))
}

/** A service whose calls end when the test says so. */
function service(): { readonly call: (x: number) => Promise<number>; readonly open: number[]; end(x: number): Promise<void> } {
  const open: number[] = []
  const ends = new Map<number, () => void>()
  return {
    call: x => new Promise(resolve => {
      open.push(x)
      ends.set(x, () => {
        open.splice(open.indexOf(x), 1)
        resolve(x)
      })
    }),
    open,
    async end(x) {
      ends.get(x)?.()
      await turns(1)
    }
  }
}

describe('calls in flight', () => {
  test.each([
    ['of an asynchronous function', () => Dataset.range(80).map(failingLater, { parallel: 'auto' })],
    ['behind a slow input that fails', () => asyncRange(80).map(failing).map(slow, { parallel: 'auto' })],
    ['of a function that returns plain values', () => asyncRange(80).map(failing, { parallel: 'auto' }).batch(3)],
    ['of functions that draw random numbers, in all passes', () => asyncRange(20).map(async (x, { rng, index }) => [await slow(x), index, rng.integer(1000)], { parallel: 'auto' }).repeat(3).prefetch('auto')],
    ['of two maps with a shuffle between them', () => asyncRange(80).map(slow, { parallel: 'auto' }).shuffle(9, { seed: 2 }).map(failingLater, { parallel: 'auto' }).batch(4)]
  ])('%s change neither elements nor checkpoints while their number moves', async (_, make) => {
    await changesNothing(make, { seed: 17, changes: 400, names: ['map.parallel'] })
  })

  test('follow the knob at once where it is raised, and as they end where it is lowered', async () => {
    const { call, open, end } = service()
    const { iterator, knob } = watched(Dataset.range(100).map(call, { parallel: 'auto' }), {}, { initialParallelism: 3 })
    const first = iterator.next()
    await turns(2)
    expect(open).toEqual([0, 1, 2])
    knob('map.parallel').set(5)
    expect(open).toEqual([0, 1, 2, 3, 4])
    knob('map.parallel').set(2)
    for (const x of [1, 2, 3]) await end(x)
    expect(open).toEqual([0, 4])
    await end(4)
    expect(open).toEqual([0, 5]) // somebody waits for 0: what is done behind it stops nobody
    await end(0)
    expect(await first).toEqual({ done: false, value: 0 })
    const closed = iterator.close()
    for (let x = 5; x < 12; x++) await end(x)
    await closed
  })

  test('are no more than `parallel` done elements while nobody waits', async () => {
    let calls = 0
    const { iterator } = watched(Dataset.range(100).map(async x => { calls++; return x }, { parallel: 4 }).map(x => x).prefetch('auto'))
    await iterator.next()
    await turns(20)
    expect(calls).toBe(1 + 2 + 4)
    await iterator.close()
  })

  test('are bounded behind a slow one that somebody waits for', async () => {
    const { call, open, end } = service()
    const { iterator } = watched(Dataset.range(100).map(call, { parallel: 4 }))
    const first = iterator.next()
    await turns(1)
    for (let x = 1; x < 60; x++) await end(x)
    expect(open).toEqual([0])
    const closed = iterator.close()
    await end(0)
    await Promise.all([first, closed])
  })

  test('are never more than maxIntraOpParallelism, given or chosen', async () => {
    for (const parallel of [16, 'auto'] as const) {
      let open = 0
      let most = 0
      const { iterator, knobs, view } = watched(Dataset.range(60).map(async x => {
        most = Math.max(most, ++open)
        await turns(1)
        open--
        return x
      }, { parallel }), {}, { threading: { maxIntraOpParallelism: 3 } })
      await iterator.next()
      for (const knob of knobs()) {
        knob.set(50)
        expect(knob.get()).toBe(3)
      }
      expect(parallel === 16 || view().stages()[1]?.knobs[0]?.most).toBe(parallel === 16 ? true : 3)
      while ((await iterator.next()).done !== true);
      expect(most).toBe(3)
    }
  })

  test('are timed and counted', async () => {
    const { iterator, view } = watched(Dataset.range(40).map(async x => { await delay(2); return x }, { parallel: 'auto' }))
    for (let i = 0; i < 20; i++) await iterator.next()
    const meter = view().stages()[1]?.meter
    expect(meter?.served).toBeGreaterThanOrEqual(20)
    expect((meter?.serviceMs ?? 0) / (meter?.served ?? 1)).toBeGreaterThan(1)
    expect(meter?.starved).toBeGreaterThan(0)
    while ((await iterator.next()).done !== true);
    expect(view().stages()[1]?.meter).toMatchObject({ inFlight: 0, queued: 0, served: 40 })
  })

  test('begin with initialParallelism, or with 16', async () => {
    for (const [initialParallelism, expected] of [[undefined, 16], [7, 7], [5000, 1024]] as const) {
      const { iterator, knob } = watched(Dataset.range(4).map(slow, { parallel: 'auto' }), {}, { initialParallelism })
      await iterator.next()
      expect(knob('map.parallel').get()).toBe(expected)
      await iterator.close()
    }
  })

  test('go on with the value of the knob in the next pass of a repeat', async () => {
    const { iterator, knob } = watched(Dataset.range(4).map(slow, { parallel: 'auto' }).repeat(3))
    await iterator.next()
    knob('map.parallel').set(9)
    while ((await iterator.next()).done !== true);
    expect(knob('map.parallel').get()).toBe(9)
  })
})
