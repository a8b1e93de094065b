import type { LoaderOptions, ObjectLoaderOptions } from './loader-options.js'
import type { PoolConfig } from './pool-config.js'

/** All options of a loader, in the order in which they are explained, and what they do in a few words. */
export const MEANINGS: Readonly<Record<keyof LoaderOptions, string>> = {
  batchSize: 'elements of a batch; null: no batches',
  shuffle: 'another order in each epoch; a number: size of the buffer',
  seed: 'fixes all random numbers',
  generator: 'gives the seed of each epoch',
  sampler: 'which elements, in which order',
  batchSampler: 'which elements make up each batch',
  numWorkers: 'worker threads',
  collate: 'makes a batch of elements',
  dropLast: 'leave out a last batch that is not full',
  timeout: 'milliseconds to wait for one batch',
  inOrder: 'false: elements as they are ready',
  prefetchFactor: 'batches that each worker prepares ahead',
  persistentWorkers: 'keep threads between epochs',
  workerInit: 'called once in each thread',
  pinMemory: 'batches in page-aligned memory',
  shard: 'the part of this process',
  maxConcurrency: 'calls or objects under way at once, without workers',
  prefetch: 'batches prepared ahead',
  signal: 'ends all iterations',
  autotune: 'how automatic settings are tuned'
}

/** Those that only loaders of objects have. */
export const OBJECT_MEANINGS: Readonly<Record<Exclude<keyof ObjectLoaderOptions, keyof LoaderOptions>, string>> = {
  store: 'where the objects are',
  readerMode: 'objects at once, or in parts',
  partSize: 'bytes of one part',
  maxInflightParts: 'parts of one object under way at once',
  adaptive: 'choose parts by the sizes of what is read'
}

/** Those of {@link PoolConfig}. */
export const POOL_MEANINGS: Readonly<Record<keyof PoolConfig, string>> = {
  poolSize: 'elements under way at once',
  readaheadBatches: 'batches prepared ahead',
  batchTimeout: 'milliseconds to wait for one batch',
  maxInflight: 'elements under way and waiting in prepared batches',
  ordered: 'false: elements as they are ready'
}
