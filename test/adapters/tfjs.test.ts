import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import * as tf from '@tensorflow/tfjs'
import { expectTypeOf } from 'expect-type'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadTensorFlow } from '../../src/adapters/tf-tensors.js'
import { toTfDataset, toTfGenerator, type TfTensor } from '../../src/adapters/tfjs.js'
import { Dataset } from '../../src/dataset.js'
import { isMillraceError } from '../../src/errors.js'
import type { NdArray } from '../../src/types.js'

const ROWS = 20

/** Rows of y = 2 x, and counts of the generators that were begun and ended. */
function counted(rows = ROWS) {
  const counts = { begun: 0, ended: 0, yielded: 0 }
  const source = Dataset.fromGenerator(async function* () {
    counts.begun++
    try {
      for (let i = 0; i < rows; i++) {
        counts.yielded++
        yield { xs: Float32Array.of(i / rows), ys: Float32Array.of((2 * i) / rows) }
      }
    } finally {
      counts.ended++
    }
  })
  return { counts, source, batches: source.batch(4) }
}

function smallModel() {
  const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [1], units: 1, kernelInitializer: 'zeros' })] })
  model.compile({ optimizer: tf.train.sgd(0.5), loss: 'meanSquaredError' })
  return model
}

/** What is left of the tensors that `run` made. The models that it makes are disposed of by the caller. */
async function tensorsLeft(run: () => Promise<unknown>): Promise<number> {
  const before = tf.memory().numTensors
  await run()
  return tf.memory().numTensors - before
}

