import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { Dataset } from '../../src/dataset.js'
import { openPlan } from '../../src/engine/open.js'
import { plainServices, type Iteration } from '../../src/engine/scope.js'
import { isMillraceError } from '../../src/errors.js'
import { flatMap, flatMapParams } from '../../src/operators/flat-map.js'
import { interleave, interleaveParams, type InterleaveOptions } from '../../src/operators/interleave.js'
import type { Planned } from '../../src/plan/node.js'
import type { ElementContext, Operator, State } from '../../src/plan/operator.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { Rng } from '../../src/util/rng.js'

type Make<T, U> = (element: T, context: ElementContext) => Planned<U> | Promise<Planned<U>>

const interleaved = <T, U>(ds: Dataset<T>, fn: Make<T, U>, options?: InterleaveOptions): Dataset<U> =>
  ds.operator(interleave as Operator<object, U>, interleaveParams(fn as Make<unknown, unknown>, options))

/** Waits for a few turns of the microtask queue, more for some values than for others. */
const slow = async <T>(value: T, turns: number): Promise<T> => {
  for (let i = 0; i < turns; i++) await null
  return value
}
const late = (values: Dataset<number>): Dataset<number> => values.map(x => slow(x, x % 4))
const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x
}
const lateRange = (n: number): Dataset<number> => Dataset.from(async function* () {
  for (let i = 0; i < n; i++) yield await slow(i, i % 3)
})

/** A gate that holds every reader until it is opened. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>(resolve => (open = resolve))
  return { opened, open }
}

/** Runs a plan with chunks of the given sizes in turn, restoring from the JSON of its state behind every chunk if asked to. */
async function runInChunks(ds: Dataset<unknown>, sizes: readonly number[], restore = false): Promise<unknown[]> {
  const iteration: Iteration = { signal: new AbortController().signal, aborted: false, seed: 1, optimize: plan => plan, stages: new Map(), services: plainServices() }
  let input = openPlan(ds.plan, iteration, { epoch: 0, branch: 0 })
  const out: unknown[] = []
  for (let i = 0; ; i++) {
    const size = sizes[i % sizes.length] as number
    const chunk = await input.pull(size)
    if (chunk === null) break
    expect(chunk.length).toBeGreaterThan(0)
    expect(chunk.length).toBeLessThanOrEqual(size)
    out.push(...chunk)
    if (restore) {
      const state = JSON.parse(JSON.stringify(input.save())) as State
      await input.close()
      input = openPlan(ds.plan, iteration, { epoch: 0, branch: 0 }, state)
    }
  }
  await input.close()
  return out
}

const PARALLEL = [undefined, 1, 2, 8] as const
const LENGTHS = [3, 0, 5, 1, 0, 0, 4, 2, 6]
const variants = (make: (options: InterleaveOptions) => Dataset<unknown>): { make: () => Dataset<unknown>; same: (() => Dataset<unknown>)[] } => {
  const [first, ...same] = PARALLEL.map(parallel => () => make(parallel === undefined ? {} : { parallel }))
  return { make: first as () => Dataset<unknown>, same }
}

