import { MillraceError } from '../../src/errors.js'
import type { Part, Piece, Program, Reply, Session, Workers } from '../../src/plan/workers.js'
import { abortable } from '../../src/util/abort.js'
import { errorData, errorFrom } from '../../src/workers/error-json.js'
import { packPiece, type PieceJson } from '../../src/workers/plan-json.js'
import { openPiece, type RunningPiece } from '../../src/workers/run-piece.js'
import { seededRandom } from '../servers/seeded.js'

/** How {@link inProcessWorkers} behaves. */
export interface DoubleOptions {
  /** @default 2 */
  readonly threads?: number
  /** Replies come in another order for every seed; undefined: in the order of tasks. */
  readonly seed?: number
  /** Ordinals of tasks, counted over all programs, that break down. */
  readonly breaks?: readonly number[]
}

/** Workers without threads: every piece is written as JSON and run from it, and all that crosses is cloned. */
export interface DoubleWorkers extends Workers {
  /** What happened so far. */
  readonly seen: { tasks: number; elements: number; sessions: number; open: number; readonly pieces: PieceJson[]; most: number }
  close(): Promise<void>
}

export function inProcessWorkers({ threads = 2, seed, breaks = [] }: DoubleOptions = {}): DoubleWorkers {
  const random = seed === undefined ? () => 0 : seededRandom(seed)
  const seen: DoubleWorkers['seen'] = { tasks: 0, elements: 0, sessions: 0, open: 0, pieces: [], most: 0 }
  const programs = new Set<Program>()
  let underWay = 0

  const turns = async (): Promise<void> => {
    for (let k = 1 + Math.floor(random() * 6); k > 0; k--) await new Promise<void>(resolve => setImmediate(resolve))
  }
  const back = (part: Part): Part => (part.kind === 'error' ? { ...structuredClone({ ...part, error: null }), error: errorFrom(structuredClone(errorData(part.error))) } : structuredClone(part))
  const crossed = <R extends Reply>(reply: R): R => ({ ...reply, parts: reply.parts.map(back) })
  const lost = (index: number): MillraceError => new MillraceError('WorkerLost', `a worker thread broke down at element ${index}`, { index })

  const load = (piece: Piece): Program => {
    const json = JSON.parse(JSON.stringify(packPiece(piece))) as PieceJson
    seen.pieces.push(json)
    // As many as threads: tasks of one piece are run one after the other.
    let opened: Promise<RunningPiece>[] | undefined
    const runners = (): Promise<RunningPiece>[] => (opened ??= Array.from({ length: Math.max(1, threads) }, () => openPiece(json)))
    const sessions = new Set<Session>()
    let closed = false
    let serial = 0
    const program: Program = {
      async run(task, { signal }) {
        signal.throwIfAborted()
        if (closed) throw new MillraceError('Closed', 'the program was closed')
        const ordinal = seen.tasks++
        seen.elements += task.elements.length
        seen.most = Math.max(seen.most, ++underWay)
        const runner = runners()[serial++ % Math.max(1, threads)] as Promise<RunningPiece>
        const elements = structuredClone(task.elements)
        const work = (async () => {
          try {
            await turns()
            if (breaks.includes(ordinal)) throw lost(task.index)
            return crossed(await (await runner).run({ ...structuredClone({ ...task, elements: [] }), elements }))
          } finally {
            underWay--
          }
        })()
        return abortable(work, signal)
      },
      session(state, { signal, files }) {
        seen.sessions++
        seen.open++
        const runner = runners()[serial++ % Math.max(1, threads)] as Promise<RunningPiece>
        const running = runner.then(piece => piece.session(structuredClone(state), structuredClone(files)))
        running.catch(() => undefined)
        let closing: Promise<void> | undefined
        const session: Session = {
          pull: max => abortable(running.then(async session => {
            await turns()
            return crossed(await session.pull(max))
          }), signal),
          close: () => (closing ??= running.then(session => session.close(), () => undefined).finally(() => {
            seen.open--
            sessions.delete(session)
          }))
        }
        sessions.add(session)
        return session
      },
      async close() {
        closed = true
        programs.delete(program)
        for (const piece of opened ?? []) await piece.then(piece => piece.close(), () => undefined)
        for (const session of [...sessions]) await session.close()
      }
    }
    programs.add(program)
    return program
  }
  return {
    size: threads,
    most: threads,
    load,
    seen,
    async close() {
      for (const program of [...programs]) await program.close()
    }
  }
}
