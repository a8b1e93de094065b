/**
 * The index of a TFRecord file: where its records stand. With it a file has a length, access by ordinal and seeks.
 *
 * It is looked for beside the file, in two forms: our own (`index-layout.ts`) and that of NVIDIA DALI (`dali-index.ts`). It is never
 * believed: it has to fit the size of the file, and every record that is read through it has its length checked against it.
 */
import { maskedCrc32c, type ByteSource, type FormatContext } from '../../src/format.js'
import { readSpans } from '../shared/spans.js'
import { readDaliIndex } from './dali-index.js'
import { detectCompression, HEAD_BYTES } from './detect.js'
import { corruptData, tooLarge } from './faults.js'
import { frameTable, type FrameTable } from './frame-table.js'
import { FOOTER_BYTES, FRAME_BYTES, HEADER_BYTES, lengthAt, lengthIsSound } from './framing.js'
import { misplaced, noIndex, noIndexOfCompressed, noRecordThere, staleIndex } from './index-faults.js'
import { fingerprint, readIndex } from './index-layout.js'
import type { ResolvedOptions } from './options.js'

/** What is added to the name of a file to name its index, in the order in which they are looked for. */
export const INDEX_ENDINGS = { millrace: '.mrindex', dali: '.idx' } as const

/** A file whose records can be found. */
export interface IndexedFile {
  readonly table: FrameTable
  /** Records by ordinal, in any order; views of what was read. */
  get(ordinals: readonly number[], signal: AbortSignal): Promise<readonly Uint8Array[]>
}

/**
 * The file with the index that lies beside it, `null` when it has none and needs none, or may have none.
 * @throws MillraceError `Changed` for an index that does not fit the file, `Corrupt` or `Truncated` for a damaged one; with `index: true`
 * `NotFound` when there is none and `Unsupported` for compressed files.
 */
export async function indexedFile(source: ByteSource, options: ResolvedOptions, context: FormatContext): Promise<IndexedFile | null> {
  const wanted = options.index === true
  if (options.index === false || (isCompressed(options.compression) && !wanted)) return null
  if (isCompressed(options.compression)) throw noIndexOfCompressed(source.uri, options.compression)

  // Both at once: over a network each takes a round trip. What is not used is closed with the file.
  const [own, dali] = await Promise.all([context.beside(INDEX_ENDINGS.millrace), context.beside(INDEX_ENDINGS.dali)])
  const index = own ?? dali
  if (index === null && !wanted) return null
  const compression = options.compression === 'auto' ? await compressionOf(source, context.signal) : 'none'
  if (isCompressed(compression)) {
    if (wanted) throw noIndexOfCompressed(source.uri, compression)
    return null
  }
  if (index === null) throw noIndex(source.uri, Object.values(INDEX_ENDINGS))
  const table = own === null
    ? frameTable(await readDaliIndex(index, source, context.signal))
    : await readOwnIndex(own, source, context.signal)
  await index.close()
  return { table, get: (ordinals, signal) => getRecords(source, table, index.uri, ordinals, options, signal) }
}

const isCompressed = (compression: 'auto' | 'none' | 'gzip' | 'zlib'): boolean => compression === 'gzip' || compression === 'zlib'

/** How a file is compressed, by its first bytes. */
export async function compressionOf(source: ByteSource, signal: AbortSignal): Promise<'none' | 'gzip' | 'zlib'> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, source.byteLength))
  if (head.length === 0) return 'none'
  await source.read(0, head, { signal })
  return detectCompression(head)
}

async function readOwnIndex(index: ByteSource, source: ByteSource, signal: AbortSignal): Promise<FrameTable> {
  const stale = (offset: number, what: string): Error => staleIndex(index.uri, source.uri, offset, what)
  const { header, lengths } = await readIndex(index, signal)
  if (header.byteLength !== source.byteLength) throw stale(16, `it is about ${header.byteLength} bytes, and there are ${source.byteLength}`)
  const table = frameTable(lengths)
  if (table.byteLength !== source.byteLength) throw stale(header.lengthsAt, `its records take ${table.byteLength} bytes of ${source.byteLength}`)
  // A copy of the file has another version: then its first and last bytes tell.
  if (header.version !== source.version) {
    const { headCrc, tailCrc } = await fingerprint(source, signal)
    if (headCrc !== header.headCrc) throw stale(32, 'the file begins with other bytes than when it was built')
    if (tailCrc !== header.tailCrc) throw stale(36, 'the file ends with other bytes than when it was built')
  }
  return table
}

async function getRecords(
  source: ByteSource, table: FrameTable, index: string, ordinals: readonly number[], options: ResolvedOptions, signal: AbortSignal
): Promise<Uint8Array[]> {
  const { uri } = source
  const spans = ordinals.map((record) => {
    const offset = table.offsetAt(record)
    const length = table.lengths[record] ?? 0
    if (length > options.maxRecordBytes) throw tooLarge({ uri, offset, record }, length, options.maxRecordBytes, offset + FRAME_BYTES + length)
    return { offset, byteLength: FRAME_BYTES + length }
  })
  const frames = await readSpans(source, spans, signal)
  return frames.map((frame, i) => {
    const place = { uri, offset: spans[i]?.offset ?? 0, record: ordinals[i] }
    const length = frame.length - FRAME_BYTES
    // The length is always verified: what does not begin here cannot be told from a record otherwise.
    if (!lengthIsSound(frame, 0)) throw noRecordThere(place, index)
    const found = lengthAt(frame, 0)
    if (found !== length) throw misplaced(place, index, `it has ${found} bytes of data`)
    const footer = HEADER_BYTES + length
    if (options.verify && maskedCrc32c(frame, HEADER_BYTES, footer) !== new DataView(frame.buffer, frame.byteOffset + footer, FOOTER_BYTES).getUint32(0, true)) {
      throw corruptData(place, place.offset + frame.length)
    }
    return frame.subarray(HEADER_BYTES, footer)
  })
}
