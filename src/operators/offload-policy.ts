/**
 * When a chain that may run on threads does: begins in this thread, moves when that is measured to pay, and comes back when it does not.
 * Elements, order and states do not depend on it.
 */
export interface OffloadPolicy {
  /** True when the next pull is to be timed. */
  due(): boolean
  /** A pull in this thread gave so many elements; `ownMs` and `bytes` (of one element, in and out) when it was timed. */
  inline(elements: number, ownMs?: number, bytes?: number): void
  /** True when threads should have it. */
  readonly move: boolean
  /** It was moved. */
  moved(): void
  /** A pull from threads gave so many elements. `elementMs` is what threads need for one; `tasks` how many tasks were delivered. */
  threads(elements: number, elementMs: number | undefined, tasks: number): void
  /** True when it should come back. */
  readonly back: boolean
  cameBack(): void
  /** What an element costs in this thread, milliseconds. */
  readonly elementMs: number | undefined
}

/** What a policy goes by. */
export interface PolicySurroundings {
  /** Threads that may compute at the same time. */
  readonly cores: number
  /** True when elements are fetched ahead of the consumer: then it does not wait as long as this thread has time to spare. */
  readonly ahead: boolean
  /** Milliseconds. */
  readonly now: () => number
  /** Share of the time since the last call in which this thread was busy. */
  readonly utilization: () => number
}

/** Every so many pulls are timed where they are short: a clock costs as much as a cheap pull. */
const TIME_EVERY = 16
const LONG_PULL_MS = 0.05
/** Of its own time that a chain is watched before something is decided, and how often in a row it must be the same. */
const WINDOW_MS = 5
const AGREEING = 2
/** Cheaper elements are not worth a message, measured with chunks of 256. */
const LEAST_ELEMENT_MS = 0.0002
/** What crossing costs this thread for an element, and for a byte of it. */
const CROSSING_MS = 0.00005
const CROSSING_MS_PER_BYTE = 2.5e-7
/** No less of the time than that is worth to be saved. */
const LEAST_SHARE = 0.1
const BUSY = 0.9
/** Before threads are judged: their first tasks are small, and their functions not compiled yet. */
const SETTLE_MS = 60
const SETTLE_TASKS = 8
/** When they are judged by the rate at which elements come, and what share of the rate before they must reach. */
const VERIFY_MS = 150
const VERIFY_TASKS = 8
const LEAST_GAIN = 0.95
/** Until it is tried again: doubled every time. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/** A policy for one cursor. */
export function offloadPolicy({ cores, ahead, now, utilization }: PolicySurroundings): OffloadPolicy {
  let pulls = 0
  let long = false
  let warm = false // the first pull that is timed has code to compile
  let began = now()
  let elements = 0
  let sampled = 0
  let sampledMs = 0
  let bytes = 0
  let agreeing = 0
  let elementMs: number | undefined
  let rate = 0 // elements per millisecond, of the last window
  let notBefore = -Infinity
  let pause = FIRST_PAUSE_MS
  let settledAt: number | undefined // tasks that were delivered until then
  let verified = false
  let back = false

  const reset = (): void => {
    began = now()
    elements = sampled = sampledMs = 0
  }
  const crossing = (): number => CROSSING_MS + bytes * CROSSING_MS_PER_BYTE
  const judge = (): void => {
    const cost = sampledMs / sampled
    const wallMs = Math.max(now() - began, 1e-3)
    if (sampled < 2 || cost * elements < WINDOW_MS) return
    elementMs = cost
    rate = elements / wallMs
    const busy = utilization()
    const pays = cost > LEAST_ELEMENT_MS && cost > 2 * crossing() && (cost * elements) / wallMs >= LEAST_SHARE && (!ahead || busy >= BUSY)
    agreeing = pays && cores > 1 && began >= notBefore ? agreeing + 1 : 0
    reset()
  }
  return {
    due: () => long || pulls++ % TIME_EVERY === 0,
    inline(count, ownMs, elementBytes = 0) {
      elements += count
      if (ownMs === undefined || count === 0) return
      long = ownMs > LONG_PULL_MS
      if (!warm) {
        warm = true
        return reset()
      }
      sampled += count
      sampledMs += ownMs
      bytes = Math.max(elementBytes, bytes * 0.9)
      judge()
    },
    get move() {
      return agreeing >= AGREEING
    },
    moved() {
      agreeing = 0
      verified = false
      settledAt = undefined
      reset()
    },
    threads(count, threadElementMs, tasks) {
      elements += count
      if (!verified) {
        const wallMs = now() - began
        if (settledAt === undefined) {
          if (wallMs < SETTLE_MS || tasks < SETTLE_TASKS) return
          settledAt = tasks
          return reset()
        }
        if (wallMs < VERIFY_MS || tasks < settledAt + VERIFY_TASKS) return
        verified = true
        back = elements / wallMs < rate * LEAST_GAIN
      } else if (threadElementMs !== undefined && !back) {
        back = threadElementMs < LEAST_ELEMENT_MS / 2 || threadElementMs < crossing()
      }
    },
    get back() {
      return back
    },
    cameBack() {
      back = false
      notBefore = now() + pause
      pause = Math.min(LONGEST_PAUSE_MS, 2 * pause)
      reset()
    },
    get elementMs() {
      return elementMs
    }
  }
}

/** How it is decided; a test that wants chains to move at every place replaces it. */
export const deciding: { by: (surroundings: PolicySurroundings) => OffloadPolicy } = { by: offloadPolicy }
