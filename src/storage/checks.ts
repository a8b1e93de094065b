import { MillraceError } from '../errors.js'

/**
 * Checks the arguments of `ByteSource.read` as its contract wants them.
 * @throws RangeError for an offset that is no offset, MillraceError `OutOfRange` for a range that is not in the object.
 */
export function checkRange(uri: string, byteLength: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`read: offset must be an integer from 0 on, got ${String(offset)}`)
  }
  if (offset + length > byteLength) {
    throw new MillraceError('OutOfRange',
      `read ${uri}: ${length} bytes at ${offset} are not inside the object, which has ${byteLength} bytes`,
      { uri, offset, operation: 'read' })
  }
}

/** The error for something that is used after it was closed, finalized or aborted. */
export function closedError(uri: string, operation: string, what: string): MillraceError {
  return new MillraceError('Closed', `${operation} ${uri}: ${what}; open it again`, { uri, operation })
}
