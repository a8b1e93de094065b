import { expect, test } from '@jest/globals'
import { rateBetween, tuned } from './measure.js'
import { bestOf, randomPipeline } from './random-pipelines.js'

const PIPELINES = 200

test('reaches 90 % of the best in nearly all of hundreds of random pipelines, and passes no ceiling in any', () => {
  const ratios: number[] = []
  for (let seed = 1; seed <= PIPELINES; seed++) {
    const pipeline = randomPipeline(seed)
    const best = bestOf(pipeline)
    const { simulation, tuner } = tuned(pipeline.spec())
    ratios.push(rateBetween(simulation, 3000, 4500) / best.rate)
    tuner.stop()
    expect(simulation.timers).toBe(0)
    expect(simulation.peakThreads).toBeLessThanOrEqual(simulation.view.cores)
    expect(tuner.log().every(({ outcome }) => outcome !== 'measuring')).toBe(true)
  }
  const sorted = [...ratios].sort((a, b) => a - b)
  const share = (least: number): number => ratios.filter(ratio => ratio >= least).length / ratios.length
  if (process.env['MILLRACE_TUNING'] !== undefined) {
    process.stdout.write(`| random pipelines | ${PIPELINES} | ≥ 95 %: ${share(0.95)} | ≥ 90 %: ${share(0.9)} | worst ${sorted.slice(0, 5).map(ratio => ratio.toFixed(2)).join(' ')} |\n`)
  }
  expect(share(0.9)).toBeGreaterThanOrEqual(0.97)
  expect(share(0.95)).toBeGreaterThanOrEqual(0.92)
  expect(sorted[0]).toBeGreaterThan(0.6)
})
