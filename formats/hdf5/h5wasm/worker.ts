/**
 * The thread that h5wasm runs in: it may sleep until bytes of the file are there, and decode for long, while the main thread goes on.
 */
import { fileBlocks } from './blocks.js'
import { Fault, isFault } from './faults.js'
import { loadH5wasm, mountFile } from './load.js'
import type { Message, Request, Results, Task, WorkerSetup } from './protocol.js'
import { openDatasets, type Datasets } from './datasets.js'

/** After so many errors the thread is replaced: each leaves something on the stack of the C library (it was full after 1,700). */
const MOST_ERRORS = 64

const threads = globalThis.process.getBuiltinModule('node:worker_threads')
const port = threads.parentPort
if (port !== null) serve(port, threads.workerData as WorkerSetup)

function serve(port: import('node:worker_threads').MessagePort, setup: WorkerSetup): void {
  const send = (message: Message, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const blocks = fileBlocks(setup, send)
  let ofStore = false
  let errors = 0
  let datasets: Promise<Datasets> | undefined

  function read(position: number, length: number, heap: Int8Array, at: number): void {
    try {
      blocks.read(position, length, heap, at)
    } catch (error) {
      ofStore = true
      throw error
    }
  }

  async function open(): Promise<Datasets> {
    const module = await loadH5wasm()
    return openDatasets(module, mountFile(module, setup.byteLength, read))
  }

  async function answer({ id, task }: Request): Promise<void> {
    ofStore = false
    blocks.begin()
    let opened = false
    try {
      datasets ??= open()
      const found = await datasets
      opened = true
      const result = perform(found, task)
      send({ id, result }, buffersIn(task, result))
    } catch (error) {
      errors++
      const { kind, message, fatal } = isFault(error) ? error : new Fault('Internal', `the thread with h5wasm failed: ${String(error)}`, true)
      send({ id, failure: { kind, message, ofStore, fatal: fatal || errors >= MOST_ERRORS || !opened } })
    }
  }

  // One after the other: the state above belongs to one request.
  let last: Promise<void> = Promise.resolve()
  port.on('message', (request: Request) => {
    last = last.then(() => answer(request))
  })
}

function perform(datasets: Datasets, task: Task): Results[keyof Results] {
  if (task.task === 'describe') return task.paths.map(path => datasets.describe(path))
  return task.parts.map(part => datasets.read(part))
}

function buffersIn(task: Task, result: Results[keyof Results]): ArrayBuffer[] {
  if (task.task !== 'read') return []
  return (result as Results['read']).flat().flatMap(({ values }) => (Array.isArray(values) ? [] : [values as ArrayBuffer]))
}