/** Every one with all of `PARALLEL`, and checkpoints between them. */
const SUBJECTS: Record<string, (options: InterleaveOptions) => Dataset<unknown>> = {
  'synchronous inner datasets': options => interleaved(Dataset.range(6), x => Dataset.range(x * 10, x * 10 + 5), { cycleLength: 3, blockLength: 2, ...options }),
  'inner datasets of all lengths, some of them empty': options =>
    interleaved(Dataset.of(...LENGTHS), (n, { index }) => late(Dataset.range(index * 10, index * 10 + n)), { cycleLength: 3, blockLength: 2, ...options }),
  'one slot per element': options => interleaved(Dataset.of(...LENGTHS), (n, { index }) => late(Dataset.range(index * 10, index * 10 + n)), { ...options }),
  'an asynchronous input and an asynchronous function': options =>
    interleaved(lateRange(7), async x => slow(Dataset.range(x * 10, x * 10 + (x % 4)), x % 5), { cycleLength: 2, blockLength: 3, ...options }),
  'a filtered input': options => interleaved(Dataset.range(20).filter(x => x % 3 === 1), x => late(Dataset.range(x, x + 3)), { cycleLength: 4, ...options }),
  'failures of the function': options =>
    interleaved(Dataset.range(14), x => Dataset.range(failing(x) * 10, x * 10 + 3), { cycleLength: 3, ...options }),
  'late failures of the function': options =>
    interleaved(Dataset.range(14), async x => late(Dataset.range(failing(await slow(x, x % 3)) * 10, x * 10 + 3)), { cycleLength: 3, ...options }),
  'failures of the input': options =>
    interleaved(Dataset.range(14).map(failing), x => late(Dataset.range(x * 10, x * 10 + 3)), { cycleLength: 3, ...options }),
  'failures of the input, the function and the inner datasets': options =>
    interleaved(lateRange(16).map(failing), async x => {
      if (x % 4 === 2) throw new Error(`no dataset ${x}`)
      return late(Dataset.range(x * 3, x * 3 + 6)).map(failing)
    }, { cycleLength: 3, blockLength: 2, ...options }),
  'inner shuffles without a seed': options => interleaved(Dataset.range(4), x => late(Dataset.range(x * 10, x * 10 + 5)).shuffle(3), { cycleLength: 2, ...options }),
  'random numbers in the function': options => interleaved(Dataset.range(5), (x, { rng, index }) => Dataset.of(x, index, rng.uniform()), { cycleLength: 2, ...options }),
  'interleaves inside': options =>
    interleaved(Dataset.range(3), x => interleaved(Dataset.range(x, x + 3), y => late(Dataset.range(y * 10, y * 10 + 3)), { cycleLength: 2, ...options }), { cycleLength: 2, ...options }),
  'an interleave as input': options =>
    interleaved(interleaved(Dataset.range(3), y => late(Dataset.range(y * 10, y * 10 + 3)), { cycleLength: 2, ...options }), x => late(Dataset.range(x, x + 2)), { cycleLength: 3, ...options }),
  'no memory for reading ahead': options =>
    interleaved(Dataset.range(5), x => late(Dataset.range(x * 10, x * 10 + 5)), { cycleLength: 3, blockLength: 4, memoryBytes: 1, ...options })
}

for (const [subject, make] of Object.entries(SUBJECTS)) {
  describe(`interleave, ${subject}`, () => {
    for (const { name, run } of operatorConformance(variants(make))) test(name, run)
  })
}
describe('interleave without order', () => {
  const make = (parallel: number) => () => interleaved(lateRange(9).map(failing), x => late(Dataset.range(x * 10, x * 10 + x)).map(failing), { cycleLength: 3, blockLength: 2, parallel, deterministic: false })
  for (const { name, run } of operatorConformance({ make: make(1), same: [make(2), make(3)], deterministic: false })) test(name, run)
})
describe('interleave of a long inner dataset and many short ones', () => {
  const make = (options: InterleaveOptions) =>
    interleaved(Dataset.range(80).map(x => {
      if (x % 50 === 9) throw new Error(`no ${x}`)
      return x
    }), x => (x === 0 ? Dataset.range(1000, 1080) : Dataset.of(x)), { cycleLength: 2, ...options })
  for (const { name, run } of operatorConformance({ make: () => make({}), same: [() => make({ parallel: 2 })] })) test(name, run)
})

type Golden = readonly [lengths: readonly number[], cycle: number | 'flat_map', block: number, order: readonly number[]]

