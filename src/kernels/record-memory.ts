/**
 * Memory that files of records are read into, with a kernel that works on it in place: no copy for the checksums, and Examples are
 * decoded where they lie.
 */
import { instantiate } from './instantiate.js'
import { TFRECORD_WASM } from './tfrecord.wasm.js'

/** What `assembly/tfrecord.ts` exports. Addresses are offsets in the memory. */
export interface RecordKernel {
  readonly heap: { readonly value: number }
  /** Why `scan` stopped, an index of {@link STOPS}; and where: behind the last record that it found. */
  readonly stop: { readonly value: number }
  readonly stoppedAt: { readonly value: number }
  scan(from: number, end: number, verify: number, maxLength: number, table: number, capacity: number): number
  decode(table: number, count: number, features: number, featureCount: number): number
  /** The register of CRC-32C, not inverted, after `length` bytes. */
  crc(from: number, length: number): number
}

/** The records found in a run of bytes. */
export interface RecordScan {
  /** Views of the bytes. */
  readonly records: Uint8Array[]
  /** Behind the last of `records`, an offset in the bytes. */
  readonly end: number
  readonly stop: RecordStop
}

/** See `ScanStop` of the TFRecord format. */
export type RecordStop = 'incomplete' | 'length' | 'data' | 'large'

const STOPS = ['incomplete', 'length', 'data', 'large'] as const

/** Memory for the blocks of one file. It never grows, so views of it stay valid. */
export interface RecordMemory {
  /** For the blocks. */
  readonly bytes: Uint8Array
  /** Takes whole records from `bytes[start, end)`, which lies in this memory, until one is incomplete or bad. */
  scan(bytes: Uint8Array, start: number, end: number, verify: boolean, maxLength: number): RecordScan
  /** The parts for decoding: the table of records, that of features, and where columns are put together. */
  readonly kernel: RecordKernel
  readonly table: Uint32Array
  readonly features: Uint8Array
  readonly columns: Uint8Array
  /** Whose features stand in `features`: for those who decode. */
  owner: unknown
  /** Gives the memory back; no view of it may be used any more. */
  free(): void
}

/** Room for that many records, for the description of the features, and for columns. */
export const TABLE_ROWS = 2048
export const FEATURES_BYTES = 8192
export const COLUMNS_BYTES = 65536
/** The kernel reads up to so many bytes behind a record. */
const SLACK = 16
const PAGE = 65536
/** More than the kernel has for itself. */
const KERNEL_BYTES = 65536
/** Memories are not made smaller, so that files of different sizes can use the same one. */
const LEAST_BYTES = 2 ** 20

/** By the buffer that the views of records have. */
const MEMORIES = new WeakMap<ArrayBufferLike, RecordMemory>()

/** The last one that was given back, unless it was collected: pages that have been touched before are worth keeping. */
let idle: WeakRef<RecordMemory> | undefined

/** Memory for `byteLength` bytes of blocks, of any content; null where there is no WebAssembly, or no room for it. */
export function takeRecordMemory(byteLength: number): RecordMemory | null {
  const kept = idle?.deref()
  if (kept !== undefined && kept.bytes.length >= byteLength) {
    idle = undefined
    return kept
  }
  return makeRecordMemory(byteLength)
}

/** The memory that a record lies in, if it is such a memory. */
export function recordMemoryOf(record: unknown): RecordMemory | undefined {
  return ArrayBuffer.isView(record) ? MEMORIES.get(record.buffer) : undefined
}

function makeRecordMemory(byteLength: number): RecordMemory | null {
  const own = KERNEL_BYTES + 8 * TABLE_ROWS + FEATURES_BYTES + COLUMNS_BYTES + PAGE
  const pages = Math.ceil((own + Math.max(byteLength, LEAST_BYTES) + SLACK) / PAGE)
  let memory: WebAssembly.Memory
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  } catch {
    return null
  }
  const kernel = instantiate<RecordKernel>(TFRECORD_WASM, memory)
  if (kernel === null) return null
  const { buffer } = memory
  const tableAt = (kernel.heap.value + 7) & ~7
  const featuresAt = tableAt + 8 * TABLE_ROWS
  const columnsAt = featuresAt + FEATURES_BYTES
  const blocksAt = (columnsAt + COLUMNS_BYTES + 4095) & ~4095
  const table = new Uint32Array(buffer, tableAt, 2 * TABLE_ROWS)

  const made: RecordMemory = {
    bytes: new Uint8Array(buffer, blocksAt, buffer.byteLength - SLACK - blocksAt),
    kernel,
    table,
    features: new Uint8Array(buffer, featuresAt, FEATURES_BYTES),
    columns: new Uint8Array(buffer, columnsAt, COLUMNS_BYTES),
    owner: undefined,
    scan(bytes, start, end, verify, maxLength) {
      if (bytes.buffer !== buffer) throw new RangeError('the bytes to scan must lie in the memory that scans them')
      const { byteOffset } = bytes
      const records: Uint8Array[] = []
      let at = byteOffset + start
      for (;;) {
        const count = kernel.scan(at, byteOffset + end, verify ? 1 : 0, maxLength, tableAt, TABLE_ROWS)
        for (let i = 0; i < count; i++) records.push(new Uint8Array(buffer, table[2 * i] as number, table[2 * i + 1] as number))
        at = kernel.stoppedAt.value
        const stop = STOPS[kernel.stop.value]
        if (stop !== undefined) return { records, end: at - byteOffset, stop }
      }
    },
    free() {
      idle = new WeakRef(made)
    }
  }
  MEMORIES.set(buffer, made)
  return made
}
