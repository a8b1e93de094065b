import { join } from 'node:path'
import { inChild, interleaved, median } from '../harness/measure.mjs'
import { atLeast, row, spread, timesTheRate } from '../harness/rows.mjs'
import { number } from '../harness/table.mjs'
import { calibrated } from '../parallel/calibrate.mjs'
import { folder, recordFiles } from '../parallel/files.mjs'
import { BIN_MS } from './run-workload.mjs'
import { WORKLOADS } from './workloads.mjs'

export const title = "autotune: 'auto' on every knob against a grid of fixed numbers"

const MODULE = join(import.meta.dirname, 'run-workload.mjs')
const MIB = 2 ** 20

/** Milliseconds: how long the runs are, from when on they count, and when the phase changes. */
const TIMES = {
  full: { grid: 3500, gridFrom: 2000, tuned: 6000, tunedFrom: 3000, window: 1000, phase: { grid: 3500, tuned: 4000, from: 2000, length: 8000 } },
  quick: { grid: 1200, gridFrom: 500, tuned: 1500, tunedFrom: 700, window: 300, phase: { grid: 1200, tuned: 1000, from: 500, length: 2000 } }
}

const NOTES = [
  "tuned: every knob 'auto', nothing else said; grid: the same pipeline with fixed numbers and tuning off, every point in processes of its own",
  'best of the grid: the point with the greatest median over the repeats, of those that kept below the memory ceiling; tuned throughput is that from 3 s on (after a phase change, from 2 s behind it on)',
  'time until reached: the first second whose throughput is 95 % of the best, as is that of all the rest; a figure as long as the run means never',
  'memory: by how much heap, external memory and array buffers of the process grew at most, looked at every 25 ms'
]

/** Three repeats at most: the grids are long. */
export async function run({ repeats, quick, only, progress }) {
  const failures = []
  const times = quick ? TIMES.quick : TIMES.full
  const chosen = Object.entries(WORKLOADS).filter(([name]) => name.includes(only))
  progress('calibrating')
  const rounds = await calibrated()
  const place = await folder()
  try {
    progress('writing a file')
    const file = chosen.some(([, { file }]) => file) ? await recordFiles(place, 'huge', { count: 1, records: quick ? 500 : 8000, bytes: 100 * 1024 }) : undefined
    const measurements = chosen.flatMap(([name, { grid, phases }]) => {
      const { phase } = times
      const work = { name, rounds, file, ceilingBytes: ceilingOf(name) }
      const fixed = phases ? { ms: 2 * phase.grid, changeMs: phase.grid } : { ms: times.grid, changeMs: Number.MAX_VALUE }
      const tuned = phases ? { ms: phase.length, changeMs: phase.tuned } : { ms: times.tuned, changeMs: Number.MAX_VALUE }
      const points = quick ? grid.slice(-2) : grid
      return [
        ...points.map(point => ({ key: keyOf(name, point), run: () => inChild(MODULE, 'runWorkload', { ...work, ...fixed, point }) })),
        { key: keyOf(name, null), run: () => inChild(MODULE, 'runWorkload', { ...work, ...tuned, point: null }) }
      ]
    })
    const results = await interleaved(measurements, quick ? 1 : Math.min(repeats, 3), progress, failures)
    const reports = chosen.flatMap(([name, workload]) => report(name, workload, results, times, failures))
    return { rows: reports.flatMap(({ rows }) => rows), notes: [...NOTES, ...reports.flatMap(({ notes }) => notes)], failures }
  } finally {
    await place.remove()
  }
}

const ceilingOf = name => (WORKLOADS[name].ceilingMiB ?? 256) * MIB
const keyOf = (name, point) => `${name}, ${point === null ? 'tuned' : point.join(' × ')}`

