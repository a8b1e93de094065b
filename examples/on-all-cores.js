/**
 * How do I compute on all cores, and still get the same elements in the same order?
 *
 * A portable function is named by its module and export, so that worker threads can load it. Chunks of elements go over, results come back
 * in order. Random numbers, checkpoints and errors are those of one thread.
 */
import { Dataset, portable } from 'millrace'

// prints: the same on 2 threads: true

const module = new URL('./modules/digits.js', import.meta.url)
const make = parallel => Dataset.range(200)
  .map(portable(module, 'jitter'), { parallel, seed: 1 })
  .map(portable(module, 'digitSum'), { parallel })
  .batch(32)

const sums = async dataset => (await dataset.toArray({ epoch: 0 })).map(({ data }) => [...data])
const onThreads = await sums(make(2))
const onThisOne = await sums(make(undefined))
console.log('the same on 2 threads:', String(onThreads) === String(onThisOne))
