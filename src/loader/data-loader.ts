/// <reference lib="esnext.disposable" preserve="true" />
import type { Dataset } from '../dataset.js'
import type { IterateOptions } from '../engine/iterate.js'
import { MillraceError } from '../errors.js'
import type { GeneratorContext } from '../operators/from.js'
import type { ExplainFormat } from '../plan/explain.js'
import type { Planned } from '../plan/node.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { checkLoaderOptions, type GivenOptions } from './check-options.js'
import { explainLoader, type LoaderConfigLine } from './explain-config.js'
import { loaderIterator, type LoaderIterator } from './loader-iterator.js'
import type { CollatedBatch, LoadedBatch, LoaderOptions, ObjectLoaderOptions } from './loader-options.js'
import { itemsPlan, loaderPlan, samplePlan, type LoaderItem } from './loader-plan.js'
import { checkLoaderState, checkSettings, loaderState, settingsOf, type LoaderState } from './loader-state.js'
import type { LoadedObject } from './objects.js'
import { resolvePool, type PoolConfig } from './pool-config.js'
import type { MapDataset } from './sampler.js'
import { sourceOf, sourceOfPrefix, sourceOfUris, type LoaderSource, type Source } from './source.js'

/** How one epoch is streamed. */
export interface StreamOptions {
  /** Fetch as these settings say, by default in the order of completion. @default as the options of the loader say, in order */
  readonly pool?: Partial<PoolConfig>
  /** Ends this epoch, as the loader's own signal ends all. */
  readonly signal?: AbortSignal
}

/** How one epoch is begun. */
interface Begin extends IterateOptions {
  readonly epoch: number
  readonly seed: number | undefined
}

/** What the static methods hand to the constructor in place of a dataset. */
class Prepared {
  readonly source: Source
  readonly where: string

  constructor(source: Source, where: string) {
    this.source = source
    this.where = where
  }
}

/**
 * Batches for a training loop, in PyTorch's words: samples or shuffles, fetches, batches and prefetches. Each iteration is an epoch.
 *
 * It takes a millrace {@link Dataset}; a map-style dataset, which has a `length` and `get(index)` (and so has an array); an iterable, or a
 * generator function. Underneath is a plan that you could write yourself: `loader.dataset`, shown by `loader.explain()`.
 *
 * An error at an element surfaces in the place of its batch, and ends `for await`; with `stream()` the next `next()` goes on behind that element.
 * @example for await (const { xs, ys } of new DataLoader([{ xs: 1, ys: 2 }], { batchSize: 1, shuffle: true })) console.log(xs, ys)
 */
export class DataLoader<T, const O extends LoaderOptions<T> = LoaderOptions<T>> implements AsyncIterable<LoadedBatch<T, O>> {
  readonly #source: Source
  readonly #options: GivenOptions
  readonly #dataset: Dataset<unknown>
  readonly #open = new Set<LoaderIterator<LoadedBatch<T, O>>>()
  #seed: number
  #epoch = 0
  #resume: LoaderState | undefined
  #latest: LoaderIterator<LoadedBatch<T, O>> | undefined
  #closed = false

  /** @throws TypeError for options that are unknown, contradict each other or have no effect on that dataset; RangeError for values out of range */
  constructor(dataset: MapDataset<T>, options?: O)
  constructor(dataset: Planned<T>, options?: O)
  constructor(dataset: Iterable<T> | AsyncIterable<T>, options?: O)
  constructor(dataset: (context: GeneratorContext) => Iterable<T> | AsyncIterable<T>, options?: O)
  constructor(dataset: LoaderSource<T>, options?: O) {
    const { source, where } = (dataset as unknown) instanceof Prepared ? (dataset as unknown as Prepared) : new Prepared(sourceOf('DataLoader', dataset), 'DataLoader')
    // One cast: functions of elements are called with what the source makes.
    const given = (options ?? {}) as unknown as GivenOptions
    checkLoaderOptions(where, given, source.kind)
    if (typeof given.numWorkers === 'number' && given.numWorkers > 0 && source.kind !== 'dataset' && !source.portable && (given.collate as { portable?: unknown } | undefined)?.portable === undefined) {
      throw new TypeError(`${where}: numWorkers: ${given.numWorkers} has no effect: threads can load neither ${source.kind === 'map' ? 'get' : source.kind === 'iterable' ? 'the iterable' : 'what reads the objects'} nor collate. Make ${source.kind === 'map' ? 'one of them' : 'collate'} portable(new URL('./module.js', import.meta.url), 'name'), or use maxConcurrency`)
    }
    this.#source = source
    this.#options = Object.freeze(Object.defineProperties({}, Object.getOwnPropertyDescriptors(given)) as GivenOptions)
    this.#seed = given.seed ?? (given.shard === undefined ? Math.floor(Math.random() * 2 ** 32) : 0)
    this.#dataset = loaderPlan(source, this.#options, undefined)
  }

