/** Notices that the workload is no longer what it was when the tuner settled. */
import { measure, type Look } from './observe.js'
import { modelOf } from './model.js'

/** Compares looks with what was usual since it settled. */
export interface Phases {
  /** From now on what is seen is usual. What was usual before stays so unless something was changed in between. */
  settle(at: number, changed: boolean): void
  /** What is clearly different, in words; undefined when nothing is. What a step may change is left out while one is tried. */
  drift(looks: readonly Look[], trying?: boolean): string | undefined
}

/** The time in which everything is usual. */
const LEARN_MS = 300
/** Looks in a row that have to agree. */
const AGREE = 2
/** The time of a service also follows what was under way before a step: only what lasts is a sign. */
const AGREE_ON_SERVICE = 10
const LEAST_COUNT = 8

interface Range {
  low: number
  high: number
}

export function phases(): Phases {
  let usual = new Map<string, Range>()
  let learnUntil = -Infinity
  const differing = { service: 0, other: 0 }
  let lastOdd: readonly Feature[] = []

  const learn = (features: readonly Feature[]): void => {
    for (const { name, value } of features) {
      const range = usual.get(name)
      if (range === undefined) usual.set(name, { low: value, high: value })
      else {
        range.low = Math.min(range.low, value)
        range.high = Math.max(range.high, value)
      }
    }
  }
  return {
    settle(at, changed) {
      if (changed) usual = new Map()
      // It was no new phase after all: what it was about is usual too.
      else learn(lastOdd)
      lastOdd = []
      learnUntil = at + LEARN_MS
      differing.service = differing.other = 0
    },
    drift(looks, trying = false) {
      const last = looks.at(-1)
      if (last === undefined || looks.length < 2) return undefined
      const features = featuresOf(looks)
      if (last.at <= learnUntil) {
        learn(features)
        return undefined
      }
      const odd = features.filter(({ name, value, tolerance, follows }) => {
        if (trying && follows) return false
        const range = usual.get(name)
        return range !== undefined && (value < range.low - tolerance || value > range.high + tolerance)
      })
      differing.service = odd.some(({ service }) => service) ? differing.service + 1 : 0
      differing.other = odd.some(({ service }) => !service) ? differing.other + 1 : 0
      lastOdd = differing.other > 1 || differing.service > 1 ? [...lastOdd, ...odd] : odd
      return differing.other >= AGREE || differing.service >= AGREE_ON_SERVICE ? `${odd[0]?.name} changed` : undefined
    }
  }
}

/** A number that is compared by how far it is off; all but the share of waiting are logarithms. */
interface Feature {
  readonly name: string
  readonly value: number
  readonly tolerance: number
  /** It follows the knobs. */
  readonly follows: boolean
  readonly service: boolean
}

function featuresOf(looks: readonly Look[]): Feature[] {
  const model = modelOf(looks)
  const last = looks.at(-1) as Look
  const { rate, count, noise } = measure(looks, 'consumer', last.usualGapMs)
  const features: Feature[] = []
  const add = (name: string, value: number, tolerance: number, follows = false, service = false): void => {
    features.push({ name, value: Math.log(value), tolerance, follows, service })
  }
  if (count >= LEAST_COUNT) {
    add('the rate', rate, 0.25 + 2 * Math.min(0.5, noise) + 1 / Math.sqrt(count), true)
    add('the consumer', model.gapMs + 0.1, 0.35)
    features.push({ name: 'the waiting', value: model.waitShare, tolerance: 0.05 + 1 / count, follows: true, service: false })
  } else if (count === 0 && model.waitShare > 0) features.push({ name: 'the waiting', value: model.waitShare, tolerance: 0.2, follows: true, service: false })
  model.stages.forEach(({ operator, metered, served, serviceMs }, at) => {
    if (metered && served >= LEAST_COUNT) add(`the time of ${operator}${at === 0 ? '' : ` (stage ${at})`}`, serviceMs + 0.05, 0.5 + 2 / Math.sqrt(served), true, true)
  })
  return features
}
