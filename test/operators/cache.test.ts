import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import type { Checkpoint } from '../../src/engine/checkpoint.js'
import type { DatasetIterator } from '../../src/engine/iterate.js'
import type { CacheOptions } from '../../src/operators/cache.js'
import { planNode } from '../../src/plan/node.js'
import type { Operator } from '../../src/plan/operator.js'
import { operatorConformance } from '../../src/testing/operator.js'

const cached = <T>(ds: Dataset<T>, options?: CacheOptions): Dataset<T> => ds.cache(options)
const json = (checkpoint: Checkpoint): Checkpoint => JSON.parse(JSON.stringify(checkpoint)) as Checkpoint

const slow = async <T>(value: T): Promise<T> => {
  for (let i = 0; i < Number(value) % 3; i++) await null
  return value
}
const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x
}
/** A dataset of `n` elements that counts how often it is read. */
function counted(n: number): { readonly ds: Dataset<number>; read(): number } {
  let read = 0
  return { ds: Dataset.range(n).map(x => (read++, x)), read: () => read }
}
async function some<T>(iterator: DatasetIterator<T>, count: number): Promise<T[]> {
  const found: T[] = []
  while (found.length < count) {
    const step = await iterator.next()
    if (step.done === true) break
    found.push(step.value)
  }
  return found
}
/** A dataset twice, by an operator that opens both at once and reads one after the other. */
const inTurn: Operator<object, number> = { name: 'inTurn', open: ({ inputs: [a, b] }) => ({ pull: async max => (await a?.pull(max)) ?? (await b?.pull(max)) ?? null }) }
const twice = (ds: Dataset<number>) => new Dataset(planNode(inTurn, {}, [ds.plan, ds.plan]))
const rest = async <T>(iterator: DatasetIterator<T>): Promise<T[]> => {
  const found = await some(iterator, Infinity)
  await iterator.close()
  return found
}

