/**
 * Records of one length, one after the other, between a header and a footer: what `tf.data.FixedLengthRecordDataset` reads. See
 * `docs/formats/fixedLengthRecords.md`.
 */
import type { Format, FormatReader } from '../../src/format.js'
import { readSpans } from '../shared/spans.js'
import { readCompressed } from './compressed.js'
import { countRecords } from './layout.js'
import { resolveOptions, type FixedLengthOptions } from './options.js'
import { readPlain } from './plain.js'

export type { FixedLengthOptions } from './options.js'

/**
 * Reads files of records of one length, as bytes. An element is a `Uint8Array` view of the block that was read, never a copy.
 *
 * Plain files have access by ordinal. Bytes that make no whole record are a `Truncated` error: in a plain file at once, before any
 * record, as in tf.data; in a compressed file behind the last whole one. Positions are numbers of records; in a compressed file the
 * data before are decompressed again.
 *
 * Memory: four times `readBytes`, and no less than four records.
 */
export const fixedLengthRecords: Format<Uint8Array, FixedLengthOptions> = {
  name: 'fixedLengthRecords',
  extensions: [],
  async open(source, options): Promise<FormatReader<Uint8Array>> {
    const layout = resolveOptions(options)
    const { recordBytes, headerBytes, compression } = layout
    if (compression !== 'none') return { fragments: [{}], read: (_, read) => readCompressed(source, compression, layout, read) }
    const count = countRecords(source.uri, source.byteLength, layout)
    return {
      fragments: [{ count }],
      read: (_, read) => readPlain(source, count, layout, read),
      get: (_, ordinals, { signal }) =>
        readSpans(source, ordinals.map((ordinal) => ({ offset: headerBytes + ordinal * recordBytes, byteLength: recordBytes })), signal),
      seek: (_, ordinal) => ordinal
    }
  }
}
