/** Functions of the tests of files that are read in threads. */
import { isMainThread } from 'node:worker_threads'

export const notThird = ({ y }) => y % 3n !== 0n
export const notTen = element => {
  if (element.y === 10n) throw new RangeError('no ten')
  return element
}
export const numbered = (row, { index, rng }) => ({ row, index, draw: rng.uniform() })
export const exitsAtSeven = element => {
  if (element.y === 7n && !isMainThread) process.exit(3)
  return element
}
export const waitsAtSeven = (element, { signal }) => (element.y !== 7n || isMainThread ? element : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))))
