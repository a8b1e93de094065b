import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** No single measurement takes longer than this, in milliseconds. */
const LIMIT_MS = 600_000

/**
 * Takes every measurement `repeats` times, in turn (A B C A B C …), so that what else goes on in the machine meets all of
 * them alike. A measurement is `{ key, run() → number | object }`. Returns a Map from key to the list of results.
 */
export async function interleaved(measurements, repeats, progress, failures) {
  const results = new Map(measurements.map(({ key }) => [key, []]))
  const broken = new Set()
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { key, run } of measurements) {
      if (broken.has(key)) continue
      progress(`repeat ${repeat + 1} of ${repeats}: ${key}`)
      try {
        results.get(key).push(await run())
      } catch (error) {
        broken.add(key)
        failures.push(`${key}: ${error.message}`)
      }
    }
  }
  progress('')
  return results
}

/** Calls an exported function of a module in a fresh Node process, and returns its result. */
export function inChild(module, name, argument, { flags = [] } = {}) {
  return command(process.execPath, [...flags, '--no-warnings', join(import.meta.dirname, 'child.mjs'), module, name, JSON.stringify(argument)])
}

/** Runs a program that writes JSON to file descriptor 3. */
export async function command(program, args, env = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const kill = new AbortController()
  delay(LIMIT_MS, undefined, { signal: kill.signal, ref: false }).then(() => child.kill('SIGKILL'), () => undefined)
  const chunks = { stderr: '', result: '' }
  child.stderr.on('data', data => { chunks.stderr = (chunks.stderr + data).slice(-4000) })
  child.stdio[3].on('data', data => { chunks.result += data })
  try {
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', (code, signal) => resolve(signal ?? code)))
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${reason(chunks.stderr)}`)
    return JSON.parse(chunks.result)
  } finally {
    kill.abort()
  }
}

/** The line that names the error, out of what a dying program writes. */
const reason = text => text.split('\n').findLast(line => /Error\b.*: /.test(line))?.trim() ?? text.trim().split('\n').at(-1)

/** Inside a child: the median time of one pass in nanoseconds, after warming up. `pass` may return a promise. */
export async function medianPass(pass, { warmUp, passes }) {
  for (let i = 0; i < warmUp; i++) await pass()
  const times = []
  for (let i = 0; i < passes; i++) {
    const start = process.hrtime.bigint()
    await pass()
    times.push(Number(process.hrtime.bigint() - start))
  }
  return median(times)
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
