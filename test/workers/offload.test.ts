import { describe, expect, test } from '@jest/globals'
import { Dataset, portable, type MillraceError } from '../../dist/src/index.js'
import { operatorConformance } from '../../dist/src/testing.js'

type Fn = (x: never, context: never) => unknown
const url = new URL('./modules/offload.mjs', import.meta.url)
const fn = (name: string) => portable<Readonly<Record<string, Fn>>>(url, name) as unknown as (x: number) => number
const burn = fn('burn')
const where = fn('where')
const failing = fn('failing')
const waiting = fn('waiting')
const random = fn('random') as unknown as (x: number) => { readonly x: number }
const small = fn('small')
const two = { parallel: 2 } as const

test('a portable function runs on threads from the first element, in order', async () => {
  const found = await Dataset.range(200).map(where, two).toArray()
  expect(found).toEqual(Array.from({ length: 200 }, (_, i) => [i, false]))
})

test('an automatic one begins in this thread; its elements do not tell', async () => {
  const found = await Dataset.range(1500).map(burn, { parallel: 'auto' }).batch(64).unbatch().toArray()
  expect(found).toEqual(await Dataset.range(1500).map(burn).batch(64).unbatch().toArray())
})

describe('what cannot be sent', () => {
  const boxed = fn('boxed')
  const events = async (dataset: Dataset<unknown>): Promise<unknown[]> => {
    const iterator = dataset.iterator({ seed: 1, epoch: 0 })
    const found: unknown[] = []
    for (;;) {
      try {
        const step = await iterator.next()
        if (step.done === true) return found
        found.push(step.value)
      } catch (error) {
        const { kind, operator, index, message } = error as MillraceError
        expect(message).toMatch(/^\w+: element \d+: .*cannot be sent to another thread.*\(added at .*offload\.test\.ts/)
        found.push([kind, operator, index])
      }
    }
  }
  test('is an error in its own place when it comes out, and costs no other element anything', async () => {
    const expected = (operator: string) => Array.from({ length: 40 }, (_, i) => (i % 5 === 3 ? ['Unsupported', operator, i] : i))
    expect(await events(Dataset.range(40).map(boxed, two))).toEqual(expected('map'))
    expect(await events(Dataset.range(40).map(boxed, two).filter(fn('all') as unknown as (x: number) => boolean))).toEqual(expected('filter'))
  })
  test('is an error in its own place when it is to go in', async () => {
    const found = await events(Dataset.range(20).map(x => (x === 7 ? { f: () => x } : x)).map(fn('all') as never, two))
    expect(found).toEqual(Array.from({ length: 20 }, (_, i) => (i === 7 ? ['Unsupported', 'map', 7] : true)))
  })
  test('brings an automatic one back, and nothing is lost', async () => {
    const late = fn('boxedLate')
    expect(await events(Dataset.range(1500).map(late, { parallel: 'auto' }))).toEqual(await events(Dataset.range(1500).map(late)))
  })
})

test('a module that cannot be loaded is the error that it is here', async () => {
  const missing = fn('nothing')
  const errorOf = (dataset: Dataset<unknown>) => dataset.first().then(() => undefined, (error: MillraceError) => ({ kind: error.kind, operator: error.operator, index: error.index, message: error.message.replace(/:\d+:\d+\)/, ')') }))
  expect(await errorOf(Dataset.range(3).map(missing, two))).toEqual(await errorOf(Dataset.range(3).map(missing)))
})

const SUBJECTS: Record<string, (knob: { readonly parallel?: number | 'auto' }) => Dataset<unknown>> = {
  'errors, with their indices': knob => Dataset.range(8).map(failing, knob),
  'random numbers and a filter': knob => Dataset.range(7).filter(small).map(random, knob),
  'promises, stacked': knob => Dataset.range(6).map(waiting, knob).map(random).batch(3)
}
describe.each(Object.entries(SUBJECTS))('%s', (_, make) => {
  const cases = operatorConformance({ make: () => make(two), same: [() => make({})] })
  const some = cases.filter(({ name }) => /two iterations|variant 1 gives|\(variant (0 to 1|1 to 0)\)|ends cleanly|abort after/.test(name))
  for (const { name, run } of some) test(name, run, 60_000)
})

test('a break in the middle leaves no thread', async () => {
  const threads = (): number => process.getActiveResourcesInfo().filter(name => name === 'MessagePort' || name === 'Worker').length
  const before = threads()
  for await (const x of Dataset.range(100_000).map(burn, two)) if (x > 20) break
  expect(threads()).toBeLessThanOrEqual(before)
})

describe('threads of one map', () => {
  const thread = portable<Readonly<Record<string, Fn>>>(new URL('./modules/functions.mjs', import.meta.url), 'thread') as unknown as (x: number) => readonly [number, number]
  const threadsOf = async (dataset: Dataset<readonly [number, number]>): Promise<number> => new Set((await dataset.toArray()).map(([, id]) => id)).size
  const make = (parallel: number) => Dataset.range(3000).map(thread, { parallel })

  test('are as many as were asked for, whatever the number of cores', async () => {
    expect(await threadsOf(make(3).options({ autotune: { cpuBudget: 1 } }))).toBe(3)
  })
  test('are bounded by maxIntraOpParallelism, and by privateThreadpoolSize', async () => {
    expect(await threadsOf(make(3).options({ threading: { maxIntraOpParallelism: 2 } }))).toBeLessThanOrEqual(2)
    expect(await threadsOf(make(3).options({ threading: { privateThreadpoolSize: 1 } }))).toBe(1)
  })
})
