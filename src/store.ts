/**
 * The door for people who bring their own store: a place where bytes live.
 *
 * A store is a plain object. It makes one attempt and tells the truth about it: a read fills what it was asked to fill,
 * or it throws a {@link MillraceError}. Retrying, splitting and caching are layers around it.
 */
export { MillraceError, isMillraceError, type ErrorKind, type ErrorContext } from './errors.js'

/** Options of everything that can wait. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link Store.list}. */
export interface ListOptions extends RequestOptions {
  /**
   * A hint: objects below a prefix that ends in `/` are not wanted when this returns false for it. A store that walks
   * directories does not open those; a store with flat names may ignore it.
   */
  readonly enter?: ((prefix: string) => boolean) | undefined
}

/** One opened object, with ranged reads. All reads see the same version of the object. */
export interface ByteSource {
  /** The canonical URI of the object, without secrets. */
  readonly uri: string
  /** Size of the object in bytes. */
  readonly byteLength: number
  /** An opaque name of this version of the object: an ETag, a generation, inode and time. */
  readonly version: string
  /**
   * Fills the whole of `into` with the bytes from `offset` on.
   * @throws MillraceError `OutOfRange` if the range is not inside the object, `ShortRead` if fewer bytes arrived,
   * `Changed` if the object is no longer the one that was opened.
   */
  read(offset: number, into: Uint8Array, options?: RequestOptions): Promise<void>
  /** Releases what the source holds. May be called more than once; waits for reads under way. */
  close(): Promise<void>
}

/** What a listing or `stat` says of an object. */
export interface ObjectMeta {
  readonly uri: string
  /** Bytes. */
  readonly size: number
  readonly version: string
}

/** A streaming write. Nothing is visible under the URI before `finalize`; `abort` leaves nothing behind. */
export interface ObjectWriter {
  /** Takes the bytes; they may be reused when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>
  finalize(): Promise<ObjectMeta>
  abort(): Promise<void>
}

/** What a store can do, as data. */
export interface StoreCapabilities {
  /** Whether objects can be written, listed and deleted. */
  readonly write: boolean
  readonly list: boolean
  /** The size of a range at which this store is fastest, in bytes. */
  readonly idealRange: number
}

/** A place where bytes live. */
export interface Store {
  /** The URI scheme that it serves, without the colon. */
  readonly scheme: string
  readonly capabilities: StoreCapabilities
  /** Opens an object for ranged reads. */
  open(uri: string, options?: RequestOptions): Promise<ByteSource>
  /** @throws MillraceError `NotFound` when there is no such object. */
  stat(uri: string, options?: RequestOptions): Promise<ObjectMeta>
  /** All objects whose URI begins with `prefix`, in the byte order of their URIs, in pages. */
  list(prefix: string, options?: ListOptions): AsyncIterable<readonly ObjectMeta[]>
  /** Writes an object whole; readers see the old one or the new one, never a part. */
  put(uri: string, bytes: Uint8Array, options?: RequestOptions): Promise<ObjectMeta>
  createWriter(uri: string, options?: RequestOptions): Promise<ObjectWriter>
  /** Deletes an object; it is no error if there is none. */
  delete(uri: string, options?: RequestOptions): Promise<void>
}
