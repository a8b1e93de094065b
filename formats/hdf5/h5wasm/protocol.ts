/**
 * What the thread with h5wasm and the one that owns the file say to each other.
 *
 * Blocks of the file cross in shared memory: the thread asks for them with a message, and sleeps on their state until it changes.
 * Requests and replies are messages; decoded values are transferred.
 */
import type { DType, ErrorKind, RowSpec } from '../../../src/format.js'

/** What is in a slot of the shared memory: 0 in the beginning, then one of these. */
export const PENDING = 1
export const READY = 2
export const FAILED = 3

/** Given to the thread when it starts. */
export interface WorkerSetup {
  /** Size of the file. */
  readonly byteLength: number
  readonly blockBytes: number
  /** A state for each slot, as Int32. */
  readonly states: SharedArrayBuffer
  /** `blockBytes` for each slot. */
  readonly bytes: SharedArrayBuffer
}

/** Some rows of a dataset. */
export interface Part {
  readonly path: string
  readonly start: number
  readonly count: number
}

/** What the thread is asked to do. */
export type Task =
  | { readonly task: 'describe'; readonly paths: readonly string[] }
  | { readonly task: 'read'; readonly parts: readonly Part[] }

/** A {@link Task} and the number that its reply will carry. */
export interface Request {
  readonly id: number
  readonly task: Task
}

/** What a dataset is, as far as reading its rows goes. */
export interface DatasetSummary {
  readonly rows: number
  readonly spec: RowSpec
  /** Bytes of one row in the memory of h5wasm. */
  readonly rowBytes: number
  /** Shape of a chunk, `null` when it is not chunked. */
  readonly chunk: readonly number[] | null
  readonly chunkBytes: number
}

/** The values of one column: bytes in the order of this machine, or texts. */
export interface ColumnValues {
  readonly name: string
  readonly dtype: DType
  readonly values: ArrayBuffer | readonly string[]
}

/** The reply to each kind of {@link Task}. */
export interface Results {
  readonly describe: readonly DatasetSummary[]
  /** The columns of each part. */
  readonly read: readonly (readonly ColumnValues[])[]
}

/** What went wrong in the thread. */
export interface Failure {
  readonly kind: ErrorKind
  readonly message: string
  /** True when bytes of the file could not be had: what the store threw says more. */
  readonly ofStore: boolean
  /** True when the thread cannot be relied on any more. */
  readonly fatal: boolean
}

/** What the thread sends. */
export type Message =
  /** Blocks of the file that it wants, each with the slot to put it in. */
  | { readonly want: readonly (readonly [block: number, slot: number])[] }
  | { readonly id: number; readonly result: Results[keyof Results] }
  | { readonly id: number; readonly failure: Failure }
