import { MillraceError, type ByteSource } from '../../../src/format.js'
import { FAILED, PENDING, READY, type Failure, type Message, type Request, type Results, type Task, type WorkerSetup } from './protocol.js'

type Threads = typeof import('node:worker_threads')
type Thread = import('node:worker_threads').Worker

/** A thread with h5wasm that has a file open. */
export interface Session {
  /**
   * Has a task done. Tasks are done one after the other; one that is given up by its signal rejects at once.
   * @throws MillraceError as {@link Failure} says, or that of the store
   */
  perform<K extends Task['task']>(task: Extract<Task, { task: K }>, signal: AbortSignal): Promise<Results[K]>
  /** Ends the thread. Everything that is still waited for rejects with `Closed`. */
  close(): Promise<void>
}

interface Job {
  readonly request: Request
  readonly resolve: (result: Results[keyof Results]) => void
  readonly reject: (error: unknown) => void
  /** Ends the reads of the file that this job waits for. */
  readonly reading: AbortController
  readonly done: () => void
}

/** Tasks that the thread has at a time: the next one lies ready while the values of the last one are being copied. */
const MOST_GIVEN = 2
const BLOCK_BYTES = 2 ** 20
const SMALL_BLOCK_BYTES = 2 ** 16

/**
 * Prepares to read a file in a thread of its own. The thread starts with the first task, and again after it broke down. It keeps the
 * process alive only as long as a task is waited for.
 *
 * Memory: `cacheBytes` of blocks of the file, and what h5wasm needs.
 */
export function openSession(source: ByteSource, cacheBytes: number): Session {
  const threads = nodeThreads()
  const { uri, byteLength } = source
  const blockBytes = cacheBytes < 4 * BLOCK_BYTES ? SMALL_BLOCK_BYTES : BLOCK_BYTES
  const slots = Math.max(2, Math.min(Math.floor(cacheBytes / blockBytes), Math.ceil(byteLength / blockBytes)))

  const queue: Job[] = []
  const given: Job[] = []
  const reads = new Set<Promise<void>>()
  let thread: Thread | undefined
  let ids = 0
  let closing: Promise<void> | undefined
  /** What the store threw last. */
  let storeError: unknown

  function start(): Thread {
    const states = new SharedArrayBuffer(4 * slots)
    const bytes = new SharedArrayBuffer(slots * blockBytes)
    const workerData: WorkerSetup = { byteLength, blockBytes, states, bytes }
    const started = new threads.Worker(workerUrl(), { workerData, name: 'hdf5', stdout: true, stderr: true, execArgv: [] })
    const slotStates = new Int32Array(states)
    const shared = new Uint8Array(bytes)
    started.on('message', (message: Message) => {
      if (thread !== started) return
      if ('want' in message) for (const [block, slot] of message.want) fill(block, slot, slotStates, shared)
      else settle(message)
    })
    started.on('error', error => broke(started, error))
    started.on('exit', code => broke(started, new Error(`it ended with code ${code}`)))
    return started
  }

  function fill(block: number, slot: number, states: Int32Array, shared: Uint8Array): void {
    const reading = (given[0]?.reading ?? new AbortController()).signal
    const offset = block * blockBytes
    const into = new Uint8Array(Math.min(blockBytes, byteLength - offset))
    const read: Promise<void> = (async () => {
      let state = FAILED
      try {
        reading.throwIfAborted()
        await source.read(offset, into, { signal: reading })
        shared.set(into, slot * blockBytes)
        state = READY
      } catch (error) {
        if (!reading.aborted) storeError = error
      }
      Atomics.compareExchange(states, slot, PENDING, state)
      Atomics.notify(states, slot)
    })().finally(() => reads.delete(read))
    reads.add(read)
  }

  function settle(message: Exclude<Message, { want: unknown }>): void {
    const at = given.findIndex(job => job.request.id === message.id)
    const [job] = at < 0 ? [] : given.splice(at, 1)
    if ('failure' in message) {
      if (message.failure.fatal) discard()
      job?.reject(message.failure.ofStore && storeError !== undefined ? storeError : errorOf(message.failure))
      storeError = undefined
    } else {
      job?.resolve(message.result)
    }
    job?.done()
    give()
  }

  function errorOf({ kind, message }: Failure): MillraceError {
    return new MillraceError(kind, `${uri}: ${message}`, { uri, operation: 'read' })
  }

  /** Ends the thread, and takes back what was given to it. */
  function discard(): void {
    const old = thread
    thread = undefined
    queue.unshift(...given.splice(0).filter(job => !job.reading.signal.aborted))
    old?.terminate().catch(() => undefined)
  }

  function broke(which: Thread, cause: unknown): void {
    if (thread !== which) return
    thread = undefined
    const memory = (cause as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
    const error = new MillraceError(memory ? 'Limit' : 'Internal',
      `${uri}: the thread with h5wasm ${memory ? 'ran out of memory' : 'broke down'}; the next read starts another one`, { uri, operation: 'read', cause })
    for (const job of given.splice(0)) {
      job.reading.abort(error)
      job.reject(error)
      job.done()
    }
    give()
  }

  function give(): void {
    if (closing !== undefined) return
    while (given.length < MOST_GIVEN) {
      const job = queue.shift()
      if (job === undefined) break
      try {
        thread ??= start()
      } catch (cause) {
        job.reject(new MillraceError('Unsupported', `${uri}: h5wasm needs a thread, which could not be started`, { uri, operation: 'read', cause }))
        job.done()
        continue
      }
      given.push(job)
      thread.postMessage(job.request)
    }
    keepAlive()
  }

  function keepAlive(): void {
    if (given.some(job => !job.reading.signal.aborted)) thread?.ref()
    else thread?.unref()
  }

  return {
    perform(task, signal) {
      return new Promise((resolve, reject) => {
        if (closing !== undefined) throw closedError(uri)
        signal.throwIfAborted()
        const reading = new AbortController()
        const abort = (): void => {
          const at = queue.indexOf(job)
          if (at >= 0) queue.splice(at, 1)
          reading.abort(signal.reason)
          reject(signal.reason as Error)
          job.done()
          keepAlive()
        }
        const job: Job = {
          request: { id: ids++, task },
          // The reply to a request is the result of its task.
          resolve: resolve as (result: Results[keyof Results]) => void,
          reject,
          reading,
          done: () => signal.removeEventListener('abort', abort)
        }
        signal.addEventListener('abort', abort, { once: true })
        queue.push(job)
        give()
      })
    },
    close() {
      closing ??= (async () => {
        const error = closedError(uri)
        for (const job of [...queue.splice(0), ...given.splice(0)]) {
          job.reading.abort(error)
          job.reject(error)
          job.done()
        }
        const old = thread
        thread = undefined
        await old?.terminate()
        await Promise.all(reads)
      })()
      return closing
    }
  }
}

function closedError(uri: string): MillraceError {
  return new MillraceError('Closed', `${uri}: the file was closed`, { uri, operation: 'read' })
}

function nodeThreads(): Threads {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => Threads | undefined } }).process
  const threads = process?.getBuiltinModule?.('node:worker_threads')
  if (threads === undefined) throw new MillraceError('Unsupported', 'h5wasm is run in a thread of Node, and this is not Node >= 20.18')
  return threads
}

/** Threads run what was compiled, also when this file is run as TypeScript. */
function workerUrl(): URL {
  const compiled = import.meta.url.endsWith('.ts') ? '../../../dist/formats/hdf5/h5wasm/worker.js' : './worker.js'
  return new URL(compiled, import.meta.url)
}
