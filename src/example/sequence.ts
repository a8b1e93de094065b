/** Decodes one `tf.train.SequenceExample` into an object, by a spec. */
import { bytesPerValue } from '../array/dtype.js'
import { setMember } from '../array/nest.js'
import type { NdArray, RaggedArray, Shape } from '../types.js'
import { checkRecord, decodeFields } from './decode.js'
import { clearFound, findEntries, keyTable, newFound, openFound } from './features.js'
import { checkCount, compileFields, missingError, openFeature, readTexts, readViews, type Field } from './fields.js'
import { nextBytes } from './lists.js'
import { newNumbers } from './numbers.js'
import type { ExampleSpec, Feature, FeatureDType, FixedLen, ParsedExample, Ragged, VarLen } from './spec.js'
import { TAG, newWire, readEnd, readTag, skipField, type Wire } from './wire.js'

/** The features to read from a SequenceExample, by key. */
export interface SequenceSpec<C extends ExampleSpec = ExampleSpec, S extends ExampleSpec = ExampleSpec> {
  /** Features of the whole sequence. */
  readonly context?: C
  /** Features of each step. */
  readonly sequence?: S
}

/** The array of a fixedLen feature over time. */
type FixedLenSteps<D extends FeatureDType, S extends Shape> =
  D extends 'bytes' ? readonly Uint8Array[] : NdArray<Exclude<D, 'bytes'>, readonly [number, ...S]>

/** What one feature list of a parsed SequenceExample is. */
export type ParsedFeatureList<F extends Feature> =
  F extends FixedLen<infer D, infer S> ? FixedLenSteps<D, S>
    : F extends VarLen<infer D> | Ragged<infer D>
      ? D extends 'bytes' ? readonly (readonly Uint8Array[])[] : RaggedArray<Exclude<D, 'bytes'>>
      : never

/** The element that a {@link SequenceSpec} gives for one record. */
export interface ParsedSequenceExample<C extends ExampleSpec, S extends ExampleSpec> {
  readonly context: ParsedExample<C>
  readonly sequence: { readonly [K in keyof S]: ParsedFeatureList<S[K]> }
}

/** Decodes one record. See {@link parseSequenceExample}. */
export type SequenceExampleParser<C extends ExampleSpec, S extends ExampleSpec> =
  (record: Uint8Array) => ParsedSequenceExample<C, S>

/**
 * Decodes one serialised `tf.train.SequenceExample`.
 *
 * `context` is read as `parseExample` reads an Example. In `sequence`, where each key has a list of steps:
 *
 * - fixedLen (TensorFlow's `FixedLenSequenceFeature`) is an `NdArray [time, …shape]`, or for `'bytes'` the list of all
 *   byte strings in that order. A missing list is a `Mismatch`, or has no steps with `allowMissing`. Default values are
 *   not used.
 * - varLen and ragged are a `RaggedArray` with one row split, a row per step (a list of lists for `'bytes'`). A missing
 *   list has no steps, a step whose kind is not set is an empty row.
 *
 * Errors and rules are those of `parseExample`; of entries with the same key the last one counts.
 *
 * Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/example.proto
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an absent part has no keys
export function parseSequenceExample<C extends ExampleSpec = {}, S extends ExampleSpec = {}>(
  record: Uint8Array, spec: SequenceSpec<C, S>
): ParsedSequenceExample<C, S> {
  return compileSequenceExampleParser(spec)(record)
}

/** Makes a parser for many records of one spec. See {@link parseSequenceExample}. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an absent part has no keys
export function compileSequenceExampleParser<C extends ExampleSpec = {}, S extends ExampleSpec = {}>(
  spec: SequenceSpec<C, S>
): SequenceExampleParser<C, S> {
  const contextFields = compileFields(spec.context ?? {}, 'context')
  const sequenceFields = compileFields(spec.sequence ?? {}, 'sequence')
  const contextTable = keyTable(contextFields.map((field) => field.key))
  const sequenceTable = keyTable(sequenceFields.map((field) => field.key))
  const context = newFound(contextTable)
  const lists = newFound(sequenceTable)
  const wire = newWire()
  return (record) => {
    checkRecord('parseSequenceExample', record)
    clearFound(context)
    clearFound(lists)
    wire.bytes = record
    wire.origin = 0
    wire.at = 0
    wire.keyPath = ''
    while (wire.at < record.length) {
      const tag = readTag(wire, record.length)
      if (tag === TAG.field1) findEntries(wire, readEnd(wire, record.length), contextTable, context, false)
      else if (tag === TAG.field2) findEntries(wire, readEnd(wire, record.length), sequenceTable, lists, true)
      else skipField(wire, tag, record.length)
    }
    const sequence: Record<string, unknown> = {}
    const element = { context: decodeFields(wire, contextFields, context, record, 0), sequence }
    for (const field of sequenceFields) {
      wire.keyPath = field.keyPath
      const present = openFound(wire, lists, field.ordinal, record, 0)
      if (!present && field.feature.kind === 'fixedLen' && field.feature.allowMissing !== true) throw missingError(wire)
      setMember(sequence, field.key, decodeSteps(wire, field, present ? stepsOf(wire) : []))
    }
    // The type of a spec says what its fields decode to; nothing but this file and fields.ts knows both.
    return element as unknown as ParsedSequenceExample<C, S>
  }
}

/** Where the Features of the FeatureList at `[wire.at, wire.end)` are: `from` and `to` in turn. */
function stepsOf(wire: Wire): readonly number[] {
  const places: number[] = []
  // A FeatureList is laid out as a list of byte strings is.
  for (let to = nextBytes(wire); to >= 0; to = nextBytes(wire)) {
    places.push(wire.at, to)
    wire.at = to
  }
  return places
}

