import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { flatMap, flatMapParams, type FlatMapParams } from '../../src/operators/flat-map.js'
import type { Operator } from '../../src/plan/operator.js'
import { operatorConformance } from '../../src/testing/operator.js'

const flatMapped = <U = number>(ds: Dataset<unknown>, fn: FlatMapParams['fn'], options?: { seed?: number }): Dataset<U> =>
  ds.operator(flatMap as Operator<object, U>, flatMapParams(fn, options))

const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x
}
const lateRange = (from: number, to: number): Dataset<number> => Dataset.from(async function* () {
  for (let i = from; i < to; i++) yield i
})

const SUBJECTS: Record<string, () => Dataset<unknown>> = {
  'synchronous inner datasets': () => flatMapped(Dataset.range(6), (x: number) => Dataset.range(x)),
  'asynchronous inner datasets': () => flatMapped(lateRange(0, 6), (x: number) => lateRange(x * 10, x * 11)),
  'an asynchronous function': () => flatMapped(Dataset.range(6), async (x: number) => lateRange(x * 10, x * 11)),
  'a filtered input': () => flatMapped(Dataset.range(20).filter(x => x % 4 === 1), (x: number) => Dataset.range(x, x + 3)),
  'failures everywhere': () => flatMapped(Dataset.range(30).map(failing), (x: number) => {
    if (x % 5 === 2) throw new Error(`no dataset ${x}`)
    return Dataset.range(x, x + 4).map(failing)
  }),
  'inner shuffles without a seed': () => flatMapped(Dataset.range(4), (x: number) => Dataset.range(x * 10, x * 10 + 6).shuffle(4)),
  'random numbers in the function': () => flatMapped(Dataset.range(4), (x: number, { rng }) => Dataset.of(x, rng.uniform()), { seed: 9 }),
  'flatMaps inside and behind': () => flatMapped(flatMapped(Dataset.range(4), (x: number) => flatMapped(Dataset.range(x), (y: number) => Dataset.range(y))), (z: number) => Dataset.of(z, z)),
  batches: () => flatMapped(Dataset.range(9), (x: number) => Dataset.range(x % 4)).batch(4)
}

for (const [subject, make] of Object.entries(SUBJECTS)) {
  describe(`flatMap, ${subject}`, () => {
    for (const { name, run } of operatorConformance({ make })) test(name, run)
  })
}

describe('flatMap', () => {
  test('puts the datasets one after the other', async () => {
    expect(await flatMapped(Dataset.range(4), (x: number) => Dataset.range(x)).toArray()).toEqual([0, 0, 1, 0, 1, 2])
  })
  test('opens a dataset when the one before has ended', async () => {
    const log: string[] = []
    const ds = flatMapped(Dataset.range(3), (x: number) => Dataset.from(function* () {
      log.push(`open ${x}`)
      yield x
      log.push(`end ${x}`)
    }))
    for await (const x of ds) log.push(`got ${x}`)
    expect(log).toEqual([0, 1, 2].flatMap(x => [`open ${x}`, `got ${x}`, `end ${x}`]))
  })
  test('gives whole chunks of the inner datasets', async () => {
    let pulls = 0
    const inner: Operator<object, number> = { name: 'counting', open: () => ({ pull: max => (pulls++, new Array<number>(max).fill(1)) }) }
    const made = Dataset.range(0).operator(inner, {})
    expect((await flatMapped(Dataset.range(1), () => made).batch(1000).take(3).toArray())).toHaveLength(3)
    expect(pulls).toBe(3)
  })
  test('passes empty datasets by, however many', async () => {
    const empty = Dataset.range(0)
    expect(await flatMapped(Dataset.range(100_000), () => empty).toArray()).toEqual([])
  }, 60_000)
  test('takes nothing but functions and a seed', () => {
    expect(() => flatMapParams(3 as never)).toThrow(TypeError)
    expect(() => flatMapParams(() => Dataset.range(1), { parallel: 3 } as never)).toThrow("unknown option 'parallel'")
  })
})
