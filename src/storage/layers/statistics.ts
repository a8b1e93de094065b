import type { ErrorKind } from '../../errors.js'
import { isMillraceError } from '../../errors.js'
import type { Store } from '../../store.js'
import type { AttemptRecord } from '../remote/reader.js'
import { forward } from './forward.js'
import { histogram, type Histogram, type HistogramSummary } from './histogram.js'
import { observed, type OperationName, type OperationObserver, type OperationRecord } from './observe.js'

/** What a store has done so far, as plain data. Times in milliseconds. */
export interface StoreStats {
  /** Since counting began. */
  readonly elapsed: number
  /** What was asked of the store, by operation. Those that never happened are absent. */
  readonly operations: { readonly [Name in OperationName]?: OperationStats }
  /** What went over the network; all zero for stores without one. */
  readonly requests: RequestStats
  /** Bytes of whole objects that had the checksum that the store keeps of them. */
  readonly verifiedBytes: number
  /** Bytes of whole objects of which the store tells no checksum. Bytes of ranges can never be compared, and are not counted here. */
  readonly unverifiedBytes: number
  readonly throughput: Throughput
}

/** All operations of one name. */
export interface OperationStats {
  /** That have ended. */
  readonly count: number
  readonly inFlight: number
  /** By the kind of the error, `aborted` for those that were called off, or the name of the error. */
  readonly failures: Readonly<Record<string, number>>
  readonly objects: number
  /** Read or written by operations that succeeded. */
  readonly bytes: number
  readonly requests: number
  readonly retries: number
  /** From the call to the end, of operations that succeeded. */
  readonly duration: HistogramSummary
  /** From the call to the first byte of the first reply, where the store tells. */
  readonly firstByte: HistogramSummary
}

/** All requests. */
export interface RequestStats {
  readonly count: number
  /** Nothing for stores that do not count them. */
  readonly inFlight: number | undefined
  /** Of bodies, good or not. */
  readonly bytes: number
  /** Requests that failed, by kind; all of them are made again but the last of an operation that fails. */
  readonly faults: Readonly<Record<string, number>>
  /** Of those, the ones in which the service asked to slow down. */
  readonly throttled: number
  /** To the head of the reply. */
  readonly firstByte: HistogramSummary
  /** To the end of the body, of good requests. */
  readonly duration: HistogramSummary
  readonly endpoints: Readonly<Record<string, EndpointRequests>>
}

/** The requests to one host. */
export interface EndpointRequests {
  readonly count: number
  readonly bytes: number
  readonly faults: number
}

/** Bytes per second over the last `seconds`. Bytes count when the read, write or request that they belong to ends. */
export interface Throughput {
  readonly seconds: number
  /** By `read` and `get`. */
  readonly read: number
  /** By `put` and `write`. */
  readonly written: number
  /** Over the network, in replies. */
  readonly received: number
}

/** Counts what a store does. Recording costs well under a microsecond, and memory is the same however much is recorded. */
export interface Statistics extends OperationObserver {
  /** One request has ended. */
  record(attempt: AttemptRecord): void
  /** A whole object came, and was compared with its checksum or could not be. */
  verified(bytes: number, matches: boolean): void
  began(operation: OperationName): void
  snapshot(): StoreStats
}

export interface StatisticsOptions {
  /** Milliseconds, monotonic, by the same clock as the records of operations. @default performance.now */
  readonly now?: () => number
  /** Requests that are under way now, for those who know. */
  readonly requestsInFlight?: () => number
}

/**
 * Counts every operation of a store and how long it took.
 *
 * ```ts
 * const store = measured(memoryStore())
 * await store.put('mem://a', new Uint8Array(1000))
 * store.stats().operations.put?.bytes // 1000
 * ```
 */
export function measured(inner: Store): Store & { stats(): StoreStats } {
  const statistics = createStatistics()
  return forward(observed(inner, statistics), { stats: statistics.snapshot })
}

