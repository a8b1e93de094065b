/** What is read from a running plan, and what can be said of a series of readings. */
import type { TunerView } from '../plan/tuning.js'

/** Totals of one stage at one moment. */
export interface StageLook {
  readonly operator: string
  readonly elements: number
  readonly pulls: number
  readonly busyMs: number
  readonly heldBytes: number
  /** False for a stage that does one thing after the other and holds nothing: then the totals below are zero. */
  readonly metered: boolean
  readonly serviceMs: number
  readonly served: number
  readonly inFlight: number
  readonly queued: number
  readonly starved: number
  readonly full: number
}

/** Totals of the iteration at one moment. */
export interface Look {
  readonly at: number
  readonly delivered: number
  readonly gapMs: number
  readonly waitMs: number
  /** What the consumer usually leaves between two elements. */
  readonly usualGapMs: number
  /** Whether it waited for us at that moment. */
  readonly waiting: boolean | undefined
  readonly loop: number
  readonly stages: readonly StageLook[]
}

/** Reads the totals. */
export function lookAt(view: TunerView): Look {
  const { delivered, gapMs, waitMs, gaps, waiting } = view.consumer()
  return {
    at: view.now(),
    delivered,
    gapMs,
    waitMs,
    usualGapMs: usual(gaps),
    waiting,
    loop: view.eventLoop(),
    stages: view.stages().map(({ operator, elements, pulls, busyMs, heldBytes, meter }) => ({
      operator,
      elements,
      pulls,
      busyMs,
      heldBytes,
      metered: meter !== undefined,
      serviceMs: meter?.serviceMs ?? 0,
      served: meter?.served ?? 0,
      inFlight: meter?.inFlight ?? 0,
      queued: meter?.queued ?? 0,
      starved: meter?.starved ?? 0,
      full: meter?.full ?? 0
    }))
  }
}

/** Mean without the highest tenth: a consumer that saves its model now and then is not a slow consumer. */
export function usual(gaps: readonly number[]): number {
  if (gaps.length === 0) return 0
  const kept = Float64Array.from(gaps).sort().subarray(0, Math.ceil(gaps.length * 0.9))
  let sum = 0
  for (const gap of kept) sum += gap
  return sum / kept.length
}

const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length)

/** Where progress is counted: at the consumer, or at the stage of that index. */
export type Gauge = 'consumer' | number

/** Progress over a window. */
export interface Measure {
  /** Elements per millisecond, as if the consumer always left its usual gap. */
  readonly rate: number
  /** Standard error of the rate as a share of it, from the spread between parts of the window; 1 when nothing can be said. */
  readonly noise: number
  readonly count: number
  readonly ms: number
}

const BLOCKS = 8
const NOTHING: Measure = { rate: 0, noise: 1, count: 0, ms: 0 }

/** The rate over a window of looks. Parts of it are compared, because bursts make looks that follow each other alike. */
export function measure(looks: readonly Look[], gauge: Gauge, gapMs: number): Measure {
  const first = looks[0]
  const last = looks.at(-1)
  if (first === undefined || last === undefined || last === first) return NOTHING
  const total = progress(first, last, gauge, gapMs)
  if (total.count === 0 || total.ms <= 0) return { ...NOTHING, ms: last.at - first.at }
  const rates: number[] = []
  let from = first
  for (const look of looks) {
    if (look.at - from.at < (last.at - first.at) / BLOCKS - 1e-6) continue
    const part = progress(from, look, gauge, gapMs)
    if (part.count === 0 || part.ms <= 0) continue
    rates.push(part.count / part.ms)
    from = look
  }
  const rate = total.count / total.ms
  const centre = mean(rates)
  const spread = Math.sqrt(mean(rates.map(each => (each - centre) ** 2)) * (rates.length / Math.max(1, rates.length - 1)))
  return { rate, noise: rates.length < 3 ? 1 : spread / Math.sqrt(rates.length) / centre, count: total.count, ms: last.at - first.at }
}

/**
 * The consumer's time runs from delivery to delivery, so that a window of few elements is as exact as one of many; what it
 * left beyond the usual is left out.
 */
function progress(a: Look, b: Look, gauge: Gauge, gapMs: number): { readonly count: number; readonly ms: number } {
  if (gauge === 'consumer') {
    const count = b.delivered - a.delivered
    return { count, ms: b.waitMs - a.waitMs + count * gapMs }
  }
  return { count: (b.stages[gauge]?.elements ?? 0) - (a.stages[gauge]?.elements ?? 0), ms: b.at - a.at }
}

const ENOUGH_PER_SECOND = 50

/** The consumer where it takes elements often enough; else the stage from `lowest` on where most elements pass. */
export function gaugeFor(looks: readonly Look[], lowest: number): Gauge {
  const first = looks[0]
  const last = looks.at(-1)
  if (first === undefined || last === undefined) return 'consumer'
  const delivered = last.delivered - first.delivered
  if (delivered >= ((last.at - first.at) * ENOUGH_PER_SECOND) / 1000 && delivered > 0) return 'consumer'
  let gauge: Gauge = 'consumer'
  let most = 4 * delivered
  for (let at = lowest; at < last.stages.length; at++) {
    const passed = (last.stages[at]?.elements ?? 0) - (first.stages[at]?.elements ?? 0)
    if (passed <= most) continue
    most = passed
    gauge = at
  }
  return gauge
}
