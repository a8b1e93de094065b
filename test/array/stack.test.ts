import { describe, expect, test } from '@jest/globals'
import { ndarray, ragged, scalar } from '../../src/array/ndarray.js'
import { DTYPES, allocate, isNumberDType, widthOf } from '../../src/array/dtype.js'
import { stack, stacker } from '../../src/array/stack.js'
import { isMillraceError, type ErrorKind, type MillraceError } from '../../src/errors.js'

/** The error that a function throws, which must be of that kind. */
function fault(kind: ErrorKind, body: () => unknown): MillraceError {
  try {
    body()
  } catch (error) {
    if (isMillraceError(error, kind)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('stack', () => {
  test('turns numbers into float32', () => {
    expect(stack([1, 2.5, -0, NaN, Infinity])).toEqual({ dtype: 'float32', shape: [5], data: Float32Array.of(1, 2.5, -0, NaN, Infinity) })
  })

  test('turns booleans into bool, bigints into int64 and strings into string', () => {
    expect(stack([true, false])).toEqual({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) })
    expect(stack([1n, -(2n ** 63n)])).toEqual({ dtype: 'int64', shape: [2], data: BigInt64Array.of(1n, -(2n ** 63n)) })
    expect(stack(['a', ''])).toEqual({ dtype: 'string', shape: [2], data: ['a', ''] })
  })

  test('keeps bytes as a list of the very same arrays, whatever their lengths', () => {
    const rows = [Uint8Array.of(1, 2), Uint8Array.of(3, 4)]
    const batch = stack(rows)
    expect(batch).toHaveLength(2)
    expect(batch[0]).toBe(rows[0])
    expect(stack([Uint8Array.of(1), new Uint8Array(0), Buffer.from('ab')])).toHaveLength(3)
  })

  test.each(DTYPES)('puts NdArrays of %s along a new first axis', (dtype) => {
    const row = (seed: number) => {
      const data = allocate(dtype, 6 * widthOf(dtype)) as unknown[]
      for (let i = 0; i < data.length; i++) data[i] = dtype === 'string' ? `${seed}${i}` : dtype === 'int64' || dtype === 'uint64' ? BigInt(seed + i) : seed + i
      return { dtype, shape: [2, 3], data } as unknown as ReturnType<typeof ndarray>
    }
    const batch = stack([row(1), row(20)])
    expect(batch.dtype).toBe(dtype)
    expect(batch.shape).toEqual([2, 2, 3])
    expect([...batch.data as unknown as unknown[]]).toEqual([...row(1).data as unknown as unknown[], ...row(20).data as unknown as unknown[]])
    expect((batch.data as object).constructor).toBe((row(1).data as object).constructor)
  })

  test('takes scalars and empty arrays', () => {
    expect(stack([scalar(3, 'int32'), scalar(4, 'int32')])).toEqual({ dtype: 'int32', shape: [2], data: Int32Array.of(3, 4) })
    expect(stack([ndarray(new Float32Array(0), [0, 3]), ndarray(new Float32Array(0), [0, 3])]).shape).toEqual([2, 0, 3])
  })

  test('takes typed arrays as rank-1 NdArrays', () => {
    expect(stack([Int16Array.of(1, 2), Int16Array.of(3, 4)])).toEqual({ dtype: 'int16', shape: [2, 2], data: Int16Array.of(1, 2, 3, 4) })
    expect(stack([Uint8ClampedArray.of(1), Uint8ClampedArray.of(2)])).toEqual({ dtype: 'uint8', shape: [2, 1], data: Uint8Array.of(1, 2) })
    expect(stack<unknown>([Float32Array.of(1), ndarray([2])])).toEqual({ dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, 2) })
  })

  test('copies: a batch shares no memory with its elements', () => {
    const row = Float32Array.of(1, 2)
    const batch = stack([row, row])
    row[0] = 9
    expect([...batch.data]).toEqual([1, 2, 1, 2])
  })

  test('copies only the part that a view shows', () => {
    const all = Float32Array.of(0, 1, 2, 3)
    expect([...stack([all.subarray(1, 3), all.subarray(2, 4)]).data]).toEqual([1, 2, 2, 3])
  })

  test('keeps objects and arrays as structure', () => {
    const batch = stack([{ x: [1, 'a'] as [number, string], y: { z: true } }, { y: { z: false }, x: [2, 'b'] as [number, string] }])
    expect(batch).toEqual({
      x: [{ dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) }, { dtype: 'string', shape: [2], data: ['a', 'b'] }],
      y: { z: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) } }
    })
  })

  test('keeps a member called __proto__', () => {
    const element = JSON.parse('{"__proto__": 1, "a": 2}') as object
    expect(Object.keys(stack([element]))).toEqual(['__proto__', 'a'])
  })

  test('gives ragged rows one more outer row split', () => {
    const batch = stack([ragged('int32', Int32Array.of(1, 2), []), ragged('int32', new Int32Array(0), []), ragged('int32', Int32Array.of(3), [])])
    expect(batch).toEqual({ dtype: 'int32', data: Int32Array.of(1, 2, 3), rowSplits: [Int32Array.of(0, 2, 2, 3)] })
    const a = ragged('string', ['a', 'b', 'c'], [Int32Array.of(0, 1, 3)])
    const b = ragged('string', ['d'], [Int32Array.of(0, 0, 1, 1)])
    expect(stack([a, b])).toEqual({ dtype: 'string', data: ['a', 'b', 'c', 'd'], rowSplits: [Int32Array.of(0, 2, 5), Int32Array.of(0, 1, 3, 3, 4, 4)] })
    const deep = ragged('complex64', Float32Array.of(1, 2, 3, 4), [Int32Array.of(0, 2), Int32Array.of(0, 1, 2)])
    expect(stack([deep, deep])).toEqual({
      dtype: 'complex64', data: Float32Array.of(1, 2, 3, 4, 1, 2, 3, 4), rowSplits: [Int32Array.of(0, 1, 2), Int32Array.of(0, 2, 4), Int32Array.of(0, 1, 2, 3, 4)]
    })
  })

  test('always makes NdArrays with the properties dtype, shape, data in that order', () => {
    const batches = [stack([1]), stack([1], { numbers: 'int32' }), stack([1n]), stack([true]), stack(['']), stack([ndarray([1])])]
    for (const batch of batches) expect(Object.keys(batch)).toEqual(['dtype', 'shape', 'data'])
  })

  test('refuses an empty list', () => {
    expect(() => stack([])).toThrow(RangeError)
  })
})

