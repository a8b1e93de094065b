import { MillraceError, type ErrorKind } from '../../src/format.js'

/** Where something stands in a file. */
export interface Place {
  readonly uri: string
  /** Byte offset in the file. */
  readonly offset: number
  /** The dataset or group that was being read, when it is known. */
  readonly path?: string | undefined
}

/** The bytes contradict the format or their own checksum. */
export function corrupt(place: Place, what: string, advice = 'The file is damaged: restore it from its source'): MillraceError {
  return fault('Corrupt', place, what, advice)
}

/** The file is shorter than it says. */
export function truncated(place: Place, what: string): MillraceError {
  return fault('Truncated', place, what, 'The writer or a copy of the file was cut off: write or copy it again')
}

/** Valid, but not read by this reader. */
export function unsupported(place: Place, what: string, advice = "The fallback (reader: 'auto') may be able to read it"): MillraceError {
  return fault('Unsupported', place, what, advice)
}

/** More than what is reasonable, or allowed by an option. */
export function limit(place: Place, what: string, advice: string): MillraceError {
  return fault('Limit', place, what, advice)
}

/** There is nothing under this path. */
export function notFound(place: Place, what: string): MillraceError {
  return fault('NotFound', place, what, '`inspect()` lists what there is')
}

function fault(kind: ErrorKind, { uri, offset, path }: Place, what: string, advice: string): MillraceError {
  const where = path === undefined ? `${uri}, byte ${offset}` : `${uri}, ${path}, byte ${offset}`
  return new MillraceError(kind, `${where}: ${what}. ${advice}.`,
    { uri, offset, operation: 'read', ...(path === undefined ? {} : { keyPath: path }) })
}
