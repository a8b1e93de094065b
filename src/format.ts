/**
 * The door for people who bring their own file format: how bytes mean elements.
 *
 * A format says how to open one file and how to decode a fragment of it, chunk by chunk. It holds no checkpoint, no
 * concurrency and no store code: the `readFiles` operator owns files, order, state, read-ahead and closing.
 */
import type { ByteSource } from './store.js'
import type { Json } from './types.js'

export { MillraceError, isMillraceError, type ErrorKind, type ErrorContext } from './errors.js'
export type { ByteSource, ObjectMeta, ObjectWriter } from './store.js'
export type { Cardinality, DType, Json, MaybePromise, NdArray } from './types.js'
export { crc32c, maskedCrc32c } from './kernels/crc32c.js'

/** A run of decoded elements, and where to go on after them. */
export interface FormatChunk<E> {
  readonly elements: readonly E[]
  /** The place right behind the last of `elements`, to be passed to `read` as `from`. Small. */
  readonly next: Json
}

/** An independently readable part of a file. */
export interface Fragment {
  /** Number of elements, when the file says so cheaply. */
  readonly count?: number
}

/** How a fragment is to be read. */
export interface FragmentReadOptions {
  /** Where to begin: the `next` of an earlier chunk. Absent for the beginning. */
  readonly from?: Json | undefined
  readonly signal: AbortSignal
  /**
   * True when every element is consumed before the next chunk is asked for, so that the bytes under a chunk may be
   * reused for the one after the next. Formats may ignore it.
   */
  readonly transient?: boolean | undefined
}

/** One opened file. */
export interface FormatReader<E> {
  readonly fragments: readonly Fragment[]
  /** Decodes one fragment from `from` to its end. A chunk is never empty. */
  read(fragment: number, options: FragmentReadOptions): AsyncIterable<FormatChunk<E>>
}

/** How the bytes of a file mean elements. */
export interface Format<E, Options = unknown> {
  readonly name: string
  /** File name endings, without the dot, in lower case. */
  readonly extensions: readonly string[]
  /** Reads what is needed to know the fragments. The source is closed by the caller. */
  open(source: ByteSource, options: Options, context: { readonly signal: AbortSignal }): Promise<FormatReader<E>>
}
