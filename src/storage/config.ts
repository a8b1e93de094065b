import type { StoreKnob } from '../store.js'
import { checkField, FIELD_NAMES, FIELDS, parseField, variableOf, type FieldName } from './config-fields.js'
import { checkKeys } from './known-keys.js'
import { ADAPTIVE_FIELDS, adaptiveTuning, type AdaptiveTuning } from './layers/workload.js'

/** How requests to a store share connections and memory. */
export interface ConnectionPoolConfig {
  /** Connections per host. @default 64 */
  readonly poolSize: number
  /** Requests in flight, over all hosts. @default 256 */
  readonly maxInflight: number
  /** Bytes asked for and not yet there, over all hosts. One request may have more on its own. @default 256 MiB */
  readonly maxInflightBytes: number
  /** Fewer requests in flight per host when it throttles, more when it does not (additive increase, multiplicative decrease). @default true */
  readonly adaptiveConcurrency: boolean
  /** Retries that a host may cost, as a share of the requests that succeed. @default 0.1 */
  readonly retryBudget: number
  /** Ask a second time when the first byte is later than almost always. @default false */
  readonly hedge: boolean
  /** How late: a quantile of the time to the first byte. @default 0.95 */
  readonly hedgeQuantile: number
  /** Requests that may be sent twice, as a share of all. @default 0.02 */
  readonly hedgeBudget: number
}

/** How one large object is read, and when a request counts as failed. Times in milliseconds, sizes in bytes. */
export interface RangeEngineConfig {
  /** Bytes of one range. @default 8 MiB */
  readonly chunkSize: number
  /** Ranges of one read in flight. @default 16 */
  readonly maxConcurrentRanges: number
  /** Smaller reads are one request. @default 16 MiB */
  readonly minSplitSize: number
  /** Bytes that opening an object asks for: they tell its size, and are served to those who read them. @default 1 MiB */
  readonly firstRange: number
  /** Ranges that are asked for together and lie closer than this become one. @default 1 MiB */
  readonly coalesceGap: number
  /** Bytes that are fetched ahead of somebody who reads an object in order. @default 32 MiB */
  readonly readAhead: number
  /** @default 5000 */
  readonly connectTimeout: number
  /** Until the head of the reply. @default 10000 */
  readonly ttfbTimeout: number
  /** Between two pieces of the body. @default 10000 */
  readonly idleTimeout: number
  /** Bytes per second over `minRateWindow`, below which the connection is given up. @default 64 KiB/s */
  readonly minRate: number
  /** @default 10000 */
  readonly minRateWindow: number
  /** One request, all of it. Longer by the size at `minRate`. @default 30000 */
  readonly rangeTimeout: number
  /** One read with all its retries; what is longer than `chunkSize` has more time, at `minRate`. Waiting for its turn does not count. @default 180000 */
  readonly deadline: number
  /** Requests without any progress before a read fails. @default 8 */
  readonly maxAttempts: number
  /** First wait before a retry, at most; doubled each time, and a random part of it is waited. @default 100 */
  readonly backoffBase: number
  /** The same when the service asked to slow down. @default 500 */
  readonly throttleBase: number
  /** The longest wait, but for what a `Retry-After` says. @default 15000 */
  readonly backoffCap: number
}

export const DEFAULT_POOL: ConnectionPoolConfig = Object.freeze({
  poolSize: 64, maxInflight: 256, maxInflightBytes: 256 << 20, adaptiveConcurrency: true, retryBudget: 0.1, hedge: false, hedgeQuantile: 0.95, hedgeBudget: 0.02
})

export const DEFAULT_RANGES: RangeEngineConfig = Object.freeze({
  chunkSize: 8 << 20, maxConcurrentRanges: 16, minSplitSize: 16 << 20, firstRange: 1 << 20, coalesceGap: 1 << 20, readAhead: 32 << 20,
  connectTimeout: 5000, ttfbTimeout: 10_000, idleTimeout: 10_000, minRate: 64 << 10, minRateWindow: 10_000, rangeTimeout: 30_000, deadline: 180_000,
  maxAttempts: 8, backoffBase: 100, throttleBase: 500, backoffCap: 15_000
})

/** The levels of a store's configuration. The level above, `LoaderOptions`, belongs to the loader. */
export interface StoreTuning {
  readonly pool?: Partial<ConnectionPoolConfig> | undefined
  readonly ranges?: Partial<RangeEngineConfig> | undefined
  /** Choose sizes and concurrency for what is really read. What is given above stays as it is. @default false */
  readonly adaptive?: boolean | undefined
}

/** One setting, with its value and where that comes from. */
export interface ConfigLine {
  readonly name: string
  readonly value: number | boolean
  readonly origin: 'option' | 'environment' | 'adaptive' | 'default'
  /** The origin in full, such as `pool.maxInflight`, `MILLRACE_MAX_INFLIGHT`, `adaptive (largeFile)`, `default`, `default, because of deadline`. */
  readonly from: string
  /** What it does, in a few words. */
  readonly meaning: string
}

