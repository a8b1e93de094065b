import { describe, expect, test } from '@jest/globals'
import { byteLengthOf } from '../../src/array/byte-length.js'
import { Dataset } from '../../src/dataset.js'
import type { Checkpoint } from '../../src/engine/checkpoint.js'
import type { DatasetIterator } from '../../src/engine/iterate.js'
import { isMillraceError, messageOf } from '../../src/errors.js'
import { memoryStore } from '../../src/storage/memory.js'
import type { Json } from '../../src/types.js'
import { writeTfrecord } from '../../src/write.js'

type Numbers = Dataset<number>
type Wrap = (dataset: Numbers) => Numbers

const START = { seed: 3, epoch: 0 }
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await null
}
const nextTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
const gone: Wrap = dataset => dataset
const prefetched: Wrap = dataset => dataset.prefetch(2)

/** An element, or the message of an error; undefined at the end. */
async function event<T>(iterator: DatasetIterator<T>): Promise<T | string | undefined> {
  try {
    const step = await iterator.next()
    return step.done === true ? undefined : step.value
  } catch (error) {
    return messageOf(error).replace(/ \(added at .*$/, '')
  }
}

async function rest<T>(iterator: DatasetIterator<T>, most = 20_000): Promise<(T | string)[]> {
  const out: (T | string)[] = []
  for (let next = await event(iterator); next !== undefined && out.length < most; next = await event(iterator)) out.push(next)
  await iterator.close()
  return out
}

/** All that comes when the iteration is left and restored again and again, in another form of the plan each time. */
async function inPieces<T>(forms: readonly (() => Dataset<T>)[], sizes: readonly number[]): Promise<(T | string)[]> {
  const out: (T | string)[] = []
  let from: Checkpoint | undefined
  for (let piece = 0; piece < 10_000; piece++) {
    const iterator = (forms[piece % forms.length] as () => Dataset<T>)().iterator(from === undefined ? START : { from })
    for (let left = sizes[piece % sizes.length] as number; left > 0; left--) {
      const next = await event(iterator)
      if (next === undefined) return out
      out.push(next)
    }
    from = copy(iterator.checkpoint())
    await iterator.close()
  }
  throw new Error('it does not end')
}

describe('a prefetch anywhere changes neither elements nor checkpoints', () => {
  const plans: Readonly<Record<string, (wrap: Wrap) => Numbers>> = {
    'take of a range': wrap => wrap(Dataset.range(40)).take(30),
    'skip of a range': wrap => wrap(Dataset.range(30)).skip(7),
    'shard of a range': wrap => wrap(wrap(Dataset.range(50)).shard(3, 1)).take(12),
    'take of an endless range': wrap => wrap(Dataset.range(0, Infinity, 3)).take(20),
    'shuffle of all': wrap => wrap(Dataset.range(30)).shuffle(),
    'shuffle of all that is selected and mapped': wrap => wrap(wrap(Dataset.range(40)).take(25).map(x => 2 * x)).shuffle(),
    'shuffle inside flatMap': wrap => Dataset.range(6).flatMap(x => wrap(Dataset.range(x, x + 5)).shuffle().take(3))
  }
  for (const [name, make] of Object.entries(plans)) {
    test(name, async () => {
      const without = (): Numbers => make(gone)
      const within = (): Numbers => make(prefetched)
      const whole = await rest(without().iterator(START))
      expect(await rest(within().iterator(START))).toEqual(whole)
      expect(await inPieces([without, within], [3])).toEqual(whole)
      expect(await inPieces([within, without], [4, 1])).toEqual(whole)
    })
  }
})

test('a checkpoint taken right after a restore keeps the index of a map above outputs that are still to be left out', async () => {
  const forms = [prefetched, gone].flatMap(wrap => [{}, { parallel: 3 }].map(options => (): Numbers =>
    wrap(Dataset.range(14).map(x => { if (x % 5 === 2) throw new Error(`bad ${x}`); return x })).map(async (x, { index }) => { await turns(x % 4); return x + 100 * index }, options)))
  const whole = await rest((forms[0] as () => Numbers)().iterator(START))
  for (const sizes of [[2, 0, 2, 2, 1, 0, 1, 0, 2], [1, 0], [3, 0, 0, 1]]) expect(await inPieces(forms, sizes)).toEqual(whole)
})

describe('without order', () => {
  const slower = (x: number, { rng }: { rng: { integer(bound: number): number } }): Promise<number> => turns(rng.integer(9)).then(() => x)
  const sorted = (values: readonly unknown[]): string[] => values.map(String).sort()

  test('a checkpoint fits the map with parallel and the one without', async () => {
    const form = (parallel: object) => (): Numbers => Dataset.range(40).map(slower, { deterministic: false, ...parallel })
    expect(sorted(await inPieces([form({ parallel: 5 }), form({}), form({ parallel: 'auto' })], [3, 2]))).toEqual(sorted(Array.from({ length: 40 }, (_, i) => i)))
  })

  const above: Readonly<Record<string, Wrap>> = {
    prefetch: dataset => dataset.prefetch(5),
    'filter and prefetch': dataset => dataset.prefetch(3).filter(x => x >= 0).prefetch(2),
    batch: dataset => dataset.batch(4).prefetch(2).flatMap(batch => Dataset.from([...batch.data])),
    'a parallel map': dataset => dataset.map(slower, { parallel: 3 }).prefetch(2),
    zip: dataset => Dataset.zip([dataset, Dataset.range(100)]).map(([x]) => x),
    scan: dataset => dataset.scan(0, (count, x) => [count + 1, x] as [number, number]).prefetch(2)
  }
  for (const [name, wrap] of Object.entries(above)) {
    test(`no element is lost and none comes twice through checkpoints above: ${name}`, async () => {
      const make = (parallel: number) => (): Numbers => wrap(Dataset.range(48).map(slower, { parallel, deterministic: false }))
      const found: (number | string)[] = []
      let from: Checkpoint | undefined
      for (let piece = 0, ended = false; !ended; piece++) {
        const iterator = make(2 + (piece % 4))().iterator(from === undefined ? START : { from })
        for (let left = 5; left > 0 || !taken(); left--) {
          const next = await event(iterator)
          ended = next === undefined
          if (next === undefined) break
          found.push(next)
        }
        await iterator.close()
        function taken(): boolean {
          try {
            from = copy(iterator.checkpoint())
            return true
          } catch (error) {
            if (isMillraceError(error, 'Checkpoint')) return false // it says so, and the next place may do
            throw error
          }
        }
      }
      expect(sorted(found)).toEqual(sorted(Array.from({ length: 48 }, (_, i) => i)))
    })
  }

  test('an operator that would need the same order again refuses a checkpoint, and says which and why', async () => {
    const iterator = Dataset.range(50).map(slower, { parallel: 4, deterministic: false }).shuffle(10).iterator(START)
    await iterator.next()
    expect(() => iterator.checkpoint()).toThrow(/^shuffle: a checkpoint .* deterministic: false/)
    await iterator.close()
  })

  test('a restore goes on where as many elements as may have overtaken a slow one', async () => {
    let open: () => void = () => undefined
    const gate = new Promise<void>(resolve => (open = resolve))
    const make = (): Numbers => Dataset.range(4200).map(async x => { if (x === 0) await gate; return x }, { parallel: 8, deterministic: false })
    const iterator = make().iterator(START)
    const seen: number[] = []
    for (let i = 0; i < 4096; i++) seen.push((await iterator.next()).value as number)
    const from = copy(iterator.checkpoint())
    open()
    await iterator.close()
    expect(new Set([...seen, ...(await rest(make().iterator({ from })))]).size).toBe(4200)
  })
})

describe('endings', () => {
  test('what has ended stays ended, whatever the signal does then', async () => {
    for (const ending of ['the end', 'close'] as const) {
      const controller = new AbortController()
      const iterator = Dataset.range(2).map(async x => x).iterator({ signal: controller.signal })
      if (ending === 'close') await iterator.close()
      else await rest(iterator)
      controller.abort(new Error('late'))
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
    }
  })

  test('an endless repeat of nothing but errors stays at its end after a restore, and after another next', async () => {
    const make = (): Numbers => Dataset.range(2).map((): number => { throw new Error('no') }).repeat()
    const iterator = make().prefetch(1).iterator(START)
    expect(await event(iterator)).toMatch('no')
    expect(await event(iterator)).toMatch('no')
    expect(await event(iterator)).toBeUndefined()
    expect(await rest(make().iterator({ from: copy(iterator.checkpoint()) }))).toEqual([])
  })

  test('an abort is heard while a predicate passes nothing, though no promise makes it wait', async () => {
    const controller = new AbortController()
    const pending = event(Dataset.range(Infinity).filter(async () => false).iterator({ signal: controller.signal }))
    await nextTurn()
    controller.abort(new Error('enough'))
    expect(await pending).toBe('enough')
  })

  test('an iteration over a state that cannot be opened is closed all the same', async () => {
    let closed = 0
    const make = (): Numbers => Dataset.from(async function* () { try { yield* [1, 2, 3, 4] } finally { closed++ } }).batch(2).map(batch => batch.data[0] as number).concatenate(Dataset.range(3))
    const iterator = make().iterator(START)
    await iterator.next()
    const from = copy(iterator.checkpoint()) as unknown as { state: { inputs: { self: Json }[] } }
    await iterator.close()
    expect(closed).toBe(1)
    ;(from.state.inputs[0] as { self: Json }).self = 'nonsense'
    const restored = make().iterator({ from: from as unknown as Checkpoint })
    await expect(restored.close()).resolves.toBeUndefined()
    expect(() => restored.checkpoint()).toThrow(/^map: /)
  })
})

describe('damaged checkpoints', () => {
  const source = (count: number): Numbers => Dataset.from(async function* () { for (let i = 0; i < count; i++) yield i })
  const plans: Readonly<Record<string, () => Dataset<unknown>>> = {
    range: () => Dataset.range(20),
    array: () => Dataset.from([1, 2, 3, 4, 5, 6]),
    select: () => source(30).skip(2).shard(2, 1).take(8),
    stages: () => source(12).map(x => x + 1).filter(x => x % 3).map((x, { index }) => x + index),
    'parallel map': () => source(12).map(async x => x, { parallel: 3, deterministic: false }),
    batches: () => source(13).batch(3).unbatch(),
    shuffles: () => Dataset.range(20).shuffle().shuffle(4),
    'whole buffer': () => source(12).shuffle(),
    repeat: () => source(4).repeat(3),
    concatenate: () => source(4).concatenate(source(3)),
    zip: () => Dataset.zip([source(5), Dataset.range(9)]),
    flatMap: () => source(5).flatMap(() => source(3)),
    interleave: () => source(9).interleave(() => source(3), { cycleLength: 3, parallel: 2 }),
    cache: () => source(5).cache().repeat(2),
    scan: () => source(9).scan({ last: [1] }, (_, x) => [{ last: [x] }, x] as [{ last: number[] }, number]),
    window: () => source(13).window(3, { shift: 5 }).map(() => 1),
    takeWhile: () => source(9).takeWhile(x => x < 7).enumerate()
  }
  const VALUES: readonly unknown[] = [undefined, null, -1, 1.5, 1e15, '3', true, [], {}, [null], 2 ** 31, { length: 3 }, JSON.parse('{"__proto__":{"drop":5}}')]

  /** Every place in a value, as a path of keys. */
  const places = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
    typeof value !== 'object' || value === null ? [] : Object.entries(value).flatMap(([key, member]) => [[...path, key], ...places(member, [...path, key])])
  const edited = (checkpoint: Checkpoint, path: readonly string[], value: unknown): Checkpoint => {
    const whole = copy(checkpoint)
    const parent = path.slice(0, -1).reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, whole as unknown as Record<string, unknown>)
    if (value === undefined) delete parent[path.at(-1) as string]
    else parent[path.at(-1) as string] = value
    return copy(whole)
  }

  for (const [name, make] of Object.entries(plans)) {
    test(`${name}: every edit gives a typed error or an iteration that ends`, async () => {
      const iterator = make().iterator(START)
      for (let i = 0; i < 3; i++) await iterator.next()
      const checkpoint = copy(iterator.checkpoint())
      await iterator.close()
      for (const path of places(checkpoint).filter(([member]) => member !== 'plan')) {
        for (const value of VALUES) {
          if (path.at(-1) === 'drawn' && (value === 1e15 || value === 2 ** 31)) continue // draws that may have been: playing them takes its time
          const what = `${path.join('.')} = ${JSON.stringify(value)}`
          try {
            const restored = make().iterator({ from: edited(checkpoint, path, value) })
            try {
              let count = 0
              while ((await restored.next()).done !== true) if (++count > 100) throw new Error(`${what}: it does not end`)
            } finally {
              await restored.close()
            }
          } catch (error) {
            if (!isMillraceError(error, 'Checkpoint')) throw new Error(`${what}: ${messageOf(error)}`, { cause: error })
          }
        }
      }
    })
  }

  test('next rejects, and does not throw, when a state turns out to be none', async () => {
    const iterator = Dataset.range(3).repeat(2).iterator(START)
    await iterator.next()
    const restored = Dataset.range(3).repeat(2).iterator({ from: edited(iterator.checkpoint(), ['state', 'inputs', '0', 'self'], -1) })
    await expect(restored.next()).rejects.toMatchObject({ kind: 'Checkpoint', operator: 'range' })
  })
})

