import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { Checkpoint } from '../../src/engine/checkpoint.js'
import { isMillraceError } from '../../src/errors.js'
import { writeTfrecord } from '../../src/write.js'

/** A source that counts how often it is opened, closed and read. */
function counted(n: number, asynchronous = true) {
  const counts = { opened: 0, closed: 0, read: 0 }
  const dataset = Dataset.from(asynchronous
    ? async function* source() { counts.opened++; try { for (let i = 0; i < n; i++) { counts.read++; await null; yield i } } finally { counts.closed++ } }
    : function* source() { counts.opened++; try { for (let i = 0; i < n; i++) { counts.read++; yield i } } finally { counts.closed++ } })
  return { dataset, counts }
}

describe('demand', () => {
  test('nothing is read before the first next', async () => {
    const { dataset, counts } = counted(5)
    const iterator = dataset.map(x => x).batch(2).iterator()
    expect(counts.opened).toBe(0)
    await iterator.next()
    expect(counts.read).toBe(2)
    await iterator.close()
  })
  test.each([
    ['take', (ds: Dataset<number>) => ds.take(5), 5],
    ['map, filter and take', (ds: Dataset<number>) => ds.map(x => x).filter(() => true).take(5), 5],
    ['batch and take', (ds: Dataset<number>) => ds.batch(4).take(2), 8],
    ['shard and take', (ds: Dataset<number>) => ds.shard(3, 1).take(2), 5],
    ['skip and take', (ds: Dataset<number>) => ds.skip(3).take(2), 5]
  ] as const)('%s reads no more than it needs', async (_, apply, reads) => {
    for (const asynchronous of [true, false]) {
      const { dataset, counts } = counted(100, asynchronous)
      await (apply(dataset) as Dataset<unknown>).toArray()
      expect(counts).toEqual({ opened: 1, closed: 1, read: reads })
    }
  })
})

