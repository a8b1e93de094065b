/// <reference lib="esnext.disposable" preserve="true" />
// For users whose `lib` does not know Symbol.asyncDispose, which stands in the declarations.
import { messageOf } from '../errors.js'
import { signature } from '../plan/fingerprint.js'
import type { PlanNode } from '../plan/node.js'
import type { Input, State } from '../plan/operator.js'
import type { TuningProfile, TuningStep } from '../plan/tuning.js'
import type { MaybePromise } from '../types.js'
import { sharedController } from '../util/abort.js'
import { isPromise } from '../util/promise.js'
import { checkCheckpoint, makeCheckpoint, type Checkpoint } from './checkpoint.js'
import { consumerClock } from './consumer.js'
import { explainRunning } from './explain-running.js'
import { openPlan } from './open.js'
import { plainServices, type Iteration, type Services } from './scope.js'
import { iteratorStats, type IteratorStats } from './stats.js'
import { tracer } from './tracing.js'
import { tunerHandle, type RunningPlan } from './tuner-view.js'

/** How a dataset is iterated. */
export interface IterateOptions {
  /** Ends the iteration: pending work is told, waited for and closed, and `next` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Goes on where that checkpoint was taken. It brings its own epoch and seed. */
  readonly from?: Checkpoint | undefined
  /** Number of the pass over the data. @default one more than that of the last iteration over this dataset object; 0 at first */
  readonly epoch?: number | undefined
  /** Seed of all operators that were given none. @default random, and part of every checkpoint */
  readonly seed?: number | undefined
}

/**
 * A running iteration. Close it: by `for await`, `await using`, `return()` or `close()`.
 *
 * An error at an element does not end it: the next `next()` goes on behind that element. Only `for await` closes on error.
 */
