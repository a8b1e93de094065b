import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { takeWhile, type TakeWhileParams } from '../../src/operators/take-while.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { asyncRange, failing, failingLater, outcomes, ragged, slow, watched } from './sources.js'

const taken = <T>(dataset: Dataset<T>, fn: TakeWhileParams['fn'], seed?: number) => dataset.operator(takeWhile, { fn, seed })

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'of a range': [() => taken(Dataset.range(20), x => x < 12)],
  'that never ends': [() => taken(Dataset.range(20), () => true)],
  'that ends at once': [() => taken(Dataset.range(20), () => false)],
  'of promises': [() => taken(asyncRange(20), async x => (await slow(x)) < 12)],
  'of a filter, under a batch': [() => taken(ragged(40), x => x < 30).batch(4), () => taken(ragged(40).prefetch(3), x => x < 30).batch(4).prefetch(2)],
  'of an input that fails': [1, 4].map(parallel => () => taken(asyncRange(30).map(failingLater, { parallel }), x => x < 22)) as never,
  'with a predicate that fails': [() => taken(Dataset.range(40), x => failing(x) < 30)],
  'with a predicate that fails, under a batch': [() => taken(Dataset.range(40).map(x => failing(x + 2)), x => failing(x) < 30).batch(4)],
  'with random numbers': [() => taken(Dataset.range(200), (_, { rng }) => rng.uniform() < 0.95)],
  repeated: [() => taken(Dataset.range(9), x => x < 4).repeat(3)]
}

for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(`takeWhile ${name}`, () => {
    for (const { name, run } of operatorConformance({ make, same })) test(name, run)
  })
}

describe('takeWhile', () => {
  test('gives the elements before the first that fails the predicate, though later ones would pass', async () => {
    expect(await taken(Dataset.range(20), x => x % 10 < 4).toArray()).toEqual([0, 1, 2, 3])
    expect(await taken(Dataset.range(20), async x => x % 10 < 4).toArray()).toEqual([0, 1, 2, 3])
  })

  test('reads nothing behind that element, whatever is asked for', async () => {
    for (const wait of [false, true]) {
      const { dataset, log } = watched(50, wait)
      await taken(dataset, x => x < 4).batch(16).toArray()
      expect(log).toEqual({ read: 5, open: 0 })
    }
  })

  test('asks the predicate once per element, in order', async () => {
    const asked: number[] = []
    await taken(Dataset.range(20), (x, { index }) => { asked.push(index); return x < 4 }).batch(16).toArray()
    expect(asked).toEqual([0, 1, 2, 3, 4])
  })

  test('goes on behind an error of the predicate and of the input', async () => {
    expect(await outcomes(taken(Dataset.range(4, 9), x => failing(x) < 8))).toEqual([4, 'error: takeWhile: the function failed at element 1: no 5', 6, 7])
    expect(await outcomes(taken(Dataset.range(4, 9).map(failing), x => x < 8))).toEqual([4, 'error: map: the function failed at element 1: no 5', 6, 7])
  })

  test('stays at the end after a restore from there', async () => {
    const dataset = taken(Dataset.range(20), x => x % 10 < 4)
    const iterator = dataset.iterator()
    while ((await iterator.next()).done !== true);
    expect(await dataset.toArray({ from: iterator.checkpoint() })).toEqual([])
  })

  test('has no known cardinality, as in tf.data', () => {
    expect(taken(Dataset.range(3), () => true).cardinality).toBeUndefined()
    expect(taken(Dataset.range(3).repeat(), () => true).cardinality).toBeUndefined()
  })
})
