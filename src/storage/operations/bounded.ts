import { isMillraceError, messageOf, MillraceError } from '../../errors.js'
import { sharedController } from '../../util/abort.js'

/** Failures that are listed. With more, there is no point in going on. */
const MOST_FAILURES = 100

/**
 * Calls a function for every item that comes, so many at a time; nothing more is pulled while all are busy. The first failure ends it, when
 * those that were begun have ended.
 */
export async function eachOf<T>(items: AsyncIterable<T>, atOnce: number, visit: (item: T) => Promise<void>): Promise<void> {
  const busy = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const item of items) {
      const work = visit(item).catch((error: unknown) => { failure ??= { error } }).finally(() => busy.delete(work))
      busy.add(work)
      if (busy.size >= atOnce) await Promise.race(busy)
      if (failure !== undefined) break
    }
  } finally {
    await Promise.all(busy)
  }
  if (failure !== undefined) throw failure.error
}

/** A controller that a signal aborts too, until it is let go. */
export function linkedController(signal: AbortSignal | undefined): { readonly controller: AbortController; unlink(): void } {
  const controller = sharedController()
  const abort = (): void => controller.abort(signal?.reason)
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return { controller, unlink: () => signal?.removeEventListener('abort', abort) }
}

/** What could not be done of many things, to be told at the end in one error. */
export interface Failures {
  readonly count: number
  /** Notes a failure. @throws the error for all of them when there are too many */
  add(uri: string, error: unknown): void
  /** @throws MillraceError of the kind of the first failure, if there was one; its cause is an `AggregateError` */
  finish(): void
}

/** `done` tells how far it came, for the message. */
export function failuresOf(operation: string, uri: string, done: () => string): Failures {
  const errors: unknown[] = []
  const texts: string[] = []
  function error(end: string): MillraceError {
    const kind = isMillraceError(errors[0]) ? errors[0].kind : 'Unavailable'
    const shown = texts.slice(0, 3).map((text) => `; ${text}`).join('')
    return new MillraceError(kind, `${operation} ${uri}: ${errors.length} failed, ${done()}${end}${shown}${texts.length > 3 ? '; …' : ''}`,
      { uri, operation, cause: new AggregateError(errors, `${errors.length} objects failed`) })
  }
  return {
    get count() { return errors.length },
    add(of, cause) {
      errors.push(cause)
      texts.push(messageOf(cause).includes(of) ? messageOf(cause) : `${of}: ${messageOf(cause)}`)
      if (errors.length >= MOST_FAILURES) throw error(', and no more were tried')
    },
    finish() {
      if (errors.length > 0) throw error('')
    }
  }
}
