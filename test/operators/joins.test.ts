import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { concatenate } from '../../src/operators/concatenate.js'
import { enumerate } from '../../src/operators/enumerate.js'
import { scan, scanParams } from '../../src/operators/scan.js'
import { takeWhile } from '../../src/operators/take-while.js'
import { unbatch, unbatchParams } from '../../src/operators/unbatch.js'
import { zip, zipParams } from '../../src/operators/zip.js'
import { assertElementSpec, assertElementSpecParams } from '../../src/operators/assert-element-spec.js'
import { declaredSpec } from '../../src/plan/declared-spec.js'
import { planNode } from '../../src/plan/node.js'
import type { Cardinality, ElementSpec, NdArray } from '../../src/types.js'
import { outcomes } from './sources.js'

/** `range(n)`, whose elements in the list fail. */
type Source = readonly [n: number, bad: readonly number[]]
interface Golden {
  readonly zip: readonly (readonly [Source[], unknown[], number[], number])[]
  readonly concatenate: readonly (readonly [Source[], unknown[], number])[]
  readonly enumerate: readonly (readonly [Source, number, unknown[], number])[]
  readonly takeWhile: readonly (readonly [Source, [limit: number, modulus: number, failing: number[]], unknown[], number, number])[]
  readonly scan: readonly (readonly [Source, number[], unknown[], number])[]
  readonly unbatch: readonly (readonly [number, number, boolean, unknown[], number])[]
  readonly unequal: readonly unknown[]
  readonly cardinalities: readonly (readonly [Kind, Kind, number, number])[]
}
type Kind = 'zero' | 'three' | 'unknown' | 'infinite'

const golden = JSON.parse(readFileSync(new URL('../fixtures/operators/joins.json', import.meta.url), 'utf8')) as Golden

const zipped = (nest: unknown): Dataset<unknown> => { const { params, inputs } = zipParams(nest); return new Dataset(planNode(zip, params, inputs)) }
const joined = (datasets: readonly Dataset<unknown>[]): Dataset<unknown> => new Dataset(planNode(concatenate, {}, datasets.map(({ plan }) => plan)))
const cardinality = (size: Cardinality): number => (size === undefined ? -2 : size === Infinity ? -1 : size)
const plain = async (dataset: Dataset<unknown>): Promise<unknown[]> => (await outcomes(dataset)).map(x => (typeof x === 'string' ? 'error' : x))

/** Sources that count what is read from them; of promises, when asked. */
function sources(specs: readonly Source[], wait: boolean): { readonly datasets: readonly Dataset<number>[]; readonly reads: number[] } {
  const reads = specs.map(() => 0)
  const datasets = specs.map(([n, bad], k) => {
    const read = (x: number): number => {
      reads[k] = (reads[k] as number) + 1
      if (bad.includes(x)) throw new Error('bad')
      return x
    }
    return wait ? Dataset.range(n).map(async x => { await null; return read(x) }) : Dataset.range(n).map(read)
  })
  return { datasets, reads }
}
const failAt = (failing: readonly number[], x: number): void => { if (failing.includes(x)) throw new Error('bad') }

describe.each([['plain values', false], ['promises', true]])('as tf.data, of %s', (_, wait) => {
  test('zip: rows, errors, and how far every input is read', async () => {
    for (const [specs, expected, expectedReads, size] of golden.zip) {
      const { datasets, reads } = sources(specs, wait)
      const found = await plain(zipped(datasets))
      expect({ specs, found, reads, size: cardinality(zipped(datasets).cardinality) }).toEqual({ specs, found: expected, reads: expectedReads, size })
    }
  })

  test('concatenate', async () => {
    for (const [specs, expected, size] of golden.concatenate) {
      const dataset = joined(sources(specs, wait).datasets)
      expect({ specs, found: await plain(dataset), size: cardinality(dataset.cardinality) }).toEqual({ specs, found: expected, size })
    }
  })

  test('enumerate', async () => {
    for (const [spec, start, expected, size] of golden.enumerate) {
      const dataset = sources([spec], wait).datasets[0]?.operator(enumerate, { start }) as Dataset<unknown>
      expect({ spec, start, found: await plain(dataset), size: cardinality(dataset.cardinality) }).toEqual({ spec, start, found: expected, size })
    }
  })

  test('takeWhile: elements, errors, and how far it reads', async () => {
    for (const [spec, predicate, expected, expectedReads, size] of golden.takeWhile) {
      const [limit, modulus, failing] = predicate
      const { datasets, reads } = sources([spec], wait)
      const dataset = datasets[0]?.operator(takeWhile, { fn: (x: number) => { failAt(failing, x); return x % modulus < limit }, seed: undefined }) as Dataset<unknown>
      expect({ spec, predicate, found: await plain(dataset), reads: reads[0], size: cardinality(dataset.cardinality) }).toEqual({ spec, predicate, found: expected, reads: expectedReads, size })
    }
  })

  test('scan', async () => {
    for (const [spec, failing, expected, size] of golden.scan) {
      const { datasets: [input] } = sources([spec], wait)
      const dataset = input?.operator(scan, scanParams(1, (total: number, x: number) => { failAt(failing, x); return [2 * total + x, total] }, undefined)) as Dataset<unknown>
      expect({ spec, failing, found: await plain(dataset), size: cardinality(dataset.cardinality) }).toEqual({ spec, failing, found: expected, size })
    }
  })
})

