import { describe, expect, test } from '@jest/globals'
import { autotune } from '../../src/autotune/autotune.js'
import type { LiveKnob, TunerView, TuningProfile, TuningStep } from '../../src/plan/tuning.js'
import { bestOfGrid, rateBetween, tuned, type TunedRun } from './measure.js'
import { around, simulate, type PipelineSpec } from './simulator.js'
import { WORKLOADS, type Workload } from './workloads.js'

const MEBIBYTE = 2 ** 20

const workload = (name: string): Workload => WORKLOADS.find(each => each.name.startsWith(name))!

/** What the knobs must be if the log is true. */
function replayed(start: ReadonlyMap<string, number>, log: readonly TuningStep[]): Map<string, number> {
  const values = new Map(start)
  for (const { knob, to, outcome } of log) if (outcome !== 'taken back') values.set(knob, to)
  return values
}
const valuesOf = (knobs: ReadonlyMap<string, LiveKnob>): Map<string, number> => new Map([...knobs].map(([name, knob]) => [name, knob.get()]))

/** A map that waits, behind it a prefetch. */
const waiting = (more: Partial<PipelineSpec> = {}, ms = 20, parallel = 1): PipelineSpec => ({
  stages: [
    { kind: 'source', cost: () => ({ delay: 0.05 }) },
    { kind: 'parallel', name: 'map', knob: { value: parallel }, cost: r => ({ delay: around(r, ms, 0.3) }) },
    { kind: 'prefetch', knob: { value: 2 } }
  ],
  gap: r => around(r, 2, 0.2),
  ...more
})

describe('reaches 95 % of the best setting of a grid', () => {
  test.each(WORKLOADS.map(each => [each.name, each] as const))('%s', (_, each) => {
    const from = each.changesAt ?? 0
    const allowed = each.changesAt === undefined ? 3000 : 2000
    const best = bestOfGrid(each, from + 1500, from + 3000)
    const run = tuned(each.spec())
    const start = valuesOf(run.simulation.knobs)
    run.simulation.run(from)
    let reached: number | undefined
    for (let t = 0; t < allowed; t += 250) if (rateBetween(run.simulation, from + t, from + t + 250) >= 0.95 * best.rate) reached ??= t
    const rate = rateBetween(run.simulation, from + allowed, from + allowed + 2500)
    if (process.env['MILLRACE_TUNING'] !== undefined) {
      process.stdout.write(`| ${each.name} | ${best.rate.toFixed(0)} ${JSON.stringify(best.values)} | ${rate.toFixed(0)} ${JSON.stringify(run.tuner.profile().knobs)} | ${((100 * rate) / best.rate).toFixed(1)} % | ${reached} ms |\n`)
      if (process.env['MILLRACE_TUNING'] === 'log') process.stdout.write(run.tuner.log().map(step => `    ${step.atMs.toFixed(0)} ms ${step.text} (${step.why})\n`).join(''))
    }
    expect(rate / best.rate).toBeGreaterThanOrEqual(0.95)
    expect(reached).toBeLessThanOrEqual(allowed)
    expect(run.simulation.peakThreads).toBeLessThanOrEqual(run.simulation.view.cores)
    expect(replayed(start, run.tuner.log())).toEqual(valuesOf(run.simulation.knobs))
    run.tuner.stop()
    expect(run.simulation.timers).toBe(0)
  })
})

