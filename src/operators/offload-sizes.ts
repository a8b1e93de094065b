/** How long a task is to take: long against what giving it out costs all threads together, 0.3 to 0.8 ms; short against what a consumer notices. */
const TASK_MS = 16
/** The same where a thread is given no task before it has ended the last, and waits for the next one. */
const TASK_ALONE_MS = 24
/** Tasks longer than that keep a thread busy while another is on its way: two of them are enough. */
const LONG_TASK_MS = 40
/** Batches that take longer than that are spread over threads by rows, and stacked here. */
const LONG_BATCH_MS = 100
const MOST_ELEMENTS = 32_768
const MOST_BYTES = 8 * 2 ** 20
/** By how much a task may be bigger than the one before. */
const GROWTH = 4

/** How many elements tasks are to have. */
export interface TaskSizes {
  /** Elements of the next task, which will be behind so many elements that are still to be delivered. `alone`: see above. */
  next(rowsAhead: number, alone: boolean): number
  /** Tasks to be under way for every thread. */
  readonly perThread: number
  /** What one element takes a thread, milliseconds. */
  readonly elementMs: number | undefined
  /** The consumer asked for so many; a `batch` asks for those that it lacks. */
  pulled(max: number): void
  delivered(rows: number): void
  given(count: number, bytes: number): void
  served(count: number, threadMs: number): void
}

/**
 * Sizes tasks by what elements were measured to cost: the first ones are small, so that all threads have work soon. Below a `batch` a task
 * begins with the first row of one, and has whole batches, where that does not take too long.
 */
export function taskSizes({ elementMs: known, stack }: { readonly elementMs: number | undefined; readonly stack: number | undefined }): TaskSizes {
  let elementMs = known
  let elementBytes = 0
  let last = 1 // elements of the last task
  let tasks = 0 // given out while nothing was known; they grow by twos, for there is more than one thread
  let rows = 0 // delivered
  let border = 0 // a row with which a batch begins

  return {
    next(rowsAhead, alone) {
      const target = alone ? TASK_ALONE_MS : TASK_MS
      const measured = elementMs !== undefined
      let size = elementMs === undefined ? 2 ** Math.min(16, tasks >> 1) : Math.min(GROWTH * last, Math.max(1, Math.round(target / Math.max(elementMs, 1e-6))))
      size = Math.min(size, MOST_ELEMENTS, Math.max(1, Math.floor(MOST_BYTES / Math.max(1, elementBytes))))
      if (stack === undefined) return size
      const missing = (((border - rows - rowsAhead) % stack) + stack) % stack // to the end of the batch that was begun
      if (elementMs !== undefined && stack * elementMs > LONG_BATCH_MS) return size
      if (missing > 0) return measured ? missing : Math.min(missing, size)
      return measured ? Math.max(1, Math.round(size / stack)) * stack : Math.min(stack, size)
    },
    get perThread() {
      return elementMs !== undefined && last * elementMs > LONG_TASK_MS ? 2 : 4
    },
    get elementMs() {
      return elementMs
    },
    pulled(max) {
      border = rows + max
    },
    delivered(count) {
      rows += count
    },
    given(count, bytes) {
      tasks++
      last = count
      elementBytes = Math.max(bytes / count, elementBytes / 2)
    },
    served(count, threadMs) {
      const now = threadMs / count
      elementMs = elementMs === undefined ? now : (elementMs + now) / 2
    }
  }
}
