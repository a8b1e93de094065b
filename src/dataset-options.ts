import type { NumberDType } from './array/dtype.js'
import type { Format } from './format.js'
import type { Store } from './store.js'

/** Options of `Dataset.map`. */
export interface MapOptions {
  /** Promises in flight at once. Without it, each is awaited before the next call. Functions that return plain values run inline. */
  readonly parallel?: number | 'auto'
  /** False delivers results as they are ready instead of in order. @default true */
  readonly deterministic?: boolean
  /** Seed of `rng` in the function's context. @default derived from the iteration's */
  readonly seed?: number
}

/** Options of operators that take a function. */
export interface FunctionOptions {
  /** Seed of `rng` in the function's context. @default derived from the iteration's */
  readonly seed?: number
}

/** Options of `Dataset.batch`. */
export interface BatchOptions<Drop extends boolean = boolean, D extends NumberDType = NumberDType> {
  /** Leave out a last batch that is not full. @default false */
  readonly dropRemainder?: Drop
  /** Dtype of plain numbers. @default 'float32' */
  readonly numbers?: D
}

/** Options of `Dataset.shuffle`. */
export interface ShuffleOptions {
  /** @default derived from the iteration's */
  readonly seed?: number
  /** A new order for every pass. @default true */
  readonly reshuffleEachIteration?: boolean
}

/** Options of `Dataset.prefetch`. */
export interface PrefetchOptions {
  /** Fetch no further while the elements that wait hold that many bytes. @default 256 MiB */
  readonly memoryBytes?: number
}

/** Options of sources that read from a store. */
export interface StoreOptions {
  /** Where the files are. @default the store for the scheme of each URI */
  readonly store?: Store
}

/** Options of sources that read files. */
export interface SourceOptions extends StoreOptions {
  /**
   * What to do when a file is no longer the one that was listed or opened at the beginning of the pass. `'fail'` throws `Changed`. `'reread'`
   * opens the new one and goes on behind as many elements as were delivered of the old one. `'skip'` leaves out the rest of the file, and
   * `stats()` counts it. With the last two, shuffles hold elements as they do for data that cannot be read by ordinal. @default 'fail'
   */
  readonly onChanged?: 'fail' | 'reread' | 'skip'
}

/** Options of `Dataset.fromFiles`. */
export interface FilesOptions<T, O = unknown> extends SourceOptions {
  /** The name of a format, or the format itself. @default 'auto', which tells it from each file's name and first bytes */
  readonly format?: string | Format<T, O>
  /** The format's own options. */
  readonly options?: O
}
