/** In children: what the machine does without any library, with which the figures of pipelines are compared. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { medianPass } from '../harness/measure.mjs'
import { burn } from './work.mjs'

const THREAD = new URL('./plain-thread.mjs', import.meta.url)

/** Rounds of `burn` that take a microsecond on one thread of a machine at rest. */
export function roundsPerMicrosecond() {
  const rounds = 2_000_000
  let best = Infinity
  let sum = 0
  for (let i = 0; i < 20; i++) {
    const start = performance.now()
    sum += burn(i, rounds)
    best = Math.min(best, performance.now() - start)
  }
  return { rounds: rounds / (best * 1000), sum }
}

/** Calls per second of so many threads that burn and exchange nothing. */
export async function plainThreads({ threads, rounds, ms }) {
  const workers = await startThreads(threads)
  const all = calls => Promise.all(workers.map(worker => ask(worker, { rounds, calls })))
  await all(100)
  const start = performance.now()
  await all(100)
  const calls = Math.ceil(ms / (performance.now() - start) * 100)
  const time = await medianPass(() => all(calls), { warmUp: 0, passes: 1 })
  await Promise.all(workers.map(worker => worker.terminate()))
  return threads * calls / time * 1e9
}

/** Milliseconds for a buffer to be transferred to a thread and back, written to on neither side. */
export async function transferThereAndBack({ bytes }) {
  const [worker] = await startThreads(1)
  let buffer = new Uint8Array(bytes).fill(1).buffer
  const time = await medianPass(async () => {
    ({ buffer } = await ask(worker, { buffer }, [buffer]))
  }, { warmUp: 20, passes: 100 })
  await worker.terminate()
  return time / 1e6
}

async function startThreads(count) {
  const workers = Array.from({ length: count }, () => new Worker(THREAD))
  await Promise.all(workers.map(worker => once(worker, 'online')))
  return workers
}

async function ask(worker, message, transfer) {
  const answer = once(worker, 'message')
  worker.postMessage(message, transfer)
  return (await answer)[0]
}
