import { lendBatch } from '../array/pool.js'
import { MillraceError } from '../errors.js'
import type { Part, Piece, Program, Reply, Session, Task } from '../plan/workers.js'
import type { Crew, Job, Share } from './crew.js'
import { lostError, type LoadedPiece } from './loaded-piece.js'
import { errorFrom } from './error-json.js'
import type { PackedPart } from './messages.js'
import { pack, transferOf, unpack } from './pack.js'
import type { Thread } from './pool-thread.js'
import { packPiece } from './plan-json.js'
import { openRemoteSession } from './remote-session.js'

/** How long functions of the user are waited for at the end. */
const GRACE_MS = 5000

/** Loads a piece for a crew. Threads get it with their first task of it. */
export function makeProgram(piece: Piece, crew: Crew, share: Share, retries: number, closed: (program: Program) => void): Program {
  const program = crew.nextId()
  const json = packPiece(piece)
  const loaded: LoadedPiece = {
    json, crew, share, program, retries,
    loadOn(thread) {
      if (thread.programs.has(program)) return
      thread.send({ type: 'load', program, json })
      thread.programs.add(program)
    },
    read({ parts, threadMs, ended, state, slab }) {
      if (slab !== undefined) crew.slabs.give(slab)
      return { parts: parts.map(part => readPart(part, crew)), threadMs, ended, state }
    }
  }
  const jobs = new Set<{ readonly job: Job; readonly done: Promise<unknown> }>()
  const sessions = new Set<Session>()
  let closing: Promise<void> | undefined

  const close = async (): Promise<void> => {
    for (const { job } of [...jobs]) if (crew.withdraw(job)) job.failed(new MillraceError('Closed', 'the piece of the plan was closed'))
    const threads = new Set(crew.threads().filter(thread => thread.programs.delete(program)))
    const stuck = setTimeout(() => crew.abandon([...threads]), GRACE_MS)
    stuck.unref()
    const unload = async (thread: Thread): Promise<void> => {
      await crew.ask(thread, { type: 'unload', id: crew.nextId(), program })
      threads.delete(thread)
    }
    // Together: what a session waits for may end only when functions are told.
    await Promise.all([...[...sessions].map(session => session.close()), ...[...threads].map(unload)])
    await Promise.all([...jobs].map(({ done }) => done))
    clearTimeout(stuck)
    closed(handle)
  }
  const handle: Program = {
    run(task, { signal }) {
      if (closing !== undefined) return Promise.reject(new MillraceError('Closed', 'the piece of the plan was closed'))
      if (signal.aborted) return Promise.reject(signal.reason as Error)
      return new Promise<Reply>((resolve, reject) => {
        let finished: () => void = () => undefined
        const done = new Promise<void>(resolve => (finished = resolve))
        const abort = (): void => {
          reject(signal.reason as Error)
          if (crew.withdraw(job)) over()
        }
        const over = (): void => {
          signal.removeEventListener('abort', abort)
          jobs.delete(entry)
          finished()
        }
        const wanted = (): boolean => closing === undefined && !signal.aborted
        const job = taskJob(loaded, task, wanted, outcome => {
          over()
          if ('reply' in outcome) resolve(outcome.reply)
          else reject(outcome.error as Error)
        })
        const entry = { job, done }
        jobs.add(entry)
        signal.addEventListener('abort', abort, { once: true })
        crew.submit(job)
      })
    },
    session(state, options) {
      if (closing !== undefined) throw new MillraceError('Closed', 'the piece of the plan was closed')
      const session = openRemoteSession(loaded, state, options, () => sessions.delete(session))
      sessions.add(session)
      return session
    },
    close: () => (closing ??= close())
  }
  return handle
}

/** The elements are kept until the reply is there: another thread may have to be given them. */
function taskJob(piece: LoadedPiece, { elements, state, index }: Task, wanted: () => boolean, settle: (outcome: { readonly reply: Reply } | { readonly error: unknown }) => void): Job {
  const { crew, program } = piece
  const id = crew.nextId()
  let attempts = 0
  return {
    id,
    share: piece.share,
    wanted,
    dispatch(thread, take) {
      const packed = pack(elements, { slabs: crew.slabs, index })
      piece.loadOn(thread)
      const returned = crew.returned.drain()
      thread.ask({ type: 'task', id, program, packed, state, index, returned }, [...transferOf(packed), ...returned], take)
    },
    answered(answer) {
      try {
        if (answer.type === 'reply') settle({ reply: piece.read(answer) })
        else settle({ error: answer.type === 'failed' ? errorFrom(answer.error) : new MillraceError('Internal', `a thread answered a task with ${answer.type}`) })
      } catch (error) {
        settle({ error })
      }
    },
    lost(loss) {
      if (++attempts <= piece.retries && loss.started) return true
      settle({ error: lostError(piece.json, loss, loss.run === id, index, attempts) })
      return false
    },
    failed: error => settle({ error })
  }
}

function readPart(part: PackedPart, crew: Crew): Part {
  const state = part.state === undefined ? {} : { state: part.state }
  if (part.kind === 'error') return { kind: part.kind, error: errorFrom(part.error), ...state }
  const elements = unpack(part.packed, crew.slabs)
  // What came with its own memory goes back with it, once it is released.
  if (part.packed.memories.length > 1) for (const element of elements) lendBatch(element, { give: memory => crew.returned.give(memory as ArrayBuffer) })
  return part.kind === 'stacked' ? { kind: part.kind, rows: part.rows, stacked: elements[0], ...state } : { kind: part.kind, elements, ...state }
}
