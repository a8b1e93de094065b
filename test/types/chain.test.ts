import { describe, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import * as tf from '@tensorflow/tfjs'
import {
  Dataset, fixedLen, memoryStore, ndarray, ragged, varLen,
  type Batched, type Cardinality, type Checkpoint, type DatasetIterator, type ElementContext, type ElementSpec, type NdArray, type RaggedArray, type Rng
} from '../../src/index.js'
import type { Format } from '../../src/format.js'
import type { Cursor, Operator } from '../../src/operator.js'
import { toTfDataset, toTfGenerator, type TfBatch, type TfDataset, type TfElement, type TfGenerator } from '../../src/tfjs.js'

/** What iterating a dataset yields, for the compiler. The plans are built and not read: what they yield is checked elsewhere. */
const element = <T>(dataset: Dataset<T>): T => {
  void dataset.plan
  return anything as T
}
const anything: unknown = new Proxy({}, { get: () => anything })

interface Row {
  readonly image: NdArray<'uint8', readonly [28, 28]>
  readonly label: bigint
}
const rows: Dataset<Row> = Dataset.of<Row>()
const numbers = Dataset.range(10)
const mixed: Dataset<number | string> = Dataset.of<number | string>(1, 'a')

describe('sources', () => {
  test('take the type of what they are given', () => {
    expectTypeOf(element(Dataset.range(3))).toEqualTypeOf<number>()
    expectTypeOf(element(Dataset.range(1, 9, 2))).toEqualTypeOf<number>()
    expectTypeOf(element(Dataset.of(1, 2))).toEqualTypeOf<number>()
    expectTypeOf(element(Dataset.of({ x: 1, y: 'a' }))).toEqualTypeOf<{ x: number; y: string }>()
    expectTypeOf(element(Dataset.from([true, false]))).toEqualTypeOf<boolean>()
    expectTypeOf(element(Dataset.from(new Map([['a', 1]])))).toEqualTypeOf<[string, number]>()
    expectTypeOf(element(Dataset.from(new ReadableStream<Uint8Array>()))).toEqualTypeOf<Uint8Array>()
    expectTypeOf(element(Dataset.from(async function* () { yield 'a' }))).toEqualTypeOf<string>()
    expectTypeOf(element(Dataset.from(({ signal }) => [signal.aborted]))).toEqualTypeOf<boolean>()
    expectTypeOf(element(Dataset.fromGenerator(function* () { yield* [1n, 2n] }))).toEqualTypeOf<bigint>()
    expectTypeOf(element(Dataset.fromTensors({ a: new Float32Array(3) }).map(({ a }) => a.length))).toEqualTypeOf<number>()
    expectTypeOf(element(Dataset.listFiles('*.txt'))).toEqualTypeOf<string>()
    expectTypeOf(element(Dataset.tfrecord('*.tfrecord', { store: memoryStore() }))).toEqualTypeOf<Uint8Array>()
  })

  test('slice the arrays of fromTensorSlices', () => {
    const xs = ndarray(new Uint8Array(12), [3, 2, 2])
    const sliced = Dataset.fromTensorSlices({ xs, ys: ['a', 'b', 'c'], weights: new Float64Array(3), raw: [new Uint8Array(1), new Uint8Array(2), new Uint8Array(0)] })
    expectTypeOf(element(sliced).xs).toEqualTypeOf<NdArray<'uint8', readonly [2, 2]>>()
    expectTypeOf(element(sliced).ys).toExtend<string>()
    expectTypeOf(element(sliced).weights).toEqualTypeOf<number>()
    expectTypeOf(element(sliced).raw).toExtend<Uint8Array>()
    expectTypeOf(element(Dataset.fromTensorSlices([xs, new BigInt64Array(3)]))).toEqualTypeOf<readonly [NdArray<'uint8', readonly [2, 2]>, bigint]>()
  })

  test('files have the elements of their format, which says what its options are', () => {
    const rowFormat: Format<Float32Array, { readonly columns: number }> = { name: 'rows', extensions: [], open: () => Promise.reject(new Error('not read')) }
    expectTypeOf(element(Dataset.fromFiles('*.rows', { format: rowFormat, options: { columns: 4 } }))).toEqualTypeOf<Float32Array>()
    expectTypeOf(element(Dataset.fromFiles('*.tfrecord', { format: 'tfrecord' }))).toBeUnknown()
    const wrong = (): void => {
      // @ts-expect-error -- columns is a number
      Dataset.fromFiles('*.rows', { format: rowFormat, options: { columns: '4' } })
      // @ts-expect-error -- no such option
      Dataset.fromFiles('*.rows', { format: rowFormat, options: { rows: 4 } })
    }
    void wrong
  })

  test('refuse what they cannot read', () => {
    const wrong = (): void => {
      // @ts-expect-error -- not iterable
      Dataset.from(3)
      // @ts-expect-error -- a promise of an array is not an array
      Dataset.from(Promise.resolve([1]))
      // @ts-expect-error -- a dataset is not a number
      Dataset.range(numbers)
      // @ts-expect-error -- no such option
      Dataset.tfrecord('a', { compresion: 'gzip' })
      // @ts-expect-error -- no such compression
      Dataset.tfrecord('a', { compression: 'bzip2' })
    }
    void wrong
  })
})

describe('several datasets', () => {
  test('zip keeps the nest', () => {
    expectTypeOf(element(Dataset.zip([numbers, rows]))).toEqualTypeOf<readonly [number, Row]>()
    expectTypeOf(element(Dataset.zip({ xs: numbers, more: { ys: Dataset.of('a'), zs: [numbers, Dataset.of(true)] } }))).toEqualTypeOf<{
      readonly xs: number
      readonly more: { readonly ys: string; readonly zs: readonly [number, boolean] }
    }>()
    const list: readonly Dataset<number>[] = [numbers]
    expectTypeOf(element(Dataset.zip(list))).toEqualTypeOf<readonly number[]>()
    const wrong = (): void => {
      // @ts-expect-error -- an array is not a dataset
      Dataset.zip({ xs: [1, 2] })
    }
    void wrong
  })

  test('concatenate yields what any of them yields', () => {
    expectTypeOf(element(numbers.concatenate(Dataset.of(1)))).toEqualTypeOf<number>()
    expectTypeOf(element(numbers.concatenate(Dataset.of('a'), Dataset.of(true)))).toEqualTypeOf<number | string | boolean>()
    expectTypeOf(element(numbers.concatenate())).toEqualTypeOf<number>()
    const list: readonly Dataset<string>[] = []
    expectTypeOf(element(numbers.concatenate(...list))).toEqualTypeOf<number | string>()
    const wrong = (): void => {
      // @ts-expect-error -- an array is not a dataset
      numbers.concatenate([1, 2])
    }
    void wrong
  })
})

describe('functions', () => {
  test('map gives what the function returns, or what its promise brings', () => {
    expectTypeOf(element(numbers.map(x => ({ x })))).toEqualTypeOf<{ x: number }>()
    expectTypeOf(element(numbers.map(async x => ({ x }), { parallel: 'auto' }))).toEqualTypeOf<{ x: number }>()
    expectTypeOf(element(numbers.map(x => (x > 1 ? Promise.resolve('late') : 0)))).toEqualTypeOf<string | number>()
    expectTypeOf(element(numbers.map(x => [x, String(x)] as const))).toEqualTypeOf<readonly [number, string]>()
    numbers.map((x, context) => {
      expectTypeOf(x).toEqualTypeOf<number>()
      expectTypeOf(context).toEqualTypeOf<ElementContext>()
      expectTypeOf(context.rng).toEqualTypeOf<Rng>()
    })
    const wrong = (): void => {
      // @ts-expect-error -- an element is a number
      numbers.map((x: string) => x.length)
      // @ts-expect-error -- the second argument is options
      numbers.map(x => x, 4)
      // @ts-expect-error -- tf.data says num_parallel_calls; here it is parallel
      numbers.map(x => x, { numParallelCalls: 4 })
      // @ts-expect-error -- a number or 'auto'
      numbers.map(x => x, { parallel: 'AUTOTUNE' })
    }
    void wrong
  })

  test('filter and takeWhile narrow with a type guard, written or inferred', () => {
    const isString = (x: unknown): x is string => typeof x === 'string'
    expectTypeOf(element(mixed.filter(isString))).toEqualTypeOf<string>()
    expectTypeOf(element(mixed.filter(x => typeof x === 'number'))).toEqualTypeOf<number>()
    expectTypeOf(element(mixed.takeWhile(isString))).toEqualTypeOf<string>()
    expectTypeOf(element(mixed.takeWhile(x => typeof x === 'number', { seed: 1 }))).toEqualTypeOf<number>()
    expectTypeOf(element(numbers.filter(async x => x > 1))).toEqualTypeOf<number>()
    expectTypeOf(element(numbers.takeWhile((x, { rng }) => rng.uniform() < x))).toEqualTypeOf<number>()
    const maybe = numbers.map(x => (x > 1 ? x : undefined))
    expectTypeOf(element(maybe)).toEqualTypeOf<number | undefined>()
    expectTypeOf(element(maybe.filter(x => x !== undefined))).toEqualTypeOf<number>()
  })

  test('flatMap and interleave give what the inner datasets yield', () => {
    expectTypeOf(element(Dataset.listFiles('*').flatMap(file => Dataset.tfrecord(file)))).toEqualTypeOf<Uint8Array>()
    expectTypeOf(element(Dataset.listFiles('*').interleave(file => Dataset.tfrecord(file).map(({ length }) => length), { cycleLength: 4, parallel: 'auto' }))).toEqualTypeOf<number>()
    expectTypeOf(element(numbers.flatMap(async n => Dataset.of(`${n}`)))).toEqualTypeOf<string>()
    const wrong = (): void => {
      // @ts-expect-error -- the function returns a dataset
      numbers.flatMap(n => [n, n])
      // @ts-expect-error -- the function returns a dataset
      numbers.interleave(n => n)
    }
    void wrong
  })

  test('enumerate, scan and window', () => {
    expectTypeOf(element(rows.enumerate(1))).toEqualTypeOf<readonly [number, Row]>()
    expectTypeOf(element(numbers.scan(0, (sum, x) => [sum + x, `${sum}`]))).toEqualTypeOf<string>()
    expectTypeOf(element(numbers.scan({ seen: 0n }, async ({ seen }, x) => [{ seen: seen + 1n }, x > 1] as const))).toEqualTypeOf<boolean>()
    expectTypeOf(element(numbers.window(3))).toEqualTypeOf<Dataset<number>>()
    expectTypeOf(element(rows.window(3, { shift: 1 }))).toEqualTypeOf<{ readonly image: Dataset<Row['image']>; readonly label: Dataset<bigint> }>()
    expectTypeOf(element(numbers.window(3).flatMap(window => window.batch(3)))).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    const wrong = (): void => {
      // @ts-expect-error -- the function returns [state, output]
      numbers.scan(0, (sum, x) => sum + x)
      // @ts-expect-error -- the state stays of one type
      numbers.scan(0, (sum, x) => [`${sum}`, x])
    }
    void wrong
  })

  test('methods that only choose, order or hold elements keep their type', () => {
    const same = rows.take(5).skip(1).shard(2, 0).repeat(2).shuffle(10, { seed: 1 }).shuffle().prefetch('auto').cache().assertElementSpec({
      image: { dtype: 'uint8', shape: [28, 28] }, label: { dtype: 'int64', shape: [] }
    })
    expectTypeOf(element(same)).toEqualTypeOf<Row>()
    const wrong = (): void => {
      // @ts-expect-error -- it has a number of shards and an index
      rows.shard(2)
      // @ts-expect-error -- a size or 'auto'
      rows.prefetch()
      // @ts-expect-error -- no such dtype
      rows.assertElementSpec({ dtype: 'float', shape: [] })
    }
    void wrong
  })
})

describe('batches', () => {
  test('the first axis is a literal only when no smaller batch can come', () => {
    expectTypeOf(element(rows.batch(32))).toEqualTypeOf<{ readonly image: NdArray<'uint8', readonly [number, 28, 28]>; readonly label: NdArray<'int64', readonly [number]> }>()
    expectTypeOf(element(rows.batch(32, { dropRemainder: true }))).toEqualTypeOf<{
      readonly image: NdArray<'uint8', readonly [32, 28, 28]>
      readonly label: NdArray<'int64', readonly [32]>
    }>()
    expectTypeOf(element(rows.batch(32, { dropRemainder: false })).label).toEqualTypeOf<NdArray<'int64', readonly [number]>>()
    const size: number = 8
    expectTypeOf(element(rows.batch(size, { dropRemainder: true })).label).toEqualTypeOf<NdArray<'int64', readonly [number]>>()
    const drop = size > 4
    expectTypeOf(element(rows.batch(32, { dropRemainder: drop })).label.shape).toExtend<readonly [number]>()
    expectTypeOf(element(rows.batch(32, { dropRemainder: drop })).label.shape[0]).toEqualTypeOf<number>()
  })

  test('numbers get the dtype that was asked for', () => {
    expectTypeOf(element(numbers.batch(4))).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    expectTypeOf(element(numbers.batch(4, { numbers: 'int32' }))).toEqualTypeOf<NdArray<'int32', readonly [number]>>()
    expectTypeOf(element(numbers.batch(4, { numbers: 'float64', dropRemainder: true })).data).toEqualTypeOf<Float64Array>()
    expectTypeOf(element(numbers.batch(2).batch(3, { dropRemainder: true }))).toEqualTypeOf<NdArray<'float32', readonly [3, number]>>()
    const wrong = (): void => {
      // @ts-expect-error -- numbers do not become strings
      numbers.batch(4, { numbers: 'string' })
      // @ts-expect-error -- PyTorch says drop_last; here it is dropRemainder
      numbers.batch(4, { dropLast: true })
      // @ts-expect-error -- a number of elements
      numbers.batch('4')
    }
    void wrong
  })

  test('paddedBatch keeps the rank and forgets the lengths', () => {
    const words = numbers.map(n => ({ ids: new Int32Array(n), text: 'a' }))
    expectTypeOf(element(words.paddedBatch(8))).toEqualTypeOf<{ ids: NdArray<'int32', readonly [number, number]>; text: NdArray<'string', readonly [number]> }>()
    expectTypeOf(element(words.paddedBatch(8, { dropRemainder: true, shapes: { ids: [100], text: [] } })).ids).toEqualTypeOf<NdArray<'int32', readonly [8, number]>>()
  })

  test('unbatch gives the elements back', () => {
    expectTypeOf(element(rows.batch(32).unbatch())).toEqualTypeOf<Row>()
    expectTypeOf(element(rows.batch(32, { dropRemainder: true }).unbatch())).toEqualTypeOf<Row>()
    expectTypeOf(element(numbers.batch(4).unbatch())).toEqualTypeOf<number>()
    expectTypeOf(element(numbers.batch(4, { numbers: 'int32' }).unbatch())).toEqualTypeOf<NdArray<'int32', readonly []>>()
  })

  test('Examples are batched by their spec', () => {
    const parsed = Dataset.tfrecord('*.tfrecord').shuffle(100).parseExample({
      image: fixedLen([28, 28], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64'), weight: fixedLen([], 'float32'),
      tokens: ragged('int32'), name: fixedLen([], 'bytes'), any: varLen('float32')
    })
    expectTypeOf(element(parsed).image).toEqualTypeOf<NdArray<'uint8', readonly [28, 28]>>()
    expectTypeOf(element(parsed).label).toEqualTypeOf<bigint>()
    const batch = element(parsed.batch(128, { dropRemainder: true }))
    expectTypeOf(batch.image).toEqualTypeOf<NdArray<'uint8', readonly [128, 28, 28]>>()
    expectTypeOf(batch.image.data).toEqualTypeOf<Uint8Array>()
    expectTypeOf(batch.label).toEqualTypeOf<NdArray<'int64', readonly [128]>>()
    expectTypeOf(batch.label.data).toEqualTypeOf<BigInt64Array>()
    expectTypeOf(batch.weight).toEqualTypeOf<NdArray<'float32', readonly [128]>>()
    expectTypeOf(batch.tokens).toEqualTypeOf<RaggedArray<'int32'>>()
    expectTypeOf(batch.name).toEqualTypeOf<Uint8Array[]>()
    expectTypeOf(element(parsed.map(({ any, label }) => ({ any, label })).paddedBatch(4)).any).toEqualTypeOf<NdArray<'float32', readonly [number, number]>>()
    const wrong = (): void => {
      // @ts-expect-error -- only bytes are Examples
      numbers.parseExample({ x: fixedLen([], 'int64') })
      // @ts-expect-error -- there is no such feature
      void batch.images
    }
    void wrong
  })

  test('what is not known is unknown, never any', () => {
    const whatever: Dataset<unknown> = Dataset.of<unknown>(1)
    expectTypeOf(element(whatever.batch(2))).toBeUnknown()
    expectTypeOf(element(whatever.unbatch())).toBeUnknown()
    expectTypeOf(element(whatever.window(2))).toBeUnknown()
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- that any does not spread is the point
    const untyped: Dataset<any> = Dataset.of<any>(1)
    expectTypeOf(element(untyped.batch(2))).toBeUnknown()
    const json = Dataset.of('{}').map(text => JSON.parse(text) as unknown)
    expectTypeOf(element(json)).toBeUnknown()
  })
})

describe('composition and consumption', () => {
  test('apply gives what the function returns', () => {
    const normalize = (dataset: Dataset<Row>) => dataset.map(({ image }) => Float32Array.from(image.data, x => x / 255))
    expectTypeOf(element(rows.apply(normalize).batch(2, { dropRemainder: true }))).toEqualTypeOf<NdArray<'float32', readonly [2, number]>>()
    expectTypeOf(numbers.apply(dataset => dataset.cardinality)).toEqualTypeOf<Cardinality>()
    const evens = <T>(dataset: Dataset<T>) => dataset.shard(2, 0)
    expectTypeOf(element(rows.apply(evens))).toEqualTypeOf<Row>()
    const wrong = (): void => {
      // @ts-expect-error -- it wants rows
      numbers.apply(normalize)
    }
    void wrong
  })

  test('functions over datasets may be generic, and a dataset one of several', () => {
    const labels = <T extends { readonly label: bigint }>(dataset: Dataset<T>) => dataset.map(row => ({ row, label: Number(row.label) })).batch(4)
    expectTypeOf(element(labels(rows)).label).toEqualTypeOf<NdArray<'float32', readonly [number]>>()
    expectTypeOf(element(labels(Dataset.of({ label: 1n, name: 'a' }))).row.name).toEqualTypeOf<NdArray<'string', readonly [number]>>()
    const either = (numbers.cardinality === 0 ? numbers : Dataset.of('a')) as Dataset<number> | Dataset<string>
    expectTypeOf(element<number | string>(either)).toEqualTypeOf<number | string>()
    expectTypeOf(element(either.map(x => ({ x })))).toEqualTypeOf<{ x: string | number }>()
  })

  test('operator gives the elements of the operator, and checks its params', () => {
    const pairs: Operator<{ readonly gap: number }, readonly [number, number]> = { name: 'pairs', open: (): Cursor<readonly [number, number]> => ({ pull: () => null }) }
    expectTypeOf(element(numbers.operator(pairs, { gap: 1 }))).toEqualTypeOf<readonly [number, number]>()
    const wrong = (): void => {
      // @ts-expect-error -- the params have a gap
      numbers.operator(pairs, { gab: 1 })
    }
    void wrong
  })

  test('what consumes', async () => {
    expectTypeOf(rows.take(0).toArray()).toEqualTypeOf<Promise<Row[]>>()
    expectTypeOf(rows.first()).toEqualTypeOf<Promise<Row | undefined>>()
    expectTypeOf(numbers.take(1).getSingleElement()).toEqualTypeOf<Promise<number>>()
    expectTypeOf(numbers.reduce('', (text, x) => text + x)).toEqualTypeOf<Promise<string>>()
    expectTypeOf(numbers.reduce(0, async (sum, x) => sum + x)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(numbers.elementSpec()).toEqualTypeOf<Promise<ElementSpec>>()
    for await (const row of rows) expectTypeOf(row).toEqualTypeOf<Row>()
    const iterator = rows.iterator()
    expectTypeOf(iterator).toEqualTypeOf<DatasetIterator<Row>>()
    expectTypeOf(iterator.checkpoint()).toEqualTypeOf<Checkpoint>()
    const step = await iterator.next()
    if (step.done !== true) expectTypeOf(step.value).toEqualTypeOf<Row>()
    await iterator.close()
  })

  test('a Dataset of a narrower type is a Dataset of a wider one', () => {
    const wider = (dataset: Dataset<{ readonly label: bigint }>) => dataset
    expectTypeOf(element(wider(rows))).toEqualTypeOf<{ readonly label: bigint }>()
    const iterable: AsyncIterable<Row> = rows
    expectTypeOf(iterable).toExtend<AsyncIterable<unknown>>()
    const wrong = (): void => {
      // @ts-expect-error -- numbers have no label
      wider(numbers)
    }
    void wrong
  })
})

describe('TensorFlow.js', () => {
  const pairs = Dataset.range(4).map(x => ({ xs: new Float32Array([x]), ys: new Float32Array([2 * x]) })).batch(2)

  test('toTfDataset makes what fitDataset takes', () => {
    expectTypeOf(toTfDataset(pairs, { tf })).toEqualTypeOf<TfDataset<tf.Tensor>>()
    expectTypeOf(toTfDataset(pairs)).toEqualTypeOf<TfDataset>()
    expectTypeOf(toTfDataset(pairs.map(({ xs, ys }) => [xs, ys] as const), { tf })).toEqualTypeOf<TfDataset<tf.Tensor>>()
    expectTypeOf(toTfDataset(rows.batch(4), { tf, select: ({ image, label }) => ({ xs: image, ys: label }) })).toEqualTypeOf<TfDataset<tf.Tensor>>()
    expectTypeOf<TfDataset<tf.Tensor>>().toExtend<Parameters<tf.LayersModel['fitDataset']>[0]>()
    expectTypeOf<TfBatch<tf.Tensor>>().toExtend<tf.TensorContainer>()
    const wrong = (): void => {
      // @ts-expect-error -- elements { image, label } need select
      toTfDataset(rows.batch(4), { tf })
      // @ts-expect-error -- there is no such member
      toTfDataset(rows.batch(4), { tf, select: ({ images, label }) => ({ xs: images as unknown, ys: label }) })
    }
    void wrong
  })

  test('toTfGenerator makes what tf.data.generator takes', () => {
    const generator = toTfGenerator(rows.batch(4), { tf })
    expectTypeOf(generator).toEqualTypeOf<TfGenerator<TfElement<Batched<Row>, tf.Tensor>>>()
    expectTypeOf<TfElement<Batched<Row>, tf.Tensor>>().toEqualTypeOf<{ image: tf.Tensor; label: tf.Tensor }>()
  })
})
