import type { Batched, PaddedBatched, Sliced, Unbatched } from './array/batched.js'
import { checkNumberDType, type NumberDType } from './array/dtype.js'
import { describe } from './array/nest.js'
import { specOf } from './array/spec.js'
import type { BatchOptions, FilesOptions, FunctionOptions, MapOptions, PrefetchOptions, ShuffleOptions, SourceOptions, StoreOptions } from './dataset-options.js'
import { iterate, type DatasetIterator, type IterateOptions, type IteratePlans } from './engine/iterate.js'
import { MillraceError } from './errors.js'
import { compileExampleParser, type ExampleSpec, type ParsedExample } from './example/index.js'
import { assertElementSpec, assertElementSpecParams, type AssertElementSpecParams } from './operators/assert-element-spec.js'
import { batch } from './operators/batch.js'
import { cache, cacheParams, type CacheOptions, type CacheParams } from './operators/cache.js'
import { concatenate } from './operators/concatenate.js'
import { enumerate } from './operators/enumerate.js'
import { filter } from './operators/filter.js'
import { flatMap, flatMapParams, type FlatMapParams } from './operators/flat-map.js'
import { fromArray, fromIterable, type GeneratorContext } from './operators/from.js'
import { fromTensors, fromTensorSlices, fromTensorSlicesParams } from './operators/from-tensors.js'
import { interleave, interleaveParams, type InterleaveOptions, type InterleaveParams } from './operators/interleave.js'
import { map } from './operators/map.js'
import { checkDatasetOptions, options as datasetOptions, optionsOf } from './operators/options.js'
import { paddedBatch, paddedBatchParams, type PaddedBatchOptions, type PaddedBatchParams } from './operators/padded-batch.js'
import { parseExample } from './operators/parse-example.js'
import { prefetch } from './operators/prefetch.js'
import { range, rangeParams } from './operators/range.js'
import { readFiles } from './operators/read-files.js'
import { repeat } from './operators/repeat.js'
import { scan, scanParams, type ScanParams } from './operators/scan.js'
import { shard, skip, take } from './operators/select.js'
import { shuffle } from './operators/shuffle.js'
import { takeWhile, type TakeWhileParams } from './operators/take-while.js'
import { unbatch, unbatchParams, type UnbatchParams } from './operators/unbatch.js'
import { window, windowParams, type WindowOptions, type WindowParams } from './operators/window.js'
import { zip, zipParams, type Zipped, type ZipNest } from './operators/zip.js'
import { optimizeInner } from './optimizer/optimize-inner.js'
import { optimizedPlan } from './optimizer/optimized-plan.js'
import { declaredSpec } from './plan/declared-spec.js'
import { explain, nodeText, type ExplainFormat } from './plan/explain.js'
import { fingerprint } from './plan/fingerprint.js'
import { cardinality, nodesOf, planNode, type Planned, type PlanNode } from './plan/node.js'
import type { ElementContext, Operator } from './plan/operator.js'
import type { DatasetOptions } from './plan/tuning.js'
import {
  listObjects, resolveFixedLengthOptions, resolveHdf5Options, resolveIdxOptions, resolveNpyOptions, resolveNpzOptions, resolveRawOptions, resolveTfrecordOptions,
  type FixedLengthOptions, type Hdf5Options, type IdxOptions, type NpyOptions, type NpzOptions, type RawOptions, type TfrecordOptions
} from './resolve.js'
import type { Cardinality, ElementSpec, Leaf, MaybePromise, NdArray } from './types.js'
import { checkPatterns, filesParams, type ElementOption, type FilesRequest, type RowValue, type Specified, type ValueOf } from './files.js'
import { servicesFor } from './runtime.js'
import { checkFunction, checkInteger, checkKnob, checkOptions, checkSeed } from './util/check.js'
import { callSite } from './util/site.js'

/**
 * A sequence of elements, described but not yet read: a frozen plan.
 *
 * Every method returns a new Dataset and reads nothing; wrong arguments throw at the call. Iterate it with `for await`, as often
 * as you like: each iteration is an epoch.
 */
export class Dataset<T> implements AsyncIterable<T>, Planned<T> {
  readonly plan: PlanNode<T>
  #epoch = 0

  /** Wraps a plan. Most people begin with `Dataset.range`, `Dataset.from`, `Dataset.tfrecord` … */
  constructor(plan: PlanNode<T>) {
    if (typeof plan?.op?.open !== 'function') throw new TypeError('new Dataset takes a plan; for elements there is Dataset.from(elements)')
    this.plan = plan
    Object.freeze(this)
  }