describe('what is given again', () => {
  test('is the first complete pass, without reading the input', async () => {
    const { ds, read } = counted(10)
    const once = cached(ds)
    expect(await once.toArray()).toEqual(await ds.toArray())
    expect(read()).toBe(20)
    expect(await once.toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect((await once.map(x => x + 1).batch(10).toArray()).length).toBe(1)
    expect((await once.repeat(3).toArray()).length).toBe(30)
    expect(read()).toBe(20)
  })

  test('is the same object every time', async () => {
    const once = cached(Dataset.range(2).map(x => ({ x })))
    expect((await once.toArray())[0]).toBe((await once.toArray())[0])
  })

  test('keeps its order when it was shuffled below, and not when it is shuffled above', async () => {
    const below = cached(Dataset.range(50).shuffle(50))
    expect(await below.toArray()).toEqual(await below.toArray())
    const passes = await cached(Dataset.range(50).shuffle(50)).repeat(2).toArray()
    expect(passes.slice(50)).toEqual(passes.slice(0, 50))
    const above = cached(Dataset.range(50)).shuffle(50)
    expect(await above.toArray()).not.toEqual(await above.toArray())
  })

  test('keeps random numbers drawn below', async () => {
    const ds = cached(Dataset.range(5).map((x, { rng }) => rng.uniform() + 0 * x))
    expect(await ds.toArray()).toEqual(await ds.toArray())
  })

  test('is nothing, twice, for an input without elements', async () => {
    const ds = cached(Dataset.range(0))
    expect(await ds.toArray()).toEqual([])
    expect(await ds.repeat(2).toArray()).toEqual([])
  })

  test('serves a source that can be read only once', async () => {
    const ds = cached(Dataset.from([1, 2, 3].values()))
    expect(await ds.repeat(2).toArray()).toEqual([1, 2, 3, 1, 2, 3])
    expect(await ds.toArray()).toEqual([1, 2, 3])
  })
})

describe('what fills nothing', () => {
  test('a pass that is left before its end', async () => {
    const { ds, read } = counted(10)
    const once = cached(ds)
    await once.take(4).toArray()
    expect(read()).toBe(4)
    const iterator = once.iterator()
    await some(iterator, 10) // has not seen the end
    await iterator.close()
    expect(read()).toBe(14)
    expect((await once.toArray()).length).toBe(10)
    expect(read()).toBe(24)
    await once.toArray()
    expect(read()).toBe(24)
  })

  test('a pass in which an error came; the error surfaces at its element', async () => {
    let broken = true
    const once = cached(Dataset.range(4).map(x => {
      if (broken && x === 2) throw new Error('no 2')
      return x
    }))
    const iterator = once.iterator()
    expect(await some(iterator, 2)).toEqual([0, 1])
    await expect(iterator.next()).rejects.toThrow('no 2')
    expect(await rest(iterator)).toEqual([3])
    broken = false
    expect(await once.toArray()).toEqual([0, 1, 2, 3])
    broken = true
    expect(await once.toArray()).toEqual([0, 1, 2, 3])
  })
})

test('iterations at the same time fill each their own; those that begin after one is complete use the first', async () => {
  const { ds, read } = counted(6)
  const once = cached(ds.shuffle(6))
  const [a, b] = [once.iterator({ seed: 1 }), once.iterator({ seed: 2 })]
  const first = [...(await some(a, 3))]
  const second = await some(b, 5)
  first.push(...(await rest(a)))
  second.push(...(await rest(b)))
  expect(read()).toBe(12)
  expect([...first].sort()).toEqual([...second].sort())
  expect(first).not.toEqual(second)
  expect(await once.toArray()).toEqual(first)
})

test('an iteration stays with its own pass when another one is complete before', async () => {
  const once = cached(Dataset.range(6).shuffle(6))
  const twice = once.repeat(2).iterator({ seed: 2 })
  const begun = await some(twice, 1)
  await once.toArray({ seed: 1 })
  const all = [...begun, ...(await rest(twice))]
  expect(all.slice(6)).toEqual(all.slice(0, 6))
})

describe('a bound on memory', () => {
  test('is an error that says what to do, once; no element is lost, and nothing is kept', async () => {
    const { ds, read } = counted(10)
    const once = cached(ds, { memoryBytes: 5 * 8 })
    for (let pass = 0; pass < 2; pass++) {
      const iterator = once.iterator()
      expect(await some(iterator, 5)).toEqual([0, 1, 2, 3, 4])
      await expect(iterator.next()).rejects.toMatchObject({ kind: 'Limit', operator: 'cache', index: 5, message: expect.stringContaining('raise it, put cache() before') })
      expect(await rest(iterator)).toEqual([5, 6, 7, 8, 9])
    }
    expect(read()).toBe(20)
  })

  test('holds what fits', async () => {
    const { ds, read } = counted(5)
    const once = cached(ds, { memoryBytes: 5 * 8 })
    await once.toArray()
    await once.toArray()
    expect(read()).toBe(5)
  })

  test('must be a positive number of bytes', () => {
    expect(() => cached(Dataset.range(3), { memoryBytes: 0 })).toThrow(RangeError)
    expect(() => cached(Dataset.range(3), { bytes: 9 } as CacheOptions)).toThrow("cache: unknown option 'bytes'")
  })
})

describe('conformance', () => {
  const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
    'cache': [() => cached(Dataset.range(12)), () => cached(Dataset.range(12).prefetch(3), { memoryBytes: 1000 })],
    'cache of an asynchronous input': [1, 2, 8].map(parallel => () => cached(Dataset.range(20).map(slow, { parallel }))) as never,
    'cache of a failing input': [() => cached(Dataset.range(30).map(failing))],
    'cache of failures at both ends': [() => cached(Dataset.range(5, 20, 7).map(failing))],
    'cache beyond its bound': [() => cached(Dataset.range(12), { memoryBytes: 56 })],
    'cache of a failing input beyond its bound': [() => cached(Dataset.range(20).map(failing), { memoryBytes: 24 })],
    'repeated cache of a shuffle': [() => cached(Dataset.range(6).shuffle(4)).repeat(3), () => cached(Dataset.range(6).shuffle(4)).prefetch(2).repeat(3)],
    'repeated cache of a failing shuffle': [() => cached(Dataset.range(12).map(failing).shuffle(4)).repeat(3)],
    'repeated cache beyond its bound': [() => cached(Dataset.range(6).shuffle(4), { memoryBytes: 24 }).repeat(3)],
    'repeated part of a cache': [() => cached(Dataset.range(9).shuffle(4)).take(4).repeat(3)],
    'shuffled cache, repeated': [() => cached(Dataset.range(8)).shuffle(3).repeat(3)],
    'fully shuffled cache, repeated': [() => cached(Dataset.range(8)).shuffle().repeat(3)],
    'cache of a cache of a shuffle': [() => cached(cached(Dataset.range(7).shuffle(7)).map((x, { rng }) => [x, rng.integer(100)])).repeat(2)],
    'a cache twice in one plan': [() => twice(cached(Dataset.range(6).shuffle(6)))],
    'a cache twice in one plan, repeated': [() => twice(cached(Dataset.range(6).map(failing).shuffle(6))).repeat(2).batch(2)],
    'batches of a repeated cache': [() => cached(Dataset.range(11).shuffle(5)).repeat(3).batch(4)],
    'parallel map of a repeated cache of failures': [1, 4].map(parallel => () => cached(Dataset.range(11).map(failing).shuffle(5)).repeat(2).map(slow, { parallel }).batch(3)) as never
  }
  for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) for (const { name: check, run } of operatorConformance({ make, same })) test(`${name}: ${check}`, run)

  for (const { name, run } of operatorConformance({ make: () => cached(Dataset.from([1, 2, 3].values())), resumable: false }).filter(({ name }) => name.includes('checkpoint'))) test(`cache of an iterator: ${name}`, run)
})

