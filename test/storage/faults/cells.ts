/**
 * The fault matrix: what each fault of a server or a network has to end in, for each way to read. A cell is one store, one object and one
 * read; it passes when the bytes are right, or the error is the one that is named, with as many requests as it should take.
 */
import { isMillraceError, messageOf, type ErrorKind } from '../../../src/errors.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import type { StoreTuning } from '../../../src/storage/config.js'
import { faultOf, type Faults } from '../../servers/faults.js'
import type { Dialect, Origin, OriginRequest } from '../../servers/origin.js'
import { metaOf, SECRET, storeOf, uriOf } from './stores.js'

/** How an object is read. */
export const MODES = ['whole', 'verified', 'known get', 'range', 'open', 'sequence', 'split get', 'split read'] as const
export type Mode = (typeof MODES)[number]

/** How many replies are faulty, from the first on. */
export const TIMES = [1, 2, Infinity] as const
export type Times = (typeof TIMES)[number]

export interface Cell {
  readonly dialect: Dialect
  readonly mode: Mode
  readonly fault: FaultCase
  readonly times: Times
}

/** What has to come of a cell. */
export type Expected =
  /** The bytes of the object, in one of its versions. */
  | { readonly is: 'right'; readonly requests?: number | undefined; readonly or?: readonly ErrorKind[] }
  | { readonly is: 'error'; readonly kinds: readonly ErrorKind[]; readonly requests?: number | undefined }
  /** Nobody can see it: other bytes, which nothing was said to have proved. */
  | { readonly is: 'unnoticed' }

export interface FaultCase {
  readonly name: string
  /** What the first replies have. Nothing: that cell is not there. */
  readonly fault: Faults | ((cell: { readonly dialect: Dialect; readonly mode: Mode }) => Faults)
  /** What the reply after the first one has. Then there is only `once`. */
  readonly next?: Faults
  /** Waits for a time limit, which is short then. */
  readonly slow?: boolean
  /** Of the object, instead of what the mode has. */
  readonly size?: number
  /** What whole objects may have at most. */
  readonly maxBytes?: number
  expected(cell: Cell): Expected
}

/** Requests without progress before a read fails. */
export const ATTEMPTS = 4
const KIB = 1 << 10

interface Shape {
  readonly size: number
  /** Requests that it takes when nothing goes wrong. */
  readonly requests: number
  /** Whether the version is known before the first request. */
  readonly pinned: boolean
}

const SHAPES: Readonly<Record<Mode, Shape>> = {
  whole: { size: 48 * KIB, requests: 1, pinned: false },
  verified: { size: 48 * KIB, requests: 1, pinned: false },
  'known get': { size: 48 * KIB, requests: 1, pinned: true },
  range: { size: 48 * KIB, requests: 1, pinned: true },
  open: { size: 48 * KIB, requests: 2, pinned: false },
  sequence: { size: 48 * KIB, requests: 0, pinned: true },
  'split get': { size: 64 * KIB + 10, requests: 4, pinned: false },
  'split read': { size: 64 * KIB + 10, requests: 4, pinned: true }
}

const TUNING: StoreTuning = {
  pool: { retryBudget: 1, adaptiveConcurrency: false },
  ranges: {
    maxAttempts: ATTEMPTS, backoffBase: 1, throttleBase: 1, backoffCap: 4, connectTimeout: 5000, ttfbTimeout: 5000, idleTimeout: 5000, minRateWindow: 5000,
    rangeTimeout: 10_000, deadline: 20_000, coalesceGap: 0, readAhead: 0, firstRange: 16 * KIB
  }
}
/** Short, and often: on a machine that has much to do, good replies may be late as well. */
const SHORT = { ttfbTimeout: 250, idleTimeout: 250, minRate: 100_000, minRateWindow: 250, maxAttempts: 6 }

function tuningOf({ mode, fault }: Cell): StoreTuning {
  return {
    ...TUNING,
    ranges: {
      ...TUNING.ranges, ...(fault.slow === true ? SHORT : {}),
      ...(mode.startsWith('split') ? { chunkSize: 16 * KIB, minSplitSize: 32 * KIB, maxConcurrentRanges: 4 } : {}),
      ...(mode === 'sequence' ? { readAhead: 32 * KIB } : {})
    }
  }
}

