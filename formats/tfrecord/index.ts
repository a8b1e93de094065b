/**
 * TFRecord: TensorFlow's file of byte strings. The layout of the bytes, the limits and the behaviour on damaged files
 * are described in `docs/formats/tfrecord.md`.
 */
import type { ByteSource, Format, FormatReader, FragmentReadOptions } from '../../src/format.js'
import { detectCompression, HEAD_BYTES } from './detect.js'
import { badPosition } from './faults.js'
import { indexedFile } from './index-file.js'
import { inflateStream } from './inflate.js'
import { resolveOptions, type ResolvedOptions, type TfrecordOptions } from './options.js'
import { plainStream, readAhead, type ReadAhead } from './read-ahead.js'
import { readRecords, type RecordChunk } from './records.js'

export { encodeRecord } from './framing.js'
export { resumeAfter } from './faults.js'
export { resolveOptions as resolveTfrecordOptions, type TfrecordOptions } from './options.js'
export { tfrecordWriter, type TfrecordWriter, type TfrecordWriterOptions } from './writer.js'

/**
 * Reads TFRecord files, plain or compressed, as the bytes of their records.
 *
 * A file is one fragment; with an index beside it (see the option `index`) it has a count and access by ordinal.
 * An element is a `Uint8Array` view of the buffer that the file was read into, never a copy. `next` is a number: the byte offset of the following record (in the decompressed data of a compressed file, which is
 * decompressed from its beginning again to get there).
 *
 * Records before a bad one are delivered first. Then comes a `MillraceError` with `uri`, `offset` and, if the file was
 * read from its beginning, `record`: `Corrupt` (a checksum does not match), `Truncated` (the file ends inside a record),
 * `Limit` (a record above `maxRecordBytes`). When the records behind the bad one can still be found, {@link resumeAfter}
 * gives the `from` that goes on there.
 *
 * Memory per file that is being read: about five times `readBytes`, plus the record when one is larger than that.
 */
export const tfrecord: Format<Uint8Array, TfrecordOptions> = {
  name: 'tfrecord',
  extensions: ['tfrecord', 'tfrecords'],
  async open(source, options, context): Promise<FormatReader<Uint8Array>> {
    const resolved = resolveOptions(options)
    const indexed = await indexedFile(source, resolved, context)
    return {
      fragments: [indexed === null ? {} : { count: indexed.table.count }],
      ...(indexed !== null && {
        get: (_, ordinals, { signal }) => indexed.get(ordinals, signal),
        seek: (_, ordinal) => indexed.table.offsetAt(ordinal)
      }),
      read(fragment, readOptions) {
        if (fragment !== 0) throw new RangeError(`A TFRecord file has one fragment, 0; there is no fragment ${fragment}`)
        return readFile(source, resolved, readOptions)
      }
    }
  }
}

async function* readFile(
  source: ByteSource, options: ResolvedOptions, read: FragmentReadOptions
): AsyncGenerator<RecordChunk, void, undefined> {
  const from = read.from ?? 0
  if (typeof from !== 'number' || !Number.isSafeInteger(from) || from < 0) throw badPosition(source.uri, from)
  read.signal.throwIfAborted()
  if (source.byteLength === 0) {
    if (from > 0) throw badPosition(source.uri, from)
    return
  }

  // Ending early has to stop the reads under way, which the caller's signal knows nothing of.
  const controller = new AbortController()
  const abort = (): void => controller.abort(read.signal.reason)
  read.signal.addEventListener('abort', abort, { once: true })
  let blocks: ReadAhead | undefined
  try {
    let compression = options.compression
    if (compression === 'auto' && from > 0) {
      const head = new Uint8Array(Math.min(HEAD_BYTES, source.byteLength))
      await source.read(0, head, { signal: controller.signal })
      compression = detectCompression(head)
    }
    const plain = compression === 'none' || compression === 'auto'
    if (plain && from > source.byteLength) throw badPosition(source.uri, from)
    const sizes = { blockBytes: options.readBytes, reuse: read.transient === true }
    blocks = readAhead(plainStream(source, plain ? from : 0, controller), sizes)
    const first = await blocks.next()
    if (compression === 'auto') {
      compression = first === null ? 'none' : detectCompression(first.bytes.subarray(first.start, first.end))
    }
    let start = first
    if (compression !== 'none') {
      const guessed = options.compression === 'auto'
      blocks = readAhead(inflateStream(blocks, first, { uri: source.uri, compression, guessed, skip: from }), sizes)
      start = await blocks.next()
    }
    yield* readRecords(blocks, start, {
      uri: source.uri,
      from,
      byteLength: compression === 'none' ? source.byteLength : Infinity,
      signal: read.signal,
      ...options
    })
  } finally {
    read.signal.removeEventListener('abort', abort)
    await blocks?.close()
  }
}