  // ── Sources ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The numbers `0 … stop - 1`, or `start, start + step, …` before `stop`. Random access. @example Dataset.range(5, 0, -2) */
  static range(stop: number): Dataset<number>
  static range(start: number, stop: number, step?: number): Dataset<number>
  static range(first: number, stop?: number, step?: number): Dataset<number> {
    return new Dataset(planNode(range, rangeParams(first, stop, step)))
  }

  /** The arguments. Random access. */
  static of<T>(...items: readonly T[]): Dataset<T> {
    return new Dataset(planNode(fromArray, { items }) as PlanNode<T>)
  }

  /**
   * The elements of an array (with random access), of any iterable or async iterable, or of what a function returns.
   *
   * A function is called anew for every pass, so it can be repeated and resumed; an iterator or a stream can be read only once.
   */
  static from<T>(source: Iterable<T> | AsyncIterable<T> | ((context: GeneratorContext) => Iterable<T> | AsyncIterable<T>)): Dataset<T> {
    if (Array.isArray(source)) return new Dataset(planNode(fromArray, { items: source as readonly unknown[] }) as PlanNode<T>)
    if (typeof source === 'function') return new Dataset(planNode(fromIterable, { make: source, repeatable: true, what: source.name || 'function' }) as PlanNode<T>)
    if (typeof source !== 'object' || (source as unknown) === null || !(Symbol.iterator in source || Symbol.asyncIterator in source)) {
      throw new TypeError(`Dataset.from: expected an iterable, an async iterable or a function that returns one, got ${(source as unknown) === null ? 'null' : typeof source}`)
    }
    return new Dataset(planNode(fromIterable, { make: () => source, repeatable: false, what: 'iterable' }) as PlanNode<T>)
  }

  /** The elements that a generator function yields, synchronous or not. It is called anew for every pass. */
  static fromGenerator<T>(generator: (context: GeneratorContext) => Iterable<T> | AsyncIterable<T>): Dataset<T> {
    checkFunction('Dataset.fromGenerator', 'generator', generator)
    return Dataset.from(generator)
  }

  /** One element: the nest of arrays itself. */
  static fromTensors<T>(element: T): Dataset<T> {
    return new Dataset(planNode(fromTensors, { element }) as PlanNode<T>)
  }

  /**
   * The rows of a nest of arrays: slices along the first axis, which must have the same length everywhere. Views, not copies.
   * Lists of lists are part of the nest: for the rows of such a table use `Dataset.from`. Random access. @example Dataset.fromTensorSlices({ xs: images, ys: labels })
   */
  static fromTensorSlices<const T>(tensors: T): Dataset<Sliced<T>> {
    return new Dataset(planNode(fromTensorSlices, fromTensorSlicesParams(tensors)) as PlanNode<Sliced<T>>)
  }

  /**
   * The URIs that patterns mean, sorted: `*`, `?`, `[a-z]`, `**`, `{a,b}`, `{000..031}`. Looked up anew for every pass; to read
   * them in another order, `shuffle` them. A pattern that matches nothing is an error.
   */
  static listFiles(patterns: string | readonly string[], options: StoreOptions = {}): Dataset<string> {
    checkOptions('Dataset.listFiles', options, ['store'])
    const list = checkPatterns('Dataset.listFiles', patterns)
    const make = async function* ({ signal }: GeneratorContext): AsyncGenerator<string> {
      for (const { uri } of await listObjects(list, options.store, signal)) yield uri
    }
    return new Dataset(planNode(fromIterable, { make, repeatable: true, what: `listFiles ${list.join(', ')}` }) as PlanNode<string>)
  }

  /**
   * The records of TFRecord files, as bytes: file after file, in the order of their sorted names.
   *
   * The bytes are views of what was read, not copies. Checksums are verified; gzip and zlib are recognised. A damaged record is an
   * error that says file and byte offset, after all records before it; the next pull goes on behind it.
   * @example Dataset.tfrecord('data/train-*.tfrecord')
   */
  static tfrecord(files: string | readonly string[], options: TfrecordOptions & SourceOptions = {}): Dataset<Uint8Array> {
    checkOptions('Dataset.tfrecord', options, ['store', 'onChanged', 'compression', 'verify', 'readBytes', 'maxRecordBytes', 'index'])
    const { store, onChanged, ...own } = options
    return readDataset('Dataset.tfrecord', { files, format: 'tfrecord', options: resolveTfrecordOptions(own), store, onChanged })
  }

