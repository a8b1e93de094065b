import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { enumerate } from '../../src/operators/enumerate.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { asyncRange, failing, failingLater, outcomes, ragged } from './sources.js'

const numbered = <T>(dataset: Dataset<T>, start = 0) => dataset.operator(enumerate, { start })

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'of a range': [() => numbered(Dataset.range(10, 20), -3)],
  'of a filter': [() => numbered(ragged(20).filter(x => x % 4 !== 1))],
  'of an input that waits': [() => numbered(asyncRange(12))],
  'of an input that fails': [1, 4].map(parallel => () => numbered(asyncRange(30).map(failingLater, { parallel }), 7)) as never,
  'under a batch': [() => numbered(Dataset.range(30).map(failing)).map(([i, x]) => ({ i, x })).batch(4)],
  'under a full shuffle': [() => numbered(Dataset.range(30).map(failing)).shuffle({ seed: 1 })]
}

for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(`enumerate ${name}`, () => {
    for (const { name, run } of operatorConformance({ make, same })) test(name, run)
  })
}

describe('enumerate', () => {
  test('pairs every element with its ordinal, from start', async () => {
    const pairs: (readonly [number, unknown])[] = await numbered(Dataset.of('a', 'b'), 5).toArray()
    expect(pairs).toEqual([[5, 'a'], [6, 'b']])
  })

  test('spends a number on an element that fails', async () => {
    expect(await outcomes(numbered(Dataset.range(4, 8).map(failing), 5))).toEqual([[5, 4], 'error: map: the function failed at element 1: no 5', [7, 6], [8, 7]])
  })

  test('gives by ordinal what it gives in order', async () => {
    const pairs = await numbered(Dataset.range(20).map(x => x * 3), 2).shuffle({ seed: 1 }).toArray()
    expect(pairs.sort(([a], [b]) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => [i + 2, i * 3]))
  })

  test('has the cardinality of its input', () => {
    expect(numbered(Dataset.range(4)).cardinality).toBe(4)
    expect(numbered(Dataset.range(4).repeat()).cardinality).toBe(Infinity)
    expect(numbered(Dataset.range(4).filter(() => true)).cardinality).toBeUndefined()
  })
})
