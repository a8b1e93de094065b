import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { collateToList, defaultCollate, paddedCollate, type Collate } from '../../src/loader/collate.js'
import { travelling } from '../../src/plan/reference.js'
import { loadFunction } from '../../src/portable.js'
import type { FunctionReference } from '../../src/plan/workers.js'

const rows = [
  { x: Float32Array.of(1, 2), y: 1, name: 'a', ok: true, bytes: Uint8Array.of(1) },
  { x: Float32Array.of(3, 4), y: 2, name: 'b', ok: false, bytes: Uint8Array.of(2, 3) }
]
const ragged = [{ x: Int32Array.of(1), y: 1 }, { x: Int32Array.of(2, 3, 4), y: 2 }]
const first = async <T>(dataset: Dataset<T>): Promise<T> => (await dataset.toArray())[0] as T
/** The function as a worker has it. */
const elsewhere = async (collate: unknown): Promise<(elements: readonly unknown[]) => unknown> => {
  const found = travelling(collate)
  expect(found).toHaveProperty('portable')
  return (await loadFunction((found as { portable: FunctionReference }).portable)) as (elements: readonly unknown[]) => unknown
}

describe('defaultCollate', () => {
  test('makes of rows exactly what batch makes of them', async () => {
    expect(defaultCollate(rows)).toEqual(await first(Dataset.from(rows).batch(2)))
  })

  test('says which element does not fit, as batch does', () => {
    expect(() => defaultCollate([1, 'x'])).toThrow(expect.objectContaining({ kind: 'Mismatch', index: 1 }))
    expect(() => defaultCollate([])).toThrow(RangeError)
  })
})

describe('collateToList', () => {
  test('stacks nothing', () => {
    const mixed = [1, 'x', null]
    expect(collateToList(mixed)).toEqual(mixed)
    expect(collateToList(mixed)).not.toBe(mixed)
  })
})

describe('paddedCollate', () => {
  test('makes of rows exactly what paddedBatch makes of them, with its options', async () => {
    for (const options of [{}, { shapes: { x: [5] } }, { values: { x: -1 } }, { numbers: 'int32' as const }]) {
      expect(paddedCollate(options)(ragged)).toEqual(await first(Dataset.from(ragged).paddedBatch(2, options)))
    }
    expect(paddedCollate({ numbers: 'int32' })(ragged).y.dtype).toBe('int32')
  })

  test('refuses options that it does not know, at the call', () => {
    expect(() => paddedCollate({ size: 3 } as never)).toThrow(TypeError)
    expect(() => paddedCollate({ numbers: 'string' } as never)).toThrow()
  })
})

describe('collate functions of ours', () => {
  test('are the same on worker threads, with their options', async () => {
    expect((await elsewhere(defaultCollate))(rows)).toEqual(defaultCollate(rows))
    expect((await elsewhere(collateToList))([1, 'x'])).toEqual([1, 'x'])
    const options = { shapes: { x: [-1] }, values: { x: -1 }, numbers: 'int32' } as const
    expect((await elsewhere(paddedCollate(options)))(ragged)).toEqual(paddedCollate(options)(ragged))
  })

  test('stay in their thread with values that JSON does not have', () => {
    for (const value of [1n, NaN, Infinity]) expect(travelling(paddedCollate({ values: value }))).toBeUndefined()
  })
})

test('collate functions of users get the elements and the context of the batch, and may be asynchronous', async () => {
  const collate: Collate<number, string> = async (elements, { index, rng }) => {
    await null
    return `${index}: ${elements.join()} ${rng.integer(1)}`
  }
  expect(await Dataset.of([1, 2], [3]).map(collate).toArray()).toEqual(['0: 1,2 0', '1: 3 0'])
})
