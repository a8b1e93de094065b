import { describe, expect, test } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryBudget } from '../../src/engine/memory-budget.js'
import { Dataset } from '../../src/dataset.js'
import { forward } from '../../src/storage/layers/forward.js'
import { memoryStore } from '../../src/storage/memory.js'
import { changesNothing, watched } from './live.js'
import { asyncRange, failingLater, slow } from './sources.js'

describe('inner datasets that are read at once', () => {
  test.each([
    ['of equal lengths', () => Dataset.range(12).interleave(x => Dataset.range(x, x + 8).map(slow), { cycleLength: 8, parallel: 'auto' })],
    ['of unequal lengths, with errors', () => asyncRange(14).interleave(async x => asyncRange(await slow(x % 5)).map(failingLater), { cycleLength: 5, blockLength: 3, parallel: 'auto' })],
    ['under a batch and a prefetch', () => asyncRange(14).interleave(x => asyncRange(x), { cycleLength: 6, blockLength: 2, parallel: 'auto' }).batch(3).prefetch('auto')]
  ])('%s change neither elements nor checkpoints while their number moves', async (_, make) => {
    await changesNothing(make, { seed: 23, changes: 400, names: ['interleave.parallel'] })
  })

  test('are counted and held in the account of the process', async () => {
    const budget = memoryBudget(2 ** 30)
    const inner = (): Dataset<Uint8Array> => Dataset.range(4).map(async () => { await slow(2); return new Uint8Array(1000) })
    const { iterator, view, knob } = watched(Dataset.range(6).interleave(inner, { cycleLength: 4, parallel: 'auto' }), {}, { budget })
    await iterator.next()
    expect(knob('interleave.parallel')).toMatchObject({ least: 1, most: 4 })
    await delay(5)
    expect(budget.heldBytes).toBe(4000)
    expect(view().stages().at(-1)?.meter).toMatchObject({ queued: 4, inFlight: 0 })
    expect(view().stages().at(-1)?.meter?.served).toBeGreaterThan(3)
    await iterator.close()
    expect(budget.heldBytes).toBe(0)
  })

  test('read no further than one element when there is no room, and go on', async () => {
    const budget = memoryBudget(1)
    const inner = (): Dataset<Uint8Array> => Dataset.range(4).map(async () => { await slow(2); return new Uint8Array(1000) })
    const { iterator } = watched(Dataset.range(6).interleave(inner, { cycleLength: 4, blockLength: 2, parallel: 4 }), {}, { budget })
    let count = 0
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
      count++
      await new Promise(resolve => setImmediate(resolve))
      expect(budget.heldBytes).toBeLessThanOrEqual(count < 4 ? 4000 : 2000) // how large elements are is learned from the first of each
    }
    expect(count).toBe(24)
  })
})

describe('files that are opened ahead', () => {
  const uri = (i: number): string => `mem://live/${String(i).padStart(3, '0')}.bin`
  test('change neither elements nor checkpoints while their number moves', async () => {
    const store = memoryStore()
    for (let i = 0; i < 40; i++) await store.put(uri(i), new Uint8Array([i, i + 1]))
    const make = (): Dataset<unknown> => Dataset.fromFiles('mem://live/*.bin', { format: 'raw', store }).map(bytes => Array.from(bytes as Uint8Array))
    const { iterator, knob, view } = watched(make())
    await iterator.next()
    expect(knob('readFiles.filesAtOnce').get()).toBeGreaterThanOrEqual(1)
    while ((await iterator.next()).done !== true);
    expect(view().stages()[0]?.meter).toMatchObject({ inFlight: 0, queued: 0 })
    await changesNothing(make, { seed: 31, changes: 300, names: ['readFiles.filesAtOnce'] })
  })

  test('come with the knobs of their store, under the name of the operator', async () => {
    const values = { chunkSize: 7 }
    const store = forward(memoryStore(), {
      knobs: () => [{ name: 'chunkSize', auto: true, least: 1, most: 20, resource: 'memory' as const, get: () => values.chunkSize, set: (value: number) => void (values.chunkSize = value) }]
    })
    for (let i = 0; i < 3; i++) await store.put(uri(i), new Uint8Array(8))
    const { iterator, knob } = watched(Dataset.fromFiles('mem://live/*.bin', { format: 'raw', store: forward(store, {}) }))
    await iterator.next()
    expect(knob('readFiles.chunkSize').get()).toBe(7)
    knob('readFiles.chunkSize').set(12)
    expect(values.chunkSize).toBe(12)
    await iterator.close()
  })
})
