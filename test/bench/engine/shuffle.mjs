import { medianPass } from '../harness/measure.mjs'
import { millrace } from '../package.mjs'
import { CONTENDERS } from './contenders.mjs'
import { BATCH } from './pipelines.mjs'

export const BUFFER = 10_000

/**
 * In a child: nanoseconds per element of handles (numbers) that are shuffled and batched. `way` is one of: `buffer` through a
 * buffer of 10,000; `whole` by a permutation of the indices; `vast` the same over 10⁹ indices, of which the first `n` are
 * taken. `contender` is `millrace`, `loop` or `tfjs-data`.
 */
export async function shuffleCost({ contender, way, n }) {
  return { nanoseconds: await medianPass(await PASSES[contender](way, n), { warmUp: 3, passes: 11 }) / n }
}

const PASSES = {
  async millrace(way, n) {
    const { Dataset } = await millrace()
    const dataset = {
      buffer: () => Dataset.range(n).shuffle(BUFFER, { seed: 1 }),
      whole: () => Dataset.range(n).shuffle({ seed: 1 }),
      vast: () => Dataset.range(1_000_000_000).shuffle({ seed: 1 }).take(n)
    }[way]().batch(BATCH, { numbers: 'int32' })
    return async () => {
      let sum = 0
      for await (const batch of dataset) sum += batch.data[0]
      return sum
    }
  },

  async loop(way, n) {
    return () => (way === 'buffer' ? bufferLoop(n) : permutationLoop(n))
  },

  async 'tfjs-data'(_, n) {
    const build = await CONTENDERS['tfjs-data'].load()
    return build(n, [['shuffle', BUFFER]], BATCH)
  }
}

/** By hand: a buffer of 32-bit handles and xoshiro128**, batches as fresh arrays. */
async function bufferLoop(n) {
  const random = xoshiro()
  const buffer = new Int32Array(BUFFER)
  const first = Math.min(BUFFER, n)
  for (let i = 0; i < first; i++) buffer[i] = i
  let held = first
  let sum = 0
  let batch = new Int32Array(BATCH)
  let filled = 0
  for (let next = first; held > 0;) {
    const slot = Math.floor(random() * 2 ** -32 * held)
    batch[filled++] = buffer[slot]
    if (next < n) buffer[slot] = next++
    else buffer[slot] = buffer[--held]
    if (filled === BATCH) {
      sum += (await batch)[0]
      batch = new Int32Array(BATCH)
      filled = 0
    }
  }
  return sum
}

/** By hand: Fisher and Yates over a table, batches as fresh arrays. */
async function permutationLoop(n) {
  const random = xoshiro()
  const order = new Int32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * 2 ** -32 * (i + 1))
    const other = order[j]
    order[j] = order[i]
    order[i] = other
  }
  let sum = 0
  for (let start = 0; start < n; start += BATCH) sum += (await order.slice(start, start + BATCH))[0]
  return sum
}

function xoshiro() {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x71374491]
  return () => {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result >>> 0
  }
}
