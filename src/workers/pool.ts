import type { ThreadingOptions, WorkerOptions } from '../plan/tuning.js'
import type { Program, Workers } from '../plan/workers.js'
import { makeCrew, type Crew, type Share } from './crew.js'
import { startThread, type ThreadKind } from './pool-thread.js'
import { makeProgram } from './program.js'

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

/** A crew, and how long it is to stay. */
interface Kept {
  readonly crew: Crew
  users: number
  persistent: boolean
  idle: ReturnType<typeof setTimeout> | undefined
}

/** Threads of one kind are shared by all iterations of the process, as many as the one with the most wants. */
const CREWS = new Map<string, Kept>()
/** How long threads that persist wait for the next iteration. */
const IDLE_MS = 30_000
/** Threads that an iteration may ask for where nothing bounds it. */
const MOST_THREADS = 256

/**
 * Makes threads available to an iteration. None is started before it has something to do.
 *
 * `size` begins with the `count` of the options, or as many as there are cores, and `privateThreadpoolSize` at most. Where that is given it is what `most` says:
 * more than there are cores only for numbers that the user gave. Without it, an operator for which the user asked for more threads may set `size` above `most`.
 */
export function openWorkers({ cores, options: { count, persistent = false, retries = 0, maxHeapBytes, init }, threading: { privateThreadpoolSize } }: WorkersOptions): IterationWorkers {
  const bound = privateThreadpoolSize ?? MOST_THREADS
  const first = Math.max(1, Math.min(typeof count === 'number' && count > 0 ? count : cores, bound))
  const share: Share = { size: first }
  const programs = new Set<Program>()
  const kind: ThreadKind = { maxHeapBytes, init: init && { url: init.url, name: init.name } }
  let joined: Kept | undefined
  let closing: Promise<void> | undefined

  const crew = (): Crew => {
    if (joined === undefined) {
      joined = crewOf(kind)
      joined.users++
      joined.persistent ||= persistent
      joined.crew.join(share)
    }
    return joined.crew
  }
  return {
    get size() {
      return share.size
    },
    set size(value) {
      share.size = Math.max(1, Math.min(bound, Math.floor(value)))
      joined?.crew.trim()
    },
    most: privateThreadpoolSize ?? first,
    load(piece) {
      const program = makeProgram(piece, crew(), share, retries, closed => programs.delete(closed))
      programs.add(program)
      return program
    },
    close: () => (closing ??= (async () => {
      await Promise.all([...programs].map(program => program.close()))
      if (joined === undefined) return
      await leave(joined, share)
    })())
  }
}

function crewOf(kind: ThreadKind): Kept {
  const key = JSON.stringify(kind)
  let kept = CREWS.get(key)
  if (kept === undefined) CREWS.set(key, (kept = { crew: makeCrew((number, lost) => startThread(number, kind, lost)), users: 0, persistent: false, idle: undefined }))
  clearTimeout(kept.idle)
  return kept
}

async function leave(kept: Kept, share: Share): Promise<void> {
  if (--kept.users > 0 || !kept.persistent) {
    await kept.crew.leave(share)
    if (kept.users === 0) await end(kept)
    return
  }
  await kept.crew.leave(share)
  if (kept.users > 0) return // somebody came meanwhile
  kept.idle = setTimeout(() => { end(kept).catch(() => undefined) }, IDLE_MS)
  kept.idle.unref()
}

async function end(kept: Kept): Promise<void> {
  for (const [key, other] of CREWS) if (other === kept) CREWS.delete(key)
  clearTimeout(kept.idle)
  await kept.crew.end()
}

/**
 * Ends the worker threads that wait for a next iteration (`options({ workers: { persistent: true } })`). Those in use stay. Without it they end
 * by themselves after 30 s, and do not keep the process alive.
 */
export async function endWorkers(): Promise<void> {
  await Promise.all([...CREWS.values()].filter(({ users }) => users === 0).map(end))
}