describe('ending', () => {
  test('break closes everything, through every operator', async () => {
    const { dataset, counts } = counted(100)
    let inFlight = 0
    const plan = dataset.shuffle(4, { seed: 1 }).map(async x => { inFlight++; await null; inFlight--; return x }, { parallel: 4 }).repeat().prefetch(3).batch(2)
    for await (const _ of plan) break
    expect(counts.opened).toBe(1)
    expect(counts.closed).toBe(1)
    expect(inFlight).toBe(0)
  })
  test('an error ends for await, and not an iterator', async () => {
    const { dataset, counts } = counted(10)
    const failing = dataset.map(x => { if (x === 2) throw new Error('two'); return x })
    await expect(async () => { for await (const _ of failing); }).rejects.toThrow('element 2: two')
    expect(counts.closed).toBe(1)
    const iterator = failing.iterator()
    await iterator.next()
    await iterator.next()
    await expect(iterator.next()).rejects.toThrow('two')
    expect(await iterator.next()).toEqual({ done: false, value: 3 })
    await iterator.close()
    expect(counts.closed).toBe(2)
  })
  test('an abort rejects with its reason once user functions in flight are done', async () => {
    const { dataset, counts } = counted(10)
    const controller = new AbortController()
    let finished = false
    const iterator = dataset.map(async (x, { signal }) => {
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      finished = true
      return x
    }, { parallel: 2 }).iterator({ signal: controller.signal })
    const pending = iterator.next()
    await null
    const reason = new Error('enough')
    setImmediate(() => controller.abort(reason))
    await expect(pending).rejects.toBe(reason)
    expect(finished).toBe(true)
    expect(counts.closed).toBe(1)
    await expect(iterator.next()).rejects.toBe(reason)
  })
  test('a signal that is aborted already opens nothing', async () => {
    const { dataset, counts } = counted(10)
    await expect(dataset.toArray({ signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never')
    expect(counts.opened).toBe(0)
  })
  test('a generator that is stuck does not keep close from ending', async () => {
    const iterator = Dataset.from(async function* stuck() { yield 1; await new Promise(() => undefined) }).iterator()
    await iterator.next()
    const pending = iterator.next()
    await iterator.close()
    expect(await pending).toEqual({ done: true, value: undefined })
  })
  test('return, close, disposal and the end may come in any number', async () => {
    const { dataset, counts } = counted(2)
    const iterator = dataset.iterator()
    await iterator.next()
    await iterator.return()
    await iterator.close()
    await iterator[Symbol.asyncDispose]()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(counts.closed).toBe(1)
  })
  test('calls of next that overlap are answered in turn', async () => {
    const { dataset } = counted(5)
    const iterator = dataset.map(async x => x).iterator()
    const results = await Promise.all(Array.from({ length: 7 }, () => iterator.next()))
    expect(results.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, undefined, undefined])
  })
})

describe('epochs', () => {
  const order = (dataset: Dataset<number>, epoch?: number) => dataset.toArray(epoch === undefined ? {} : { epoch })
  test('every iteration of one dataset object is the next epoch, and any can be named', async () => {
    const dataset = Dataset.range(20).shuffle(20, { seed: 1 })
    const [zero, one] = [await order(dataset), await order(dataset)]
    expect(zero).not.toEqual(one)
    expect(await order(dataset, 0)).toEqual(zero)
    expect(await order(dataset, 1)).toEqual(one)
    expect(await order(Dataset.range(20).shuffle(20, { seed: 1 }))).toEqual(zero)
  })
  test('the passes of repeat are the epochs', async () => {
    const shuffled = () => Dataset.range(10).shuffle({ seed: 1 })
    const repeated = await order(shuffled().repeat(3))
    expect(repeated).toEqual([...(await order(shuffled(), 0)), ...(await order(shuffled(), 1)), ...(await order(shuffled(), 2))])
    expect((await order(shuffled().repeat(3), 1)).slice(0, 10)).toEqual(await order(shuffled(), 3))
  })
  test('reshuffleEachIteration: false keeps one order', async () => {
    const dataset = Dataset.range(10).shuffle(10, { seed: 1, reshuffleEachIteration: false }).repeat(2)
    const twice = await order(dataset)
    expect(twice.slice(0, 10)).toEqual(twice.slice(10))
    expect(await order(dataset)).toEqual(twice)
  })
  test('a dataset that was restored goes on with the epoch behind', async () => {
    const dataset = Dataset.range(10).shuffle({ seed: 1 })
    const iterator = dataset.iterator({ epoch: 4 })
    await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    const again = Dataset.range(10).shuffle({ seed: 1 })
    expect(await again.toArray({ from })).toEqual((await order(dataset, 4)).slice(1))
    expect(again.iterator().epoch).toBe(5)
  })
  test('the seed of an iteration seeds every operator that has none', async () => {
    const make = () => Dataset.range(30).shuffle(9).map((x, { rng }) => x + rng.uniform())
    expect(await make().toArray({ seed: 1, epoch: 0 })).toEqual(await make().toArray({ seed: 1, epoch: 0 }))
    expect(await make().toArray({ seed: 1, epoch: 0 })).not.toEqual(await make().toArray({ seed: 2, epoch: 0 }))
    const { a, b } = (await Dataset.zip({ a: Dataset.range(9).shuffle(), b: Dataset.range(9).shuffle() }).batch(9).toArray())[0] as { a: { data: Float32Array }; b: { data: Float32Array } }
    expect([...a.data]).not.toEqual([...b.data]) // branches of one plan differ
  })
  test('prefetching does not change random numbers', async () => {
    const make = (prefetch: boolean) => { const source = prefetch ? Dataset.range(9).prefetch(2) : Dataset.range(9); return source.map((x, { rng }) => x + rng.uniform(), { seed: 3 }) }
    expect(await make(true).toArray({ epoch: 0 })).toEqual(await make(false).toArray({ epoch: 0 }))
  })
})

describe('checkpoints', () => {
  const checkpointOf = async (dataset: Dataset<unknown>, steps = 2): Promise<Checkpoint> => {
    const iterator = dataset.iterator()
    for (let i = 0; i < steps; i++) await iterator.next()
    const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as Checkpoint
    await iterator.close()
    return checkpoint
  }
  const refusal = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (isMillraceError(error, 'Checkpoint')) return error.message
      throw error
    }
    return 'accepted'
  }
  test('are small, whatever the buffers hold', async () => {
    const dataset = Dataset.range(100_000).shuffle(50_000, { seed: 1 }).map(async x => ({ x, big: new Float32Array(1000) }), { parallel: 64 }).batch(8).prefetch(8)
    expect(JSON.stringify(await checkpointOf(dataset, 5)).length).toBeLessThan(600)
  })
  test('a plan that differs is refused, naming the first operator that does', async () => {
    const from = await checkpointOf(Dataset.range(10).map(x => x + 1).batch(2))
    expect(refusal(() => Dataset.range(11).map(x => x + 1).batch(2).iterator({ from }))).toContain('operator 1 of 3, counted from the source, is range in both')
    expect(refusal(() => Dataset.range(10).map(x => x + 2).batch(2).iterator({ from }))).toContain('operator 2 of 3, counted from the source, is map in both')
    expect(refusal(() => Dataset.range(10).filter(x => x).batch(2).iterator({ from }))).toContain('was map and is filter here')
    expect(refusal(() => Dataset.range(10).map(x => x + 1).iterator({ from }))).toContain('was batch, and the plan has none')
    expect(refusal(() => Dataset.range(10).map(x => x + 1).batch(2).take(1).iterator({ from }))).toContain('is take here, and the checkpoint has none')
    expect(refusal(() => Dataset.range(10).iterator({ from: 7 as never }))).toContain('not a checkpoint')
    expect(refusal(() => Dataset.range(10).iterator({ from: { ...from, version: 9 } }))).toContain('version 9')
  })
  test('can be taken after the iterator was closed, and at the end', async () => {
    const iterator = Dataset.range(3).iterator()
    await iterator.next()
    await iterator.close()
    expect(await Dataset.range(3).toArray({ from: iterator.checkpoint() })).toEqual([1, 2])
    expect(await Dataset.range(3).toArray({ from: await checkpointOf(Dataset.range(3), 4) })).toEqual([])
  })
  test('data that became shorter are told', async () => {
    let length = 10
    const make = () => Dataset.from(function* source() { for (let i = 0; i < length; i++) yield i }).map(async x => x, { parallel: 4 })
    const from = await checkpointOf(make(), 6)
    length = 3
    await expect(make().toArray({ from })).rejects.toMatchObject({ kind: 'Checkpoint' })
  })
})

