import { inChild, interleaved } from '../harness/measure.mjs'
import { atMost, row, timesTheLimit } from '../harness/rows.mjs'
import { number } from '../harness/table.mjs'

const MODULE = import.meta.filename
/** Microseconds per element. */
const COSTS = [0.05, 0.1, 0.2, 0.5, 1, 5, 20, 100]
/** Stands for a cost that is greater than all of them. */
const NEVER = 1000
const WAYS = { inline: undefined, '2 threads': 2, auto: 'auto' }

/** From which cost of a function on it pays to run it on threads, when one says so and when `'auto'` decides. Three repeats will do. */
export async function offloadRows({ repeats, quick, rounds, progress, failures }) {
  const costs = quick ? [0.1, 1, 20] : COSTS
  const measurements = costs.flatMap(cost => Object.entries(WAYS).map(([way, parallel]) => {
    const work = { parallel, rounds: Math.round(cost * rounds), batch: cost > 10 ? 16 : 128, ms: quick ? 150 : 500 }
    const warmUpMs = (quick ? 150 : 400) * (parallel === 'auto' ? 3 : 1)
    return { key: `${way}, ${cost} µs`, run: () => inChild(MODULE, 'elementTime', { ...work, warmUpMs }) }
  }))
  const results = await interleaved(measurements, Math.min(repeats, 3), progress, failures)
  const of = (way, cost) => results.get(`${way}, ${cost} µs`)
  const measured = costs.filter(cost => Object.keys(WAYS).every(way => of(way, cost).length > 0))
  if (measured.length === 0) return []

  const count = Math.min(...measured.map(cost => of('inline', cost).length))
  const each = fn => Array.from({ length: count }, (_, i) => fn(i))
  const pays = (way, i) => measured.find((cost, at) => measured.slice(at).every(more => of(way, more)[i] < of('inline', more)[i])) ?? NEVER
  return [
    row({ name: '2 threads: least cost from which on they pay', unit: 'µs/element', ours: each(i => pays('2 threads', i)), goal: { text: '≤ 0.2 µs', holds: value => value <= 0.2 } }),
    row({ name: "parallel 'auto': least cost from which on it pays", unit: 'µs/element', ours: each(i => pays('auto', i)) }),
    ...measured.flatMap(cost => [['2 threads', undefined], ['auto', atMost(1.1)]].map(([way, goal]) => {
      const name = `portable map, ${number(cost)} µs per element, ${way}`
      return row({ name, unit: 'µs/element', ours: of(way, cost), against: 'inline', theirs: of('inline', cost), ratio: timesTheLimit, goal })
    }))
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
