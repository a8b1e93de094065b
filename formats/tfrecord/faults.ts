import { MillraceError, type Json } from '../../src/format.js'

/** Where a record stands. */
export interface Place {
  readonly uri: string
  /** Of its first byte, in the decompressed data if the file is compressed. */
  readonly offset: number
  /** Ordinal in the file, when it was read from the beginning. */
  readonly record: number | undefined
}

/**
 * Where to go on behind the record that this error is about: the `from` of a new `read`. `undefined` when the error is
 * not about one single record, or when no record behind it can be found.
 *
 * The same value is the property `next` of the error.
 */
export function resumeAfter(error: unknown): number | undefined {
  const next = (error as { readonly next?: unknown } | null | undefined)?.next
  return typeof next === 'number' ? next : undefined
}

export function corruptLength(place: Place): MillraceError {
  return fault('Corrupt', place, 'the checksum of its length is wrong',
    'Nothing behind it can be read, for the length says where the next record begins: restore the file from its source')
}

export function corruptData(place: Place, next: number): MillraceError {
  return fault('Corrupt', place, 'the checksum of its data is wrong',
    'Restore the file from its source; the records behind it are readable, from offset `next` of this error on', next)
}

export function truncated(place: Place, expected: number | undefined, found: number): MillraceError {
  const what = expected === undefined
    ? `the file ends ${found} bytes into its header`
    : `it takes ${expected} bytes, of which the file has ${found}`
  return fault('Truncated', place, what, 'The writer or a copy of the file was cut off: write or copy it again')
}

export function tooLarge(place: Place, length: number, limit: number, next: number): MillraceError {
  return fault('Limit', place, `its ${length} bytes of data are more than maxRecordBytes, ${limit}`,
    'Raise maxRecordBytes if such records are meant to be there', Number.isSafeInteger(next) ? next : undefined)
}

/** `from` is not a position in this file. */
export function badPosition(uri: string, from: Json): MillraceError {
  return new MillraceError('Checkpoint',
    `Cannot go on in ${uri} at ${JSON.stringify(from)}: not the offset of a record in this file. ` +
    'Has the file been replaced since the checkpoint? Begin anew without it', { uri, operation: 'read' })
}

function fault(
  kind: 'Corrupt' | 'Truncated' | 'Limit', place: Place, what: string, advice: string, next?: number
): MillraceError {
  const { uri, offset, record } = place
  // Without the ordinal, which is not known after a resume: one damage has one text.
  const error = new MillraceError(kind, `${uri}, record at byte ${offset}: ${what}. ${advice}.`,
    { uri, offset, operation: 'read', ...(record === undefined ? {} : { record }) })
  return next === undefined ? error : Object.defineProperty(error, 'next', { value: next, enumerable: true })
}
