import { decompressor, MillraceError, type ByteSource } from '../../src/format.js'

/** The decompressed bytes of a file, in order. One call at a time. */
export interface InflatedStream {
  /**
   * Fills `into`. Fewer bytes than it holds only before the end or an error; then 0, or the error.
   * @throws MillraceError `Truncated`, `Corrupt`, or that of the store.
   */
  fill(into: Uint8Array): Promise<number>
  /** Leaves out the next bytes; resolves to how many there were. Errors as `fill`. */
  skip(count: number): Promise<number>
  /** Stops what is under way and waits for it. */
  close(): Promise<void>
}

/** Bytes per read of the compressed file; one is under way while another is decompressed. */
const READ_BYTES = 2 ** 18

/**
 * Decompresses a whole file, no faster than it is asked for. Several gzip members, one after the other, are one stream; anything else
 * behind the end is `Corrupt`. `advice` is what to do when the very first bytes cannot be decompressed. Memory: about 1 MiB.
 */
export function inflatedStream(
  source: ByteSource, compression: 'gzip' | 'zlib', { signal, advice }: { readonly signal: AbortSignal; readonly advice: string }
): InflatedStream {
  const { uri, byteLength } = source
  const codec = decompressor(compression)
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  let piece: Uint8Array = new Uint8Array(0)
  let produced = 0
  let fed = 0
  let allFed = false
  let ended = false
  let inputFailure: { readonly error: unknown } | undefined
  let failure: { readonly error: unknown } | undefined
  const feeding = feed()

  async function feed(): Promise<void> {
    try {
      signal.throwIfAborted()
      let buffer = new Uint8Array(Math.min(READ_BYTES, byteLength))
      let other = new Uint8Array(Math.min(READ_BYTES, byteLength))
      const read = async (at: number): Promise<Uint8Array> => {
        const bytes = other.subarray(0, Math.min(other.length, byteLength - at))
        ;[buffer, other] = [other, buffer]
        await source.read(at, bytes, { signal: controller.signal })
        return bytes
      }
      let coming = read(0)
      while (fed < byteLength) {
        const bytes = await coming
        fed += bytes.length
        const taken = codec.write(bytes)
        coming = fed < byteLength ? read(fed) : coming
        coming.catch(() => undefined) // It is awaited in the next turn, or not at all after an early end.
        if (await taken) continue
        controller.abort()
        await coming.catch(() => undefined)
        return
      }
      allFed = true
    } catch (error) {
      inputFailure = { error }
    }
    await codec.end() // Also after a failure: so that all that was read comes out before the error.
  }

  async function refill(): Promise<void> {
    try {
      const output = await codec.read()
      if (output !== null) {
        piece = output
        produced += output.length
        return
      }
      ended = true
      failure = inputFailure
      const trailing = allFed ? fed - (codec.consumed() ?? fed) : 1
      if (trailing > 0) failure ??= { error: damaged('Corrupt', 'there are other bytes behind the end of the compressed data') }
    } catch (error) {
      const { code } = error as { readonly code?: unknown }
      const cutOff = code === 'Z_BUF_ERROR' || (code === undefined && allFed)
      failure = inputFailure ?? {
        error: cutOff
          ? damaged('Truncated', 'the compressed data end too early', error)
          : damaged('Corrupt', 'the compressed data are damaged', error)
      }
    }
  }

  function damaged(kind: 'Corrupt' | 'Truncated', what: string, cause?: unknown): MillraceError {
    const todo = produced === 0 ? advice : 'Nothing behind this place can be read: restore the file from its source'
    return new MillraceError(kind, `Cannot decompress ${uri} (${compression}) beyond byte ${produced} of its decompressed data: ${what}. ${todo}.`,
      { uri, offset: produced, operation: 'read', cause })
  }

  /** Takes up to `count` bytes, piece by piece. */
  async function take(count: number, use: (part: Uint8Array, at: number) => void): Promise<number> {
    let taken = 0
    while (taken < count && failure === undefined && !ended) {
      if (piece.length === 0) await refill()
      const part = piece.subarray(0, count - taken)
      use(part, taken)
      taken += part.length
      piece = piece.subarray(part.length)
    }
    if (taken === 0 && failure !== undefined) throw failure.error
    return taken
  }

  return {
    fill: (into) => take(into.length, (part, at) => into.set(part, at)),
    skip: (count) => take(count, () => undefined),
    async close() {
      signal.removeEventListener('abort', abort)
      controller.abort()
      await codec.close()
      await feeding
    }
  }
}
