/**
 * What did 'auto' choose, and why?
 *
 * The tuner moves knobs while the plan runs, measures what came of it, and keeps or takes it back. It never changes the elements.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Dataset } from 'millrace'

// prints: faster than the consumer needs: true

const fetchOne = async i => {
  await delay(5) // a service that takes 5 ms
  return i
}
const dataset = Dataset.range(4000)
  .map(fetchOne, { parallel: 'auto' })
  .batch(10)
  .prefetch('auto')
  .options({ autotune: { initialParallelism: 1 } })

const iterator = dataset.iterator()
for (let step = 0; step < 300; step++) {
  await iterator.next()
  await delay(4) // the training step: 10 elements every 4 ms are 2.5 for each ms
}
for (const { text, why } of iterator.tuning().slice(0, 5)) console.log(`${text} (${why})`)
console.log(iterator.explain())
const { consumer } = iterator.stats()
console.log('faster than the consumer needs:', consumer.waitMs < consumer.gapMs)
await iterator.close()
