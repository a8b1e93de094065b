import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { fixedLen } from '../../src/example/index.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import { FINAL_RULES } from '../../src/optimizer/plan-rules.js'
import { RULES } from '../../src/optimizer/rules.js'
import { nodesOf, type PlanNode } from '../../src/plan/node.js'
import { rewrite } from '../../src/plan/rewrite.js'

/** What runs: the names of the operators, the last first. */
const runs = (dataset: Dataset<unknown>): string[] => [...nodesOf(optimizedPlan(dataset.plan).plan)].map(({ op }) => op.name).reverse()

const numbers = Dataset.from(() => [3, 1, 2])

describe('every rule', () => {
  const plans: readonly PlanNode[] = [
    numbers.plan,
    numbers.filter(x => x > 1).plan,
    numbers.take(2).batch(2).unbatch().plan,
    Dataset.zip([numbers.shuffle(2), numbers.repeat(2)]).plan
  ]

  test.each([...RULES, ...FINAL_RULES])('$name: gives back the plan itself when it has nothing to do', rule => {
    for (const plan of plans) expect(rewrite(plan, rule)).toBe(plan)
  })

  test('leaves what the rules made as it is', () => {
    const datasets: readonly Dataset<unknown>[] = [Dataset.range(9).skip(0).map(x => x).filter(Boolean).take(3), Dataset.tfrecord('a.tfrecord').parseExample({ x: fixedLen([], 'int64') }).batch(2)]
    for (const dataset of datasets) {
      const { plan } = optimizedPlan(dataset.plan)
      for (const rule of RULES) expect(rewrite(plan, rule)).toBe(plan)
      for (const rule of FINAL_RULES) expect(rule.apply(plan)).toBe(plan)
    }
  })
})

test('adjacent maps and filters run as one, across operators that change nothing', () => {
  expect(runs(numbers.map(x => x).take(-1).filter(Boolean).skip(0).map(x => x))).toEqual(['fused', 'from'])
})

test('a parallel map is no part of a fused loop', () => {
  expect(runs(numbers.map(x => x).map(async x => x, { parallel: 2 }).map(x => x).map(x => x))).toEqual(['prefetch', 'fused', 'map', 'map', 'from'])
})

test('operators that change nothing are left out', () => {
  expect(runs(numbers.take(-1).skip(0).shard(1, 0).repeat(1).shuffle(1))).toEqual(['from'])
  expect(runs(Dataset.range(8).filter(Boolean).take(10))).toEqual(['take', 'filter', 'range'])
})

test('records are decoded into the batch only where nothing stands between', () => {
  const examples = Dataset.tfrecord('a.tfrecord').parseExample({ x: fixedLen([], 'int64') })
  expect(runs(examples.batch(2))).toEqual(['prefetch', 'decode+batch', 'readFiles'])
  expect(runs(examples.map(({ x }) => x).batch(2))).toEqual(['prefetch', 'batch', 'fused', 'readFiles'])
})

test('rules keep the depth of nodes, which names their random numbers', () => {
  const dataset = numbers.skip(0).map(x => x).map(x => x).batch(2)
  const { plan } = optimizedPlan(dataset.plan)
  expect(plan.depth).toBe(dataset.plan.depth)
  expect(plan.inputs[0]?.depth).toBe(dataset.plan.inputs[0]?.depth)
})