describe('the log', () => {
  test('tells of every step why, and what came of it', () => {
    const { simulation, tuner } = tuned(workload('mixed').spec())
    simulation.run(5000)
    tuner.stop()
    const log = tuner.log()
    expect(log.length).toBeGreaterThan(4)
    for (const { text, knob, from, to, outcome, effect, why } of log) {
      expect(['kept', 'taken back']).toContain(outcome)
      expect(text.startsWith(`${knob} ${from} → ${to}: `)).toBe(true)
      if (effect !== undefined) expect(text).toMatch(/: [+−±]\d+ %, (kept|taken back)$/)
      expect(why).not.toBe('')
    }
    expect(log[0]!.why).toMatch(/^the consumer waits \d+ % of its time: map had nothing ready at \d+ of \d+ pulls, \d.* in flight of \d+ at .* ms each/)
    expect(log.map(({ atMs }) => atMs)).toEqual(log.map(({ atMs }) => atMs).sort((a, b) => a - b))
  })
  test('numbers knobs of the same name', () => {
    const { simulation, tuner } = tuned(workload('mixed').spec())
    simulation.run(1000)
    expect(Object.keys(tuner.profile().knobs)).toEqual(['map.parallel', 'map.parallel#2', 'prefetch.size'])
    tuner.stop()
  })
  test('a step that is being measured when it is stopped is taken back', () => {
    const { simulation, tuner } = tuned(waiting())
    for (let t = 0; tuner.log().at(-1)?.outcome !== 'measuring'; t += 10) simulation.run(t)
    const step = tuner.log().at(-1)!
    expect(step.text).toBe(`${step.knob} ${step.from} → ${step.to}: measuring`)
    expect(tuner.profile().knobs[step.knob]).toBe(step.from)
    tuner.stop()
    expect(tuner.log().at(-1)).toMatchObject({ outcome: 'taken back', effect: undefined })
    expect(simulation.knobs.get(step.knob)!.get()).toBe(step.from)
  })
})

describe('does not do what does not help', () => {
  test('steps without an effect are taken back', () => {
    // The source gives an element every 10 ms, whatever the others do.
    const run = tuned(waiting({ stages: [
      { kind: 'source', cost: r => ({ delay: around(r, 10, 0.05) }) },
      { kind: 'parallel', name: 'map', knob: { value: 4 }, cost: () => ({ delay: 5 }) },
      { kind: 'prefetch', knob: { value: 4 } }
    ] }))
    run.simulation.run(20_000)
    const log = run.tuner.log()
    expect(log.some(({ outcome }) => outcome === 'taken back')).toBe(true)
    for (const knob of run.simulation.knobs.values()) expect(knob.get()).toBeLessThanOrEqual(4)
  })
  test('a consumer that hardly waits is left alone, and what it does not need is given back', () => {
    const run = tuned(waiting({ stages: [
      { kind: 'source', cost: () => ({ delay: 0.05 }) },
      { kind: 'parallel', name: 'map', knob: { value: 64 }, cost: r => ({ delay: around(r, 10, 0.3) }) },
      { kind: 'prefetch', knob: { value: 32 } }
    ], gap: r => around(r, 5, 0.2) }))
    run.simulation.run(1000)
    const rate = rateBetween(run.simulation, 1000, 15_000)
    expect(rate).toBeGreaterThan(0.97 * 200)
    expect(run.tuner.log().every(({ from, to }) => to < from)).toBe(true)
    expect(run.simulation.knobs.get('prefetch.size')!.get()).toBeLessThanOrEqual(8)
    expect(run.simulation.knobs.get('map.parallel')!.get()).toBeLessThanOrEqual(16)
  })
  test('little is tried once it has settled, and ever less', () => {
    for (const name of ['I/O', 'slow', 'one huge']) {
      const { simulation, tuner } = tuned(workload(name).spec())
      simulation.run(110_000)
      const steps = (from: number, to: number): number => new Set(tuner.log().filter(({ atMs }) => atMs >= from && atMs < to).map(({ atMs }) => atMs)).size
      if (process.env['MILLRACE_TUNING'] !== undefined) process.stdout.write(`${name}: steps per minute ${steps(15_000, 75_000)}, then ${steps(75_000, 110_000)}\n`)
      expect(steps(15_000, 75_000)).toBeLessThanOrEqual(15)
      expect(steps(75_000, 110_000)).toBeLessThanOrEqual(4)
      tuner.stop()
    }
  })
  test('promises are not added while the event loop is busy all the time', () => {
    const run = tuned({
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.05 }) },
        { kind: 'parallel', name: 'map', knob: { value: 4 }, cost: () => ({ work: 2 }) },
        { kind: 'prefetch', knob: { value: 2 } }
      ],
      gap: () => 0.1
    })
    run.simulation.run(6000)
    expect(run.tuner.log().filter(({ knob, from, to }) => knob === 'map.parallel' && to > from)).toEqual([])
  })
  test('a knob that the user set is never touched', () => {
    const spec = waiting()
    const run = tuned({ ...spec, stages: spec.stages.map(stage => (stage.kind === 'parallel' ? { ...stage, knob: { value: 3, auto: false } } : stage)) })
    run.simulation.run(5000)
    expect(run.simulation.knobs.get('map.parallel')!.get()).toBe(3)
    expect(run.tuner.profile().knobs).not.toHaveProperty('map.parallel')
  })
  test('nothing happens when it is off', () => {
    const { simulation, tuner } = tuned(waiting(), { enabled: false, initialParallelism: 9 })
    expect(simulation.timers).toBe(0)
    simulation.run(2000)
    expect(simulation.changes).toBe(0)
    expect(tuner.log()).toEqual([])
    tuner.stop()
  })
})

