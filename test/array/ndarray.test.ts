import { describe, expect, test } from '@jest/globals'
import { bytesPerValue, dtypeOfArray, isBytes, isDType, isNumericArray } from '../../src/array/dtype.js'
import { isNdArray, isRaggedArray, ndarray, ragged, scalar } from '../../src/array/ndarray.js'

describe('ndarray', () => {
  test.each([
    [Int8Array, 'int8'], [Uint8Array, 'uint8'], [Uint8ClampedArray, 'uint8'], [Int16Array, 'int16'], [Uint16Array, 'uint16'], [Int32Array, 'int32'],
    [Uint32Array, 'uint32'], [Float32Array, 'float32'], [Float64Array, 'float64'], [BigInt64Array, 'int64'], [BigUint64Array, 'uint64']
  ] as const)('%p becomes %s without a copy', (Class, dtype) => {
    const data = new Class(6)
    const array = ndarray(data, [2, 3])
    expect(array).toMatchObject({ dtype, shape: [2, 3] })
    expect(array.data.buffer).toBe(data.buffer)
    expect(ndarray(data).shape).toEqual([6])
    expect(dtypeOfArray(data)).toBe(dtype)
  })

  test('clamped bytes become a Uint8Array over the same memory', () => {
    const { data } = ndarray(new Uint8ClampedArray(4).subarray(1, 3))
    expect(data.constructor).toBe(Uint8Array)
    expect([data.byteOffset, data.length]).toEqual([1, 2])
  })

  test('takes another dtype that the same class holds', () => {
    expect(ndarray(Uint8Array.of(0, 1), [2], 'bool').dtype).toBe('bool')
    expect(ndarray(new Float32Array(4), [2], 'complex64').shape).toEqual([2])
    expect(ndarray(new Float64Array(4), undefined, 'complex128').shape).toEqual([2])
    expect(() => ndarray(new Float64Array(2) as never, [2], 'float32')).toThrow(TypeError)
  })

  test('infers shape and dtype of nested arrays', () => {
    expect(ndarray([[1, 2, 3], [4, 5, 6]])).toEqual({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) })
    expect(ndarray([[[true]], [[false]]])).toEqual({ dtype: 'bool', shape: [2, 1, 1], data: Uint8Array.of(1, 0) })
    expect(ndarray([1n])).toEqual({ dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) })
    expect(ndarray([['a', 'b']])).toEqual({ dtype: 'string', shape: [1, 2], data: ['a', 'b'] })
    expect(ndarray([])).toEqual({ dtype: 'float32', shape: [0], data: new Float32Array(0) })
    expect(ndarray([[], []]).shape).toEqual([2, 0])
  })

  test('takes a shape and a dtype for nested arrays', () => {
    expect(ndarray([1, 2, 3, 4], [2, 2], 'int8')).toEqual({ dtype: 'int8', shape: [2, 2], data: Int8Array.of(1, 2, 3, 4) })
    expect(ndarray([1, 2n] as never, undefined, 'uint64').data).toEqual(BigUint64Array.of(1n, 2n))
    expect(ndarray([1], []).shape).toEqual([])
  })

  test.each([
    [[[1, 2], [3]]], [[[1], 2]], [[1, [2]]], [[[[1], [2]], [[3]]]], [[[[1]], [2]]]
  ])('refuses ragged nesting: %j', (nested) => {
    expect(() => ndarray(nested as never)).toThrow('ragged nesting')
  })

  test('refuses what is lost, what is of another kind, and shapes that do not fit', () => {
    expect(() => ndarray([16777217])).toThrow(expect.objectContaining({ kind: 'Lossy' }))
    expect(() => ndarray([300], [1], 'uint8')).toThrow(expect.objectContaining({ kind: 'Lossy' }))
    expect(() => ndarray([1, 'a'] as never)).toThrow(TypeError)
    expect(() => ndarray([undefined] as never)).toThrow(TypeError)
    expect(() => ndarray([1], [1], 'float' as never)).toThrow('unknown dtype float')
    expect(() => ndarray([1], [1], 'complex64')).toThrow(TypeError)
    expect(() => ndarray('abc' as never)).toThrow(TypeError)
    expect(() => ndarray(new DataView(new ArrayBuffer(1)) as never)).toThrow(TypeError)
    expect(() => ndarray([1, 2], [3])).toThrow(RangeError)
    expect(() => ndarray(new Int8Array(2), [-1])).toThrow(RangeError)
    expect(() => ndarray(new Int8Array(2), [0.5, 4])).toThrow(RangeError)
  })

  test('does not keep the caller’s shape', () => {
    const shape = [2]
    const array = ndarray([1, 2], shape)
    shape[0] = 5
    expect(array.shape).toEqual([2])
  })
})

