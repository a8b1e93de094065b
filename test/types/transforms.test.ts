import { describe, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import { Dataset, fixedLen, type NdArray } from '../../src/index.js'
import {
  cast, crop, decodeImage, decodeRaw, dropKeys, encodeTensor, flip, isTransform, normalize, oneHot, padTo, parseExample, parseTensor, randomCrop, randomFlip, renameKeys, reshape, selectKeys,
  transformFromJson, type Transform
} from '../../src/transforms.js'

interface Row {
  readonly image: NdArray<'uint8', readonly [32, 32, 3]>
  readonly label: bigint
  readonly weight: number
  readonly bytes: Uint8Array
  readonly more: { readonly flag: boolean; readonly tokens: Int32Array; readonly text: string }
}

/** What iterating a dataset yields, for the compiler: nothing here is read. */
const element = <T>(_: Dataset<T>): T => undefined as T

describe('types of transformed elements', () => {
  test('follow from the spec and the element', () => {
    // Checked by the compiler and never called.
    const check = (rows: Dataset<Row>, images: Dataset<Row['image']>, anything: Dataset<unknown>): void => {
      type Same = Omit<Row, 'image'>

      expectTypeOf(element(rows.map(cast({ image: 'float32' })))).toEqualTypeOf<{ readonly image: NdArray<'float32', readonly [32, 32, 3]> } & Same extends infer R ? { [K in keyof R]: R[K] } : never>()
      const many = element(rows.map(cast({ label: 'int32', weight: 'bool', more: { flag: 'float32', tokens: 'int64' } })))
      expectTypeOf(many.label).toEqualTypeOf<NdArray<'int32', readonly []>>()
      expectTypeOf(many.weight).toEqualTypeOf<boolean>()
      expectTypeOf(many.more).toEqualTypeOf<{ readonly flag: number; readonly tokens: NdArray<'int64', readonly [number]>; readonly text: string }>()
      expectTypeOf(element(Dataset.range(3).map(cast('int64')))).toEqualTypeOf<bigint>()
      expectTypeOf(element(images.map(cast('float16')))).toEqualTypeOf<NdArray<'float16', readonly [32, 32, 3]>>()
      expectTypeOf(element(rows.map(cast({ label: 'float32' }), { parallel: 4 })).label).toEqualTypeOf<number>()
      expectTypeOf(cast('float32')(3)).toEqualTypeOf<number>()
      expectTypeOf(element(anything.map(cast('float32')))).toBeUnknown()

      expectTypeOf(element(rows.map(reshape({ image: [32, -1], weight: [1] }))).image).toEqualTypeOf<NdArray<'uint8', readonly [32, number]>>()
      expectTypeOf(element(rows.map(reshape({ weight: [1] }))).weight).toEqualTypeOf<NdArray<'float32', readonly [1]>>()

      const scaled = element(rows.map(normalize({ image: { scale: 1 / 255, mean: [1, 2, 3] }, label: {} })))
      expectTypeOf(scaled.image).toEqualTypeOf<NdArray<'float32', readonly [32, 32, 3]>>()
      expectTypeOf(scaled.label).toEqualTypeOf<number>()
      expectTypeOf(element(images.map(normalize({ std: 2 })))).toEqualTypeOf<NdArray<'float32', readonly [32, 32, 3]>>()

      expectTypeOf(element(rows.map(oneHot({ label: { depth: 10 } }))).label).toEqualTypeOf<NdArray<'float32', readonly [10]>>()
      expectTypeOf(element(rows.map(oneHot({ more: { tokens: { depth: 9, dtype: 'uint8' } } }))).more.tokens).toEqualTypeOf<NdArray<'uint8', readonly [number, 9]>>()
      expectTypeOf(element(images.map(oneHot({ depth: 256, dtype: 'bool' })))).toEqualTypeOf<NdArray<'bool', readonly [32, 32, 3, 256]>>()

      expectTypeOf(element(rows.map(decodeRaw({ bytes: { dtype: 'int16', shape: [4, -1] } }))).bytes).toEqualTypeOf<NdArray<'int16', readonly [4, number]>>()
      expectTypeOf(element(rows.map(decodeRaw({ bytes: { dtype: 'int16' } }))).bytes).toEqualTypeOf<NdArray<'int16', readonly [number]>>()
      expectTypeOf(element(rows.map(parseTensor({ bytes: { dtype: 'float32', shape: [2] } }))).bytes).toEqualTypeOf<NdArray<'float32', readonly [2]>>()
      expectTypeOf(parseTensor()(encodeTensor(3))).toEqualTypeOf<NdArray>()
      expectTypeOf(element(rows.map(selectKeys(['bytes'])).map(({ bytes }) => bytes).map(parseExample({ x: fixedLen([2], 'float32') }))).x).toEqualTypeOf<NdArray<'float32', readonly [2]>>()

      const decoded = element(rows.map(decodeImage({ bytes: { width: 224, height: 224, fit: 'cover', channels: 3 } }), { parallel: 4 }))
      expectTypeOf(decoded.bytes).toEqualTypeOf<NdArray<'uint8', readonly [224, 224, 3]>>()
      expectTypeOf(decoded.image).toEqualTypeOf<Row['image']>()
      expectTypeOf(decodeImage()(new Uint8Array(0))).resolves.toEqualTypeOf<NdArray<'uint8', readonly [number, number, 3]>>()
      expectTypeOf(decodeImage({ height: 9, channels: 1, dtype: 'float32' })(new Uint8Array(0))).resolves.toEqualTypeOf<NdArray<'float32', readonly [9, number, 1]>>()
      expectTypeOf(decodeImage({ height: 9, width: 8, fit: 'inside' })(new Uint8Array(0))).resolves.toEqualTypeOf<NdArray<'uint8', readonly [number, number, 3]>>()

      expectTypeOf(element(rows.map(crop({ image: { height: 24, width: 16 } }))).image).toEqualTypeOf<NdArray<'uint8', readonly [24, 16, 3]>>()
      expectTypeOf(element(rows.map(randomCrop({ image: { height: 24, width: 16 } }), { seed: 1 })).image).toEqualTypeOf<NdArray<'uint8', readonly [24, 16, 3]>>()
      expectTypeOf(element(rows.map(flip({ image: 'both' })))).toEqualTypeOf<Row>()
      expectTypeOf(element(images.map(randomFlip()))).toEqualTypeOf<Row['image']>()
      expectTypeOf(element(rows.map(randomFlip({ image: { horizontal: 0.5 } })))).toEqualTypeOf<Row>()
      expectTypeOf(element(rows.map(padTo({ more: { tokens: { shape: [8], value: -1 } } }))).more.tokens).toEqualTypeOf<NdArray<'int32', readonly [8]>>()

      expectTypeOf(element(rows.map(selectKeys(['label', 'image'])))).toEqualTypeOf<Pick<Row, 'label' | 'image'>>()
      expectTypeOf(element(rows.map(dropKeys(['more', 'bytes', 'weight'])))).toEqualTypeOf<Omit<Row, 'more' | 'bytes' | 'weight'>>()
      expectTypeOf(element(rows.map(selectKeys(['label', 'image'])).map(renameKeys({ image: 'xs', label: 'ys' })))).toEqualTypeOf<{ readonly xs: Row['image']; readonly ys: bigint }>()

      const batches = rows.map(selectKeys(['image', 'label'])).map(cast({ image: 'float32' })).batch(8)
      expectTypeOf(element(batches)).toEqualTypeOf<{ readonly image: NdArray<'float32', readonly [number, 32, 32, 3]>; readonly label: NdArray<'int64', readonly [number]> }>()

      const again = transformFromJson(cast('float32').transform)
      expectTypeOf(again).toExtend<Transform>()
      expectTypeOf(element(rows.map(again))).toBeUnknown()
      const value: unknown = again
      if (isTransform(value)) expectTypeOf(value.transform.name).toEqualTypeOf<string>()

      // @ts-expect-error -- no such key
      rows.map(cast({ images: 'float32' }))
      // @ts-expect-error -- no such key
      rows.map(selectKeys(['images']))
      // @ts-expect-error -- no such key
      rows.map(normalize({ more: { flags: {} } }))
      // @ts-expect-error -- no such dtype
      cast({ image: 'float' })
      // @ts-expect-error -- no such option
      normalize({ image: { skale: 2 } })
      // @ts-expect-error -- no depth
      oneHot({ label: { on: 2 } })
      // @ts-expect-error -- no such direction
      flip('left')
      // @ts-expect-error -- no such option
      decodeImage({ image: { size: 3 } })
      // @ts-expect-error -- it needs the context that map gives
      randomFlip()(encodeTensor(3))
    }
    void check
  })
})
