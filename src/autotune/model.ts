/** What a window says about each stage: what it could do, and what holds it up. */
import type { Look } from './observe.js'

/** The consumer hardly waits below this share of its time. */
export const HARDLY_WAITS = 0.02

/** A stage over a window. */
export interface StageModel {
  readonly operator: string
  readonly metered: boolean
  /** Milliseconds for one call, read or task. */
  readonly serviceMs: number
  /** Of those, for one element that the consumer gets. */
  readonly ratio: number
  readonly served: number
  /** Mean over the looks. */
  readonly inFlight: number
  readonly queued: number
  /** The fewest that were ready at any look. */
  readonly leastQueued: number
  readonly pulls: number
  readonly starved: number
  readonly full: number
  /** How much more is wanted of it than it gives: share of the pulls that found nothing ready, or of the time that they waited. */
  readonly demand: number
  /** Share of the time in which it fetched nothing. */
  readonly idleShare: number
  /** Elements that pass per millisecond. */
  readonly rate: number
  /** Elements for one that the consumer gets. */
  readonly perDelivered: number
  /** How long a pull that found nothing ready had to wait. */
  readonly outageMs: number
  readonly heldBytes: number
  /** The most that one of those held which were ready or under way, at any look. */
  readonly bytesEach: number
}

/** The plan over a window. */
export interface Model {
  readonly gapMs: number
  readonly delivered: number
  /** Share of the consumer's time that it waited for us. */
  readonly waitShare: number
  readonly satisfied: boolean
  readonly loop: number
  readonly stages: readonly StageModel[]
}

const share = (part: number, whole: number): number => (whole <= 0 ? 0 : Math.min(1, Math.max(0, part / whole)))

/** Share of the consumer's time that it waited, between two looks. */
export function waitShareOf(first: Look, last: Look): number {
  const ms = last.at - first.at
  const delivered = last.delivered - first.delivered
  const waited = last.waitMs - first.waitMs
  const gaps = last.gapMs - first.gapMs
  if (delivered === 0 && (last.stages.at(-1)?.queued ?? 0) > 0) return 0 // something is ready: it is the consumer that takes its time
  if (delivered === 0 && last.waiting === false) return share(waited, ms) // it is away
  // What it has waited for an element that is not there yet is not in the totals.
  return delivered === 0 ? share(Math.max(waited, ms - gaps), ms) : share(waited, waited + Math.min(gaps, delivered * last.usualGapMs * 1.5))
}

/** Models a window of at least two looks. */
export function modelOf(looks: readonly Look[]): Model {
  const first = looks[0] as Look
  const last = looks.at(-1) as Look
  const ms = last.at - first.at
  const delivered = last.delivered - first.delivered
  const waitShare = waitShareOf(first, last)
  let busyBelow = 0 // share of the time in which the stage below was asked
  const stages = last.stages.map((stage, at): StageModel => {
    const before = first.stages[at] ?? stage
    const served = stage.served - before.served
    const pulls = stage.pulls - before.pulls
    const starved = stage.starved - before.starved
    const elements = stage.elements - before.elements
    const busy = share(stage.busyMs - before.busyMs, ms)
    const { inFlight, queued, leastQueued, idle, bytesEach } = levelsOf(looks, at)
    const idleShare = Math.min(idle, at === 0 ? 1 : 1 - busyBelow)
    busyBelow = busy
    return {
      operator: stage.operator,
      metered: stage.metered,
      serviceMs: served > 0 ? (stage.serviceMs - before.serviceMs) / served : stage.served > 0 ? stage.serviceMs / stage.served : inFlight > 0 ? ms : 0,
      ratio: delivered > 0 ? served / delivered : 0,
      served,
      inFlight,
      queued,
      leastQueued,
      pulls,
      starved,
      full: stage.full - before.full,
      demand: pulls > 0 ? Math.max(share(starved, pulls), busy) : stage.metered && inFlight > 0 && stage.queued === 0 ? 1 : 0,
      idleShare,
      rate: ms > 0 ? elements / ms : 0,
      perDelivered: delivered > 0 ? elements / delivered : 0,
      outageMs: starved > 0 ? (busy * ms) / starved : 0,
      heldBytes: stage.heldBytes,
      bytesEach
    }
  })
  const loop = looks.reduce((sum, look) => sum + look.loop, 0) / looks.length
  // Of a consumer that is quick, most gaps are not timed one by one, but all of them are in the total.
  const gapMs = delivered > 0 ? Math.min(last.usualGapMs, (last.gapMs - first.gapMs) / delivered) : last.usualGapMs
  return { gapMs, delivered, waitShare, satisfied: delivered > 0 && waitShare < HARDLY_WAITS, loop, stages }
}

/** Means over the looks, the least that was ready, and the share of looks in which nothing was under way. */
function levelsOf(looks: readonly Look[], at: number): Pick<StageModel, 'inFlight' | 'queued' | 'leastQueued' | 'bytesEach'> & { readonly idle: number } {
  let bytesEach = 0
  let inFlight = 0
  let queued = 0
  let leastQueued = Infinity
  let idle = 0
  for (const look of looks) {
    const stage = look.stages[at]
    if (stage === undefined) continue
    inFlight += stage.inFlight
    queued += stage.queued
    leastQueued = Math.min(leastQueued, stage.queued)
    if (stage.inFlight === 0) idle++
    bytesEach = Math.max(bytesEach, stage.heldBytes / Math.max(1, stage.queued + stage.inFlight))
  }
  return { inFlight: inFlight / looks.length, queued: queued / looks.length, leastQueued: Number.isFinite(leastQueued) ? leastQueued : 0, idle: idle / looks.length, bytesEach }
}

/** Calls that have to be under way for what the consumer takes when it never waits (Little's law); infinite when it takes no time. */
export function neededInFlight(model: Model, { ratio, serviceMs }: StageModel): number {
  if (model.delivered === 0 || ratio === 0) return Infinity
  return model.gapMs < 1e-3 ? Infinity : (ratio * serviceMs) / model.gapMs
}

/**
 * Elements by which a buffer should be deeper so that what is above goes on while nothing comes from below; infinite when
 * the consumer takes no time.
 */
export function missingDepth(model: Model, { outageMs, perDelivered }: StageModel): number {
  return model.gapMs < 1e-3 ? Infinity : (outageMs * perDelivered) / model.gapMs
}

const percent = (part: number): string => `${Math.round(part * 100)} %`

/** What holds the plan up at that stage, in words. */
export function whyOf(model: Model, at: number, value: number): string {
  const stage = model.stages[at]
  const consumer = `the consumer waits ${percent(model.waitShare)} of its time`
  if (stage === undefined || !stage.metered) return consumer
  const facts = [`${stage.operator} had nothing ready at ${stage.starved} of ${stage.pulls} pulls`]
  if (stage.inFlight > 0) facts.push(`${round(stage.inFlight)} in flight of ${value} at ${round(stage.serviceMs)} ms each`)
  if (stage.full > 0) facts.push(`was full ${stage.full} times`)
  return `${consumer}: ${facts.join(', ')}`
}

const round = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0))
