/** Decodes records straight into the arrays of a batch: no object, no array per record. */
import type { NdArray, RaggedArray, Shape } from '../types.js'
import { findFeatures } from './decode.js'
import { keyTable, newFound } from './features.js'
import { compileFields, missingError, openField, type Field } from './fields.js'
import { newColumn } from './columns.js'
import type { Allocate } from './numbers.js'
import type { ExampleSpec, FeatureDType, Feature, FixedLen, Ragged, VarLen } from './spec.js'
import { newWire } from './wire.js'

/** Options of {@link exampleBatch}. */
export interface ExampleBatchOptions {
  /** Gives the memory of the numeric arrays, for callers who recycle it. Default: fresh memory. */
  readonly allocate?: Allocate
  /**
   * What `'bytes'` features are: copies, so that the records may be overwritten after `add`, or views of the records.
   * @default 'copy'
   */
  readonly bytes?: 'copy' | 'view'
}

/** A batch in the making. See {@link exampleBatch}. */
export interface ExampleBatch<S extends ExampleSpec> {
  /** Number of records in the batch so far. */
  readonly rows: number
  /**
   * Decodes the record at `[start, end)` of `bytes` as the next row. When it throws, the row does not count: the next
   * `add` takes its place. `index` is the ordinal of the element that errors tell. Default: the row.
   */
  add(bytes: Uint8Array, start?: number, end?: number, index?: number): void
  /** The batch of the rows so far. The next `add` begins a new batch, in new arrays. */
  finish(): BatchedExample<S>
}

/** The dtype of a column of single values: numbers are batched to float32, bigints to int64. */
type ScalarColumn<D extends FeatureDType> =
  D extends 'string' | 'bool' ? D : D extends 'int64' | 'uint64' ? 'int64' : 'float32'

type BatchedFixedLen<D extends FeatureDType, S extends Shape> =
  S extends readonly []
    ? D extends 'bytes' ? readonly Uint8Array[] : NdArray<ScalarColumn<D>, readonly [number]>
    : D extends 'bytes' ? readonly (readonly Uint8Array[])[] : NdArray<Exclude<D, 'bytes'>, readonly [number, ...S]>

/** What one feature of a batch is. */
export type BatchedFeature<F extends Feature> =
  F extends FixedLen<infer D, infer S>
    ? number extends S['length']
      ? BatchedFixedLen<D, S> | BatchedFixedLen<D, readonly []>
      : BatchedFixedLen<D, S>
    : F extends VarLen<infer D>
      ? D extends 'bytes' ? readonly (readonly Uint8Array[])[] : NdArray<Exclude<D, 'bytes'>, readonly [number, number]>
      : F extends Ragged<infer D> ? RaggedArray<Exclude<D, 'bytes'>> : never

/** The batch that {@link ExampleSpec} `S` gives: what `batch` makes of its elements. */
export type BatchedExample<S extends ExampleSpec> = { readonly [K in keyof S]: BatchedFeature<S[K]> }

/**
 * A batch of up to `size` records, each decoded straight into its row. The result is what `parseExample` followed by
 * `batch` gives:
 *
 * - fixedLen: `NdArray [n, …shape]`. Single numbers are batched to float32 as all numbers are (an integer that float32
 *   cannot hold is `Lossy`; give the feature shape `[1]` to keep its dtype), bigints to int64, booleans to bool.
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
export function exampleBatch<S extends ExampleSpec>(spec: S, size: number, options: ExampleBatchOptions = {}): ExampleBatch<S> {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`exampleBatch: size must be an integer of 1 and more, not ${String(size)}`)
  const fields = compileFields(spec)
  const columns = fields.map((field) => newColumn(field, size, options.allocate, options.bytes ?? 'copy'))
  const table = keyTable(Object.keys(spec))
  const found = newFound(table)
  const wire = newWire()
  let rows = 0
  let begun = false

  return {
    get rows() {
      return rows
    },
    add(bytes, start = 0, end = bytes.length, index = rows) {
      if (rows === size) throw new RangeError(`exampleBatch: the batch has ${size} rows already; call finish`)
      if (!(start >= 0 && start <= end && end <= bytes.length)) {
        throw new RangeError(`exampleBatch: [${start}, ${end}) is no part of ${bytes.length} bytes`)
      }
      if (!begun) {
        for (const column of columns) column.begin()
        begun = true
      }
      wire.index = index
      findFeatures(wire, bytes, start, end, table, found)
      for (let i = 0; i < columns.length; i++) {
        const column = columns[i] as (typeof columns)[number]
        if (openField(wire, fields[i] as Field, found, bytes, start)) column.add(wire, rows)
        else if (!column.missing(wire, rows)) throw missingError(wire)
      }
      rows++
    },
    finish() {
      if (!begun) for (const column of columns) column.begin()
      const batch: Record<string, unknown> = {}
      columns.forEach((column, i) => {
        batch[(fields[i] as Field).key] = column.finish(rows)
      })
      rows = 0
      begun = false
      // The type of a spec says what its columns are; nothing but columns.ts knows both.
      return batch as BatchedExample<S>
    }
  }
}
