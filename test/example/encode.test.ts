import { describe, expect, test } from '@jest/globals'
import {
  bytesList, encodeExample, encodeSequenceExample, fixedLen, floatList, int64List, parseExample, parseSequenceExample, ragged, varLen,
  type FeatureValue
} from '../../src/example/index.js'
import { fixture, hex } from './fixtures.js'

interface FeatureJson {
  readonly float?: (number | string)[]
  readonly int64?: string[]
  readonly bytes?: string[]
  readonly string?: string[]
}
interface EncodeCase {
  readonly name: string
  readonly features?: Record<string, FeatureJson>
  readonly context?: Record<string, FeatureJson>
  readonly sequence?: Record<string, FeatureJson[]>
}
interface Evidence {
  readonly name: string
  readonly record: string
  readonly tensorflow: string
  readonly features?: Record<string, FeatureJson>
  readonly context?: Record<string, FeatureJson>
  readonly sequence?: Record<string, FeatureJson[]>
}

const unhexed = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

function feature({ float, int64, bytes, string }: FeatureJson): FeatureValue {
  if (float) return floatList(float.map(Number))
  if (int64) return int64List(int64.map(BigInt))
  if (bytes) return bytesList(bytes.map(unhexed))
  return string ? bytesList(string) : []
}

function features(all: Record<string, FeatureJson>): Record<string, FeatureValue> {
  return Object.fromEntries(Object.entries(all).map(([key, one]) => [key, feature(one)]))
}

function encode(one: EncodeCase): Uint8Array {
  if (one.features) return encodeExample(features(one.features))
  return encodeSequenceExample({
    ...(one.context ? { context: features(one.context) } : {}),
    sequence: Object.fromEntries(Object.entries(one.sequence ?? {}).map(([key, steps]) => [key, steps.map(feature)]))
  })
}

/** As TensorFlow reports it: text as bytes, NaN and infinities by Python's names. */
function reported(one: FeatureJson): FeatureJson {
  if (one.string) return { bytes: one.string.map((text) => hex(new TextEncoder().encode(text))) }
  if (one.float) return { float: one.float.map((value) => value === 'NaN' ? 'nan' : value === 'Infinity' ? 'inf' : value === '-Infinity' ? '-inf' : value) }
  return one
}

describe('what TensorFlow makes of our records', () => {
  const cases = fixture<EncodeCase[]>('encode-cases.json')
  const evidence = fixture<{ cases: Evidence[] }>('evidence.json').cases

  test.each(cases)('$name: it parsed the features that were written, and writes the same bytes', (one) => {
    const seen = evidence.find(({ name }) => name === one.name)
    const record = hex(encode(one))
    expect(record).toBe(seen?.record)
    expect(record).toBe(seen?.tensorflow)
    const all = (values: Record<string, FeatureJson> = {}): Record<string, FeatureJson> =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, reported(value)]))
    if (one.features) expect(seen?.features).toEqual(all(one.features))
    else {
      expect(seen?.context).toEqual(all(one.context))
      expect(seen?.sequence)
        .toEqual(Object.fromEntries(Object.entries(one.sequence ?? {}).map(([key, steps]) => [key, steps.map(reported)])))
    }
  })
})

/** The name of the list of a feature, and its number of values by the parser. */
function listOf(value: FeatureValue): string {
  const record = encodeExample({ x: value })
  for (const dtype of ['float32', 'int64', 'bytes'] as const) {
    try {
      const x = parseExample(record, { x: varLen(dtype) }).x
      return `${dtype} ${'shape' in x ? x.shape[0] : x.length}`
    } catch { /* another list */ }
  }
  return 'none'
}