/** All settings of a store. */
export interface Tuning {
  readonly pool: ConnectionPoolConfig
  /** In adaptive mode `chunkSize`, `maxConcurrentRanges`, `readAhead` and `firstRange` change here: read them when they are needed. */
  readonly ranges: RangeEngineConfig
  /** Wants to be told of the objects that are read. Absent when the mode is off. */
  readonly adaptive: AdaptiveTuning | undefined
  explain(): readonly ConfigLine[]
  /** Those of `ranges` that may be changed while they are used; not automatic where they were set, or where adaptive mode chooses them. */
  readonly knobs: readonly StoreKnob[]
}

/**
 * Finds the value of every setting: what the options say, else the environment (`MILLRACE_CHUNK_SIZE=4MiB`, a name for each field), else what
 * adaptive mode chooses, else the default. A default gives way to what was set: with `deadline: 5000` no request may take longer either.
 *
 * @throws TypeError for unknown keys and wrong types, RangeError for values out of range and for values that contradict each other
 */
export function resolveTuning(tuning: StoreTuning | undefined, env: Readonly<Record<string, string | undefined>>): Tuning {
  checkLevels(tuning)
  const settings = Object.fromEntries(FIELD_NAMES.map(name => [name, settingOf(name, tuning, env)])) as Settings
  for (const relation of RELATIONS) reconcile(settings, relation)
  if (settings.hedge.value === true && settings.hedgeBudget.value === 0) {
    throw new RangeError(`${settings.hedge.from} has no effect with ${settings.hedgeBudget.from} = 0; give it a budget such as 0.02`)
  }

  const mode = adaptiveMode(tuning, env)
  const adaptive = mode.value === true ? adaptiveTuning({ ...valuesOf(settings, FIELD_NAMES), defaults: valuesOf(settings, ADAPTIVE_FIELDS) }) : undefined
  const chosen = new Map<FieldName, number>() // through knobs
  /** The choice of the tuner or of adaptive mode, where it has one. */
  const current = (name: FieldName): Setting => {
    const setting = settings[name]
    const tuned = chosen.get(name)
    if (tuned !== undefined) return { value: tuned, origin: 'adaptive', from: 'autotune' }
    if (adaptive === undefined || setting.origin !== 'default' || !isAdaptive(name)) return setting
    const { workload, [name]: value } = adaptive.current()
    return workload === 'unknown' ? setting : { value, origin: 'adaptive', from: `adaptive (${workload})` }
  }
  const ranges = live<RangeEngineConfig>(FIELD_NAMES.filter(name => FIELDS[name].level === 'ranges'), current)
  const { maxInflight, maxInflightBytes, minSplitSize } = valuesOf(settings, ['maxInflight', 'maxInflightBytes', 'minSplitSize'])
  const knob = (name: (typeof ADAPTIVE_FIELDS)[number], resource: StoreKnob['resource'], least: number, most: number): StoreKnob => ({
    name, least, most, resource,
    auto: adaptive === undefined && settings[name].origin === 'default' && least < most,
    get: () => ranges[name],
    set: value => void chosen.set(name, Math.max(least, Math.min(most, Math.round(value))))
  })
  return {
    pool: Object.freeze(valuesOf<ConnectionPoolConfig>(settings, FIELD_NAMES.filter(name => FIELDS[name].level === 'pool'))),
    ranges,
    adaptive,
    knobs: [
      knob('maxConcurrentRanges', 'request', 1, Math.min(MOST_RANGES, maxInflight)),
      knob('chunkSize', 'memory', LEAST_CHUNK, Math.min(minSplitSize, maxInflightBytes)),
      knob('readAhead', 'memory', LEAST_READ_AHEAD, Math.min(MOST_READ_AHEAD, maxInflightBytes))
    ],
    explain: () => [
      ...FIELD_NAMES.map(name => ({ name, ...current(name), meaning: FIELDS[name].meaning })),
      { name: 'adaptive', ...mode, meaning: 'choose sizes and concurrency for what is really read' }
    ]
  }
}

/** How far a tuner may go: fewer bytes than that are mostly latency. */
const LEAST_CHUNK = 1 << 20
const LEAST_READ_AHEAD = 4 << 20
const MOST_READ_AHEAD = 256 << 20
const MOST_RANGES = 64

interface Setting {
  readonly value: number | boolean
  readonly origin: ConfigLine['origin']
  readonly from: string
}

type Settings = Record<FieldName, Setting>

const DEFAULTS = { ...DEFAULT_POOL, ...DEFAULT_RANGES }

/**
 * Refuses options that a store does not have, `own` and those of {@link StoreTuning} aside. What belongs to one of the levels, or to the option that
 * `elsewhere` names, is told to be put there.
 * @throws TypeError
 */