describe('ceilings', () => {
  /** The source comes in bursts, so that a deep buffer is wanted, of elements that are large. */
  const large = (bytes: number | ((t: number) => number), ceilingBytes: number): TunedRun =>
    tuned({
      ceilingBytes,
      stages: [
        { kind: 'source', cost: (_, __, index) => ({ delay: index % 60 === 59 ? 150 : 0.2 }) },
        { kind: 'prefetch', knob: { value: 2 }, bytes }
      ],
      gap: r => around(r, 4, 0.2)
    })

  test('buffers do not grow beyond the memory ceiling', () => {
    const free = large(MEBIBYTE, 2 ** 40)
    free.simulation.run(5000)
    expect(free.simulation.peakBytes).toBeGreaterThan(24 * MEBIBYTE)
    for (const ceiling of [6, 12, 20]) {
      const run = large(MEBIBYTE, ceiling * MEBIBYTE)
      run.simulation.run(20_000)
      expect(run.simulation.peakBytes).toBeLessThanOrEqual(ceiling * MEBIBYTE)
      expect(run.simulation.knobs.get('prefetch.size')!.get()).toBeGreaterThanOrEqual(ceiling / 2)
    }
  })
  test('buffers are cut at once when elements become larger', () => {
    const run = large(t => (t < 5000 ? MEBIBYTE / 2 : 2 * MEBIBYTE), 20 * MEBIBYTE)
    run.simulation.run(5000)
    expect(run.simulation.knobs.get('prefetch.size')!.get()).toBeGreaterThan(10)
    run.simulation.run(6000)
    const cuts = run.tuner.log().filter(({ why }) => why.includes('of its ceiling'))
    expect(cuts.length).toBeGreaterThan(0)
    expect(cuts[0]!.text).toMatch(/^prefetch\.size \d+ → \d+: memory is at \d+ % of its ceiling$/)
    for (let t = 6000; t < 20_000; t += 50) {
      run.simulation.run(t)
      expect(run.simulation.view.memory().heldBytes).toBeLessThanOrEqual(20 * MEBIBYTE)
    }
  })
  test('threads that are more than there are cores are taken away before anything else', () => {
    const spec = (auto: boolean): PipelineSpec => ({
      cores: 4,
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.05 }) },
        { kind: 'parallel', name: 'map', knob: { value: 3, resource: 'thread', auto }, cost: () => ({ work: 4 }) },
        { kind: 'parallel', name: 'map', knob: { value: 6, resource: 'thread' }, cost: () => ({ work: 4 }) },
        { kind: 'prefetch', knob: { value: 2 } }
      ],
      gap: () => 0.1
    })
    const both = tuned(spec(true))
    expect([...valuesOf(both.simulation.knobs).values()]).toEqual([2, 2, 2])
    const one = tuned(spec(false))
    expect([...valuesOf(one.simulation.knobs).values()]).toEqual([3, 1, 2])
    one.simulation.run(5000)
    expect(one.simulation.knobs.get('map.parallel#2')!.get()).toBe(1)
  })
  test('threads go where the work is', () => {
    const run = tuned({
      cores: 4,
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.05 }) },
        { kind: 'parallel', name: 'map', knob: { value: 2, resource: 'thread' }, cost: () => ({ work: 1 }) },
        { kind: 'parallel', name: 'map', knob: { value: 2, resource: 'thread' }, cost: () => ({ work: 3 }) },
        { kind: 'prefetch', knob: { value: 2 } }
      ],
      gap: () => 0.1
    })
    run.simulation.run(3000)
    expect(run.tuner.profile().knobs).toMatchObject({ 'map.parallel': 1, 'map.parallel#2': 3 })
    expect(run.simulation.peakThreads).toBeLessThanOrEqual(4)
  })
})

