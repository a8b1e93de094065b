import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ndarray, ragged } from '../../src/array/ndarray.js'
import { batchSpec, formatSpec, isLeafSpec, mergeSpecs, specOf } from '../../src/array/spec.js'
import { stack } from '../../src/array/stack.js'
import { elements } from './arbitrary.js'

describe('specOf', () => {
  test.each([
    ['float32[]', 1], ['bool[]', true], ['int64[]', 1n], ['string[]', 'a'], ['bytes[]', new Uint8Array(3)], ['int16[2]', new Int16Array(2)],
    ['uint8[2]', new Uint8ClampedArray(2)], ['float32[2, 1]', ndarray([[1], [2]])], ['int8[2]', ragged('int8', new Int8Array(2), [])],
    ['int8[1, ?]', ragged('int8', new Int8Array(2), [Int32Array.of(0, 2)])], ['bytes[2]', [new Uint8Array(1), new Uint8Array(2)]], ['[]', []], ['{}', {}],
    ['unknown', null], ['unknown', undefined], ['unknown', new Date()], ['{ a: [float32[], string[]], "b c": bool[] }', { a: [1, 'x'], 'b c': false }]
  ])('%s', (text, element) => {
    expect(formatSpec(specOf(element))).toBe(text)
  })

  test('reports plain numbers as the dtype that they are batched to', () => {
    expect(specOf({ a: 1 }, 'int32')).toEqual({ a: { dtype: 'int32', shape: [] } })
  })

  test('a structure with a member called dtype is no leaf', () => {
    expect(isLeafSpec(specOf({ dtype: 'x', shape: [1] }))).toBe(false)
  })
})

describe('mergeSpecs', () => {
  const merged = (a: unknown, b: unknown) => formatSpec(mergeSpecs(specOf(a), specOf(b)))
  test('opens axes that differ', () => {
    expect(merged({ x: ndarray([[1, 2]]) }, { x: ndarray([[1, 2, 3]]) })).toBe('{ x: float32[1, ?] }')
  })

  test('gives up on leaves whose dtype, rank or structure differ', () => {
    expect(merged([1, ndarray([1]), { a: 1 }, [1], 1], [1n, ndarray([[1]]), { b: 1 }, [1, 2], { a: 1 }])).toBe('[unknown, unknown, unknown, unknown, unknown]')
  })
})

describe('batchSpec', () => {
  test('puts the size in front', () => {
    expect(formatSpec(batchSpec(specOf({ x: ndarray([1, 2]), y: [1], z: new Uint8Array(1), u: null }), 128))).toBe(
      '{ x: float32[128, 2], y: [float32[128]], z: bytes[128], u: unknown }'
    )
    expect(formatSpec(batchSpec(specOf(1)))).toBe('float32[?]')
  })

  test('is the spec of the batch', () => {
    fc.assert(fc.property(elements(), (list) => {
      const spec = list.map((element) => specOf(element)).reduce(mergeSpecs)
      const actual = specOf(stack(list))
      // Only ragged axes know more of one batch than the spec does.
      expect(formatSpec(mergeSpecs(batchSpec(spec, list.length), actual))).toBe(formatSpec(mergeSpecs(actual, batchSpec(spec, list.length))))
      expect(formatSpec(mergeSpecs(batchSpec(spec, list.length), actual))).not.toContain('unknown')
    }))
  })
})
