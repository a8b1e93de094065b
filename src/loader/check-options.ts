import { describe } from '../array/nest.js'
import { checkDatasetOptions } from '../operators/options.js'
import { checkFunction, checkInteger, checkKnob, checkSeed } from '../util/check.js'
import { checkKeys } from '../storage/known-keys.js'
import type { Rng } from '../util/rng.js'
import type { ObjectLoaderOptions, ShardOptions } from './loader-options.js'
import { MEANINGS, OBJECT_MEANINGS } from './meanings.js'

/** What a loader is made of, as far as options depend on it. */
export type SourceKind = 'map' | 'dataset' | 'iterable' | 'uris' | 'prefix'

/** The longest time that timers of JavaScript can wait. */
const LONGEST = 2 ** 31 - 1

/** Options of any loader, as they were given. */
export type GivenOptions = ObjectLoaderOptions<never>

/**
 * Checks all options, and that those which exclude each other are not given together.
 * @throws TypeError for unknown and contradicting options and wrong types, RangeError for values out of range
 */
export function checkLoaderOptions(where: string, options: GivenOptions, kind: SourceKind): void {
  const objects = kind === 'uris' || kind === 'prefix'
  const elsewhere = (key: string): string | undefined => (key in OBJECT_MEANINGS ? 'DataLoader.fromUris and fromPrefix' : key in POOL ? 'stream({ pool })' : undefined)
  if (typeof options !== 'object' || Array.isArray(options)) throw new TypeError(`${where}: options must be an object, such as { batchSize: 32 }, got ${describe(options)}`)
  checkKeys(where, options, [...Object.keys(MEANINGS), ...(objects ? Object.keys(OBJECT_MEANINGS) : [])], elsewhere)
  checkValues(where, options)
  checkExclusions(where, options)
  checkKind(where, options, kind)
  if (options.shard !== undefined) checkShard(`${where}: shard`, options.shard)
}

const POOL = { poolSize: 0, readaheadBatches: 0, batchTimeout: 0, maxInflight: 0 }

function checkValues(where: string, options: GivenOptions): void {
  const { batchSize, shuffle, seed, generator, batchSampler, numWorkers, collate, timeout, workerInit, prefetch, signal, autotune, store, readerMode } = options
  if (batchSize !== undefined && batchSize !== null) checkInteger(where, 'batchSize', batchSize, 1)
  if (typeof shuffle === 'number') checkInteger(where, 'shuffle', shuffle, 1)
  else if (shuffle !== undefined) checkBoolean(where, 'shuffle', shuffle)
  checkSeed(where, seed)
  if (generator !== undefined && typeof (generator as Partial<Rng>).integer !== 'function') throw new TypeError(`${where}: generator must be an Rng, got ${describe(generator)}; for a number there is seed`)
  if (batchSampler !== undefined && typeof (batchSampler as { readonly batches?: unknown }).batches !== 'function') throw new TypeError(`${where}: batchSampler must have a method 'batches(pass)', got ${describe(batchSampler)}`)
  if (numWorkers !== undefined && numWorkers !== 0) checkKnob(where, 'numWorkers', numWorkers)
  if (collate !== undefined) checkFunction(where, 'collate', collate)
  if (timeout !== undefined && checkInteger(where, 'timeout', timeout, 1) > LONGEST) throw new RangeError(`${where}: timeout must be at most ${LONGEST} ms, got ${timeout}`)
  if (workerInit !== undefined && typeof (workerInit as { readonly portable?: { readonly url?: unknown } }).portable?.url !== 'string') throw new TypeError(`${where}: workerInit must be a portable function: portable(new URL('./init.js', import.meta.url), 'init')`)
  if (prefetch !== undefined && prefetch !== 0) checkKnob(where, 'prefetch', prefetch)
  if (options.maxConcurrency !== undefined) checkKnob(where, 'maxConcurrency', options.maxConcurrency)
  for (const name of ['prefetchFactor', 'partSize', 'maxInflightParts'] as const) if (options[name] !== undefined) checkInteger(where, name, options[name], 1)
  for (const name of ['dropLast', 'inOrder', 'persistentWorkers', 'pinMemory', 'adaptive'] as const) if (options[name] !== undefined) checkBoolean(where, name, options[name])
  if (signal !== undefined && typeof (signal as Partial<AbortSignal>).aborted !== 'boolean') throw new TypeError(`${where}: signal must be an AbortSignal, got ${describe(signal)}`)
  if (autotune !== undefined) checkDatasetOptions({ autotune })
  if (store !== undefined && typeof (store as { readonly open?: unknown }).open !== 'function') throw new TypeError(`${where}: store must be a store, got ${describe(store)}`)
  if (readerMode !== undefined && readerMode !== 'whole' && readerMode !== 'range') throw new RangeError(`${where}: readerMode must be 'whole' or 'range', got ${JSON.stringify(readerMode)}`)
}