  /**
   * The rows of NPY files: views of the array along its first axis, an NdArray each (a plain number, boolean, bigint or string where that
   * is the only axis and the dtype is float32, bool, int64 or string). Random access.
   *
   * Big-endian data are swapped, Fortran order is transposed, structured dtypes become objects; files with pickled objects are refused.
   * @example Dataset.npy('data/x-*.npy').batch(128)
   */
  static npy(files: string | readonly string[], options: NpyOptions & SourceOptions & { readonly element: 'file' }): Dataset<NdArray>
  static npy(files: string | readonly string[], options?: NpyOptions & SourceOptions): Dataset<RowValue>
  static npy<T>(files: string | readonly string[], options?: NpyOptions & SourceOptions): Dataset<T>
  static npy(files: string | readonly string[], options: NpyOptions & SourceOptions = {}): Dataset<unknown> {
    checkOptions('Dataset.npy', options, ['store', 'onChanged', 'element', 'strings', 'fortranBytes'])
    const { store, onChanged, ...own } = options
    return readDataset('Dataset.npy', { files, format: 'npy', options: resolveNpyOptions(own), store, onChanged, meaning: [own.element ?? 'row', own.strings ?? 'utf-8'] })
  }

  /**
   * The rows of NPZ files: objects with a row of every array, or of those that `keys` names; the arrays need the same first axis. As the rows
   * of NPY files. Random access where the arrays are not compressed.
   * @example Dataset.npz('data/*.npz', { keys: { xs: 'images', ys: 'labels' } }).shuffle().batch(128)
   */
  static npz<const K extends Readonly<Record<string, string>>, F extends ElementOption>(files: string | readonly string[], options: NpzOptions & SourceOptions & F & { readonly keys: K }): Dataset<{ readonly [N in keyof K]: ValueOf<F> }>
  static npz<const K extends string, F extends ElementOption>(files: string | readonly string[], options: NpzOptions & SourceOptions & F & { readonly keys: readonly K[] }): Dataset<{ readonly [N in K]: ValueOf<F> }>
  static npz(files: string | readonly string[], options: NpzOptions & SourceOptions & { readonly element: 'file' }): Dataset<{ readonly [key: string]: NdArray }>
  static npz(files: string | readonly string[], options?: NpzOptions & SourceOptions): Dataset<{ readonly [key: string]: RowValue }>
  static npz<T>(files: string | readonly string[], options?: NpzOptions & SourceOptions): Dataset<T>
  static npz(files: string | readonly string[], options: NpzOptions & SourceOptions = {}): Dataset<unknown> {
    checkOptions('Dataset.npz', options, ['store', 'onChanged', 'element', 'keys', 'strings', 'fortranBytes', 'maxInflatedBytes', 'maxRowBytes'])
    const { store, onChanged, ...own } = options
    const { element, strings, keys = null } = resolveNpzOptions(own)
    return readDataset('Dataset.npz', { files, format: 'npz', options: own, store, onChanged, meaning: [element, strings, keys] })
  }

  /**
   * The rows of HDF5 files: of one dataset, or of several side by side, `{ xs: '/images', ys: '/labels' }`. As those of NPY files.
   *
   * Byte ranges are read and decoded here, chunk by chunk; what is rare is left to the package `h5wasm` (in a worker thread), if it is
   * installed. A damaged chunk, an unknown filter or a file that was cut off is an error. Random access, by chunks that are kept for a while.
   * @example Dataset.hdf5('train.h5', { xs: '/images', ys: '/labels' }).shuffle().batch(128)
   */
  static hdf5(files: string | readonly string[], dataset: string, options?: Omit<Hdf5Options, 'datasets'> & SourceOptions): Dataset<RowValue>
  // The second parameter makes a call with a type of rows, `hdf5<Row>(…)`, go on to the last overload.
  static hdf5<const D extends Readonly<Record<string, string>>, F extends ElementOption>(files: string | readonly string[], datasets: D, options?: Omit<Hdf5Options, 'datasets'> & SourceOptions & F): Dataset<{ readonly [K in keyof D]: ValueOf<F> }>
  static hdf5<T>(files: string | readonly string[], datasets: string | Readonly<Record<string, string>>, options?: Omit<Hdf5Options, 'datasets'> & SourceOptions): Dataset<T>
  static hdf5(files: string | readonly string[], datasets: string | Readonly<Record<string, string>>, options: Omit<Hdf5Options, 'datasets'> & SourceOptions = {}): Dataset<unknown> {
    checkOptions('Dataset.hdf5', options, ['store', 'onChanged', 'reader', 'cacheBytes', 'maxChunkBytes'])
    const { store, onChanged, ...own } = options
    return readDataset('Dataset.hdf5', { files, format: 'hdf5', options: resolveHdf5Options({ datasets, ...own }), store, onChanged, meaning: datasets })
  }

