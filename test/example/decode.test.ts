import { describe, expect, test } from '@jest/globals'
import {
  compileExampleParser, encodeExample, encodeSequenceExample, fixedLen, int64List, parseExample, parseSequenceExample, ragged, varLen,
  type FeatureDType
} from '../../src/example/index.js'

const failing = (kind: string, more: object = {}): unknown => expect.objectContaining({ kind, ...more })

describe('parseExample', () => {
  test('raw bytes become numbers, little-endian and at any alignment', () => {
    const floats = new Float32Array([1, -2.5, 3e38])
    for (let shift = 0; shift < 4; shift++) {
      const record = encodeExample({ ['k'.repeat(shift)]: new Uint8Array(floats.buffer), z: new Uint8Array([255, 255, 1, 0]) })
      const parsed = parseExample(record, { ['k'.repeat(shift)]: fixedLen([3], 'float32', { from: 'bytes' }) })
      expect(parsed).toEqual({ ['k'.repeat(shift)]: { dtype: 'float32', shape: [3], data: floats } })
      const { z } = parseExample(record, { z: fixedLen([1, 2], 'int16', { from: 'bytes' }) })
      expect(z).toEqual({ dtype: 'int16', shape: [1, 2], data: new Int16Array([-1, 1]) })
      expect(parseExample(record, { z: fixedLen([], 'uint32', { from: 'bytes' }) }).z).toBe(0x0001ffff)
    }
  })

  test('raw bytes of another length, or several byte strings, are a Mismatch', () => {
    const record = encodeExample({ x: new Uint8Array(5), y: [new Uint8Array(2), new Uint8Array(2)] })
    expect(() => parseExample(record, { x: fixedLen([4], 'uint8', { from: 'bytes' }) }))
      .toThrow(failing('Mismatch', { keyPath: 'x' }))
    expect(() => parseExample(record, { x: fixedLen([6], 'uint8', { from: 'bytes' }) }))
      .toThrow(/5 values, and shape \[6\] needs 6/)
    expect(() => parseExample(record, { x: varLen('int16', { from: 'bytes' }) })).toThrow(/5 bytes do not divide/)
    expect(() => parseExample(record, { y: varLen('int16', { from: 'bytes' }) })).toThrow(/one byte string/)
  })

  test('integers arrive as the dtype that was asked for, or are Lossy', () => {
    const read = (value: bigint, dtype: Exclude<FeatureDType, 'bytes' | 'string' | 'float16' | 'bfloat16'>): unknown =>
      parseExample(encodeExample({ n: int64List(value) }), { n: fixedLen([], dtype, { from: 'int64' }) }).n
    const limits = [
      ['bool', 0n, 1n], ['int8', -128n, 127n], ['uint8', 0n, 255n], ['int16', -32768n, 32767n], ['uint16', 0n, 65535n],
      ['int32', -(2n ** 31n), 2n ** 31n - 1n], ['uint32', 0n, 2n ** 32n - 1n]
    ] as const
    for (const [dtype, min, max] of limits) {
      for (const value of [min, max]) expect(Number(read(value, dtype))).toBe(Number(value))
      for (const value of [min - 1n, max + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n + 1n]) {
        expect(() => read(value, dtype)).toThrow(failing('Lossy', { keyPath: 'n' }))
      }
    }
    expect(read(2n ** 62n, 'uint64')).toBe(2n ** 62n)
    expect(() => read(-1n, 'uint64')).toThrow(failing('Lossy'))
    for (const value of [2n ** 53n, 2n ** 60n, -(2n ** 63n), 12345n]) expect(read(value, 'float64')).toBe(Number(value))
    for (const value of [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 53n) - 1n]) expect(() => read(value, 'float64')).toThrow(failing('Lossy'))
    expect(read(2n ** 24n, 'float32')).toBe(2 ** 24)
    expect(() => read(2n ** 24n + 1n, 'float32')).toThrow(failing('Lossy'))
  })

  test('text is checked UTF-8, bytes are views of the record', () => {
    const record = encodeExample({ s: 'grün 🌾', long: 'ü'.repeat(100), b: new Uint8Array([255]) })
    const { s, long, b } = parseExample(record, { s: fixedLen([], 'string'), long: fixedLen([1], 'string'), b: fixedLen([], 'bytes') })
    expect(s).toBe('grün 🌾')
    expect(long.data).toEqual(['ü'.repeat(100)])
    expect(b.buffer).toBe(record.buffer)
    expect(() => parseExample(record, { b: fixedLen([], 'string') })).toThrow(failing('Corrupt', { keyPath: 'b' }))
  })

  test('a default value fills a missing feature and belongs to the element', () => {
    const parse = compileExampleParser({
      x: fixedLen([2, 2], 'float32', { defaultValue: 0.5 }), s: fixedLen([2], 'string', { defaultValue: ['a', 'b'] }),
      y: fixedLen([], 'bool', { defaultValue: true }), b: fixedLen([], 'bytes', { defaultValue: new Uint8Array([9]) })
    })
    const first = parse(encodeExample({}))
    expect(first).toEqual({
      x: { dtype: 'float32', shape: [2, 2], data: new Float32Array(4).fill(0.5) }, s: { dtype: 'string', shape: [2], data: ['a', 'b'] },
      y: true, b: new Uint8Array([9])
    })
    first.x.data.fill(7)
    expect(parse(encodeExample({})).x.data[0]).toBe(0.5)
  })

  test('errors say what is wrong, where, and what to do', () => {
    const record = encodeExample({ 'image/raw': new Uint8Array(4), label: 3n, w: [1, 2] })
    expect(() => parseExample(record, { label: fixedLen([], 'float32') }))
      .toThrow('feature label: it is an int64_list, and float32 is read from a float_list; for integers as floats pass { from: \'int64\' }')
    expect(() => parseExample(record, { 'image/raw': fixedLen([4], 'uint8') })).toThrow(/"image\/raw".*from: 'bytes'/)
    expect(() => parseExample(record, { w: fixedLen([3], 'float32') }))
      .toThrow('feature w: it has 2 values, and shape [3] needs 3')
    expect(() => parseExample(record, { id: fixedLen([], 'int64') }))
      .toThrow(/feature id: the record does not have it.*defaultValue/)
    expect(() => parseExample(record.subarray(0, 20), {})).toThrow(failing('Corrupt', { offset: 1 }))
  })

  test('an error in a list that came in pieces names the feature and a place in it', () => {
    // features { entry { key "x", value { float_list {1 float} float_list { packed of 3 bytes } } } }
    const record = Uint8Array.from(Buffer.from('0a1a0a180a017812131206' + '0a040000803f' + '12090a07' + '00000000000000', 'hex'))
    expect(() => parseExample(record, { x: varLen('float32') })).toThrow(failing('Corrupt', { keyPath: 'x', offset: 19 }))
  })

  test('keys that look alike are told apart, and many keys are found in any order', () => {
    const keys = Array.from({ length: 300 }, (_, i) => `k${i * 7919}`)
    const spec = Object.fromEntries([...keys].reverse().map((key) => [key, fixedLen([], 'int64')]))
    const parsed = parseExample(encodeExample(Object.fromEntries(keys.map((key, i) => [key, BigInt(i)]))), spec)
    keys.forEach((key, i) => { expect(parsed[key]).toBe(BigInt(i)) })
    const odd = parseExample(encodeExample(Object.fromEntries([['__proto__', 1n]])), Object.fromEntries([['__proto__', fixedLen([], 'int64')]]))
    expect(Object.entries(odd)).toEqual([['__proto__', 1n]])
  })

  test('wrong specs are errors at the call', () => {
    expect(() => fixedLen([-1], 'int64')).toThrow(RangeError)
    expect(() => fixedLen([2.5], 'int64')).toThrow(RangeError)
    expect(() => fixedLen([], 'complex64' as 'int8')).toThrow(TypeError)
    expect(() => fixedLen([], 'int8', { from: 'float' })).toThrow(TypeError)
    expect(() => fixedLen([], 'float16')).toThrow(TypeError)
    expect(() => ragged('bytes' as 'string')).toThrow(TypeError)
    expect(() => fixedLen([2], 'int8', { defaultValue: [1] })).toThrow(RangeError)
    expect(() => fixedLen([2], 'int8', { defaultValue: 200 })).toThrow(RangeError)
    expect(() => fixedLen([], 'string', { defaultValue: 3 as unknown as string })).toThrow(TypeError)
    expect(() => parseExample(new Uint8Array(0), { x: 'float32' as never })).toThrow(TypeError)
    expect(() => parseExample(new ArrayBuffer(8) as unknown as Uint8Array, {})).toThrow(TypeError)
  })
})

