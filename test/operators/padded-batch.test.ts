import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { PaddedBatchOptions } from '../../src/operators/padded-batch.js'
import { operatorConformance } from '../../src/testing/operator.js'
import type { NdArray } from '../../src/types.js'

const padded = (ds: Dataset<unknown>, size: number, options: PaddedBatchOptions = {}): Dataset<unknown> => ds.paddedBatch(size, options)

interface Case {
  readonly size: number
  readonly length: number | null
  readonly value: number
  readonly dropRemainder: boolean
  readonly cardinality: number
  readonly batches?: readonly { readonly ids: number[][]; readonly label: number[] }[]
  readonly error?: true
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/operators/padded-batch.json', import.meta.url), 'utf8')) as { readonly lengths: number[]; readonly cases: Case[] }

const rows = (lengths: readonly number[]) => Dataset.from(lengths).map((length, { index }) => ({ ids: new Int32Array(length).fill(index + 1), label: index }))

function nested({ shape: [rows = 0, columns], data }: NdArray): unknown[] {
  const values = Array.from(data as Int32Array)
  return columns === undefined ? values : Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns))
}

test.each(golden.cases.map(case_ => [JSON.stringify({ ...case_, batches: undefined }), case_] as const))('as tf.data: %s', async (_, { size, length, value, dropRemainder, cardinality, batches }) => {
  const ds = padded(rows(golden.lengths), size, { shapes: { ids: [length ?? -1], label: [] }, values: { ids: value }, dropRemainder })
  expect(ds.cardinality).toBe(cardinality)
  const read = ds.map(batch => {
    const { ids, label } = batch as { ids: NdArray; label: NdArray }
    expect([ids.dtype, label.dtype]).toEqual(['int32', 'float32'])
    return { ids: nested(ids), label: nested(label) }
  }).toArray()
  if (batches === undefined) await expect(read).rejects.toMatchObject({ kind: 'Mismatch', keyPath: 'ids' })
  else expect(await read).toEqual(batches)
})

describe('conformance', () => {
  const lengths = [3, 1, 0, 4, 2, 2, 5, 1, 6, 2, 9]
  const later = async <T>(value: T): Promise<T> => value
  const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
    'padded batches': [() => padded(rows(lengths), 3), () => padded(rows(lengths).prefetch(2), 3)],
    'padded batches without a remainder': [() => padded(rows(lengths).map(later), 4, { dropRemainder: true, values: -1 })],
    'padded batches of which some fail': [() => padded(rows(lengths), 2, { shapes: { ids: [4] } })],
    'padded batches of a failing input': [1, 2, 8].map(parallel => () => padded(rows([...lengths, ...lengths]).map(async row => {
      if (row.ids.length === 4) throw new Error(`no ${row.label}`)
      return later(row)
    }, { parallel }), 3)) as never
  }
  for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) for (const { name: check, run } of operatorConformance({ make, same })) test(`${name}: ${check}`, run)
})

test('an element longer than its fixed length is an error at its batch; the next batch comes', async () => {
  const iterator = padded(rows([1, 2, 3, 9, 1, 1]), 2, { shapes: { ids: [3] } }).iterator()
  expect(((await iterator.next()).value as { ids: NdArray }).ids.shape).toEqual([2, 3])
  await expect(iterator.next()).rejects.toMatchObject({ kind: 'Mismatch', keyPath: 'ids', index: 3 })
  expect(((await iterator.next()).value as { label: NdArray }).label.data).toEqual(Float32Array.of(4, 5))
  await iterator.close()
})

test('it reads no element beyond the batches asked for', async () => {
  let taken = 0
  const source = Dataset.from(function* () {
    for (;;) yield new Float32Array(taken++ % 3)
  })
  const iterator = padded(source, 4).iterator()
  await iterator.next()
  expect(taken).toBe(4)
  await iterator.close()
})

test('wrong arguments throw at the call', () => {
  expect(() => padded(Dataset.range(3), 0)).toThrow(RangeError)
  expect(() => padded(Dataset.range(3), 1, { numbers: 'string' as never })).toThrow(TypeError)
  expect(() => padded(Dataset.range(3), 1, { pad: 0 } as never)).toThrow("paddedBatch: unknown option 'pad'")
})

test('explain shows shapes and values', () => {
  const text = padded(rows([1]), 3, { shapes: { ids: [4] }, values: { ids: 7n }, dropRemainder: true, numbers: 'int32' }).explain()
  expect(text).toContain('paddedBatch(3, shapes: {"ids":[4]}, values: {"ids":"7n"}, dropRemainder, numbers: int32)  [0 elements]')
})