describe('the order of tf.data', () => {
  const goldens = JSON.parse(readFileSync(new URL('../fixtures/operators/interleave.json', import.meta.url), 'utf8')) as Golden[]
  const ordinals = (lengths: readonly number[], fn: (n: number, index: number) => Planned<number>, cycle: number | 'flat_map', options: InterleaveOptions): Dataset<number> => {
    const lengthsDs = Dataset.from(lengths)
    const make = (n: number, { index }: ElementContext): Planned<number> => fn(n, index)
    return cycle === 'flat_map' ? lengthsDs.operator(flatMap as Operator<object, number>, flatMapParams(make)) : interleaved(lengthsDs, make, { cycleLength: cycle, ...options })
  }
  const same = (n: number, index: number): Dataset<number> => Dataset.range(n).map(() => index)
  const later = (n: number, index: number): Dataset<number> => Dataset.range(n).map(i => slow(index, (i + index) % 3))

  test.each([[1], [3], [1000], [2, 5, 1]])('comes out of chunks of %p', async (...sizes) => {
    for (const [lengths, cycle, blockLength, order] of goldens) {
      const found = await runInChunks(ordinals(lengths, same, cycle, { blockLength }), sizes)
      expect([lengths, cycle, blockLength, found]).toEqual([lengths, cycle, blockLength, order])
    }
  })
  test.each([[1, 1], [2, 3], [3, 1000], ['auto' as const, 4]])('comes out of %p at a time, in chunks of %p', async (parallel, size) => {
    for (const [lengths, cycle, blockLength, order] of goldens) {
      const found = await runInChunks(ordinals(lengths, later, cycle, { blockLength, parallel }), [size])
      expect([lengths, cycle, blockLength, found]).toEqual([lengths, cycle, blockLength, order])
    }
  })
  test.each([[undefined, 4], [2, 3]])('comes out of restores (parallel %p) behind chunks of %p', async (parallel, size) => {
    for (const [lengths, cycle, blockLength, order] of goldens) {
      const found = await runInChunks(ordinals(lengths, parallel === undefined ? same : later, cycle, { blockLength, ...(parallel !== undefined && { parallel }) }), [size], true)
      expect([lengths, cycle, blockLength, found]).toEqual([lengths, cycle, blockLength, order])
    }
  })
  test('is that of the documentation', async () => {
    const found = await interleaved(Dataset.range(1, 6), x => Dataset.of(x).repeat(6), { cycleLength: 2, blockLength: 4 }).toArray()
    expect(found.join('')).toBe('1111222211223333444433445555' + '55')
  })
})

