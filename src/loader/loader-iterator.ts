/// <reference lib="esnext.disposable" preserve="true" />
import type { Checkpoint } from '../engine/checkpoint.js'
import type { DatasetIterator } from '../engine/iterate.js'
import { MillraceError } from '../errors.js'
import type { LoaderState } from './loader-state.js'

/** A running epoch of a loader. Close it: by `for await`, `await using`, `return()` or `close()`. */
export interface LoaderIterator<B> extends DatasetIterator<B> {
  /** The place right behind the last batch that `next` delivered, for `loadStateDict`. JSON. */
  stateDict(): LoaderState
}

/** What an epoch of a loader has beside its dataset. */
interface EpochOptions {
  readonly timeoutMs: number | undefined
  /** The state of the loader at that place of this epoch; at its end without one. */
  readonly stateAt: (checkpoint: Checkpoint | undefined) => LoaderState
  /** Called once, when it ended or was closed. */
  readonly ended: () => void
}

/**
 * An iteration with a limit for each wait. A batch that is late is not lost: the next call waits for it again, and until then the position is
 * that before it.
 */
export function loaderIterator<B>(inner: DatasetIterator<B>, { timeoutMs, stateAt, ended }: EpochOptions): LoaderIterator<B> {
  let late: Promise<IteratorResult<B, undefined>> | undefined
  let before: (() => Checkpoint) | undefined // where it stood when a batch was late
  let tail: Promise<unknown> = Promise.resolve()
  let finished = false
  let closesOnError = false

  const position = (): Checkpoint => (before ?? inner.checkpoint)()
  const step = async (): Promise<IteratorResult<B, undefined>> => {
    const result = late ?? inner.next()
    late = undefined
    try {
      const arrived = timeoutMs === undefined ? await result : await within(result, timeoutMs)
      if (arrived === LATE) {
        before ??= remember(inner)
        late = result
        result.catch(() => undefined) // whoever waits for it next is told
        throw new MillraceError('Timeout', `DataLoader: there was no batch after ${timeoutMs} ms. The next call goes on waiting for it; raise timeout, or find out what is slow with stats()`, { operation: 'next' })
      }
      before = undefined
      if (arrived.done === true) {
        finished = true
        ended()
      }
      return arrived
    } catch (error) {
      if (late === undefined) before = undefined
      if (closesOnError) {
        const closing = close().catch(() => undefined)
        if (late === undefined) await closing // what is stuck may stay so: nobody waits for it
      }
      throw error
    }
  }
  const next = (): Promise<IteratorResult<B, undefined>> => {
    const result = tail.then(step)
    tail = result.catch(() => undefined)
    return result
  }
  const close = async (): Promise<void> => {
    if (late !== undefined) before ??= remember(inner)
    ended()
    await inner.close()
  }
  const iterator: LoaderIterator<B> = {
    ...inner,
    next,
    async return() {
      await close()
      return { done: true, value: undefined }
    },
    checkpoint: position,
    stateDict: () => stateAt(finished ? undefined : position()),
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]() {
      closesOnError = true // the language does not call `return` when `next` rejects
      return iterator
    }
  }
  return iterator
}

const LATE = Symbol('late')

/** The result, or {@link LATE} after so many milliseconds. No timer is left behind. */
async function within<T>(result: Promise<T>, milliseconds: number): Promise<T | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    return await Promise.race([result, new Promise<typeof LATE>(resolve => (timer = setTimeout(resolve, milliseconds, LATE)))])
  } finally {
    clearTimeout(timer)
  }
}

/** The position of now; a position that cannot be told is an error when it is asked for. */
function remember(inner: DatasetIterator<unknown>): () => Checkpoint {
  try {
    const checkpoint = inner.checkpoint()
    return () => checkpoint
  } catch (error) {
    return () => { throw error }
  }
}
