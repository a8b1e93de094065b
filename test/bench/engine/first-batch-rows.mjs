import { join } from 'node:path'
import { inChild, interleaved } from '../harness/measure.mjs'
import { row, timesFaster } from '../harness/rows.mjs'

const MODULE = join(import.meta.dirname, 'first-batch.mjs')

/** How soon the first batch is there: of a new process, and of a new pipeline. */
export async function firstBatchRows({ repeats, progress, failures }) {
  const contenders = ['node', 'millrace', 'ix', 'tfjs-data']
  const results = await interleaved([
    ...contenders.map(contender => ({
      key: `first batch, ${contender}`,
      async run() {
        const start = performance.timeOrigin + performance.now()
        return (await inChild(MODULE, 'firstBatchAt', { contender })).at - start
      }
    })),
    { key: 'first batch, iterator', run: () => inChild(MODULE, 'firstBatchAfter', {}) }
  ], repeats, progress, failures)
  const [node, ours, ...peers] = contenders.map(contender => results.get(`first batch, ${contender}`))
  const inside = results.get('first batch, iterator')
  if (node.length === 0 || ours.length === 0 || inside.length === 0) return []

  const name = 'new process, import, first batch'
  const under = limit => ({ text: `≤ ${limit} ms`, holds: value => value <= limit })
  return [
    row({ name: `${name}: beyond starting Node`, unit: 'ms', ours: ours.map((value, i) => value - node[i]), goal: under(50) }),
    row({ name, unit: 'ms', ours, against: 'Node alone', theirs: node }),
    ...peers.flatMap((theirs, i) => (theirs.length === 0 ? [] : [row({ name, unit: 'ms', ours, against: contenders[i + 2], theirs, ratio: timesFaster })])),
    row({ name: 'iterator() to first batch, first pipeline of a process', unit: 'ms', ours: inside.map(({ first }) => first), goal: under(10) }),
    row({ name: 'iterator() to first batch, a later new pipeline', unit: 'ms', ours: inside.map(({ later }) => later), goal: under(1) })
  ]
}
