import type { MemoryAccount } from '../plan/tuning.js'

/** How old a measurement of the process may be, in milliseconds, and by how much what is held may have grown since. */
const MEASURE_EVERY_MS = 20
const MEASURE_EVERY_BYTES = 4 * 2 ** 20
/** The clock is not looked at for less than that, or for so few questions: buffers of small elements ask with each. */
const CLOCK_EVERY_BYTES = 64 * 2 ** 10
const CLOCK_EVERY = 32

/** Bytes that buffers hold, of an iteration or of all of them. */
export interface MemoryBudget {
  readonly ceilingBytes: number
  readonly heldBytes: number
  /** By how much the process has grown since the budget was made, as far as it can be measured: heap, external memory and array buffers. */
  readonly usedBytes: number
  readonly hasRoom: boolean
  add(bytes: number): void
}

interface Host {
  memoryUsage?: () => { readonly heapUsed: number; readonly external: number }
  availableMemory?: () => number
  getBuiltinModule?: (name: string) => unknown
}

const host = (): Host | undefined => globalThis.process as Host | undefined

/** Half of what is free now; 512 MiB where that cannot be told. */
export function defaultCeiling(): number {
  const os = host()?.getBuiltinModule?.('node:os') as { freemem?: () => number } | undefined
  const free = host()?.availableMemory?.() ?? os?.freemem?.() ?? 2 ** 30
  return Math.max(64 * 2 ** 20, Math.floor(free / 2))
}

/** A ceiling on what is held and on what the process grows by. What is counted here is counted in `parent` too. */
export function memoryBudget(ceilingBytes: number, parent?: MemoryBudget): MemoryBudget {
  const measure = (): number => {
    const usage = host()?.memoryUsage?.()
    return usage === undefined ? 0 : usage.heapUsed + usage.external // `external` has the array buffers
  }
  const before = measure()
  let held = 0
  let used = 0
  let measuredAt = performance.now()
  let heldThen = 0
  let heldAtClock = 0
  let asked = 0
  const refresh = (): void => {
    if (++asked < CLOCK_EVERY && Math.abs(held - heldAtClock) < CLOCK_EVERY_BYTES) return
    asked = 0
    heldAtClock = held
    const now = performance.now()
    if (now - measuredAt < MEASURE_EVERY_MS && held - heldThen < MEASURE_EVERY_BYTES) return
    used = Math.max(0, measure() - before)
    measuredAt = now
    heldThen = held
  }
  return {
    ceilingBytes,
    get heldBytes() {
      return held
    },
    get usedBytes() {
      refresh()
      return used
    },
    get hasRoom() {
      if (held >= ceilingBytes || parent?.hasRoom === false) return false
      refresh()
      return used < ceilingBytes
    },
    add(bytes) {
      held += bytes
      parent?.add(bytes)
    }
  }
}

let ofProcess: MemoryBudget | undefined

/** The budget of the process: half of what was free when it was first asked for. */
export function processBudget(): MemoryBudget {
  return (ofProcess ??= memoryBudget(defaultCeiling()))
}

/** The part of a budget that one operator holds. */
export function accountOf(budget: MemoryBudget): MemoryAccount & { close(): void } {
  let held = 0
  return {
    get held() {
      return held
    },
    get hasRoom() {
      return budget.hasRoom
    },
    add(bytes) {
      held += bytes
      budget.add(bytes)
    },
    close() {
      budget.add(-held)
      held = 0
    }
  }
}