/** @returns what is wrong with it; nothing when it is as it should be */
export async function runCell(cell: Cell, origin: Origin): Promise<string | undefined> {
  const { dialect, mode, times } = cell
  const object = `bucket/${mode.replace(' ', '-')}-${PLANS.size}`
  const size = sizeOf(cell)
  origin.put(object, size)
  PLANS.set(object, cell)
  const store = storeOf(dialect, origin.url, tuningOf(cell))
  const uri = uriOf(dialect, origin.url, object)
  const started = performance.now()
  const came = await inTime(read(cell, store, uri))
  const elapsed = performance.now() - started
  const before = came.memory.map((bytes) => bytes.slice())
  await store.close()
  const requests = origin.logOf(object)
  const late = came.memory.some((bytes, index) => !same(bytes, before[index]))
  if (late) return 'bytes were written after the read had ended'
  if (elapsed > 30_000) return `it took ${Math.round(elapsed)} ms`
  const problem = judge(cell, came, origin, object, requests)
  return problem ?? (times === 1 && came.is === 'bytes' ? resumed(cell, requests) : undefined)
}

function sizeOf({ mode, fault }: Pick<Cell, 'mode' | 'fault'>): number {
  return fault.size ?? SHAPES[mode].size
}

/** How the read of a cell ended. */
type Came = { readonly memory: readonly Uint8Array[] } & (
  | { readonly is: 'bytes'; readonly bytes: Uint8Array; readonly offset: number; readonly verified: boolean; readonly version: string }
  | { readonly is: 'error'; readonly error: unknown }
)

/** Modes that open the object. The others get it. */
const READS: ReadonlySet<Mode> = new Set(['range', 'open', 'sequence', 'split read'])

async function inTime(reading: Promise<Came>): Promise<Came> {
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<Came>((resolve) => {
    timer = setTimeout(() => resolve({ is: 'error', error: new Error('it hangs'), memory: [] }), 45_000)
  })
  try {
    return await Promise.race([reading, hangs])
  } finally {
    clearTimeout(timer)
  }
}

async function read(cell: Cell, store: RemoteStore, uri: string): Promise<Came> {
  const { dialect, mode, fault: { maxBytes } } = cell
  const size = sizeOf(cell)
  const known = metaOf(dialect, uri, size)
  const memory: Uint8Array[] = []
  const allocate = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    memory.push(bytes)
    return bytes
  }
  try {
    if (!READS.has(mode)) {
      const more = { ...(mode === 'verified' ? { verify: true } : {}), ...(mode === 'known get' ? { known } : {}), ...(maxBytes === undefined ? {} : { maxBytes }) }
      const { bytes, verified, meta } = await store.get(uri, { allocate, ...more })
      return { is: 'bytes', bytes, offset: 0, verified, version: meta.version, memory }
    }
    const source = await store.open(uri, mode === 'open' ? {} : { known })
    try {
      const offset = mode === 'range' ? 10_000 : 0
      const bytes = allocate(mode === 'range' ? 20_000 : source.byteLength)
      const step = mode === 'sequence' ? 4 * KIB : bytes.length
      for (let at = 0; at < bytes.length; at += step) await source.read(offset + at, bytes.subarray(at, at + step))
      return { is: 'bytes', bytes, offset, verified: false, version: source.version, memory }
    } finally {
      await source.close()
    }
  } catch (error) {
    return { is: 'error', error, memory }
  }
}