describe('stack, dtype of numbers', () => {
  test.each(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'float64'] as const)('stores them as %s', (numbers) => {
    const batch = stack([1, 2], { numbers })
    expect(batch.dtype).toBe(numbers)
    expect([...batch.data]).toEqual([1, 2])
  })

  test('stores them as int64 and uint64', () => {
    expect([...stack([-1, 2 ** 53], { numbers: 'int64' }).data]).toEqual([-1n, 2n ** 53n])
    expect([...stack([0, 2 ** 63], { numbers: 'uint64' }).data]).toEqual([0n, 2n ** 63n])
  })

  test('leaves bigints, booleans and NdArrays alone', () => {
    const batch = stack([{ a: 1n, b: true, c: ndarray([1]) }], { numbers: 'int8' })
    expect([batch.a.dtype, batch.b.dtype, batch.c.dtype]).toEqual(['int64', 'bool', 'float32'])
  })

  test.each([
    ['int8', 128], ['int8', -129], ['int8', 0.5], ['uint8', -1], ['uint8', 256], ['int16', 2 ** 15], ['uint16', 2 ** 16], ['int32', 2 ** 31],
    ['uint32', 2 ** 32], ['int32', NaN], ['uint32', Infinity], ['int64', 2 ** 63], ['int64', 0.5], ['int64', NaN], ['uint64', -1], ['uint64', 2 ** 64]
  ] as const)('%s cannot hold %d', (numbers, value) => {
    expect(fault('Lossy', () => stack([0, value], { numbers }))).toMatchObject({ index: 1 })
  })

  test('float32 holds every integer up to 2^24 and refuses those that it would change', () => {
    expect(stack([2 ** 24, 2 ** 24 + 2, -(2 ** 100)]).data).toEqual(Float32Array.of(2 ** 24, 2 ** 24 + 2, -(2 ** 100)))
    fault('Lossy', () => stack([2 ** 24 + 1]))
    fault('Lossy', () => stack([1e300]))
  })

  test('the error says where, which value, and how to ask for another dtype', () => {
    const error = fault('Lossy', () => stack([{ id: [1] }, { id: [16777217] }], {}, 40))
    expect(error).toMatchObject({ index: 41, keyPath: 'id[0]' })
    expect(error.message).toBe(
      "element 41: 16777217 at id[0] cannot be held exactly as float32. Ask for another dtype: batch(n, { numbers: 'int32' | 'float64' | 'int64' | 'uint64' }) " +
      "for all numbers, or scalar(x, 'int32') for this one."
    )
  })

  test('bigints outside int64 are refused', () => {
    const error = fault('Lossy', () => stack([0n, 2n ** 63n]))
    expect(error.message).toContain("scalar(x, 'uint64')")
    expect(error.index).toBe(1)
    fault('Lossy', () => stack([-(2n ** 63n) - 1n]))
  })

  test('a dtype that cannot hold plain numbers is a TypeError at the call', () => {
    for (const dtype of DTYPES.filter((name) => !isNumberDType(name))) expect(() => stacker({ numbers: dtype as never })).toThrow(TypeError)
    expect(() => stacker({ numbers: 'int' as never })).toThrow(TypeError)
  })
})

