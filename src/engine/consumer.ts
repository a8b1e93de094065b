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
  /** Nothing is there yet. What is waited from here on is timed each time: among quick elements one in many takes long, and chance would decide whether it is seen. */
  waits(): void
  delivered(): void
  /** Whether somebody waits now. */
  waiting(): boolean
  times(): ConsumerTimes
}

/** Times a gap and the wait behind it, for every element or, while they are quick, for one of many. */
export function consumerClock(): ConsumerClock {
  let gapMs = 0
  let waitMs = 0
  const gaps: number[] = []
  let oldest = 0
  let weight = 1 // of the sample: it stands for so many elements
  let since = 0 // deliveries for which no sample stands yet
  let untimed = 1 // deliveries until a sample begins
  let deliveredAt = 0 // begin of a gap that is timed
  let calledAt = performance.now() // begin of a call that is timed
  let waitsSince = 0
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
  const callEnds = (now: number): void => {
    const wait = now - (waitsSince === 0 ? calledAt : waitsSince)
    waitMs += waitsSince === 0 ? wait * weight : wait
    if (calledAt !== 0) untimed = learning-- > 0 || slow ? 1 : QUICK_EVERY
    if (wait > SLOW_MS) untimed = 1
    calledAt = waitsSince = 0
  }
  const begin = (now: number): void => {
    deliveredAt = now
    weight = since
    since = 0
  }
  return {
    called() {
      if (deliveredAt !== 0 || first) gapEnds()
    },
    waits() {
      waitsSince = performance.now()
      if (calledAt !== 0) waitMs += (waitsSince - calledAt) * weight
    },
    delivered() {
      since++
      const now = calledAt !== 0 || waitsSince !== 0 ? performance.now() : 0
      if (now !== 0) callEnds(now)
      if (--untimed === 0) begin(now === 0 ? performance.now() : now)
    },
    waiting: () => waitsSince !== 0,
    times: () => ({ gapMs, waitMs, gaps: [...gaps.slice(oldest), ...gaps.slice(0, oldest)] })
  }
}
