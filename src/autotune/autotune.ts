/**
 * Adjusts the knobs of a running plan: looks, models, tries a step, measures what it did, keeps it or takes it back, and
 * looks less often when nothing changes. It knows knobs and statistics, and no operators.
 */
import type { AutotuneOptions, Tuner, TunerView } from '../plan/tuning.js'
import { knobsOf, type Move } from './knobs.js'
import { cutMemory, fitThreads, memoryShare, NEAR_MEMORY } from './limits.js'
import { tuningLog } from './log.js'
import { modelOf, waitShareOf, type Model } from './model.js'
import { gaugeFor, lookAt, measure, type Look } from './observe.js'
import { phases } from './phase.js'
import { keyOf, raises, returns, type Candidate, type Situation } from './propose.js'
import { changedMeanwhile, isAway, judge, newTrial, settleMs, type Trial, type Verdict } from './verify.js'

/** Calls back once after some milliseconds; the result calls it off. */
export type Schedule = (callback: () => void, ms: number) => () => void

const FIRST_PERIOD_MS = 10
/** Between looks while steps are tried. */
const TRIAL_PERIOD_MS = 20
/** A look costs some 10 µs. Rarer ones would save nothing, and notice a new phase too late. */
const LAST_PERIOD_MS = 100
/** Steps are large in the first second of a phase. */
const BOLD_MS = 1000
const BASE_LEAST_MS = 60
const BASE_BOLD_MS = 200
const BASE_MOST_MS = 400
const CAREFUL_LEAST_MS = 300
const CAREFUL_MOST_MS = 800
const BASE_NOISE = 0.04
const RARELY = 0.1
/** A measurement that is older is made again. */
const BASE_AGE_MS = 1500
const SETTLED_WINDOW_MS = 1500
const DRIFT_WINDOW_MS = 250
const FIRST_REST_MS = 500
const LAST_REST_MS = 60_000
const CUT_EVERY_MS = 200
/** What did harm is not tried again before it rests that long. */
const FORGIVEN_MS = 10_000

