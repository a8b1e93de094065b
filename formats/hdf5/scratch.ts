/** Buffers that are used again. */
export interface Scratch {
  /** A buffer of at least so many bytes, cut to them. Its contents are anything. */
  take(byteLength: number): Uint8Array
  /** Takes a buffer back that nobody uses any more. Not one of a read that failed: an aborted read may still be writing. */
  give(bytes: Uint8Array): void
}

/** Keeps up to `mostBytes` of buffers. */
export function openScratch(mostBytes: number): Scratch {
  const free: ArrayBufferLike[] = []
  let bytes = 0
  return {
    take(byteLength) {
      // Not one of far more bytes: it would be missing where it is needed.
      const found = free.findIndex(buffer => buffer.byteLength >= byteLength && buffer.byteLength <= 4 * byteLength)
      if (found < 0) return new Uint8Array(Math.ceil(byteLength / 512) * 512).subarray(0, byteLength)
      const [buffer] = free.splice(found, 1)
      bytes -= buffer?.byteLength ?? 0
      return new Uint8Array(buffer ?? new ArrayBuffer(byteLength), 0, byteLength)
    },
    give({ buffer }) {
      if (bytes + buffer.byteLength > mostBytes) return
      free.push(buffer)
      bytes += buffer.byteLength
    }
  }
}
