/** Functions of datasets that worker threads load. */
import { threadId } from 'node:worker_threads'

let number = -1

/** Called once in each thread. */
export const init = thread => { number = thread }

/** An element, and where it was made. */
export const get = index => {
  if (index === 13) throw new RangeError('no luck')
  return { x: { dtype: 'float32', shape: [4], data: new Float32Array(4).fill(index) }, y: index, thread: threadId, number }
}
export const plain = (index, { rng }) => [index, rng.uniform()]
export const sum = rows => rows.reduce((a, { y }) => a + y, 0)
export const where = rows => ({ ys: rows.map(({ y }) => y), thread: threadId })
