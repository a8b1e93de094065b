/**
 * Feeds a dataset to TensorFlow.js: to `model.fitDataset` and `model.evaluateDataset`, and to `tf.data`.
 *
 * Neither of them ever closes what it reads, and `fitDataset` opens iterators that it does not read. So nothing starts before
 * the first `next()`, and an iteration is closed when it ends, when it fails, when the next one is asked for, and when its
 * reader is garbage.
 */
import { describe, isPlainObject } from '../array/nest.js'
import type { Dataset } from '../dataset.js'
import type { Checkpoint } from '../engine/checkpoint.js'
import type { DatasetIterator, IterateOptions } from '../engine/iterate.js'
import { MillraceError } from '../errors.js'
import type { NdArray, NumericArray } from '../types.js'
import { checkFunction, checkInteger, checkOptions, checkSeed } from '../util/check.js'
import { isTensorFlow, loadTensorFlow, plainScalar, scalarTensor, tensorsOf, type TensorFlow, type TensorOptions, type TfTensor } from './tf-tensors.js'

export type { TensorFlow, TensorOptions, TfTensor } from './tf-tensors.js'

/** Anything that is iterated like a {@link Dataset}. */
export type TfSource<T> = Pick<Dataset<T>, 'cardinality' | 'iterator'>

/** Tensors as a model takes them: one, a list of them, or one for each name of an input or output. */
export type TfTensors<X extends TfTensor = TfTensor> = X | X[] | { [name: string]: X }

/** What `fitDataset` reads. No interface, so that it is a `tf.TensorContainer` too. */
export type TfBatch<X extends TfTensor = TfTensor> = {
  xs: TfTensors<X>
  ys: TfTensors<X>
}

/** What both adapters take. `from`, `epoch`, `seed` and `signal` are those of {@link Dataset.iterator}. */
export interface TfOptions<X extends TfTensor = TfTensor> extends TensorOptions, IterateOptions {
  /** TensorFlow.js, as you import it. @default what `import('@tensorflow/tfjs')` or else `import('@tensorflow/tfjs-core')` gives */
  readonly tf?: TensorFlow<X> | undefined
}

/** Options of {@link toTfDataset} for elements of any form. */
export interface TfSelectOptions<T, X extends TfTensor = TfTensor> extends TfOptions<X> {
  /** Finds inputs and targets in an element. */
  readonly select: (element: T) => { readonly xs: unknown; readonly ys: unknown }
}

/** How much was read, and what it cost the reader. */
export interface TfStats {
  /** Elements handed over, in all iterations. */
  readonly elements: number
  /** Time from the calls of `next()` to their answers, in milliseconds. */
  readonly waitedMs: number
}

/** What both adapters have beside the data. */
export interface TfReading {
  /** The position behind the last element that was handed over, for `from`; undefined if there is none yet. */
  checkpoint(): Checkpoint | undefined
  stats(): TfStats
  /** Ends the iteration under way. Another one may follow. */
  close(): Promise<void>
}

/** A dataset as `fitDataset`, `evaluateDataset` and `validationData` take it. One reader at a time. */
export interface TfDataset<X extends TfTensor = TfTensor> extends TfReading {
  /** Number of elements of an epoch: Infinity if it has no end, NaN if it cannot be known without reading. */
  readonly size: number
  /** Begins the next epoch, and ends the last one if it was left. */
  iterator(): Promise<TfIterator<TfBatch<X>>>
}

/** What reads an epoch. Nothing is read before the first `next()`; `return` ends it early. */
export interface TfIterator<E> extends AsyncIterableIterator<E, undefined, undefined> {
  next(): Promise<IteratorResult<E, undefined>>
  return(): Promise<IteratorResult<E, undefined>>
}

/** A function for `tf.data.generator`. One reader at a time. */
export interface TfGenerator<E> extends TfReading {
  (): TfIterator<E>
}

/** An element as `tf.data` gets it: tensors in place of arrays, numbers in place of bigints, all else as it was. */
export type TfElement<T, X extends TfTensor = TfTensor> =
  unknown extends T ? unknown
  : T extends NdArray ? X
  : T extends Uint8Array ? T
  : T extends NumericArray ? X
  : T extends bigint ? number
  : T extends object ? { -readonly [K in keyof T]: TfElement<T[K], X> }
  : T