describe('stack, mismatches', () => {
  test('names both shapes, the path and the elements', () => {
    const error = fault('Mismatch', () => stack([{ x: ndarray([1, 2]) }, { x: ndarray([3, 4]) }, { x: ndarray([[3, 4]]) }], {}, 7))
    expect(error).toMatchObject({ index: 9, keyPath: 'x' })
    expect(error.message).toBe(
      'cannot stack element 9: it has shape [1, 2] at x, but element 7 has shape [2] (float32). Make the shapes equal in a map, or use paddedBatch.'
    )
  })

  test('names both dtypes', () => {
    const error = fault('Mismatch', () => stack<unknown>([ndarray(Int32Array.of(1)), ndarray([1])], {}, 3))
    expect(error.message).toContain('element 4: it has an NdArray float32 [1], but element 3 has an NdArray int32 [1]')
  })

  test.each([
    ['a number', 1], ['a boolean', true], ['a bigint', 1n], ['a string', 'a'], ['bytes (Uint8Array)', new Uint8Array(1)], ['an NdArray float32 [1]', ndarray([1])],
    ['an NdArray float64 [2]', new Float64Array(2)], ['a RaggedArray int32 with 1 row splits', ragged('int32', Int32Array.of(1), [Int32Array.of(0, 1)])],
    ['an array of 2', [1, 2]], ['an object { a }', { a: 1 }], ['an object without keys', {}]
  ])('%s does not stack with anything else', (text, value) => {
    const others: unknown[] = [1, true, 1n, 'a', new Uint8Array(1), Int8Array.of(1), ragged('int8', Int8Array.of(1), []), [1], { b: 1 }, { a: 1, b: 2 }]
    for (const other of others) {
      if (typeof other === typeof value && typeof value !== 'object') continue
      if (ArrayBuffer.isView(value) && value.constructor === (other as object).constructor) continue
      const error = fault('Mismatch', () => stack([{ k: other }, { k: value }]))
      expect(error).toMatchObject({ index: 1, keyPath: 'k' })
      expect(error.message).toContain(`element 1: it has ${text} at k`)
    }
  })

  test.each([
    ['undefined', undefined], ['null', null], ['a function', () => 1], ['a symbol', Symbol('x')], ['an instance of Date', new Date(0)],
    ['an instance of Map', new Map()], ['an instance of Point', new (class Point { x = 1 })()], ['an instance of DataView', new DataView(new ArrayBuffer(1))],
    ['an instance of Promise', Promise.resolve(1)]
  ])('%s cannot be stacked, as first element or later', (text, value) => {
    const first = fault('Mismatch', () => stack([{ 'a b': [0, value] }], {}, 5))
    expect(first).toMatchObject({ index: 5, keyPath: '["a b"][1]' })
    expect(first.message).toContain(`element 5: it has ${text} at ["a b"][1]`)
    const later = fault('Mismatch', () => stack([{ x: 1 as unknown }, { x: value }], {}, 5))
    expect(later).toMatchObject({ index: 6, keyPath: 'x' })
    expect(later.message).toContain(text)
  })

  test('a missing, an additional and a renamed key are mismatches', () => {
    for (const other of [{ a: 1 }, { a: 1, b: 2, c: 3 }, { a: 1, c: 2 }]) {
      expect(fault('Mismatch', () => stack<object>([{ a: 1, b: 2 }, other])).message).toContain('element 0 has an object { a, b }')
    }
  })

  test('arrays of different lengths are told about ndarray and paddedBatch', () => {
    expect(fault('Mismatch', () => stack([[1, 2], [1]])).message).toContain('ndarray()')
  })

  test.each([
    ['too few values', { dtype: 'int8', shape: [2], data: new Int8Array(1) }],
    ['data of another class', { dtype: 'int8', shape: [2], data: new Float32Array(2) }],
    ['an axis that is no length', { dtype: 'int8', shape: [-1], data: new Int8Array(2) }]
  ])('an NdArray with %s is refused, as first element or later', (_, value) => {
    expect(fault('Mismatch', () => stack<unknown>([value])).message).toContain('not valid')
    fault('Mismatch', () => stack<unknown>([ndarray(Int8Array.of(1, 2)), value]))
  })

  test('a RaggedArray whose splits do not fit is refused', () => {
    const value = { dtype: 'int8', data: new Int8Array(2), rowSplits: [Int32Array.of(0, 1)] }
    expect(fault('Mismatch', () => stack<unknown>([value])).message).toContain('row splits 0 end at 1')
  })
})

