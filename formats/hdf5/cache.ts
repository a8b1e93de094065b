/** Values by key, within a bound of bytes; those that were used longest ago go first. */
export interface Cache<K, V> {
  /** The value, loaded if it is not there. Calls at the same time share one load; failures are not kept. */
  get(key: K, signal: AbortSignal, load: () => Promise<V>): Promise<V>
  /** The value if it is there. */
  peek(key: K): V | undefined
  set(key: K, value: V): void
}

/** A cache of `mostBytes`, and of one value in any case. */
export function boundedCache<K, V>(mostBytes: number, bytesOf: (value: V) => number): Cache<K, V> {
  const values = new Map<K, V>()
  const loads = new Map<K, Promise<V>>()
  let bytes = 0

  function set(key: K, value: V): void {
    const before = values.get(key)
    if (before !== undefined) {
      bytes -= bytesOf(before)
      values.delete(key)
    }
    values.set(key, value)
    bytes += bytesOf(value)
    for (const [oldest, dropped] of values) {
      if (bytes <= mostBytes || values.size === 1) return
      values.delete(oldest)
      bytes -= bytesOf(dropped)
    }
  }

  function peek(key: K): V | undefined {
    const value = values.get(key)
    if (value !== undefined) {
      values.delete(key)
      values.set(key, value)
    }
    return value
  }

  return {
    peek,
    set,
    async get(key, signal, load) {
      const there = peek(key)
      if (there !== undefined) return there
      const underWay = loads.get(key)
      if (underWay !== undefined) {
        try {
          return await underWay
        } catch {
          // It may have failed because the call that began it was aborted. If not, it fails again below.
          signal.throwIfAborted()
        }
      }
      const loading = load()
      loads.set(key, loading)
      try {
        const value = await loading
        set(key, value)
        return value
      } finally {
        if (loads.get(key) === loading) loads.delete(key)
      }
    }
  }
}
