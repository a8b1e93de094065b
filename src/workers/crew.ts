import type { Answer, Question } from './messages.js'
import type { Loss, Thread } from './pool-thread.js'
import { slabs, type Slabs } from './slabs.js'

/** How many threads one iteration uses at most. */
export interface Share {
  size: number
}

/** Something to be done on any thread. */
export interface Job {
  readonly id: number
  readonly share: Share
  /** Sends it. What throws here fails the job. */
  dispatch(thread: Thread, take: (answer: Answer) => void): void
  answered(answer: Answer): void
  /** False when nobody waits for it any more. */
  wanted(): boolean
  /** The thread broke down while it worked on this. True: it is to be done again. */
  lost(loss: Loss): boolean
  failed(error: unknown): void
}

/** Threads of one kind, for all iterations of the process that want such. */
export interface Crew {
  readonly slabs: Slabs
  /** Memory of batches that were released here, to be filled again there. */
  readonly returned: Slabs
  nextId(): number
  join(share: Share): void
  /** Resolves when the threads have ended that nobody needs any more. */
  leave(share: Share): Promise<void>
  submit(job: Job): void
  /** Takes back a job that no thread has begun. */
  withdraw(job: Job): boolean
  /** A thread to keep something open on. */
  threadFor(share: Share): Thread
  /** Threads in use, for what has to be told to each of them. */
  threads(): readonly Thread[]
  /** Called when a thread is lost, with what it was doing. */
  onLost(listener: (thread: Thread, loss: Loss) => void): () => void
  /** Ends threads beyond what the sizes allow, as they become free. */
  trim(): void
  /** Ends those of the threads that still work on something, for they do not come to an end. */
  abandon(threads: readonly Thread[]): void
  ask(thread: Thread, question: Question & { readonly id: number }): Promise<void>
  end(): Promise<void>
}

/** Tasks that a thread is given at a time: while it runs one, the next is there, and more would only wait for it. */
const WINDOW = 3
/** How often something that no thread had begun is moved to another one. */
const MOST_MOVES = 3

/** Makes a crew without threads. They start when there is something to do. */
export function makeCrew(start: (number: number, lost: (thread: Thread, loss: Loss) => void) => Thread): Crew {
  const shares = new Set<Share>()
  const threads: Thread[] = []
  const waiting: Job[] = []
  const running = new Map<Thread, Set<Job>>()
  const asked = new Map<Thread, Set<() => void>>()
  const moves = new WeakMap<Job, number>()
  const listeners = new Set<(thread: Thread, loss: Loss) => void>()
  const endings = new Set<Promise<void>>()
  let serial = 0

  const lost = (thread: Thread, loss: Loss): void => {
    remove(thread)
    const jobs = [...(running.get(thread) ?? [])]
    running.delete(thread)
    const again = jobs.filter(job => {
      if (!job.wanted()) {
        job.failed(loss.cause ?? new Error(loss.reason))
        return false
      }
      if (job.id === loss.run || !loss.started) return job.lost(loss)
      const moved = (moves.get(job) ?? 0) + 1
      moves.set(job, moved)
      return moved <= MOST_MOVES || job.lost(loss)
    })
    waiting.unshift(...again)
    for (const listener of [...listeners]) listener(thread, loss)
    const waiters = asked.get(thread)
    asked.delete(thread)
    waiters?.forEach(done => done())
    pump()
  }
  const remove = (thread: Thread): void => {
    const at = threads.indexOf(thread)
    if (at >= 0) threads.splice(at, 1)
  }
  const loadOf = (thread: Thread): number => (running.get(thread)?.size ?? 0) + thread.sessions
  /** The thread with the least to do, of the first `size`; a new one while all have something. */
  const pick = ({ size }: Share, most: number): Thread | undefined => {
    let best: Thread | undefined
    for (const thread of threads) if (thread.number < size && loadOf(thread) < most && (best === undefined || loadOf(thread) < loadOf(best))) best = thread
    if (best !== undefined && loadOf(best) === 0) return best
    for (let number = 0; number < size; number++) {
      if (threads.some(thread => thread.number === number)) continue
      const thread = start(number, lost)
      threads.push(thread)
      return thread
    }
    return best
  }
  const begin = (job: Job, thread: Thread): void => {
    const jobs = running.get(thread) ?? new Set()
    running.set(thread, jobs)
    jobs.add(job)
    const take = (answer: Answer): void => {
      jobs.delete(job)
      job.answered(answer)
      pump()
      trim()
    }
    try {
      job.dispatch(thread, take)
    } catch (error) {
      jobs.delete(job)
      job.failed(error)
    }
  }
  const pump = (): void => {
    for (let at = 0; at < waiting.length; ) {
      const job = waiting[at] as Job
      let thread: Thread | undefined
      try {
        thread = pick(job.share, WINDOW)
      } catch (error) {
        waiting.splice(at, 1)
        job.failed(error)
        continue
      }
      if (thread === undefined) at++
      else {
        waiting.splice(at, 1)
        begin(job, thread)
      }
    }
  }
  const finishing = async (thread: Thread): Promise<void> => {
    const ending = thread.end()
    endings.add(ending)
    await ending.finally(() => endings.delete(ending))
  }
  const finish = (thread: Thread): Promise<void> => {
    remove(thread)
    running.delete(thread)
    return finishing(thread)
  }
  const trim = (): void => {
    let most = 0
    for (const { size } of shares) most = Math.max(most, size)
    if (shares.size === 0) return
    for (const thread of threads.filter(thread => thread.number >= most && loadOf(thread) === 0 && thread.pending === 0)) finish(thread).catch(() => undefined)
  }
  return {
    slabs: slabs(),
    returned: slabs(),
    nextId: () => ++serial,
    join: share => void shares.add(share),
    async leave(share) {
      shares.delete(share)
      trim()
      await Promise.all(endings)
    },
    submit(job) {
      waiting.push(job)
      pump()
    },
    withdraw(job) {
      const at = waiting.indexOf(job)
      if (at >= 0) waiting.splice(at, 1)
      return at >= 0
    },
    threadFor(share) {
      const thread = pick(share, Infinity)
      if (thread === undefined) throw new RangeError(`there can be no thread: the size is ${share.size}`)
      return thread
    },
    threads: () => threads,
    onLost(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    trim,
    abandon(some) {
      for (const thread of some) {
        if (!threads.includes(thread) || thread.pending === 0) continue
        finishing(thread).catch(() => undefined)
        lost(thread, { reason: 'was ended, for a function did not return after the iteration had been closed', cause: undefined, started: true, run: 0, node: -1, index: 0 })
      }
    },
    ask: (thread, question) => new Promise<void>(resolve => {
      if (!threads.includes(thread)) return resolve()
      const waiters = asked.get(thread) ?? new Set()
      asked.set(thread, waiters)
      waiters.add(resolve)
      thread.ask(question, [], () => {
        waiters.delete(resolve)
        resolve()
      })
    }),
    async end() {
      await Promise.all([...[...threads].map(finish), ...endings])
      for (const waiters of asked.values()) waiters.forEach(done => done())
      asked.clear()
    }
  }
}
