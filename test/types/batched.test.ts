import { describe, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import type { Batched, PaddedBatched, Sliced, Unbatched } from '../../src/array/batched.js'
import { ndarray, scalar } from '../../src/array/ndarray.js'
import { padStack } from '../../src/array/pad.js'
import { slicer, sliceRow, unstack } from '../../src/array/slice.js'
import { stack, stacker } from '../../src/array/stack.js'
import type { DType, Json, Nest, NdArray, RaggedArray } from '../../src/types.js'

type Image = NdArray<'float32', readonly [28, 28]>

interface Example {
  readonly image: NdArray<'uint8', readonly [28, 28, 1]>
  label: number
  weight?: number
  readonly tags: readonly [string, boolean]
}

describe('Batched', () => {
  test('maps leaves', () => {
    expectTypeOf<Batched<number>>().toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    expectTypeOf<Batched<number, 128>>().toEqualTypeOf<NdArray<'float32', readonly [128]>>()
    expectTypeOf<Batched<number, 128, 'int32'>>().toEqualTypeOf<NdArray<'int32', readonly [128]>>()
    expectTypeOf<Batched<boolean, 2, 'int32'>>().toEqualTypeOf<NdArray<'bool', readonly [2]>>()
    expectTypeOf<Batched<true>>().toEqualTypeOf<NdArray<'bool', readonly [number]>>()
    expectTypeOf<Batched<bigint>>().toEqualTypeOf<NdArray<'int64', readonly [number]>>()
    expectTypeOf<Batched<string>>().toEqualTypeOf<NdArray<'string', readonly [number]>>()
    expectTypeOf<Batched<Uint8Array>>().toEqualTypeOf<Uint8Array[]>()
    expectTypeOf<Batched<Buffer>>().toEqualTypeOf<Uint8Array[]>()
    expectTypeOf<Batched<Float64Array, 4>>().toEqualTypeOf<NdArray<'float64', readonly [4, number]>>()
    expectTypeOf<Batched<Uint8ClampedArray, 4>>().toEqualTypeOf<NdArray<'uint8', readonly [4, number]>>()
    expectTypeOf<Batched<RaggedArray<'int64'>>>().toEqualTypeOf<RaggedArray<'int64'>>()
  })

  test('puts a literal batch size in front of a literal shape', () => {
    expectTypeOf<Batched<Image, 128>>().toEqualTypeOf<NdArray<'float32', readonly [128, 28, 28]>>()
    expectTypeOf<Batched<Image>>().toEqualTypeOf<NdArray<'float32', readonly [number, 28, 28]>>()
    expectTypeOf<Batched<NdArray<'int8', readonly []>, 3>>().toEqualTypeOf<NdArray<'int8', readonly [3]>>()
    expectTypeOf<Batched<NdArray<'int8'>, 3>>().toEqualTypeOf<NdArray<'int8', readonly [3, ...number[]]>>()
    expectTypeOf<Batched<Batched<number, 4>, 3>>().toEqualTypeOf<NdArray<'float32', readonly [3, 4]>>()
  })

  test('keeps structure: readonly, optional, tuples, arrays', () => {
    expectTypeOf<Batched<Example, 32>>().toEqualTypeOf<{
      readonly image: NdArray<'uint8', readonly [32, 28, 28, 1]>
      label: NdArray<'float32', readonly [32]>
      weight?: NdArray<'float32', readonly [32]>
      readonly tags: readonly [NdArray<'string', readonly [32]>, NdArray<'bool', readonly [32]>]
    }>()
    expectTypeOf<Batched<[number, string]>>().toEqualTypeOf<[NdArray<'float32', readonly [number]>, NdArray<'string', readonly [number]>]>()
    expectTypeOf<Batched<number[], 2>>().toEqualTypeOf<NdArray<'float32', readonly [2]>[]>()
    expectTypeOf<Batched<readonly [Uint8Array]>>().toEqualTypeOf<readonly [Uint8Array[]]>()
    expectTypeOf<Batched<Record<string, number>, 2>>().toEqualTypeOf<Record<string, NdArray<'float32', readonly [2]>>>()
  })

  test('maps literals and unions of one kind to one array, and other unions member by member', () => {
    expectTypeOf<Batched<1 | 2>>().toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    expectTypeOf<Batched<'a' | 'b'>>().toEqualTypeOf<NdArray<'string', readonly [number]>>()
    expectTypeOf<Batched<{ flag: boolean }>>().toEqualTypeOf<{ flag: NdArray<'bool', readonly [number]> }>()
    expectTypeOf<Batched<number | string>>().toEqualTypeOf<NdArray<'float32', readonly [number]> | NdArray<'string', readonly [number]>>()
    expectTypeOf<Batched<NdArray<'int8' | 'int16', readonly [2]>, 3>>().toEqualTypeOf<NdArray<'int8' | 'int16', readonly [3, 2]>>()
    expectTypeOf<Batched<{ k: 'a'; v: number } | { k: 'b'; v: string }>['v']>().toEqualTypeOf<NdArray<'float32', readonly [number]> | NdArray<'string', readonly [number]>>()
  })

  test('is unknown for what is not known, and never for what cannot be stacked', () => {
    expectTypeOf<Batched<unknown>>().toBeUnknown()
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- that any does not spread is the point
    expectTypeOf<Batched<any>>().toBeUnknown()
    expectTypeOf<Batched<{ a: unknown }>>().toEqualTypeOf<{ a: unknown }>()
    expectTypeOf<Batched<never>>().toBeNever()
    expectTypeOf<Batched<null | undefined>>().toBeNever()
    expectTypeOf<Batched<Date | (() => number) | Map<string, number> | Promise<number>>>().toBeNever()
    expectTypeOf<Batched<number | undefined>>().toEqualTypeOf<NdArray<'float32', readonly [number]>>()
  })

  test('ends for recursive types', () => {
    expectTypeOf<Batched<Nest>>().not.toBeAny()
    expectTypeOf<Batched<Json>>().not.toBeAny()
    expectTypeOf<PaddedBatched<Nest>>().not.toBeAny()
    expectTypeOf<Unbatched<Batched<Nest>>>().not.toBeAny()
    expectTypeOf<Sliced<Nest>>().not.toBeAny()
  })
})

describe('PaddedBatched', () => {
  test('keeps the rank and forgets the lengths', () => {
    expectTypeOf<PaddedBatched<{ x: Image; y: number }, 8>>().toEqualTypeOf<{
      x: NdArray<'float32', readonly [8, number, number]>
      y: NdArray<'float32', readonly [8]>
    }>()
    expectTypeOf<PaddedBatched<[Int32Array, Uint8Array]>>().toEqualTypeOf<[NdArray<'int32', readonly [number, number]>, Uint8Array[]]>()
  })
})

describe('Unbatched', () => {
  test('is the inverse of Batched', () => {
    expectTypeOf<Unbatched<Batched<number, 8>>>().toEqualTypeOf<number>()
    expectTypeOf<Unbatched<Batched<boolean>>>().toEqualTypeOf<boolean>()
    expectTypeOf<Unbatched<Batched<bigint>>>().toEqualTypeOf<bigint>()
    expectTypeOf<Unbatched<Batched<string>>>().toEqualTypeOf<string>()
    expectTypeOf<Unbatched<Batched<Uint8Array>>>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Unbatched<Batched<Image, 8>>>().toEqualTypeOf<Image>()
    expectTypeOf<Unbatched<Batched<RaggedArray<'int8'>>>>().toEqualTypeOf<RaggedArray<'int8'>>()
    expectTypeOf<Unbatched<Batched<Example, 32>>>().toEqualTypeOf<Example>()
  })

  test('keeps other dtypes in arrays of rank 0', () => {
    expectTypeOf<Unbatched<NdArray<'int32', readonly [4]>>>().toEqualTypeOf<NdArray<'int32', readonly []>>()
    expectTypeOf<Unbatched<NdArray<'int32' | 'float32', readonly [4]>>>().toEqualTypeOf<NdArray<'int32', readonly []> | number>()
    expectTypeOf<Unbatched<Int16Array>>().toEqualTypeOf<NdArray<'int16', readonly []>>()
  })

  test('is never for what has no rows, unknown for what is not known', () => {
    expectTypeOf<Unbatched<number | string | Uint8Array | undefined>>().toBeNever()
    expectTypeOf<Unbatched<NdArray<'int8', readonly []>>>().toBeNever()
    expectTypeOf<Unbatched<unknown>>().toBeUnknown()
    expectTypeOf<Unbatched<NdArray<'float32'>>>().toEqualTypeOf<number | NdArray<'float32'>>()
  })
})

describe('Sliced', () => {
  test('slices arrays of scalars and typed arrays into scalars', () => {
    expectTypeOf<Sliced<{ n: number[]; s: readonly string[]; b: boolean[]; i: bigint[]; y: Uint8Array[] }>>().toEqualTypeOf<{
      n: number; s: string; b: boolean; i: bigint; y: Uint8Array
    }>()
    expectTypeOf<Sliced<[Float32Array, Uint8Array, BigUint64Array]>>().toEqualTypeOf<[number, number, bigint]>()
    expectTypeOf<Sliced<[number[], string[]]>>().toEqualTypeOf<[number, string]>()
    expectTypeOf<Sliced<NdArray<'int32', readonly [60000, 28, 28]>>>().toEqualTypeOf<NdArray<'int32', readonly [28, 28]>>()
  })
})

describe('inference', () => {
  test('goes through the functions', () => {
    expectTypeOf(stack([1, 2])).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    expectTypeOf(stack([{ x: 1 }], { numbers: 'int32' })).toEqualTypeOf<{ x: NdArray<'int32', readonly [number]> }>()
    expectTypeOf(stacker({ numbers: 'float64' })([1])).toEqualTypeOf<NdArray<'float64', readonly [number]>>()
    expectTypeOf(padStack([Int8Array.of(1)])).toEqualTypeOf<NdArray<'int8', readonly [number, number]>>()
    expectTypeOf(unstack(stack([{ x: 1, y: 'a' }]))).toEqualTypeOf<{ x: number; y: string }[]>()
    expectTypeOf(sliceRow({ x: [1, 2] }, 0, 'slices')).toEqualTypeOf<{ x: number }>()
    expectTypeOf(slicer(Int32Array.of(1)).row(0)).toEqualTypeOf<NdArray<'int32', readonly []>>()
    expectTypeOf(scalar(1, 'int8')).toEqualTypeOf<NdArray<'int8', readonly []>>()
    expectTypeOf(ndarray(new Float32Array(4), [2, 2])).toEqualTypeOf<NdArray<'float32', readonly [2, 2]>>()
    expectTypeOf(ndarray(Int32Array.of(1))).toEqualTypeOf<NdArray<'int32', readonly [number]>>()
    expectTypeOf(ndarray([[1, 2]])).toEqualTypeOf<NdArray<'float32', readonly [number, number]>>()
    expectTypeOf(ndarray([true])).toEqualTypeOf<NdArray<'bool', readonly [number]>>()
    expectTypeOf(ndarray([1, 2], [2], 'int8')).toEqualTypeOf<NdArray<'int8', readonly [2]>>()
    const anyType: DType = 'int8'
    // @ts-expect-error -- plain numbers cannot be stored as strings
    const wrong = () => stack([1], { numbers: 'string' })
    expectTypeOf(wrong).toBeFunction()
    expectTypeOf(anyType).toExtend<DType>()
  })
})
