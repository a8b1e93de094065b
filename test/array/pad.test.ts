import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { DTYPES, allocate, widthOf } from '../../src/array/dtype.js'
import { equal } from '../../src/array/equal.js'
import { ndarray, ragged, scalar, sizeOf } from '../../src/array/ndarray.js'
import { padStack, padStacker } from '../../src/array/pad.js'
import { stack } from '../../src/array/stack.js'
import type { NdArray } from '../../src/types.js'
import { arrayOf, elements } from './arbitrary.js'

/** The clear form: every place of the batch asks the row for its value. */
function reference(rows: readonly NdArray[], shape: readonly number[], value: unknown): NdArray {
  const { dtype } = rows[0] as NdArray
  const width = widthOf(dtype)
  const data = allocate(dtype, rows.length * sizeOf(shape) * width) as unknown as unknown[]
  let out = 0
  const visit = (row: NdArray, position: readonly number[]): void => {
    if (position.length < shape.length) {
      for (let i = 0; i < (shape[position.length] ?? 0); i++) visit(row, [...position, i])
      return
    }
    const inside = position.every((p, axis) => p < (row.shape[axis] ?? 0))
    const from = position.reduce((sum, p, axis) => sum * (row.shape[axis] ?? 0) + p, 0)
    for (let part = 0; part < width; part++) data[out++] = inside ? row.data[from * width + part] : part === 0 ? value : 0
  }
  for (const row of rows) visit(row, [])
  return { dtype, shape: [rows.length, ...shape], data } as unknown as NdArray
}

