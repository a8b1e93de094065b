import { join } from 'node:path'
import { inChild, interleaved } from '../harness/measure.mjs'
import { atLeast, atMost, row, timesFaster, timesTheLimit } from '../harness/rows.mjs'
import { CONTENDERS } from './contenders.mjs'

const MODULE = join(import.meta.dirname, 'element-cost.mjs')
const GOALS = { 'streaming-iterables': 20, ix: 100, 'tfjs-data': 100 }
const MODES = [[false, 'fresh process'], [true, 'after ten others']]

/** range → … → batch(128): nanoseconds per source element, in a fresh process and after ten other pipelines. */
export async function elementCostRows({ repeats, quick, progress, failures }) {
  const peers = Object.keys(CONTENDERS).filter(name => name !== 'millrace')
  const scale = quick ? 0.2 : 1
  const measurements = MODES.flatMap(([polluted, mode]) => ['map → filter', '1 map', '8 maps'].flatMap(work =>
    ['loop', 'millrace', ...(work === '1 map' ? [] : peers)].map(contender => ({
      key: key(contender, work, mode),
      run: async () => (await inChild(MODULE, 'elementCost', { contender, work, polluted, scale })).nanoseconds
    }))))
  const results = await interleaved(measurements, repeats, progress, failures)

  const rows = []
  for (const [, mode] of MODES) {
    for (const work of ['map → filter', '8 maps']) {
      const base = { name: `range → ${work} → batch(128), ${mode}`, unit: 'ns/element', ours: results.get(key('millrace', work, mode)) }
      const add = (against, theirs, ratio, goal) => {
        if (theirs.length > 0 && base.ours.length > 0) rows.push(row({ ...base, against, theirs, ratio, goal }))
      }
      add('hand-written loop (limit)', results.get(key('loop', work, mode)), timesTheLimit, atMost(3))
      if (work === '8 maps') add('ours with 1 map', results.get(key('millrace', '1 map', mode)), timesTheLimit, atMost(2))
      for (const peer of peers) {
        add(peer, results.get(key(peer, work, mode)), timesFaster, GOALS[peer] === undefined ? undefined : atLeast(GOALS[peer]))
      }
    }
  }
  return rows
}

const key = (contender, work, mode) => `${contender}, ${work}, ${mode}`
