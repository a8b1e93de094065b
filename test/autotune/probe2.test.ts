import { test } from '@jest/globals'
import { rateBetween, tuned } from './measure.js'
import { bestOf, randomPipeline } from './random-pipelines.js'
test('random', () => {
  const rows: [number, number, string][] = []
  let tg = 0, tt = 0
  for (let seed = 1; seed <= 200; seed++) {
    const p = randomPipeline(seed)
    const t0 = performance.now()
    const best = bestOf(p)
    const t1 = performance.now()
    const { simulation, tuner } = tuned(p.spec())
    const rate = rateBetween(simulation, 3000, 5000)
    tt += performance.now() - t1; tg += t1 - t0
    rows.push([rate / best.rate, seed, `best ${best.rate.toFixed(0)} ${JSON.stringify(best.values)} got ${rate.toFixed(0)} ${JSON.stringify(tuner.profile().knobs)} changes ${simulation.changes}\n` + p.spec().stages.map(s => s.kind).join(' ') + '\n' + tuner.log().map(s => `   ${s.atMs.toFixed(0)} ${s.text}   [${s.why}]\n`).join('')])
  }
  rows.sort((a, b) => a[0] - b[0])
  process.stdout.write(`grid ${tg.toFixed(0)} tuned ${tt.toFixed(0)} below .9: ${rows.filter(r => r[0] < 0.9).length} below .95: ${rows.filter(r => r[0] < 0.95).length}\n`)
  for (const r of rows.slice(0, 12)) process.stdout.write(`${r[0].toFixed(3)} seed ${r[1]} ${r[2]}`)
})