  /** The rows of IDX files, plain or gzipped: the format of MNIST. As those of NPY files. @example Dataset.zip({ xs: Dataset.idx('images-idx3-ubyte.gz'), ys: Dataset.idx('labels-idx1-ubyte.gz') }) */
  static idx(files: string | readonly string[], options?: IdxOptions & SourceOptions): Dataset<RowValue>
  static idx<T>(files: string | readonly string[], options?: IdxOptions & SourceOptions): Dataset<T>
  static idx(files: string | readonly string[], options: IdxOptions & SourceOptions = {}): Dataset<unknown> {
    checkOptions('Dataset.idx', options, ['store', 'onChanged', 'compression', 'readBytes'])
    const { store, onChanged, ...own } = options
    return readDataset('Dataset.idx', { files, format: 'idx', options: resolveIdxOptions(own), store, onChanged })
  }

  /** Whole objects as bytes, or as `{ uri, bytes }`. Random access. @example Dataset.raw('images/*.jpg', { withUri: true }) */
  static raw(files: string | readonly string[], options: RawOptions & SourceOptions & { readonly withUri: true }): Dataset<{ readonly uri: string; readonly bytes: Uint8Array }>
  static raw(files: string | readonly string[], options?: RawOptions & SourceOptions & { readonly withUri?: false }): Dataset<Uint8Array>
  static raw(files: string | readonly string[], options: RawOptions & SourceOptions = {}): Dataset<unknown> {
    checkOptions('Dataset.raw', options, ['store', 'onChanged', 'withUri', 'maxBytes'])
    const { store, onChanged, ...own } = options
    return readDataset('Dataset.raw', { files, format: 'raw', options: resolveRawOptions(own), store, onChanged, meaning: own.withUri === true })
  }

  /** Files cut into records of one length, as bytes: views of what was read. Random access unless compressed. @example Dataset.fixedLengthRecords('cifar-10/*.bin', { recordBytes: 3073 }) */
  static fixedLengthRecords(files: string | readonly string[], options: FixedLengthOptions & SourceOptions): Dataset<Uint8Array> {
    checkOptions('Dataset.fixedLengthRecords', options, ['store', 'onChanged', 'recordBytes', 'headerBytes', 'footerBytes', 'compression', 'readBytes'])
    const { store, onChanged, ...own } = options
    const { recordBytes, headerBytes, footerBytes } = resolveFixedLengthOptions(own)
    return readDataset('Dataset.fixedLengthRecords', { files, format: 'fixedLengthRecords', options: own, store, onChanged, meaning: [recordBytes, headerBytes, footerBytes] })
  }

  /**
   * The elements of files of any format: one of ours by its name, or your own (see the door `millrace/format`). Without a format it is
   * told from the name and the first bytes of every file.
   */
  static fromFiles<T, O = unknown>(files: string | readonly string[], options: FilesOptions<T, O> = {}): Dataset<T> {
    checkOptions('Dataset.fromFiles', options, ['format', 'options', 'store', 'onChanged'])
    return readDataset('Dataset.fromFiles', { files, format: (options.format ?? 'auto') as string, options: options.options, store: options.store, onChanged: options.onChanged })
  }

  /**
   * Elements of several datasets side by side, in any nest of objects and arrays; it ends with the shortest.
   * @example Dataset.zip({ xs: inputs, ys: targets })
   */
  static zip<const N extends ZipNest>(nest: N, ...none: readonly []): Dataset<Zipped<N>> {
    if (none.length > 0) throw new TypeError('Dataset.zip takes one nest of datasets: zip([a, b]), not zip(a, b)')
    const { params, inputs } = zipParams(nest)
    return new Dataset(planNode(zip, params, inputs, callSite()) as PlanNode<Zipped<N>>)
  }

