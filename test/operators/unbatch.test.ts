import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { equal } from '../../src/array/equal.js'
import { Dataset } from '../../src/dataset.js'
import { unbatch, unbatchParams } from '../../src/operators/unbatch.js'
import { operatorConformance } from '../../src/testing/operator.js'
import type { NdArray } from '../../src/types.js'
import { asyncRange, failing, failingLater, outcomes, ragged } from './sources.js'

const rows = <T>(dataset: Dataset<T>) => dataset.operator(unbatch, unbatchParams(dataset.plan))
const column = (...values: number[]): NdArray => ({ dtype: 'float32', shape: [values.length], data: new Float32Array(values) })
const unequal = () => Dataset.of(column(1, 2), column(), column(3), column(), column(), column(4, 5, 6, 7))
const broken = () => Dataset.of<unknown>({ x: column(1, 2), y: column(1, 2) }, { x: column(1, 2), y: column(1) }, { x: column(3), y: column(3) }, 7)

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'of batches': [() => rows(Dataset.range(22).batch(4)), () => rows(Dataset.range(22).batch(4).prefetch(2))],
  'of batches of an input that waits': [() => rows(asyncRange(22).batch(5))],
  'of unequal and empty batches': [() => rows(unequal())],
  'of nothing': [() => rows(Dataset.range(0).batch(3))],
  'of batches of an input that fails': [1, 4].map(parallel => () => rows(asyncRange(40).map(failingLater, { parallel }).batch(3))) as never,
  'of batches that fail': [() => rows(broken())],
  'of a mapped batch, under a filter and a batch': [() => rows(Dataset.range(60).batch(7).map(b => ({ b, c: b }))).filter(row => (row as { b: number }).b % 3 !== 0).batch(4)],
  'of a failing batch, under a shuffle': [() => rows(ragged(60).batch(4).map(b => { failing((b as NdArray<'float32'>).data[0] as number); return b })).shuffle(9)],
  repeated: [() => rows(unequal()).repeat(3)]
}

for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(`unbatch ${name}`, () => {
    for (const { name, run } of operatorConformance({ make, same })) test(name, run)
  })
}

describe('unbatch', () => {
  test('undoes batch, for any batch size', async () => {
    const elements = Array.from({ length: 23 }, (_, i) => ({
      n: i, b: i % 2 === 0, big: BigInt(i), s: `s${i}`, bytes: new Uint8Array([i]), image: { dtype: 'uint8' as const, shape: [2, 1], data: new Uint8Array([i, i + 1]) }
    }))
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), async (size, again) => {
      const whole = await rows(Dataset.from(elements).batch(size)).toArray()
      expect(equal(whole, elements)).toBe(true)
      const rebatched = await rows(rows(Dataset.from(elements).batch(size)).batch(again)).toArray()
      expect(equal(rebatched, elements)).toBe(true)
    }), { numRuns: 20, seed: 1 })
  })

  test('gives views of the batch, not copies', async () => {
    const data = new Float32Array([1, 2, 3, 4])
    const [first, second] = await rows(Dataset.of({ dtype: 'float32', shape: [2, 2], data } as NdArray)).toArray() as NdArray<'float32'>[]
    expect(first?.data.buffer).toBe(data.buffer)
    expect([...(second?.data ?? [])]).toEqual([3, 4])
  })

  test('passes over empty batches', async () => {
    expect(await rows(unequal()).toArray()).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('reads a batch when its first row is asked for', async () => {
    const read: number[] = []
    await rows(Dataset.range(20).batch(4).map((b, { index }) => { read.push(index); return b })).take(8).toArray()
    expect(read).toEqual([0, 1])
  })

  test('throws for a batch whose arrays disagree, naming it, and goes on behind it', async () => {
    expect(await outcomes(rows(broken()))).toEqual([
      { x: 1, y: 1 }, { x: 2, y: 2 },
      expect.stringMatching(/^error: unbatch: element 1: .* rows at y/),
      { x: 3, y: 3 },
      expect.stringMatching(/^error: unbatch: element 3: .*a number/)
    ])
  })

  test('a checkpoint in the middle of a batch reads that batch again, and no other', async () => {
    const read: number[] = []
    const dataset = rows(Dataset.range(1000).batch(10).map((b, { index }) => { read.push(index); return b }))
    const iterator = dataset.iterator()
    for (let i = 0; i < 777; i++) await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    read.length = 0
    expect(await dataset.iterator({ from }).next()).toEqual({ done: false, value: 777 })
    expect(read).toEqual([77])
  })

  test('cardinality: known when every batch has the same size, as in tf.data; infinite when the input is', () => {
    expect(rows(Dataset.range(6).batch(4)).cardinality).toBeUndefined()
    expect(rows(Dataset.range(6).batch(4, { dropRemainder: true })).cardinality).toBe(4)
    expect(rows(Dataset.range(6).batch(2, { dropRemainder: true }).prefetch(2)).cardinality).toBe(6)
    expect(rows(Dataset.range(6).batch(2, { dropRemainder: true }).map(b => b)).cardinality).toBeUndefined()
    expect(rows(Dataset.range(6).repeat().batch(2)).cardinality).toBe(Infinity)
  })
})
