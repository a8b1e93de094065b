/** Functions that worker threads load. */
export const double = x => 2 * x
export const odd = x => x % 2 === 1
export const addIndex = (x, { index }) => x + index
export const draw = (x, { rng }) => [x, rng.uniform()]
export const makeAdd = n => x => x + n
export const later = async x => {
  await new Promise(resolve => setImmediate(resolve))
  return x + 1
}
export const notOdd = x => {
  if (x % 7 === 3) throw new RangeError(`no ${x}`)
  return x
}
export const row = x => ({ xs: { dtype: 'float32', shape: [2], data: Float32Array.of(x, x + 0.5) }, id: x })
export const ragged = x => (x === 5 ? 'text' : x)
export const number = 5
export const identity = x => x
const pixels = new Uint8Array(224 * 224 * 3)
export const image = () => ({ dtype: 'uint8', shape: [224, 224, 3], data: pixels })
import { threadId } from 'node:worker_threads'
import { existsSync, writeFileSync } from 'node:fs'
export const thread = x => [x, threadId]
export const exitAt = at => x => (x === at ? process.exit(3) : x)
export const killAt = at => async x => {
  if (x === at) setTimeout(() => { throw new Error('nobody catches this') })
  await new Promise(resolve => setTimeout(resolve, x === at ? 10_000 : 1))
  return x
}
export const exitOnce = (at, marker) => x => {
  if (x === at && !existsSync(marker)) {
    writeFileSync(marker, '')
    process.exit(1)
  }
  return x
}
export const hoard = at => x => {
  if (x !== at) return x
  const all = []
  for (;;) all.push(new Array(100_000).fill(x))
}
export const closure = x => () => x
export const waitForSignal = async (x, { signal }) => {
  await new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  return x
}
let initialised
export const init = number => { initialised = number }
export const initOf = () => initialised
export const badInit = () => { throw new Error('no such device') }
export const firstByte = bytes => bytes[0]
export const bytesRow = bytes => ({ dtype: 'int32', shape: [1], data: Int32Array.of(bytes[0]) })