describe('hostile values', () => {
  test('an element whose getter throws passes where nobody has to look at it', async () => {
    const element = { get pixels(): never { throw new Error('getter') } }
    const make = (): Dataset<unknown> => Dataset.range(4).interleave(() => Dataset.from(async function* () { yield element }), { cycleLength: 2, parallel: 2, memoryBytes: 100 }).prefetch(2)
    expect(await make().reduce(0, count => count + 1)).toBe(4)
  })

  test('the bytes of an element are estimated in bounded time, however its cycles branch', () => {
    const cycle: Record<string, unknown> = {}
    for (const key of 'abcd') cycle[key] = cycle
    expect(byteLengthOf(cycle)).toBeGreaterThan(0)
  })

  test('a thenable may throw, call back twice, or have no callable then at all', async () => {
    const thenables: readonly unknown[] = [
      { then() { throw new Error('then threw') } },
      { then(resolve: (value: unknown) => void) { resolve(Dataset.of(1)); resolve(2); throw new Error('late') } },
      { get then(): never { throw new Error('then getter') } }
    ]
    const outcomes = async (dataset: Dataset<unknown>): Promise<unknown[]> => (await rest(dataset.iterator(START), 20)).map(found => (typeof found === 'string' ? found.replace(/^.*: /, '') : 'value'))
    const expected = ['then threw', 'value', 'then getter']
    const pick = (x: number): never => thenables[x] as never
    expect(await outcomes(Dataset.range(3).map(pick))).toEqual(expected)
    expect(await outcomes(Dataset.range(3).map(pick, { parallel: 2 }))).toEqual(expected)
    expect(await outcomes(Dataset.range(3).flatMap(pick))).toEqual(expected)
    expect(await outcomes(Dataset.range(3).interleave(pick, { cycleLength: 2, parallel: 2 }))).toEqual(expected)
  })

  test('anything can be thrown', async () => {
    const evil = new Proxy({}, { get() { throw new Error('evil') } })
    for (const thrown of [undefined, null, 0, Symbol('s'), Object.create(null), evil]) {
      const fail = (): never => { throw thrown }
      const failLater = async (): Promise<never> => fail()
      for (const dataset of [Dataset.range(1).map(fail), Dataset.range(1).map(failLater, { parallel: 2 }), Dataset.range(1).filter(failLater), Dataset.from(fail), Dataset.range(1).flatMap(fail)]) {
        const iterator = dataset.prefetch(1).iterator()
        await expect(iterator.next()).rejects.toMatchObject({ name: 'MillraceError', kind: 'UserFunction' })
        await iterator.close()
      }
    }
  })

  test('an async iterator need not return promises', async () => {
    const dataset = Dataset.from(() => ({ [Symbol.asyncIterator]: () => { let i = 0; return { next: () => ({ done: i === 3, value: i++ }) } } }) as unknown as AsyncIterable<number>)
    expect(await dataset.toArray()).toEqual([0, 1, 2])
  })
})

test('the records before the damage in a compressed file all come, however slowly they are taken', async () => {
  const store = memoryStore()
  await writeTfrecord('mem://whole.tfrecord.gz', Array.from({ length: 20 }, (_, i) => Uint8Array.of(i, i + 1, i + 2)), { store, compression: 'gzip' })
  const source = await store.open('mem://whole.tfrecord.gz')
  const bytes = new Uint8Array(source.byteLength)
  await source.read(0, bytes)
  await store.put('mem://cut.tfrecord.gz', bytes.subarray(0, bytes.length - 20))
  const counts = new Set<number>()
  for (const readBytes of [16, 64, 4096]) {
    for (const slow of [false, true]) {
      const iterator = Dataset.tfrecord('mem://cut.tfrecord.gz', { store, readBytes }).iterator()
      let count = 0
      for (let next = await event(iterator); typeof next !== 'string'; next = await event(iterator)) {
        count++
        for (let turn = 0; slow && turn < 20; turn++) await nextTurn()
      }
      await iterator.close()
      counts.add(count)
    }
  }
  expect(counts.size).toBe(1)
})
