import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { operatorConformance } from '../../src/testing/operator.js'

/** Everything an iteration gives, errors included, and a checkpoint before every step. */
async function steps(dataset: Dataset<number>, options: object): Promise<{ events: string[]; checkpoints: string[] }> {
  const iterator = dataset.iterator(options)
  const events: string[] = []
  const checkpoints: string[] = []
  for (;;) {
    checkpoints.push(JSON.stringify(iterator.checkpoint()))
    const step = await iterator.next().catch((error: unknown) => (error as Error).message)
    if (typeof step === 'string') events.push(step)
    else if (step.done === true) break
    else events.push(String(step.value))
  }
  await iterator.close()
  return { events, checkpoints }
}

describe('shuffle', () => {
  const failing = (parallel: number) => () => Dataset.range(150).map(async x => { if (x % 31 === 9) throw new Error(`no ${x}`); return x }, { parallel }).shuffle(9, { seed: 2 })
  for (const check of operatorConformance({ make: failing(1), same: [failing(5)] })) test(check.name, check.run)

  test('restores far behind errors of its input', async () => {
    const make = () => Dataset.range(1500).map(x => { if (x % 97 === 50) throw new Error(`no ${x}`); return x }).shuffle(12, { seed: 1 })
    const { events, checkpoints } = await steps(make(), { epoch: 0 })
    expect(events.length).toBe(1500)
    for (let at = 0; at < checkpoints.length; at += 83) {
      const { events: rest } = await steps(make(), { from: JSON.parse(checkpoints[at] as string) as object })
      expect(rest).toEqual(events.slice(at))
    }
  })
  test('keeps its memory and its checkpoints small, however far it has come', async () => {
    const iterator = Dataset.range(200_000).filter(() => true).shuffle(100, { seed: 1 }).iterator()
    for (let i = 0; i < 150_000; i++) await iterator.next()
    expect(JSON.stringify(iterator.checkpoint()).length).toBeLessThan(400)
    await iterator.close()
  })
  test('the first element is drawn from the buffer, uniformly', async () => {
    const counts = new Array<number>(5).fill(0)
    for (let seed = 0; seed < 2000; seed++) counts[(await Dataset.range(20).filter(() => true).shuffle(5, { seed }).first()) as number]!++
    expect(counts.reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0)).toBeLessThan(18.5) // 4 degrees of freedom, p = 0.001
  })
})