/** Node gives the collector away only to those who ask with a flag, which may be set late. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

const failure = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error: unknown) => error)

beforeAll(async () => {
  jest.spyOn(console, 'warn').mockImplementation(() => undefined) // what TensorFlow.js says of faster backends and of data that end
  await tf.setBackend('cpu')
})
afterAll(() => { jest.restoreAllMocks() })

describe('fitDataset', () => {
  test('learns over several epochs, and leaves neither tensors nor iterators', async () => {
    const { counts, batches } = counted()
    const model = smallModel()
    let losses: unknown[] = []
    const left = await tensorsLeft(async () => {
      const data = toTfDataset(batches, { tf })
      await model.fitDataset(data, { epochs: 1, verbose: 0 }) // makes the variables of the optimizer
      const history = await model.fitDataset(data, { epochs: 5, verbose: 0 })
      losses = history.history['loss'] ?? []
      expect(data.stats().elements).toBe(6 * 5)
      expect(data.stats().waitedMs).toBeGreaterThan(0)
    })
    expect(losses).toHaveLength(5)
    expect(losses[4]).toBeLessThan(losses[0] as number)
    expect(left).toBe(0)
    expect(counts).toEqual({ begun: 6, ended: 6, yielded: 6 * ROWS })
    model.dispose()
  })

  test('reads one iterator across epochs when batchesPerEpoch is given', async () => {
    const { counts, batches } = counted()
    const model = smallModel()
    const data = toTfDataset(batches.repeat(), { tf })
    expect(data.size).toBe(Infinity)
    await model.fitDataset(data, { epochs: 3, batchesPerEpoch: 4, verbose: 0 })
    expect(data.stats().elements).toBe(12)
    expect(counts.begun - counts.ended).toBe(1)
    await data.close()
    expect(counts.begun - counts.ended).toBe(0)
    model.dispose()
  })

  test('validates with a dataset, also when validationBatches leaves it in its middle', async () => {
    const training = counted()
    const validation = counted()
    const model = smallModel()
    const validationData = toTfDataset(validation.batches, { tf })
    const left = await tensorsLeft(() => model.fitDataset(toTfDataset(training.batches, { tf }), { epochs: 3, validationData, validationBatches: 2, verbose: 0 }))
    expect(left).toBe(0)
    expect(training.counts).toMatchObject({ begun: 3, ended: 3 })
    expect(validation.counts).toMatchObject({ begun: 3, ended: 2 })
    await validationData.close()
    expect(validation.counts.ended).toBe(3)
    model.dispose()
  })

  test('evaluates', async () => {
    const { counts, batches } = counted()
    const model = smallModel()
    const left = await tensorsLeft(async () => {
      const loss = await model.evaluateDataset(toTfDataset(batches, { tf }), {})
      tf.dispose(loss)
    })
    expect(left).toBe(0)
    expect(counts).toMatchObject({ begun: 1, ended: 1 })
    model.dispose()
  })

  test('goes on in mid-epoch after stopTraining, with the elements that were still to come', async () => {
    const { batches } = counted(64)
    const shuffled = batches.unbatch().shuffle(16).batch(4)
    const seen: number[][] = []
    const record = ({ xs, ys }: { xs: NdArray<'float32'>; ys: NdArray<'float32'> }) => {
      seen.push(Array.from(xs.data))
      return { xs, ys }
    }
    const run = async (options: object, stopAt = Infinity) => {
      const model = smallModel()
      const data = toTfDataset(shuffled, { tf, select: record, ...options })
      const first = seen.length
      await model.fitDataset(data, {
        epochs: 2,
        initialEpoch: (options as { from?: { epoch: number } }).from?.epoch ?? 0,
        verbose: 0,
        callbacks: { onBatchEnd: async () => { model.stopTraining = seen.length - first >= stopAt } }
      })
      const position: unknown = JSON.parse(JSON.stringify(data.checkpoint()))
      await data.close()
      model.dispose()
      return { position, sequence: seen.slice(first) }
    }
    const whole = await run({ seed: 7 })
    expect(whole.sequence).toHaveLength(32)
    expect(whole.sequence.slice(0, 16)).not.toEqual(whole.sequence.slice(16))
    for (const stop of [1, 5, 16, 21]) {
      const begun = await run({ seed: 7, epoch: 0 }, stop)
      expect(begun.sequence).toHaveLength(stop)
      const { sequence } = await run({ from: begun.position })
      expect([...begun.sequence, ...sequence]).toEqual(whole.sequence)
    }
  })

  test('gets the error of the pipeline, after which nothing is open', async () => {
    const { counts, batches } = counted()
    const broken = batches.map((batch, { index }) => {
      if (index === 0) throw new Error('no such luck')
      return batch
    })
    const model = smallModel()
    const left = await tensorsLeft(async () => {
      // At the first batch: later, fitDataset itself loses the sums of its metrics.
      const error = await failure(model.fitDataset(toTfDataset(broken, { tf }), { epochs: 2, verbose: 0 }))
      expect(isMillraceError(error, 'UserFunction')).toBe(true)
      expect((error as Error).message).toContain('no such luck')
    })
    expect(left).toBe(0)
    expect(counts).toMatchObject({ begun: 1, ended: 1 })
    model.dispose()
  })

  test('accepts the types of TensorFlow.js', () => {
    const { batches } = counted()
    const data = toTfDataset(batches, { tf })
    type Fit = Parameters<tf.LayersModel['fitDataset']>[0]
    expectTypeOf(data).toExtend<Fit>()
    expectTypeOf(toTfDataset(batches)).toExtend<Fit>()
    expectTypeOf(data).toExtend<Parameters<tf.LayersModel['evaluateDataset']>[0]>()
    // @ts-expect-error elements without xs and ys need a selection
    toTfDataset(Dataset.range(3), { tf })
  })
})

describe('an iterator of toTfDataset', () => {
  test('starts nothing before its first next()', async () => {
    const { counts, batches } = counted()
    const data = toTfDataset(batches, { tf })
    const iterator = await data.iterator()
    expect(counts.begun).toBe(0)
    expect(data.checkpoint()).toBeUndefined()
    tf.dispose((await iterator.next()).value)
    expect(counts.begun).toBe(1)
    expect(data.checkpoint()).toMatchObject({ epoch: 0 })
    await iterator.return()
    expect(counts.ended).toBe(1)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('is closed by the next one, and says so when it is read', async () => {
    const { counts, batches } = counted()
    const data = toTfDataset(batches, { tf })
    const left = await data.iterator()
    tf.dispose((await left.next()).value)
    await data.iterator()
    expect(counts).toMatchObject({ begun: 1, ended: 1 })
    expect(isMillraceError(await failure(left.next()), 'Closed')).toBe(true)
  })

  test('ends with done, again and again', async () => {
    const data = toTfDataset(counted(4).batches, { tf })
    const iterator = await data.iterator()
    tf.dispose((await iterator.next()).value)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('is closed when nobody holds it any more', async () => {
    const { counts, batches } = counted()
    const data = toTfDataset(batches, { tf })
    await (async () => {
      tf.dispose((await (await data.iterator()).next()).value)
    })()
    expect(counts).toMatchObject({ begun: 1, ended: 0 })
    for (let turn = 0; counts.ended === 0 && turn < 50; turn++) {
      collectGarbage()
      await new Promise(resolve => { setImmediate(resolve) })
    }
    expect(counts.ended).toBe(1)
    expect(data.checkpoint()).toMatchObject({ epoch: 0 })
  })

  test('knows how many there are, if the dataset does', () => {
    expect(toTfDataset(Dataset.fromTensorSlices({ xs: new Float32Array(10), ys: new Float32Array(10) }).batch(4), { tf }).size).toBe(3)
    expect(toTfDataset(counted().batches, { tf }).size).toBe(NaN)
    expect(toTfDataset(counted().batches.repeat(), { tf }).size).toBe(Infinity)
  })

  test('numbers epochs by those that were read, whatever else iterates the dataset', async () => {
    const epochs: number[] = []
    const dataset = Dataset.from(({ epoch }) => (epochs.push(epoch), [{ xs: 1, ys: 1 }]))
    const data = toTfDataset(dataset, { tf, epoch: 3 })
    for (let i = 0; i < 3; i++) {
      await data.iterator()
      for await (const element of await data.iterator()) tf.dispose(element)
      await dataset.toArray({ epoch: 50 })
    }
    expect(epochs.filter(epoch => epoch < 50)).toEqual([3, 4, 5])
  })

  test('rejects with the reason of the signal', async () => {
    const { counts, batches } = counted()
    const controller = new AbortController()
    const iterator = await toTfDataset(batches, { tf, signal: controller.signal }).iterator()
    tf.dispose((await iterator.next()).value)
    controller.abort(new Error('enough'))
    expect(await failure(iterator.next())).toMatchObject({ message: 'enough' })
    expect(counts).toMatchObject({ begun: 1, ended: 1 })
  })
})

describe('elements', () => {
  const first = async (element: unknown, options: object = {}): Promise<{ xs: tf.Tensor; ys: tf.Tensor }> => {
    const data = toTfDataset(Dataset.of(element as { xs: unknown; ys: unknown }), { tf, ...options })
    const iterator = await data.iterator()
    const { value } = await iterator.next()
    await data.close()
    return value as never
  }
  const array = (dtype: string, data: ArrayLike<unknown>, shape = [data.length]) => ({ dtype, shape, data })

  test.each([
    [array('float32', Float32Array.of(1, 2.5, -3)), 'float32', [1, 2.5, -3]],
    [array('float16', Uint16Array.of(0x3c00, 0xc100, 0x0001, 0x7c00, 0xfc00)), 'float32', [1, -2.5, 2 ** -24, Infinity, -Infinity]],
    [array('bfloat16', Uint16Array.of(0x3f80, 0xc020)), 'float32', [1, -2.5]],
    [array('int8', Int8Array.of(-128, 127)), 'int32', [-128, 127]],
    [array('uint8', Uint8Array.of(0, 255)), 'int32', [0, 255]],
    [array('int16', Int16Array.of(-32768, 32767)), 'int32', [-32768, 32767]],
    [array('uint16', Uint16Array.of(0, 65535)), 'int32', [0, 65535]],
    [array('int32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1)), 'int32', [-(2 ** 31), 2 ** 31 - 1]],
    [array('uint32', Uint32Array.of(0, 2 ** 31 - 1)), 'int32', [0, 2 ** 31 - 1]],
    [array('int64', BigInt64Array.of(-(2n ** 31n), 5n)), 'int32', [-(2 ** 31), 5]],
    [array('uint64', BigUint64Array.of(0n, 5n)), 'int32', [0, 5]],
    [array('bool', Uint8Array.of(0, 1)), 'bool', [0, 1]],
    [array('string', ['a', 'ü']), 'string', ['a', 'ü']]
  ])('an array of %p becomes a tensor of the same values', async (leaf, dtype, values) => {
    const { xs, ys } = await first({ xs: leaf, ys: leaf })
    expect(xs.dtype).toBe(dtype)
    expect(xs.shape).toEqual([values.length])
    expect(Array.from(await xs.data())).toEqual(values)
    tf.dispose([xs, ys])
  })

  test('shapes are kept, and tuples, lists and names as well', async () => {
    const image = array('uint8', new Uint8Array(12), [2, 3, 2])
    const { xs, ys } = await first([{ left: image, right: image }, [image, 7]]) as unknown as { xs: Record<string, tf.Tensor>; ys: tf.Tensor[] }
    expect(Object.values(xs).map(({ shape }) => shape)).toEqual([[2, 3, 2], [2, 3, 2]])
    expect(ys.map(({ shape }) => shape)).toEqual([[2, 3, 2], []])
    tf.dispose([xs, ys] as never)
  })

  test.each([
    ['Lossy', 'uint32', { xs: array('uint32', Uint32Array.of(1, 2 ** 31)), ys: 0 }, /2147483648 at xs \(value 1\) does not fit int32/],
    ['Lossy', 'int64', { xs: 0, ys: array('int64', BigInt64Array.of(2n ** 40n)) }, /1099511627776 at ys/],
    ['Lossy', 'a bigint', { xs: 0, ys: 2n ** 31n }, /2147483648 at ys does not fit int32/],
    ['Lossy', 'a number', { xs: 0, ys: 2 ** 24 + 1 }, /float32 cannot hold 16777217/],
    ['Lossy', 'float64', { xs: array('float64', Float64Array.of(1)), ys: 0 }, /downcast: true/],
    ['Unsupported', 'bytes', { xs: 0, ys: { label: Uint8Array.of(1) } }, /ys\.label is bytes/],
    ['Unsupported', 'ragged', { xs: { dtype: 'int32', data: Int32Array.of(1), rowSplits: [Int32Array.of(0, 1)] }, ys: 0 }, /paddedBatch/],
    ['Unsupported', 'complex', { xs: array('complex64', new Float32Array(2), [1]), ys: 0 }, /real and its imaginary part/],
    ['Unsupported', 'a date', { xs: 0, ys: new Date(0) }, /ys is an instance of Date/],
    ['Mismatch', 'a broken array', { xs: array('int32', new Int32Array(2), [3]), ys: 0 }, /needs 3 values/],
    ['Mismatch', 'no targets', { xs: 0 }, /\{ xs, ys \}.*select/]
  ])('a value that no tensor holds is %s: %s', async (kind, _, element, message) => {
    const left = await tensorsLeft(async () => {
      const error = await failure(first({ ...element }))
      expect(error).toMatchObject({ kind })
      expect((error as Error).message).toMatch(message)
    })
    expect(left).toBe(0)
  })

  test('float64 becomes float32 on request', async () => {
    const { xs, ys } = await first({ xs: array('float64', Float64Array.of(0.1)), ys: 0 }, { downcast: true })
    expect(Array.from(await xs.data())).toEqual([Math.fround(0.1)])
    tf.dispose([xs, ys])
  })

  test('select says what inputs and targets are', async () => {
    const rows = Dataset.of({ image: Float32Array.of(1, 2), label: 3 })
    const data = toTfDataset(rows, { tf, select: ({ image, label }) => ({ xs: image, ys: label }) })
    const { value } = await (await data.iterator()).next()
    expect(Array.from((value?.xs as tf.Tensor).dataSync())).toEqual([1, 2])
    tf.dispose(value)
    await data.close()
    const wrong = toTfDataset(rows, { tf, select: (() => 3) as never })
    expect(await failure((await wrong.iterator()).next())).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('select must return') })
  })

  test('a batch is never written to after it was handed over', async () => {
    const data = toTfDataset(counted().batches, { tf })
    const kept: tf.Tensor[] = []
    for await (const { xs, ys } of await data.iterator()) {
      kept.push(xs as tf.Tensor)
      tf.dispose(ys)
    }
    const values = kept.flatMap(tensor => Array.from(tensor.dataSync()))
    expect(values).toEqual(Array.from({ length: ROWS }, (_, i) => Math.fround(i / ROWS)))
    tf.dispose(kept)
  })
})

describe('toTfGenerator', () => {
  test('feeds tf.data, which may map, batch and repeat, and leaves nothing', async () => {
    const { counts, source } = counted(6)
    const generator = toTfGenerator(source.map(({ xs }, { index }) => ({ x: xs, index, name: `row ${index}`, big: BigInt(index) })), { tf })
    const elements: unknown[] = []
    const left = await tensorsLeft(async () => {
      const dataset = tf.data.generator(generator)
      await dataset.batch(4).repeat(2).forEachAsync(batch => {
        const { x, index, big } = batch as unknown as Record<string, tf.Tensor>
        elements.push([x?.shape, Array.from(index?.dataSync() ?? []), Array.from(big?.dataSync() ?? [])])
        tf.dispose(batch as never)
      })
    })
    expect(elements).toEqual([
      [[4, 1], [0, 1, 2, 3], [0, 1, 2, 3]], [[2, 1], [4, 5], [4, 5]],
      [[4, 1], [0, 1, 2, 3], [0, 1, 2, 3]], [[2, 1], [4, 5], [4, 5]]
    ])
    expect(left).toBe(0)
    expect(counts).toMatchObject({ begun: 2, ended: 2 })
    expect(generator.stats().elements).toBe(12)
  })

  test('closes what tf.data has left open when it is called again', async () => {
    const { counts, source } = counted()
    const generator = toTfGenerator(source, { tf })
    const dataset = tf.data.generator(generator)
    await dataset.take(2).forEachAsync(element => { tf.dispose(element as never) })
    expect(counts).toMatchObject({ begun: 1, ended: 0 })
    await dataset.take(1).forEachAsync(element => { tf.dispose(element as never) })
    expect(counts).toMatchObject({ begun: 2, ended: 1 })
    await generator.close()
    expect(counts.ended).toBe(2)
  })

  test('gives fitDataset an epoch each time', async () => {
    const { counts, batches } = counted()
    const model = smallModel()
    const left = await tensorsLeft(() => model.fitDataset(tf.data.generator(toTfGenerator(batches, { tf })), { epochs: 3, verbose: 0 }))
    expect(left).toBe(0)
    expect(counts).toEqual({ begun: 3, ended: 3, yielded: 3 * ROWS })
    model.dispose()
  })

  test('leaves scalars and bytes as they are', async () => {
    const generator = toTfGenerator(Dataset.of({ n: 3, yes: true, name: 'a', bytes: Uint8Array.of(1, 2), big: 4n }), { tf })
    expect((await generator().next()).value).toEqual({ n: 3, yes: true, name: 'a', bytes: Uint8Array.of(1, 2), big: 4 })
    await generator.close()
  })

  test('has the element types of the dataset, with tensors for arrays', () => {
    const generator = toTfGenerator(Dataset.of({ x: Float32Array.of(1), label: 3n, name: 'a' }), { tf })
    type Element = Extract<Awaited<ReturnType<ReturnType<typeof generator>['next']>>, { done?: false }>['value']
    expectTypeOf<Element>().toEqualTypeOf<{ x: tf.Tensor; label: number; name: string }>()
    expect(generator.checkpoint()).toBeUndefined()
  })
})

describe('arguments', () => {
  test('are checked at the call', () => {
    expect(() => toTfDataset([1] as never)).toThrow(/expected a Dataset/)
    expect(() => toTfDataset(counted().batches, { tf: {} as never })).toThrow(/tf must be the module/)
    expect(() => toTfDataset(counted().batches, { select: 3 as never })).toThrow(TypeError)
    expect(() => toTfDataset(counted().batches, { epoch: -1 })).toThrow(RangeError)
    expect(() => toTfGenerator(counted().batches, { select: () => 0 } as never)).toThrow(/unknown option 'select'/)
  })

  test('without TensorFlow.js the error says what to install', async () => {
    const tried: string[] = []
    const error = await failure(loadTensorFlow(name => {
      tried.push(name)
      return name.endsWith('core') ? Promise.resolve({}) : Promise.reject(new Error('Cannot find package'))
    }))
    expect(tried).toEqual(['@tensorflow/tfjs', '@tensorflow/tfjs-core'])
    expect(error).toMatchObject({ kind: 'MissingPackage', message: expect.stringMatching(/npm install "@tensorflow\/tfjs@.*".*\{ tf \}.*Cannot find package; @tensorflow\/tfjs-core has no function tensor/) })
  })

  test('without tf the installed package is used', async () => {
    const { value } = await (await toTfDataset(counted().batches).iterator()).next()
    expect((value?.xs as TfTensor).shape).toEqual([4, 1])
    tf.dispose(value as never)
  })
})

test('a reader is in use while it reads, though nobody holds it', async () => {
  let go = (): void => undefined
  const gate = new Promise<void>(resolve => { go = resolve })
  const data = toTfDataset(Dataset.range(2).map(async x => { await gate; return { xs: new Float32Array([x]), ys: new Float32Array([x]) } }).batch(2), { tf })
  const pending = (await data.iterator()).next()
  for (let i = 0; i < 5; i++) {
    await new Promise(resolve => setImmediate(resolve))
    collectGarbage()
  }
  go()
  const step = await pending as { done: boolean; value: { xs: tf.Tensor; ys: tf.Tensor } }
  expect(step.done).toBe(false)
  tf.dispose([step.value.xs, step.value.ys])
})
