/** Decodes records straight into the arrays of a batch: no object, no array per record. */
import type { Batched } from '../array/batched.js'
import { checkNumberDType, type NumberDType } from '../array/dtype.js'
import { setMember } from '../array/nest.js'
import type { BatchPool } from '../array/pool.js'
import { findFeatures } from './decode.js'
import { keyTable, newFound } from './features.js'
import { compileFields, missingError, openField, type Field } from './fields.js'
import { newColumn } from './columns.js'
import type { ExampleSpec, ParsedExample } from './spec.js'
import { plainRows } from './plain-rows.js'
import { newWire } from './wire.js'

/** Options of {@link exampleBatch}. */
export interface ExampleBatchOptions<D extends NumberDType = NumberDType> {
  /**
   * The dtype of single numbers, as in `batch`. Integers that it cannot hold exactly are `Lossy`.
   * @default 'float32'
   */
  readonly numbers?: D | undefined
  /** Where the memory of the numeric arrays comes from. Default: fresh memory. */
  readonly pool?: BatchPool | undefined
  /**
   * What `'bytes'` features are: copies, so that the records may be overwritten after `add`, or views of the records.
   * @default 'copy'
   */
  readonly bytes?: 'copy' | 'view' | undefined
}

/** A batch in the making. See {@link exampleBatch}. */
export interface ExampleBatch<S extends ExampleSpec, D extends NumberDType = 'float32'> {
  /** Number of records in the batch so far. */
  readonly rows: number
  /**
   * Decodes the record at `[start, end)` of `bytes` as the next row. When it throws, the row does not count: the next
   * `add` takes its place. `index` is the ordinal of the element that errors tell. Default: the row.
   */
  add(bytes: Uint8Array, start?: number, end?: number, index?: number): void
  /**
   * Decodes `records[from, to)` as the next rows, for which there must be room, as far as that can be done all at once; returns how
   * many it did. The others are for `add`. `index` is the ordinal of the first.
   */
  addRun(records: readonly unknown[], from: number, to: number, index?: number): number
  /** The batch of the rows so far. The next `add` begins a new batch, in new arrays. */
  finish(): Batched<ParsedExample<S>, number, D>
}

/**
 * A batch of up to `size` records, each decoded straight into its row. The result is what `parseExample` followed by
 * `batch` gives:
 *
 * - fixedLen: `NdArray [n, …shape]`. Single numbers get the dtype `numbers`, whatever their own (give the feature shape
 *   `[1]` to keep it), bigints int64, booleans bool.
 * - varLen: `NdArray [n, length]`; rows of unequal length are a `Mismatch`.
 * - ragged: `RaggedArray` with one row split.
 * - single `'bytes'`: the list of the rows; `'bytes'` with a shape, or varLen: such a list for each position.
 *
 * Numeric arrays are allocated once for `size` rows; the arrays of a shorter batch are views of their front. Errors are
 * those of `parseExample`; offsets count from `start`.
 *
 * ```ts
 * const batch = exampleBatch({ x: fixedLen([256], 'float32'), y: fixedLen([], 'int64') }, 128)
 * for (const record of records) batch.add(record)
 * const { x, y } = batch.finish()      // x.shape is [128, 256], y.data is a BigInt64Array
 * ```
 */
export function exampleBatch<S extends ExampleSpec, const D extends NumberDType = 'float32'>(
  spec: S, size: number, options: ExampleBatchOptions<D> = {}
): ExampleBatch<S, D> {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new RangeError(`exampleBatch: size must be an integer of 1 and more, not ${String(size)}`)
  }
  const numbers = checkNumberDType(options.numbers)
  const fields = compileFields(spec)
  const { pool, bytes: mode = 'copy' } = options
  const columns = fields.map((field) => newColumn(field, { size, numbers, pool, copy: mode === 'copy' }))
  const table = keyTable(Object.keys(spec))
  const found = newFound(table)
  const wire = newWire()
  const plain = plainRows(fields, columns)
  let rows = 0
  let begun = false

  const begin = (index: number): void => {
    if (!begun) for (const column of columns) column.begin()
    begun = true
    if (rows === 0) wire.first = index
  }

  return {
    get rows() {
      return rows
    },
    add(bytes, start = 0, end = bytes.length, index = rows) {
      if (rows === size) throw new RangeError(`exampleBatch: the batch has ${size} rows already; call finish`)
      if (!(start >= 0 && start <= end && end <= bytes.length)) {
        throw new RangeError(`exampleBatch: [${start}, ${end}) is no part of ${bytes.length} bytes`)
      }
      begin(index)
      wire.index = index
      findFeatures(wire, bytes, start, end, table, found)
      for (let i = 0; i < columns.length; i++) {
        const column = columns[i] as (typeof columns)[number]
        if (openField(wire, fields[i] as Field, found, bytes, start)) column.add(wire, rows)
        else if (!column.missing(wire, rows)) throw missingError(wire)
      }
      rows++
    },
    addRun(records, from, to, index = rows) {
      if (plain === null || from >= to) return 0
      if (to - from > size - rows) throw new RangeError(`exampleBatch: there is room for ${size - rows} rows, not for ${to - from}`)
      begin(index)
      const count = plain.add(records, from, to, rows)
      rows += count
      return count
    },
    finish() {
      begin(-1)
      const batch: Record<string, unknown> = {}
      columns.forEach((column, i) => {
        setMember(batch, (fields[i] as Field).key, column.finish(rows))
      })
      rows = 0
      begun = false
      // The type of a spec says what its columns are; nothing but columns.ts knows both.
      return batch as Batched<ParsedExample<S>, number, D>
    }
  }
}
