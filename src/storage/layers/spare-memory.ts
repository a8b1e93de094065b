/** Memory that is used again: fresh memory has to be touched page by page, which costs more than to copy into it. */
export interface SpareMemory {
  /** The smallest that has so many bytes, with anything in them; nothing when there is none. */
  take(length: number): Uint8Array | undefined
  /** Nobody may use it any more. */
  give(memory: Uint8Array): void
  /** Lets go of the smallest, and says how large it was: 0 when there is none. */
  discard(): number
}

/** Keeps up to so many bytes that are not in use. */
export function spareMemory(most: number): SpareMemory {
  const spares: Uint8Array[] = [] // in ascending order of size
  let kept = 0
  const remove = (i: number): Uint8Array | undefined => {
    const [memory] = spares.splice(i, 1)
    kept -= memory?.length ?? 0
    return memory
  }
  return {
    take(length) {
      const i = spares.findIndex(memory => memory.length >= length)
      return i < 0 ? undefined : remove(i)
    },
    give(memory) {
      if (kept + memory.length > most) return
      kept += memory.length
      const i = spares.findIndex(other => other.length > memory.length)
      spares.splice(i < 0 ? spares.length : i, 0, memory)
    },
    discard: () => (spares.length === 0 ? 0 : (remove(0)?.length ?? 0))
  }
}
