import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { fixedLen } from '../../src/example/index.js'
import type { OffloadParams } from '../../src/operators/offload.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import { nodesOf } from '../../src/plan/node.js'
import { portable } from '../../src/portable.js'
import { cast } from '../../src/transforms.js'

type Fn = (x: never) => never
const fn = (name: string) => portable<Readonly<Record<string, Fn>>>('file:///modules/augment.mjs', name) as unknown as (x: number) => number
const [decode, augment, keep] = [fn('decode'), fn('augment'), fn('keep')]
const numbers = Dataset.from(() => [1, 2, 3])

const runs = (dataset: Dataset<unknown>): string[] => [...nodesOf(optimizedPlan(dataset.plan).plan)].map(({ op }) => op.name).reverse()
const offloaded = (dataset: Dataset<unknown>): OffloadParams[] => [...nodesOf(optimizedPlan(dataset.plan).plan)].filter(({ op }) => op.name === 'offload').map(({ params }) => params as OffloadParams)
const shown = (dataset: Dataset<unknown>): string => dataset.explain().split('optimized')[1]?.split('\n')[1]?.trim() ?? ''

describe('what runs on threads', () => {
  test('a map with parallel whose function can travel, and its neighbours that can', () => {
    expect(shown(numbers.map(x => x).map(decode).map(augment, { parallel: 2 }))).toBe('offload(decode → augment, 2 threads)  [unknown size, knob map.parallel = 2]')
    expect(runs(numbers.map(x => x).map(decode).map(augment, { parallel: 2 }).map(x => x))).toEqual(['prefetch', 'map', 'offload', 'map', 'from'])
    expect(shown(numbers.map(augment, { parallel: 'auto' }))).toContain('offload(augment, threads when they pay)')
    expect(shown(numbers.map(decode, { parallel: 1 }))).toContain('1 thread)')
    expect(shown(numbers.map(cast('int32'), { parallel: 2 }))).toContain('offload(cast, 2 threads)')
  })
  test('nothing else: closures, and functions without parallel', () => {
    expect(runs(numbers.map(x => x, { parallel: 2 }).map(decode))).not.toContain('offload')
    expect(runs(numbers.map(decode).map(augment))).toEqual(['fused', 'from'])
  })
  test('all that can travel, where the options ask for workers', () => {
    const dataset = numbers.map(decode).filter(keep).map(augment).map(x => x)
    expect(runs(dataset.options({ workers: 2 }))).toEqual(['prefetch', 'map', 'offload', 'offload', 'from'])
    expect(offloaded(dataset.options({ workers: 2 })).map(({ chain, mode, parallel }) => [chain.length, mode, parallel])).toEqual([[2, 'always', 2], [1, 'always', 2]])
    expect(offloaded(dataset.options({ workers: 'auto' })).map(({ mode }) => mode)).toEqual(['auto', 'auto'])
    expect(runs(dataset.options({ workers: 0 }))).toEqual(runs(dataset))
  })
  test('a filter ends a chain', () => {
    expect(offloaded(numbers.map(decode, { parallel: 2 }).filter(keep).map(augment, { parallel: 3 })).map(({ chain, parallel }) => [chain.map(({ op }) => op.name).join(), parallel])).toEqual([['map,filter', 2], ['map', 3]])
  })
  test('a prefetch ends a chain, options do not', () => {
    expect(offloaded(numbers.map(decode, { parallel: 2 }).prefetch(2).map(augment, { parallel: 2 }))).toHaveLength(2)
    expect(offloaded(numbers.map(decode).options({}).map(augment, { parallel: 2 })).map(({ chain }) => chain.length)).toEqual([2])
  })
})

test('below a batch rows come stacked, where that is the same batch', () => {
  const mapped = numbers.map(decode, { parallel: 2 })
  expect(offloaded(mapped.batch(4))[0]?.stack).toEqual({ size: 4, numbers: 'float32' })
  expect(offloaded(mapped.batch(4, { numbers: 'int32' }))[0]?.stack).toBeUndefined()
  expect(offloaded(mapped.filter(keep).batch(4))[0]?.stack).toBeUndefined()
  expect(offloaded(mapped.prefetch(1).batch(4))[0]?.stack).toBeUndefined()
  expect(offloaded(mapped)[0]?.stack).toBeUndefined()
})

test('what this thread does by whole batches stays here, unless a number of threads is given', () => {
  const rows = Dataset.from([{ x: 1 }]).map(cast({ x: 'int32' }), { parallel: 'auto' }).batch(2)
  expect(runs(rows)[0]).toBe('transform batches')
  const examples = Dataset.from(() => [new Uint8Array()]).parseExample({ x: fixedLen([], 'int64') }).batch(2)
  expect(runs(examples.options({ workers: 'auto' }))).toEqual(['decode+batch', 'from'])
})

test('keeps depths, which name random numbers, and the nodes as written', () => {
  const dataset = numbers.map(decode).map(augment, { parallel: 2 })
  const [params] = offloaded(dataset)
  expect(params?.chain.map(({ depth }) => depth)).toEqual([1, 2])
  expect(params?.written.depth).toBe(dataset.plan.depth)
  expect(params?.written.inputs[0]?.inputs[0]).toBe(params?.input)
  expect(optimizedPlan(dataset.plan).applied).toEqual(['run on threads'])
})