describe('encodeExample', () => {
  test('the list of a feature follows from the type of the value', () => {
    for (const floats of [1, 1.5, [1, 2], new Float32Array([1]), new Float64Array([0.1]), { dtype: 'float64', shape: [1], data: new Float64Array(1) } as const]) {
      expect(listOf(floats)).toMatch(/^float32/)
    }
    for (const integers of [1n, true, [1n], [true, false], new Int32Array(2), new BigUint64Array(1), new Int8Array(1), new Uint8ClampedArray(3),
      { dtype: 'uint8', shape: [2], data: new Uint8Array(2) } as const, { dtype: 'bool', shape: [], data: new Uint8Array(1) } as const]) {
      expect(listOf(integers)).toMatch(/^int64/)
    }
    for (const bytes of ['text', new Uint8Array(3), Buffer.from('x'), ['a', new Uint8Array(1)], { dtype: 'string', shape: [2], data: ['a', 'b'] } as const]) {
      expect(listOf(bytes)).toMatch(/^bytes/)
    }
    expect(listOf(new Uint8Array(3))).toBe('bytes 1')
    expect(listOf(int64List(7))).toBe('int64 1')
    expect(listOf(floatList([1, 2, 3]))).toBe('float32 3')
  })

  test('an empty array leaves the kind unset, an empty typed array does not', () => {
    expect(hex(encodeExample({ x: [] }))).toBe('0a070a050a01781200')
    expect(hex(encodeExample({ x: new Float32Array(0) }))).toBe('0a090a070a017812021200')
  })

  test('what was parsed can be written again', () => {
    const record = encodeExample({ a: [1.5, 2], b: 7n, c: 'text', d: [1n, 2n, 3n], e: new Uint8Array([1, 2]), f: ['x', 'y'] })
    const spec = {
      a: fixedLen([2], 'float32'), b: fixedLen([], 'int64'), c: fixedLen([], 'string'), d: ragged('int64'), e: fixedLen([], 'bytes'), f: varLen('string')
    }
    expect(hex(encodeExample(parseExample(record, spec)))).toBe(hex(record))
  })

  test('a sequence that was parsed can be written again', () => {
    const record = encodeSequenceExample({ context: { id: 1n }, sequence: { x: [[1, 2], [3, 4]], t: [['a'], [], ['b', 'c']].map((texts) => bytesList(texts)) } })
    const parsed = parseSequenceExample(record, { context: { id: fixedLen([], 'int64') }, sequence: { x: fixedLen([2], 'float32'), t: ragged('string') } })
    expect(parsed.sequence.x).toEqual({ dtype: 'float32', shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) })
    expect(Array.from(parsed.sequence.t.rowSplits[0] ?? [])).toEqual([0, 1, 1, 3])
    expect(hex(encodeSequenceExample(parsed))).toBe(hex(record))
  })

  test('numbers that do not fit their list are an error that names the feature', () => {
    const lossy = (keyPath: string): unknown => expect.objectContaining({ kind: 'Lossy', keyPath })
    expect(() => encodeExample({ x: 16777217 })).toThrow(lossy('x'))
    expect(() => encodeExample({ 'a/b': [0, 2 ** 53 - 1] })).toThrow(lossy('["a/b"]'))
    expect(() => encodeExample({ x: 2n ** 63n })).toThrow(lossy('x'))
    expect(() => encodeExample({ x: int64List(0.5) })).toThrow(lossy('x'))
    expect(() => encodeExample({ x: new BigUint64Array([2n ** 63n]) })).toThrow(lossy('x'))
    expect(parseExample(encodeExample({ x: 0.1 }), { x: fixedLen([], 'float32') }).x).toBe(Math.fround(0.1))
  })

  test('values that no list holds are a TypeError', () => {
    for (const value of [null, undefined, {}, [[1]], [1, 'a'], [1n, 1], new DataView(new ArrayBuffer(1)), new Date(0), Symbol('x'),
      { dtype: 'complex64', shape: [1], data: new Float32Array(2) }, { dtype: 'float32', data: new Float32Array(1), rowSplits: [new Int32Array([0, 1])] }]) {
      expect(() => encodeExample({ x: value as unknown as FeatureValue })).toThrow(TypeError)
    }
  })
})
