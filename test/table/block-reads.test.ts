import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { MillraceError, tableReader, type Format, type NdArray } from '../../src/format.js'
import { memoryStore } from '../../src/storage/memory.js'

const ROWS = 640

/** Rows 0, 1, 2 … of which the read of that number is cut short, once. */
function fallible(failing: number): Format<unknown, undefined> {
  return {
    name: 'fallible',
    extensions: ['f'],
    tabular: true,
    open: async () => {
      let reads = 0
      return tableReader({
        rows: ROWS,
        blockRows: 1,
        spec: { dtype: 'int32', shape: [] },
        async read(start, count, columns, at) {
          if (reads++ === failing) throw new MillraceError('Truncated', 'cut short', { uri: 'mem://a.f' })
          ;(columns as NdArray<'int32'>).data.set(Int32Array.from({ length: count }, (_, i) => start + i), at)
        }
      }, { uri: 'mem://a.f', readBytes: 64 })
    }
  }
}

describe('blocks of a table', () => {
  test.each([0, 1, 2, 5])('no row is lost when read %i fails once and its halves do not', async failing => {
    const store = memoryStore()
    await store.put('mem://a.f', new Uint8Array(1))
    const rows: number[] = []
    for await (const batch of Dataset.fromFiles<NdArray<'int32'>>('mem://a.f', { format: fallible(failing) as never, store }).batch(3)) rows.push(...batch.data as Int32Array)
    expect(rows).toEqual(Array.from({ length: ROWS }, (_, row) => row))
  })
})
