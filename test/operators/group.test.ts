import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { group, type GroupParams } from '../../src/operators/group.js'
import { onDemand } from '../../src/operators/on-demand.js'
import { pin } from '../../src/operators/pin.js'
import { batchSampler } from '../../src/loader/samplers/batch.js'
import { sequentialSampler } from '../../src/loader/samplers/sequential.js'
import { operatorConformance } from '../../src/testing/operator.js'

const sampler = { length: 5, batches: () => [[0], [1, 2, 3], [4, 5], [6], [7, 8, 9]] }
const grouped = (dataset: Dataset<unknown>, params: Partial<GroupParams>) => dataset.operator(group, { size: 3, dropRemainder: false, sampler: undefined, ...params })
const range = Dataset.range(10)
const later = range.map(async x => x, { parallel: 3 })
const failing = (at: number) => range.map(x => { if (x === at) throw new Error('rotten'); return x })

const variants: Record<string, () => Dataset<unknown>> = {
  'of one size': () => grouped(range, {}),
  'of one size, full ones only, with waiting': () => grouped(later, { dropRemainder: true }),
  'of one size, with an error': () => grouped(failing(4), {}),
  'as sampled': () => grouped(range, { sampler }),
  'as sampled, with waiting': () => grouped(later, { sampler }),
  'as sampled, with an error': () => grouped(failing(2), { sampler }),
  'as sampled, with an error in an array of one': () => grouped(failing(6), { sampler }),
  pinned: () => Dataset.range(20).batch(3).operator(pin, { releases: true }),
  'on demand': () => later.operator(onDemand, {})
}
for (const [name, make] of Object.entries(variants)) {
  describe(name, () => {
    for (const { name, run } of operatorConformance({ make })) test(name, run)
  })
}

describe('group', () => {
  test('makes arrays of one size', async () => {
    expect(await grouped(range, { size: 4 }).toArray()).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
    expect(await grouped(range, { size: 4, dropRemainder: true }).toArray()).toEqual([[0, 1, 2, 3], [4, 5, 6, 7]])
    expect(grouped(range, { size: 4 }).cardinality).toBe(3)
  })

  test('makes arrays as long as a sampler says, and as its batches are of that pass', async () => {
    expect(await grouped(range, { sampler }).toArray()).toEqual([[0], [1, 2, 3], [4, 5], [6], [7, 8, 9]])
    expect(grouped(range, { sampler }).cardinality).toBe(5)
    const growing = { length: undefined, batches: ({ epoch }: { readonly epoch: number }) => [Array.from({ length: epoch + 1 }, () => 0), [0]] }
    expect(await grouped(range, { sampler: growing }).toArray({ epoch: 2 })).toEqual([[0, 1, 2], [3]])
  })

  test('ends with its input', async () => {
    expect(await grouped(Dataset.range(3), { sampler }).toArray()).toEqual([[0], [1, 2]])
    expect(await grouped(Dataset.range(4), { sampler }).toArray()).toEqual([[0], [1, 2, 3]])
    expect(await grouped(range, { sampler: batchSampler(sequentialSampler(4), { batchSize: 3 }) }).toArray()).toEqual([[0, 1, 2], [3]])
  })
})

test('on demand keeps rules from putting a prefetch at the end', () => {
  const plan = later.batch(2)
  expect(plan.explain()).toContain('injected')
  expect(plan.operator(onDemand, {}).explain()).not.toContain('injected')
})
