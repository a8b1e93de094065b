import { describe, expect, test } from '@jest/globals'
import { DEFAULT_POOL, DEFAULT_RANGES } from '../../../src/storage/config.js'
import { adaptiveTuning, type AdaptiveBounds, type Workload } from '../../../src/storage/layers/workload.js'
import { seededRandom } from '../../servers/seeded.js'

const KiB = 1 << 10
const MiB = 1 << 20
const { chunkSize, maxConcurrentRanges, readAhead, firstRange } = DEFAULT_RANGES
const BOUNDS: AdaptiveBounds = {
  defaults: { chunkSize, maxConcurrentRanges, readAhead, firstRange },
  minSplitSize: DEFAULT_RANGES.minSplitSize, maxInflight: DEFAULT_POOL.maxInflight, maxInflightBytes: DEFAULT_POOL.maxInflightBytes
}

function after(sizes: readonly number[], bounds: Partial<AdaptiveBounds> = {}): ReturnType<ReturnType<typeof adaptiveTuning>['current']> {
  const tuning = adaptiveTuning({ ...BOUNDS, ...bounds })
  for (const size of sizes) tuning.observe(size)
  return tuning.current()
}
const times = (count: number, size: number): number[] => Array.from({ length: count }, () => size)

describe('the type of the workload', () => {
  test.each<[Workload, number[]]>([
    ['unknown', []],
    ['unknown', times(7, 100)],
    ['smallFile', times(8, 100 * KiB)],
    ['mediumFile', times(8, MiB)],
    ['mediumFile', times(8, 64 * MiB - 1)],
    ['largeFile', times(8, 64 * MiB)],
    ['smallFile', [...times(22, KiB), ...times(10, 100 * MiB)]],
    ['batch', [...times(21, KiB), ...times(11, 100 * MiB)]],
    ['batch', [...times(11, KiB), ...times(11, 10 * MiB), ...times(10, 100 * MiB)]]
  ])('is %s', (workload, sizes) => {
    expect(after(sizes).workload).toBe(workload)
  })

  test('follows what is read, and forgets what was read before the last 32 objects', () => {
    const tuning = adaptiveTuning(BOUNDS)
    const seen: string[] = []
    for (const size of [...times(100, KiB), ...times(32, 200 * MiB)]) {
      tuning.observe(size)
      const { workload } = tuning.current()
      if (seen.at(-1) !== workload) seen.push(workload)
    }
    expect(seen).toEqual(['unknown', 'smallFile', 'batch', 'largeFile'])
  })

  test('empty objects say nothing', () => {
    expect(after(times(50, 0))).toEqual({ workload: 'unknown', ...BOUNDS.defaults })
  })
})

describe('what is chosen', () => {
  test('while nothing is known: the defaults', () => {
    expect(after([])).toEqual({ workload: 'unknown', chunkSize, maxConcurrentRanges, readAhead, firstRange })
  })

  test('for small objects: a first request in which nine of ten of them come whole, and little else', () => {
    expect(after([...times(30, 100 * KiB), ...times(2, 900 * KiB)])).toEqual({ workload: 'smallFile', chunkSize: 4 * MiB, maxConcurrentRanges: 4, readAhead: 4 * MiB, firstRange: 128 * KiB })
    expect(after(times(10, 10)).firstRange).toBe(64 * KiB)
    expect(after(times(10, MiB - 1)).firstRange).toBe(MiB)
  })

  test('for medium ones: a first request in which half of them come whole, up to 8 MiB, and smaller ranges', () => {
    expect(after(times(10, 3 * MiB))).toMatchObject({ workload: 'mediumFile', chunkSize: 4 * MiB, maxConcurrentRanges: 16, firstRange: 4 * MiB })
    expect(after(times(10, 40 * MiB)).firstRange).toBe(8 * MiB)
  })

  test('for large ones: more at the same time, and farther ahead', () => {
    expect(after(times(10, 500 * MiB))).toEqual({ workload: 'largeFile', chunkSize: 8 * MiB, maxConcurrentRanges: 32, readAhead: 64 * MiB, firstRange: MiB })
  })

  test('is one object until it changes', () => {
    const tuning = adaptiveTuning(BOUNDS)
    for (const size of times(10, MiB)) tuning.observe(size)
    const choice = tuning.current()
    for (const size of times(10, MiB)) tuning.observe(size)
    expect(tuning.current()).toBe(choice)
    expect(Object.isFrozen(choice)).toBe(true)
  })

  test('stays within what may be in flight and what is split at all', () => {
    const random = seededRandom(2)
    for (let i = 0; i < 500; i++) {
      const bounds = { minSplitSize: Math.ceil(random() * 32 * MiB), maxInflight: Math.ceil(random() * 64), maxInflightBytes: Math.ceil(random() ** 2 * 256 * MiB) }
      const choice = after(Array.from({ length: 20 }, () => Math.ceil(2 ** (random() * 36))), bounds)
      expect(choice.chunkSize).toBeLessThanOrEqual(Math.min(bounds.minSplitSize, bounds.maxInflightBytes))
      expect(choice.maxConcurrentRanges).toBeLessThanOrEqual(bounds.maxInflight)
      expect(choice.maxConcurrentRanges * choice.chunkSize).toBeLessThanOrEqual(Math.max(choice.chunkSize, bounds.maxInflightBytes))
      expect(choice.maxConcurrentRanges).toBeGreaterThanOrEqual(1)
      expect(choice.readAhead).toBeLessThanOrEqual(bounds.maxInflightBytes)
    }
  })
})
