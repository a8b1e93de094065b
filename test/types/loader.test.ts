import { describe, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import type { LoaderOptions } from '../../src/loader/loader-options.js'
import { gpuOptimized } from '../../src/loader/presets.js'
import type { NdArray } from '../../src/types.js'

/** What a loader delivers, as a type. */
const batchOf = <B>(_: AsyncIterable<B>): B => undefined as B
type Numbers = NdArray<'float32', readonly [number]>

const source = { length: 3, get: async (index: number) => ({ x: index, name: 'a' }) }

describe('the type of a batch', () => {
  test('is that of stacked elements, whatever they come from', () => {
    const loader = new DataLoader(source)
    expectTypeOf(batchOf(loader)).toEqualTypeOf<{ x: Numbers; name: NdArray<'string', readonly [number]> }>()
    const dataset = new DataLoader(Dataset.range(3), { batchSize: 2, shuffle: true })
    expectTypeOf(batchOf(dataset)).toEqualTypeOf<Numbers>()
    const array = new DataLoader([1, 2], { ...gpuOptimized, batchSize: 2 })
    expectTypeOf(batchOf(array)).toEqualTypeOf<Numbers>()
    const generator = new DataLoader(function* () { yield 1 })
    expectTypeOf(batchOf(generator)).toEqualTypeOf<Numbers>()
    const asynchronous = new DataLoader(async function* () { yield 1 })
    expectTypeOf(batchOf(asynchronous)).toEqualTypeOf<Numbers>()
    const set = new DataLoader(new Set([1]))
    expectTypeOf(batchOf(set)).toEqualTypeOf<Numbers>()
  })

  test('is what collate returns, and collate gets elements', () => {
    const loader = new DataLoader(source, { collate: async elements => { expectTypeOf(elements).toEqualTypeOf<readonly { x: number; name: string }[]>(); return elements.length } })
    expectTypeOf(batchOf(loader)).toEqualTypeOf<number>()
  })

  test('is the element without batches', () => {
    const loader = new DataLoader(source, { batchSize: null })
    expectTypeOf(batchOf(loader)).toEqualTypeOf<{ x: number; name: string }>()
    expectTypeOf<Awaited<ReturnType<typeof loader.collectBatch>>>().toEqualTypeOf<{ x: Numbers; name: NdArray<'string', readonly [number]> } | undefined>()
  })

  test('of objects has their URIs and bytes', () => {
    const loader = DataLoader.fromUris(['a'], { batchSize: 2 })
    expectTypeOf(batchOf(loader)).toEqualTypeOf<{ readonly uri: NdArray<'string', readonly [number]>; readonly bytes: Uint8Array[] }>()
    expectTypeOf(batchOf(loader.items())).toEqualTypeOf<{ readonly index: number; readonly element: { readonly uri: string; readonly bytes: Uint8Array } }>()
  })

  test('options may be kept in a variable, and loaders named by their elements', () => {
    const options: LoaderOptions = { batchSize: 3, shuffle: true }
    const loader: DataLoader<number> = new DataLoader([1, 2, 3], options)
    expectTypeOf(batchOf(loader)).toEqualTypeOf<Numbers>()
  })

  test('unknown options and wrong types do not compile', () => {
    // @ts-expect-error there is no such option
    void (() => new DataLoader([1], { batchsize: 3 }))
    // @ts-expect-error it is a number
    void (() => new DataLoader([1], { batchSize: '3' }))
    // @ts-expect-error it belongs to fromUris
    void (() => new DataLoader([1], { partSize: 3 }))
  })
})
