import { MillraceError, type Json } from '../../src/format.js'
import type { ResolvedFixedLengthOptions } from './options.js'

/**
 * The number of records in a file of `byteLength` bytes.
 * @throws MillraceError `Truncated` when the bytes between header and footer are not whole records.
 */
export function countRecords(uri: string, byteLength: number, layout: ResolvedFixedLengthOptions): number {
  const { recordBytes, headerBytes, footerBytes } = layout
  const body = byteLength - headerBytes - footerBytes
  if (body < 0) throw tooShort(uri, byteLength, layout)
  const count = Math.floor(body / recordBytes)
  if (body > count * recordBytes) throw leftOver(uri, count, body - count * recordBytes, layout)
  return count
}

/** The file ends inside header or footer. */
export function tooShort(uri: string, byteLength: number, { headerBytes, footerBytes }: ResolvedFixedLengthOptions): MillraceError {
  return new MillraceError('Truncated',
    `${uri}: it has ${byteLength} bytes, less than its header (${headerBytes}) and footer (${footerBytes}). ` +
    'The file was cut off, or headerBytes and footerBytes are not those of this file.',
    { uri, offset: byteLength, operation: 'read' })
}

/** Between header and footer there are `count` records, and `rest` bytes. */
export function leftOver(uri: string, count: number, rest: number, { recordBytes, headerBytes }: ResolvedFixedLengthOptions): MillraceError {
  const offset = headerBytes + count * recordBytes
  return new MillraceError('Truncated',
    `${uri}, record at byte ${offset}: of its ${recordBytes} bytes there are ${rest}. ` +
    'The file was cut off, or recordBytes, headerBytes and footerBytes are not those of this file.',
    { uri, offset, record: count, operation: 'read' })
}

/** The number of the record to begin with. `count` is the number of records, when it is known. */
export function startOf(uri: string, from: Json | undefined, count = Number.MAX_SAFE_INTEGER): number {
  if (from === undefined) return 0
  if (typeof from === 'number' && Number.isInteger(from) && from >= 0 && from <= count) return from
  throw badPosition(uri, from)
}

/** `from` is not a position in this file. */
export function badPosition(uri: string, from: Json): MillraceError {
  return new MillraceError('Checkpoint',
    `Cannot go on in ${uri} at ${JSON.stringify(from)}: not the number of a record in this file. ` +
    'Has the file been replaced since the checkpoint? Begin anew without it', { uri, operation: 'read' })
}

/** The records in `bytes[start, end)`, as views. */
export function cut(bytes: Uint8Array, start: number, end: number, recordBytes: number): Uint8Array[] {
  const { buffer, byteOffset } = bytes
  const records: Uint8Array[] = []
  for (let at = start; at + recordBytes <= end; at += recordBytes) records.push(new Uint8Array(buffer, byteOffset + at, recordBytes))
  return records
}
