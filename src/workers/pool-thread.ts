import { Worker } from 'node:worker_threads'
import { messageOf } from '../errors.js'
import type { Answer, Question, ThreadSetup } from './messages.js'
import { CELLS, INDEX, NODE, RUN } from './progress.js'

/** Why a thread is no more, and what it was doing. */
export interface Loss {
  /** In words: `exited with code 3`. */
  readonly reason: string
  readonly cause: unknown
  /** False when it broke down before it was ready. */
  readonly started: boolean
  /** The task or session that was being worked on, 0 for none; the node, -1 for none; the ordinal of the element in its input. */
  readonly run: number
  readonly node: number
  readonly index: number
}

/** What all threads of one kind have in common. */
export interface ThreadKind {
  readonly maxHeapBytes: number | undefined
  readonly init: ThreadSetup['init']
}

/** A worker thread. */
export interface Thread {
  readonly number: number
  /** Questions that were not answered yet. */
  readonly pending: number
  /** Sessions that it keeps open count here, so that they are spread. */
  sessions: number
  /** Pieces that it has loaded. */
  readonly programs: Set<number>
  send(question: Question, transfer?: readonly ArrayBuffer[]): void
  /** Sends a question with an `id`; `take` is called once, with the answer, unless the thread is lost before. */
  ask(question: Question & { readonly id: number }, transfer: readonly ArrayBuffer[], take: (answer: Answer) => void): void
  /** Ends it. */
  end(): Promise<void>
}

/** Starts a thread. While nothing is asked of it, it does not keep the process alive. */
export function startThread(number: number, { maxHeapBytes, init }: ThreadKind, lost: (thread: Thread, loss: Loss) => void): Thread {
  const cells = new SharedArrayBuffer(8 * CELLS)
  const progress = new Float64Array(cells)
  const setup: ThreadSetup = { number, cells, init }
  const worker = new Worker(new URL('./entry.js', import.meta.url), {
    name: `millrace ${number}`,
    workerData: setup,
    execArgv: [],
    ...(maxHeapBytes !== undefined && { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(maxHeapBytes / 2 ** 20) } })
  })
  worker.unref()
  const takers = new Map<number, (answer: Answer) => void>()
  let started = false
  let ending = false
  let failure: { readonly error: unknown } | undefined
  const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))

  worker.on('message', (answer: Answer) => {
    if (answer.type === 'ready') {
      started = true
      return
    }
    const take = takers.get(answer.id)
    takers.delete(answer.id)
    if (takers.size === 0) worker.unref()
    take?.(answer)
  })
  worker.on('error', error => {
    failure = { error }
  })
  worker.once('exit', code => {
    takers.clear()
    if (ending) return
    lost(thread, { reason: reasonOf(code, failure?.error, maxHeapBytes), cause: failure?.error, started, run: progress[RUN] as number, node: progress[NODE] as number, index: progress[INDEX] as number })
  })
  const thread: Thread = {
    number,
    get pending() {
      return takers.size
    },
    sessions: 0,
    programs: new Set(),
    send(question, transfer = []) {
      worker.postMessage(question, transfer)
    },
    ask(question, transfer, take) {
      worker.postMessage(question, transfer)
      if (takers.size === 0) worker.ref()
      takers.set(question.id, take)
    },
    async end() {
      ending = true
      worker.ref() // until it has ended: who waits for that must not be left waiting by the end of the process
      await worker.terminate()
      await ended
    }
  }
  return thread
}

function reasonOf(code: number, error: unknown, maxHeapBytes: number | undefined): string {
  const { code: kind } = (error ?? {}) as { readonly code?: unknown }
  if (kind === 'ERR_WORKER_OUT_OF_MEMORY') return `ran out of memory${maxHeapBytes === undefined ? '' : `, of which it had ${Math.ceil(maxHeapBytes / 2 ** 20)} MiB (options: workers: maxHeapBytes)`}`
  if (error !== undefined) return `was ended by an error that nobody caught: ${messageOf(error)}`
  return `ended with exit code ${code}`
}
