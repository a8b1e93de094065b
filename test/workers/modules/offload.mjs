/** Functions that run on threads in tests of what is offloaded. */
import { isMainThread } from 'node:worker_threads'

/** Computes for a while. */
export function burn(x) {
  let sum = x
  for (let i = 0; i < 3000; i++) sum = Math.sqrt(sum * sum + i)
  return sum
}
export const where = x => [x, isMainThread]
export const failing = (x, { index }) => {
  if (x % 9 === 4) throw new RangeError(`no ${x} at ${index}`)
  return x
}
export const waiting = async x => {
  await new Promise(resolve => setTimeout(resolve, 1))
  return x + 1
}
export const random = (x, { rng, index }) => ({ x, index, y: { dtype: 'float64', shape: [2], data: Float64Array.of(rng.uniform(), rng.uniform()) } })
export const small = x => x % 3 !== 1
class Odd {
  constructor(x) {
    this.x = x
  }
}
/** Some of what comes out cannot be sent. */
export const boxed = x => (x % 5 === 3 ? new Odd(x) : x)
export const boxedLate = x => (burn(x), x < 900 ? x : new Odd(x))
export const all = () => true
