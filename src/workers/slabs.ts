/** Memory that crosses between threads and is used again: fresh memory has to be had from the system page by page, which takes longer than to fill it. */
export interface Slabs {
  /** At least so many bytes. What they hold does not matter. */
  take(bytes: number): ArrayBuffer
  /** Memory of which nobody holds a view. */
  give(memory: ArrayBuffer): void
  /** All that is free, to be sent to another thread; none is left here. */
  drain(): ArrayBuffer[]
  readonly bytes: number
}

/** Smaller ones the allocator has at hand. */
const LEAST_BYTES = 1 << 14

/** Makes an empty store of memory. Bounded by number and bytes; the oldest go first. */
export function slabs(mostBytes = 2 ** 27, most = 16): Slabs {
  let free: ArrayBuffer[] = []
  let held = 0
  return {
    take(bytes) {
      let best = -1
      for (let k = free.length - 1; k >= 0; k--) {
        const size = (free[k] as ArrayBuffer).byteLength
        if (size >= bytes && size <= 2 * bytes && (best < 0 || size < (free[best] as ArrayBuffer).byteLength)) best = k
      }
      const [found] = best < 0 ? [] : free.splice(best, 1)
      if (found === undefined) return new ArrayBuffer(bytes)
      held -= found.byteLength
      return found
    },
    give(memory) {
      if (memory.byteLength < LEAST_BYTES || memory.byteLength > mostBytes || free.includes(memory)) return // two arrays of a batch may share it
      free.push(memory)
      held += memory.byteLength
      while (free.length > most || held > mostBytes) held -= free.shift()?.byteLength ?? 0
    },
    drain() {
      const all = free
      free = []
      held = 0
      return all
    },
    get bytes() {
      return held
    }
  }
}