export interface DatasetIterator<T> extends AsyncIterableIterator<T, undefined, undefined> {
  readonly epoch: number
  readonly seed: number
  next(): Promise<IteratorResult<T, undefined>>
  return(): Promise<IteratorResult<T, undefined>>
  /** The position right behind the last element that `next` delivered. JSON. May be taken while a `next` is pending. */
  checkpoint(): Checkpoint
  /** What all stages, the consumer and the buffers have done so far, and what holds things up. Plain data. */
  stats(): IteratorStats
  /** What the tuner has tried, in order, and what came of it. */
  tuning(): readonly TuningStep[]
  /** The values of knobs that worked, for `options({ autotune: { warmStart } })` of a later run. JSON. */
  profile(): TuningProfile
  /** The running plan with rates, queues, present values of knobs, and the bottleneck. For people, not for programs. */
  explain(): string
  /** Releases everything, waiting for user functions in flight. May be called more than once. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What {@link iterate} needs beside the user's options. */
export interface IteratePlans<T> {
  /** The plan as the user wrote it: it decides which checkpoints fit. */
  readonly plan: PlanNode<T>
  /** The plan that runs. */
  readonly optimized: PlanNode<T>
  /** The rules, for plans that are opened while running. */
  readonly optimize: (plan: PlanNode) => PlanNode
  /** What the iteration has beside its plan. @default one thread, and the memory of the process */
  readonly services?: Services
}

/** A position that can be told while a pull is pending: a state, and how many elements were delivered since. */
interface Mark {
  readonly state: State
  readonly delivered: number
}

const MARK_EVERY = 64

/** Opens a plan and iterates over it. */
export function iterate<T>({ plan, optimized, optimize, services = plainServices() }: IteratePlans<T>, options: IterateOptions): DatasetIterator<T> {
  const { from } = options
  const names = signature(plan)
  if (from !== undefined) checkCheckpoint(from, names)
  const epoch = from?.epoch ?? options.epoch ?? 0
  const seed = from?.seed ?? options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const controller = sharedController()
  const trace = services.tracing === true ? tracer(epoch, seed) : undefined
  const iteration: Iteration = { signal: controller.signal, aborted: false, seed, optimize, stages: new Map(), services, tracer: trace }
  const consumer = consumerClock()
  let started: number | undefined
  const running: RunningPlan = { plan: optimized, iteration, consumer, delivered: () => delivered, started: () => started }
  const tuning = tunerHandle(running)
  const end = (reason: unknown): void => {
    iteration.aborted = true
    controller.abort(reason)
  }
  let root: Input<T> | undefined = openPlan(optimized, iteration, { epoch, branch: 0 }, from?.state, true)
  let delivered = 0
  let mark: Mark = { state: from?.state ?? {}, delivered: 0 }
  let pulling = false
  let tail: Promise<unknown> | undefined // the last of the calls that are under way
  let waited = false // the last pull was asynchronous, and so may be the next
  let closing: Promise<void> | undefined
  let closesOnError = false
  let asked = 0 // when the element that is traced was asked for
  let last: State | undefined // where it stood when it was closed

  const positionNow = (): State => {
    if (root === undefined) return last ?? mark.state
    if (!pulling) return root.save()
    const drop = (mark.state.drop ?? 0) + delivered - mark.delivered
    return drop > 0 ? { ...mark.state, drop } : mark.state
  }
  const abort = (): void => {
    if (pulling) last ??= positionNow() // what the pull under way has taken is not delivered
    end(options.signal?.reason)
  }
  /** By the user's signal, and not at its end or closed before: then it has ended, whatever the signal does. */
  const abortedByUser = (): boolean => options.signal?.aborted === true && controller.signal.reason === options.signal.reason
  if (options.signal?.aborted === true) abort()
  else options.signal?.addEventListener('abort', abort, { once: true })

  const close = (): Promise<void> => {
    closing ??= (async () => {
      try {
        last ??= positionNow()
      } catch (error) {
        last = { refused: messageOf(error) } // whatever happens, it is closed
      }
      const opened = root
      root = undefined
      tuning.stop()
      options.signal?.removeEventListener('abort', abort)
      end(new DOMException('the iteration was closed', 'AbortError'))
      try {
        await opened?.close()
      } finally {
        await services.close()
        trace?.close()
      }
    })()
    return closing
  }
  const deliver = (chunk: T[] | null): MaybePromise<IteratorResult<T, undefined>> => {
    if (pulling && iteration.aborted) return failed(controller.signal.reason) // it was told that this element is not delivered
    pulling = false
    consumer.delivered()
    if (chunk === null) return close().then(() => ({ done: true, value: undefined }))
    trace?.delivered(delivered, asked)
    delivered++
    return { done: false, value: chunk[0] as T }
  }
  async function failed(error: unknown): Promise<IteratorResult<T, undefined>> {
    pulling = false
    consumer.delivered()
    const aborted = iteration.aborted // then whatever came was not delivered, an error neither
    const closedBefore = closing !== undefined
    if (aborted || closesOnError) await close().catch(() => undefined)
    if (closedBefore && !abortedByUser()) return { done: true, value: undefined }
    throw aborted ? controller.signal.reason : error
  }
  const begin = (): void => {
    started = performance.now()
    tuning.begin()
  }
  const step = (): MaybePromise<IteratorResult<T, undefined>> => {
    if (abortedByUser()) return failed(controller.signal.reason)
    if (root === undefined) return { done: true, value: undefined }
    if (started === undefined) begin()
    consumer.called()
    if (trace !== undefined) asked = performance.now()
    let chunk: MaybePromise<T[] | null>
    try {
      if (waited || root.ordered === false || delivered - mark.delivered >= MARK_EVERY) mark = { state: root.save(), delivered }
      chunk = root.pull(1)
    } catch (error) {
      waited = true // the next step begins with a new mark: none may serve positions behind an error
      return failed(error)
    }
    waited = isPromise(chunk)
    if (!isPromise(chunk)) return deliver(chunk)
    consumer.waits()
    pulling = true
    return chunk.then(deliver, failed)
  }
  /** Calls that overlap are answered in turn. */
  const next = (): Promise<IteratorResult<T, undefined>> => {
    const result = tail === undefined ? step() : tail.then(step, step)
    if (!isPromise(result)) return Promise.resolve(result)
    tail = result
    const settled = (): void => {
      if (tail === result) tail = undefined
    }
    result.then(settled, settled)
    return result
  }
  const iterator: DatasetIterator<T> = {
    epoch,
    seed,
    next,
    async return() {
      await close()
      return { done: true, value: undefined }
    },
    checkpoint: () => makeCheckpoint(names, epoch, seed, positionNow()),
    stats: () => iteratorStats(running).stats,
    tuning: tuning.log,
    profile: tuning.profile,
    explain: () => explainRunning(running),
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]() {
      closesOnError = true // the language does not call `return` when `next` rejects
      return iterator
    }
  }
  return iterator
}
