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

/**
 * A controller whose signal any number of readers may listen to. Node warns of a leak at the eleventh listener of a signal, which 16 files
 * that are read side by side are not.
 */
export function sharedController(): AbortController {
  const controller = new AbortController()
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const events = host?.getBuiltinModule?.('node:events') as { setMaxListeners?: (most: number, target: AbortSignal) => void } | undefined
  events?.setMaxListeners?.(0, controller.signal)
  return controller
}
