import { describe, expect, test } from '@jest/globals'
import {
  exampleBatch, fixedLen, parseExample, parseSequenceExample, ragged, varLen, type ExampleSpec, type Feature, type FeatureDType
} from '../../src/example/index.js'
import type { NdArray, RaggedArray } from '../../src/types.js'
import { fixture, jsonValues, outcome, unhex } from './fixtures.js'

type SpecJson = Record<string, [kind: string, dtype: FeatureDType, shape?: number[], defaultValue?: unknown[]]>
interface TensorJson {
  readonly error?: string
  readonly shape?: number[]
  readonly values: unknown[]
  readonly indices?: number[][]
  readonly rowSplits?: number[][]
}
interface Group {
  readonly name: string
  readonly spec: SpecJson
  readonly records: string[]
  readonly single: Record<string, TensorJson>[]
  readonly batch: Record<string, TensorJson>
}

function specOf(json: SpecJson): ExampleSpec {
  return Object.fromEntries(Object.entries(json).map(([key, [kind, dtype, shape = [], values]]): [string, Feature] => {
    if (kind === 'varLen') return [key, varLen(dtype)]
    if (kind === 'ragged') return [key, ragged(dtype as 'float32')]
    const defaultValue = values?.map((value) => dtype === 'int64' ? BigInt(String(value)) : dtype === 'bytes' ? unhex(String(value)) : value)
    return [key, fixedLen(shape, dtype, defaultValue === undefined ? {} : { defaultValue: defaultValue as never })]
  }))
}

describe('records that TensorFlow wrote', () => {
  const groups = fixture<Group[]>('records.json')

  test.each(groups)('$name: parseExample gives what tf.io.parse_single_example gives', ({ spec, records, single }) => {
    records.forEach((record, i) => {
      const parsed = parseExample(unhex(record), specOf(spec)) as Record<string, unknown>
      for (const [key, expected] of Object.entries(single[i] ?? {})) {
        const leaf = parsed[key]
        expect(jsonValues(leaf)).toEqual(expected.values)
        if (typeof leaf === 'object' && leaf !== null && 'shape' in leaf) expect(leaf.shape).toEqual(expected.shape)
      }
    })
  })

  test.each(groups)('$name: exampleBatch gives what tf.io.parse_example gives', ({ spec, records, batch }) => {
    const rows = exampleBatch(specOf(spec), records.length)
    for (const record of records) rows.add(unhex(record))
    const result = rows.finish() as Record<string, unknown>
    for (const [key, expected] of Object.entries(batch)) {
      const leaf = result[key] as NdArray | RaggedArray
      expect(jsonValues(leaf)).toEqual(expected.values)
      if ('rowSplits' in leaf) expect(leaf.rowSplits.map((splits) => Array.from(splits))).toEqual(expected.rowSplits)
      else if ('shape' in leaf && expected.indices === undefined) expect(leaf.shape).toEqual(expected.shape)
    }
  })
})

interface WireCase {
  readonly name: string
  readonly record: string
  readonly key: string
  readonly dtype: 'float32' | 'int64'
  readonly shape: [number]
  readonly default: (number | string)[]
  readonly fixedLen: TensorJson
  readonly fixedLenDefault: TensorJson
  readonly varLen: TensorJson
  readonly ragged: TensorJson
  readonly batch: TensorJson
  readonly protobuf: { readonly error?: string; readonly absent?: boolean; readonly kind?: string | null; readonly values?: unknown[] }
}

/**
 * Where TensorFlow's operators refuse a message that is valid, or stop reading in the middle of it, the rules of protocol
 * buffers hold: these are read as `tf.train.Example.FromString` reads them.
 */
const AS_PROTOBUF = new Set([
  'unknown group in Example', 'unknown fields in Features', 'unknown field at the front of a Feature',
  'unknown field at the front of a list', 'an entry with two keys', 'an entry with two values',
  'an entry with two values of two kinds', 'a Feature with two lists', 'a Feature with another list before',
  'a Feature with another list behind', 'packed, then unpacked', 'unpacked, then packed', 'packed in two chunks',
  'packed, the first chunk empty', 'packed floats of 7 bytes', 'a tag in two bytes', 'an entry without key', 'an entry without value',
  'a fixed64 in an int64_list'
])

/** The Python runtime of protobuf puts an entry with unknown fields aside; its other runtimes read it, and so do we. */
const UNKNOWN_IN_ENTRY = new Set(['unknown field at the front of an entry', 'unknown field at the back of an entry'])

