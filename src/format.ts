/**
 * The door for people who bring their own file format: how bytes mean elements.
 *
 * A format says how to open one file and how to decode a fragment of it, chunk by chunk. It holds no checkpoint, no
 * concurrency and no store code: the `readFiles` operator owns files, order, state, read-ahead and closing.
 */
import type { BatchPool } from './array/pool.js'
import type { ByteSource } from './store.js'
import type { TableReader } from './table/table.js'
import type { Json } from './types.js'

export { MillraceError, isMillraceError, type ErrorKind, type ErrorContext } from './errors.js'
export type { ByteSource, ObjectMeta, ObjectWriter } from './store.js'
export type { Cardinality, DataOf, DType, Json, LeafSpec, MaybePromise, NdArray, Shape } from './types.js'
export { allocate, bytesPerValue, holds, isDType, widthOf } from './array/dtype.js'
export { compressor, decompressor, deflate, inflate, type Codec, type DeflateKind } from './codecs/deflate.js'
export { stack, type StackOptions } from './array/stack.js'
export { crc32c, maskedCrc32c } from './kernels/crc32c.js'
export { takeRecordMemory, type RecordMemory } from './kernels/record-memory.js'
export { bfloat16ToFloat, halfToFloat } from './kernels/half.js'
export { swapBytes } from './kernels/swap-bytes.js'
export { shuffle, unshuffle } from './kernels/unshuffle.js'
export { inParallel } from './util/parallel.js'
export { tableReader, type TableReaderOptions } from './table/table-reader.js'
export type { BatchPool } from './array/pool.js'
export type { BlockCache } from './table/block-cache.js'
export type { Columns, RowSpec, StackedRows, StackedRun, Table, TableReader } from './table/table.js'

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
  /** Where arrays for batches come from, so that they can be released. Formats may ignore it. */
  readonly pool?: BatchPool | undefined
}

/** One opened file. */
export interface FormatReader<E> {
  readonly fragments: readonly Fragment[]
  /** Decodes one fragment from `from` to its end. A chunk is never empty. */
  read(fragment: number, options: FragmentReadOptions): AsyncIterable<FormatChunk<E>>
  /**
   * Elements by ordinal, in the order of `ordinals`, which may be any order and are all below the fragment's `count`. With it, and a
   * `count` for every fragment, a file has access by ordinal: shuffles of all of it hold no element, and `skip` and `shard` read
   * nothing in vain. When an element cannot be read, it rejects; the caller asks for the others one by one.
   */
  get?(fragment: number, ordinals: readonly number[], options: { readonly signal: AbortSignal }): Promise<readonly E[]>
  /** The `from` of an element by ordinal, for readers that know it without reading. */
  seek?(fragment: number, ordinal: number): Json
  /** Releases what the reader itself holds; the source is closed by the caller. */
  close?(): Promise<void>
}

/** What `open` gets beside the file. */
export interface FormatContext {
  readonly signal: AbortSignal
  /** Opens the object whose URI is that of the file and `ending` behind it; `null` if there is none. It is closed with the file. */
  beside(ending: string): Promise<ByteSource | null>
}

/** How the bytes of a file mean elements. */
export interface Format<E, Options = unknown> {
  readonly name: string
  /** File name endings, without the dot, in lower case. */
  readonly extensions: readonly string[]
  /** Number of elements of every file, for formats in which it is always the same: then no file has to be opened to know. */
  readonly elementsPerFile?: number
  /** True when readers are {@link TableReader}s: then `batch` gets their rows stacked as they were read. */
  readonly tabular?: boolean
  /** Reads what is needed to know the fragments. The source is closed by the caller. */
  open(source: ByteSource, options: Options, context: FormatContext): Promise<FormatReader<E> | TableReader>
}