describe('scalar', () => {
  test('has rank 0 and the dtype asked for', () => {
    expect(scalar(5, 'int32')).toEqual({ dtype: 'int32', shape: [], data: Int32Array.of(5) })
    expect(scalar(5, 'uint64')).toEqual({ dtype: 'uint64', shape: [], data: BigUint64Array.of(5n) })
    expect(scalar(true, 'bool')).toEqual({ dtype: 'bool', shape: [], data: Uint8Array.of(1) })
    expect(scalar('a', 'string')).toEqual({ dtype: 'string', shape: [], data: ['a'] })
    expect(scalar(2, 'complex64')).toEqual({ dtype: 'complex64', shape: [], data: Float32Array.of(2, 0) })
    expect(scalar(0.1, 'float32').data[0]).toBe(Math.fround(0.1))
  })

  test('refuses values that the dtype does not hold', () => {
    expect(() => scalar(2 ** 31, 'int32')).toThrow(expect.objectContaining({ kind: 'Lossy' }))
    expect(() => scalar(-1n, 'uint64')).toThrow(expect.objectContaining({ kind: 'Lossy' }))
    expect(() => scalar('1', 'int32')).toThrow(TypeError)
    expect(() => scalar(1, 'bool')).toThrow(TypeError)
  })
})

describe('recognition', () => {
  test('goes by structure, not by class', () => {
    class Tensor { dtype = 'int8'; shape = [1]; data = new Int8Array(1) }
    expect(isNdArray(new Tensor())).toBe(true)
    expect(isRaggedArray(ragged('int8', new Int8Array(1), []))).toBe(true)
    for (const value of [null, 1, {}, { dtype: 'tiny', shape: [], data: [] }, { dtype: 'int8', shape: 1, data: [] }, { dtype: 'int8', shape: [], data: 1 }, { dtype: 'toString', shape: [], data: [] }]) {
      expect(isNdArray(value)).toBe(false)
      expect(isRaggedArray(value)).toBe(false)
    }
    expect(isDType('constructor')).toBe(false)
  })

  test('tells byte strings from typed arrays', () => {
    expect([isBytes(new Uint8Array(1)), isBytes(Buffer.from('a')), isBytes(new Int8Array(1)), isBytes([])]).toEqual([true, true, false, false])
    expect([isNumericArray(new Uint8Array(1)), isNumericArray(new Int8Array(1)), isNumericArray(new DataView(new ArrayBuffer(1)))]).toEqual([false, true, false])
  })

  test('knows the bytes of a value', () => {
    expect([bytesPerValue('bool'), bytesPerValue('float32'), bytesPerValue('complex128'), bytesPerValue('string')]).toEqual([1, 4, 16, 0])
  })
})

describe('ragged', () => {
  test.each([
    ['begins with 0', Int8Array.of(1), [Int32Array.of(1, 1)]],
    ['begins with 0', Int8Array.of(1), [new Int32Array(0)]],
    ['begins with 0', Int8Array.of(1), [[0, 1]]],
    ['must not decrease (at 2)', Int8Array.of(1), [Int32Array.of(0, 2, 1)]],
    ['end at 2, but there are 1 values', Int8Array.of(1), [Int32Array.of(0, 2)]],
    ['end at 1, but there are 2 inner rows', Int8Array.of(1), [Int32Array.of(0, 1), Int32Array.of(0, 0, 1)]],
    ['not in a Int16Array', Int16Array.of(1), [Int32Array.of(0, 1)]]
  ])('refuses row splits: %s', (text, data, splits) => {
    expect(() => ragged('int8', data as Int8Array, splits as Int32Array[])).toThrow(text)
  })
})
