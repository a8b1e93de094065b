import { MillraceError } from '../../src/format.js'
import type { Place } from './faults.js'

const REBUILD = 'Build the index anew with writeTfrecordIndex, or read without it: index: false'

/** An index that is no index any more. */
export function damagedIndex(uri: string, kind: 'Corrupt' | 'Truncated', offset: number, what: string): MillraceError {
  return new MillraceError(kind, `${uri}: this index is damaged: ${what}. ${REBUILD}`, { uri, offset, operation: 'open' })
}

/** An index that is about other bytes than those of the file now. `offset` is in the index. */
export function staleIndex(uri: string, file: string, offset: number, what: string): MillraceError {
  return new MillraceError('Changed', `${uri} is not the index of ${file} as it is now: ${what}. ${REBUILD}`, { uri, offset, operation: 'open' })
}

/** A record that does not stand where the index says. */
export function misplaced({ uri, offset, record }: Place, index: string, what: string): MillraceError {
  return new MillraceError('Changed', `${uri}, record at byte ${offset}: ${what}, and not what its index ${index} says. ${REBUILD}`,
    { uri, offset, operation: 'read', ...(record === undefined ? {} : { record }) })
}

/** The bytes where a record should begin have a wrong checksum: one of the two is damaged or old. */
export function noRecordThere({ uri, offset, record }: Place, index: string): MillraceError {
  return new MillraceError('Corrupt',
    `${uri}, record at byte ${offset}: the checksum of its length is wrong. Either the file is damaged, or ${index} is the index of another: ` +
    'building it anew with writeTfrecordIndex tells. Without it: index: false',
    { uri, offset, operation: 'read', ...(record === undefined ? {} : { record }) })
}

/** `index: true` for a file that can have none. */
export function noIndexOfCompressed(uri: string, compression: string): MillraceError {
  return new MillraceError('Unsupported', `${uri} is compressed (${compression}): nothing in it can be found without decompressing what is before it, so it has no index. Decompress it, or read it in order: index: 'auto'`,
    { uri, operation: 'open' })
}

/** `index: true` for a file that has none. */
export function noIndex(uri: string, endings: readonly string[]): MillraceError {
  return new MillraceError('NotFound', `${uri} has no index beside it, neither ${endings.map((ending) => `${uri}${ending}`).join(' nor ')}. Build one with writeTfrecordIndex, or read in order: index: 'auto'`,
    { uri, operation: 'open' })
}