  /** A loader of whole objects, as `{ uri, bytes }`. They are map-style: samplers apply, `maxConcurrency` of them are read at once. */
  static fromUris<const O extends ObjectLoaderOptions>(uris: readonly string[], options?: O): DataLoader<LoadedObject, O> {
    const where = 'DataLoader.fromUris'
    checkLoaderOptions(where, (options ?? {}) as unknown as GivenOptions, 'uris')
    return DataLoader.#of(new Prepared(sourceOfUris(where, uris, (options ?? {}) as unknown as GivenOptions), where), options)
  }

  /**
   * A loader of all objects whose URI begins with a prefix, as `{ uri, bytes }`, listed anew in each epoch. They are in the byte order of their URIs;
   * `shuffle: true` holds the whole list, a number that many entries of it. None at all is `NotFound`.
   */
  static fromPrefix<const O extends ObjectLoaderOptions>(prefix: string, options?: O): DataLoader<LoadedObject, O> {
    const where = 'DataLoader.fromPrefix'
    checkLoaderOptions(where, (options ?? {}) as unknown as GivenOptions, 'prefix')
    return DataLoader.#of(new Prepared(sourceOfPrefix(where, prefix, (options ?? {}) as unknown as GivenOptions), where), options)
  }

  static #of<O extends ObjectLoaderOptions>(prepared: Prepared, options: O | undefined): DataLoader<LoadedObject, O> {
    return new DataLoader<LoadedObject, O>(prepared as unknown as Planned<LoadedObject>, options)
  }

  /** The plan underneath: iterate over it, or go on from it. */
  get dataset(): Dataset<LoadedBatch<T, O>> {
    return this.#dataset as Dataset<LoadedBatch<T, O>>
  }

  /** Batches of an epoch; undefined when that cannot be known without reading. */
  get length(): number | undefined {
    return this.#dataset.cardinality
  }

  /** The number of the next epoch. */
  get epoch(): number {
    return this.#resume?.epoch ?? this.#epoch
  }

  /** Sets the number of the next epoch, which decides its order; those after it count on. A state that was loaded is forgotten. */
  setEpoch(epoch: number): void {
    this.#epoch = checkInteger('setEpoch', 'epoch', epoch, 0)
    this.#resume = undefined
    this.#latest = undefined
  }

  [Symbol.asyncIterator](): LoaderIterator<LoadedBatch<T, O>> {
    return this.stream()[Symbol.asyncIterator]() as LoaderIterator<LoadedBatch<T, O>>
  }

  /** Begins the next epoch, or goes on with the one that `loadStateDict` has set. Nothing is read before the first `next`. */
  stream(options: StreamOptions = {}): LoaderIterator<LoadedBatch<T, O>> {
    checkOptions('stream', options, ['pool', 'signal'])
    this.#check()
    const pool = options.pool === undefined ? undefined : resolvePool(options.pool)
    const dataset = pool === undefined ? this.#dataset : loaderPlan(this.#source, this.#options, pool)
    const settings = settingsOf(this.#options, pool?.ordered ?? this.#options.inOrder !== false)
    const resume = this.#resume
    if (resume !== undefined && resume.checkpoint !== null) checkSettings(resume.settings, settings)
    const epoch = this.epoch
    const seed = resume?.checkpoint?.seed ?? resume?.seed ?? this.#seedOf()
    const inner = dataset.iterator({ ...this.#begin({ epoch, seed }, options.signal), from: resume?.checkpoint ?? undefined })
    this.#resume = undefined
    this.#epoch = epoch + 1
    if (resume !== undefined) this.#seed = seed
    const stateAt = (checkpoint: Parameters<typeof loaderState>[3]): LoaderState =>
      checkpoint === undefined ? loaderState(epoch + 1, this.#nextSeed(), settings, undefined) : loaderState(epoch, seed, settings, checkpoint)
    const iterator = loaderIterator(inner as ReturnType<Dataset<LoadedBatch<T, O>>['iterator']>, {
      timeoutMs: pool?.batchTimeout ?? this.#options.timeout, stateAt, ended: () => void this.#open.delete(iterator)
    })
    this.#open.add(iterator)
    this.#latest = iterator
    return iterator
  }

  /** The elements of the next epoch in their order, without batches, each with its ordinal in the dataset. It is no epoch of its own, and runs in this thread. */
  items(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<LoaderItem<T>> {
    checkOptions('items', options, ['signal'])
    this.#check()
    const plan = itemsPlan(this.#source, this.#options) as Dataset<LoaderItem<T>>
    return { [Symbol.asyncIterator]: () => plan.iterator(this.#begin({ epoch: this.epoch, seed: this.#nextSeed() }, options.signal))[Symbol.asyncIterator]() }
  }

  /** The first `count` elements of the next epoch as one batch, to look at; undefined when there is none. It is no epoch of its own. */
  async collectBatch(count: number): Promise<CollatedBatch<T, O> | undefined> {
    checkInteger('collectBatch', 'count', count, 1)
    this.#check()
    const plan = samplePlan(this.#source, this.#options, count) as Dataset<CollatedBatch<T, O>>
    return plan.first(this.#begin({ epoch: this.epoch, seed: this.#nextSeed() }))
  }

  /**
   * Where the loader is: behind the last batch that the epoch begun last has delivered, or at the beginning of the next one. JSON. It does not depend
   * on workers, concurrency and what is prepared ahead.
   */
  stateDict(): LoaderState {
    if (this.#resume !== undefined) return this.#resume
    return this.#latest?.stateDict() ?? loaderState(this.#epoch, this.#nextSeed(), settingsOf(this.#options, this.#options.inOrder !== false), undefined)
  }

  /**
   * Makes the next iteration go on where a state was taken; those after it are the epochs that follow.
   * @throws MillraceError `Checkpoint` for what is no state, here; for one of another dataset or other settings when the iteration begins
   */
  loadStateDict(state: LoaderState): void {
    this.#resume = checkLoaderState(state)
    this.#latest = undefined
  }

  /** The plan, and what the rules make of it. For people. */
  explain(options: { readonly format?: ExplainFormat } = {}): string {
    return this.#dataset.explain(options)
  }

  /** Every setting, with its value and where that comes from; with `pool` as they are for `stream({ pool })`. */
  explainConfig(options: { readonly pool?: Partial<PoolConfig> } = {}): readonly LoaderConfigLine[] {
    checkOptions('explainConfig', options, ['pool'])
    return explainLoader(this.#source, this.#options, options.pool === undefined ? undefined : resolvePool(options.pool), this.#nextSeed())
  }

  /**
   * Ends all epochs that are under way, and worker threads that wait for the next one. Afterwards it cannot be iterated. May be called more than
   * once. Threads that persist are those of the process: another loader that waits between epochs starts its own anew.
   */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#open].map(iterator => iterator.close()))
    if (this.#options.persistentWorkers === true) await (await import('../workers/pool.js')).endWorkers()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #check(): void {
    if (this.#closed) throw new MillraceError('Closed', 'DataLoader: it was closed')
  }

  /** The seed of an epoch that begins; a generator draws it. */
  #seedOf(): number {
    return this.#options.generator?.integer(2 ** 32) ?? this.#seed
  }

  /** The seed of the next epoch, as far as it is known. */
  #nextSeed(): number | undefined {
    return this.#options.generator === undefined ? this.#seed : undefined
  }

  #begin({ epoch, seed }: Begin, own?: AbortSignal): IterateOptions {
    const { signal } = this.#options
    return { epoch, seed, signal: own === undefined ? signal : signal === undefined ? own : AbortSignal.any([own, signal]) }
  }
}
