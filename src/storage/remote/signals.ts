/** Somebody who wants to know when a signal is aborted. */
export interface Abortable {
  abort(reason: unknown): void
}

/**
 * Listens to each signal once, however many wait for it: all reads of an iteration share a signal, and Node takes more than ten listeners
 * of one for a leak.
 */
export function signalWatch(): { add(signal: AbortSignal, one: Abortable): void, remove(signal: AbortSignal, one: Abortable): void } {
  const listeners = new WeakMap<AbortSignal, Listener>()
  return {
    add(signal, one) {
      let listener = listeners.get(signal)
      if (listener === undefined) listeners.set(signal, listener = new Listener())
      if (listener.waiting.size === 0) signal.addEventListener('abort', listener)
      listener.waiting.add(one)
    },
    remove(signal, one) {
      const listener = listeners.get(signal)
      if (listener?.waiting.delete(one) === true && listener.waiting.size === 0) signal.removeEventListener('abort', listener)
    }
  }
}

class Listener {
  readonly waiting = new Set<Abortable>()

  handleEvent(event: Event): void {
    for (const one of [...this.waiting]) one.abort((event.target as AbortSignal).reason)
  }
}
