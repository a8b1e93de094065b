import { inChild, interleaved, median } from '../harness/measure.mjs'
import { row } from '../harness/rows.mjs'

const MODULE = import.meta.filename

/** How soon the first batch from worker threads is there. */
export async function firstRows({ repeats, quick, rounds, progress, failures }) {
  const work = { rounds: Math.round(20 * rounds), times: quick ? 2 : 5 }
  const results = await interleaved([
    { key: 'warm', run: () => inChild(MODULE, 'firstBatches', work) },
    {
      key: 'fresh',
      async run() {
        const start = performance.timeOrigin + performance.now()
        return (await inChild(MODULE, 'firstBatchAt', work)).at - start
      }
    }
  ], repeats, progress, failures)
  const of = field => results.get('warm').map(result => result[field])
  const under = { text: '≤ 150 ms', holds: value => value <= 150 }
  return [
    ...(of('later').length === 0 ? [] : [
      row({ name: 'iterator() to the first batch from 2 workers, later pipelines', unit: 'ms', ours: of('later'), against: 'inline', theirs: of('inline'), goal: under }),
      row({ name: 'iterator() to the first batch from 2 workers, first of a process', unit: 'ms', ours: of('first'), goal: under }),
      row({ name: 'iterator() to the first batch from 2 workers that persist', unit: 'ms', ours: of('persistent') })
    ]),
    ...(results.get('fresh').length === 0 ? [] : [row({ name: 'new process, import, first batch from 2 workers', unit: 'ms', ours: results.get('fresh') })])
  ]
}

async function pipeline(rounds, parallel, workers = {}) {
  const { endless, working } = await import('./package.mjs')
  return endless().map(await working('burner', rounds), parallel === 0 ? {} : { parallel }).batch(32).options({ autotune: false, workers })
}

async function first(dataset) {
  const start = performance.now()
  const iterator = dataset.iterator()
  await iterator.next()
  const time = performance.now() - start
  await iterator.close()
  return time
}

/** In a child: milliseconds from `iterator()` on, of the first pipeline of a process, of later ones, of those whose threads persist, and inline. */
export async function firstBatches({ rounds, times }) {
  const series = async dataset => {
    const found = []
    for (let i = 0; i <= times; i++) found.push(await first(dataset))
    return found
  }
  const fresh = await series(await pipeline(rounds, 2))
  const persistent = await series(await pipeline(rounds, 2, { persistent: true }))
  const inline = await series(await pipeline(rounds, 0))
  const later = ([, ...rest]) => median(rest)
  return { first: fresh[0], later: later(fresh), persistent: later(persistent), inline: later(inline) }
}

/** In a child: the moment (epoch milliseconds) of the first batch, import included. */
export async function firstBatchAt({ rounds }) {
  await first(await pipeline(rounds, 2))
  return { at: performance.timeOrigin + performance.now() }
}