describe('what is read', () => {
  /** Datasets that count what is asked of them. */
  function counted(length: number): { make: (x: number) => Dataset<number>; reads: () => number; calls: number[] } {
    let reads = 0
    const calls: number[] = []
    const make = (x: number): Dataset<number> => {
      calls.push(x)
      return Dataset.from(function* () {
        for (let i = 0; i < length; i++) {
          reads++
          yield x * 100 + i
        }
      })
    }
    return { make, reads: () => reads, calls }
  }

  test('no element beyond those asked for, in chunks of any size', async () => {
    for (const [cycleLength, blockLength, wanted] of [[1, 1, 7], [3, 1, 10], [3, 2, 11], [4, 3, 29], [16, 1, 5], [5, 4, 3]] as const) {
      const { make, reads } = counted(50)
      const ds = interleaved(Dataset.range(20), make, { cycleLength, blockLength })
      expect(await runInChunks(ds.take(wanted), [1000])).toHaveLength(wanted)
      expect(reads()).toBe(wanted)
    }
  })
  test('a large chunk takes few pulls from each inner dataset', async () => {
    let pulls = 0
    const inner: Operator<object, number> = { name: 'counting', open: () => ({ pull: max => (pulls++, new Array<number>(max).fill(0)) }) }
    const made = Dataset.range(1).operator(inner, {})
    await runInChunks(interleaved(Dataset.range(4), () => made, { cycleLength: 4 }).take(400), [400])
    expect(pulls).toBe(4)
  })
  test('after a restore the function is called for the open slots alone', async () => {
    const { make, calls } = counted(3)
    const ds = interleaved(Dataset.range(40), make, { cycleLength: 4 })
    const iterator = ds.iterator()
    for (let i = 0; i < 64; i++) await iterator.next()
    const checkpoint = iterator.checkpoint()
    await iterator.close()
    calls.length = 0
    const restored = ds.iterator({ from: checkpoint })
    await restored.next()
    expect(calls).toEqual([20, 21, 22, 23])
    await restored.close()
  })
  test('a restore reads few elements of the input again, however long a slot has been open', async () => {
    let reads = 0
    const input = Dataset.range(10_000).map(x => {
      reads++
      return x
    })
    const ds = interleaved(input, x => (x === 0 ? Dataset.range(20_000) : Dataset.of(-x)), { cycleLength: 2 })
    const iterator = ds.iterator()
    for (let i = 0; i < 15_000; i++) await iterator.next()
    const next = await Promise.all([iterator.next(), iterator.next()])
    const checkpoint = iterator.checkpoint()
    const following = await Promise.all([iterator.next(), iterator.next()])
    await iterator.close()
    expect(JSON.stringify(checkpoint).length).toBeLessThan(1000)
    reads = 0
    const restored = ds.iterator({ from: checkpoint })
    expect(await Promise.all([restored.next(), restored.next()])).toEqual(following)
    expect(following).not.toEqual(next)
    await restored.close()
    expect(reads).toBeLessThan(100)
  })
  test('states keep a bounded size', async () => {
    const ds = interleaved(Dataset.range(1000), x => Dataset.range(x % 7), { cycleLength: 8 })
    const iterator = ds.iterator()
    let most = 0
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) most = Math.max(most, JSON.stringify(iterator.checkpoint().state).length)
    expect(most).toBeLessThan(1200)
  })
  test('empty inner datasets are passed by, however many', async () => {
    const empty = Dataset.range(0)
    const ds = interleaved(Dataset.range(100_000), (x): Dataset<number> => (x === 99_999 ? Dataset.of(x) : empty), { cycleLength: 4 })
    expect(await ds.toArray()).toEqual([99_999])
  }, 60_000)
  test('empty inner datasets that come as promises are passed by', async () => {
    const empty = Dataset.range(0)
    const ds = interleaved(Dataset.range(20_000), async (x): Promise<Dataset<number>> => (x === 19_999 ? Dataset.of(x) : empty), { cycleLength: 4, parallel: 3 })
    expect(await ds.toArray()).toEqual([19_999])
  })
})

