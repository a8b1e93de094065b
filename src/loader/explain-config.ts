import type { GivenOptions } from './check-options.js'
import { LOADER_DEFAULTS } from './loader-options.js'
import { workOf } from './loader-plan.js'
import { MEANINGS, OBJECT_MEANINGS, POOL_MEANINGS } from './meanings.js'
import { PoolConfig, type PoolConfig as Pool } from './pool-config.js'
import { presetOf } from './presets.js'
import type { Source } from './source.js'

/** One setting of a loader, with its value and where that comes from. */
export interface LoaderConfigLine {
  readonly name: string
  /** As JSON where that is possible; else what it is, in a word. Absent: `undefined`. */
  readonly value: unknown
  readonly origin: 'option' | 'preset' | 'pool' | 'adaptive' | 'default'
  /** The origin in full: `batchSize`, `preset gpuOptimized`, `pool, from the options`, `adaptive (largeFile)`, `default`. */
  readonly from: string
  /** What it does, in a few words. */
  readonly meaning: string
}

/** All settings, those of the loader first, then those of the pool (given, or what the options make of it), then what is in force. */
export function explainLoader(source: Source, options: GivenOptions, pool: Pool | undefined, seed: number | undefined): readonly LoaderConfigLine[] {
  const names: readonly (keyof GivenOptions)[] = Object.keys({ ...MEANINGS, ...(source.objects !== undefined && OBJECT_MEANINGS) }) as (keyof GivenOptions)[]
  const meanings: Readonly<Record<string, string>> = { ...MEANINGS, ...OBJECT_MEANINGS }
  const lines = names.map((name): LoaderConfigLine => {
    const given: unknown = options[name]
    const meaning = meanings[name] as string
    if (given !== undefined) {
      const preset = presetOf(options, name, given)
      return { name, value: shown(given), origin: preset === undefined ? 'option' : 'preset', from: preset === undefined ? name : `preset ${preset}`, meaning }
    }
    const parts = name === 'partSize' || name === 'maxInflightParts' ? source.objects?.parts() : undefined
    if (parts?.workload !== undefined && parts.workload !== 'unknown') return { name, value: parts[name as 'partSize'], origin: 'adaptive', from: `adaptive (${parts.workload})`, meaning }
    const value = name === 'seed' ? seed : name === 'readerMode' && options.adaptive === true ? 'range' : (LOADER_DEFAULTS as Readonly<Record<string, unknown>>)[name]
    return { name, value, origin: 'default', from: 'default', meaning }
  })
  const settings = pool ?? PoolConfig.fromLoaderOptions(options)
  for (const [name, meaning] of Object.entries(POOL_MEANINGS)) {
    lines.push({ name: `pool.${name}`, value: settings[name as keyof Pool], origin: 'pool', from: pool === undefined ? 'pool, from the options' : 'pool', meaning })
  }
  const { parallel, ahead } = workOf(source, options, pool)
  const level = pool === undefined ? 'option' : 'pool'
  lines.push({ name: 'parallel', value: source.get === undefined ? undefined : parallel, origin: level, from: pool === undefined ? 'numWorkers or maxConcurrency' : 'poolSize, at most maxInflight', meaning: 'in force: elements under way at once' })
  lines.push({ name: 'ahead', value: ahead, origin: level, from: pool === undefined ? 'prefetch or prefetchFactor' : 'readaheadBatches, at most what maxInflight leaves', meaning: 'in force: batches prepared ahead' })
  return lines
}

function shown(value: unknown): unknown {
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null ? value : 'an object'
}
