import type { MaybePromise } from '../types.js'
import { later } from './later.js'

/** True for a promise or any thenable. Costs one load for numbers, so loops may ask it of every element. */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** `next(value)`, now if the value is here and later if it is a promise. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? (value as Promise<T>).then(next) : next(value as T)
}

/**
 * Runs a generator that yields promises where it has to wait. It stays synchronous until the first yield, so one text
 * serves the synchronous fast path and the asynchronous one:
 *
 * ```ts
 * const doubled = (max: number) => run(function* () {
 *   const chunk = yield* wait(input.pull(max))
 *   return chunk?.map(x => 2 * x) ?? null
 * })
 * ```
 */
export function run<R>(body: () => Generator<PromiseLike<unknown>, R, unknown>): MaybePromise<R> {
  const steps = body()
  const first = steps.next()
  return first.done === true ? first.value : resume(steps, first.value)
}

/** Awaits in one run after which the event loop has its turn: a long search among promises that are there must hear an abort. */
const AWAITS_AT_A_TIME = 4096

async function resume<R>(steps: Generator<PromiseLike<unknown>, R, unknown>, pending: PromiseLike<unknown>): Promise<R> {
  for (let awaits = 1; ; awaits++) {
    let step: IteratorResult<PromiseLike<unknown>, R>
    try {
      const value = await pending
      if (awaits % AWAITS_AT_A_TIME === 0) await new Promise<void>(resolve => later(resolve))
      step = steps.next(value)
    } catch (error) {
      // Thrown by the awaited promise or by the body: the body may handle the first; a finished body rethrows at once.
      step = steps.throw(error)
    }
    if (step.done === true) return step.value
    pending = step.value
  }
}

/** Inside {@link run}: the value, waiting for it only if it is a promise. */
export function* wait<T>(value: T | PromiseLike<T>): Generator<PromiseLike<unknown>, T, unknown> {
  return isPromise(value) ? ((yield value) as T) : value
}
