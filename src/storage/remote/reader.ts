import type { RequestTrace } from '../../store.js'
import type { RemoteName } from './service.js'

/** What a read of known bytes is told. */
export interface ReadOptions {
  readonly signal: AbortSignal
  readonly trace?: RequestTrace | undefined
  /** What errors call it. @default 'read' */
  readonly operation?: string | undefined
}

/** What the first reply says of an object. */
export interface ObjectHead {
  readonly size: number
  readonly version: string
  /** Checksums of the whole object, in base64, by algorithm. */
  readonly checksums: Readonly<Record<string, string>>
}

/** How the beginning of an object is read whose size need not be known. */
export interface FirstReadOptions extends ReadOptions {
  /** Bytes to ask for. The object may be smaller. `Infinity` asks without a range: only then do most services tell checksums. */
  readonly want: number
  /** The version and the size that it has to have; any if absent. */
  readonly version?: string | undefined
  readonly size?: number | undefined
  /** A server without ranges may send all of the object, however large. Otherwise that is `RangeIgnored` when it has more than `want` bytes. */
  readonly whole: boolean
  /**
   * Called when size and version are known, before the bytes are there, and once, however often the request is repeated.
   * Returns memory for at least the bytes that will come: `min(want, size)`, or `size` when `all` is true. What it throws ends the read.
   */
  begin(head: ObjectHead, all: boolean): Uint8Array
}

/** What a first read has brought. */
export interface FirstRead {
  readonly head: ObjectHead
  /** Bytes that were written, from the beginning of the object on. */
  readonly length: number
}

/**
 * Reads that are right or fail. Every reply is checked: status, Content-Range, length, version, bytes that are missing or too many.
 * A read that breaks goes on where it broke, with the version pinned; it is repeated with growing random waits, inside one deadline and a
 * budget that all reads of the store share.
 */
export interface ValidatedReader {
  /**
   * Fills `into` with the bytes of that version from `offset` on. `size` is that of the object.
   * @throws MillraceError `Changed`, `NotFound`, `Denied`, `Throttled`, `Timeout`, `Unavailable`, `ShortRead`, `WrongRange`, `RangeIgnored`,
   * with `uri`, `offset`, `attempts` and `status`; nothing writes into `into` any more when it has thrown
   */
  readRange(name: RemoteName, offset: number, into: Uint8Array, object: { readonly size: number; readonly version: string }, options: ReadOptions): Promise<void>
  /** The beginning of an object, which also tells its size and version. An empty object is no error. */
  readFirst(name: RemoteName, options: FirstReadOptions): Promise<FirstRead>
  /** Ends reads under way, waiting ones too, with `Closed`; later ones are refused. The transport is closed by its owner. */
  close(): void
}

/** What is told of every attempt, for statistics and for those who adapt. */
export interface AttemptRecord {
  readonly endpoint: string
  readonly bytes: number
  /** Milliseconds to the head of the reply; absent when there was none. */
  readonly firstByte: number | undefined
  readonly milliseconds: number
  /** The kind of the fault, or `Aborted` when somebody did not want it any more; absent when the attempt was good. */
  readonly fault: string | undefined
}

/** Time and chance, so that tests can do without both. */
export interface Surroundings {
  /** Milliseconds, monotonic. */
  now(): number
  /** Rejects with the reason of the signal. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>
  /** In [0, 1). */
  random(): number
  /** Runs something again and again, without keeping the process alive, until the function that it returns is called. @default the clock of the system */
  every?(milliseconds: number, run: () => void): () => void
}

/** A place for one request and its bytes, among those that may be in flight. */
export interface Permit {
  /** Gives it back, once, and says how it went. */
  leave(outcome: 'ok' | 'throttled' | 'failed'): void
}

/** Who may send now. */
export interface Limits {
  /** Waits, first come first served, until one more request for so many bytes may go to that host. A plain value when nothing has to be waited for. */
  enter(host: string, bytes: number, signal: AbortSignal): Permit | Promise<Permit>
}
