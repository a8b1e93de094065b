import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { batchSampler } from '../../src/loader/samplers/batch.js'
import { distributedSampler } from '../../src/loader/samplers/distributed.js'
import { randomSampler } from '../../src/loader/samplers/random.js'
import { weightedRandomSampler } from '../../src/loader/samplers/weighted.js'
import type { BatchSampler, Sampler, SamplerPass } from '../../src/loader/sampler.js'
import { sampled, sampledParams } from '../../src/operators/sampled.js'
import { planNode } from '../../src/plan/node.js'
import { operatorConformance } from '../../src/testing/operator.js'
import type { Json } from '../../src/types.js'

const over = (sampler: Sampler | BatchSampler, of?: number) => new Dataset(planNode(sampled, sampledParams(sampler, of)))
const drawn = (indices: (pass: SamplerPass) => Iterable<unknown>, length?: number): Sampler => ({ length, indices: indices as Sampler['indices'] })

/** A sampler that keeps the order of another to itself, as those of users do. */
const inTurn = ({ length, indices }: Sampler, known = true): Sampler => ({ length: known ? length : undefined, name: 'mine', identity: null, indices })
const ordered = randomSampler(23)
const named: Sampler = { ...ordered, name: 'mine', identity: null }

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'a sampler that knows its order, and one that draws the same': [() => over(named, 23), () => over(inTurn(ordered), 23)],
  'a sampler without a length': [() => over(inTurn(ordered, false))],
  'no index at all': [() => over(randomSampler(0), 0)],
  'a weighted sampler': [() => over(weightedRandomSampler([1, 2, 3], 20), 3)],
  'batches by place': [() => over(batchSampler(randomSampler(23), { batchSize: 4 }), 23)],
  'batches in turn': [() => over(batchSampler(inTurn(ordered), { batchSize: 4, dropLast: true }), 23)],
  'batches of one rank': [() => over(batchSampler(distributedSampler(23, { rank: 1, worldSize: 3 }), { batchSize: 3 }), 23)],
  'indices that are none, in between': [() => over(drawn(() => [3, -1, 4, 1.5, 'x', 9, 2], 7), 5)],
  'bad indices first and last': [() => over(drawn(() => [7, 7, 1, 7], 4), 5)],
  'batches that are none, in between': [() => over({ length: 5, batches: () => [[1, 2], [], 7 as never, [1, 9], [0]] }, 5)],
  'a sampler that throws': [() => over(drawn(function* () { yield* [2, 3, 4]; throw new Error('no more') }, 7))],
  'a sampler that throws before its first index': [() => over(drawn(() => { throw new Error('none') }))],
  'too few': [() => over(drawn(() => [1, 2], 5))],
  'too many': [() => over(drawn(() => [1, 2, 3, 4], 2))],
  'in several epochs': [() => over(randomSampler(5)).repeat(3)],
  'under other operators': [() => over(randomSampler(40), 40).map(x => (x as number) * 2).filter(x => x % 3 !== 0).batch(4)]
}
for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(name, () => {
    for (const check of operatorConformance({ make, same })) test(check.name, check.run)
  })
}

/** Elements, and the messages of errors in their places. */
async function events(dataset: Dataset<unknown>, options = {}): Promise<unknown[]> {
  const iterator = dataset.iterator(options)
  const found: unknown[] = []
  for (;;) {
    try {
      const step = await iterator.next()
      if (step.done === true) break
      found.push(step.value)
    } catch (error) {
      found.push((error as Error).message.replace(/ \(added at .*\)$/, ''))
    }
  }
  await iterator.close()
  return found
}