/**
 * Makes a dataset for `model.fitDataset`, `model.evaluateDataset` and `validationData`.
 *
 * ```ts
 * const data = toTfDataset(train, { tf })       // elements { xs, ys }, batched
 * await model.fitDataset(data, { epochs: 4 })
 * ```
 *
 * Elements are `{ xs, ys }` or `[xs, ys]`, or what `select` makes of them; `xs` and `ys` are an array, a list of arrays, or an
 * object with one for each input of the model. float32 stays; float16 and bfloat16 become float32; integers become int32 and
 * must fit (`Lossy`); bool and string stay; float64 needs `downcast`. Tensors are made when they are asked for, and belong to the
 * reader: the trainer disposes of them.
 *
 * Each `iterator()` that is read is an epoch, numbered from `epoch` on, and all of them share one seed. To stop and go on later,
 * keep `checkpoint()` and pass it as `from`: the first epoch then begins in its middle, and the following ones are whole.
 *
 * @throws MillraceError (when read) `Mismatch` for elements of another form; `Lossy` and `Unsupported` for what no tensor holds;
 * `MissingPackage` if TensorFlow.js is not installed; `Closed` for a reader that another one has displaced.
 */
export function toTfDataset<X extends TfTensor = TfTensor>(
  dataset: TfSource<{ readonly xs: unknown; readonly ys: unknown } | readonly [xs: unknown, ys: unknown]>, options?: TfOptions<X>
): TfDataset<X>
export function toTfDataset<T, X extends TfTensor = TfTensor>(dataset: TfSource<T>, options: TfSelectOptions<T, X>): TfDataset<X>
export function toTfDataset<T>(dataset: TfSource<T>, options: TfOptions & Partial<TfSelectOptions<T>> = {}): TfDataset {
  checkArguments('toTfDataset', dataset, options, ['select'])
  const { select } = options
  if (select !== undefined) checkFunction('toTfDataset', 'select', select)
  const reading = readings(dataset, options, (element, tf) => {
    const { xs, ys } = select === undefined ? inputsAndTargets(element) : selected(select(element))
    // Inputs and targets together, so that a fault in the targets disposes of the inputs.
    return tensorsOf({ xs, ys }, tf, options, scalarTensor) as TfBatch
  })
  return {
    get size() {
      return dataset.cardinality ?? NaN
    },
    async iterator() {
      await reading.close()
      return reading.begin()
    },
    checkpoint: reading.checkpoint,
    stats: reading.stats,
    close: reading.close
  }
}

/**
 * Makes a function for `tf.data.generator`: each call begins an epoch, and ends the last one if it was left.
 *
 * ```ts
 * const batches = tf.data.generator(toTfGenerator(train, { tf })).take(2)
 * ```
 *
 * Arrays become tensors, as in {@link toTfDataset}; numbers, booleans, strings and bytes stay what they are, and a bigint becomes
 * a number. Batch before, in millrace: batching in `tf.data` costs some 25 times as much.
 */
export function toTfGenerator<T, X extends TfTensor = TfTensor>(dataset: TfSource<T>, options: TfOptions<X> = {}): TfGenerator<TfElement<T, X>> {
  checkArguments('toTfGenerator', dataset, options, [])
  // The type TfElement says what tensorsOf makes of a T; nothing but the two of them knows both.
  const { begin, checkpoint, stats, close } = readings(dataset, options, (element, tf) => tensorsOf(element, tf, options, plainScalar) as TfElement<T, X>)
  return Object.assign(() => begin(), { checkpoint, stats, close })
}

function inputsAndTargets(element: unknown): { readonly xs: unknown; readonly ys: unknown } {
  if (Array.isArray(element) && element.length === 2) return { xs: element[0], ys: element[1] }
  if (isPlainObject(element) && element['xs'] !== undefined && element['ys'] !== undefined) return { xs: element['xs'], ys: element['ys'] }
  throw new MillraceError('Mismatch', `toTfDataset: expected elements { xs, ys } or [xs, ys], got ${describe(element)}; say with { select } what the inputs and the targets are`)
}

function selected(result: { readonly xs: unknown; readonly ys: unknown }): { readonly xs: unknown; readonly ys: unknown } {
  if (typeof result === 'object' && (result as unknown) !== null && result.xs !== undefined && result.ys !== undefined) return result
  throw new MillraceError('Mismatch', `toTfDataset: select must return { xs, ys }, got ${describe(result)}`)
}

