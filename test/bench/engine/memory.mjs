import { millrace } from '../package.mjs'
import { BATCH } from './pipelines.mjs'

/** In a child with `--expose-gc`: bytes of growth per 10⁶ elements of range → map → filter → batch(128). */
export async function memorySlope({ elements, samples }) {
  const { Dataset } = await millrace()
  const dataset = Dataset.range(elements).map(x => x & 0xffff).filter(x => (x & 3) !== 0).batch(BATCH)
  const every = elements / samples
  const watch = watcher()
  let sum = 0
  let seen = 0
  let next = every
  for await (const batch of dataset) {
    sum += batch.data[0]
    seen += BATCH / 3 * 4
    if (seen < next) continue
    watch.sample(seen / 1e6)
    next += every
  }
  return { ...watch.slopes(), sum }
}

/** The same for whole iterations over a small dataset: bytes of growth per iteration, every third of them broken off. */
export async function iterationSlope({ iterations, samples }) {
  const { Dataset } = await millrace()
  const dataset = Dataset.range(1000).shuffle(100).map(x => x + 1).filter(x => (x & 3) !== 0).batch(32).prefetch(2)
  const every = iterations / samples
  const watch = watcher()
  let sum = 0
  for (let i = 1; i <= iterations; i++) {
    for await (const batch of dataset) {
      sum += batch.data[0]
      if (i % 3 === 0) break
    }
    if (i % every === 0) watch.sample(i)
  }
  return { ...watch.slopes(), sum }
}

/** Collects the live bytes after a full collection, and fits a line through all but the first fifth. */
function watcher() {
  const at = []
  const heap = []
  const resident = []
  return {
    sample(x) {
      globalThis.gc()
      globalThis.gc()
      const { heapUsed, external, rss } = process.memoryUsage()
      at.push(x)
      heap.push(heapUsed + external)
      resident.push(rss)
    },
    slopes() {
      const from = Math.ceil(at.length / 5)
      return { heap: slope(at.slice(from), heap.slice(from)), rss: slope(at.slice(from), resident.slice(from)), samples: at.length - from }
    }
  }
}

/** Least squares. */
function slope(xs, ys) {
  const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x0, y0] = [mean(xs), mean(ys)]
  const spread = xs.reduce((sum, x) => sum + (x - x0) ** 2, 0)
  return xs.reduce((sum, x, i) => sum + (x - x0) * (ys[i] - y0), 0) / spread
}