describe('reading ahead', () => {
  test('keeps the given number of inner datasets busy, and no more', async () => {
    for (const [parallel, expected] of [[1, 1], [3, 3], [8, 5]] as const) {
      let busy = 0
      let most = 0
      const ds = interleaved(Dataset.range(10), x => Dataset.range(4).map(async i => {
        most = Math.max(most, ++busy)
        await slow(null, 20)
        busy--
        return x * 10 + i
      }), { cycleLength: 5, blockLength: 2, parallel })
      expect(await ds.toArray()).toHaveLength(40)
      expect(most).toBe(expected)
    }
  })
  test('holds a block of each of them', async () => {
    let reads = 0
    const ds = interleaved(Dataset.range(10), () => Dataset.range(100).map(async i => {
      reads++
      return i
    }), { cycleLength: 4, blockLength: 5, parallel: 3 })
    const iterator = ds.iterator()
    await iterator.next()
    await slow(null, 2000)
    expect(reads).toBeGreaterThanOrEqual(3 * 5)
    expect(reads).toBeLessThanOrEqual(3 * 5 + 1)
    await iterator.close()
  })
  test('stops while what it holds has so many bytes', async () => {
    const held = async (memoryBytes: number): Promise<number> => {
      let reads = 0
      const ds = interleaved(Dataset.range(10), () => Dataset.range(100).map(async () => {
        reads++
        return new Uint8Array(1000)
      }), { cycleLength: 4, blockLength: 50, parallel: 4, memoryBytes })
      const iterator = ds.iterator()
      for (let i = 0; i < 20; i++) await iterator.next()
      await slow(null, 5000)
      await iterator.close()
      return reads - 20
    }
    expect(await held(2 ** 28)).toBeGreaterThanOrEqual(150)
    expect(await held(10_000)).toBeLessThanOrEqual(14)
    expect(await held(1)).toBeLessThanOrEqual(4)
  })
  test('does not begin where nothing waits', async () => {
    let reads = 0
    const ds = interleaved(Dataset.range(10), () => Dataset.range(10).map(() => reads++), { cycleLength: 4, blockLength: 5, parallel: 4 })
    const iterator = ds.iterator()
    await iterator.next()
    expect(reads).toBe(1)
    await iterator.close()
  })
  test('without order goes on past an inner dataset that is stuck', async () => {
    const { opened, open } = gate()
    const ds = interleaved(Dataset.range(3), x => Dataset.range(2).map(async i => {
      if (x === 0) await opened
      return x * 10 + i
    }), { cycleLength: 2, parallel: 2, deterministic: false })
    const iterator = ds.iterator()
    const found: unknown[] = []
    for (let i = 0; i < 4; i++) found.push((await iterator.next()).value)
    expect(found).toEqual([10, 11, 20, 21])
    const checkpoint = iterator.checkpoint()
    open()
    expect([(await iterator.next()).value, (await iterator.next()).value, (await iterator.next()).done]).toEqual([0, 1, true])
    expect(await ds.toArray({ from: checkpoint })).toEqual([0, 1])
  })
  test('without order goes on past a function that is stuck', async () => {
    const { opened, open } = gate()
    const ds = interleaved(Dataset.range(3), async x => {
      if (x === 1) await opened
      return Dataset.of(x)
    }, { cycleLength: 3, parallel: 3, deterministic: false })
    const iterator = ds.iterator()
    expect([(await iterator.next()).value, (await iterator.next()).value]).toEqual([0, 2])
    const checkpoint = iterator.checkpoint()
    open()
    expect((await iterator.next()).value).toBe(1)
    await iterator.close()
    expect(await ds.toArray({ from: checkpoint })).toEqual([1])
  })
  test('random lengths, delays, failures and options never change the order', async () => {
    for (let round = 0; round < 60; round++) {
      const rng = new Rng([round, 77])
      const lengths = Array.from({ length: rng.integer(12) }, () => rng.integer(6))
      const [cycleLength, blockLength] = [1 + rng.integer(5), 1 + rng.integer(4)]
      const [badFn, badInner, badInput] = [rng.integer(12), rng.integer(12), rng.integer(12)]
      const make = (turns: number, options: InterleaveOptions): Dataset<number> =>
        interleaved(Dataset.from(lengths).map((n, { index }) => {
          if (index === badInput) throw new Error('input')
          return turns === 0 ? n : slow(n, (index * 7 + round) % turns)
        }), (n, { index }) => {
          if (index === badFn) throw new Error('function')
          const inner = Dataset.range(n).map(i => {
            if (index === badInner && i === 1) throw new Error('inner')
            return turns === 0 ? index * 10 + i : slow(index * 10 + i, (i * 5 + index * 3) % turns)
          })
          return turns === 0 ? inner : slow(inner, (index + round) % turns)
        }, { cycleLength, blockLength, ...options })
      const events = async (ds: Dataset<number>): Promise<unknown[]> => {
        const iterator = ds.iterator({ seed: 1 })
        const found: unknown[] = []
        for (;;) {
          try {
            const step = await iterator.next()
            if (step.done === true) return found
            found.push(step.value)
          } catch (error) {
            found.push((error as { cause: Error }).cause.message)
          }
        }
      }
      const expected = await events(make(0, {}))
      for (const parallel of [1, 2, 5]) expect(await events(make(1 + rng.integer(9), { parallel }))).toEqual(expected)
    }
  })
})

