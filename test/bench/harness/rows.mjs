import { median } from './measure.mjs'

/**
 * A row of a report.
 *
 * - `value` our figure in `unit`: the median over the repeats; `spread` has the least, the middle and the greatest
 * - `against` what it is measured against, with `other` its figure and `otherSpread`, taken in the same run
 * - `ratio` the median over the repeats of the ratio that `goal` speaks of; null without a comparison
 * - `goal` in words, `met` whether it holds; both null for rows that are there to inform
 */
export function row({ name, unit, ours, against = null, theirs, ratio, goal }) {
  const compared = theirs !== undefined
  const ratios = compared && ratio !== undefined ? ours.map((value, i) => ratio(value, theirs[i])).filter(Number.isFinite) : []
  const result = ratios.length > 0 ? median(ratios) : null
  return {
    name,
    value: median(ours),
    unit,
    against,
    ratio: result,
    goal: goal?.text ?? null,
    met: goal === undefined ? null : goal.holds(result ?? median(ours)),
    spread: spread(ours),
    ...(compared && { other: median(theirs), otherSpread: spread(theirs) }),
    ...(ratios.length > 0 && { ratioSpread: spread(ratios) })
  }
}

export const spread = values => ({ min: Math.min(...values), median: median(values), max: Math.max(...values), repeats: values.length })

/** How many times as long as a limit we take. */
export const timesTheLimit = (ours, theirs) => ours / theirs
/** How many times faster we are, for times. */
export const timesFaster = (ours, theirs) => theirs / ours
/** How many times more we do per second, for rates. */
export const timesTheRate = (ours, theirs) => ours / theirs

export const atMost = (limit, text = `≤ ${limit} ×`) => ({ text, holds: value => value <= limit })
export const atLeast = (limit, text = `≥ ${limit} ×`) => ({ text, holds: value => value >= limit })
/** For figures near zero that may have either sign. */
export const within = (limit, text) => ({ text, holds: value => Math.abs(value) <= limit })