  // ── Elements ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Applies a function to every element, in order. A promise that it returns is awaited, with `parallel` of them in flight.
   *
   * The context gives the element's `index`, random numbers `rng` that depend only on (seed, operator, epoch, index), and a
   * `signal`. An error surfaces at its element, after all elements before it; the next pull goes on behind it.
   */
  map<U>(fn: (element: T, context: ElementContext) => U, options: MapOptions = {}): Dataset<Awaited<U>> {
    checkFunction('map', 'fn', fn)
    checkOptions('map', options, ['parallel', 'deterministic', 'seed'])
    const parallel = options.parallel === undefined ? undefined : checkKnob('map', 'parallel', options.parallel)
    return this.operator(map as Operator<object, Awaited<U>>, { fn, seed: checkSeed('map', options.seed), parallel, deterministic: options.deterministic ?? true })
  }

  /** Keeps the elements for which the predicate, which may return a promise, is truthy. */
  filter<S extends T>(predicate: (element: T, context: ElementContext) => element is S, options?: FunctionOptions): Dataset<S>
  filter(predicate: (element: T, context: ElementContext) => MaybePromise<unknown>, options?: FunctionOptions): Dataset<T>
  filter(predicate: (element: T, context: ElementContext) => MaybePromise<unknown>, options: FunctionOptions = {}): Dataset<T> {
    checkFunction('filter', 'predicate', predicate)
    checkOptions('filter', options, ['seed'])
    return this.operator(filter as Operator<object, T>, { fn: predicate, seed: checkSeed('filter', options.seed) })
  }

  /**
   * Parses the bytes of `tf.train.Example` records by a spec: `fixedLen`, `varLen` and `ragged` features by their names.
   *
   * Followed by `batch`, records are decoded straight into the arrays of the batch.
   * @example ds.parseExample({ image: fixedLen([28, 28], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64') }).batch(128)
   */
  parseExample<const S extends ExampleSpec>(this: Dataset<Uint8Array>, spec: S): Dataset<ParsedExample<S>> {
    compileExampleParser(spec) // so that a wrong spec throws here
    return this.operator(parseExample as Operator<object, ParsedExample<S>>, { spec })
  }

  /**
   * Makes a dataset of every element and yields the elements of each of those, one dataset after the other.
   * @example Dataset.listFiles('data/*.tfrecord').flatMap(file => Dataset.tfrecord(file).take(100))
   */
  flatMap<U>(fn: (element: T, context: ElementContext) => MaybePromise<Planned<U>>, options: FunctionOptions = {}): Dataset<U> {
    return this.operator(flatMap as Operator<FlatMapParams, U>, flatMapParams(fn, options))
  }

  /**
   * Makes a dataset of every element and takes `blockLength` elements in turn from each of `cycleLength` of them that are open.
   *
   * With `parallel` several of them are read ahead at once; the order stays the same, unless `deterministic` is false.
   * @example Dataset.listFiles('data/*.tfrecord').interleave(file => Dataset.tfrecord(file), { cycleLength: 4, parallel: 4 })
   */
  interleave<U>(fn: (element: T, context: ElementContext) => MaybePromise<Planned<U>>, options: InterleaveOptions = {}): Dataset<U> {
    return this.operator(interleave as Operator<InterleaveParams, U>, interleaveParams(fn, options))
  }

  /** Pairs every element with its ordinal: `[start, first], [start + 1, second], …` */
  enumerate(start = 0): Dataset<readonly [number, T]> {
    return this.operator(enumerate as Operator<object, readonly [number, T]>, { start: checkInteger('enumerate', 'start', start) })
  }

  /**
   * Maps elements with a state that goes from each to the next: `[state, output] = fn(state, element, context)`.
   *
   * The state is part of checkpoints, so it must be JSON, bigints, bytes, typed arrays or NdArrays, in plain objects and arrays.
   */
  scan<S, U>(initial: S, fn: (state: S, element: T, context: ElementContext) => MaybePromise<readonly [S, U]>, options: FunctionOptions = {}): Dataset<U> {
    checkFunction('scan', 'fn', fn)
    checkOptions('scan', options, ['seed'])
    return this.operator(scan as Operator<ScanParams, U>, scanParams(initial, fn, checkSeed('scan', options.seed)))
  }

  /**
   * Says what elements are made of, and checks every one: an error names the leaf that differs. `-1` stands for any length. Rows of
   * files, whose types nobody else knows, get them from it.
   * @example ds.assertElementSpec({ xs: { dtype: 'float32', shape: [28, 28] }, ys: { dtype: 'int64', shape: [] } })
   */
  assertElementSpec<const S extends ElementSpec>(spec: S): Dataset<Specified<T, S>> {
    return this.operator(assertElementSpec as Operator<AssertElementSpecParams, Specified<T, S>>, assertElementSpecParams(spec))
  }

