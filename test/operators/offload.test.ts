import { afterEach, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { iterate, type DatasetIterator, type IterateOptions } from '../../src/engine/iterate.js'
import type { MemoryBudget } from '../../src/engine/memory-budget.js'
import type { Services } from '../../src/engine/scope.js'
import { messageOf } from '../../src/errors.js'
import { deciding, offloadPolicy, type OffloadPolicy } from '../../src/operators/offload-policy.js'
import { optimizeInner } from '../../src/optimizer/optimize-inner.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import { portable } from '../../src/portable.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { seededRandom } from '../servers/seeded.js'
import { inProcessWorkers, type DoubleOptions } from '../workers/double.js'

type Fn = (x: never, context: never) => unknown
const url = new URL('../workers/modules/functions.mjs', import.meta.url)
const fn = (name: string, ...args: number[]) => portable<Readonly<Record<string, Fn>>>(url, name, ...(args.length > 0 ? [{ args }] as const : []) as []) as unknown as (x: number) => number
const double = fn('double')
const odd = fn('odd')
const draw = fn('draw') as unknown as (x: number) => [number, number]
const addIndex = fn('addIndex')
const notOdd = fn('notOdd')
const later = fn('later')
const row = fn('row') as unknown as (x: number) => { readonly xs: unknown; readonly id: number }

interface Setting extends DoubleOptions {
  readonly ceilingBytes?: number
  readonly intra?: number
}

/** What is held is counted, and nothing is measured. */
function budgetOf(ceilingBytes: number): MemoryBudget {
  let held = 0
  return {
    ceilingBytes,
    usedBytes: 0,
    get heldBytes() { return held },
    get hasRoom() { return held < ceilingBytes },
    add: bytes => { held += bytes }
  }
}

/** The dataset, iterated with workers that are no threads; `null`: with none. */
function withWorkers<T>(dataset: Dataset<T>, setting: Setting | null, opened: ReturnType<typeof inProcessWorkers>[] = []): Dataset<T> {
  const iterator = (options: IterateOptions = {}): DatasetIterator<T> => {
    const workers = setting === null ? null : inProcessWorkers(setting)
    if (workers !== null) opened.push(workers)
    const services: Services = {
      threading: setting?.intra === undefined ? {} : { maxIntraOpParallelism: setting.intra },
      budget: budgetOf(setting?.ceilingBytes ?? 2 ** 40),
      cores: 2,
      workers: () => Promise.resolve(workers),
      close: async () => workers?.close()
    }
    return iterate({ plan: dataset.plan, optimized: optimizedPlan(dataset.plan).plan, optimize: optimizeInner, services }, options)
  }
  return Object.create(dataset, { iterator: { value: iterator }, cardinality: { value: dataset.cardinality } }) as Dataset<T>
}

const slowly = (n: number) => Dataset.from(async function* source() {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i % 3; k++) await null
    yield i
  }
})
const failing = (n: number) => Dataset.range(n).map(x => {
  if (x % 5 === 2) throw new Error(`no ${x}`)
  return x
})

