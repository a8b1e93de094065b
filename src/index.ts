/** millrace: a data loader for machine learning. This door re-exports and holds no code. */
export { Dataset, type BatchOptions, type FunctionOptions, type MapOptions, type PrefetchOptions, type ShuffleOptions } from './dataset.js'
export type { Checkpoint } from './engine/checkpoint.js'
export type { DatasetIterator, IterateOptions, IteratorStats } from './engine/iterate.js'
export { isMillraceError, MillraceError, type ErrorContext, type ErrorKind } from './errors.js'