  // ── Which elements ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The first `count` elements; `-1` for all. It reads no further than them. */
  take(count: number): Dataset<T> {
    return this.operator(take as Operator<object, T>, { count: checkInteger('take', 'count', count, -1) })
  }

  /** All but the first `count` elements; `-1` leaves none. */
  skip(count: number): Dataset<T> {
    return this.operator(skip as Operator<object, T>, { count: checkInteger('skip', 'count', count, -1) })
  }

  /** The elements before the first for which the predicate, which may return a promise, is falsy. It reads no further than that one. */
  takeWhile<S extends T>(predicate: (element: T, context: ElementContext) => element is S, options?: FunctionOptions): Dataset<S>
  takeWhile(predicate: (element: T, context: ElementContext) => MaybePromise<unknown>, options?: FunctionOptions): Dataset<T>
  takeWhile(predicate: (element: T, context: ElementContext) => MaybePromise<unknown>, options: FunctionOptions = {}): Dataset<T> {
    checkFunction('takeWhile', 'predicate', predicate)
    checkOptions('takeWhile', options, ['seed'])
    return this.operator(takeWhile as Operator<TakeWhileParams, T>, { fn: predicate, seed: checkSeed('takeWhile', options.seed) })
  }

  /** Every `shards`-th element, beginning with number `index`. The shards of a dataset are disjoint and complete. */
  shard(shards: number, index: number): Dataset<T> {
    checkInteger('shard', 'shards', shards, 1)
    if (checkInteger('shard', 'index', index, 0) >= shards) throw new RangeError(`shard: index must be below the number of shards, ${shards}, got ${index}`)
    return this.operator(shard as Operator<object, T>, { shards, index })
  }

  /** Passes over the dataset `count` times; without a count, or with `-1`, for ever. Each pass is a new epoch. */
  repeat(count = -1): Dataset<T> {
    return this.operator(repeat as Operator<object, T>, { count: checkInteger('repeat', 'count', count, -1) })
  }

  /** The elements of this dataset, then those of the others. A dataset is opened when the one before it has ended. */
  concatenate<U extends readonly unknown[]>(...others: { readonly [K in keyof U]: Planned<U[K]> }): Dataset<T | U[number]> {
    return new Dataset(planNode(concatenate as Operator<object, T | U[number]>, {}, [this.plan, ...others.map(other => planOf('concatenate', other))], callSite()))
  }

  // ── Order ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Draws elements at random from a buffer of `bufferSize`; without a size, shuffles the whole dataset, which costs no memory
   * for elements where the source has random access.
   *
   * The order of epoch `k` is a function of (seed, k).
   */
  shuffle(options?: ShuffleOptions): Dataset<T>
  shuffle(bufferSize: number, options?: ShuffleOptions): Dataset<T>
  shuffle(bufferSize: number | ShuffleOptions = Infinity, more: ShuffleOptions = {}): Dataset<T> {
    const [size, options] = typeof bufferSize === 'object' ? [Infinity, bufferSize] : [bufferSize, more]
    checkOptions('shuffle', options, ['seed', 'reshuffleEachIteration'])
    if (size !== Infinity) checkInteger('shuffle', 'bufferSize', size, 1)
    else if (this.cardinality === Infinity) throw new RangeError('shuffle: a dataset without end cannot be shuffled whole; give a bufferSize')
    return this.operator(shuffle as Operator<object, T>, { bufferSize: size, seed: checkSeed('shuffle', options.seed), reshuffleEachIteration: options.reshuffleEachIteration ?? true })
  }

  // ── Batches ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Stacks `size` elements into one: every leaf becomes one contiguous array with a new first axis.
   *
   * Numbers become float32 (an integer that float32 cannot hold exactly is an error; `numbers` asks for another dtype), booleans
   * bool, bigints int64, strings a string array, byte strings (Uint8Array) a list. Plain arrays are structure: for a vector use
   * a typed array or `ndarray`. Elements of different shapes are an error.
   */
  batch<const N extends number, Drop extends boolean = false, D extends NumberDType = 'float32'>(
    size: N,
    options: BatchOptions<Drop, D> = {}
  ): Dataset<Batched<T, Drop extends true ? N : number, D>> {
    checkOptions('batch', options, ['dropRemainder', 'numbers'])
    return this.operator(batch as Operator<object, Batched<T, Drop extends true ? N : number, D>>, {
      size: checkInteger('batch', 'size', size, 1),
      dropRemainder: options.dropRemainder ?? false,
      numbers: options.numbers === undefined ? 'float32' : checkNumberDType(options.numbers)
    })
  }

