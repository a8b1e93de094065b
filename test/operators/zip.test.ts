import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { zip, zipParams, type ZipNest, type Zipped } from '../../src/operators/zip.js'
import { planNode } from '../../src/plan/node.js'
import type { PlanNode } from '../../src/plan/node.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { asyncRange, failing, failingLater, outcomes, ragged, slow, watched } from './sources.js'

function zipped<const N extends ZipNest>(nest: N): Dataset<Zipped<N>> {
  const { params, inputs } = zipParams(nest)
  return new Dataset(planNode(zip, params, inputs) as PlanNode<Zipped<N>>)
}
const range = (n: number) => Dataset.range(n)

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'of an object and an array': [() => zipped({ xs: range(9), ys: [range(20).map(x => -x), range(9).map(String)] })],
  'of one dataset': [() => zipped(range(5))],
  'of inputs that wait': [() => zipped([asyncRange(12), range(30), asyncRange(15)]), () => zipped([asyncRange(12).prefetch(4), range(30).prefetch(2), asyncRange(15)])],
  'of inputs in unequal chunks': [() => zipped([ragged(40), range(40), range(40).batch(3)]), () => zipped([ragged(40).prefetch(7), range(40), range(40).batch(3).prefetch(2)])],
  'of an input that fails': [() => zipped([range(30), range(30).map(failing)])],
  'of inputs that fail at different and at the same rows': [
    ...[1, 3, 8].map(parallel => () => zipped({ a: range(40).map(failing), b: asyncRange(36).map(failingLater, { parallel }), c: range(40).map(x => failing(x + 2)) }))
  ] as never,
  'under a batch': [1, 2, 8].map(size => () => zipped({ x: ragged(30), y: asyncRange(30).map(slow, { parallel: size }).prefetch(size) }).batch(4)) as never,
  'under a batch, of inputs that fail': [() => zipped({ x: ragged(50).map(failing), y: range(50).map(x => failing(x + 4)) }).batch(4)],
  'of shuffles without a seed': [() => { const numbers = range(20).shuffle(6); return zipped([numbers, numbers]) }],
  'of nothing and something': [() => zipped([range(0), range(4)])],
  repeated: [() => zipped([range(4).map(x => x).shuffle(3), asyncRange(5)]).repeat(3)]
}

for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(`zip ${name}`, () => {
    for (const { name, run } of operatorConformance({ make, same })) test(name, run)
  })
}

describe('elements', () => {
  test('have the structure of the nest, keys in the order in which they were written', async () => {
    const [first] = await zipped({ ys: range(3), xs: [range(3), { deep: Dataset.of('a', 'b') }] }).toArray()
    expect(JSON.stringify(first)).toBe('{"ys":0,"xs":[0,{"deep":"a"}]}')
    const typed: { readonly ys: number; readonly xs: readonly [number, { readonly deep: string }] } | undefined = first
    expect(typed).toBeDefined()
  })

  test('stop at the shortest input, whichever it is', async () => {
    for (const lengths of [[2, 5, 4], [5, 2, 4], [5, 4, 2]]) expect(await zipped(lengths.map(range)).toArray()).toEqual([[0, 0, 0], [1, 1, 1]])
  })

  test('are those of the same random numbers wherever the zip was written with its keys in another order', async () => {
    const [a, b] = [range(30).shuffle(9), range(30).shuffle(9)]
    const one = await zipped({ a, b }).toArray({ seed: 3 })
    expect(await zipped({ b, a }).toArray({ seed: 3 })).toEqual(one)
    expect(zipped({ a, b }).fingerprint()).toBe(zipped({ b, a }).fingerprint())
    expect(zipped({ a: b, b: range(30) }).fingerprint()).not.toBe(zipped({ a, b }).fingerprint())
  })
})

describe('errors', () => {
  const ok = (x: number) => [x, x, x]
  const bad = (at: number) => (x: number) => { if (x === at) throw new Error(`${at}`); return x }

  test('take the place of a row, and the inputs stay in step', async () => {
    expect(await outcomes(zipped([range(4), range(4).map(bad(1)), range(4)]))).toEqual([ok(0), 'error: map: the function failed at element 1: 1', ok(2), ok(3)])
  })

  test('of several inputs at one row are one error: that of the first', async () => {
    const failed = [10, 11, 12].map(by => range(4).map(x => { if (x === 1) throw new Error(`input ${by}`); return x }))
    expect(await outcomes(zipped(failed))).toEqual([ok(0), 'error: map: the function failed at element 1: input 10', ok(2), ok(3)])
  })

  test('are thrown before the end if they are in an input before the one that ends, and not heard behind it', async () => {
    expect(await outcomes(zipped([range(4).map(bad(2)), range(2), range(4)]))).toEqual([ok(0), ok(1), 'error: map: the function failed at element 2: 2'])
    expect(await outcomes(zipped([range(2), range(4).map(bad(2)), range(4)]))).toEqual([ok(0), ok(1)])
  })

  test('come after the rows before them, in every chunk size', async () => {
    const rows = zipped([range(40).map(failing), ragged(40), range(40).map(x => failing(x + 1) - 1)])
    const expected = Array.from({ length: 40 }, (_, i) => (i % 7 === 5 || i % 7 === 4 ? `error: map: the function failed at element ${i}: no ${i % 7 === 5 ? i : i + 1}` : ok(i)))
    expect(await outcomes(rows)).toEqual(expected)
    expect((await outcomes(rows.batch(30))).filter(x => typeof x === 'string')).toEqual(expected.filter(x => typeof x === 'string'))
    expect(await outcomes(rows.prefetch(9).filter(() => true))).toEqual(expected)
  })
})

