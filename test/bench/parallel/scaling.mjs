import { inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, row, timesTheRate } from '../harness/rows.mjs'
import { noteThreads } from './threads.mjs'
import { MACHINE } from './calibrate.mjs'

const MODULE = import.meta.filename
const COSTS = { '50 µs': 50, '1 ms': 1000 }

/** A CPU-bound portable map on two threads against one, beside what the machine gives two plain threads. */
export async function scalingRows({ repeats, quick, rounds, progress, failures, notes }) {
  const ms = quick ? 300 : 1500
  const measurements = Object.entries(COSTS).flatMap(([name, cost]) => {
    const work = { rounds: Math.round(cost * rounds), batch: Math.max(4, Math.round(4000 / cost)), ms }
    return [
      ...[0, 1, 2].map(parallel => ({ key: `${parallel}, ${name}`, run: () => inChild(MODULE, 'burnRate', { ...work, parallel }) })),
      ...[1, 2].map(threads => ({ key: `plain ${threads}, ${name}`, run: () => inChild(MACHINE, 'plainThreads', { ...work, threads }) }))
    ]
  })
  const results = await interleaved(measurements, repeats, progress, failures)
  return Object.keys(COSTS).flatMap(name => {
    const of = key => results.get(`${key}, ${name}`).map(result => result.rate ?? result)
    noteThreads(notes, `portable map, ${name}`, results.get(`2, ${name}`))
    const add = (title, ours, against, theirs, goal) =>
      (ours.length === 0 || theirs.length === 0 ? [] : [row({ name: `${title}, ${name} per element`, unit: 'elements/s', ours, against, theirs, ratio: timesTheRate, goal })])
    return [
      ...add('portable map, 2 threads', of(2), 'inline', of(0), atLeast(1.85)),
      ...add('portable map, 2 threads', of(2), '2 plain threads, no exchange (limit)', of('plain 2')),
      ...add('portable map, 1 thread', of(1), 'inline', of(0)),
      ...add('2 plain threads, no exchange', of('plain 2'), '1 plain thread', of('plain 1'))
    ]
  })
}

/** In a child; `parallel` 0 is inline. */
export async function burnRate({ rounds, parallel, batch, ms }) {
  const { endless, working } = await import('./package.mjs')
  const { steady } = await import('./steady.mjs')
  const mapped = endless().map(await working('burner', rounds), parallel === 0 ? {} : { parallel })
  return steady(mapped.batch(batch).options({ autotune: false }), { warmUpMs: ms / 3, ms })
}