export function checkStoreOptions(where: string, options: unknown, own: readonly string[], elsewhere: Readonly<Record<string, string>> = {}): void {
  checkKeys(where, options, [...own, 'pool', 'ranges', 'adaptive'], key => (Object.hasOwn(elsewhere, key) ? elsewhere[key] : levelOf(key)))
}

function levelOf(key: string): string | undefined {
  return Object.hasOwn(FIELDS, key) ? FIELDS[key as FieldName].level : key === 'adaptive' ? 'the options themselves' : undefined
}

function checkLevels(tuning: StoreTuning | undefined): void {
  checkKeys('store options', tuning, ['pool', 'ranges', 'adaptive'], levelOf)
  for (const level of ['pool', 'ranges'] as const) {
    checkKeys(level, tuning?.[level], FIELD_NAMES.filter(name => FIELDS[name].level === level), levelOf)
  }
}

function settingOf(name: FieldName, tuning: StoreTuning | undefined, env: Readonly<Record<string, string | undefined>>): Setting {
  const { level } = FIELDS[name]
  const from = `${level}.${name}`
  const option = (tuning?.[level] as Readonly<Record<string, unknown>> | undefined)?.[name]
  if (option !== undefined) return { value: checkField(from, name, option), origin: 'option', from }
  const variable = variableOf(name)
  const text = env[variable]
  if (text !== undefined && text !== '') return { value: checkField(variable, name, parseField(variable, name, text)), origin: 'environment', from: variable }
  return { value: DEFAULTS[name], origin: 'default', from: 'default' }
}

function adaptiveMode(tuning: StoreTuning | undefined, env: Readonly<Record<string, string | undefined>>): Setting {
  const option: unknown = tuning?.adaptive
  if (option !== undefined) {
    if (typeof option !== 'boolean') throw new TypeError(`adaptive must be true or false, got ${typeof option}`)
    return { value: option, origin: 'option', from: 'adaptive' }
  }
  const text = env['MILLRACE_ADAPTIVE']
  if (text !== undefined && text !== '') return { value: parseField('MILLRACE_ADAPTIVE', 'adaptive', text), origin: 'environment', from: 'MILLRACE_ADAPTIVE' }
  return { value: false, origin: 'default', from: 'default' }
}

/** Two settings, of which one must not exceed the other, and whether the greater one gives way too when it is a default. */
interface Relation {
  readonly lesser: FieldName
  readonly greater: FieldName
  readonly raise: boolean
}

/** In the order in which they are settled. Bounds on memory and requests are never raised by themselves. */
const RELATIONS: readonly Relation[] = [
  { lesser: 'maxConcurrentRanges', greater: 'maxInflight', raise: false },
  { lesser: 'chunkSize', greater: 'maxInflightBytes', raise: false },
  { lesser: 'firstRange', greater: 'maxInflightBytes', raise: false },
  { lesser: 'chunkSize', greater: 'minSplitSize', raise: true },
  { lesser: 'rangeTimeout', greater: 'deadline', raise: true },
  { lesser: 'ttfbTimeout', greater: 'rangeTimeout', raise: true },
  { lesser: 'idleTimeout', greater: 'rangeTimeout', raise: true },
  { lesser: 'connectTimeout', greater: 'rangeTimeout', raise: true },
  { lesser: 'rangeTimeout', greater: 'deadline', raise: true }, // again, for it may have been raised
  { lesser: 'backoffBase', greater: 'backoffCap', raise: true },
  { lesser: 'throttleBase', greater: 'backoffCap', raise: true }
]

/** What was set stays; a default that contradicts it becomes the same, and is then as firm. */
function reconcile(settings: Settings, { lesser, greater, raise }: Relation): void {
  const [low, high] = [settings[lesser], settings[greater]]
  if (Number(low.value) <= Number(high.value)) return
  if (low.from === 'default') settings[lesser] = { value: high.value, origin: 'default', from: `default, because of ${greater}` }
  else if (high.from === 'default' && raise) settings[greater] = { value: low.value, origin: 'default', from: `default, because of ${lesser}` }
  else throw new RangeError(`${low.from} is ${low.value}, more than ${greater}, ${high.value} (${high.from}); change one of them`)
}

function isAdaptive(name: FieldName): name is (typeof ADAPTIVE_FIELDS)[number] {
  return (ADAPTIVE_FIELDS as readonly string[]).includes(name)
}

/** The values under their names. One cast: the table of fields has the names of the types, which its own type checks. */
function valuesOf<T = ConnectionPoolConfig & RangeEngineConfig>(settings: Settings, names: readonly FieldName[]): T {
  return Object.fromEntries(names.map(name => [name, settings[name].value])) as T
}

/** An object whose fields have the values of the moment in which they are read. */
function live<T>(names: readonly FieldName[], current: (name: FieldName) => Setting): T {
  const config = {}
  for (const name of names) {
    Object.defineProperty(config, name, isAdaptive(name) ? { enumerable: true, get: () => current(name).value } : { enumerable: true, value: current(name).value })
  }
  return Object.freeze(config) as T
}
