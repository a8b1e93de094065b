import { decompressor, MillraceError } from '../../src/format.js'
import { badPosition } from './faults.js'
import type { Block, ByteStream, ReadAhead } from './read-ahead.js'

/** What {@link inflateStream} has to know of the file. */
export interface InflateOptions {
  readonly uri: string
  readonly compression: 'gzip' | 'zlib'
  /** True when the compression was told from the first bytes. */
  readonly guessed: boolean
  /** How many decompressed bytes to leave out. */
  readonly skip: number
}

/**
 * The decompressed bytes of `input`, whose first block is `first`. Bytes are taken from `input` only as fast as they are
 * asked for. Several gzip members, one after the other, are one stream; anything else behind the end is `Corrupt`.
 */
export function inflateStream(input: ReadAhead, first: Block | null, options: InflateOptions): ByteStream {
  const { uri, compression } = options
  const codec = decompressor(compression)
  let piece: Uint8Array = new Uint8Array(0)
  let skip = options.skip
  let produced = 0
  let fed = 0
  let allFed = false
  let ended = false
  let inputFailure: { readonly error: unknown } | undefined
  let failure: { readonly error: unknown } | undefined
  let last: Promise<unknown> = Promise.resolve()
  const feeding = feed()

  async function feed(): Promise<void> {
    try {
      for (let block = first; block !== null; block = await input.next()) {
        input.ahead()
        fed += block.end - block.start
        if (!(await codec.write(block.bytes.subarray(block.start, block.end)))) return
        input.retire(block, false)
      }
      allFed = true
    } catch (error) {
      inputFailure = { error }
    }
    await codec.end() // Also after a failure: so that all that was read comes out before the error.
  }

  async function pull(into: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < into.length && failure === undefined && !ended) {
      if (piece.length === 0) await refill()
      const dropped = Math.min(skip, piece.length)
      skip -= dropped
      const part = piece.subarray(dropped, dropped + into.length - filled)
      into.set(part, filled)
      filled += part.length
      piece = piece.subarray(dropped + part.length)
    }
    if (filled === 0 && failure !== undefined) throw failure.error
    return filled
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
      else if (skip > 0) failure ??= { error: badPosition(uri, options.skip) }
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
    const advice = options.guessed && produced === 0
      ? `Its first bytes look like ${compression}; if it is not compressed, say compression: 'none'`
      : 'Nothing behind this place can be read: restore the file from its source'
    const where = `Cannot decompress ${uri} (${compression}) beyond byte ${produced} of its decompressed data`
    return new MillraceError(kind, `${where}: ${what}. ${advice}.`, { uri, offset: produced, operation: 'read', cause })
  }

  return {
    left: () => (ended && piece.length === 0 && failure === undefined ? 0 : Infinity),
    fill(into) {
      const count = last.then(() => pull(into))
      last = count.catch(() => undefined)
      return count
    },
    async close() {
      await codec.close()
      await input.close()
      await feeding
      await last
    }
  }
}
