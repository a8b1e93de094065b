import { join } from 'node:path'
import { inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, atMost, row, timesFaster, timesTheLimit } from '../harness/rows.mjs'

const MODULE = join(import.meta.dirname, 'shuffle.mjs')

/** Shuffled handles, batched: nanoseconds per element. */
export async function shuffleRows({ repeats, quick, progress, failures }) {
  const n = quick ? 100_000 : 1_000_000
  const cases = [
    ['millrace', 'buffer', n], ['loop', 'buffer', n], ['tfjs-data', 'buffer', n / 20],
    ['millrace', 'whole', n], ['loop', 'whole', n],
    ['millrace', 'vast', n / 5]
  ]
  const results = await interleaved(cases.map(([contender, way, n]) => ({
    key: `${contender}, shuffle, ${way}`,
    run: async () => (await inChild(MODULE, 'shuffleCost', { contender, way, n })).nanoseconds
  })), repeats, progress, failures)

  const rows = []
  const add = (name, way, against, contender, ratio, goal) => {
    const ours = results.get(`millrace, shuffle, ${way}`)
    const theirs = contender === undefined ? undefined : results.get(contender)
    if (ours.length > 0 && theirs?.length !== 0) rows.push(row({ name, unit: 'ns/element', ours, against, theirs, ratio, goal }))
  }
  const buffer = 'range → shuffle(10,000) → batch(128), handles'
  add(buffer, 'buffer', 'hand-written loop (limit)', 'loop, shuffle, buffer', timesTheLimit, atMost(10))
  add(buffer, 'buffer', 'tfjs-data', 'tfjs-data, shuffle, buffer', timesFaster, atLeast(20))
  add('range → shuffle() → batch(128), table of indices', 'whole', 'hand-written loop (limit)', 'loop, shuffle, whole', timesTheLimit, atMost(10))
  add('range(10⁹) → shuffle() → batch(128), constant memory', 'vast', null, undefined, undefined, { text: '≤ 2000 ns', holds: value => value <= 2000 })
  return rows
}
