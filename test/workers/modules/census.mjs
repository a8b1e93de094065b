/** A process of its own that uses threads in all ways, and prints what is left of them. It has to end by itself. */
import { readdirSync } from 'node:fs'
import { Dataset, portable } from '../../../dist/src/index.js'
import { openWorkers } from '../../../dist/src/workers/pool.js'

const url = new URL('./functions.mjs', import.meta.url)
const { signal } = new AbortController()
const load = (workers, name, args) => {
  const { plan } = Dataset.range(100).map(args === undefined ? portable(url, name) : portable(url, name, { args }))
  return workers.load({ plan, input: plan.inputs[0], pass: { seed: 1, epoch: 0, branch: 0 } })
}
const task = (from, count = 4) => ({ elements: Array.from({ length: count }, (_, k) => from + k), state: undefined, index: 0 })
const open = (options = {}) => openWorkers({ cores: 2, options, threading: {} })
const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0)
const resources = () => process.getActiveResourcesInfo().filter(kind => /worker|port|timeout|immediate/i.test(kind)).sort()

async function scenario(kind) {
  const workers = open({ persistent: kind === 'persist' })
  const program = load(workers, ...(kind === 'exit' ? ['exitAt', [2]] : kind === 'throw' ? ['notOdd'] : kind === 'abort' || kind === 'break' ? ['waitForSignal'] : ['double']))
  const controller = new AbortController()
  const running = Promise.allSettled([0, 4, 8, 12].map(k => program.run(task(k), { signal: kind === 'abort' ? controller.signal : signal })))
  if (kind === 'abort') controller.abort()
  if (kind !== 'break') await running
  await workers.close()
  await running
}

await scenario('plain')
const [before, held] = [threads(), resources()]
const report = {}
for (const kind of ['plain', 'throw', 'exit', 'abort', 'break']) {
  for (let k = 0; k < 3; k++) await scenario(kind)
  report[kind] = { threads: threads() - before, resources: resources().length - held.length }
}
await scenario('persist') // its threads are still there at the end, and do not keep the process
report.persist = { resources: resources().length - held.length }
process.stdout.write(`${JSON.stringify(report)}\n`)
