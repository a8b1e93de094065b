import { describe, expect, test } from '@jest/globals'
import { byteLengthOf } from '../../src/array/byte-length.js'
import { ndarray } from '../../src/array/ndarray.js'

describe('byteLengthOf', () => {
  test.each([
    [8, 1], [8, true], [8, 1n], [8, null], [6, 'abc'], [5, new Uint8Array(5)], [4, new Float32Array(4).subarray(1, 2)], [7, new ArrayBuffer(7)]
  ])('%d for a leaf', (bytes, element) => {
    expect(byteLengthOf(element)).toBe(bytes)
  })

  test('is the payload and a little for structure', () => {
    const bytes = byteLengthOf({ image: ndarray(new Uint8Array(150_528), [224, 224, 3]), label: 3, names: ['a', 'b'] })
    expect(bytes).toBeGreaterThanOrEqual(150_528 + 8 + 4)
    expect(bytes).toBeLessThan(151_000)
  })

  test('sees the data of instances, and ends on cycles', () => {
    class Tensor { dtype = 'float32'; shape = [250]; data = new Float32Array(250) }
    expect(byteLengthOf(new Tensor())).toBeGreaterThanOrEqual(1000)
    const loop: { self?: unknown } = {}
    loop.self = loop
    expect(byteLengthOf(loop)).toBeLessThan(10_000)
  })
})