describe('a restored iteration', () => {
  const make = () => cached(Dataset.range(20).shuffle(20))

  test('reads the pass again that filled the cache, whatever its own epoch and seed', async () => {
    const once = make()
    const first = await once.toArray()
    const iterator = once.iterator({ epoch: 5, seed: 99 })
    expect(await some(iterator, 7)).toEqual(first.slice(0, 7))
    const checkpoint = json(iterator.checkpoint())
    await iterator.close()
    const fresh = make()
    expect(await rest(fresh.iterator({ from: checkpoint }))).toEqual(first.slice(7))
    expect(await fresh.toArray()).toEqual(first) // and has filled the cache with it
    expect(await rest(once.iterator({ from: checkpoint }))).toEqual(first.slice(7))
  })

  test('does not read the input when the cache holds that pass', async () => {
    const { ds, read } = counted(10)
    const once = cached(ds)
    const iterator = once.iterator()
    await some(iterator, 3)
    const checkpoint = json(iterator.checkpoint())
    await rest(iterator)
    expect(await rest(once.iterator({ from: checkpoint }))).toEqual([3, 4, 5, 6, 7, 8, 9])
    expect(read()).toBe(10)
  })

  test('does not use a cache that another pass filled, not in later passes either', async () => {
    const original = make().repeat(3)
    const iterator = original.iterator({ seed: 1 })
    const begun = await some(iterator, 27)
    const checkpoint = json(iterator.checkpoint())
    const all = [...begun, ...(await rest(iterator))]
    const other = make()
    const theirs = await other.toArray({ seed: 2 })
    expect(theirs).not.toEqual(all.slice(0, 20))
    expect(await rest(other.repeat(3).iterator({ from: checkpoint }))).toEqual(all.slice(27))
    expect(await other.toArray()).toEqual(theirs)
  })

  test('from the beginning fills its own, as the original did', async () => {
    const iterator = make().iterator({ seed: 1 })
    const checkpoint = json(iterator.checkpoint())
    const all = await rest(iterator)
    const other = make()
    await other.toArray({ seed: 2 })
    expect(await rest(other.iterator({ from: checkpoint }))).toEqual(all)
  })

  test('knows the pass of a cache below the cache', async () => {
    const nest = () => {
      const inner = make()
      return { inner, outer: cached(inner.map((x, { rng }) => [x, rng.integer(1000)])) }
    }
    const { inner, outer } = nest()
    await inner.toArray({ seed: 1 })
    const iterator = outer.iterator({ seed: 2, epoch: 3 })
    const begun = await some(iterator, 6)
    const checkpoint = json(iterator.checkpoint())
    const all = [...begun, ...(await rest(iterator))]
    expect(await rest(nest().outer.iterator({ from: checkpoint }))).toEqual(all.slice(6))
    const later = outer.iterator({ seed: 4 })
    await some(later, 6)
    const again = json(later.checkpoint())
    await later.close()
    expect(await rest(nest().outer.iterator({ from: again }))).toEqual(all.slice(6))
  })

  test('holds positions only', async () => {
    const iterator = cached(Dataset.range(1000).map(x => ({ x, text: 'x'.repeat(100) }))).iterator({ seed: 1 })
    await some(iterator, 700)
    expect(JSON.stringify(iterator.checkpoint().state)).toBe('{"self":{"at":700,"pass":{"seed":1,"epoch":0,"branch":0}},"inputs":[{"self":0,"inputs":[{"self":0}]}]}')
    await iterator.close()
  })

  test('of other data says so', async () => {
    let length = 10
    const make = () => cached(Dataset.from(function* source() { for (let i = 0; i < length; i++) yield i }))
    const iterator = make().iterator()
    await some(iterator, 8)
    const checkpoint = json(iterator.checkpoint())
    await iterator.close()
    length = 5
    await expect(rest(make().iterator({ from: checkpoint }))).rejects.toMatchObject({ kind: 'Checkpoint', message: expect.stringContaining('the data end 3 elements before') })
  })
})

test('a cache that is used twice in one plan is filled by the first use', async () => {
  const { ds, read } = counted(5)
  const once = cached(ds.shuffle(5))
  const found = await twice(once).toArray()
  expect(found.slice(5)).toEqual(found.slice(0, 5))
  expect(read()).toBe(5)
})

test('the cardinality is that of the input, and explain shows the bound', () => {
  const ds = cached(Dataset.range(4), { memoryBytes: 1e6 })
  expect(ds.cardinality).toBe(4)
  expect(ds.explain()).toContain('cache(1000000 bytes)  [4 elements]')
  expect(ds.fingerprint()).toBe(cached(Dataset.range(4)).fingerprint())
})
