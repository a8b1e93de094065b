/** Decodes runs of records where they lie, in the memory that their file was read into: one call for many rows. */
import { COLUMNS_BYTES, FEATURES_BYTES, recordMemoryOf, TABLE_ROWS, type RecordMemory } from '../kernels/record-memory.js'
import type { Column } from './columns.js'
import type { Field } from './fields.js'

/** What the kernel has to know of a column whose rows all have one size. */
export interface PlainColumn {
  /** Bytes of a row of the array; of the record too, but for integers. */
  readonly rowBytes: number
  /** Number of integers in a row, where they have to be decoded; 0 where the bytes are copied as they are. */
  readonly integers: number
  /** The memory of the array that is being filled. */
  bytes(): Uint8Array
}

/** Decodes runs of records into rows. */
export interface PlainRows {
  /**
   * Decodes `records[from, to)` as rows from `row` on, and returns how many it did: those before the first that does not lie in such a
   * memory, or is not laid out as writers usually do. That one is for {@link Column.add}, which does the same for any record, and
   * knows what is wrong with it, if anything.
   */
  add(records: readonly unknown[], from: number, to: number, row: number): number
}

/** From so many bytes on, values are copied one by one to where they go; smaller ones by the kernel, and then all together. */
const LOCATE_FROM = 2048
/** After a record that is not plain so many are passed by, twice as many each time: many files have no other. */
const LEAST_PAUSE = 4
const MOST_PAUSE = 4096

// What the kernel does with a value, and how long its description of a feature is: see assembly/tfrecord.ts.
const LOCATE = 0
const COPY = 1
const INTEGERS = 2
const FEATURE_BYTES = 32

/** A column, and its part of the memory where the kernel puts columns together. */
interface Part {
  readonly column: PlainColumn
  readonly field: Field
  readonly key: Uint8Array
  readonly action: number
  readonly stride: number
  /** Where its part begins. */
  readonly at: number
}

/** For fields whose columns are all plain; `null` for others, and where there are too many or their rows are too large. */
export function plainRows(fields: readonly Field[], columns: readonly Column[]): PlainRows | null {
  const layout = layOut(fields, columns)
  if (layout === null) return null
  const { parts, rows } = layout
  let pause = LEAST_PAUSE
  let passBy = 0

  /** Copies what the kernel has put together. */
  const copyOut = ({ columns, bytes: { buffer } }: RecordMemory, row: number, count: number): void => {
    for (const { column: { rowBytes, bytes }, action, stride, at } of parts) {
      const target = bytes()
      if (action !== LOCATE) target.set(columns.subarray(at, at + count * stride), row * rowBytes)
      else {
        const places = new Uint32Array(buffer, columns.byteOffset + at, count)
        for (let i = 0; i < count; i++) target.set(new Uint8Array(buffer, places[i] as number, rowBytes), (row + i) * rowBytes)
      }
    }
  }
  return {
    add(records, from, to, row) {
      if (passBy > 0) {
        passBy--
        return 0
      }
      const memory = recordMemoryOf(records[from])
      let at = from
      if (memory !== undefined) {
        if (memory.owner !== parts) describe(memory, parts)
        const { kernel, table, features, bytes: { buffer } } = memory
        while (at < to) {
          const wanted = Math.min(rows, to - at)
          let count = 0
          while (count < wanted) {
            const record = records[at + count] as Uint8Array
            if (record.buffer !== buffer) break
            table[2 * count] = record.byteOffset
            table[2 * count + 1] = record.byteLength
            count++
          }
          const done = kernel.decode(table.byteOffset, count, features.byteOffset, parts.length)
          if (done > 0) copyOut(memory, row + at - from, done)
          at += done
          if (done < wanted) break
        }
      }
      if (at === to) pause = LEAST_PAUSE
      else {
        passBy = pause
        pause = at > from ? LEAST_PAUSE : Math.min(2 * pause, MOST_PAUSE)
      }
      return at - from
    }
  }
}

/** How many rows the kernel does at once, and where it puts their columns. */
function layOut(fields: readonly Field[], columns: readonly Column[]): { readonly parts: readonly Part[]; readonly rows: number } | null {
  const found: Omit<Part, 'at'>[] = []
  for (const [i, { plain }] of columns.entries()) {
    const field = fields[i]
    if (plain === undefined || field === undefined) return null
    const action = plain.integers > 0 ? INTEGERS : plain.rowBytes >= LOCATE_FROM ? LOCATE : COPY
    found.push({ column: plain, field, key: new TextEncoder().encode(field.key), action, stride: action === LOCATE ? 4 : plain.rowBytes })
  }
  const described = found.reduce((sum, { key }) => sum + FEATURE_BYTES + key.length, 0)
  const perRow = found.reduce((sum, { stride }) => sum + stride, 0)
  // A part begins at a multiple of 8.
  const rows = Math.min(TABLE_ROWS, Math.floor((COLUMNS_BYTES - 8 * found.length) / perRow))
  if (found.length === 0 || rows < 1 || described > FEATURES_BYTES) return null
  let at = 0
  const parts = found.map((part) => {
    const begin = at
    at += (rows * part.stride + 7) & ~7
    return { ...part, at: begin }
  })
  return { parts, rows }
}

/** Tells the kernel what features there are. */
function describe(memory: RecordMemory, parts: readonly Part[]): void {
  const { features, columns } = memory
  const view = new DataView(features.buffer, features.byteOffset, features.byteLength)
  let keyAt = FEATURE_BYTES * parts.length
  parts.forEach(({ column: { rowBytes, integers }, field: { list }, key, action, stride, at }, i) => {
    // The tag of a list is its field number, and that it has a length.
    const words = [features.byteOffset + keyAt, key.length, (list << 3) | 2, integers > 0 ? integers : rowBytes, columns.byteOffset + at, stride, action, 0]
    words.forEach((word, k) => { view.setUint32(FEATURE_BYTES * i + 4 * k, word, true) })
    features.set(key, keyAt)
    keyAt += key.length
  })
  memory.owner = parts
}
