import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DTYPES, allocate, widthOf } from '../../src/array/dtype.js'
import { equal } from '../../src/array/equal.js'
import { ndarray, ragged } from '../../src/array/ndarray.js'
import { rowsOf, slicer, sliceRow, unstack } from '../../src/array/slice.js'
import { stack } from '../../src/array/stack.js'
import type { DataOf, DType } from '../../src/types.js'
import { elements } from './arbitrary.js'

function filled(dtype: DType, shape: readonly number[]) {
  const data = allocate<DType>(dtype, shape.reduce((a, b) => a * b, widthOf(dtype))) as unknown as unknown[]
  for (let i = 0; i < data.length; i++) data[i] = dtype === 'string' ? `s${i}` : dtype === 'int64' || dtype === 'uint64' ? BigInt(i) : dtype === 'bool' ? i % 2 : i
  return { dtype, shape, data: data as unknown as DataOf[DType] }
}

describe('unstack', () => {
  test('turns rank-1 float32, bool, int64 and string into scalars', () => {
    expect(unstack(ndarray([1, 2.5]))).toEqual([1, 2.5])
    expect(unstack(ndarray([true, false]))).toEqual([true, false])
    expect(unstack(ndarray([1n, 2n]))).toEqual([1n, 2n])
    expect(unstack(ndarray(['a', 'b']))).toEqual(['a', 'b'])
  })

  test.each(DTYPES.filter((name) => !['float32', 'bool', 'int64', 'string'].includes(name)))('keeps the dtype of rank-1 %s in NdArrays of rank 0', (dtype) => {
    const batch = filled(dtype, [3])
    const rows = unstack(batch)
    expect(rows).toHaveLength(3)
    expect(rows[1]).toMatchObject({ dtype, shape: [] })
    expect(equal(stack(rows as unknown[]), batch)).toBe(true)
  })

  test.each(DTYPES)('gives %s of higher rank back when it is stacked again', (dtype) => {
    const batch = filled(dtype, [2, 3, 2])
    const rows = unstack(batch)
    expect(rows[0]).toMatchObject({ dtype, shape: [3, 2] })
    expect(equal(stack(rows as unknown[]), batch)).toBe(true)
  })

  test('makes views and copies nothing', () => {
    const batch = ndarray(new Float32Array(6), [3, 2])
    const [, row] = unstack(batch)
    expect(row?.data.buffer).toBe(batch.data.buffer)
    expect(row?.data.byteOffset).toBe(8)
  })

  test('gives the items of a list of bytes, and typed arrays as rank-1 arrays', () => {
    const list = [Uint8Array.of(1), Uint8Array.of(2, 3)]
    expect(unstack(list)[1]).toBe(list[1])
    expect(unstack(Float32Array.of(1, 2))).toEqual([1, 2])
    expect(unstack(Int8Array.of(1, 2))[1]).toEqual({ dtype: 'int8', shape: [], data: Int8Array.of(2) })
  })

  test('cuts ragged arrays of any depth into rows that begin at 0', () => {
    const batch = ragged('int32', Int32Array.of(1, 2, 3, 4), [Int32Array.of(0, 2, 2, 3), Int32Array.of(0, 1, 3, 4)])
    expect(unstack(batch)).toEqual([
      { dtype: 'int32', data: Int32Array.of(1, 2, 3), rowSplits: [Int32Array.of(0, 1, 3)] },
      { dtype: 'int32', data: new Int32Array(0), rowSplits: [Int32Array.of(0)] },
      { dtype: 'int32', data: Int32Array.of(4), rowSplits: [Int32Array.of(0, 1)] }
    ])
  })

  test('keeps structure', () => {
    expect(unstack({ a: ndarray([1, 2]), b: [ndarray(['x', 'y'])] })).toEqual([{ a: 1, b: ['x'] }, { a: 2, b: ['y'] }])
  })

  test('no rows make no elements', () => {
    expect(unstack(ndarray(new Float32Array(0), [0, 3]))).toEqual([])
  })

  test('law: stacking the rows of any batch gives the batch', () => {
    fc.assert(fc.property(elements(), (list) => {
      const batch = stack(list)
      const rows = unstack(batch)
      expect(rows).toHaveLength(list.length)
      expect(equal(stack(rows as unknown[]), batch)).toBe(true)
    }))
  })

  test('rows that disagree are named with both paths', () => {
    expect(() => rowsOf({ a: ndarray([1, 2]), b: [ndarray([1])] })).toThrow('there are 1 rows at b[0], but 2 rows at a')
  })

  test.each([
    ['a number', 1], ['a string', 'a'], ['bytes (Uint8Array)', new Uint8Array(2)], ['undefined', undefined], ['an instance of Date', new Date()],
    ['rank 0', ndarray([1], [])], ['one single row', ragged('int8', new Int8Array(2), [])], ['not valid', { dtype: 'int8', shape: [2], data: new Int8Array(1) }]
  ])('%s has no rows', (text, value) => {
    expect(() => unstack({ k: value })).toThrow(expect.objectContaining({ kind: 'Mismatch', keyPath: 'k', message: expect.stringContaining(text) }))
  })

  test('a nest without leaves has no rows', () => {
    expect(() => rowsOf({ a: [] })).toThrow('no array to take rows from')
  })
})

describe('slices', () => {
  test('plain arrays of scalars and bytes are sliced into their items', () => {
    const bytes = [Uint8Array.of(1), Uint8Array.of(2)]
    const cut = slicer({ n: [1, 2], s: ['a', 'b'], b: [true, false], i: [1n, 2n], y: bytes }, 'slices')
    expect(cut.rows).toBe(2)
    expect(cut.row(1)).toEqual({ n: 2, s: 'b', b: false, i: 2n, y: bytes[1] })
  })

  test('typed arrays are sliced into plain numbers and bigints', () => {
    expect(sliceRow({ a: Int32Array.of(1, 2), b: Uint8Array.of(3, 4), c: BigUint64Array.of(5n, 6n) }, 1, 'slices')).toEqual({ a: 2, b: 4, c: 6n })
  })

  test('NdArrays are sliced as batches are', () => {
    expect(sliceRow(ndarray(Int32Array.of(1, 2)), 1, 'slices')).toEqual({ dtype: 'int32', shape: [], data: Int32Array.of(2) })
  })

  test('arrays of other things are structure', () => {
    expect(sliceRow([[1, 2], ['a', 'b']], 0, 'slices')).toEqual([1, 'a'])
    expect(() => slicer([{ a: 1 }, { a: 2 }], 'slices')).toThrow('[0].a')
  })

  test('an empty array has 0 rows', () => {
    expect(rowsOf([], 'slices')).toBe(0)
    expect(() => rowsOf({ a: [1], b: [] }, 'slices')).toThrow('there are 0 rows at b, but 1 rows at a')
  })

  test('a row outside is a RangeError', () => {
    for (const i of [-1, 2, 0.5]) expect(() => sliceRow(ndarray([1, 2]), i)).toThrow(RangeError)
  })
})