function checkArguments(where: string, dataset: unknown, options: TfOptions, more: readonly string[]): void {
  if (typeof (dataset as { iterator?: unknown } | null | undefined)?.iterator !== 'function') throw new TypeError(`${where}: expected a Dataset, got ${describe(dataset)}`)
  checkOptions(where, options, ['tf', 'downcast', 'from', 'epoch', 'seed', 'signal', ...more])
  if (options.tf !== undefined && !isTensorFlow(options.tf)) throw new TypeError(`${where}: tf must be the module @tensorflow/tfjs, got ${describe(options.tf)}`)
  if (options.epoch !== undefined) checkInteger(where, 'epoch', options.epoch, 0)
  checkSeed(where, options.seed)
}

/** One epoch of it. It knows nothing of the iterator that reads it, so that the iterator can be collected. */
interface Pass<E> {
  next(): Promise<IteratorResult<E, undefined>>
  close(): Promise<void>
  /** Makes later reads fail, if this one was not at its end. */
  displace(): void
}

/** Closes passes whose readers are garbage. */
const ABANDONED = new FinalizationRegistry<Pass<unknown>>(pass => {
  pass.close().catch(() => undefined) // nobody is left to be told
})

/** Epoch after epoch of a dataset, each read by one iterator, at most one at a time. */
function readings<T, E>(dataset: TfSource<T>, options: TfOptions, convert: (element: T, tf: TensorFlow) => E): TfReading & { begin(): TfIterator<E> } {
  let { from, epoch, seed } = options
  let elements = 0
  let waitedMs = 0
  let tf: TensorFlow | undefined = options.tf
  let current: Pass<E> | undefined
  let last: DatasetIterator<T> | undefined // the last that was read

  /** The next epoch. Called by the first `next()` of a pass: a pass that is not read is none. */
  const open = (): DatasetIterator<T> => {
    const opened = dataset.iterator({ from, epoch, seed, signal: options.signal })
    from = undefined
    epoch = opened.epoch + 1
    seed = opened.seed
    last = opened
    return opened
  }
  const newPass = (): Pass<E> => {
    let opened: DatasetIterator<T> | undefined
    let state: 'open' | 'ended' | 'displaced' = 'open'
    const end = async (): Promise<void> => {
      if (state === 'open') state = 'ended'
      await opened?.close()
    }
    const read = async (): Promise<IteratorResult<E, undefined>> => {
      tf ??= await loadTensorFlow()
      opened ??= open()
      const { done, value } = await opened.next()
      if (done === true) {
        await end()
        return { done: true, value: undefined }
      }
      const element = convert(value, tf)
      elements++
      return { done: false, value: element }
    }
    return {
      async next() {
        if (state === 'ended') return { done: true, value: undefined }
        if (state === 'displaced') throw new MillraceError('Closed', 'another iterator was asked for while this one was read, and that ended it: make an adapter for each reader')
        const begun = performance.now()
        try {
          return await read()
        } catch (error) {
          await end().catch(() => undefined)
          throw error
        } finally {
          waitedMs += performance.now() - begun
        }
      },
      close: end,
      displace() {
        if (state === 'open') state = 'displaced'
      }
    }
  }
  const close = async (): Promise<void> => {
    const pass = current
    current = undefined
    pass?.displace()
    await pass?.close()
  }
  return {
    begin() {
      const left = current
      left?.displace()
      const pass = newPass()
      current = pass
      return readerOf(pass, left?.close() ?? Promise.resolve())
    },
    checkpoint: () => last?.checkpoint() ?? from,
    stats: () => ({ elements, waitedMs }),
    close
  }
}

/** Reads under way: their readers are in use. */
const READS = new Set<object>()

/** The iterator that a trainer holds. The first read waits until the pass before it is closed. */
function readerOf<E>(pass: Pass<E>, ready: Promise<void>): TfIterator<E> {
  ready.catch(() => undefined) // reported by the first read
  const reader: TfIterator<E> = {
    async next() {
      const read = { reader }
      READS.add(read) // whoever waits for this read may hold nothing but its promise
      try {
        await ready
        return await pass.next()
      } finally {
        READS.delete(read)
      }
    },
    async return() {
      await pass.close()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => reader
  }
  ABANDONED.register(reader, pass)
  return reader
}