describe('stacker', () => {
  test('gives the same as stack, batch after batch, with other shapes', () => {
    const run = stacker({ numbers: 'int32' })
    expect(run([{ a: 1, b: ndarray([1, 2]) }])).toEqual(stack([{ a: 1, b: ndarray([1, 2]) }], { numbers: 'int32' }))
    expect(run([{ b: ndarray([1]), a: 2 }, { b: ndarray([2]), a: 3 }])).toEqual(stack([{ a: 2, b: ndarray([1]) }, { a: 3, b: ndarray([2]) }], { numbers: 'int32' }))
  })

  test('a batch depends on its own elements alone, whatever came before', () => {
    const run = stacker()
    expect(run([1, 2] as unknown[])).toEqual(stack([1, 2]))
    expect(run(['a'] as unknown[])).toEqual(stack(['a']))
    expect(run([{ a: 1 }] as unknown[])).toEqual(stack([{ a: 1 }]))
    expect(run([{ a: 1, b: 2 }] as unknown[])).toEqual(stack([{ a: 1, b: 2 }]))
    expect(run([new Int8Array(2)] as unknown[])).toEqual(stack([new Int8Array(2)]))
    expect(run([new Float32Array(2)] as unknown[])).toEqual(stack([new Float32Array(2)]))
    expect(run([[1, 2]] as unknown[])).toEqual(stack([[1, 2]]))
  })
  test('learns nothing from a first batch that failed', () => {
    const run = stacker()
    fault('Mismatch', () => run([null]))
    expect(run([1]).shape).toEqual([1])
  })
})
