import { test } from '@jest/globals'
import { bestOfGrid, rateBetween, tuned } from './measure.js'
import { WORKLOADS } from './workloads.js'
for (const workload of WORKLOADS) test(workload.name, () => {
  const t0 = performance.now()
  const from = workload.changesAt === undefined ? 1000 : workload.changesAt + 1000
  const best = bestOfGrid(workload, from, from + 1500)
  const t1 = performance.now()
  const { simulation, tuner } = tuned(workload.spec())
  const series: string[] = []
  for (let t = 0; t < (workload.changesAt ?? 0) + 6000; t += 500) series.push((rateBetween(simulation, t, t + 500) / best.rate).toFixed(2))
  const t2 = performance.now()
  process.stdout.write(`${workload.name}: best ${best.rate.toFixed(0)} ${JSON.stringify(best.values)} tuned ${series.join(' ')} | ${JSON.stringify(tuner.profile().knobs)} ${(t1 - t0).toFixed(0)}+${(t2 - t1).toFixed(0)} ms\n` + tuner.log().map(s => `   ${s.atMs.toFixed(0)} ${s.text}   [${s.why}]\n`).join(''))
})
