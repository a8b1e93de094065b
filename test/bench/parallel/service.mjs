import { setTimeout as sleep } from 'node:timers/promises'
import { inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, row, timesTheRate } from '../harness/rows.mjs'

const MODULE = import.meta.filename
const LATENCY_MS = 20
const IN_FLIGHT = 64
const IDEAL = IN_FLIGHT / LATENCY_MS * 1000

/** An async map with 64 calls in flight against a service that takes 20 ms and no processor time. */
export async function serviceRows({ repeats, quick, progress, failures }) {
  const ms = quick ? 500 : 2000
  const results = await interleaved([
    { key: 'async map', run: () => inChild(MODULE, 'mapRate', { ms }) },
    { key: 'by hand', run: () => inChild(MODULE, 'laneRate', { ms }) }
  ], repeats, progress, failures)
  const [ours, hand] = [results.get('async map'), results.get('by hand')]
  if (ours.length === 0 || hand.length === 0) return []
  const base = { name: `async map, ${IN_FLIGHT} in flight, ${LATENCY_MS} ms each`, unit: 'elements/s', ours, ratio: timesTheRate }
  return [
    row({ ...base, against: `ideal, ${IN_FLIGHT} / ${LATENCY_MS} ms`, theirs: ours.map(() => IDEAL), goal: atLeast(0.95) }),
    row({ ...base, against: `${IN_FLIGHT} lanes by hand, the same timers`, theirs: hand })
  ]
}

const call = x => sleep(LATENCY_MS, x)

/** In a child: elements per second. */
export async function mapRate({ ms }) {
  const { endless } = await import('./package.mjs')
  const { steady } = await import('./steady.mjs')
  return (await steady(endless().map(call, { parallel: IN_FLIGHT }).batch(16).options({ autotune: false }), { warmUpMs: ms / 4, ms })).rate
}

/** In a child: the same calls in loops by hand. */
export async function laneRate({ ms }) {
  let calls = 0
  const end = performance.now() + ms
  const lane = async () => {
    while (performance.now() < end) {
      await call(0)
      calls++
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  return calls / (performance.now() - start) * 1000
}