describe('reading', () => {
  test('takes from every input the rows that were asked for, and no more', async () => {
    for (const wait of [false, true]) {
      const [a, b] = [watched(50, wait), watched(50)]
      expect(await zipped([a.dataset, b.dataset]).take(7).toArray()).toHaveLength(7)
      expect([a.log, b.log]).toEqual([{ read: 7, open: 0 }, { read: 7, open: 0 }])
    }
  })

  test('takes one row more from the others when one ends, so that caches are completed', async () => {
    for (const lengths of [[2, 9, 9], [9, 2, 9], [9, 9, 2]]) {
      const inputs = lengths.map(n => watched(n))
      await zipped(inputs.map(({ dataset }) => dataset)).forEach(() => undefined)
      expect(inputs.map(({ log }) => log.read)).toEqual(lengths.map(n => Math.min(n, 3)))
    }
  })

  test('asks an input for no more than an earlier one gave', async () => {
    const [short, long] = [watched(3), watched(100)]
    expect(await zipped([short.dataset, long.dataset]).batch(64).toArray()).toHaveLength(1)
    expect(long.log.read).toBe(4)
  })

  test('lets inputs wait at the same time', async () => {
    let [under, most] = [0, 0]
    const source = () => Dataset.from(async function* numbers() {
      for (let i = 0; i < 5; i++) {
        most = Math.max(most, ++under)
        await null
        await null
        under--
        yield i
      }
    })
    await zipped([source(), source(), source()]).toArray()
    expect(most).toBe(3)
  })

  test('closes every input on break and after an error', async () => {
    for (const wait of [false, true]) {
      const [a, b] = [watched(50, wait), watched(50, wait)]
      for await (const _ of zipped([a.dataset, b.dataset])) break
      await expect(zipped([a.dataset, b.dataset.map(() => { throw new Error('no') })]).toArray()).rejects.toThrow('no')
      expect([a.log.open, b.log.open]).toEqual([0, 0])
    }
  })

  test('is by ordinal when all inputs are, so a full shuffle holds nothing', async () => {
    const both = zipped([range(30), range(25).map(x => -x)])
    const shuffled = await both.shuffle({ seed: 1 }).toArray()
    expect(shuffled.map(([x]) => x).sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => i))
    expect(shuffled.every(([x, y]) => x === -y)).toBe(true)
    await using iterator = both.shuffle({ seed: 1 }).iterator()
    await iterator.next()
    expect(iterator.checkpoint().state).toEqual({ self: { place: 1, of: 25 } })
    expect((await zipped([range(30), ragged(25)]).shuffle({ seed: 1 }).toArray())).toHaveLength(25)
  })
})

describe('knowledge', () => {
  test('the cardinality is the least; unknown if one is, even beside an empty one', () => {
    expect(zipped([range(7), range(5)]).cardinality).toBe(5)
    expect(zipped([range(7).repeat(), range(5)]).cardinality).toBe(5)
    expect(zipped([range(7).repeat(), range(5).repeat()]).cardinality).toBe(Infinity)
    expect(zipped([range(7).repeat(), range(5).filter(() => true)]).cardinality).toBeUndefined()
    expect(zipped([range(0), range(5).filter(() => true)]).cardinality).toBeUndefined()
  })

  test('explain shows the nest', () => {
    expect(zipped({ xs: range(1), ys: [range(2), range(3)] }).explain()).toContain('zip({ xs: #0, ys: [#1, #2] })')
  })

  test('a nest without datasets, or with anything else in it, is refused at the call', () => {
    expect(() => zipParams({})).toThrow('zip: needs at least one dataset')
    expect(() => zipParams({ xs: range(1), ys: { z: [3] } })).toThrow('zip: expected a dataset at ys.z[0], or an object or array of datasets, got a number')
    expect(() => zipParams(null)).toThrow(TypeError)
    expect(zipParams({ plan: range(1) }).params.shape).toEqual({ plan: 0 })
  })
})
