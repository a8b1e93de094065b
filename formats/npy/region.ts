import { MillraceError, type ByteSource, type ErrorKind } from '../../src/format.js'

/** Bytes that hold one array: a file, a part of a file, or what is decompressed from one. */
export interface Region {
  /** For messages: the URI, with the name of the array if there are several. */
  readonly name: string
  readonly uri: string
  /** Name of the array in its file. */
  readonly key: string | undefined
  /** Where the region begins in the file; 0 for what is decompressed. Offsets in errors count from the beginning of the file. */
  readonly start: number
  readonly byteLength: number
  /** True when reads have to follow each other: going back is dear, and they may not overlap. */
  readonly ordered: boolean
  /** Fills `into` with the bytes from `offset` of the region on. */
  read(offset: number, into: Uint8Array, signal: AbortSignal): Promise<void>
  /** True for an error after which nothing further behind can be read. */
  final?(error: object): boolean
}

/** A whole file. */
export function fileRegion(source: ByteSource): Region {
  const { uri, byteLength } = source
  return { name: uri, uri, key: undefined, start: 0, byteLength, ordered: false, read: (offset, into, signal) => source.read(offset, into, { signal }) }
}

/** The error for something at `offset` of the region. `what` ends with what to do. */
export function fault(kind: ErrorKind, region: Region, offset: number, what: string, cause?: unknown): MillraceError {
  const at = region.start + offset
  return new MillraceError(kind, `${region.name}, byte ${at}: ${what}`,
    { uri: region.uri, offset: at, operation: 'read', ...(region.key !== undefined && { keyPath: region.key }), cause })
}