const two = { parallel: 2 } as const
const SUBJECTS: Record<string, (plain: boolean) => Dataset<unknown>> = {
  map: plain => Dataset.range(20).map(double, plain ? {} : two),
  'index and random numbers': plain => Dataset.range(15).map(addIndex, plain ? {} : two).map(draw),
  'random numbers of its own': plain => Dataset.range(15).map(double).map(draw, { seed: 3, ...(plain ? {} : two) }),
  'errors of both': plain => failing(20).map(notOdd, plain ? {} : two).map(addIndex).map(draw),
  'a filter behind': plain => Dataset.range(20).map(notOdd, plain ? {} : two).filter(odd).map((x: number) => x + 1),
  'a filter and errors': plain => failing(20).map(notOdd, plain ? {} : two).map(addIndex).filter(odd),
  promises: plain => Dataset.range(10).map(later, plain ? {} : two).map(addIndex),
  'stacked above a batch': plain => Dataset.range(15).map(row, plain ? {} : two).batch(4),
  'stacked, with errors': plain => failing(20).map(notOdd).map(row, plain ? {} : two).batch(3),
  'a batch without a remainder': plain => slowly(11).map(row, plain ? {} : two).batch(4, { dropRemainder: true }),
  'in a shuffle': plain => slowly(15).map(double, plain ? {} : two).shuffle(6, { seed: 1 }),
  'in a repeat': plain => Dataset.range(7).shuffle(3).map(draw, plain ? {} : two).repeat(3),
  'behind an open map': plain => Dataset.range(15).map(x => x + 1).map(double, plain ? {} : two).filter(x => x % 3 !== 0).take(9),
  'two of them': plain => Dataset.range(15).map(double, plain ? {} : two).map(x => x + 1).map(addIndex, plain ? {} : { parallel: 3 })
}

const SETTINGS: readonly (Setting | null)[] = [{ threads: 4, seed: 9, ceilingBytes: 40 }, null]

describe.each(Object.entries(SUBJECTS))('%s', (_, make) => {
  const same = [() => make(true), ...SETTINGS.map(setting => () => withWorkers(make(false), setting))]
  for (const { name, run } of operatorConformance({ make: () => withWorkers(make(false), { threads: 2 }), same })) test(name, run)
})

type Event = { readonly element: unknown } | { readonly error: string }

/** Up to `count` events, and the iterator behind them. */
async function events(iterator: DatasetIterator<unknown>, count = Infinity): Promise<Event[]> {
  const found: Event[] = []
  while (found.length < count) {
    try {
      const step = await iterator.next()
      if (step.done === true) break
      found.push({ element: step.value })
    } catch (error) {
      found.push({ error: messageOf(error).replace(/ \(added at .*\)$/, '') })
    }
  }
  return found
}

/** Moves to threads and back at pulls that a seed chooses. */
function restless(seed: number): OffloadPolicy {
  const random = seededRandom(seed)
  let move = false
  let back = false
  return {
    due: () => random() < 0.3,
    inline() { move ||= random() < 0.3 },
    get move() { return move },
    moved() { move = false },
    threads() { back ||= random() < 0.15 },
    get back() { return back },
    cameBack() { back = false },
    elementMs: random() < 0.5 ? 0.1 : undefined
  }
}

