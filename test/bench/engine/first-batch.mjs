import { millrace } from '../package.mjs'
import { CONTENDERS } from './contenders.mjs'
import { BATCH, WORK } from './pipelines.mjs'

const steps = [['map', x => x * 3], ['filter', x => (x & 7) !== 0], ['map', x => x + 7]]

/** In a child: the moment (epoch milliseconds) of the first batch of a pipeline, import included; of nothing for `node`. */
export async function firstBatchAt({ contender }) {
  if (contender === 'millrace') {
    const { Dataset } = await millrace()
    await Dataset.range(1000).map(x => x * 3).filter(x => (x & 7) !== 0).batch(BATCH).first()
  } else if (contender !== 'node') {
    const build = await CONTENDERS[contender].load()
    await build(BATCH * 2, WORK['map → filter'], BATCH)()
  }
  return { at: performance.timeOrigin + performance.now() }
}

/** In a child: milliseconds from `iterator()` to the first batch, of the first pipeline and of the 21st that is new. */
export async function firstBatchAfter() {
  const { Dataset } = await millrace()
  const times = []
  for (let i = 0; i <= 20; i++) {
    const dataset = steps.reduce((dataset, [kind, fn]) => dataset[kind](fn), Dataset.range(1000 + i)).batch(BATCH)
    const start = performance.now()
    const iterator = dataset.iterator()
    await iterator.next()
    times.push(performance.now() - start)
    await iterator.close()
  }
  return { first: times[0], later: times.at(-1) }
}