/** Makes what counts. A snapshot may be taken at any time; counting never ends. */
export function createStatistics({ now = () => performance.now(), requestsInFlight }: StatisticsOptions = {}): Statistics {
  const start = now()
  const operations = new Map<OperationName, OperationCounts>()
  const endpoints = new Map<string, { count: number; bytes: number; faults: number }>()
  const faults = new Map<string, number>()
  const firstByte = histogram()
  const duration = histogram()
  const [read, written, received] = [bytesPerSecond(start), bytesPerSecond(start), bytesPerSecond(start)]
  let requests = 0
  let requestBytes = 0
  let verifiedBytes = 0
  let unverifiedBytes = 0

  function countsOf(operation: OperationName): OperationCounts {
    let counts = operations.get(operation)
    if (counts === undefined) operations.set(operation, counts = operationCounts())
    return counts
  }

  return {
    record(attempt) {
      requests++
      requestBytes += attempt.bytes
      received.add(attempt.bytes, now())
      if (attempt.firstByte !== undefined) firstByte.record(attempt.firstByte)
      let endpoint = endpoints.get(attempt.endpoint)
      if (endpoint === undefined) {
        // Hosts are few; should they not be, the rest is counted together.
        const name = endpoints.size < MOST_ENDPOINTS ? attempt.endpoint : 'others'
        endpoint = endpoints.get(name)
        if (endpoint === undefined) endpoints.set(name, endpoint = { count: 0, bytes: 0, faults: 0 })
      }
      endpoint.count++
      endpoint.bytes += attempt.bytes
      if (attempt.fault === undefined) duration.record(attempt.milliseconds)
      else {
        endpoint.faults++
        increment(faults, attempt.fault)
      }
    },
    verified(bytes, matches) {
      if (matches) verifiedBytes += bytes
      else unverifiedBytes += bytes
    },
    began(operation) {
      countsOf(operation).inFlight++
    },
    ended(record) {
      const counts = countsOf(record.operation)
      countOperation(counts, record)
      if (record.bytes === 0) return
      const { operation } = record
      if (operation === 'read' || operation === 'get') read.add(record.bytes, record.end)
      else if (operation === 'put' || operation === 'write') written.add(record.bytes, record.end)
    },
    snapshot() {
      const at = now()
      return {
        elapsed: at - start,
        operations: Object.fromEntries([...operations].map(([name, counts]) => [name, operationStats(counts)])),
        requests: {
          count: requests,
          inFlight: requestsInFlight?.(),
          bytes: requestBytes,
          faults: Object.fromEntries(faults),
          throttled: faults.get('Throttled' satisfies ErrorKind) ?? 0,
          firstByte: firstByte.summary(),
          duration: duration.summary(),
          endpoints: Object.fromEntries([...endpoints].map(([name, counts]) => [name, { ...counts }]))
        },
        verifiedBytes,
        unverifiedBytes,
        throughput: { seconds: WINDOW_SECONDS, read: read.rate(at), written: written.rate(at), received: received.rate(at) }
      }
    }
  }
}

/** Hosts that are counted one by one. */
const MOST_ENDPOINTS = 256

interface OperationCounts {
  count: number
  inFlight: number
  objects: number
  bytes: number
  requests: number
  retries: number
  readonly failures: Map<string, number>
  readonly duration: Histogram
  readonly firstByte: Histogram
}

function operationCounts(): OperationCounts {
  return { count: 0, inFlight: 0, objects: 0, bytes: 0, requests: 0, retries: 0, failures: new Map(), duration: histogram(), firstByte: histogram() }
}

function countOperation(counts: OperationCounts, record: OperationRecord): void {
  counts.count++
  counts.inFlight--
  counts.objects += record.objects
  counts.bytes += record.bytes
  counts.requests += record.requests
  counts.retries += record.retries
  if (record.failed) increment(counts.failures, failureOf(record.error))
  else counts.duration.record(record.end - record.start)
  if (record.firstByte !== undefined) counts.firstByte.record(record.firstByte - record.start)
}

function operationStats({ failures, duration, firstByte, ...numbers }: OperationCounts): OperationStats {
  return { ...numbers, failures: Object.fromEntries(failures), duration: duration.summary(), firstByte: firstByte.summary() }
}

/** A name for what was thrown, one of a few. */
export function failureOf(error: unknown): string {
  if (isMillraceError(error)) return error.kind
  const name = (error as { name?: unknown } | null | undefined)?.name
  if (name === 'AbortError') return 'aborted'
  return typeof name === 'string' && /^\w{1,40}$/.test(name) ? name : 'other'
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

const WINDOW_SECONDS = 5
const SLOTS_PER_SECOND = 2
const SLOTS = WINDOW_SECONDS * SLOTS_PER_SECOND

/** Bytes of the last seconds, in a ring of half seconds; the one that is running counts as far as it has come. */
function bytesPerSecond(start: number): { add(bytes: number, now: number): void; rate(now: number): number } {
  const ring = new Float64Array(SLOTS + 1)
  let current = 0
  const slotAt = (now: number): number => Math.max(0, Math.floor((now - start) * SLOTS_PER_SECOND / 1000))
  function turnTo(slot: number): void {
    for (let gone = Math.min(slot - current, ring.length); gone > 0; gone--) ring[(slot - gone + 1) % ring.length] = 0
    current = Math.max(current, slot)
  }
  return {
    add(bytes, now) {
      const slot = slotAt(now)
      if (slot > current) turnTo(slot)
      const at = current % ring.length
      ring[at] = (ring[at] ?? 0) + bytes
    },
    rate(now) {
      turnTo(slotAt(now))
      const covered = Math.min(now - start, (SLOTS + ((now - start) * SLOTS_PER_SECOND / 1000) % 1) * 1000 / SLOTS_PER_SECOND)
      return covered <= 0 ? 0 : ring.reduce((sum, bytes) => sum + bytes, 0) * 1000 / covered
    }
  }
}