describe('random settings', () => {
  const build = (at: number, sourceSeed: number, plain: boolean, parallel: number | 'auto') => {
    const random = seededRandom(sourceSeed)
    const n = 5 + Math.floor(random() * 40)
    const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    const knob = plain ? {} : { parallel }
    let dataset: Dataset<unknown> = some([() => Dataset.range(n), () => slowly(n), () => failing(n), () => Dataset.range(n).shuffle(5), () => failing(n).repeat(2)])()
    const chain = (): void => {
      const length = 1 + Math.floor(random() * 3)
      for (let k = 0; k < length; k++) {
        const f = some([double, addIndex, notOdd, later, fn('makeAdd', 3)])
        dataset = (dataset as Dataset<number>).map(f, random() < 0.6 ? knob : {})
      }
      if (random() < 0.3) dataset = (dataset as Dataset<number>).filter(odd)
    }
    chain()
    if (random() < 0.3) {
      dataset = (dataset as Dataset<number>).map(x => x + 1)
      chain()
    }
    if (random() < 0.2) dataset = dataset.prefetch(2)
    if (random() < 0.4) dataset = (random() < 0.5 ? (dataset as Dataset<number>).map(row, knob) : dataset).batch(1 + Math.floor(random() * 6), { dropRemainder: random() < 0.3 })
    return { dataset, at }
  }
  afterEach(() => {
    deciding.by = offloadPolicy
  })

  test('change neither elements, nor their order, nor errors; checkpoints go between all of them', async () => {
    const rounds = Number(process.env['MILLRACE_FUZZ'] ?? 1) * 120
    let used = 0
    for (let round = 0; round < rounds; round++) {
      const random = seededRandom(round + 1)
      const parallel = random() < 0.5 ? 'auto' : 1 + Math.floor(random() * 4)
      deciding.by = () => restless(round)
      const opened: ReturnType<typeof inProcessWorkers>[] = []
      const setting = { threads: 1 + Math.floor(random() * 4), seed: random() < 0.7 ? round : undefined, ...(random() < 0.2 && { ceilingBytes: 64 }), ...(random() < 0.2 && { intra: 1 }) } as Setting
      const plain = build(round, round, true, parallel).dataset
      const there = withWorkers(build(round, round, false, parallel).dataset, setting, opened)
      const options = { seed: round, epoch: round % 3 }
      const whole = await events(plain.iterator(options))
      const at = Math.floor(random() * (whole.length + 1))
      const iterator = there.iterator(options)
      const head = await events(iterator, at)
      const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as ReturnType<typeof iterator.checkpoint>
      const tail = await events(iterator)
      await iterator.close()
      expect([round, ...head, ...tail]).toEqual([round, ...whole])
      expect([round, ...await events(plain.iterator({ from: checkpoint }))]).toEqual([round, ...whole.slice(at)])
      const before = plain.iterator(options)
      await events(before, at)
      const resumed = there.iterator({ from: JSON.parse(JSON.stringify(before.checkpoint())) as typeof checkpoint })
      const rest = await events(resumed, random() < 0.5 ? Infinity : 3)
      await resumed.close()
      await before.close()
      expect([round, ...rest]).toEqual([round, ...whole.slice(at, at + rest.length)])
      used += opened.reduce((sum, { seen }) => sum + seen.tasks, 0)
    }
    expect(used).toBeGreaterThan(rounds)
  }, 60_000)
})

describe('a thread that breaks down', () => {
  test('costs the element that it had begun with; all others come', async () => {
    const dataset = withWorkers(Dataset.range(40).map(double, { parallel: 2 }), { threads: 2, breaks: [0, 5] })
    const found = await events(dataset.iterator({ seed: 1 }))
    expect(found).toHaveLength(40)
    const expected = found.map((event, index) => ('error' in event ? { error: `map: element ${index}: a worker thread broke down at element ${index}` } : { element: 2 * index }))
    expect(found).toEqual(expected)
    expect(found.filter(event => 'error' in event)).toHaveLength(2)
  })
})

test('options name how many threads there are to be, and maxIntraOpParallelism bounds each operator', async () => {
  const opened: ReturnType<typeof inProcessWorkers>[] = []
  await withWorkers(Dataset.range(60).map(double, { parallel: 4 }), { threads: 4, intra: 2, seed: 2 }, opened).toArray()
  expect(opened[0]?.seen.most).toBe(2) // with more threads there than are to be used: one task for each
})

test('gives out no task once it is closed in the middle', async () => {
  const opened: ReturnType<typeof inProcessWorkers>[] = []
  const iterator = withWorkers(Dataset.range(500).map(double, { parallel: 2 }), { threads: 2, seed: 3 }, opened).iterator({ seed: 1 })
  await events(iterator, 7)
  await iterator.close()
  const tasks = opened[0]?.seen.tasks
  await new Promise(resolve => setImmediate(resolve))
  expect(opened[0]?.seen.tasks).toBe(tasks)
})

test('an automatic one has as many threads in view as there are cores, before it has moved to any', async () => {
  const iterator = Dataset.range(100).map(double, { parallel: 'auto' }).options({ autotune: { cpuBudget: 4 } }).iterator()
  await iterator.next()
  const { knobs } = iterator.stats().stages.find(({ operator }) => operator === 'offload') ?? {}
  await iterator.close()
  expect(knobs).toEqual([{ name: 'map.parallel', value: 4, auto: true }])
})