describe('phases', () => {
  test('a consumer that becomes fast is served within 2 s', () => {
    const run = tuned(waiting({ gap: (r, t) => around(r, t < 8000 ? 20 : 1, 0.2) }))
    run.simulation.run(8000)
    expect(run.simulation.knobs.get('map.parallel')!.get()).toBeLessThanOrEqual(3)
    expect(rateBetween(run.simulation, 10_000, 12_000)).toBeGreaterThan(950)
  })
  test('a consumer that pauses now and then changes nothing', () => {
    const run = tuned(waiting({ gap: (r, _, index) => (index % 400 === 0 ? 700 : around(r, 4, 0.2)) }))
    run.simulation.run(5000)
    const before = run.simulation.changes
    run.simulation.run(35_000)
    expect(run.simulation.changes - before).toBeLessThanOrEqual(16)
  })
  test.each([300, 700, 1300, 2100, 4100])('a step that is being measured when the consumer goes away at %i ms is not judged by that', at => {
    let away = false
    const run = tuned(waiting({ gap: (r, t) => (!away && t >= at ? ((away = true), 5000) : around(r, 2, 0.2)) }))
    run.simulation.run(10_000)
    expect(rateBetween(run.simulation, 10_000, 12_000)).toBeGreaterThan(450)
    run.tuner.stop()
    expect(run.tuner.log().filter(({ effect }) => effect !== undefined && effect < -0.9)).toEqual([])
  })
  test.each([110, 150, 200, 300, 450, 600, 900])('a step that is being measured when services become ten times as fast at %i ms is not credited with it', at => {
    const run = tuned({
      stages: [
        { kind: 'source', cost: () => ({ delay: 0.01 }) },
        { kind: 'parallel', name: 'map', knob: { value: 2 }, cost: (r, t) => ({ delay: around(r, t < at ? 50 : 5, 0.2) }) },
        { kind: 'prefetch', knob: { value: 2 } }
      ],
      gap: () => 0.05
    })
    run.simulation.run(4000)
    run.tuner.stop()
    const effects = new Map<string, { effect: number; places: number }>()
    for (const { atMs, effect, from, to } of run.tuner.log()) {
      if (effect === undefined) continue
      effects.set(String(atMs), { effect, places: (effects.get(String(atMs))?.places ?? 1) * Math.max(to / from, from / to) })
    }
    expect([...effects.values()].filter(({ effect, places }) => effect + 1 > 1.5 * places)).toEqual([])
  })
  test('a cursor that is opened again goes on with what was learnt', () => {
    const knob = (): LiveKnob & { value: number } => ({
      name: 'map.parallel', auto: true, least: 1, most: 64, resource: 'request', value: 2,
      get() { return this.value },
      set(value) { this.value = value }
    })
    const knobs = [knob()]
    let look: () => void = () => undefined
    const view: TunerView = {
      now: () => 0,
      consumer: () => ({ delivered: 0, gapMs: 0, waitMs: 0, gaps: [] }),
      stages: () => [{ operator: 'map', stage: 0, elements: 0, pulls: 0, busyMs: 0, waitMs: 0, meter: undefined, heldBytes: 0, knobs }],
      memory: () => ({ heldBytes: 0, usedBytes: 0, ceilingBytes: 1 }),
      eventLoop: () => 0,
      cores: 1
    }
    const tuner = autotune(view, { initialParallelism: 12 }, callback => {
      look = callback
      return () => undefined
    })
    expect(knobs[0]!.value).toBe(12)
    knobs[0] = knob()
    look()
    expect(knobs[0].value).toBe(12)
    tuner.stop()
  })
})

