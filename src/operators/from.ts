import { MillraceError } from '../errors.js'
import type { Cursor, OpenContext, Operator } from '../plan/operator.js'
import { savedPosition } from '../plan/saved.js'
import type { MaybePromise } from '../types.js'
import { abortable } from '../util/abort.js'
import { chain } from '../util/promise.js'

/** What the function of `fromGenerator` gets. */
export interface GeneratorContext {
  /** Number of the pass over the data, from 0. */
  readonly epoch: number
  /** Aborted when the iteration ends for any reason. */
  readonly signal: AbortSignal
}

/** The elements of an array. Random access; the array is not copied, so leave it alone while it is read. */
export interface FromArrayParams<T = unknown> {
  readonly items: readonly T[]
}

export const fromArray: Operator<FromArrayParams> = {
  name: 'from',
  describe: ({ items }) => `array of ${items.length}`,
  identity: ({ items }) => ['array', items.length],
  cardinality: ({ items }) => items.length,
  free: true,
  randomAccess: ({ params: { items } }) => ({ length: items.length, get: indices => indices.map(index => items[index]) }),

  open({ params: { items }, saved }) {
    let at = savedPosition('from', saved, items.length)
    return {
      pull(max) {
        if (at >= items.length) return null
        const chunk = items.slice(at, at + max)
        at += chunk.length
        return chunk
      },
      save: () => ({ self: at })
    }
  }
}

/**
 * The elements of an iterable, synchronous or not. Order: its own. Memory: none; nothing is read ahead.
 *
 * State: the number of elements delivered. A restore makes the iterable anew and reads that many elements away, so it is
 * exact if the iterable gives the same elements again; one that can be read only once cannot be restored.
 */
export interface FromIterableParams {
  readonly make: (context: GeneratorContext) => Iterable<unknown> | AsyncIterable<unknown>
  /** True when `make` makes a new iterable every time; false when it hands out one that may be of use only once. */
  readonly repeatable: boolean
  /** `explain()` shows it. */
  readonly what: string
}

export const fromIterable: Operator<FromIterableParams> = {
  name: 'from',
  describe: ({ what }) => what,
  identity: ({ what, make }) => [what, make],

  open({ params: { make, repeatable }, saved, ctx }) {
    let skip = savedPosition('from', saved)
    let delivered = skip
    let cursor: Cursor<unknown> | undefined
    let once = false
    const start = (): Cursor<unknown> => {
      const iterable = make({ epoch: ctx.epoch, signal: ctx.signal })
      const { iterator, asynchronous } = iteratorOf(iterable)
      once = !repeatable && ((iterator as unknown) === iterable || isStream(iterable))
      if (once && CONSUMED.has(iterable)) throw new MillraceError('Closed', 'from: this iterator was read before and cannot begin again: pass an iterable, or a function that makes one')
      if (once) CONSUMED.add(iterable)
      return asynchronous ? pullAsync(iterator as AsyncIterator<unknown>, ctx) : pullSync(iterator as Iterator<unknown>)
    }
    const count = (chunk: unknown[] | null): unknown[] | null => {
      delivered += chunk?.length ?? 0
      return chunk
    }
    return {
      pull(max): MaybePromise<unknown[] | null> {
        cursor ??= start()
        if (skip > 0) return skipThenPull(max)
        const chunk = cursor.pull(max)
        return chain(chunk, count)
      },
      save: () => (once ? { refused: 'from: an iterator that can be read only once cannot be resumed: pass a function that makes it' } : { self: delivered }),
      close: () => cursor?.close?.()
    }

    async function skipThenPull(max: number): Promise<unknown[] | null> {
      const from = cursor as Cursor<unknown>
      while (skip > 0) {
        const chunk = await from.pull(Math.min(skip, 256))
        if (chunk === null) {
          throw new MillraceError('Checkpoint', `from: the iterable ended ${skip} elements before the place where the checkpoint was taken: it does not give the same elements again`)
        }
        skip -= chunk.length
      }
      return count(await from.pull(max))
    }
  }
}

/** Iterators that are their own iterable, once they were handed out. */
const CONSUMED = new WeakSet<object>()

function iteratorOf(iterable: Iterable<unknown> | AsyncIterable<unknown>): { iterator: Iterator<unknown> | AsyncIterator<unknown>; asynchronous: boolean } {
  const source: unknown = iterable // user functions may return anything
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return { iterator: (source as AsyncIterable<unknown>)[Symbol.asyncIterator](), asynchronous: true }
    if (Symbol.iterator in source) return { iterator: (source as Iterable<unknown>)[Symbol.iterator](), asynchronous: false }
  }
  throw new TypeError(`from: the function must return an iterable or an async iterable, got ${source === null ? 'null' : typeof source}`)
}

/** Streams hand out a new iterator over the same bytes. */
function isStream(iterable: object): boolean {
  return typeof (iterable as { pipe?: unknown }).pipe === 'function' || typeof (iterable as { getReader?: unknown }).getReader === 'function'
}

function pullSync(iterator: Iterator<unknown>): Cursor<unknown> {
  let held: { readonly error: unknown } | undefined
  let ended = false
  return {
    pull(max) {
      const chunk: unknown[] = []
      while (!ended && held === undefined && chunk.length < max) {
        try {
          const step = iterator.next()
          if (step.done === true) ended = true
          else chunk.push(step.value)
        } catch (error) {
          held = { error }
        }
      }
      if (chunk.length > 0) return chunk
      if (held === undefined) return null
      const { error } = held
      held = undefined
      throw error
    },
    close() {
      if (!ended) iterator.return?.()
      ended = true
    }
  }
}

function pullAsync(iterator: AsyncIterator<unknown>, { signal }: OpenContext): Cursor<unknown> {
  let ended = false
  let waiting = false
  return {
    async pull() {
      if (ended) return null
      const next = Promise.resolve(iterator.next()) // as `for await` does: not every iterator returns a promise
      waiting = true
      next.then(() => (waiting = false), () => (waiting = false))
      const step = await abortable(next, signal)
      if (step.done === true) ended = true
      return step.done === true ? null : [step.value]
    },
    async close() {
      if (ended) return
      ended = true
      const returned: unknown = iterator.return?.()
      // A generator that is stuck in an await of its own cannot return: it is told to, but nobody waits for it.
      if (!waiting) await returned
      else Promise.resolve(returned).catch(() => undefined)
    }
  }
}
