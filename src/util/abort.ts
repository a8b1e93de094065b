/** The promise, or the rejection of the signal, whichever comes first. The promise itself goes on, observed. */
export function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    const done = (): void => signal.removeEventListener('abort', abort)
    promise.then(
      value => { done(); resolve(value) },
      error => { done(); reject(error as Error) }
    )
  })
}
