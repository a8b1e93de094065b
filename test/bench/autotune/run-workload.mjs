import { WORKLOADS } from './workloads.mjs'

/** Width of a bin, in milliseconds. */
export const BIN_MS = 100
const SAMPLE_MS = 25

/**
 * In a child: runs a workload for `ms`, at a point of its grid with tuning off, or tuned (`point` null). Returns the rows that were delivered
 * in each tenth of a second, the most by which heap, external memory and array buffers have grown (`resident`: the whole process, threads
 * included), and what the tuner says.
 */
export async function runWorkload({ name, point, ms, changeMs, ceilingBytes, rounds, file }) {
  const { Dataset, fixedLen, release, working } = await import('../parallel/package.mjs')
  const { millrace } = await import('../package.mjs')
  const { memoryStore } = await millrace()
  const { knobs, rows, build, consume } = WORKLOADS[name]
  let start = Infinity
  const changed = () => performance.now() - start >= changeMs
  const values = point ?? knobs.map(() => 'auto')
  const built = await build({ Dataset, fixedLen, working, memoryStore }, values, { rounds, file, changed })
  const dataset = built.options({ autotune: { enabled: point === null, memoryBytes: ceilingBytes } })

  const memory = watchMemory()
  const bins = new Array(Math.ceil(ms / BIN_MS)).fill(0)
  start = performance.now()
  const iterator = dataset.iterator()
  for (;;) {
    const { done, value } = await iterator.next()
    if (done) throw new Error('the dataset ended before it was measured')
    const bin = Math.floor((performance.now() - start) / BIN_MS)
    if (bin >= bins.length) break
    bins[bin] += rows
    memory.sample()
    await consume?.()
    release(value)
  }
  const { grown, resident } = memory.stop()
  const tuning = point === null ? tuningOf(iterator) : undefined
  await iterator.close()
  return { bins, grown, resident, ...(tuning !== undefined && { tuning }) }
}

const tuningOf = iterator => ({
  steps: iterator.tuning().map(({ atMs, text }) => `${Math.round(atMs)} ms: ${text}`),
  profile: iterator.profile().knobs,
  bottleneck: iterator.stats().bottleneck
})

/** The growth of what the process holds, looked at every 25 ms and whenever something was delivered. */
function watchMemory() {
  const held = () => {
    const { heapUsed, external, rss } = process.memoryUsage() // `external` has the array buffers
    return { grown: heapUsed + external, resident: rss }
  }
  const before = held()
  const most = { grown: 0, resident: 0 }
  let at = 0
  const look = () => {
    at = performance.now()
    const now = held()
    for (const key of Object.keys(most)) most[key] = Math.max(most[key], now[key] - before[key])
  }
  const timer = setInterval(look, SAMPLE_MS)
  return {
    sample() {
      if (performance.now() - at >= SAMPLE_MS / 5) look()
    },
    stop() {
      clearInterval(timer)
      look()
      return most
    }
  }
}
