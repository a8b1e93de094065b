/** How long the share is of, at least, in milliseconds. */
const WINDOW_MS = 10

interface Utilization {
  readonly idle: number
  readonly active: number
}

type Loop = Performance & { eventLoopUtilization?: () => Utilization }

/** Tells which share of the time since it was last asked the event loop was busy, 0 to 1. 0 where that cannot be told, as in a browser. */
export function eventLoopMeter(): () => number {
  const now = (): Utilization | undefined => (performance as Loop).eventLoopUtilization?.()
  let before = now()
  let share = 0
  return () => {
    const present = now()
    if (present === undefined || before === undefined) return 0
    const idle = present.idle - before.idle
    const active = present.active - before.active
    if (idle + active < WINDOW_MS) return share
    before = present
    return (share = Math.min(1, Math.max(0, active / (idle + active))))
  }
}
