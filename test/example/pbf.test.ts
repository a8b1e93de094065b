import { describe, expect, test } from '@jest/globals'
import { PbfReader } from 'pbf'
import { exampleBatch, parseExample, varLen, type ExampleSpec } from '../../src/example/index.js'
import { jsonValues } from './fixtures.js'
import { randomOf } from './generate.js'

interface Feature {
  kind: number
  values: unknown[]
}

/** A `tf.train.Example` by the pbf package, with a schema by hand. Like TensorFlow, an entry that is not set replaces none. */
function decodeByPbf(record: Uint8Array): Map<string, Feature> {
  const features = new Map<string, Feature>()
  const readList = (tag: number, feature: Feature, pbf: PbfReader): void => {
    if (tag !== 1) return
    if (feature.kind === 1) feature.values.push(pbf.readBytes().slice())
    else if (feature.kind === 2) pbf.readPackedFloat(feature.values as number[])
    else pbf.readPackedVarint(feature.values as number[], true)
  }
  const readFeature = (tag: number, feature: Feature, pbf: PbfReader): void => {
    if (tag < 1 || tag > 3) return
    if (feature.kind !== tag) feature.values = []
    feature.kind = tag
    pbf.readMessage(readList, feature)
  }
  const readEntry = (tag: number, entry: { key: string; value: Feature }, pbf: PbfReader): void => {
    if (tag === 1) entry.key = pbf.readString()
    else if (tag === 2) pbf.readMessage(readFeature, entry.value)
  }
  const readFeatures = (tag: number, _: object, pbf: PbfReader): void => {
    if (tag !== 1) return
    const { key, value } = pbf.readMessage(readEntry, { key: '', value: { kind: 0, values: [] } })
    if (value.kind !== 0) features.set(key, value)
  }
  new PbfReader(record).readFields((tag: number, _: object, pbf: PbfReader) => {
    if (tag === 1) pbf.readMessage(readFeatures, {})
  }, {})
  return features
}

type Bytes = readonly number[]

/** Writes valid Examples in every way that the wire format allows. */
function oddExample(random: () => number): Uint8Array {
  const below = (n: number): number => Math.floor(random() * n)
  const varint = (value: number): Bytes => {
    let rest = BigInt.asUintN(64, BigInt(value))
    const out: number[] = []
    for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
    out.push(Number(rest))
    // Padding is valid, up to ten bytes.
    while (random() < 0.05 && out.length < 10) {
      out.push((out.pop() as number) | 128, 0)
    }
    return out
  }
  const field = (number: number, content: Bytes): Bytes => [...varint(number * 8 + 2), ...varint(content.length), ...content]
  const unknown = (): Bytes => {
    if (random() > 0.1) return []
    const number = 4 + below(3000)
    switch (below(4)) {
      case 0: return [...varint(number * 8), ...varint(below(1e9))]
      case 1: return [...varint(number * 8 + 1), 1, 2, 3, 4, 5, 6, 7, 8]
      case 2: return field(number, [1, 2, 3])
      default: return [...varint(number * 8 + 5), 1, 2, 3, 4]
    }
  }
  const several = (most: number, make: () => Bytes): Bytes => Array.from({ length: below(most + 1) }, () => [...unknown(), ...make(), ...unknown()]).flat()
  const float = (): Bytes => [...new Uint8Array(new Float32Array([random() - 0.5]).buffer)]
  const integer = (): Bytes => varint([0, 1, -1, 300, below(2 ** 31), -below(2 ** 31), 2 ** 53 - 1][below(7)] as number)
  const numbers = (one: () => Bytes, wireType: number): Bytes => several(3, () => random() < 0.5
    ? field(1, Array.from({ length: below(6) }, one).flat())
    : [8 + wireType, ...one()])
  const list = (kind: number): Bytes =>
    kind === 1 ? several(3, () => field(1, Array.from({ length: below(5) }, () => below(256)))) : kind === 2 ? numbers(float, 5) : numbers(integer, 0)
  const feature = (): Bytes => several(random() < 0.8 ? 1 : 3, () => {
    const kind = 1 + below(3)
    return field(kind, list(kind))
  })
  const entry = (): Bytes => {
    const key = random() < 0.95 ? field(1, [97 + below(4)]) : []
    const value = random() < 0.95 ? field(2, feature()) : []
    const more = random() < 0.05 ? field(2, feature()) : []
    return random() < 0.8 ? [...key, ...value, ...more] : [...value, ...unknown(), ...key, ...more]
  }
  return Uint8Array.from(several(2, () => field(1, several(6, () => field(1, entry())))))
}

describe('against the pbf package', () => {
  test('records in every layout that the wire format allows give the same values', () => {
    const random = randomOf(1)
    let values = 0
    for (let i = 0; i < 4000; i++) {
      const record = oddExample(random)
      const expected = decodeByPbf(record)
      const spec: ExampleSpec = Object.fromEntries(['a', 'b', 'c', 'd', ''].map((key) => {
        const kind = expected.get(key)?.kind ?? 2
        return [key, varLen(kind === 1 ? 'bytes' : kind === 2 ? 'float32' : 'int64')]
      }))
      const batch = exampleBatch(spec, 1)
      batch.add(record)
      for (const parsed of [parseExample(record, spec), batch.finish()] as Record<string, unknown>[]) {
        for (const key of Object.keys(spec)) {
          const { kind = 0, values: wanted = [] } = expected.get(key) ?? {}
          expect([i, key, jsonValues(parsed[key])])
            .toEqual([i, key, jsonValues(kind === 3 ? wanted.map((value) => BigInt(value as number)) : wanted)])
          values += wanted.length
        }
      }
    }
    expect(values).toBeGreaterThan(20_000)
  })
})
