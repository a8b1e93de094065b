import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { iterate, type DatasetIterator, type IterateOptions } from '../../src/engine/iterate.js'
import type { MemoryBudget } from '../../src/engine/memory-budget.js'
import type { Services } from '../../src/engine/scope.js'
import { messageOf } from '../../src/errors.js'
import { optimizedPlan, optimizeInner } from '../../src/optimizer/optimized-plan.js'
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
  'map of an asynchronous input': plain => slowly(15).map(double, plain ? {} : two),
  'index and random numbers': plain => Dataset.range(15).map(addIndex, plain ? {} : two).map(draw),
  'random numbers of its own': plain => Dataset.range(15).map(double).map(draw, { seed: 3, ...(plain ? {} : two) }),
  'errors of elements': plain => Dataset.range(20).map(notOdd, plain ? {} : two).map(addIndex),
  'errors of the input': plain => failing(15).map(addIndex, plain ? {} : two),
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

const SETTINGS: readonly (Setting | null)[] = [{ threads: 1 }, { threads: 4, seed: 9, ceilingBytes: 40 }, null]

describe.each(Object.entries(SUBJECTS))('%s', (_, make) => {
  const same = [() => make(true), ...SETTINGS.map(setting => () => withWorkers(make(false), setting))]
  for (const { name, run } of operatorConformance({ make: () => withWorkers(make(false), { threads: 2, seed: 1 }), same })) test(name, run)
})
