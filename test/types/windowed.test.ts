import { test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import type { Dataset, Windowed } from '../../src/dataset.js'
import type { NdArray, RaggedArray } from '../../src/types.js'

interface Example {
  readonly image: NdArray<'uint8', readonly [28, 28]>
  label: number
}

test('a window of leaves is one dataset', () => {
  expectTypeOf<Windowed<number>>().toEqualTypeOf<Dataset<number>>()
  expectTypeOf<Windowed<boolean>>().toEqualTypeOf<Dataset<boolean>>()
  expectTypeOf<Windowed<number | string>>().toEqualTypeOf<Dataset<number | string>>()
  expectTypeOf<Windowed<Uint8Array>>().toEqualTypeOf<Dataset<Uint8Array>>()
  expectTypeOf<Windowed<Float32Array>>().toEqualTypeOf<Dataset<Float32Array>>()
  expectTypeOf<Windowed<NdArray<'int8', readonly [2]>>>().toEqualTypeOf<Dataset<NdArray<'int8', readonly [2]>>>()
  expectTypeOf<Windowed<RaggedArray>>().toEqualTypeOf<Dataset<RaggedArray>>()
  expectTypeOf<Windowed<Dataset<number>>>().toEqualTypeOf<Dataset<Dataset<number>>>()
})

test('a window of structures is a structure of datasets, to any depth', () => {
  expectTypeOf<Windowed<Example>>().toEqualTypeOf<{ readonly image: Dataset<NdArray<'uint8', readonly [28, 28]>>; label: Dataset<number> }>()
  expectTypeOf<Windowed<{ a: { b: string }; c: [number, Uint8Array] }>>().toEqualTypeOf<{ a: { b: Dataset<string> }; c: [Dataset<number>, Dataset<Uint8Array>] }>()
  expectTypeOf<Windowed<readonly boolean[]>>().toEqualTypeOf<readonly Dataset<boolean>[]>()
  expectTypeOf<Windowed<unknown>>().toEqualTypeOf<unknown>()
})
