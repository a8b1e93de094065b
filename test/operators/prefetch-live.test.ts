import { describe, expect, test } from '@jest/globals'
import { memoryBudget } from '../../src/engine/memory-budget.js'
import { Dataset } from '../../src/dataset.js'
import { changesNothing, watched } from './live.js'
import { asyncRange, failing, failingLater, slow } from './sources.js'

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Elements of so many bytes. */
const large = (n: number, bytes: number): Dataset<Uint8Array> => Dataset.range(n).map(() => new Uint8Array(bytes))

describe('the size of a prefetch', () => {
  test.each([
    ['of a synchronous plan', () => Dataset.range(60).map(failing).prefetch('auto')],
    ['of an asynchronous plan', () => asyncRange(60).map(failingLater).prefetch('auto')],
    ['under a shuffle, a batch and another prefetch', () => asyncRange(90).prefetch('auto').shuffle(7, { seed: 3 }).batch(2).prefetch('auto')],
    ['in every pass of a repeat', () => asyncRange(9).prefetch('auto').repeat(5)]
  ])('%s changes neither elements nor checkpoints while it moves', async (_, make) => {
    await changesNothing(make, { seed: 11, changes: 400, names: ['prefetch.size'] })
  })

  test('takes effect at once where it is raised', async () => {
    let read = 0
    const { iterator, knob } = watched(Dataset.range(100).map(x => { read++; return x }).prefetch('auto'))
    await iterator.next()
    await turns(10)
    expect(read).toBe(1 + 2)
    knob('prefetch.size').set(20)
    await turns(30)
    expect(read).toBe(1 + 20)
    knob('prefetch.size').set(3)
    for (let i = 0; i < 17; i++) await iterator.next() // what is ready stays ready
    await turns(10)
    expect(read).toBe(1 + 20)
    await iterator.next()
    await turns(10)
    expect(read).toBe(1 + 18 + 3)
    await iterator.close()
  })

  test("is the user's where a number was given", async () => {
    const { iterator, knobs, view } = watched(Dataset.range(10).prefetch(4).prefetch('auto'))
    await iterator.next()
    expect(knobs().map(({ name, get }) => [name, get()])).toEqual([['prefetch.size', 2]])
    expect(view().stages().flatMap(stage => stage.knobs).map(({ auto }) => auto)).toEqual([false, true])
    await iterator.close()
  })

  test('doubles by itself while nobody sets it', async () => {
    const iterator = asyncRange(200).prefetch('auto').options({ autotune: false }).iterator()
    for (let i = 0; i < 100; i++) {
      await iterator.next()
      if (i % 5 === 0) await turns(40) // it fills, and then is emptied
    }
    expect(iterator.stats().stages.at(-1)?.knobs[0]?.value).toBeGreaterThan(2)
    await iterator.close()
  })
})

describe('what a prefetch says of itself', () => {
  test('is how much is ready, when it was full, and when it had nothing', async () => {
    const { iterator, view } = watched(Dataset.range(10).prefetch(3).prefetch('auto').take(8))
    await iterator.next()
    await turns(20)
    const [, first, second] = view().stages()
    expect(first?.meter).toMatchObject({ queued: 3, starved: 1, inFlight: 0 })
    expect(second?.meter).toMatchObject({ queued: 2, starved: 1 })
    expect(second?.meter?.full).toBeGreaterThan(0)
    expect(first?.heldBytes).toBe(24)
    await iterator.close()
    expect(view().stages().map(({ meter, heldBytes }) => [meter?.queued ?? 0, heldBytes])).toEqual([[0, 0], [0, 0], [0, 0]])
    expect(view().memory().heldBytes).toBe(0)
  })
})

describe('the ceiling on memory', () => {
  test('a full one lets every buffer hold one element, and go on', async () => {
    const budget = memoryBudget(1)
    const { iterator } = watched(large(50, 1000).prefetch('auto').map(async x => { await slow(2); return x }, { parallel: 16 }).batch(5).prefetch(8), {}, { budget })
    let batches = 0
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
      await turns(3)
      batches++
      expect(budget.heldBytes).toBeLessThanOrEqual(1000 + 1100 + 5100)
    }
    expect(batches).toBe(10)
    expect(budget.heldBytes).toBe(0)
  })

  test('elements of 1 MB in a prefetch and under a parallel map never hold more than 16 MB and one element each', async () => {
    const MB = 1_000_000
    const budget = memoryBudget(16 * MB)
    const rest = async (x: Uint8Array): Promise<Uint8Array> => {
      await turns(1)
      return x.slice()
    }
    const { iterator, knobs } = watched(large(150, MB).prefetch('auto').map(rest, { parallel: 'auto' }).map(x => x).prefetch('auto'), {}, { budget })
    let most = 0
    let count = 0
    const watching = setInterval(() => (most = Math.max(most, budget.heldBytes)), 0)
    try {
      for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
        if (count++ === 0) for (const knob of knobs()) knob.set(64)
        if (count % 10 === 0) await turns(30)
        most = Math.max(most, budget.heldBytes)
      }
    } finally {
      clearInterval(watching)
    }
    expect(count).toBe(150)
    expect(most).toBeGreaterThan(4 * MB)
    expect(most).toBeLessThanOrEqual(19 * MB)
    expect(budget.heldBytes).toBe(0)
  })
})
