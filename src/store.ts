/**
 * The door for people who bring their own store: a place where bytes live.
 *
 * A store is a plain object. It makes one attempt and tells the truth about it: a read fills what it was asked to fill,
 * or it throws a {@link MillraceError}. Retrying, splitting and caching are layers around it. What is optional here, the
 * functions of `millrace/stores` (`get`, `copy`, `removePrefix`, …) do with the rest, as well as that can be done.
 */
export { MillraceError, isMillraceError, type ErrorKind, type ErrorContext } from './errors.js'

/** Options of everything that can wait. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Filled in while the request runs, for those who keep statistics. Stores may ignore it. */
  readonly trace?: RequestTrace | undefined
}

/** What it took to do one thing. The store writes it. */
export interface RequestTrace {
  /** Requests that were sent. */
  requests: number
  /** Those of them that were sent again after a failure. */
  retries: number
  /** `performance.now()` when the first byte of the first reply was there. */
  firstByte?: number | undefined
  /** Host and port that was asked. */
  endpoint?: string | undefined
}

/** Options of {@link Store.open}. */
export interface OpenOptions extends RequestOptions {
  /** What a listing or `stat` said of the object: nothing is asked to find it out, and another version is `Changed`. */
  readonly known?: ObjectMeta | undefined
}

/** Options of {@link Store.get}. */
export interface GetOptions extends OpenOptions {
  /** Larger objects are refused with `Limit` before their bytes are fetched. @default no limit */
  readonly maxBytes?: number | undefined
  /** Where the memory comes from. @default a new `Uint8Array` */
  readonly allocate?: ((length: number) => Uint8Array) | undefined
  /**
   * Compare the bytes with a checksum that the store keeps, where it keeps one; different ones are read once more, then `Corrupt`. Some
   * stores tell checksums only with an object that is sent in one piece: true makes it one piece. @default where it costs nothing
   */
  readonly verify?: boolean | undefined
}

/** Options of everything that writes. At most one condition. */
export interface WriteOptions extends RequestOptions {
  /** Write only where there is no object. @throws MillraceError `Precondition` */
  readonly ifAbsent?: boolean | undefined
  /** Write only over this version. @throws MillraceError `Precondition` */
  readonly ifVersion?: string | undefined
  /** The media type, where the store keeps one. @default 'application/octet-stream' */
  readonly contentType?: string | undefined
  /** Names and values of the caller, where the store keeps them. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
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
  /** When it was last written, in milliseconds since 1970, where the store says so. */
  readonly modified?: number | undefined
}

/** All that `stat` says of an object. */
export interface ObjectStat extends ObjectMeta {
  readonly contentType?: string | undefined
  /** Names and values that were given when it was written. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Checksums of the whole object that the store keeps, in base64: `crc32`, `crc32c`, `crc64nvme`, `md5`, `sha256`. */
  readonly checksums?: Readonly<Record<string, string>> | undefined
  /** What else the store says, under its own names. */
  readonly more?: Readonly<Record<string, string>> | undefined
}

/** A whole object. */
export interface ObjectBytes {
  readonly bytes: Uint8Array
  readonly meta: ObjectMeta
  /** True when the bytes were compared with a checksum that the store keeps. */
  readonly verified: boolean
}

/** A streaming write. Nothing is visible under the URI before `finalize`; `abort` leaves nothing behind. */
export interface ObjectWriter {
  /** Takes the bytes; they may be reused when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>
  finalize(): Promise<ObjectMeta>
  abort(): Promise<void>
}

/** What came of deleting one of several objects. */
export interface DeleteResult {
  readonly uri: string
  /** Why it could not be deleted; absent when it is gone. */
  readonly error?: unknown
}

/** One page of a listing that does not go into what is below the next `/`. */
export interface DirectoryPage {
  readonly objects: readonly ObjectMeta[]
  /** URIs that end in `/`, below which there are objects; each once in a listing. */
  readonly prefixes: readonly string[]
}

/** The buckets or containers of an account. URIs such as `s3://bucket/`. */
export interface Containers {
  list(options?: RequestOptions): AsyncIterable<string>
  /** @throws MillraceError `Precondition` when it is there already. */
  create(uri: string, options?: RequestOptions): Promise<void>
  /** Deletes an empty one. @throws MillraceError `NotFound`; `Precondition` when it is not empty. */
  delete(uri: string, options?: RequestOptions): Promise<void>
}

/** What a store can do, as data. */
export interface StoreCapabilities {
  /** Whether objects can be written, listed and deleted. */
  readonly write: boolean
  readonly list: boolean
  /** The size of a range at which this store is fastest, in bytes. */
  readonly idealRange: number
  /** Requests that should be in flight for full speed. @default 1 */
  readonly idealRequests?: number | undefined
}

/** A number of a store that may be changed while it reads. */
export interface StoreKnob {
  readonly name: string
  /** False when the user gave the value: it is shown, and never changed. */
  readonly auto: boolean
  readonly least: number
  readonly most: number
  /** What one unit takes: bytes of memory, or a request under way. */
  readonly resource: 'memory' | 'request'
  get(): number
  set(value: number): void
}

/** A place where bytes live. */
export interface Store {
  /** The URI scheme that it serves, without the colon. */
  readonly scheme: string
  readonly capabilities: StoreCapabilities
  /** Opens an object for ranged reads. */
  open(uri: string, options?: OpenOptions): Promise<ByteSource>
  /** @throws MillraceError `NotFound` when there is no such object. */
  stat(uri: string, options?: RequestOptions): Promise<ObjectStat>
  /** All objects whose URI begins with `prefix`, in the byte order of their URIs, in pages. */
  list(prefix: string, options?: ListOptions): AsyncIterable<readonly ObjectMeta[]>
  /** Writes an object whole; readers see the old one or the new one, never a part. */
  put(uri: string, bytes: Uint8Array, options?: WriteOptions): Promise<ObjectMeta>
  createWriter(uri: string, options?: WriteOptions): Promise<ObjectWriter>
  /** Deletes an object; it is no error if there is none. */
  delete(uri: string, options?: RequestOptions): Promise<void>

  /** A whole object in as few requests as can be. */
  get?(uri: string, options?: GetOptions): Promise<ObjectBytes>
  /** Copies inside the store, without the bytes coming here; keeps type and metadata. */
  copy?(from: string, to: string, options?: WriteOptions): Promise<ObjectMeta>
  /** Gives an object another name at once: readers see it under one of them at any time. Replaces what is at `to`. */
  rename?(from: string, to: string, options?: WriteOptions): Promise<ObjectMeta>
  /** Deletes many, in few requests; one result per URI, in the order of the URIs. Rejects only when nothing could be tried. */
  deleteMany?(uris: readonly string[], options?: RequestOptions): Promise<readonly DeleteResult[]>
  /** Objects right below `prefix`, and the prefixes that go on. */
  listDirectory?(prefix: string, options?: RequestOptions): AsyncIterable<DirectoryPage>
  readonly containers?: Containers | undefined
  /** Numbers that may be changed while it reads, without changing what is read: `maxConcurrentRanges`, `chunkSize`, `readAhead`. A tuner does. */
  knobs?(): readonly StoreKnob[]
  /** Lets go of connections and timers. What is under way ends with `Closed`. Afterwards everything is `Closed`. */
  close?(): Promise<void>
}