describe('the start', () => {
  test('a profile survives JSON, and the next run begins with it', () => {
    const first = tuned(workload('I/O').spec())
    first.simulation.run(4000)
    const profile = JSON.parse(JSON.stringify(first.tuner.profile())) as TuningProfile
    expect(profile).toEqual(first.tuner.profile())
    first.tuner.stop()
    const { simulation, tuner } = tuned(workload('I/O').spec(), { warmStart: profile })
    expect(Object.fromEntries(valuesOf(simulation.knobs))).toEqual(profile.knobs)
    expect(rateBetween(simulation, 250, 1000)).toBeGreaterThan(900)
    tuner.stop()
  })
  test('values of a profile are kept within what the knob allows, and unknown names mean nothing', () => {
    const { simulation, tuner } = tuned(waiting(), { warmStart: { version: 1, knobs: { 'map.parallel': 1e6, 'prefetch.size': 0, 'zip.parallel': 4 } } })
    expect(Object.fromEntries(valuesOf(simulation.knobs))).toEqual({ 'map.parallel': 256, 'prefetch.size': 1 })
    expect(tuner.profile().knobs).not.toHaveProperty('zip.parallel')
    tuner.stop()
  })
  test('initialParallelism is for counts, and a profile goes before it', () => {
    const { simulation, tuner } = tuned(waiting(), { initialParallelism: 8 })
    expect(Object.fromEntries(valuesOf(simulation.knobs))).toEqual({ 'map.parallel': 8, 'prefetch.size': 2 })
    tuner.stop()
    const warm = tuned(waiting(), { initialParallelism: 8, warmStart: { version: 1, knobs: { 'map.parallel': 5 } } })
    expect(warm.simulation.knobs.get('map.parallel')!.get()).toBe(5)
    warm.tuner.stop()
  })
})

test('its timer does not keep the process alive, and is gone when it is stopped', () => {
  const timers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const tuner = autotune(simulate(waiting()).view, {})
  expect(timers()).toBe(before)
  tuner.stop()
  tuner.stop()
  expect(timers()).toBe(before)
})

test.each(['a knob', 'the view'])('%s that throws ends the tuning, and nothing reaches the timer, the iteration or its end', what => {
  const run = simulate(waiting())
  const due: (() => void)[] = []
  let broken = false
  const fail = (): never => { throw new Error('broken') }
  const knob: LiveKnob = { name: 'map.parallel', auto: true, least: 1, most: 64, resource: 'request', get: () => 2, set: () => { if (broken && what === 'a knob') fail() } }
  const view: TunerView = {
    ...run.view,
    memory: () => (broken && what === 'the view' ? fail() : { heldBytes: broken ? 10 : 0, usedBytes: 0, ceilingBytes: 1 }),
    stages: () => [{ operator: 'map', stage: 0, elements: 0, pulls: 0, busyMs: 0, waitMs: 0, meter: undefined, heldBytes: 0, knobs: [knob] }]
  }
  const tuner = autotune(view, {}, callback => {
    due.push(callback)
    return () => undefined
  })
  broken = true
  for (let look = due.shift(); look !== undefined; look = due.shift()) expect(look).not.toThrow()
  expect(() => tuner.stop()).not.toThrow()
  expect(() => tuner.log()).not.toThrow()
  expect(() => autotune(view, { initialParallelism: 9 }, () => () => undefined)).not.toThrow()
})
