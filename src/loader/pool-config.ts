import { describe } from '../array/nest.js'
import { checkKeys } from '../storage/known-keys.js'
import { checkInteger } from '../util/check.js'
import { LOADER_DEFAULTS, type LoaderOptions } from './loader-options.js'

/** How elements are fetched by `stream({ pool })`: the level below {@link LoaderOptions}, for many slow requests. */
export interface PoolConfig {
  /** Elements that are fetched at once. @default 64 */
  readonly poolSize: number
  /** Batches that are prepared ahead of the consumer. @default 4 */
  readonly readaheadBatches: number
  /** Milliseconds that one batch may be waited for; in place of `timeout` of the loader. @default `timeout` of the loader */
  readonly batchTimeout: number | undefined
  /** Elements that are being fetched or wait in prepared batches, at most: both of the above give way to it. @default 256 */
  readonly maxInflight: number
  /** True keeps the order of the elements; false delivers them as they are ready. @default false */
  readonly ordered: boolean
}

export const POOL_DEFAULTS: PoolConfig = Object.freeze({ poolSize: 64, readaheadBatches: 4, batchTimeout: undefined, maxInflight: 256, ordered: false })

/** What each worker is worth in requests under way. */
const PER_WORKER = 16
const LEAST_READAHEAD = 2

/** Makes pool settings. */
export const PoolConfig = Object.freeze({
  /**
   * The settings for options of a loader: 16 elements at once for each worker, and 16 where there is none or `'auto'`, since this thread fetches too;
   * as many batches ahead as `prefetch` says, or `prefetchFactor` for all workers, and 2 at least; `timeout` as `batchTimeout`; in order unless `inOrder` is false.
   * `maxInflight` is as large as both need, and 256 at least.
   */
  fromLoaderOptions(options: Pick<LoaderOptions, 'numWorkers' | 'prefetch' | 'prefetchFactor' | 'timeout' | 'inOrder' | 'batchSize'>): PoolConfig {
    const workers = typeof options.numWorkers === 'number' ? options.numWorkers : 0
    const poolSize = Math.max(1, workers) * PER_WORKER
    const readaheadBatches = Math.max(aheadOf(options), LEAST_READAHEAD)
    const waiting = readaheadBatches * (options.batchSize === null ? 1 : (options.batchSize ?? LOADER_DEFAULTS.batchSize))
    return Object.freeze({
      poolSize, readaheadBatches, batchTimeout: options.timeout, maxInflight: Math.max(POOL_DEFAULTS.maxInflight, poolSize + waiting), ordered: options.inOrder !== false
    })
  }
})

/** Batches that options ask for ahead; `'auto'` begins with 2. */
export function aheadOf({ numWorkers = 0, prefetch, prefetchFactor }: Pick<LoaderOptions, 'numWorkers' | 'prefetch' | 'prefetchFactor'>): number {
  if (prefetch !== undefined) return prefetch === 'auto' ? LOADER_DEFAULTS.prefetch : prefetch
  if (numWorkers === 0) return LOADER_DEFAULTS.prefetch
  return (prefetchFactor ?? LOADER_DEFAULTS.prefetchFactor) * (numWorkers === 'auto' ? 1 : numWorkers)
}

/**
 * Checks settings, and fills in the defaults.
 * @throws TypeError, RangeError
 */
export function resolvePool(pool: Partial<PoolConfig>): PoolConfig {
  const where = 'stream: pool'
  checkKeys(where, pool, Object.keys(POOL_DEFAULTS))
  const resolved = { ...POOL_DEFAULTS, ...Object.fromEntries(Object.entries(pool).filter(([, value]) => value !== undefined)) }
  checkInteger(where, 'poolSize', resolved.poolSize, 1)
  checkInteger(where, 'readaheadBatches', resolved.readaheadBatches, 0)
  checkInteger(where, 'maxInflight', resolved.maxInflight, 1)
  if (resolved.batchTimeout !== undefined) checkInteger(where, 'batchTimeout', resolved.batchTimeout, 1)
  if (typeof resolved.ordered !== 'boolean') throw new TypeError(`${where}: ordered must be true or false, got ${describe(resolved.ordered)}`)
  return Object.freeze(resolved)
}

/** The numbers that are in force: both give way to `maxInflight`, the elements under way last. */
export function boundedPool(pool: PoolConfig, batchSize: number): { readonly parallel: number; readonly ahead: number } {
  const parallel = Math.min(pool.poolSize, pool.maxInflight)
  return { parallel, ahead: Math.min(pool.readaheadBatches, Math.floor((pool.maxInflight - parallel) / batchSize)) }
}
