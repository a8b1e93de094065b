import type { ByteSource, FormatChunk, FragmentReadOptions } from '../../src/format.js'
import { inflatedStream } from '../shared/inflated.js'
import { badPosition, cut, leftOver, startOf, tooShort } from './layout.js'
import type { ResolvedFixedLengthOptions } from './options.js'

/**
 * The records of a compressed file. Where it ends is known only there, so the last `footerBytes` seen are always held back.
 */
export async function* readCompressed(
  source: ByteSource, compression: 'gzip' | 'zlib', layout: ResolvedFixedLengthOptions, { from, signal }: FragmentReadOptions
): AsyncGenerator<FormatChunk<Uint8Array>, void, undefined> {
  const { uri } = source
  /** Bytes that memory is taken for before they are there: a short file must not cost the memory of a long record. */
  let trusted = 2 ** 21
  const { recordBytes, headerBytes, footerBytes, readBytes } = layout
  const first = startOf(uri, from, source.byteLength === 0 ? 0 : undefined)
  if (source.byteLength === 0) {
    if (headerBytes + footerBytes > 0) throw tooShort(uri, 0, layout)
    return // as tf.data does, though an empty file is no compressed file
  }
  const advice = `Is it compressed at all? If not, say compression: 'none'`
  const stream = inflatedStream(source, compression, { signal, advice })
  try {
    signal.throwIfAborted()
    const before = headerBytes + first * recordBytes
    const skipped = await skip(before)
    if (skipped < Math.min(before, headerBytes)) throw tooShort(uri, skipped, layout)
    if (skipped < before) throw badPosition(uri, first)

    const blockBytes = Math.max(1, Math.floor(readBytes / recordBytes)) * recordBytes
    let carried: Uint8Array = new Uint8Array(0)
    let next = first
    for (;;) {
      const bytes = await fill(carried, blockBytes + footerBytes)
      signal.throwIfAborted()
      const body = bytes.length - footerBytes
      const records = Math.max(0, Math.floor(body / recordBytes))
      next += records
      if (records > 0) yield { elements: cut(bytes, 0, records * recordBytes, recordBytes), next }
      carried = bytes.slice(records * recordBytes)
      if (records > 0) continue
      if (body < 0) throw next === 0 ? tooShort(uri, headerBytes + bytes.length, layout) : badPosition(uri, next)
      if (body > 0) throw leftOver(uri, next, body, layout)
      return
    }
  } finally {
    await stream.close()
  }

  async function skip(count: number): Promise<number> {
    let skipped = 0
    while (skipped < count) {
      const more = await stream.skip(count - skipped)
      if (more === 0) break
      skipped += more
    }
    return skipped
  }

  /** `begin` and what follows, `size` bytes or up to the end; less before an error. */
  async function fill(begin: Uint8Array, size: number): Promise<Uint8Array> {
    let buffer = new Uint8Array(Math.max(begin.length, Math.min(size, trusted)))
    buffer.set(begin)
    let filled = begin.length
    while (filled < size) {
      if (filled === buffer.length) {
        const grown = new Uint8Array(Math.min(size, 2 * buffer.length))
        grown.set(buffer)
        buffer = grown
      }
      const wanted = buffer.length - filled
      const more = await filledOrError(buffer.subarray(filled), filled >= recordBytes + footerBytes)
      filled += more
      if (more < wanted) break
    }
    trusted = Math.max(trusted, filled)
    return buffer.subarray(0, filled)
  }

  /** Records that are whole come before the error behind them: it is thrown by the next call. */
  async function filledOrError(into: Uint8Array, whole: boolean): Promise<number> {
    try {
      return await stream.fill(into)
    } catch (error) {
      if (whole) return 0
      throw error
    }
  }
}