function judge(cell: Cell, came: Came, origin: Origin, object: string, requests: readonly OriginRequest[]): string | undefined {
  const expected = cell.fault.expected(cell)
  const count = `${requests.length} requests`
  if (came.is === 'error') {
    const { error } = came
    if (!isMillraceError(error)) return `it threw ${messageOf(error)}`
    if ([SECRET, btoa(SECRET), 'Signature='].some((secret) => said(error).includes(secret))) return `the error tells a secret: ${said(error)}`
    const allowed = expected.is === 'error' ? expected.kinds : expected.is === 'right' ? expected.or ?? [] : []
    if (!allowed.includes(error.kind)) return `${error.kind} after ${count}, instead of ${expected.is} ${allowed.join(', ')}: ${error.message}`
    if (error.uri === undefined || !error.message.includes(object)) return `the error does not say where: ${error.message}`
    if (expected.is !== 'error') return undefined
    return expected.requests === undefined || expected.requests === requests.length ? undefined : `${count} instead of ${expected.requests} before ${error.message}`
  }
  const { bytes, offset, verified } = came
  const isOf = (version: Uint8Array): boolean => same(bytes, version.subarray(offset, cell.mode === 'range' ? offset + 20_000 : version.length))
  const good = origin.history(object).some(isOf)
  const inverted = !good && origin.history(object).some((version) => isOf(version.map((byte) => byte ^ 0xff)))
  switch (expected.is) {
    case 'error': return `${good ? 'right' : 'WRONG'} bytes after ${count}, instead of ${expected.kinds.join(', ')}`
    case 'unnoticed': {
      if (verified) return 'other bytes passed for verified'
      if (faultOf(faultsOf(cell), 'flip') === undefined) return undefined
      const wrong = bytes.reduce((count, byte, index) => count + (byte === origin.bytes(object)[offset + index] ? 0 : 1), 0)
      return wrong >= 1 && wrong <= requests.length ? undefined : `${wrong} bytes are wrong after ${count}`
    }
    case 'right': {
      if (!good && !(inverted && faultOf(faultsOf(cell), 'otherVersion') !== undefined)) return `WRONG bytes after ${count}`
      if (cell.fault.size === 0 && came.version !== metaOf(cell.dialect, '', 0).version) return `the version is '${came.version}'`
      return expected.requests === undefined || expected.requests === requests.length ? undefined : `right bytes after ${count} instead of ${expected.requests}`
    }
  }
}

/** All that an error shows of itself, with its causes. */
function said(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error)
  return `${messageOf(error)} ${JSON.stringify(error)} ${said((error as { cause?: unknown }).cause)}`
}

function faultsOf(cell: Pick<Cell, 'dialect' | 'mode' | 'fault'>): Faults {
  const { fault } = cell.fault
  return typeof fault === 'function' ? fault(cell) : fault
}

/** After a connection that broke, only what is missing is asked for, of the same version. */
function resumed({ mode, fault }: Cell, requests: readonly OriginRequest[]): string | undefined {
  if (fault.name !== 'closed in the body' || (mode !== 'whole' && mode !== 'range')) return undefined
  const again = requests[1]
  const from = mode === 'whole' ? 24 * KIB : 20_000
  if (again?.pinned === undefined) return 'the second request does not ask for the same version'
  return again.range?.startsWith(`bytes=${from}-`) === true ? undefined : `the second request asks for ${again.range}`
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0
}

/** What goes wrong with an object, for the plan of the origin. */
const PLANS = new Map<string, Cell>()

export function matrixPlan(_: number, { object, nth }: OriginRequest): Faults {
  const cell = PLANS.get(object)
  if (cell === undefined) return undefined
  return nth < cell.times ? faultsOf(cell) : nth === 1 ? cell.fault.next : undefined
}

/** @param slow those that wait for a time limit, or the others */
export function cellsOf(dialect: Dialect, mode: Mode, slow: boolean): Cell[] {
  const cells: Cell[] = []
  for (const fault of FAULTS) {
    if ((fault.slow === true) !== slow || faultsOf({ dialect, mode, fault }) === undefined) continue
    for (const times of TIMES) if (fault.next === undefined || times === 1) cells.push({ dialect, mode, fault, times })
  }
  return cells
}

export function nameOfCell({ dialect, mode, fault, times }: Cell): string {
  return `${dialect}, ${mode}: ${fault.name}, ${times === 1 ? 'once' : times === 2 ? 'twice' : 'always'}`
}