function decodeSteps(wire: Wire, field: Field, places: readonly number[]): unknown {
  const { feature, size } = field
  const time = places.length / 2
  const splits = new Int32Array(time + 1)
  const data = field.reader === null ? listSteps(wire, field, places, splits) : numberSteps(wire, field, places, splits)
  wire.keyPath = field.keyPath
  if (feature.dtype === 'bytes') {
    const values = data as readonly Uint8Array[]
    return size < 0 ? Array.from({ length: time }, (_, step) => values.slice(splits[step], splits[step + 1])) : values
  }
  return feature.kind === 'fixedLen'
    ? { dtype: feature.dtype, shape: [time, ...feature.shape], data }
    : { dtype: feature.dtype, data, rowSplits: [splits] }
}

/** Calls `read` with the wire at the list of each step; its result is the number of values. */
function eachStep(
  wire: Wire, field: Field, places: readonly number[], splits: Int32Array, read: (index: number) => number
): void {
  const { bytes, origin } = wire
  for (let step = 0; 2 * step < places.length; step++) {
    wire.keyPath = `${field.keyPath}[${step}]`
    wire.bytes = bytes
    wire.origin = origin
    wire.at = places[2 * step] as number
    wire.end = places[2 * step + 1] as number
    const index = splits[step] as number
    const count = openFeature(wire, field) ? read(index) : 0
    checkCount(wire, field, count)
    splits[step + 1] = index + count
  }
  wire.bytes = bytes
  wire.origin = origin
}

function listSteps(wire: Wire, field: Field, places: readonly number[], splits: Int32Array): unknown {
  const values: (string | Uint8Array)[] = []
  eachStep(wire, field, places, splits, (index) => field.feature.dtype === 'bytes'
    ? readViews(wire, values as Uint8Array[], field.size)
    : readTexts(wire, values as string[], index, field.size))
  return values
}

function numberSteps(wire: Wire, field: Field, places: readonly number[], splits: Int32Array): unknown {
  const { size, dtype, reader } = field
  if (reader === null) return null
  if (size < 0) eachStep(wire, field, places, splits, () => reader.count(wire))
  // No value takes less than a byte in the record, so a record that has too little for its shape cannot ask for much.
  const byteLength = places.reduce((sum, place, i) => i % 2 === 0 ? sum - place : sum + place, 0)
  const smallest = field.feature.from === 'int64' ? 1 : field.feature.from === 'float' ? 4 : bytesPerValue(dtype)
  const time = places.length / 2
  const total = size < 0 ? splits[time] as number : Math.min(size * time, Math.ceil(byteLength / smallest))
  const numbers = newNumbers(dtype, total)
  const most = size < 0 ? total : size
  eachStep(wire, field, places, splits, (index) => reader.read(wire, numbers, index, Math.min(most, total - index)))
  return numbers.data
}
