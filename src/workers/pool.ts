import type { ThreadingOptions, WorkerOptions } from '../plan/tuning.js'
import type { Workers } from '../plan/workers.js'

/** What the threads of one iteration may be. */
export interface WorkersOptions {
  /** Threads that may compute at the same time. */
  readonly cores: number
  readonly options: WorkerOptions
  readonly threading: ThreadingOptions
}

/** The threads of one iteration, out of those of the process. */
export interface IterationWorkers extends Workers {
  /** Gives the threads back: they end, unless another iteration uses them or they are to persist. */
  close(): Promise<void>
}

/** Makes threads available to an iteration. None is started before it has something to do. */
export function openWorkers(_: WorkersOptions): IterationWorkers | null {
  return null
}
