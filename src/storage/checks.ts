import { MillraceError } from '../errors.js'
import type { GetOptions, ObjectMeta, WriteOptions } from '../store.js'

/**
 * Checks the arguments of `ByteSource.read` as its contract wants them.
 * @throws RangeError for an offset that is no offset, MillraceError `OutOfRange` for a range that is not in the object.
 */
export function checkRange(uri: string, byteLength: number, offset: number, length: number): void {
  if (typeof length !== 'number') throw new TypeError('read: give an offset and the Uint8Array to fill; its length says how many bytes')
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`read: offset must be an integer from 0 on, got ${String(offset)}`)
  }
  if (offset + length > byteLength) {
    throw new MillraceError('OutOfRange',
      `read ${uri}: ${length} bytes at ${offset} are not inside the object, which has ${byteLength} bytes`,
      { uri, offset, operation: 'read' })
  }
}

/**
 * Checks what is to be written. A string has no `byteLength`, and other arrays are not copied byte by byte: without a check something else
 * would be written, or nothing.
 * @throws TypeError
 */
export function checkBytes(operation: string, bytes: unknown): void {
  const type = Object.prototype.toString.call(bytes).slice(8, -1)
  if (type === 'Uint8Array') return
  const hint = type === 'String' ? '; for text: new TextEncoder().encode(text)'
    : type === 'ArrayBuffer' ? '; view it as new Uint8Array(buffer)'
    : ArrayBuffer.isView(bytes) ? '; view it as new Uint8Array(array.buffer, array.byteOffset, array.byteLength)' : ''
  throw new TypeError(`${operation}: what is written must be a Uint8Array, got ${type}${hint}`)
}

/** The error for something that is used after it was closed, finalized or aborted. */
export function closedError(uri: string, operation: string, what: string): MillraceError {
  return new MillraceError('Closed', `${operation} ${uri}: ${what}; open it again`, { uri, operation })
}

/**
 * Checks the conditions of a write.
 * @throws TypeError when there are two.
 */
export function checkConditions(operation: string, { ifAbsent, ifVersion }: WriteOptions): void {
  if (ifAbsent === true && ifVersion !== undefined) {
    throw new TypeError(`${operation}: ifAbsent and ifVersion contradict each other; give one of them`)
  }
}

/** The error for a condition of a write that does not hold. `found` is the version that is there. */
export function preconditionError(uri: string, operation: string, wanted: WriteOptions, found: string | undefined): MillraceError {
  const why = wanted.ifAbsent === true ? 'there is an object of that name already'
    : `the object is not of version ${String(wanted.ifVersion)}: ${found === undefined ? 'there is none' : `it is ${found}`}`
  return new MillraceError('Precondition', `${operation} ${uri}: ${why}; nothing was written`, { uri, operation })
}

/** @throws MillraceError `Precondition` when what is there is not what the write wants. */
export function checkPrecondition(uri: string, operation: string, wanted: WriteOptions, found: string | undefined): void {
  const holds = wanted.ifAbsent === true ? found === undefined : wanted.ifVersion === undefined || wanted.ifVersion === found
  if (!holds) throw preconditionError(uri, operation, wanted, found)
}

/** @throws MillraceError `Changed` when the object is not the one that a listing told of. */
export function checkKnown(uri: string, operation: string, version: string, known: ObjectMeta | undefined): void {
  if (known === undefined || known.version === version) return
  throw new MillraceError('Changed',
    `${operation} ${uri}: the object is no longer the one that was listed (its version was ${known.version}, is ${version}); list again`,
    { uri, operation })
}

/** The memory that a whole object goes to. @throws MillraceError `Limit` for one that is too large; RangeError for memory that is too small. */
export function allocateFor(uri: string, size: number, { maxBytes, allocate }: GetOptions): Uint8Array {
  if (maxBytes !== undefined && size > maxBytes) {
    throw new MillraceError('Limit', `get ${uri}: the object has ${size} bytes, more than maxBytes, ${maxBytes}; read ranges of it, or raise maxBytes`,
      { uri, operation: 'get' })
  }
  if (allocate === undefined) return new Uint8Array(size)
  const memory = allocate(size)
  if (memory.byteLength < size) throw new RangeError(`get: allocate(${size}) gave ${memory.byteLength} bytes`)
  return memory.subarray(0, size)
}