describe('unusual and broken records', () => {
  const cases = fixture<WireCase[]>('wire.json')

  /** What TensorFlow's operator gave, or what it would have given after protobuf's parser. */
  function expected(one: WireCase, operator: 'fixedLen' | 'fixedLenDefault' | 'varLen' | 'ragged'): unknown[] | 'error' {
    const result = one[operator]
    const kind = one.dtype === 'float32' ? 'float_list' : 'int64_list'
    const protobuf = UNKNOWN_IN_ENTRY.has(one.name) ? { kind, values: [1, 2] } : one.protobuf
    if (!AS_PROTOBUF.has(one.name) && !UNKNOWN_IN_ENTRY.has(one.name)) return result.error === undefined ? result.values : 'error'
    if (protobuf.error !== undefined) return 'error'
    if (protobuf.absent === true || protobuf.kind === null) {
      return operator === 'fixedLen' ? 'error' : operator === 'fixedLenDefault' ? one.default : []
    }
    const values = protobuf.values ?? []
    const short = operator.startsWith('fixedLen') && values.length !== one.shape[0]
    return protobuf.kind !== kind || short ? 'error' : values
  }

  test.each(cases)('$name: read as TensorFlow reads it', (one) => {
    const record = unhex(one.record)
    const defaultValue = one.dtype === 'int64' ? one.default.map((value) => BigInt(value)) : one.default.map(Number)
    const features: Record<'fixedLen' | 'fixedLenDefault' | 'varLen' | 'ragged', Feature> = {
      fixedLen: fixedLen(one.shape, one.dtype),
      fixedLenDefault: fixedLen(one.shape, one.dtype, { defaultValue: defaultValue as never }),
      varLen: varLen(one.dtype),
      ragged: ragged(one.dtype)
    }
    for (const [operator, feature] of Object.entries(features)) {
      const wanted = expected(one, operator as keyof typeof features)
      const single = outcome(() => jsonValues((parseExample(record, { [one.key]: feature }) as Record<string, unknown>)[one.key]))
      const batched = outcome(() => {
        const batch = exampleBatch({ [one.key]: feature }, 1)
        batch.add(record)
        return jsonValues((batch.finish() as Record<string, unknown>)[one.key])
      })
      if (wanted === 'error') {
        expect([operator, single]).toEqual([operator, { error: expect.stringMatching(/^(Corrupt|Mismatch)$/) }])
      } else expect([operator, single]).toEqual([operator, wanted])
      expect(batched).toEqual(single)
    }
  })
})

interface SequenceCase {
  readonly name: string
  readonly record: string
  readonly fixedLen: TensorJson
  readonly allowMissing: TensorJson
  readonly varLen: TensorJson
  readonly ragged: TensorJson
  readonly context: TensorJson
}

describe('SequenceExamples', () => {
  const cases = fixture<SequenceCase[]>('sequence.json')
  const steps = (record: Uint8Array, feature: Feature): unknown => outcome(() => parseSequenceExample(record, { sequence: { x: feature } }).sequence.x)
  const failed = { error: expect.stringMatching(/^(Corrupt|Mismatch)$/) }

  // Unknown fields are passed over, where TensorFlow's operator refuses them in this one place.
  test.each(cases.filter(({ name }) => name !== 'an unknown field in a FeatureList'))('$name: read as TensorFlow reads it', (one) => {
    const record = unhex(one.record)
    for (const [expected, feature] of [
      [one.fixedLen, fixedLen([2], 'float32')], [one.allowMissing, fixedLen([2], 'float32', { allowMissing: true })]
    ] as const) {
      const array = steps(record, feature)
      if (expected.error !== undefined) expect(array).toEqual(failed)
      else expect({ shape: (array as NdArray).shape, values: jsonValues(array) }).toEqual(expected)
    }
    for (const feature of [varLen('float32'), ragged('float32')]) {
      const rows = steps(record, feature)
      if (one.ragged.error !== undefined) expect(rows).toEqual(failed)
      else {
        expect(jsonValues(rows)).toEqual(one.ragged.values)
        expect((rows as RaggedArray).rowSplits.map((splits) => Array.from(splits))).toEqual(one.ragged.rowSplits)
      }
    }
    // In a context, too, an entry that is not set does not replace one that is; TensorFlow's operator refuses it.
    const context = outcome(() => parseSequenceExample(record, { context: { id: fixedLen([], 'int64', { defaultValue: -1n }) } }).context.id)
    if (one.name !== 'context key twice, the last not set') expect(jsonValues(context)).toEqual(one.context.values)
    else expect(context).toBe(4n)
  })

  test('unknown fields in a FeatureList are passed over', () => {
    const record = unhex(cases.find(({ name }) => name === 'an unknown field in a FeatureList')?.record ?? '')
    expect(jsonValues(steps(record, fixedLen([2], 'float32')))).toEqual([1, 2])
  })
})
