import type { Batched } from '../array/batched.js'
import type { FunctionReference } from '../plan/workers.js'
import type { AutotuneOptions } from '../plan/tuning.js'
import type { Store } from '../store.js'
import type { Rng } from '../util/rng.js'
import type { Collate } from './collate.js'
import type { BatchSampler, Sampler } from './sampler.js'

/** Which part of the data this process reads. */
export interface ShardOptions {
  /** Number of this process, from 0. */
  readonly rank: number
  /** How many processes share the data. */
  readonly worldSize: number
  /** Number of this loader among those of the process that share its part, from 0. @default 0 */
  readonly workerIndex?: number
  /** How many loaders of the process share its part. @default 1 */
  readonly workerCount?: number
  /**
   * What to do when the elements cannot be divided evenly. `'pad'` gives some of the first ones twice, `'drop'` leaves out some of the last ones:
   * all parts are of one length then, which needs a known number of elements. `'keep'` gives every element to exactly one part.
   * @default 'pad' where elements are drawn by index, as in PyTorch; 'keep' for a Dataset, an iterable and a prefix
   */
  readonly remainder?: 'pad' | 'drop' | 'keep'
}

/** How batches are made: PyTorch's words. What has no effect on a dataset is an error when the loader is made. */
export interface LoaderOptions<T = unknown> {
  /** Elements of a batch; `null` delivers the elements one by one, as they are. @default 32 */
  readonly batchSize?: number | null
  /** Another order in each epoch. A number is the size of the buffer that elements are drawn from, for what cannot be read by index. @default false */
  readonly shuffle?: boolean | number
  /** Fixes all random numbers; each epoch still has its own. @default random; 0 with `shard`, since all processes need the same */
  readonly seed?: number
  /** Gives the seed of each epoch, when the epoch begins. Instead of `seed`. */
  readonly generator?: Rng
  /** Which elements, and in which order: one of ours (`randomSampler`, …), your own, or an array of indices. Map-style datasets only. */
  readonly sampler?: Sampler | readonly number[]
  /** Which elements make up each batch. Map-style datasets only. */
  readonly batchSampler?: BatchSampler
  /** Worker threads that run portable functions and whatever else of the plan can travel. `'auto'`: where it pays. @default 0 */
  readonly numWorkers?: number | 'auto'
  /** Makes a batch of elements. A portable one runs on the workers. @default stacks them, as `Dataset.batch` does */
  readonly collate?: Collate<T, unknown>
  /** Leave out a last batch that is not full. @default false */
  readonly dropLast?: boolean
  /** Milliseconds that one `next()` may wait for a batch; then it rejects with `Timeout`, and the one after it waits for the same batch. @default no limit */
  readonly timeout?: number
  /** False delivers elements as they are ready: the batches have the same elements in all, mixed in another way. @default true */
  readonly inOrder?: boolean
  /** Batches that each worker prepares ahead. @default 2 */
  readonly prefetchFactor?: number
  /** Keep the worker threads from one epoch to the next. @default false */
  readonly persistentWorkers?: boolean
  /** A portable function that each worker thread calls once, with its number, before anything else. */
  readonly workerInit?: { readonly portable: FunctionReference }
  /** Batches in page-aligned memory, which `release(batch)` gives back to be used again. @default false */
  readonly pinMemory?: boolean
  /** This process reads one part of the data. @default all of it */
  readonly shard?: ShardOptions
  /** Calls of `get`, or objects, that are under way at once without workers; for a Dataset the most that `parallel` in it may be. `'auto'` finds the number. @default 16 */
  readonly maxConcurrency?: number | 'auto'
  /** Batches that are prepared ahead without workers; 0: none. @default 2 */
  readonly prefetch?: number | 'auto'
  /** Ends all iterations when it is aborted. Several loaders may share one. */
  readonly signal?: AbortSignal
  /** How knobs that are `'auto'` are tuned. @default as the dataset says */
  readonly autotune?: boolean | AutotuneOptions
}

/** Options of `DataLoader.fromUris` and `DataLoader.fromPrefix`. */
export interface ObjectLoaderOptions<T = { readonly uri: string; readonly bytes: Uint8Array }> extends LoaderOptions<T> {
  /** Where the objects are. @default the store for the scheme of each URI */
  readonly store?: Store
  /** `'whole'` asks the store for each object at once; `'range'` reads large ones in parts, side by side. @default 'whole' */
  readonly readerMode?: 'whole' | 'range'
  /** Bytes of one part: `chunkSize` of the RangeEngineConfig. With `readerMode: 'range'`. @default 8 MiB */
  readonly partSize?: number
  /** Parts of one object that are under way at once: `maxConcurrentRanges` of the RangeEngineConfig. With `readerMode: 'range'`. @default 16 */
  readonly maxInflightParts?: number
  /** Choose what is not given of `partSize` and `maxInflightParts` by the sizes of the objects that are really read. Reads in parts. @default false */
  readonly adaptive?: boolean
}

/** What `collate` makes of elements of type `T`. */
export type CollatedBatch<T, O> = O extends { readonly collate: (...args: never[]) => infer B } ? Awaited<B> : Batched<T>

/** What a loader with options `O` delivers for elements of type `T`. */
export type LoadedBatch<T, O> = O extends { readonly batchSize: null } ? T : CollatedBatch<T, O>

/** The values that hold where nothing is given. */
export const LOADER_DEFAULTS = Object.freeze({
  batchSize: 32, shuffle: false, numWorkers: 0, dropLast: false, inOrder: true, prefetchFactor: 2, persistentWorkers: false, pinMemory: false,
  maxConcurrency: 16, prefetch: 2, readerMode: 'whole', partSize: 8 << 20, maxInflightParts: 16, adaptive: false
} as const)
