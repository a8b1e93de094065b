import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { equal } from '../../src/array/equal.js'
import { ndarray } from '../../src/array/ndarray.js'

class Point {
  constructor(readonly x: number) {}
}

describe('equal', () => {
  test.each([
    [NaN, NaN], [[1, [2]], [1, [2]]], [{ a: 1, b: 2 }, { b: 2, a: 1 }], [Float32Array.of(NaN, -0), Float32Array.of(NaN, -0)], [ndarray([1]), ndarray([1])],
    [Buffer.from('a'), Uint8Array.of(97)], [new Date(5), new Date(5)], [new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])], [new Set([1]), new Set([1])],
    [new Point(1), new Point(1)], [Object.create(null), {}], [new DataView(new ArrayBuffer(2)), new DataView(new ArrayBuffer(2))]
  ])('%p equals %p', (a, b) => {
    expect(equal(a, b)).toBe(true)
  })

  test.each([
    [0, -0], [1, 1n], [1, '1'], [null, undefined], [null, {}], [[], {}], [[1], [1, 2]], [{ a: undefined }, {}], [{ a: undefined }, { b: undefined }],
    [Float32Array.of(0), Float32Array.of(-0)], [Float32Array.of(1), Float64Array.of(1)], [Uint8Array.of(1), [1]], [Float32Array.of(1), ndarray([1])],
    [ndarray([1], [1]), ndarray([1], [1, 1])], [ndarray([1], [1], 'int8'), ndarray([1], [1], 'uint8')], [new Date(5), new Date(6)], [new Point(1), { x: 1 }],
    [new Point(1), new Point(2)], [Promise.resolve(1), Promise.resolve(1)], [new Set([1]), new Set([2])], [() => 1, () => 1], [/a/, /b/]
  ])('%p does not equal %p', (a, b) => {
    expect(equal(a, b)).toBe(false)
    expect(equal(b, a)).toBe(false)
  })

  test('agrees with a structural clone of any value', () => {
    fc.assert(fc.property(fc.anything({ withTypedArray: true, withBigInt: true, withDate: true, withMap: true, withSet: true, withSparseArray: false }), (value) => {
      expect(equal(structuredClone(value), value)).toBe(true)
    }))
  })
})
