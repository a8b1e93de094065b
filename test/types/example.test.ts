import { describe, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import {
  exampleBatch, fixedLen, parseExample, parseSequenceExample, ragged, varLen, type FeatureDType, type FixedLen
} from '../../src/example/index.js'
import type { NdArray, RaggedArray } from '../../src/types.js'

describe('types of parsed Examples', () => {
  test('follow from the spec', () => {
    // Checked by the compiler and never called: there is no record to read.
    const check = (): void => {
      const record = new Uint8Array(0)

      const element = parseExample(record, {
        image: fixedLen([28, 28], 'uint8', { from: 'bytes' }),
        label: fixedLen([], 'int64'),
        weight: fixedLen([], 'float32'),
        flag: fixedLen([], 'bool'),
        name: fixedLen([], 'string'),
        raw: fixedLen([], 'bytes'),
        raws: fixedLen([3], 'bytes'),
        names: fixedLen([2], 'string'),
        any: varLen('float32'),
        blobs: varLen('bytes'),
        tokens: ragged('int32'),
        words: ragged('string')
      })
      expectTypeOf(element.image).toEqualTypeOf<NdArray<'uint8', readonly [28, 28]>>()
      expectTypeOf(element.image.data).toEqualTypeOf<Uint8Array>()
      expectTypeOf(element.label).toEqualTypeOf<bigint>()
      expectTypeOf(element.weight).toEqualTypeOf<number>()
      expectTypeOf(element.flag).toEqualTypeOf<boolean>()
      expectTypeOf(element.name).toEqualTypeOf<string>()
      expectTypeOf(element.raw).toEqualTypeOf<Uint8Array>()
      expectTypeOf(element.raws).toEqualTypeOf<readonly Uint8Array[]>()
      expectTypeOf(element.names).toEqualTypeOf<NdArray<'string', readonly [2]>>()
      expectTypeOf(element.any).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
      expectTypeOf(element.blobs).toEqualTypeOf<readonly Uint8Array[]>()
      expectTypeOf(element.tokens).toEqualTypeOf<RaggedArray<'int32'>>()
      expectTypeOf(element.words).toEqualTypeOf<RaggedArray<'string'>>()

      // A shape that is not literal may be that of a single value.
      const shape: readonly number[] = [2]
      expectTypeOf(parseExample(record, { x: fixedLen(shape, 'float32') }).x).toEqualTypeOf<number | NdArray<'float32', readonly number[]>>()

      const batch = exampleBatch({
        image: fixedLen([28, 28], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64'), count: fixedLen([], 'int32'), raw: fixedLen([], 'bytes'),
        any: varLen('float32'), tokens: ragged('int32')
      }, 128).finish()
      expectTypeOf(batch.image).toEqualTypeOf<NdArray<'uint8', readonly [number, 28, 28]>>()
      expectTypeOf(batch.label).toEqualTypeOf<NdArray<'int64', readonly [number]>>()
      expectTypeOf(batch.count).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
      expectTypeOf(batch.raw).toEqualTypeOf<Uint8Array[]>()
      expectTypeOf(batch.any).toEqualTypeOf<NdArray<'float32', readonly [number, number]>>()
      expectTypeOf(batch.tokens).toEqualTypeOf<RaggedArray<'int32'>>()
      expectTypeOf(exampleBatch({ count: fixedLen([], 'int32') }, 2, { numbers: 'int32' }).finish().count)
        .toEqualTypeOf<NdArray<'int32', readonly [number]>>()

      const { context, sequence } = parseSequenceExample(record, {
        context: { id: fixedLen([], 'int64') },
        sequence: { frames: fixedLen([2], 'float32'), times: fixedLen([], 'int64'), words: ragged('string'), blobs: varLen('bytes') }
      })
      expectTypeOf(context.id).toEqualTypeOf<bigint>()
      expectTypeOf(sequence.frames).toEqualTypeOf<NdArray<'float32', readonly [number, 2]>>()
      expectTypeOf(sequence.times).toEqualTypeOf<NdArray<'int64', readonly [number]>>()
      expectTypeOf(sequence.words).toEqualTypeOf<RaggedArray<'string'>>()
      expectTypeOf(sequence.blobs).toEqualTypeOf<readonly (readonly Uint8Array[])[]>()

      expectTypeOf(fixedLen([28, 28], 'uint8')).toEqualTypeOf<FixedLen<'uint8', readonly [28, 28]>>()
      expectTypeOf<FeatureDType>().not.toEqualTypeOf<string>()

      // @ts-expect-error -- a default value is of the dtype's type
      fixedLen([], 'int64', { defaultValue: 3 })
      // @ts-expect-error -- no RaggedArray of byte strings
      ragged('bytes')
      // @ts-expect-error -- no such dtype
      varLen('complex64')
    }
    void check
  })
})
