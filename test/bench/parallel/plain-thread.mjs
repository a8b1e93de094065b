/** A thread without any library: `{ rounds, calls }` burns and answers, `{ buffer }` comes back as it is. */
import { parentPort } from 'node:worker_threads'
import { burn } from './work.mjs'

parentPort.on('message', ({ rounds, calls, buffer }) => {
  if (buffer !== undefined) return parentPort.postMessage({ buffer }, [buffer])
  let sum = 0
  for (let i = 0; i < calls; i++) sum += burn(i, rounds)
  parentPort.postMessage({ sum })
})