/** Runs cells side by side, all of them or until one fails. */
export async function runCells(cells: readonly Cell[], origin: Origin, atOnce: number, untilFailure = false): Promise<string[]> {
  const problems: string[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let cell = cells[next]; cell !== undefined && !(untilFailure && problems.length > 0); cell = cells[next]) {
      next++
      const problem = await runCell(cell, origin)
      if (problem !== undefined) problems.push(`${nameOfCell(cell)}: ${problem}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return problems
}

const single = ({ mode }: Cell): boolean => mode === 'whole' || mode === 'verified' || mode === 'known get' || mode === 'range'
const asksForRanges = ({ mode }: Cell): boolean => mode !== 'verified' && mode !== 'known get'
const pinned = ({ mode }: Cell): boolean => SHAPES[mode].pinned
const right = (cell: Cell, more = 0): Expected => ({ is: 'right', requests: single(cell) ? SHAPES[cell.mode].requests + more : undefined })
const error = (cell: Cell, requests: number | undefined, ...kinds: ErrorKind[]): Expected => ({ is: 'error', kinds, requests: single(cell) ? requests : undefined })

/** Comes and goes: what is right after one or two bad replies, and fails when all are bad. */
function transient(...kinds: ErrorKind[]): FaultCase['expected'] {
  return (cell) => (cell.times === Infinity ? error(cell, ATTEMPTS, ...kinds) : right(cell, cell.times))
}

/** New credentials, clocks and regions are tried once for each read. */
function refreshed(cell: Cell): Expected {
  if (cell.times === 1) return right(cell, 1)
  // Reads of several ranges may have one bad reply each.
  if (cell.times === 2 && !single(cell)) return { is: 'right', or: ['Denied'] }
  return error(cell, 2, 'Denied')
}

/** Is told at once. */
function told(...kinds: ErrorKind[]): FaultCase['expected'] {
  return (cell) => {
    // The beginning of an object that is read in small pieces is fetched for all of them, and what could not be had, once more for the first.
    if (cell.mode === 'sequence' && cell.times !== Infinity) return { is: 'right', or: kinds }
    return error(cell, 1, ...kinds)
  }
}

/** The object came in one piece without a range, so that only a checksum can tell. It is read again once. */
function summed(cell: Cell): Expected {
  if (cell.dialect === 'http') return { is: 'unnoticed' }
  return cell.times === 1 ? right(cell, 1) : error(cell, 2, 'Corrupt')
}

const unlessWhole = (expected: FaultCase['expected']): FaultCase['expected'] => (cell) => (cell.mode === 'verified' ? summed(cell) : expected(cell))
const ofRanges = (expected: FaultCase['expected']): FaultCase['expected'] => (cell) => (asksForRanges(cell) ? expected(cell) : right(cell))
const status = (code: number, headers?: Readonly<Record<string, string>>): Faults => ({ kind: 'status', status: code, ...(headers === undefined ? {} : { headers }) })

export const FAULTS: readonly FaultCase[] = [
  { name: 'reset before the head', fault: { kind: 'rst0' }, expected: transient('Unavailable') },
  { name: 'closed before the head', fault: { kind: 'fin0' }, expected: transient('Unavailable') },
  { name: 'not HTTP', fault: { kind: 'garbage' }, expected: transient('Unavailable') },
  { name: 'no reply', fault: { kind: 'silence' }, slow: true, expected: (cell) => withoutCount(transient('Timeout')(cell)) },
  { name: 'reset in the body', fault: { kind: 'rstBody' }, expected: transient('Unavailable') },
  { name: 'closed in the body', fault: { kind: 'finBody' }, expected: transient('Unavailable') },
  { name: 'stalled in the body', fault: { kind: 'stallBody' }, slow: true, expected: (cell) => withoutCount(transient('Timeout')(cell)) },
  { name: 'trickling', fault: { kind: 'trickle', bytes: 10, every: 20 }, slow: true, expected: (cell) => withoutCount(transient('Timeout')(cell)) },
  { name: 'late', fault: { kind: 'late', by: 30 }, expected: (cell) => right(cell) },
  { name: 'cut in the chunks', fault: { kind: 'chunkCut' }, expected: transient('Unavailable', 'ShortRead') },
  { name: 'cut without a length', fault: { kind: 'closeCut' }, expected: transient('Unavailable', 'ShortRead') },
  { name: 'too short', fault: { kind: 'shortLength' }, expected: unlessWhole(transient('ShortRead', 'WrongRange')) },
  { name: 'a shorter range, and honest', fault: { kind: 'shortRange' }, expected: unlessWhole(transient('ShortRead', 'WrongRange')) },
  { name: 'too long', fault: { kind: 'longLength' }, expected: unlessWhole(transient('ShortRead', 'WrongRange')) },
  { name: 'bytes behind the end', fault: { kind: 'extraBytes' }, expected: (cell) => right(cell) },
  {
    name: '200 and the whole object', fault: { kind: 'fullBody' },
    expected: (cell) => (READS.has(cell.mode) ? transient('RangeIgnored')(cell) : right(cell))
  },
  {
    name: '200 and the whole object, in chunks', fault: [{ kind: 'fullBody' }, { kind: 'chunked' }],
    expected(cell) {
      if (cell.mode === 'whole' || !asksForRanges(cell)) return right(cell)
      // Whether all of it will fit shows only when it does not.
      if (!pinned(cell)) return { is: 'error', kinds: ['RangeIgnored'], requests: 1 }
      return transient('RangeIgnored')(cell)
    }
  },
  { name: 'chunks', fault: { kind: 'chunked' }, expected: (cell) => right(cell) },
  {
    name: 'another range', fault: { kind: 'otherRange' },
    // Of a range that is the whole object there is no other of the same length.
    expected: ofRanges((cell) => (cell.mode === 'whole' ? right(cell) : transient('WrongRange')(cell)))
  },
  { name: 'an earlier range', fault: { kind: 'otherRange', by: -7 }, expected: ofRanges((cell) => (cell.mode === 'whole' ? right(cell) : transient('WrongRange')(cell))) },
  { name: 'a part of the range', fault: { kind: 'lateRange' }, expected: ofRanges(transient('WrongRange')) },
  { name: 'more than the range', fault: { kind: 'longRange' }, expected: ofRanges((cell) => (cell.mode === 'whole' ? right(cell) : transient('WrongRange')(cell))) },
  { name: 'a range that ends before it begins', fault: [{ kind: 'invertedRange' }, { kind: 'chunked' }], expected: ofRanges(transient('WrongRange', 'ShortRead')) },
  { name: 'no size', fault: { kind: 'noTotal' }, expected: ofRanges((cell) => (pinned(cell) ? right(cell) : transient('WrongRange')(cell))) },
  { name: 'no Content-Range', fault: { kind: 'noContentRange' }, expected: ofRanges(transient('WrongRange')) },
  {
    name: 'another size', fault: { kind: 'otherTotal' },
    // A first reply is believed, until another one contradicts it.
    expected: ofRanges((cell) => (pinned(cell) ? transient('WrongRange')(cell) : { is: 'right', or: ['Changed', 'WrongRange', 'OutOfRange', 'ShortRead'] }))
  },
  { name: 'an error in a good reply', fault: { kind: 'xmlBody' }, expected: unlessWhole(transient('Unavailable')) },
  { name: 'an error in a good reply, in chunks', fault: [{ kind: 'xmlBody' }, { kind: 'chunked' }], expected: transient('Unavailable') },
  { name: 'an error in a good reply, without a version', fault: [{ kind: 'xmlBody' }, { kind: 'noVersion' }], expected: transient('Unavailable') },
  { name: 'no version', fault: { kind: 'noVersion' }, expected: (cell) => (pinned(cell) || cell.dialect !== 'http' ? transient('WrongRange')(cell) : right(cell)) },
  {
    name: 'a weak version', fault: { kind: 'weakVersion' },
    expected(cell) {
      // A generation is never weak; web servers have dates besides.
      if (cell.dialect === 'gcs') return right(cell)
      if (cell.dialect === 'http') return pinned(cell) ? told('Changed')(cell) : { is: 'right', or: ['Changed'] }
      return pinned(cell) ? transient('WrongRange')(cell) : right(cell)
    }
  },
  { name: 'another version', fault: { kind: 'otherVersion' }, expected: (cell) => (pinned(cell) ? told('Changed')(cell) : { is: 'right', or: ['Changed'] }) },
  { name: 'replaced', fault: { kind: 'replace' }, expected: (cell) => (pinned(cell) ? told('Changed')(cell) : { is: 'right', or: ['Changed'] }) },
  {
    name: 'encoded', fault: { kind: 'encoded' },
    // S3 and Azure keep an encoding with the object, and send it as it is.
    expected: (cell) => (cell.dialect === 'http' || cell.dialect === 'gcs' ? told('Unsupported')(cell) : right(cell))
  },
  {
    name: 'one bit', fault: { kind: 'flip' },
    expected(cell) {
      if (cell.mode === 'verified') return summed(cell)
      // GCS tells the checksum of the object with every range of it.
      return cell.dialect === 'gcs' && (cell.mode === 'whole' || cell.mode === 'split get') ? flippedOfGcs(cell) : cell.mode === 'known get' && (cell.dialect === 'gcs' || cell.dialect === 's3') ? summed(cell) : { is: 'unnoticed' }
    }
  },
  { name: '204', fault: status(204), expected: transient('WrongRange') },
  { name: '500', fault: status(500), expected: transient('Unavailable') },
  { name: '502', fault: status(502), expected: transient('Unavailable') },
  { name: '503', fault: status(503), expected: transient('Throttled', 'Unavailable') },
  { name: '504', fault: status(504), expected: transient('Timeout', 'Unavailable') },
  { name: '429', fault: status(429), expected: transient('Throttled') },
  { name: '503 and Retry-After', fault: status(503, { 'retry-after': '0' }), expected: transient('Throttled', 'Unavailable') },
  {
    name: '400, an expired token', fault: status(400),
    expected: (cell) => (cell.dialect === 's3' ? refreshed(cell) : told('Denied', 'Unsupported')(cell))
  },
  { name: '401', fault: status(401), expected: refreshed },
  {
    name: '403, another time',
    fault: ({ dialect }) => {
      if (dialect !== 's3' && dialect !== 'azure') return undefined
      const code = dialect === 's3' ? 'RequestTimeTooSkewed' : 'AuthenticationFailed'
      return { kind: 'status', status: 403, code, headers: { date: new Date(Date.now() + 3_600_000).toUTCString() } }
    },
    expected: refreshed
  },
  { name: '403', fault: status(403), expected: told('Denied') },
  { name: '404', fault: status(404), expected: told('NotFound') },
  { name: '412', fault: status(412), expected: told('Changed') },
  { name: '304', fault: status(304), expected: told('Changed') },
  {
    name: '301 to another region', fault: status(301, { 'x-amz-bucket-region': 'eu-west-1' }),
    expected: (cell) => (cell.dialect === 's3' ? refreshed(cell) : told('Unsupported', 'Denied', 'Unavailable')(cell))
  },
  {
    name: '416', fault: status(416),
    expected(cell) {
      if (pinned(cell) || !asksForRanges(cell)) return told('OutOfRange')(cell)
      // An object that has no bytes is asked for without a range, to be told its version. When it has some after all, it is asked for once more.
      return cell.mode === 'whole' && cell.times === 1 ? right(cell, 2) : { is: 'right', or: ['OutOfRange', 'RangeIgnored'] }
    }
  },
  {
    name: '416, then chunks without a version', fault: ({ dialect, mode }) => (dialect === 'http' && mode === 'whole' ? status(416) : undefined),
    next: [{ kind: 'chunked' }, { kind: 'noVersion' }], expected: (cell) => right(cell, 2)
  },
  {
    name: '416 that knows better', fault: ({ mode }) => status(416, { 'content-range': `bytes */${SHAPES[mode].size}` }),
    expected: transient('WrongRange')
  },
  {
    name: '416 of another object', fault: status(416, { 'content-range': 'bytes */10' }),
    expected: (cell) => (pinned(cell) ? told('Changed')(cell) : { is: 'right', or: ['Changed', 'WrongRange'] })
  },
  { name: 'closed in the body, then 200 and the whole object', fault: { kind: 'finBody' }, next: { kind: 'fullBody' }, expected: () => ({ is: 'right' }) },
  {
    name: 'closed in the body, and replaced', fault: { kind: 'finBody' }, next: { kind: 'replace' },
    expected: () => ({ is: 'right', or: ['Changed'] })
  },
  {
    name: 'closed in the body without a version, and replaced', fault: [{ kind: 'finBody' }, { kind: 'noVersion' }], next: [{ kind: 'replace' }, { kind: 'noVersion' }],
    expected: () => ({ is: 'right', or: ['Changed', 'WrongRange'] })
  },
  {
    name: 'no version, and replaced', fault: ({ dialect }) => (dialect === 'http' ? undefined : { kind: 'noVersion' }), next: { kind: 'replace' },
    expected: () => ({ is: 'right', or: ['Changed', 'WrongRange'] })
  },
  {
    name: 'nothing, and the object is empty', fault: ({ mode }) => (mode === 'range' ? undefined : []), size: 0,
    expected: (cell) => (cell.mode === 'whole' ? right(cell, 1) : { is: 'right' })
  },
  {
    name: 'nothing, and the object is too large', fault: ({ mode }) => (READS.has(mode) ? undefined : []), maxBytes: 1000,
    expected: (cell) => error(cell, cell.mode === 'known get' ? 0 : 1, 'Limit')
  }
]

/** How often a time limit strikes is up to the machine as well. */
function withoutCount(expected: Expected): Expected {
  return expected.is === 'unnoticed' ? expected : { ...expected, requests: undefined }
}

function flippedOfGcs(cell: Cell): Expected {
  if (cell.mode === 'whole') return summed(cell)
  return cell.times === Infinity ? { is: 'error', kinds: ['Corrupt'] } : { is: 'right', or: ['Corrupt'] }
}
