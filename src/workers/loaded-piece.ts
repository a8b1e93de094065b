import { MillraceError } from '../errors.js'
import type { State } from '../plan/operator.js'
import type { Reply } from '../plan/workers.js'
import type { Crew, Share } from './crew.js'
import type { Answer } from './messages.js'
import type { PieceJson } from './plan-json.js'
import type { Loss, Thread } from './pool-thread.js'

/** A piece as this thread has it: what it takes to have it run by a crew. */
export interface LoadedPiece {
  readonly json: PieceJson
  readonly crew: Crew
  readonly share: Share
  readonly program: number
  readonly retries: number
  /** Sends the piece to a thread that does not have it. */
  loadOn(thread: Thread): void
  read(answer: Answer & { readonly type: 'reply' }): Reply & { readonly ended: boolean; readonly state?: State | undefined }
}

/** The error for the element that a thread was working on when it broke down. */
export function lostError({ nodes }: PieceJson, loss: Loss, working: boolean, first: number | undefined, attempts: number): MillraceError {
  const known = working && loss.node >= 0
  const node = nodes[known ? loss.node : Math.min(1, nodes.length - 1)]
  const index = known ? loss.index : first
  const operator = node?.op ?? 'workers'
  const site = node?.site ?? null
  const place = index === undefined ? '' : known ? ` at element ${index}` : ` at element ${index} or behind it`
  const tries = attempts > 1 ? ` ${attempts} threads were tried.` : ''
  const advice = loss.started ? 'What the function does at this element ends the thread; options({ workers: { retries } }) gives the work to another one' : 'It could not be started'
  return new MillraceError('WorkerLost', `${operator}: the worker thread ${loss.reason}${place}${site === null ? '' : ` (added ${site})`}.${tries} ${advice}`, {
    operator, ...(index !== undefined && { index }), ...(site !== null && { site }), ...(loss.cause !== undefined && { cause: loss.cause })
  })
}
