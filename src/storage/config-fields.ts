import type { ConnectionPoolConfig, RangeEngineConfig } from './config.js'

/** The name of a setting; no two levels have one in common. */
export type FieldName = keyof ConnectionPoolConfig | keyof RangeEngineConfig

/** What a value is counted in. */
export type Unit = 'count' | 'bytes' | 'bytes per second' | 'ms' | 'share' | 'yes or no'

/** One setting. */
export interface Field {
  readonly level: 'pool' | 'ranges'
  readonly unit: Unit
  /** @default 1 */
  readonly least?: number | undefined
  /** In one sentence. */
  readonly meaning: string
}

/** All settings, in the order in which they are explained. */
export const FIELDS: Readonly<Record<FieldName, Field>> = {
  poolSize: { level: 'pool', unit: 'count', meaning: 'connections per host' },
  maxInflight: { level: 'pool', unit: 'count', meaning: 'requests in flight, over all hosts' },
  maxInflightBytes: { level: 'pool', unit: 'bytes', meaning: 'bytes asked for and not yet there, over all hosts' },
  adaptiveConcurrency: { level: 'pool', unit: 'yes or no', meaning: 'fewer requests per host when it throttles, more when it does not' },
  retryBudget: { level: 'pool', unit: 'share', least: 0, meaning: 'retries that a host may cost, as a share of the requests that succeed' },
  hedge: { level: 'pool', unit: 'yes or no', meaning: 'ask a second time when the first byte is later than almost always' },
  hedgeQuantile: { level: 'pool', unit: 'share', least: 0.5, meaning: 'how late: a quantile of the time to the first byte' },
  hedgeBudget: { level: 'pool', unit: 'share', least: 0, meaning: 'requests that may be sent twice, as a share of all' },
  chunkSize: { level: 'ranges', unit: 'bytes', meaning: 'bytes of one range of a large read' },
  maxConcurrentRanges: { level: 'ranges', unit: 'count', meaning: 'ranges of one read in flight' },
  minSplitSize: { level: 'ranges', unit: 'bytes', meaning: 'smaller reads are one request' },
  firstRange: { level: 'ranges', unit: 'bytes', meaning: 'bytes that opening an object asks for' },
  coalesceGap: { level: 'ranges', unit: 'bytes', least: 0, meaning: 'ranges that are asked for together and lie no farther apart become one' },
  readAhead: { level: 'ranges', unit: 'bytes', least: 0, meaning: 'bytes fetched ahead of somebody who reads in order; 0: none' },
  connectTimeout: { level: 'ranges', unit: 'ms', meaning: 'until a connection stands' },
  ttfbTimeout: { level: 'ranges', unit: 'ms', meaning: 'until the head of a reply' },
  idleTimeout: { level: 'ranges', unit: 'ms', meaning: 'between two pieces of a body' },
  minRate: { level: 'ranges', unit: 'bytes per second', least: 0, meaning: 'a connection that is slower over minRateWindow is given up; 0: none' },
  minRateWindow: { level: 'ranges', unit: 'ms', meaning: 'how long a connection may be slower than minRate' },
  rangeTimeout: { level: 'ranges', unit: 'ms', meaning: 'one request, all of it; longer by the size at minRate' },
  deadline: { level: 'ranges', unit: 'ms', meaning: 'one read with all its retries' },
  maxAttempts: { level: 'ranges', unit: 'count', meaning: 'requests without any progress before a read fails' },
  backoffBase: { level: 'ranges', unit: 'ms', least: 0, meaning: 'first wait before a retry, at most' },
  throttleBase: { level: 'ranges', unit: 'ms', least: 0, meaning: 'the same when the service asked to slow down' },
  backoffCap: { level: 'ranges', unit: 'ms', least: 0, meaning: 'the longest wait, but for what a Retry-After says' }
}

export const FIELD_NAMES = Object.keys(FIELDS) as readonly FieldName[]

/** `MILLRACE_CHUNK_SIZE` for `chunkSize`. */
export function variableOf(name: string): string {
  return `MILLRACE_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

/** The longest time that timers of JavaScript can wait. */
const LONGEST = 2 ** 31 - 1

/** Checks one value. `where` is what the caller wrote. */
export function checkField(where: string, name: FieldName, value: unknown): number | boolean {
  const { unit, least = 1 } = FIELDS[name]
  if (unit === 'yes or no') {
    if (typeof value !== 'boolean') throw new TypeError(`${where} must be true or false, got ${shown(value)}`)
    return value
  }
  if (typeof value !== 'number') throw new TypeError(`${where} must be a number (${unit}), got ${shown(value)}`)
  const most = unit === 'ms' ? LONGEST : unit === 'share' ? 1 : Number.MAX_SAFE_INTEGER
  if (!(value >= least && value <= most) || ((unit === 'count' || unit === 'bytes') && !Number.isInteger(value))) {
    throw new RangeError(`${where} must be ${unit === 'count' || unit === 'bytes' ? 'a whole number' : 'a number'} (${unit}) from ${least} ${most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`}, got ${value}`)
  }
  return value
}

const BYTES: Readonly<Record<string, number>> = {
  '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40
}
const TIMES: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, min: 60_000 }

/** A value as it stands in the environment: `8MiB`, `64 KiB/s`, `30s`, `10%`, `true`. @throws TypeError when it is none */
export function parseField(where: string, name: FieldName | 'adaptive', text: string): number | boolean {
  const unit = name === 'adaptive' ? 'yes or no' : FIELDS[name].unit
  const plain = text.trim().toLowerCase()
  if (unit === 'yes or no') {
    if (['true', '1', 'yes', 'on'].includes(plain)) return true
    if (['false', '0', 'no', 'off'].includes(plain)) return false
    throw new TypeError(`${where} must be true or false, got ${shown(text)}`)
  }
  const [, digits, suffix = ''] = /^(\d+(?:\.\d*)?|\.\d+)\s*([a-z%/]*)$/.exec(plain) ?? []
  const factor = unit === 'bytes' ? BYTES[suffix]
    : unit === 'bytes per second' ? BYTES[suffix.replace(/\/s$/, '')]
    : unit === 'ms' ? TIMES[suffix]
    : unit === 'share' ? { '': 1, '%': 0.01 }[suffix]
    : suffix === '' ? 1 : undefined
  if (digits === undefined || factor === undefined) throw new TypeError(`${where} must be ${SYNTAX[unit]}, got ${shown(text)}`)
  return Number(digits) * factor
}

const SYNTAX: Readonly<Record<Exclude<Unit, 'yes or no'>, string>> = {
  count: 'a number',
  bytes: 'a size such as 8388608, 8MiB or 8MB',
  'bytes per second': 'a rate such as 65536 or 64KiB/s',
  ms: 'a time such as 500, 500ms or 30s',
  share: 'a share such as 0.1 or 10%'
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : value === null || typeof value !== 'object' ? String(value) : 'an object'
}