describe('sampled', () => {
  test('gives other indices in each epoch, and the same in one', async () => {
    const dataset = over(randomSampler(50), 50)
    const [first, again, next] = await Promise.all([0, 0, 1].map(epoch => events(dataset, { seed: 3, epoch })))
    expect(again).toEqual(first)
    expect(next).not.toEqual(first)
    expect([...(next as number[])].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(await events(dataset, { seed: 4, epoch: 0 })).not.toEqual(first)
  })

  test('tells what an index should be, at which position, of which sampler', async () => {
    class Mine implements Sampler {
      readonly length = 5
      indices(): number[] {
        return [0, 10, -1, null as never, 4]
      }
    }
    expect(await events(over(new Mine(), 10))).toEqual([
      0,
      'sampled: element 1: Mine: position 1: index 10 is not below 10, the number of elements',
      'sampled: element 2: Mine: position 2: -1 is no index: it must be an integer of at least 0',
      'sampled: element 3: Mine: position 3: an index must be a number, got null',
      4
    ])
    const iterator = over(new Mine(), 1).iterator()
    await iterator.next()
    await expect(iterator.next()).rejects.toMatchObject({ name: 'MillraceError', kind: 'UserFunction', operator: 'sampled', index: 1 })
    await iterator.close()
  })

  test('tells what a batch should be', async () => {
    const sampler: BatchSampler = { length: undefined, name: 'pairs', batches: () => [[1, 2], [], [0, 1, 7], new Set([1]) as never] }
    expect(await events(over(sampler, 5))).toEqual([
      [1, 2],
      'sampled: element 1: pairs: position 1: the batch is empty',
      'sampled: element 2: pairs: position 2: in the batch at 2, index 7 is not below 5, the number of elements',
      expect.stringMatching(/^sampled: element 3: pairs: position 3: a batch must be an array of indices, got /)
    ])
  })

  test('ends with the error of a sampler that throws, and keeps what caused it', async () => {
    const cause = new Error('no more')
    const iterator = over(drawn(function* () { yield 1; throw cause })).iterator()
    expect(await iterator.next()).toEqual({ done: false, value: 1 })
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'UserFunction', message: expect.stringContaining('it failed at position 1: no more'), cause: { cause } })
    expect(await iterator.next()).toMatchObject({ done: true })
    await iterator.close()
  })

  test('holds a sampler to its length', async () => {
    expect(await events(over(drawn(() => [1, 2], 5)))).toEqual([1, 2, expect.stringContaining('it ended behind 2, and its length says 5')])
    expect(await events(over(drawn(() => [1, 2, 3], 2)))).toEqual([1, 2, expect.stringContaining('it goes on behind 2, and its length says so many')])
  })

  test('does not draw again what was delivered, where the order is known', async () => {
    const places: number[] = []
    const sampler: Sampler = { length: 1000, identity: 1, indices: () => [], order: () => place => { places.push(place); return place } }
    const iterator = over(sampler).iterator()
    for (let i = 0; i < 500; i++) await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    places.length = 0
    const restored = over(sampler).iterator({ from })
    expect(await restored.next()).toEqual({ done: false, value: 500 })
    await restored.close()
    expect(Math.min(...places)).toBe(500)
  })

  test('says so when a sampler does not draw again what it drew', async () => {
    const make = (count: number) => over({ length: undefined, identity: null, indices: () => Array(count).fill(1) as number[] })
    const iterator = make(9).iterator()
    for (let i = 0; i < 7; i++) await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    expect(await events(make(5), { from })).toEqual([expect.stringMatching(/it ended after 5, before the 7 that were drawn/)])
  })

  test('refuses the checkpoint of another sampler, and states that it has not written', async () => {
    const iterator = over(randomSampler(10, { seed: 1 })).iterator()
    await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    expect(() => over(randomSampler(10, { seed: 2 })).iterator({ from })).toThrow(expect.objectContaining({ kind: 'Checkpoint' }))
    expect(from.state).toEqual({ self: { position: 1 } })
    const damage = (self: Json) => ({ ...from, state: { self } })
    expect(await events(over(randomSampler(10, { seed: 1 })), { from: damage({ position: 10 }) })).toEqual([])
    for (const self of [3, { position: -1 }, { position: 11 }, { position: 1, ended: 1 }, { position: 1, epoch: 0.5 }]) {
      expect(() => over(randomSampler(10, { seed: 1 })).iterator({ from: damage(self) })).toThrow(expect.objectContaining({ kind: 'Checkpoint' }))
    }
  })

  test('draws for the epoch that a sampler sets, also behind a checkpoint', async () => {
    const sampler = distributedSampler(20, { rank: 0, worldSize: 1 })
    const epochs = await Promise.all([0, 1].map(epoch => events(over(sampler), { epoch })))
    sampler.setEpoch(1)
    expect(await events(over(sampler), { epoch: 0 })).toEqual(epochs[1])
    const iterator = over(batchSampler(sampler, { batchSize: 5 })).iterator()
    await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    sampler.setEpoch(7)
    expect((await events(over(batchSampler(sampler, { batchSize: 5 })), { from })).flat()).toEqual(epochs[1]?.slice(5))
  })

  test('closes the iterator of a sampler that is left early', async () => {
    let closed = 0
    const iterator = over(drawn(function* () { try { for (;;) yield 1 } finally { closed++ } })).iterator()
    await iterator.next()
    await iterator.close()
    expect(closed).toBe(1)
  })

  test('copies batches, so that a sampler may use one array for all', async () => {
    const sampler: BatchSampler = {
      length: 3,
      *batches() {
        const batch: number[] = []
        for (let i = 0; i < 3; i++) {
          batch[0] = i
          yield batch
        }
      }
    }
    expect(await events(over(sampler))).toEqual([[0], [1], [2]])
  })

  test('refuses what is no sampler, at the call', () => {
    const length = undefined
    for (const bad of [null, 7, {}, [1, 2], { length, indices: [1] }, { length, indices: () => [], batches: () => [] }, { length, indices: () => [], order: 1 }, { length: 'x', indices: () => [] }]) {
      expect(() => sampledParams(bad as never)).toThrow(TypeError)
    }
    for (const length of [-1, 1.5, NaN]) expect(() => sampledParams({ length, indices: () => [] })).toThrow(RangeError)
    expect(() => sampledParams(randomSampler(3), -1)).toThrow(RangeError)
  })

  test('explains itself', () => {
    expect(over(batchSampler(randomSampler(23), { batchSize: 4 })).explain()).toContain('sampled(batchSampler(4), 6 batches)')
  })

  test('hands an iterable that is none on as an error', async () => {
    expect(await events(over(drawn(() => 5 as never)))).toEqual([expect.stringContaining('indices(pass) must return an iterable, got')])
  })
})