describe('parseSequenceExample', () => {
  test('steps become a time axis, ragged rows and lists', () => {
    const record = encodeSequenceExample({
      context: { id: 5n },
      sequence: { frames: [new Uint8Array([1, 2]), new Uint8Array([3, 4])], words: [['to', 'the'], [], ['mill']], raw: ['ab', 'c'], n: [1n, 2n] }
    })
    const { context, sequence } = parseSequenceExample(record, {
      context: { id: fixedLen([], 'int32') },
      sequence: { frames: fixedLen([2], 'uint8', { from: 'bytes' }), words: ragged('string'), raw: varLen('bytes'), n: fixedLen([], 'int64') }
    })
    expect(context).toEqual({ id: 5 })
    expect(sequence).toEqual({
      frames: { dtype: 'uint8', shape: [2, 2], data: new Uint8Array([1, 2, 3, 4]) },
      words: { dtype: 'string', data: ['to', 'the', 'mill'], rowSplits: [new Int32Array([0, 2, 2, 3])] },
      raw: [[new Uint8Array([97, 98])], [new Uint8Array([99])]],
      n: { dtype: 'int64', shape: [2], data: new BigInt64Array([1n, 2n]) }
    })
  })

  test('an error names the step', () => {
    const record = encodeSequenceExample({ sequence: { x: [[1, 2], [3]] } })
    expect(() => parseSequenceExample(record, { sequence: { x: fixedLen([2], 'float32') } }))
      .toThrow(failing('Mismatch', { keyPath: 'sequence.x[1]' }))
    expect(() => parseSequenceExample(record, { sequence: { y: fixedLen([], 'float32') } }))
      .toThrow(failing('Mismatch', { keyPath: 'sequence.y' }))
    expect(() => parseSequenceExample(record, { context: { y: fixedLen([], 'float32') } }))
      .toThrow(failing('Mismatch', { keyPath: 'context.y' }))
  })

  test('many steps without values cannot ask for much memory', () => {
    const record = encodeSequenceExample({ sequence: { x: Array.from({ length: 10_000 }, () => []) } })
    const before = process.memoryUsage().arrayBuffers
    expect(() => parseSequenceExample(record, { sequence: { x: fixedLen([1_000_000], 'float32') } }))
      .toThrow(failing('Mismatch', { keyPath: 'sequence.x[0]' }))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10e6)
  })
})
