import { MillraceError } from '../errors.js'
import type { State } from '../plan/operator.js'
import type { Reply, Session, SessionOptions } from '../plan/workers.js'
import { errorFrom } from './error-json.js'
import type { Answer } from './messages.js'
import type { Loss, Thread } from './pool-thread.js'
import { lostError, type LoadedPiece } from './loaded-piece.js'

type PullReply = Reply & { readonly ended: boolean; readonly state?: State | undefined }

interface PendingPull {
  readonly max: number
  resolve(reply: PullReply): void
  reject(error: unknown): void
}

/** How often a session that was not being worked on is moved to another thread. */
const MOST_MOVES = 3

/**
 * A session as this thread has it. It stays on one thread; when that breaks down, another one goes on from the last state, if the policy
 * allows it or the session was not what was being worked on.
 */
export function openRemoteSession(piece: LoadedPiece, state: State | undefined, { signal, files }: SessionOptions, closed: () => void): Session {
  const { crew, program, share, retries } = piece
  let at = state
  let thread: Thread | undefined
  let id = 0
  let attempts = 0
  let moves = 0
  let broken: { readonly error: unknown } | undefined
  let closing: Promise<void> | undefined
  const pending: PendingPull[] = []

  const openOn = (): Thread => {
    if (thread !== undefined) return thread
    const chosen = crew.threadFor(share)
    piece.loadOn(chosen)
    id = crew.nextId()
    chosen.send({ type: 'open', session: id, program, state: at, files })
    chosen.sessions++
    return (thread = chosen)
  }
  const ask = (pull: PendingPull): void => {
    const on = openOn()
    const returned = crew.returned.drain()
    on.ask({ type: 'pull', id: crew.nextId(), session: id, max: pull.max, returned }, returned, answer => take(pull, answer))
  }
  const take = (pull: PendingPull, answer: Answer): void => {
    const place = pending.indexOf(pull)
    if (place >= 0) pending.splice(place, 1)
    try {
      if (answer.type !== 'reply') return pull.reject(answer.type === 'failed' ? errorFrom(answer.error) : new MillraceError('Internal', `a thread answered a pull with ${answer.type}`))
      const reply = piece.read(answer)
      at = reply.parts.at(-1)?.state ?? at
      attempts = moves = 0
      pull.resolve(reply)
    } catch (error) {
      pull.reject(error)
    }
  }
  const lost = (gone: Thread, loss: Loss): void => {
    if (gone !== thread) return
    thread = undefined
    if (closing !== undefined) return // whoever closes it rejects what is pending
    if (signal.aborted) pending.length = 0 // they were rejected
    const working = loss.run === id
    if (pending.length === 0 && !working) return // the next pull opens it anew
    const again = working || !loss.started ? ++attempts <= retries && loss.started : ++moves <= MOST_MOVES
    if (again) return [...pending].forEach(ask)
    broken = { error: lostError(piece.json, loss, working, undefined, attempts) }
    for (const pull of pending.splice(0)) pull.reject(broken.error)
  }
  const stopListening = crew.onLost(lost)
  const abort = (): void => {
    for (const pull of pending) pull.reject(signal.reason) // their replies come to nobody
  }
  signal.addEventListener('abort', abort, { once: true })

  return {
    pull: max => new Promise<PullReply>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      if (closing !== undefined) return reject(new MillraceError('Closed', 'the session was closed'))
      if (broken !== undefined) return reject(broken.error as Error)
      const pull: PendingPull = { max, resolve, reject }
      pending.push(pull)
      try {
        ask(pull)
      } catch (error) {
        pending.splice(pending.indexOf(pull), 1)
        reject(error as Error)
      }
    }),
    close: () => (closing ??= (async () => {
      const on = thread
      if (on !== undefined) await crew.ask(on, { type: 'end', id: crew.nextId(), session: id })
      if (on !== undefined) on.sessions--
      thread = undefined
      for (const pull of pending.splice(0)) pull.reject(new MillraceError('Closed', 'the session was closed'))
      stopListening()
      signal.removeEventListener('abort', abort)
      closed()
      crew.trim()
    })())
  }
}
