import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { concatenate } from '../../src/operators/concatenate.js'
import { planNode } from '../../src/plan/node.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { asyncRange, failing, outcomes, ragged, watched } from './sources.js'

const joined = (...datasets: readonly Dataset<unknown>[]): Dataset<unknown> => new Dataset(planNode(concatenate, {}, datasets.map(({ plan }) => plan)))
const range = Dataset.range

const SUBJECTS: Record<string, () => Dataset<unknown>> = {
  'of three': () => joined(range(4), range(10, 13), range(20, 22)),
  'of one': () => joined(range(4)),
  'with empty inputs': () => joined(range(0), range(3), range(0), range(0), range(2), range(0)),
  'of nothing': () => joined(range(0), range(0)),
  'of inputs that wait': () => joined(asyncRange(7), ragged(9), asyncRange(5)),
  'of inputs that fail': () => joined(range(8).map(failing), range(5, 9).map(failing), range(13).map(failing)),
  'of shuffles without a seed': () => { const numbers = range(12).map(x => x).shuffle(5); return joined(numbers, numbers) },
  'under a shuffle and a batch': () => joined(range(20), asyncRange(20)).shuffle(8).batch(3),
  repeated: () => joined(range(4).shuffle(3), range(10, 13)).repeat(3)
}

for (const [name, make] of Object.entries(SUBJECTS)) {
  describe(`concatenate ${name}`, () => {
    for (const { name, run } of operatorConformance({ make })) test(name, run)
  })
}

describe('concatenate', () => {
  test('gives the elements of each input in turn', async () => {
    expect(await joined(range(3), Dataset.of('a', 'b'), range(2)).toArray()).toEqual([0, 1, 2, 'a', 'b', 0, 1])
  })

  test('goes on behind an error, at the end of an input too', async () => {
    expect(await outcomes(joined(range(6).map(failing), range(5, 7).map(failing)))).toEqual([
      0, 1, 2, 3, 4, 'error: map: the function failed at element 5: no 5', 'error: map: the function failed at element 0: no 5', 6
    ])
  })

  test('opens an input when those before it have ended and are closed', async () => {
    const log: string[] = []
    const source = (name: string) => Dataset.from(function* numbers() {
      log.push(`open ${name}`)
      try {
        yield* [1, 2]
      } finally {
        log.push(`close ${name}`)
      }
    })
    const both = joined(source('a'), source('b'))
    await both.take(2).toArray()
    expect(log).toEqual(['open a', 'close a'])
    log.length = 0
    await both.toArray()
    expect(log).toEqual(['open a', 'close a', 'open b', 'close b'])
  })

  test('reads no element that is not asked for, and closes on break', async () => {
    const [a, b] = [watched(3), watched(9)]
    expect(await joined(a.dataset, b.dataset).take(5).toArray()).toEqual([0, 1, 2, 0, 1])
    expect([a.log, b.log]).toEqual([{ read: 3, open: 0 }, { read: 2, open: 0 }])
  })

  test('gives the first input the random numbers that it has alone, and the second others', async () => {
    const numbers = range(50).map(x => x).shuffle(20)
    const all = await joined(numbers, numbers).toArray({ seed: 4, epoch: 0 })
    expect(all.slice(0, 50)).toEqual(await joined(numbers).toArray({ seed: 4, epoch: 0 }))
    expect(all.slice(50)).not.toEqual(all.slice(0, 50))
  })

  test('cardinality: the sum; infinite if one is, and else unknown if one is', () => {
    const unknown = range(3).filter(() => true)
    expect(joined(range(3), range(4)).cardinality).toBe(7)
    expect(joined(range(3).repeat(), unknown).cardinality).toBe(Infinity)
    expect(joined(unknown, range(3).repeat()).cardinality).toBe(Infinity)
    expect(joined(unknown, range(4)).cardinality).toBeUndefined()
  })

  test('is read by ordinal when all inputs are, so a full shuffle holds nothing', async () => {
    const all = joined(range(10), range(0), range(10, 25).map(async x => x), range(25, 30))
    expect((await all.shuffle({ seed: 1 }).toArray()).map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i))
    await using iterator = all.shuffle({ seed: 1 }).iterator()
    await iterator.next()
    expect(iterator.checkpoint().state).toEqual({ self: { place: 1, of: 30 } })
  })
})

describe('concatenate under a full shuffle, of inputs that fail', () => {
  const make = () => joined(range(20).map(failing), range(20, 35).map(async x => failing(x))).shuffle({ seed: 2 })
  for (const { name, run } of operatorConformance({ make })) test(name, run)
})