describe('errors', () => {
  test('surface in their place, and the iteration goes on behind them', async () => {
    const ds = interleaved(Dataset.range(5), x => {
      if (x === 1) throw new RangeError('no dataset')
      return Dataset.range(3).map(i => {
        if (x === 2 && i === 1) throw new RangeError('no element')
        return x * 10 + i
      })
    }, { cycleLength: 2, blockLength: 2 })
    const iterator = ds.iterator()
    const found: unknown[] = []
    for (;;) {
      const step = await iterator.next().catch((error: Error) => ({ done: false, value: (error.cause as Error).message }))
      if (step.done === true) break
      found.push(step.value)
    }
    expect(found).toEqual([0, 1, 'no dataset', 20, 'no element', 22, 2, 30, 31, 40, 41, 32, 42])
  })
  test('of the function name the element and the place in user code', async () => {
    const ds = interleaved(Dataset.range(5), x => {
      if (x === 3) throw new RangeError('no dataset')
      return Dataset.of(x)
    }, { cycleLength: 1 })
    const error: unknown = await ds.toArray().then(() => undefined, (error: unknown) => error)
    expect(isMillraceError(error, 'UserFunction')).toBe(true)
    expect(error).toMatchObject({ operator: 'interleave', index: 3, cause: expect.any(RangeError) })
    expect((error as Error).message).toMatch(/^interleave: the function failed at element 3: no dataset \(added at .*interleave\.test\.ts/)
  })
  test.each([[[1, 2], 'an array'], [null, 'null'], [7, 'number'], [undefined, 'undefined'], [new Map(), 'Map']])('a function that returns %p is told what came back', async (made, what) => {
    const ds = interleaved(Dataset.range(2), () => made as never)
    await expect(ds.toArray()).rejects.toThrow(`interleave: the function failed at element 0: it must return a Dataset, got ${what}; Dataset.from makes one of anything iterable`)
  })
  test('wrong arguments throw at the call', () => {
    const fn = () => Dataset.range(1)
    expect(() => interleaveParams(fn, { cycleLength: 0 })).toThrow(RangeError)
    expect(() => interleaveParams(fn, { blockLength: 0 })).toThrow(RangeError)
    expect(() => interleaveParams(fn, { parallel: 0 })).toThrow(RangeError)
    expect(() => interleaveParams(fn, { memoryBytes: 0 })).toThrow(RangeError)
    expect(() => interleaveParams(fn, { seed: 0.5 })).toThrow(RangeError)
    expect(() => interleaveParams(fn, { cycle: 2 } as never)).toThrow("unknown option 'cycle'")
    expect(() => interleaveParams(3 as never)).toThrow(TypeError)
  })
  test('a cycle far longer than the input costs nothing', async () => {
    const started = Dataset.range(3)
    expect(await interleaved(started, x => late(Dataset.range(x * 10, x * 10 + 3)), { cycleLength: 2 ** 40, parallel: 8 }).toArray()).toEqual([0, 10, 20, 1, 11, 21, 2, 12, 22])
    expect(await interleaved(started, x => Dataset.range(x * 10, x * 10 + 3), { cycleLength: 2 ** 40 }).toArray()).toEqual([0, 10, 20, 1, 11, 21, 2, 12, 22])
  })
  test('a restore over less data says so', async () => {
    let size = 9
    const ds = interleaved(Dataset.from(() => Array.from({ length: size }, (_, i) => i)), x => Dataset.range(x, x + 3), { cycleLength: 2 })
    const iterator = ds.iterator()
    for (let i = 0; i < 14; i++) await iterator.next()
    const checkpoint = iterator.checkpoint()
    await iterator.close()
    size = 2
    await expect(ds.toArray({ from: checkpoint })).rejects.toMatchObject({ kind: 'Checkpoint' })
  })
})

describe('closing', () => {
  /** Datasets that count how many of them are open. */
  function tracked(length: (x: number) => number, asynchronous: boolean): { make: (x: number) => Dataset<number>; open: () => number; most: () => number } {
    let open = 0
    let most = 0
    const inner: Operator<{ x: number }, number> = {
      name: 'tracked',
      open({ params: { x } }) {
        most = Math.max(most, ++open)
        let left = length(x)
        return {
          pull: max => {
            const count = Math.min(left, max)
            left -= count
            const chunk = count === 0 ? null : new Array<number>(count).fill(x)
            return asynchronous ? slow(chunk, x % 3) : chunk
          },
          async close() {
            await null
            open--
          }
        }
      }
    }
    return { make: x => Dataset.range(0).operator(inner, { x }), open: () => open, most: () => most }
  }

  test('inner datasets are closed as soon as they end', async () => {
    for (const asynchronous of [false, true]) {
      const { make, open, most } = tracked(x => x % 4, asynchronous)
      expect(await interleaved(Dataset.range(50), make, { cycleLength: 5 }).toArray()).toHaveLength(73)
      expect(open()).toBe(0)
      expect(most()).toBeLessThanOrEqual(5)
    }
  })
  test('reading ahead holds no more open than its number beyond the cycle', async () => {
    const { make, open, most } = tracked(x => x % 4, true)
    expect(await interleaved(Dataset.range(50), make, { cycleLength: 4, parallel: 3 }).toArray()).toHaveLength(73)
    expect(open()).toBe(0)
    expect(most()).toBeLessThanOrEqual(4 + 3)
  })
  test('a break closes all of them, whatever is under way', async () => {
    for (const parallel of [1, 3]) {
      const { make, open } = tracked(() => 9, true)
      for await (const x of interleaved(Dataset.range(50), async x => slow(make(x), x % 3), { cycleLength: 4, parallel })) if (x === 2) break
      expect(open()).toBe(0)
    }
  })
  test('a failure to close an inner dataset surfaces, and the iteration goes on', async () => {
    const inner: Operator<{ x: number }, number> = {
      name: 'sticky',
      open({ params: { x } }) {
        let done = false
        return {
          pull: () => (done ? null : ((done = true), [x])),
          close() {
            if (x === 1) throw new Error('cannot close')
          }
        }
      }
    }
    const iterator = interleaved(Dataset.range(4), x => Dataset.range(0).operator(inner, { x }), { cycleLength: 1 }).iterator()
    const found: unknown[] = []
    for (;;) {
      const step = await iterator.next().catch((error: Error) => ({ done: false, value: error.message.replace(/ \(.*/, '') }))
      if (step.done === true) break
      found.push(step.value)
    }
    expect(found).toEqual([0, 1, 'sticky: cannot close', 2, 3])
  })
  test('waits for functions in flight', async () => {
    const { opened, open } = gate()
    let done = false
    const iterator = interleaved(Dataset.range(4), async x => {
      if (x === 1) {
        await opened
        done = true
      }
      return Dataset.of(x)
    }, { cycleLength: 2, parallel: 2 }).iterator()
    await iterator.next()
    const closing = iterator.close()
    await slow(null, 50)
    open()
    await closing
    expect(done).toBe(true)
  })
})

describe('the plan', () => {
  const fn = (x: number) => Dataset.range(x)
  test('knows no cardinality, and shows what decides the order', () => {
    const ds = interleaved(Dataset.range(3), fn, { blockLength: 2, parallel: 4, deterministic: false })
    expect(ds.cardinality).toBeUndefined()
    expect(ds.explain()).toContain('interleave(fn, cycle 16, block 2, parallel: 4, deterministic: false)  [unknown size, knob interleave.parallel = 4]')
  })
  test('has one fingerprint at any parallelism, another for another order', () => {
    const of = (options: InterleaveOptions) => interleaved(Dataset.range(3), fn, options).fingerprint()
    expect(of({ parallel: 3, memoryBytes: 5 })).toBe(of({}))
    expect(new Set([of({}), of({ cycleLength: 2 }), of({ blockLength: 2 }), of({ deterministic: false }), of({ seed: 1 })]).size).toBe(5)
  })
})

test('inner shuffles without a seed differ from element to element', async () => {
  const ds = interleaved(Dataset.range(8), () => Dataset.range(20).shuffle(20), { cycleLength: 1 })
  const found = await ds.toArray({ seed: 3 })
  const orders = Array.from({ length: 8 }, (_, i) => found.slice(i * 20, i * 20 + 20).join())
  expect(new Set(orders).size).toBe(8)
})
