/** What runs in a worker thread: it loads pieces of plans, and runs tasks and sessions of them. */
import type { State } from '../plan/operator.js'
import { parentPort, workerData } from 'node:worker_threads'
import { stockMemory } from '../array/pool.js'
import { MillraceError, messageOf } from '../errors.js'
import type { Part, Reply } from '../plan/workers.js'
import { loadFunction } from '../portable.js'
import { errorData } from './error-json.js'
import type { Answer, PackedPart, Question, ThreadSetup } from './messages.js'
import { pack, transferOf, unpack } from './pack.js'
import { openPiece, type RunningPiece } from './run-piece.js'
import type { RunningSession } from './run-session.js'
import { slabs } from './slabs.js'

const { number, cells, init } = workerData as ThreadSetup
const progress = new Float64Array(cells)
const memory = slabs()
const programs = new Map<number, Promise<RunningPiece>>()
const sessions = new Map<number, Promise<RunningSession>>()
let tail: Promise<unknown> = begin() // tasks are run one after the other, so that it is known which one a breakdown was in

/** What the user wants every thread to do first. A failure is the answer to every task. */
async function begin(): Promise<void> {
  if (init === undefined) return
  const run = await loadFunction(init)
  try {
    await run(number)
  } catch (error) {
    throw new MillraceError('UserFunction', `options: workers: init failed in thread ${number}: ${messageOf(error)}`, { cause: error })
  }
}
const started = tail
started.catch(() => undefined)

function answer(message: Answer, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, [...new Set(transfer)])
}

function piece(program: number): Promise<RunningPiece> {
  return programs.get(program) ?? Promise.reject(new MillraceError('Closed', 'the piece of the plan was unloaded'))
}

/** Sends what came out. Batches cross with their memory; everything else is copied into slabs. */
function reply(id: number, { parts, threadMs, ended = false, state }: Reply & { readonly ended?: boolean; readonly state?: State | undefined }, batches: boolean, slab: ArrayBuffer | undefined): void {
  const transfer: ArrayBuffer[] = slab === undefined ? [] : [slab]
  const packed = parts.map((part: Part): PackedPart => {
    if (part.kind === 'error') return { ...part, error: errorData(part.error) }
    const own = part.kind === 'stacked' ? pack([part.stacked], { slabs: memory, owned: true }) : pack(part.elements, { slabs: memory, owned: batches })
    transfer.push(...transferOf(own))
    return part.kind === 'stacked' ? { kind: part.kind, rows: part.rows, packed: own, state: part.state } : { kind: part.kind, packed: own, state: part.state }
  })
  answer({ type: 'reply', id, parts: packed, threadMs, ended, state, slab }, transfer)
}

async function runTask({ id, program, packed, state, index }: Question & { readonly type: 'task' }): Promise<void> {
  await started
  const running = await piece(program)
  const result = await running.run({ elements: unpack(packed, memory), state, index }, id)
  // A function of the user may have kept an element.
  const slab = packed.views && running.declarative ? packed.memories[0] : undefined
  reply(id, result, running.makesBatches, slab)
}

async function runPull({ id, session, max }: Question & { readonly type: 'pull' }): Promise<void> {
  const opened = await sessions.get(session)
  if (opened === undefined) throw new MillraceError('Closed', 'the session was closed')
  reply(id, await opened.pull(max), opened.makesBatches, undefined)
}

function open({ session, program, state, files }: Question & { readonly type: 'open' }): void {
  const opened = started.then(() => piece(program)).then(running => running.session(state, files, session))
  opened.catch(() => undefined)
  sessions.set(session, opened)
}

async function end(session: number): Promise<void> {
  const opened = sessions.get(session)
  sessions.delete(session)
  await opened?.then(running => running.close(), () => undefined)
}

async function unload(program: number): Promise<void> {
  const running = programs.get(program)
  programs.delete(program)
  await running?.then(piece => piece.close(), () => undefined)
}

parentPort?.on('message', (question: Question) => {
  if ('returned' in question) question.returned.forEach(stockMemory)
  if (question.type === 'load') {
    const loaded = openPiece(question.json, progress)
    loaded.catch(() => undefined)
    programs.set(question.program, loaded)
    return
  }
  if (question.type === 'open') return open(question)
  const { id } = question
  const failed = (error: unknown): void => answer({ type: 'failed', id, error: errorData(error) })
  const done = (): void => answer({ type: 'done', id })
  if (question.type === 'task') tail = tail.then(() => runTask(question), () => runTask(question)).catch(failed)
  else if (question.type === 'pull') runPull(question).catch(failed)
  else if (question.type === 'end') end(question.session).then(done, failed)
  else unload(question.program).then(done, failed)
})
answer({ type: 'ready' })