/** Pairs that cannot be given together, as in PyTorch, and why. */
function checkExclusions(where: string, options: GivenOptions): void {
  const given = (name: keyof GivenOptions): boolean => options[name] !== undefined && options[name] !== false
  const exclude = (first: keyof GivenOptions, others: readonly (keyof GivenOptions)[], why: string): void => {
    if (!given(first)) return
    const other = others.find(given)
    if (other !== undefined) throw new TypeError(`${where}: ${first} excludes ${other}: ${why}`)
  }
  exclude('sampler', ['shuffle'], 'the sampler says the order; use a randomSampler')
  exclude('batchSampler', ['batchSize', 'shuffle', 'sampler', 'dropLast', 'shard'], 'the batch sampler says what the batches are')
  exclude('generator', ['seed'], 'both say what is random')
  exclude('prefetch', ['prefetchFactor'], 'both say how many batches are prepared ahead')
  if (options.batchSize === null) {
    if (options.batchSampler !== undefined) throw new TypeError(`${where}: batchSampler excludes batchSize: the batch sampler says what the batches are`)
    exclude('dropLast', ['batchSize'], 'without batches there is no last one')
    exclude('collate', ['batchSize'], 'without batches there is nothing to collate')
  }
  const workers = options.numWorkers !== undefined && options.numWorkers !== 0
  for (const name of ['prefetchFactor', 'persistentWorkers', 'workerInit'] as const) {
    if (!workers && given(name)) throw new TypeError(`${where}: ${name} needs numWorkers`)
  }
  if (options.batchSampler !== undefined && options.inOrder === false) throw new TypeError(`${where}: batchSampler excludes inOrder: false: elements out of order would be in other batches`)
  if (options.generator !== undefined && options.shard !== undefined) throw new TypeError(`${where}: generator excludes shard: all processes need the same seed`)
}

/** What has no effect on that kind of source. */
function checkKind(where: string, options: GivenOptions, kind: SourceKind): void {
  const byIndex = kind === 'map' || kind === 'uris'
  for (const name of ['sampler', 'batchSampler'] as const) {
    if (!byIndex && options[name] !== undefined) throw new TypeError(`${where}: ${name} needs a map-style dataset: one with 'length' and 'get(index)'`)
  }
  if (byIndex && typeof options.shuffle === 'number') throw new TypeError(`${where}: shuffle must be true or false here: elements are drawn by index, and need no buffer`)
  if (kind === 'iterable' && options.shuffle === true) throw new TypeError(`${where}: an iterable cannot be shuffled whole; give the size of a buffer to draw from: shuffle: 10_000`)
  const { readerMode, adaptive = false } = options
  if (adaptive && readerMode === 'whole') throw new TypeError(`${where}: adaptive excludes readerMode: 'whole': it chooses how large objects are read in parts`)
  for (const name of ['partSize', 'maxInflightParts'] as const) {
    if (options[name] !== undefined && readerMode !== 'range' && !adaptive) throw new TypeError(`${where}: ${name} needs readerMode: 'range'`)
  }
}

function checkShard(where: string, shard: ShardOptions): void {
  checkKeys(where, shard, ['rank', 'worldSize', 'workerIndex', 'workerCount', 'remainder'])
  const { rank, worldSize, workerIndex = 0, workerCount = 1, remainder } = shard
  checkInteger(where, 'worldSize', worldSize, 1)
  if (checkInteger(where, 'rank', rank, 0) >= worldSize) throw new RangeError(`${where}: rank must be below worldSize, ${worldSize}, got ${rank}`)
  checkInteger(where, 'workerCount', workerCount, 1)
  if (checkInteger(where, 'workerIndex', workerIndex, 0) >= workerCount) throw new RangeError(`${where}: workerIndex must be below workerCount, ${workerCount}, got ${workerIndex}`)
  if (remainder !== undefined && !['pad', 'drop', 'keep'].includes(remainder)) throw new RangeError(`${where}: remainder must be 'pad', 'drop' or 'keep', got ${JSON.stringify(remainder)}`)
}

function checkBoolean(where: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw new TypeError(`${where}: ${name} must be true or false, got ${describe(value)}`)
}
