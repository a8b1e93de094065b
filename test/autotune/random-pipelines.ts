/** Pipelines drawn at random, and the best that can be had of them. */
import { rateBetween } from './measure.js'
import { around, random, simulate, type PipelineSpec, type StageSpec } from './simulator.js'

type Values = { readonly [knob: string]: number }

/** One to three stages with knobs, of any kind, behind a source that may come in bursts; at the end a prefetch. */
export function randomPipeline(seed: number): { readonly names: readonly string[]; readonly work: ReadonlyMap<string, number>; readonly spec: (values?: Values) => PipelineSpec } {
  const r = random(seed * 7919 + 1)
  const pick = <T>(...choices: T[]): T => choices[Math.floor(r() * choices.length)]!
  const between = (low: number, high: number): number => low * (high / low) ** r() // evenly on a logarithmic scale
  const cores = pick(2, 4, 8)
  const gapMean = pick(2, between(2, 20))
  const gapSpread = r() * 0.8
  const [burst, pause, step] = [Math.round(between(4, 40)), between(5, 80), between(0.02, 0.5)]
  const bursty = r() < 0.25
  const units = Math.round(between(8, 64))
  const limited = r() < 0.3
  const middle = Array.from({ length: pick(1, 1, 2, 2, 3) }, () => ({ kind: pick('request', 'request', 'thread', 'inline', 'batch'), ms: between(1, 60), spread: r() * 0.9, begin: pick(1, 2, 4, 16) }))
  const seenThreads = middle.filter(({ kind }) => kind === 'thread').length
  const names: string[] = []
  const named = (name: string): string => {
    let unique = name
    for (let n = 2; names.includes(unique); n++) unique = `${name}#${n}`
    names.push(unique)
    return unique
  }
  const keys = middle.map(({ kind }) => (kind === 'request' || kind === 'thread' ? named('map.parallel') : ''))
  named('prefetch.size')
  const work = new Map<string, number>()
  let perDelivered = 1
  for (let n = middle.length - 1; n >= 0; n--) {
    const { kind, ms } = middle[n]!
    if (kind === 'batch') perDelivered *= 2
    if (kind === 'thread') work.set(keys[n]!, perDelivered * ms)
  }
  return {
    names,
    work,
    spec(values) {
      const stages: StageSpec[] = [{ kind: 'source', cost: (_, __, index) => ({ delay: bursty && index % burst === burst - 1 ? pause : step }) }]
      middle.forEach(({ kind, ms, spread, begin }, n) => {
        const value = values?.[keys[n]!]
        if (kind === 'request') stages.push({ kind: 'parallel', name: 'map', knob: { value: value ?? begin, most: 128 }, server: 'service', cost: q => (limited ? { work: around(q, ms, spread) } : { delay: around(q, ms, spread) }) })
        else if (kind === 'thread') stages.push({ kind: 'parallel', name: 'map', knob: { value: value ?? 1, most: 64, resource: 'thread' }, cost: q => ({ work: around(q, ms / 3, spread) }) })
        else if (kind === 'inline') stages.push({ kind: 'inline', name: 'map', cost: () => ms / 100 })
        else stages.push({ kind: 'batch', size: 2 })
      })
      stages.push({ kind: 'prefetch', knob: { value: values?.['prefetch.size'] ?? 2, most: 128 } })
      return { seed, cores: Math.max(cores, seenThreads), servers: { service: { units } }, stages, gap: q => around(q, gapMean, gapSpread) }
    }
  }
}

/** The best of a grid search, with the threads shared out by the work of the stages. */
export function bestOf({ names, spec, work }: ReturnType<typeof randomPipeline>): { readonly rate: number; readonly values: Values } {
  const threads = names.filter(name => work.has(name))
  const splits = threads.length === 0 ? [[]] : splitsOf(simulate(spec()).view.cores, threads.length)
  const slowest = (split: readonly number[]): number => Math.max(0, ...threads.map((name, n) => work.get(name)! / split[n]!))
  const split = splits.sort((a, b) => slowest(a) - slowest(b))[0]!
  let best: { rate: number; values: Values } = { rate: 0, values: {} }
  for (const value of [16, 128]) {
    const values: { [name: string]: number } = {}
    for (const name of names) values[name] = name === 'prefetch.size' ? 64 : value
    threads.forEach((name, n) => (values[name] = split[n]!))
    const rate = rateBetween(simulate(spec(values)), 1500, 3000)
    if (rate > best.rate) best = { rate, values }
  }
  return best
}

/** All ways to give `total` threads to `among` stages, one at least to each. */
function splitsOf(total: number, among: number): number[][] {
  if (among === 1) return [[total]]
  return Array.from({ length: Math.max(1, total - among + 1) }, (_, n) => splitsOf(total - n - 1, among - 1).map(rest => [n + 1, ...rest])).flat()
}