describe('errors of user functions', () => {
  test('say operator, element and the line that added it, and keep the cause', async () => {
    const cause = new TypeError('broken')
    const error: unknown = await Dataset.range(9).filter(x => x > 2).map(function decode(x) { if (x === 5) throw cause; return x }).toArray().catch((error: unknown) => error)
    expect(isMillraceError(error, 'UserFunction') && error).toMatchObject({ operator: 'map', index: 2, cause })
    expect((error as { site: string }).site).toMatch(/^at .*iterate\.test\.ts:\d+:\d+$/)
  })
})

describe('statistics', () => {
  test('count elements and pulls of every operator, over all passes of a repeat', async () => {
    const iterator = Dataset.range(4).map(async x => x, { parallel: 2 }).repeat(3).batch(2).iterator()
    while ((await iterator.next()).done !== true);
    const { elements, stages } = iterator.stats()
    expect(elements).toBe(6)
    expect(stages.map(({ operator, elements }) => [operator, elements])).toEqual(expect.arrayContaining([['batch', 6], ['repeat', 12], ['map', 12], ['range', 12]]))
    for (const stage of stages) expect(stage.busyMs).toBeGreaterThanOrEqual(0)
  })
})

describe('arguments are checked at the call', () => {
  test.each<[string, () => unknown]>([
    ['batch(0)', () => Dataset.range(1).batch(0)],
    ['batch(1.5)', () => Dataset.range(1).batch(1.5)],
    ['shuffle(0)', () => Dataset.range(1).shuffle(0)],
    ['an endless full shuffle', () => Dataset.range(1).repeat().shuffle()],
    ['take(-2)', () => Dataset.range(1).take(-2)],
    ['shard(2, 2)', () => Dataset.range(1).shard(2, 2)],
    ['shard(0, 0)', () => Dataset.range(1).shard(0, 0)],
    ['prefetch(0)', () => Dataset.range(1).prefetch(0)],
    ['a step of 0', () => Dataset.range(0, 1, 0)],
    ['parallel: 0', () => Dataset.range(1).map(x => x, { parallel: 0 })],
    ['a seed that is no integer', () => Dataset.range(1).shuffle(1, { seed: 0.5 })],
    ['a negative epoch', () => Dataset.range(1).iterator({ epoch: -1 })]
  ])('%s is a RangeError', (_, call) => expect(call).toThrow(RangeError))
  test.each<[string, () => unknown]>([
    ['map without a function', () => Dataset.range(1).map(3 as never)],
    ['an unknown option', () => Dataset.range(1).map(x => x, { paralel: 2 } as never)],
    ['from(3)', () => Dataset.from(3 as never)],
    ['concatenate(3)', () => Dataset.range(1).concatenate(3 as never)]
  ])('%s is a TypeError', (_, call) => expect(call).toThrow(TypeError))
})

test('all of an endless dataset is refused', async () => {
  await expect(Dataset.range(Infinity).toArray()).rejects.toThrow(RangeError)
  await expect(Dataset.of<number>().getSingleElement()).rejects.toThrow('no element')
  await expect(Dataset.of(1, 2).getSingleElement()).rejects.toThrow('more than one')
  expect(await Dataset.of(7).getSingleElement()).toBe(7)
  expect(await Dataset.range(0).first()).toBeUndefined()
  expect(await Dataset.range(5).reduce(10, (sum, x) => sum + x)).toBe(20)
})

describe('slips of a newcomer are told at the call', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['zip(a, b)', () => (Dataset.zip as (...all: unknown[]) => unknown)(Dataset.range(1), Dataset.range(2)), /zip\(\[a, b\]\)/],
    ['new Dataset of elements', () => new Dataset([1, 2] as never), /Dataset\.from/],
    ['fromFiles with options that are none', () => Dataset.fromFiles('a', null as never), /options must be an object/],
    ['a format that there is not', () => Dataset.fromFiles('a.csv', { format: 'csv' }), /no format "csv".*tfrecord/],
    ['no files', () => Dataset.tfrecord([]), /Dataset\.tfrecord: no files/],
    ['a URL object', () => Dataset.tfrecord(new URL('file:///a') as never), /pass its href/]
  ])('%s', (_, call, message) => expect(call).toThrow(message))
  test('a dataset prints its plan', () => {
    expect(String(Dataset.range(3).batch(2))).toBe('Dataset range(3) → batch(2)')
  })
  test('writing to a pattern, or with an option that there is not, is refused', async () => {
    await expect(writeTfrecord('c-*.tfrecord', [])).rejects.toThrow('braces')
    await expect(writeTfrecord('c.tfrecord', [], { compresion: 'gzip' } as never)).rejects.toThrow("unknown option 'compresion'")
  })
})