  /**
   * Stacks `size` elements of different shapes into one: every leaf is padded to the longest in the batch, or to `shapes`.
   *
   * `-1` in a shape means the longest; an element that is longer than a fixed length is an error. Padding is 0, false or `''`, or
   * what `values` says. Byte strings stay a list.
   */
  paddedBatch<const N extends number, Drop extends boolean = false, D extends NumberDType = 'float32'>(
    size: N,
    options: PaddedBatchOptions<Drop, D> = {}
  ): Dataset<PaddedBatched<T, Drop extends true ? N : number, D>> {
    return this.operator(paddedBatch as Operator<PaddedBatchParams, PaddedBatched<T, Drop extends true ? N : number, D>>, paddedBatchParams(size, options))
  }

  /** The rows of batches, one by one: `ds.batch(n).unbatch()` has the elements of `ds`. Rows are views of the batch. */
  unbatch(): Dataset<Unbatched<T>> {
    return this.operator(unbatch as Operator<UnbatchParams, Unbatched<T>>, unbatchParams(this.plan))
  }

  /**
   * Small datasets of `size` elements in a row, each beginning `shift` behind the one before, with every `stride`-th element.
   *
   * Elements that are objects or arrays become objects or arrays of windows; `Dataset.zip(window)` makes one dataset of them.
   * @example Dataset.range(7).window(3, { shift: 2, stride: 2 }) // 0 2 4, 2 4 6, 4 6, 6
   */
  window(size: number, options: WindowOptions = {}): Dataset<Windowed<T>> {
    return this.operator(window as Operator<WindowParams, Windowed<T>>, windowParams(size, options, items => Dataset.from(items)))
  }

  // ── Running ahead ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps up to `size` elements ready ahead of the consumer; `'auto'` finds the number. */
  prefetch(size: number | 'auto', options: PrefetchOptions = {}): Dataset<T> {
    checkOptions('prefetch', options, ['memoryBytes'])
    const memoryBytes = options.memoryBytes === undefined ? 256 * 2 ** 20 : checkInteger('prefetch', 'memoryBytes', options.memoryBytes, 1)
    return this.operator(prefetch as Operator<object, T>, { size: checkKnob('prefetch', 'size', size), memoryBytes, injected: false })
  }

  /**
   * How the plan up to here is run: tuning, threads, workers. Never which elements come out, or in which order. Options nearer to the end win.
   * @example Dataset.range(8).map(x => x * x).options({ autotune: { memoryBytes: 2 ** 30 }, threading: { maxIntraOpParallelism: 8 } })
   */
  options(options: DatasetOptions): Dataset<T> {
    return this.operator(datasetOptions as Operator<DatasetOptions, T>, checkDatasetOptions(options))
  }

  /**
   * Keeps the elements of the first complete pass in memory and yields them again in every later pass, by reference.
   *
   * What is upstream runs once: `shuffle().cache()` freezes the order, `cache().shuffle()` does not.
   */
  cache(options: CacheOptions = {}): Dataset<T> {
    return this.operator(cache as Operator<CacheParams, T>, cacheParams(options))
  }

  // ── Composition ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Calls a function with this dataset: `ds.apply(normalize)` reads better than `normalize(ds)` in a chain. */
  apply<R>(fn: (dataset: this) => R): R {
    checkFunction('apply', 'fn', fn)
    return fn(this)
  }

  /** Adds an operator, your own or one of ours, on top of this dataset. */
  operator<P extends object, O>(op: Operator<P, O>, params: P): Dataset<O> {
    return new Dataset(planNode(op, params, [this.plan], callSite()))
  }

  // ── Consumption ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The plan in one line. */
  toString(): string {
    return `Dataset ${[...nodesOf(this.plan)].map(nodeText).join(' → ')}`
  }

  [Symbol.asyncIterator](): DatasetIterator<T> {
    return this.iterator()[Symbol.asyncIterator]() as DatasetIterator<T>
  }

