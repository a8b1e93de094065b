/** Measures what a step did, until it is told from noise. */
import type { LogEntry } from './log.js'
import { gaugeFor, measure, type Gauge, type Look, type Measure } from './observe.js'
import { HARDLY_WAITS, modelOf, type Model } from './model.js'
import type { Candidate } from './propose.js'

/** `bold`: at the first clear sign; `careful`: for longer, after a hasty judgement; `patient`: what has settled is left for a clear gain alone. */
export type Manner = 'bold' | 'careful' | 'patient'

/** A step that is being measured. */
export interface Trial {
  readonly candidate: Candidate
  readonly entry: LogEntry
  /** Under the setting before. */
  readonly before: Measure
  readonly wasSatisfied: boolean
  readonly stages: number
  /** Milliseconds of a call of each stage, where enough of them had ended. */
  readonly services: readonly (number | undefined)[]
  /** What the consumer left then; the same is taken for after. */
  readonly gapMs: number
  readonly gauge: Gauge
  readonly manner: Manner
  /** Until then what was under way, and what is in buffers, is of the setting before. */
  readonly settledAt: number
  /** Looks under the new setting. */
  readonly looks: Look[]
}

/** What came of it. */
export interface Verdict {
  readonly outcome: 'kept' | 'taken back'
  readonly effect: number
  /** It was clearly less than before. */
  readonly harmful: boolean
}

/** Less than this is no gain. */
const GAIN = 0.03
const PATIENT_GAIN = 0.045
/** What can no longer come to this is given up. */
const WORTH = 0.06
/** Less by this is a step too far. */
const HARM = 0.05
/** More than this is a loss, where something is given back. */
const LOSS = 0.015
const LEAST_MS = 60
/** Whoever gives back is in no hurry, and bursts come one after the other. */
const RETURN_LEAST_MS = 600
const LEAST_COUNT = 10
const RAISE_MOST_MS = 500
const CAREFUL_LEAST_MS = 300
const CAREFUL_MOST_MS = 800
const RETURN_MOST_MS = 1500
const SETTLE_MOST_MS = 500
const DRAIN_MOST_MS = 2500
const AWAY_MS = 250

export function newTrial(candidate: Candidate, entry: LogEntry, before: readonly Look[], model: Model, now: number, manner: Manner): Trial {
  const gauge = gaugeFor(before, candidate.at)
  return {
    candidate,
    entry,
    manner,
    gauge,
    before: measure(before, gauge, model.gapMs),
    wasSatisfied: model.satisfied,
    stages: model.stages.length,
    services: model.stages.map(({ served, serviceMs }) => (served >= LEAST_SERVED ? serviceMs : undefined)),
    gapMs: model.gapMs,
    settledAt: now + settleMs(candidate, model),
    looks: []
  }
}

/** A service for what is under way; with less, also until what is ready above is used up, which would hide a loss. */
export function settleMs({ kind, at }: Pick<Candidate, 'kind' | 'at'>, model: Model): number {
  const above = model.stages.slice(at)
  const service = Math.min(SETTLE_MOST_MS, 1.3 * Math.max(0, ...above.map(({ serviceMs }) => serviceMs)))
  if (kind !== 'return') return service
  const drain = above.reduce((sum, { queued, rate }) => sum + (rate > 0 ? queued / rate : 0), 0)
  return service + Math.min(DRAIN_MOST_MS, 1.2 * drain)
}

/** How much more than its share of places a step may bring, and a consumer's gap may change, before something else is the reason. */
const OTHER_REASON = 1.5
const OTHER_CONSUMER = 2.5
/** Gaps are not compared below that, in milliseconds. */
const LEAST_GAP_MS = 0.5
const LEAST_SERVED = 8

/** True when the work itself changed while a step was measured, so that nothing can be said of the step: no step changes so much. */
export function changedMeanwhile({ candidate, before: then, gapMs, gauge, looks, services }: Trial): boolean {
  const places = candidate.moves.reduce((product, { from, to }) => product * Math.max(to / from, from / to), 1)
  const now = measure(looks, gauge, gapMs)
  if (now.count >= LEAST_COUNT && then.rate > 0 && now.rate > OTHER_REASON * places * then.rate) return true
  const gap = Math.max(LEAST_GAP_MS, looks.at(-1)?.usualGapMs ?? 0) / Math.max(LEAST_GAP_MS, gapMs)
  if (gap > OTHER_CONSUMER || gap < 1 / OTHER_CONSUMER) return true
  // Above the lowest one that is measured, a service is mostly what those below let it wait.
  const stages = modelOf(looks).stages
  const at = stages.findIndex(({ metered }) => metered)
  const [service, usual] = [stages[at], services[at]]
  return service !== undefined && usual !== undefined && service.served >= LEAST_SERVED && service.serviceMs - usual > 1 && service.serviceMs > 2 * OTHER_REASON * places * usual
}

/** True when the consumer has been away at the end of these looks for clearly longer than usual: it is in no hurry, and tells nothing. */
export function isAway(looks: readonly Look[], gapMs: number): boolean {
  const last = looks.at(-1)
  if (last?.waiting !== false) return false
  const since = looks.find(({ delivered, waitMs }) => delivered === last.delivered && waitMs === last.waitMs)
  return since !== undefined && last.at - since.at > Math.max(AWAY_MS, 3 * gapMs)
}

/** The verdict, or undefined while it cannot be told. */
export function judge({ candidate, before: then, wasSatisfied, gapMs, gauge, looks, manner }: Trial): Verdict | undefined {
  const now = measure(looks, gauge, gapMs)
  if (now.ms < LEAST_MS) return undefined
  const late = now.ms >= (candidate.kind === 'return' ? RETURN_MOST_MS : manner !== 'bold' ? CAREFUL_MOST_MS : RAISE_MOST_MS)
  if (now.count < LEAST_COUNT && !late) return undefined
  const effect = then.rate > 0 ? now.rate / then.rate - 1 : now.rate > 0 ? 1 : 0
  const noise = Math.hypot(then.noise, now.noise)
  const harmful = effect < -HARM && (-effect > 2 * noise || effect < -0.3)
  const keptIf = (kept: boolean): Verdict => ({ outcome: kept ? 'kept' : 'taken back', effect, harmful: harmful && !kept })
  if (candidate.kind === 'return') {
    if (effect < -2 * LOSS && -effect > 2 * noise) return keptIf(false)
    const waits = wasSatisfied && modelOf(looks).waitShare > HARDLY_WAITS / 2
    if (effect >= -LOSS && noise <= LOSS && now.ms >= RETURN_LEAST_MS) return keptIf(!waits)
    return late ? keptIf(effect >= -LOSS / 2 && noise < 4 * LOSS && !waits) : undefined
  }
  if (manner !== 'bold' && now.ms < CAREFUL_LEAST_MS && effect > -0.5) return undefined
  const gain = manner === 'patient' ? PATIENT_GAIN : GAIN
  if (effect - 2 * noise > gain) return keptIf(true)
  if (effect + 1.5 * noise < WORTH && effect < gain) return keptIf(false)
  const evidence = manner !== 'patient' && candidate.likely ? noise / 2 : noise
  return late || noise < GAIN / 3 ? keptIf(effect >= Math.max(gain, Math.min(0.15, evidence))) : undefined
}
