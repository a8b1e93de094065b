import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'

const double = (x: number): number => x * 2
const odd = (x: number): boolean => x % 2 === 1

describe('explain', () => {
  test('shows the plan before and after the rules, with cardinalities and knobs', () => {
    const dataset = Dataset.range(10).take(20).map(double).filter(odd).map(double, { parallel: 4 }).batch(3).prefetch('auto')
    expect(dataset.explain()).toBe([
      'plan',
      '  prefetch(auto)  [unknown size, knob prefetch.size = auto]',
      '    batch(3)  [unknown size]',
      '      map(double, parallel: 4)  [unknown size, knob map.parallel = 4]',
      '        filter(odd)  [unknown size]',
      '          map(double)  [10 elements]',
      '            take(20)  [10 elements]',
      '              range(10)  [10 elements]',
      'optimized (drop no-ops, fuse elementwise operators, reuse chunks)',
      '  prefetch(auto)  [unknown size, knob prefetch.size = auto]',
      '    batch(3)  [unknown size]',
      '      map(double, parallel: 4)  [unknown size, knob map.parallel = 4]',
      '        fused(map(double) → filter(odd))  [unknown size]',
      '          range(10)  [10 elements]'
    ].join('\n'))
  })
  test('draws a chart', () => {
    expect(Dataset.zip([Dataset.range(3), Dataset.of('"a"').repeat()]).explain({ format: 'mermaid' })).toBe([
      'flowchart BT',
      '  subgraph plan',
      '    plan0["range(3)<br/>3 elements"]',
      '    plan1["from(array of 1)<br/>1 element"]',
      '    plan2["repeat()<br/>infinite"]',
      '    plan1 --> plan2',
      '    plan3["zip([#0, #1])<br/>3 elements"]',
      '    plan0 --> plan3',
      '    plan2 --> plan3',
      '  end'
    ].join('\n'))
  })
})

describe('rules', () => {
  test('a plan that needs nothing stays the same object', () => {
    const { plan } = Dataset.range(10).batch(2)
    expect(optimizedPlan(plan).plan).toBe(plan)
  })
  test('a dataset is optimised once', () => {
    const { plan } = Dataset.range(10).map(double).map(double)
    expect(optimizedPlan(plan)).toBe(optimizedPlan(plan))
  })
  test('take, skip and shard go into a source that can select', () => {
    const { plan } = Dataset.range(100).skip(10).shard(3, 1).take(5)
    expect(optimizedPlan(plan).plan.inputs).toEqual([])
    expect(optimizedPlan(plan).plan.params).toEqual({ start: 11, step: 3, count: 5, reuse: false })
  })
  test('take of an endless source ends', async () => {
    expect(await Dataset.range(Infinity).take(3).toArray()).toEqual([0, 1, 2])
  })
  test('a prefetch is put behind plans that read from a store, and only there', () => {
    expect(Dataset.tfrecord('a.tfrecord').explain()).toContain('prefetch(auto, injected)')
    expect(Dataset.tfrecord('a.tfrecord').prefetch(1).explain()).not.toContain('injected')
    expect(Dataset.from(() => [1]).explain()).not.toContain('prefetch')
  })
})

describe('fingerprint', () => {
  const make = (fn = double, parallel = 2, size = 4) => Dataset.range(10).map(fn, { parallel }).prefetch(size).batch(2)
  test('is the same for equal plans, whatever their knobs', () => {
    expect(make().fingerprint()).toBe(make(double, 8, 1).fingerprint())
    expect(make().fingerprint()).toBe(Dataset.range(10).map(double, { parallel: 2 }).batch(2).fingerprint())
  })
  test('differs with functions, arguments and order', () => {
    const prints = [make(), make(x => x + 1), Dataset.range(11).map(double, { parallel: 2 }).batch(2), Dataset.range(10).batch(2).unbatch(), Dataset.zip([Dataset.range(2), Dataset.range(3)]), Dataset.zip([Dataset.range(3), Dataset.range(2)])]
    expect(new Set(prints.map(dataset => dataset.fingerprint())).size).toBe(prints.length)
  })
})

test('plans and datasets are frozen', () => {
  const dataset = Dataset.range(3).map(double)
  expect(Object.isFrozen(dataset) && Object.isFrozen(dataset.plan) && Object.isFrozen(dataset.plan.params) && Object.isFrozen(dataset.plan.inputs)).toBe(true)
})
