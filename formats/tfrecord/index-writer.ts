import type { ByteSource, ObjectMeta, ObjectWriter } from '../../src/format.js'
import { encodeDaliIndex } from './dali-index.js'
import { corruptLength, truncated } from './faults.js'
import { frameTable, lengthList, type FrameTable } from './frame-table.js'
import { FOOTER_BYTES, FRAME_BYTES, HEADER_BYTES, lengthAt, lengthIsSound } from './framing.js'
import { noIndexOfCompressed } from './index-faults.js'
import { compressionOf, INDEX_ENDINGS } from './index-file.js'
import { encodeIndex, fingerprint } from './index-layout.js'
import { tfrecord } from './index.js'

/** How {@link indexTfrecord} works. */
export interface IndexTfrecordOptions {
  /** `millrace`: our own form, `<file>.mrindex`. `dali`: the text that NVIDIA DALI reads, `<file>.idx`. @default 'millrace' */
  readonly format?: 'millrace' | 'dali' | undefined
  /** Whether the checksums of the data are verified too; those of the lengths always are. @default false */
  readonly verifyData?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a TFRecord file through and writes its index. Nothing is written before all of the file was found sound.
 *
 * Memory: 4 MiB, 4 bytes per record, and the index. @throws MillraceError `Corrupt` or `Truncated` at the record that is damaged, with
 * offset and ordinal; `Unsupported` for compressed files. TypeError or RangeError for an option that is none.
 */
export async function indexTfrecord(
  source: ByteSource, createWriter: (ending: string) => Promise<ObjectWriter>, options: IndexTfrecordOptions = {}
): Promise<{ readonly file: ObjectMeta; readonly records: number }> {
  const { format = 'millrace', verifyData = false, signal = new AbortController().signal } = options
  if (format !== 'millrace' && format !== 'dali') throw new RangeError(`format must be 'millrace' or 'dali', not ${String(format)}`)
  if (typeof verifyData !== 'boolean') throw new TypeError(`verifyData must be true or false, not ${String(verifyData)}`)
  const compression = await compressionOf(source, signal)
  if (compression !== 'none') throw noIndexOfCompressed(source.uri, compression)
  const table = await scanFrames(source, verifyData, signal)
  const pieces = format === 'dali' ? encodeDaliIndex(table) : [encodeIndex(table, await fingerprint(source, signal))]
  const writer = await createWriter(INDEX_ENDINGS[format])
  try {
    for (const piece of pieces) {
      signal.throwIfAborted()
      await writer.write(piece)
    }
    return { file: await writer.finalize(), records: table.count }
  } catch (error) {
    await writer.abort().catch(() => undefined)
    throw error
  }
}

/** Where the records of a plain file stand. */
export async function scanFrames(source: ByteSource, verifyData: boolean, signal: AbortSignal): Promise<FrameTable> {
  const list = lengthList()
  if (verifyData) {
    const beside = async (): Promise<null> => null
    const reader = await tfrecord.open(source, { compression: 'none', index: false, readBytes: BLOCK_BYTES }, { signal, beside })
    for await (const { elements } of reader.read(0, { signal, transient: true })) {
      for (const record of elements as readonly Uint8Array[]) list.push(record.length)
    }
  } else {
    await scanHeaders(source, list.push, signal)
  }
  return frameTable(list.lengths())
}

const BLOCK_BYTES = 2 ** 22
/** When records are larger than a block, just their headers are read. */
const HEADER_BLOCK_BYTES = 2 ** 12

/** Calls `found` with the length of each record. Data behind the end of a block are passed over without reading them. */
async function scanHeaders(source: ByteSource, found: (length: number) => void, signal: AbortSignal): Promise<void> {
  const { uri, byteLength } = source
  const buffer = new Uint8Array(Math.min(BLOCK_BYTES, byteLength))
  let offset = 0
  let record = 0
  let length = 0
  while (offset < byteLength) {
    signal.throwIfAborted()
    const bytes = buffer.subarray(0, Math.min(length > BLOCK_BYTES ? HEADER_BLOCK_BYTES : BLOCK_BYTES, byteLength - offset))
    await source.read(offset, bytes, { signal })
    let at = 0
    while (at + HEADER_BYTES <= bytes.length) {
      const place = { uri, offset: offset + at, record }
      if (!lengthIsSound(bytes, at)) throw corruptLength(place)
      length = lengthAt(bytes, at)
      if (length > byteLength - place.offset - FRAME_BYTES) throw truncated(place, FRAME_BYTES + length, byteLength - place.offset)
      found(length)
      record++
      at += HEADER_BYTES + length + FOOTER_BYTES
    }
    offset += at
    if (at < bytes.length && offset + HEADER_BYTES > byteLength) throw truncated({ uri, offset, record }, undefined, byteLength - offset)
  }
}
