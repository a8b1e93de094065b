import { release } from './package.mjs'

/**
 * In a child: what a dataset of batches does once it runs: elements per second, milliseconds per batch, those of them in which the event
 * loop of this thread was busy, and the milliseconds that other threads computed in all.
 */
export async function steady(dataset, { warmUpMs, ms, released = true }) {
  const iterator = dataset.iterator()
  let rows = 0
  let batches = 0
  let sum = 0
  const until = async time => {
    while (performance.now() < time) {
      const { done, value } = await iterator.next()
      if (done) throw new Error('the dataset ended before it was measured')
      rows += value.shape[0]
      batches++
      sum += Number(value.data[0])
      if (released) release(value)
    }
  }
  await until(performance.now() + warmUpMs)
  rows = batches = 0
  const loop = performance.eventLoopUtilization()
  const start = performance.now()
  await until(start + ms)
  const elapsed = performance.now() - start
  const busy = performance.eventLoopUtilization(loop).active
  const threadMs = iterator.stats().stages.reduce((sum, { threadMs }) => sum + threadMs, 0)
  await iterator.close()
  return { rate: rows / elapsed * 1000, batchMs: elapsed / batches, busyMs: busy / batches, threadMs, sum }
}
