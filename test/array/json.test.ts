import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { equal } from '../../src/array/equal.js'
import { decodeJson, encodeJson, fromBase64, toBase64 } from '../../src/array/json.js'
import { ndarray, ragged } from '../../src/array/ndarray.js'
import type { Json } from '../../src/types.js'
import { elements } from './arbitrary.js'

const travel = (value: unknown): unknown => decodeJson(JSON.parse(JSON.stringify(encodeJson(value))) as Json)

describe('encodeJson and decodeJson', () => {
  test.each([
    [null], [undefined], [true], [0], [-0], [1e-300], [NaN], [Infinity], [-Infinity], [2n ** 70n], [-1n], [''], ['text'], ['\ud800'], [[]], [{}],
    [{ $: 1 }], [{ $: 'bigint', v: '1' }], [{ $a: undefined }], [JSON.parse('{"__proto__": {"a": 1}}')], [[undefined, [null]]], [new Uint8Array(0)],
    [ndarray([[1, 2]])], [ndarray(['a'])], [ragged('int8', Int8Array.of(1), [Int32Array.of(0, 1)])]
  ])('gives %p back', (value) => {
    expect(equal(travel(value), value)).toBe(true)
  })

  test.each([
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array
  ])('gives a %p back, also a view that begins in mid-buffer', (Class) => {
    const view = Class.from([9, 1, 255, 3]).subarray(1, 3)
    const copy = travel(view) as typeof view
    expect(copy).toEqual(view)
    expect(copy.constructor).toBe(Class)
    expect(copy.byteLength).toBe(copy.buffer.byteLength)
  })

  test('gives 64-bit arrays and Buffers back', () => {
    expect(travel(BigInt64Array.of(-1n, 2n ** 62n))).toEqual(BigInt64Array.of(-1n, 2n ** 62n))
    expect(travel(BigUint64Array.of(2n ** 64n - 1n))).toEqual(BigUint64Array.of(2n ** 64n - 1n))
    expect(travel(Buffer.from('abc'))).toEqual(Uint8Array.of(97, 98, 99))
  })

  test('gives any value back', () => {
    const anything = fc.anything({ withBigInt: true, withTypedArray: true, withSparseArray: false, withNullPrototype: false, key: fc.oneof(fc.string(), fc.constantFrom('$', '$v', 'v', 'a')) })
    fc.assert(fc.property(anything, (value) => expect(equal(travel(value), value)).toBe(true)))
    fc.assert(fc.property(elements(), (value) => expect(equal(travel(value), value)).toBe(true)))
  })

  test('leaves plain JSON as it is, so that states can be read', () => {
    const value = { a: [1, 'x', null, true], b: { c: 0.5 } }
    expect(encodeJson(value)).toEqual(value)
  })

  test('keeps the order of the members of an NdArray', () => {
    expect(Object.keys(travel(ndarray([1])) as object)).toEqual(['dtype', 'shape', 'data'])
  })

  test('takes NdArrays that are instances of a class', () => {
    class Tensor { dtype = 'int8'; shape = [1]; data = Int8Array.of(7); extra = () => 1 }
    expect(travel(new Tensor())).toEqual({ dtype: 'int8', shape: [1], data: Int8Array.of(7) })
  })

  test.each([
    ['a function', () => 1], ['a symbol', Symbol('a')], ['an instance of Date', new Date(0)], ['an instance of Map', new Map()],
    ['an instance of DataView', new DataView(new ArrayBuffer(1))], ['an object', { [Symbol('k')]: 1 }]
  ])('%s cannot be written', (text, value) => {
    expect(() => encodeJson({ a: [value] })).toThrow(
      expect.objectContaining({ kind: 'Checkpoint', keyPath: 'a[0]', message: expect.stringContaining(`cannot write ${text}`) })
    )
  })

  test('a cycle is an error, a shared object is not', () => {
    const loop: { self?: unknown } = {}
    loop.self = [loop]
    expect(() => encodeJson(loop)).toThrow('at self[0] as JSON: the object contains itself')
    const shared = { x: 1 }
    expect(travel([shared, shared])).toEqual([shared, shared])
  })

  test.each([
    [{ $: 'Nothing', v: '' }], [{ $: 'bigint', v: 'x' }], [{ $: 'bigint', v: 1 }], [{ $: 'Float32Array', v: 'AAA=' }], [{ $: 'Uint8Array', v: '!' }],
    [{ $: 'object', v: [['a']] }], [{ $: 'object', v: 1 }], [{ $: 'toString', v: '' }], [{ $: 3 }]
  ])('JSON of another layout is refused: %j', (json) => {
    expect(() => decodeJson(json as Json)).toThrow(expect.objectContaining({ kind: 'Checkpoint' }))
  })
})

describe('base64', () => {
  test('agrees with Buffer for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
      expect(fromBase64(toBase64(bytes))).toEqual(bytes)
    }))
    const long = Uint8Array.from({ length: 100_001 }, (_, i) => i)
    expect(fromBase64(toBase64(long))).toEqual(long)
  })
})
