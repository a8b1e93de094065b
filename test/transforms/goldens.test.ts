import { describe, expect, test } from '@jest/globals'
import { equal } from '../../src/array/equal.js'
import { cast, crop, decodeRaw, encodeTensor, flip, normalize, oneHot, padTo, parseTensor, reshape, type NormalizeOptions, type OneHotOptions } from '../../src/transforms.js'
import type { DType, NdArray } from '../../src/types.js'
import { bytesOf, call, fixture, golden, type GoldenArray } from './support.js'

interface Goldens {
  readonly cast: readonly { readonly from: GoldenArray; readonly to: DType; readonly expected: GoldenArray }[]
  readonly decodeRaw: readonly { readonly bytes: string; readonly dtype: DType; readonly littleEndian: boolean; readonly expected: GoldenArray }[]
  readonly oneHot: readonly { readonly indices: GoldenArray; readonly options: OneHotOptions; readonly expected: GoldenArray }[]
  readonly normalize: readonly { readonly from: GoldenArray; readonly options: NormalizeOptions; readonly expected: GoldenArray }[]
  readonly parseTensor: readonly { readonly bytes: string; readonly how: string; readonly expected: GoldenArray }[]
  readonly pictures: readonly { readonly transform: 'flip' | 'crop' | 'padTo' | 'reshape'; readonly spec: never; readonly from: GoldenArray; readonly expected: GoldenArray }[]
}

const goldens = fixture<Goldens>('expected.json')

/** The cases that came out otherwise, by what they are. */
function differing<C>(cases: readonly C[], run: (one: C) => unknown, expected: (one: C) => unknown, title: (one: C) => string): string[] {
  expect(cases.length).toBeGreaterThan(10)
  return cases.filter(one => !equal(run(one), expected(one))).map(title)
}

describe('as TensorFlow has it', () => {
  test('cast, from every dtype to every other', () => {
    const wrong = differing(goldens.cast, ({ from, to }) => call(cast(to as never), golden(from)), ({ expected }) => golden(expected), ({ from, to }) => `${from.dtype} → ${to}`)
    expect(wrong).toEqual([])
  })

  test('decodeRaw, in both byte orders, aligned or not', () => {
    const run = (shift: number) => ({ bytes, dtype, littleEndian }: Goldens['decodeRaw'][number]): unknown => {
      const room = new Uint8Array(bytesOf(bytes).length + shift)
      room.set(bytesOf(bytes), shift)
      return call(decodeRaw({ dtype: dtype as never, littleEndian }), room.subarray(shift))
    }
    for (const shift of [0, 1, 8]) {
      expect(differing(goldens.decodeRaw, run(shift), ({ expected }) => golden(expected), ({ dtype, littleEndian }) => `${dtype} ${littleEndian}, shifted by ${shift}`)).toEqual([])
    }
  })

  test('oneHot, with classes that do not exist', () => {
    const wrong = differing(goldens.oneHot, ({ indices, options }) => call(oneHot(options), golden(indices)), ({ expected }) => golden(expected), ({ indices, options }) => `${indices.dtype} ${JSON.stringify(options)}`)
    expect(wrong).toEqual([])
  })

  test('normalize, but for the last digit', () => {
    for (const { from, options, expected } of goldens.normalize) {
      const result = call(normalize(options), golden(from)) as NdArray<'float32'>
      const { shape, data } = golden(expected) as NdArray<'float32'>
      expect([result.dtype, result.shape]).toEqual(['float32', shape])
      const far = [...data].flatMap((value, i) => (Math.abs(value - (result.data[i] as number)) <= 2e-6 * (1 + Math.abs(value)) ? [] : [`${from.dtype} ${i}: ${result.data[i]}, not ${value}`]))
      expect(far).toEqual([])
    }
  })

  test('parseTensor, whatever way a tensor was written', () => {
    const wrong = differing(goldens.parseTensor, ({ bytes }) => call(parseTensor(), bytesOf(bytes)), ({ expected }) => golden(expected), ({ how, expected }) => `${how} ${expected.dtype} [${expected.shape.join(', ')}]`)
    expect(wrong).toEqual([])
  })

  test('encodeTensor writes, byte for byte, what serialize_tensor writes', () => {
    const serialized = goldens.parseTensor.filter(({ how }) => how === 'serialize_tensor')
    expect(differing(serialized, ({ expected }) => encodeTensor(golden(expected)), ({ bytes }) => bytesOf(bytes), ({ expected }) => `${expected.dtype} [${expected.shape.join(', ')}]`)).toEqual([])
  })

  test('flip, crop, padTo and reshape', () => {
    const make = { flip, crop, padTo, reshape } as Readonly<Record<string, (spec: never) => unknown>>
    const wrong = differing(goldens.pictures, ({ transform, spec, from }) => call(make[transform]?.(spec), golden(from)), ({ expected }) => golden(expected), ({ transform, spec, from }) => `${transform} ${JSON.stringify(spec)} of ${from.dtype} [${from.shape.join(', ')}]`)
    expect(wrong).toEqual([])
  })
})