describe('padStack', () => {
  test('pads to the longest in the batch with zeros', () => {
    expect(padStack([ndarray([1]), ndarray([2, 3]), ndarray([])])).toEqual({ dtype: 'float32', shape: [3, 2], data: Float32Array.of(1, 0, 2, 3, 0, 0) })
  })

  test.each(DTYPES)('agrees with the clear form for %s of any shape', (dtype) => {
    const zero = dtype === 'string' ? '' : dtype.endsWith('int64') ? 0n : 0
    fc.assert(
      fc.property(
        fc.nat(3).chain((rank) => fc.array(fc.array(fc.nat(3), { minLength: rank, maxLength: rank }).chain((shape) => arrayOf(dtype, shape)), { minLength: 1, maxLength: 4 })),
        fc.boolean(), fc.nat(2),
        (list, fixed, extra) => {
          const rows = list as NdArray[]
          const longest = (rows[0]?.shape ?? []).map((_, axis) => Math.max(...rows.map((row) => row.shape[axis] ?? 0)))
          const target = longest.map((length) => length + (fixed ? extra : 0))
          expect(equal(padStack(rows, fixed ? { shapes: target } : {}), reference(rows, target, zero))).toBe(true)
          const value = { bool: true, string: 'p', int64: 7n, uint64: 7n }[dtype as string] ?? 7
          if (dtype !== 'float16' && dtype !== 'bfloat16') {
            expect(equal(padStack(rows, { values: value }), reference(rows, longest, value === true ? 1 : value))).toBe(true)
          }
        }
      ),
      { numRuns: 40 }
    )
  })

  test('without NdArrays of different shapes it is stack', () => {
    fc.assert(fc.property(elements(), (list) => expect(equal(padStack(list), stack(list))).toBe(true)))
  })

  test('takes shapes and values per leaf; -1, null and what is left out mean the longest', () => {
    const batch = padStack(
      [{ a: Int32Array.of(1), b: [ndarray(['x']), ndarray([[1], [2]])], n: 1 }, { a: Int32Array.of(2, 3), b: [ndarray(['y', 'z']), ndarray([[3, 4]])], n: 2 }],
      { shapes: { a: [3], b: [null, [-1, 3]], n: [] }, values: { a: -1, b: ['?', null] } }
    )
    expect(batch).toEqual({
      a: { dtype: 'int32', shape: [2, 3], data: Int32Array.of(1, -1, -1, 2, 3, -1) },
      b: [
        { dtype: 'string', shape: [2, 2], data: ['x', '?', 'y', 'z'] },
        { dtype: 'float32', shape: [2, 2, 3], data: Float32Array.of(1, 0, 0, 2, 0, 0, 3, 4, 0, 0, 0, 0) }
      ],
      n: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) }
    })
  })

  test('one value in place of a structure stands for all leaves', () => {
    const batch = padStack([{ a: Int8Array.of(1), b: Int16Array.of(1) }, { a: new Int8Array(2), b: new Int16Array(0) }], { values: -1 })
    expect([[...batch.a.data], [...batch.b.data]]).toEqual([[1, -1, 0, 0], [1, -1]])
  })

  test('bytes stay a list, ragged arrays stay ragged', () => {
    const bytes = Uint8Array.of(1, 2)
    const batch = padStack([{ y: bytes, r: ragged('int8', Int8Array.of(1), []) }, { y: new Uint8Array(0), r: ragged('int8', Int8Array.of(2, 3), []) }])
    expect(batch.y[0]).toBe(bytes)
    expect(batch.r.rowSplits).toEqual([Int32Array.of(0, 1, 3)])
  })

  test('passes the dtype of plain numbers on', () => {
    expect(padStack([{ n: 1 }], { numbers: 'int32' }).n.dtype).toBe('int32')
    expect(() => padStack([16777217])).toThrow('cannot be held exactly as float32')
  })

  test('an element that is longer than a fixed length is an error with both shapes', () => {
    expect(() => padStack([{ a: ndarray([1]) }, { a: ndarray([1, 2, 3]) }], { shapes: { a: [2] } }, 10)).toThrow(
      expect.objectContaining({ kind: 'Mismatch', index: 11, keyPath: 'a', message: expect.stringContaining('element 11 has shape [3] at a, which is longer than the fixed shape [2]') })
    )
  })

  test('different ranks are an error with both shapes', () => {
    expect(() => padStack([ndarray([1]), ndarray([[1]])], {}, 4)).toThrow('element 5 has shape [1, 1], but element 4 has shape [1]')
    expect(() => padStack([ndarray([1])], { shapes: [2, 2] })).toThrow('shapes is [2, 2], of rank 2, but the elements have rank 1 there')
    expect(() => padStack([scalar(1, 'int8'), ndarray(Int8Array.of(1))])).toThrow('element 1 has shape [1], but element 0 has shape []')
  })

  test.each([
    ['shapes has b, which the elements do not have', { shapes: { b: [1] } }],
    ['values has b, which the elements do not have', { values: { b: 1 } }],
    ['shapes is an array of 1, but the elements have an object { a } there', { shapes: [2] }],
    ['shapes at a must be a list', { shapes: { a: 3 } }],
    ['shapes at a must be a list', { shapes: { a: [-2] } }],
    ['values at a is an array of 1', { values: { a: [1] } }],
    ['the value "x" (string) at a is no int8 value', { values: { a: 'x' } }]
  ])('refuses options that do not fit: %s', (text, options) => {
    expect(() => padStack([{ a: Int8Array.of(1) }], options as object)).toThrow(expect.objectContaining({ kind: 'Mismatch', message: expect.stringContaining(text) }))
  })

  test('a pad value must fit the dtype exactly', () => {
    expect(() => padStack([Int8Array.of(1)], { values: 128 })).toThrow(expect.objectContaining({ kind: 'Lossy' }))
    expect(() => padStack([ndarray(new Uint16Array(1), [1], 'float16')], { values: 1 })).toThrow(expect.objectContaining({ kind: 'Unsupported' }))
  })

  test('a shape for something that is not padded is an error', () => {
    expect(() => padStack([new Uint8Array(2)], { shapes: [4] })).toThrow('bytes (Uint8Array) there, which is not padded')
  })

  test('the reusable form pads each batch by itself', () => {
    const run = padStacker()
    expect(run([ndarray([1]), ndarray([1, 2])]).shape).toEqual([2, 2])
    expect(run([ndarray([1])]).shape).toEqual([1, 1])
    expect(run([ndarray([[1]])], 3).shape).toEqual([1, 1, 1])
  })
})
