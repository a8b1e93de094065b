/** How requests to a store share connections and memory. */
export interface PoolConfig {
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
  /** One read with all its retries. @default 180000 */
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

export const DEFAULT_POOL: PoolConfig = Object.freeze({
  poolSize: 64, maxInflight: 256, maxInflightBytes: 256 << 20, adaptiveConcurrency: true, retryBudget: 0.1, hedge: false, hedgeQuantile: 0.95, hedgeBudget: 0.02
})

export const DEFAULT_RANGES: RangeEngineConfig = Object.freeze({
  chunkSize: 8 << 20, maxConcurrentRanges: 16, minSplitSize: 16 << 20, firstRange: 1 << 20, coalesceGap: 1 << 20, readAhead: 32 << 20,
  connectTimeout: 5000, ttfbTimeout: 10_000, idleTimeout: 10_000, minRate: 64 << 10, minRateWindow: 10_000, rangeTimeout: 30_000, deadline: 180_000,
  maxAttempts: 8, backoffBase: 100, throttleBase: 500, backoffCap: 15_000
})

/** The levels of a store's configuration. The level above, `LoaderOptions`, belongs to the loader. */
export interface StoreTuning {
  readonly pool?: Partial<PoolConfig> | undefined
  readonly ranges?: Partial<RangeEngineConfig> | undefined
  /** Choose sizes and concurrency for what is really read. What is given above stays as it is. @default false */
  readonly adaptive?: boolean | undefined
}
