import { inChild, interleaved } from '../harness/measure.mjs'
import { row, timesTheLimit } from '../harness/rows.mjs'
import { number } from '../harness/table.mjs'

const MODULE = import.meta.filename
/** Microseconds per element. */
const COSTS = [0.05, 0.1, 0.2, 0.5, 1, 5, 20, 100]
const WAYS = { inline: undefined, '2 threads': 2, auto: 'auto' }

/** From which cost of a function on it pays to run it on threads, when one says so and when `'auto'` decides. Three repeats will do. */
export async function offloadRows({ repeats, quick, rounds, progress, failures }) {
  const costs = quick ? [0.1, 1, 20] : COSTS
  const measurements = costs.flatMap(cost => Object.entries(WAYS).map(([way, parallel]) => ({
    key: `${way}, ${cost} µs`,
    run: () => inChild(MODULE, 'elementTime', { parallel, rounds: Math.round(cost * rounds), batch: cost > 10 ? 16 : 128, ms: quick ? 150 : 500, warmUpMs: (quick ? 150 : 400) * (parallel === 'auto' ? 3 : 1) })
  })))
  const results = await interleaved(measurements, Math.min(repeats, 3), progress, failures)
  const of = (way, cost) => results.get(`${way}, ${cost} µs`)
  const measured = costs.filter(cost => Object.keys(WAYS).every(way => of(way, cost).length > 0))
  if (measured.length === 0) return []

  const count = Math.min(...measured.map(cost => of('inline', cost).length))
  const each = fn => Array.from({ length: count }, (_, i) => fn(i))
  const pays = (way, i) => measured.find((cost, at) => measured.slice(at).every(more => of(way, more)[i] < of('inline', more)[i])) ?? 1000
  const slowest = each(i => Math.max(...measured.map(cost => of('auto', cost)[i] / of('inline', cost)[i])))
  return [
    row({ name: '2 threads: least cost from which on they pay', unit: 'µs/element', ours: each(i => pays('2 threads', i)), goal: { text: '≤ 0.2 µs', holds: value => value <= 0.2 } }),
    row({ name: "parallel 'auto': least cost from which on it pays", unit: 'µs/element', ours: each(i => pays('auto', i)) }),
    row({ name: "parallel 'auto' at its worst", unit: '× inline', ours: slowest, goal: { text: '≤ 1.1 × inline', holds: value => value <= 1.1 } }),
    ...measured.flatMap(cost => ['2 threads', 'auto'].map(way =>
      row({ name: `offload, ${number(cost)} µs per element, ${way}`, unit: 'µs/element', ours: of(way, cost), against: 'inline', theirs: of('inline', cost), ratio: timesTheLimit })))
  ]
}

/** In a child: microseconds per element. */
export async function elementTime({ parallel, rounds, batch, ms, warmUpMs }) {
  const { endless, working } = await import('./package.mjs')
  const { steady } = await import('./steady.mjs')
  const mapped = endless().map(await working('burner', rounds), parallel === undefined ? {} : { parallel })
  const dataset = parallel === 'auto' ? mapped.batch(batch) : mapped.batch(batch).options({ autotune: false })
  return 1e6 / (await steady(dataset, { warmUpMs, ms })).rate
}