function report(name, { knobs, grid, phases }, results, times, failures) {
  const tuned = results.get(keyOf(name, null))
  const points = grid.filter(point => (results.get(keyOf(name, point)) ?? []).length > 0)
  if (tuned.length === 0 || points.length === 0) return []
  const { phase } = times
  const spans = phases
    ? [
        { label: ', before the change', grid: [times.gridFrom, phase.grid], tuned: [times.tunedFrom, phase.tuned], begin: 0, end: phase.tuned, limit: 3 },
        { label: ', after the change', grid: [phase.grid + times.gridFrom, 2 * phase.grid], tuned: [phase.tuned + phase.from, phase.length], begin: phase.tuned, end: phase.length, limit: 2 }
      ]
    : [{ label: '', grid: [times.gridFrom, times.grid], tuned: [times.tunedFrom, times.tuned], begin: 0, end: times.tuned, limit: 3 }]
  const idle = spans.find(span => points.every(point => results.get(keyOf(name, point)).some(({ bins }) => rateIn(bins, ...span.grid) === 0)))
  if (idle !== undefined) {
    failures.push(`${name}${idle.label}: no point of the grid delivered anything while it was measured`)
    return []
  }
  const described = spans.map(span => spanReport(name, span, { knobs, points, results, tuned, window: times.window }))
  const ceiling = ceilingOf(name)
  const memory = {
    ...row({
      name: `${name}: memory at most`, unit: 'MiB', ours: tuned.map(({ grown }) => grown / MIB), against: 'ceiling', theirs: tuned.map(() => ceiling / MIB), ratio: (ours, theirs) => ours / theirs,
      goal: { text: 'never above it', holds: () => tuned.every(({ grown }) => grown <= ceiling) }
    }),
    residentMiB: spread(tuned.map(({ resident }) => resident / MIB))
  }
  const { profile = {} } = tuned.at(-1).tuning ?? {}
  const chose = Object.entries(profile).map(([knob, value]) => `${knob} ${value}`).join(', ') || 'nothing'
  return [{ rows: [...described.flatMap(({ rows }) => rows), memory], notes: [...described.map(({ note }) => note), `${name}, tuned at the end of the last run: ${chose}`] }]
}

/** One span of time of a workload in which conditions stay the same. */
function spanReport(name, span, { knobs, points, results, tuned, window }) {
  const measured = points.map(point => {
    const runs = results.get(keyOf(name, point))
    return { point, rates: runs.map(({ bins }) => rateIn(bins, ...span.grid)), grown: Math.max(...runs.map(({ grown }) => grown)) }
  })
  const ceiling = ceilingOf(name)
  const allowed = measured.filter(({ grown }) => grown <= ceiling)
  const best = (allowed.length > 0 ? allowed : measured).reduce((a, b) => (median(b.rates) > median(a.rates) ? b : a))
  const setting = point => knobs.map((knob, i) => `${knob} ${point[i]}`).join(', ')
  const ours = tuned.map(({ bins }) => rateIn(bins, ...span.tuned))
  const target = i => 0.95 * (best.rates[i] ?? median(best.rates))
  const reached = tuned.map(({ bins }, i) => reachedAfter(bins, target(i), span, window))
  const title = `${name}${span.label}`
  const full = measured.map(({ point, rates, grown }) => (
    { point: Object.fromEntries(knobs.map((knob, i) => [knob, point[i]])), rate: median(rates), spread: spread(rates), grownBytes: grown }))
  const figures = measured.map(({ point, rates, grown }) => `${point.join(' × ')}: ${number(median(rates))}${grown > ceiling ? ' (above the memory ceiling)' : ''}`)
  return {
    rows: [
      {
        ...row({ name: title, unit: 'elements/s', ours, against: `best of the grid: ${setting(best.point)}`, theirs: best.rates, ratio: timesTheRate, goal: atLeast(0.95) }),
        grid: full,
        tuning: tuned.at(-1).tuning
      },
      row({ name: `${title}: until reached`, unit: 's', ours: reached, goal: { text: `≤ ${span.limit} s`, holds: value => value <= Math.min(span.limit, (span.end - span.begin - window) / 1000) } })
    ],
    note: `grid of ${title}, elements/s at ${knobs.join(' × ')}: ${figures.join('; ')}`
  }
}

/** Elements per second between two moments, in milliseconds. */
function rateIn(bins, from, to) {
  const chosen = bins.slice(Math.round(from / BIN_MS), Math.round(to / BIN_MS))
  return chosen.reduce((sum, count) => sum + count, 0) / chosen.length * 1000 / BIN_MS
}

/** Seconds from the beginning of a span to the first window in it that is fast enough, as is all that follows; its length if there is none. */
function reachedAfter(bins, target, { begin, end }, window) {
  for (let from = begin; from + window <= end; from += BIN_MS) {
    if (rateIn(bins, from, from + window) >= target && rateIn(bins, from, end) >= target) return (from - begin) / 1000
  }
  return (end - begin) / 1000
}
