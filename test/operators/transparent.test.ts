import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { onDemand } from '../../src/operators/on-demand.js'
import { optionsOf } from '../../src/operators/options.js'
import { pin } from '../../src/operators/pin.js'
import { operatorConformance } from '../../src/testing.js'

/** Operators that change how a plan is run, and nothing of what comes out of it. */
const plain = (): Dataset<Float32Array> => Dataset.range(12).shuffle(5, { seed: 3 }).map(x => new Float32Array(4).fill(x))
const VARIANTS = {
  options: () => plain().options({ autotune: false, threading: { maxIntraOpParallelism: 2 } }),
  'on demand': () => plain().operator(onDemand, {}),
  pin: () => plain().operator(pin, { releases: false })
}

describe.each(Object.entries(VARIANTS))('%s', (_, make) => {
  for (const { name, run } of operatorConformance({ make, same: [plain] })) test(name, run)

  test('leaves the fingerprint as it is', () => {
    expect(make().fingerprint()).toBe(plain().fingerprint())
  })
})

describe('options', () => {
  test('nearer to the end win, member by member', () => {
    const dataset = Dataset.range(3).options({ workers: 2, autotune: { cpuBudget: 4, memoryBytes: 100 } }).map(x => x).options({ autotune: { cpuBudget: 8 }, workers: { persistent: true } })
    expect(optionsOf(dataset.plan)).toEqual({ autotune: { cpuBudget: 8, memoryBytes: 100 }, threading: {}, workers: { count: 2, persistent: true }, tracing: false })
  })

  test('are taken out of the plan that runs', () => {
    expect(Dataset.range(3).options({ workers: 0 }).explain()).toContain('optimized (drop no-ops)')
  })

  test.each([
    [{ autotune: { cpuBudget: 0 } }, RangeError], [{ autotune: { ram: 1 } }, TypeError], [{ threads: 1 }, TypeError], [{ workers: -1 }, RangeError], [{ workers: { count: 1.5 } }, RangeError],
    [{ threading: { maxIntraOpParallelism: 0 } }, RangeError], [{ autotune: { warmStart: { version: 2, knobs: {} } } }, TypeError], [{ workers: { init: { url: 1 } } }, TypeError]
  ])('refuse %j at the call', (options, kind) => {
    expect(() => Dataset.range(1).options(options as never)).toThrow(kind)
  })
})