/** Adjusts the knobs of a running plan, until it is stopped. */
export function autotune(view: TunerView, options: AutotuneOptions, schedule: Schedule = unheld): Tuner {
  const log = tuningLog()
  const knobs = knobsOf(options)
  const began = view.now()
  const usual = phases()
  const tried = new Map<string, { readonly to: number; readonly harmful: boolean }>()
  const floors = new Map<string, number>()
  const overshot = new Set<string>()
  const returned = new Set<string>()
  const excused = new Set<string>()
  /** Looks under the present setting. */
  let window: Look[] = []
  let trial: Trial | undefined
  let settled = false
  let changed = true // since it settled last
  /** A step was taken back that was judged in a hurry: from now on it is measured for longer. */
  let careful = false
  let phaseAt = began
  let period = FIRST_PERIOD_MS
  let restMs = FIRST_REST_MS
  let restUntil = 0
  let mayCutAt = 0
  let recoveredAt = 0
  let callOff: (() => void) | undefined
  let stopped = false

  const apply = (moves: readonly Move[]): void => {
    // What is lowered first, so that no sum is passed in between.
    for (const { name, to } of [...moves].sort((a, b) => a.to - a.from - (b.to - b.from))) knobs.set(name, to)
  }
  const situation = (): Situation => ({ view, knobs, model: modelOf(window), tried, floors, overshot, bold: window.length > 0 && (window.at(-1) as Look).at - phaseAt < BOLD_MS })

  const begin = (candidate: Candidate, model: Model, now: number): void => {
    const entry = log.open(now - began, candidate.moves, candidate.why)
    apply(candidate.moves)
    trial = newTrial(candidate, entry, window, model, now, settled ? 'patient' : careful ? 'careful' : 'bold')
    period = TRIAL_PERIOD_MS
  }
  const takeBack = ({ candidate, entry }: Trial, effect: number | undefined): void => {
    entry.close('taken back', effect)
    apply(candidate.moves.map(({ name, from, to }) => ({ name, from: to, to: from })))
    trial = undefined
  }
  const conclude = (done: Trial, { outcome, effect, harmful }: Verdict): void => {
    const { candidate } = done
    const key = keyOf(candidate)
    if (outcome === 'taken back') {
      takeBack(done, effect)
      if (!careful && candidate.kind !== 'return' && !settled) {
        careful = true
        window = []
        return
      }
      tried.set(key, { to: candidate.moves[0]?.to ?? 0, harmful })
      if (!harmful && candidate.kind !== 'return') return
      window = []
      const last = done.looks.at(-1)
      if (last !== undefined) recoveredAt = last.at + settleMs({ kind: 'raise', at: candidate.at }, modelOf(done.looks))
      return
    }
    done.entry.close('kept', effect)
    trial = undefined
    window = [...done.looks]
    if (candidate.kind === 'return') {
      for (const { name } of candidate.moves) returned.add(name)
      return
    }
    changed = true
    tried.clear()
    settled = false
    careful = false
    for (const { name, from, to } of candidate.moves) {
      if (to <= from) continue
      if (returned.has(name)) floors.set(name, Infinity) // it was given back, and missed
      else if (candidate.moves.length === 1) floors.set(name, from)
      if (effect < 0.5 * (to / from - 1)) overshot.add(name)
      else overshot.delete(name)
    }
  }
  const settle = (now: number): void => {
    settled = true
    excused.clear()
    usual.settle(now, changed)
    if (changed) restMs = FIRST_REST_MS
    changed = false
    restUntil = now + restMs
  }
  /** Tries the next step; none is left: it settles. */
  const explore = (now: number): void => {
    const seen = situation()
    const next = seen.model.satisfied ? undefined : raises(seen)[0]
    if (next !== undefined) begin(next, seen.model, now)
    else settle(now)
  }
  /** Now and then: gives back what is not needed, and tries again what did not help before. */
  const explorePatiently = (now: number): void => {
    const seen = situation()
    let next = returns(seen)[0]
    if (next === undefined && restMs > FIRST_REST_MS) {
      for (const [key, { harmful }] of tried) if (!key.endsWith('−') && (!harmful || restMs > FORGIVEN_MS)) tried.delete(key)
      next = seen.model.satisfied ? undefined : raises({ ...seen, bold: false })[0]
    }
    restMs = Math.min(LAST_REST_MS, restMs * (next === undefined ? 2 : 1.5))
    restUntil = now + restMs
    if (next !== undefined) begin(next, seen.model, now)
  }
  const newPhase = (now: number): void => {
    if (trial !== undefined) takeBack(trial, undefined)
    tried.clear()
    floors.clear()
    overshot.clear()
    returned.clear()
    careful = false
    settled = false
    phaseAt = now
    period = TRIAL_PERIOD_MS
    window = window.slice(-2)
  }
  /** Ceilings come before everything else. */
  const enforce = (now: number): void => {
    const threads = fitThreads(knobs, view.cores)
    apply(threads)
    log.forced(now - began, threads, `no more than ${view.cores} threads`)
    const share = memoryShare(view)
    if (share < NEAR_MEMORY || (share < 1 && now < mayCutAt)) return
    mayCutAt = now + CUT_EVERY_MS
    if (trial !== undefined && trial.candidate.kind !== 'return') {
      takeBack(trial, undefined)
      if (share < 1) return // that may have been all
    }
    const cuts = cutMemory(knobs, share)
    if (cuts.length === 0) return
    apply(cuts)
    log.forced(now - began, cuts, `memory is at ${Math.round(share * 100)} % of its ceiling`)
    if (trial === undefined) window = []
  }
  const isReady = (now: number): boolean => {
    const ms = now - (window[0]?.at ?? now)
    if (ms < BASE_LEAST_MS || window.length < 3) return false
    const { count, noise } = measure(window, gaugeFor(window, 0), window.at(-1)?.usualGapMs ?? 0)
    if (careful) return ms >= CAREFUL_MOST_MS || (ms >= CAREFUL_LEAST_MS && count >= 12 && noise <= BASE_NOISE)
    if (ms >= BASE_MOST_MS) return true
    // A moment without waiting may be the middle of a burst. What waits all the time may begin roughly: large steps do much.
    const waitShare = waitShareOf(window[0] as Look, window.at(-1) as Look)
    if (waitShare < RARELY) return false
    const bold = now - phaseAt < BOLD_MS && waitShare > 0.5
    if (bold && ms >= BASE_BOLD_MS) return true
    return count >= 8 && noise <= (bold ? 3 * BASE_NOISE : BASE_NOISE)
  }
  const observe = (look: Look): void => {
    const before = window.at(-1)
    // The first element took what comes once: opening, and filling the plan.
    if (before !== undefined && (before.stages.length !== look.stages.length || (before.delivered === 0 && look.delivered > 0))) window = []
    window.push(look)
    const most = settled ? SETTLED_WINDOW_MS : 2 * BASE_MOST_MS
    while (look.at - (window[1]?.at ?? look.at) > most) window.shift()
  }
  const recent = (looks: readonly Look[]): readonly Look[] => {
    const last = looks.at(-1)?.at ?? 0
    const from = looks.findLastIndex(({ at }) => last - at >= DRIFT_WINDOW_MS)
    return from < 0 ? [] : looks.slice(from)
  }

  const continueTrial = (running: Trial, look: Look): void => {
    if (look.stages.length !== running.stages) {
      window = []
      return takeBack(running, undefined)
    }
    if (look.at < running.settledAt) return
    running.looks.push(look)
    if (isAway(running.looks, running.gapMs)) {
      running.looks.length = 0
      return
    }
    const verdict = judge(running)
    const key = keyOf(running.candidate)
    if (verdict !== undefined && !excused.has(key) && changedMeanwhile(running)) {
      excused.add(key) // once: a step that breaks something must not be tried for ever
      window = [...running.looks]
      newPhase(look.at)
    } else if (verdict !== undefined) {
      conclude(running, verdict)
      if (settled && verdict.outcome === 'taken back') window = []
    } else if (settled && running.candidate.kind === 'return' && usual.drift(recent(running.looks), true) !== undefined) {
      window = [...running.looks]
      newPhase(look.at)
    }
  }
  const rest = (look: Look): void => {
    if (usual.drift(recent(window)) !== undefined) return newPhase(look.at)
    if (look.at >= restUntil && window.length > 8) explorePatiently(look.at)
  }
  const lookAround = (): void => {
    const stages = view.stages()
    knobs.refresh(stages)
    const look = lookAt(view)
    enforce(look.at)
    if (trial !== undefined) continueTrial(trial, look)
    else {
      if (!settled && look.at - (window.at(-1)?.at ?? look.at) > BASE_AGE_MS) window = []
      if (look.at >= recoveredAt) observe(look)
      if (settled && look.at >= recoveredAt) rest(look)
    }
    if (trial === undefined && !settled && isReady(look.at)) explore(look.at)
    if (trial === undefined) period = Math.min(settled ? LAST_PERIOD_MS : TRIAL_PERIOD_MS, period * 2)
  }
  /** A timer has nobody to throw to, and tuning must not break an iteration: whatever fails ends it, and values stay as they are. */
  const unbroken = (act: () => void): void => {
    try {
      act()
    } catch {
      stopped = true
    }
  }
  const tick = (): void => {
    unbroken(lookAround)
    if (!stopped) callOff = schedule(tick, period)
  }
  if (options.enabled !== false) {
    unbroken(() => {
      knobs.refresh(view.stages())
      enforce(began)
    })
    if (!stopped) callOff = schedule(tick, period)
  }
  return {
    log: () => log.steps,
    profile() {
      const values = Object.fromEntries(knobs.automatic.map(({ name, knob }) => [name, knob.get()]))
      for (const { name, from } of trial?.candidate.moves ?? []) values[name] = from // what is being measured has not worked yet
      return { version: 1, knobs: values }
    },
    stop() {
      stopped = true
      callOff?.()
      callOff = undefined
      unbroken(() => {
        if (trial !== undefined) takeBack(trial, undefined)
      })
    }
  }
}

/** A timer that does not keep the process alive. */
function unheld(callback: () => void, ms: number): () => void {
  const timer = setTimeout(callback, ms) as unknown as { unref?: () => void }
  timer.unref?.()
  return () => clearTimeout(timer as unknown as number)
}
