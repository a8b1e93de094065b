import type { ByteRange } from './split.js'

/** A request that serves several ranges. */
export interface PlannedRange extends ByteRange {
  /** Which ranges lie in it: their positions in the list. */
  readonly members: readonly number[]
}

/** How {@link planRanges} merges. */
export interface PlanRangesOptions {
  /** Ranges that lie no farther apart become one. */
  readonly gap: number
  /** No merged range is larger. @default no limit */
  readonly largest?: number | undefined
  /** Bytes in a merged range that nobody asked for, as a share of those that were. @default no limit */
  readonly waste?: number | undefined
}

/** Wasted bytes that cost less than a request does. */
const FREE = 64 << 10

/**
 * Merges ranges that overlap or lie close. Any order, any overlap; the result is in the order of the offsets and serves each range that has
 * bytes exactly once.
 */
export function planRanges(ranges: readonly ByteRange[], options: PlanRangesOptions): PlannedRange[] {
  const { gap, largest = Infinity, waste = Infinity } = options
  const order = Array.from(ranges.keys()).filter(i => at(ranges, i).length > 0).sort((a, b) => at(ranges, a).offset - at(ranges, b).offset || a - b)
  const plans: { offset: number; length: number; members: number[]; wasted: number }[] = []
  let plan: (typeof plans)[number] | undefined
  for (const i of order) {
    const { offset, length } = at(ranges, i)
    if (plan !== undefined) {
      const end = plan.offset + plan.length
      const between = Math.max(0, offset - end)
      const merged = Math.max(end, offset + length) - plan.offset
      const wasted = plan.wasted + between
      if (between <= gap && merged <= Math.max(largest, plan.length) && wasted <= Math.max(FREE, waste * (merged - wasted))) {
        plan.length = merged
        plan.wasted = wasted
        plan.members.push(i)
        continue
      }
    }
    plan = { offset, length, members: [i], wasted: 0 }
    plans.push(plan)
  }
  return plans.map(({ offset, length, members }) => ({ offset, length, members }))
}

function at(ranges: readonly ByteRange[], i: number): ByteRange {
  const range = ranges[i]
  if (range === undefined) throw new RangeError(`there is no range ${i}`)
  return range
}
