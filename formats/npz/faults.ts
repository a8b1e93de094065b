import { MillraceError, type ErrorKind } from '../../src/format.js'

/** Where in an archive something is. */
export interface Place {
  readonly uri: string
  readonly offset: number
  /** Name of the member, if it is about one. */
  readonly member?: string | undefined
}

export const RESTORE = 'Restore the file from its source'
export const COPY_AGAIN = 'The writer or a copy of the file was cut off: write or copy it again'

/** The error for something in the archive itself. `what` ends with what to do. */
export function zipFault(kind: ErrorKind, { uri, offset, member }: Place, what: string, cause?: unknown): MillraceError {
  const where = member === undefined ? uri : `member ${JSON.stringify(member)} of ${uri}`
  return new MillraceError(kind, `${where}, byte ${offset}: ${what}`,
    { uri, offset, operation: 'read', ...(member !== undefined && { keyPath: member }), cause })
}
