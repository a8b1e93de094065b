/** A clock costs as much as a quick element: one in so many of them is timed. */
const QUICK_EVERY = 61
/** Elements at the beginning that are all timed: what a consumer is like has to be learned. */
const FIRST = 8
/** Milliseconds from which a gap or a wait is worth a clock; the next ones are timed too. */
const SLOW_MS = 0.02
/** Gaps that are remembered. */
const REMEMBERED = 128

/** What is known of whoever calls `next`. Times are estimates where elements are quick. */
export interface ConsumerTimes {
  /** Milliseconds between delivered elements and the next calls. */
  readonly gapMs: number
  /** Milliseconds between calls and what they got. */
  readonly waitMs: number
  /** The last gaps that were measured, newest last. */
  readonly gaps: readonly number[]
}

/** Watches calls and deliveries, which take turns. */
export interface ConsumerClock {
  called(): void
  delivered(): void
  times(): ConsumerTimes
}

/** Times a gap and the wait behind it, for every element or, while they are quick, for one of many. */
export function consumerClock(): ConsumerClock {
  let gapMs = 0
  let waitMs = 0
  const gaps: number[] = []
  let oldest = 0
  let weight = 1 // of the sample: it stands for so many elements
  let untimed = 0 // deliveries until a sample begins
  let deliveredAt = 0 // begin of a gap that is timed
  let calledAt = performance.now() // begin of a wait that is timed
  let first = true
  let slow = false
  let learning = FIRST

  const gapEnds = (): void => {
    calledAt = performance.now()
    if (first) {
      first = false
      return
    }
    const gap = calledAt - deliveredAt
    deliveredAt = 0
    gapMs += gap * weight
    gaps[oldest] = gap
    oldest = (oldest + 1) % REMEMBERED
    slow = gap > SLOW_MS
  }
  const waitEnds = (): void => {
    const now = performance.now()
    const wait = now - calledAt
    calledAt = 0
    waitMs += wait * weight
    weight = learning-- > 0 || slow || wait > SLOW_MS ? 1 : QUICK_EVERY
    untimed = weight - 1
    if (untimed === 0) deliveredAt = now
  }
  return {
    called() {
      if (deliveredAt !== 0 || first) gapEnds()
    },
    delivered() {
      if (calledAt !== 0) waitEnds()
      else if (--untimed === 0) deliveredAt = performance.now()
    },
    times: () => ({ gapMs, waitMs, gaps: [...gaps.slice(oldest), ...gaps.slice(0, oldest)] })
  }
}