  /** Begins an iteration, with checkpoints, statistics and cancellation. Nothing is read before the first `next`. */
  iterator(options: IterateOptions = {}): DatasetIterator<T> {
    checkOptions('iterator', options, ['signal', 'from', 'epoch', 'seed'])
    if (options.epoch !== undefined) checkInteger('iterator', 'epoch', options.epoch, 0)
    checkSeed('iterator', options.seed)
    const iterator = iterate({ ...plansOf(this.plan), services: servicesFor(optionsOf(this.plan)) }, { ...options, epoch: options.epoch ?? this.#epoch })
    this.#epoch = Math.max(this.#epoch, iterator.epoch + 1)
    return iterator
  }

  /** All elements in an array. @throws RangeError for a dataset without end. */
  async toArray(options?: IterateOptions): Promise<T[]> {
    if (this.cardinality === Infinity) throw new RangeError('toArray: the dataset has no end; take() some of it')
    const out: T[] = []
    await this.forEach(element => void out.push(element), options)
    return out
  }

  /** Calls a function with every element, one after the other, and waits for its promises. */
  async forEach(fn: (element: T, index: number) => unknown, options?: IterateOptions): Promise<void> {
    checkFunction('forEach', 'fn', fn)
    let index = 0
    for await (const element of this.iterator(options)) await fn(element, index++)
  }

  /** Combines all elements, from the first to the last: `accumulate(…accumulate(initial, first)…, last)`. */
  async reduce<A>(initial: A, accumulate: (accumulator: A, element: T, index: number) => MaybePromise<A>, options?: IterateOptions): Promise<A> {
    checkFunction('reduce', 'accumulate', accumulate)
    let accumulator = initial
    await this.forEach(async (element, index) => { accumulator = await accumulate(accumulator, element, index) }, options)
    return accumulator
  }

  /** The first element, or undefined if there is none. */
  async first(options?: IterateOptions): Promise<T | undefined> {
    for await (const element of this.iterator(options)) return element
    return undefined
  }

  /** The only element. @throws RangeError if there is none or more than one. */
  async getSingleElement(options?: IterateOptions): Promise<T> {
    const found = await this.take(2).toArray(options)
    if (found.length !== 1) throw new RangeError(`getSingleElement: the dataset has ${found.length === 0 ? 'no' : 'more than one'} element`)
    return found[0] as T
  }

  // ── Knowledge ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Number of elements of a pass: exact, `Infinity`, or undefined when it cannot be known without reading. */
  get cardinality(): Cardinality {
    return cardinality(this.plan)
  }

  /**
   * What elements are made of: dtype and shape of every leaf. As declared by `assertElementSpec`, else from the first element.
   * @throws MillraceError `Mismatch` if nothing is declared and there is no element.
   */
  async elementSpec(options: Pick<IterateOptions, 'signal'> = {}): Promise<ElementSpec> {
    const declared = declaredSpec(this.plan)
    if (declared !== undefined) return declared
    const iterator = iterate(plansOf(this.plan), { ...options, epoch: 0 })
    try {
      const step = await iterator.next()
      if (step.done !== true) return specOf(step.value)
    } finally {
      await iterator.close()
    }
    throw new MillraceError('Mismatch', 'elementSpec: the dataset has no element to look at: declare the spec with assertElementSpec')
  }

  /** The plan, and what the rules make of it, with cardinalities and knobs. For people, not for programs. */
  explain(options: { readonly format?: ExplainFormat } = {}): string {
    checkOptions('explain', options, ['format'])
    const { plan, applied } = optimizedPlan(this.plan)
    return explain(this.plan, plan, applied, options.format ?? 'text')
  }

  /** A short name of everything that decides which elements the dataset yields; parallelism and buffer sizes do not. */
  fingerprint(): string {
    return fingerprint(this.plan)
  }
}

/** The type of a window of elements of type `T`: a dataset for every leaf, in the structure of the elements. */
export type Windowed<T> =
  unknown extends T ? unknown
  : [T] extends [Leaf | null | undefined] ? Dataset<T>
  : T extends readonly unknown[] ? { [K in keyof T]: Windowed<T[K]> }
  : T extends Dataset<unknown> | Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | ((...args: never) => unknown) ? Dataset<T>
  : { [K in keyof T]: Windowed<T[K]> }

const plansOf = <T>(plan: PlanNode<T>): IteratePlans<T> => ({ plan, optimized: optimizedPlan(plan).plan, optimize: optimizeInner })

function planOf(where: string, dataset: Planned): PlanNode {
  if (typeof dataset !== 'object' || (dataset as unknown) === null || typeof dataset.plan !== 'object') throw new TypeError(`${where}: expected a Dataset, got ${describe(dataset)}`)
  return dataset.plan
}

function readDataset<T>(where: string, request: FilesRequest): Dataset<T> {
  return new Dataset(planNode(readFiles, filesParams(where, request), [], callSite()) as PlanNode<T>)
}