describe('as tf.data', () => {
  test('unbatch', async () => {
    for (const [n, size, dropRemainder, expected, count] of golden.unbatch) {
      const batches = Dataset.range(n).batch(size, { dropRemainder })
      const dataset = batches.operator(unbatch, unbatchParams(batches.plan))
      expect({ n, size, dropRemainder, found: await plain(dataset), count: cardinality(dataset.cardinality) }).toEqual({ n, size, dropRemainder, found: expected, count })
    }
  })

  test('unbatch of empty batches and of batches whose arrays disagree', async () => {
    const column = (n: number): NdArray => ({ dtype: 'float32', shape: [n], data: Float32Array.from({ length: n }, (_, i) => i) })
    const batches = Dataset.from([[2, 2], [0, 0], [1, 2], [3, 3], [0, 1], [1, 1]].map(lengths => lengths.map(column)))
    expect(await plain(batches.operator(unbatch, unbatchParams(batches.plan)))).toEqual(golden.unequal)
  })

  test('cardinalities of zip and concatenate', () => {
    const kinds = { zero: Dataset.range(0), three: Dataset.range(3), unknown: Dataset.range(5).filter(x => x < 9), infinite: Dataset.range(2).repeat() }
    for (const [a, b, ofZip, ofConcatenate] of golden.cardinalities) {
      const pair = [kinds[a], kinds[b]]
      expect([a, b, cardinality(zipped(pair).cardinality), cardinality(joined(pair).cardinality)]).toEqual([a, b, ofZip, ofConcatenate])
    }
  })
})

describe('declared structure', () => {
  const image: ElementSpec = { image: { dtype: 'uint8', shape: [2, 3] }, name: { dtype: 'string', shape: [] } }
  const declared = (spec: ElementSpec): Dataset<unknown> => Dataset.range(3).operator(assertElementSpec, assertElementSpecParams(spec))
  const specOf = ({ plan }: Dataset<unknown>): ElementSpec | undefined => declaredSpec(plan)
  const rows = (dataset: Dataset<unknown>): Dataset<unknown> => dataset.operator(unbatch, unbatchParams(dataset.plan))

  test('goes through all of them', () => {
    const one = declared(image)
    expect(specOf(zipped({ a: one, b: [one] }))).toEqual({ a: image, b: [image] })
    expect(specOf(zipped({ a: one, b: Dataset.range(3) }))).toBeUndefined()
    expect(specOf(joined([one, declared(image)]))).toEqual(image)
    expect(specOf(joined([one, Dataset.range(3)]))).toBeUndefined()
    expect(specOf(one.operator(enumerate, { start: 0 }))).toEqual([{ dtype: 'float32', shape: [] }, image])
    expect(specOf(one.operator(takeWhile, { fn: () => true, seed: undefined }))).toEqual(image)
  })

  test('unbatch leaves out the first axis, and knows the number of rows from it', () => {
    const batches = declared([{ dtype: 'float32', shape: [-1, 2] }, { a: { dtype: 'int32', shape: [5] } }])
    expect(specOf(rows(batches))).toEqual([{ dtype: 'float32', shape: [2] }, { a: { dtype: 'int32', shape: [] } }])
    expect(rows(batches).cardinality).toBe(15)
    expect(specOf(rows(declared(image)))).toBeUndefined()
  })
})
