/** Decodes one `tf.train.Example` into an object, by a spec. */
import { isBytes } from '../array/dtype.js'
import { setMember } from '../array/nest.js'
import { clearFound, findEntries, keyTable, newFound, type Found, type KeyTable } from './features.js'
import { compileFields, decodeField, missingField, openField, type Field } from './fields.js'
import type { ExampleSpec, ParsedExample } from './spec.js'
import { TAG, newWire, readEnd, readTag, skipField, type Wire } from './wire.js'

/** Decodes one record. See {@link parseExample}. */
export type ExampleParser<S extends ExampleSpec> = (record: Uint8Array) => ParsedExample<S>

/**
 * Decodes one serialised `tf.train.Example` into an object with the keys of the spec.
 *
 * - Numbers are copied; `'bytes'` values are views of the record: `slice()` those that shall outlive it.
 * - A missing feature, or one whose kind is not set, is its default value, or empty for varLen and ragged, or else a
 *   `Mismatch`. Of entries with the same key the last one that is set counts.
 * - `Mismatch` when the kind of list or the number of values is another one, `Lossy` when an integer does not fit its
 *   dtype, `Corrupt` when the bytes are not an Example; with `keyPath`, and for `Corrupt` the `offset` in the record.
 * - Features outside the spec are passed over unread.
 *
 * It reads what `tf.io.parse_single_example` reads, with the same result. Where that is stricter than protocol buffers
 * (unknown fields inside entries, fields in pieces, packed lists in chunks), the rules of protocol buffers hold.
 *
 * ```ts
 * const { image, label } = parseExample(record, {
 *   image: fixedLen([28, 28], 'uint8', { from: 'bytes' }),
 *   label: fixedLen([], 'int64')
 * })
 * ```
 *
 * Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/example.proto
 */
export function parseExample<S extends ExampleSpec>(record: Uint8Array, spec: S): ParsedExample<S> {
  return compileExampleParser(spec)(record)
}

/** Makes a parser for many records of one spec. See {@link parseExample}. */
export function compileExampleParser<S extends ExampleSpec>(spec: S): ExampleParser<S> {
  const fields = compileFields(spec)
  const table = keyTable(Object.keys(spec))
  const found = newFound(table)
  const wire = newWire()
  return (record) => {
    checkRecord('parseExample', record)
    findFeatures(wire, record, 0, record.length, table, found)
    // The type of a spec says what its fields decode to; nothing but fields.ts knows both.
    return decodeFields(wire, fields, found, record, 0) as ParsedExample<S>
  }
}

/** Throws for a record that is no byte string, which is easily an ArrayBuffer. */
export function checkRecord(name: string, record: unknown): void {
  if (isBytes(record)) return
  throw new TypeError(`${name}: a record must be a Uint8Array, not ${Object.prototype.toString.call(record).slice(8, -1)}`)
}

/** Finds the features of the Example at `[start, end)`. */
export function findFeatures(wire: Wire, bytes: Uint8Array, start: number, end: number, table: KeyTable, found: Found): void {
  clearFound(found)
  wire.bytes = bytes
  wire.origin = start
  wire.at = start
  wire.keyPath = ''
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === TAG.field1) findEntries(wire, readEnd(wire, end), table, found, false)
    else skipField(wire, tag, end)
  }
}

/** The values of all fields, as an object. */
export function decodeFields(
  wire: Wire, fields: readonly Field[], found: Found, bytes: Uint8Array, origin: number
): Record<string, unknown> {
  const element: Record<string, unknown> = {}
  for (const field of fields) {
    const present = openField(wire, field, found, bytes, origin)
    setMember(element, field.key, present ? decodeField(wire, field) : missingField(wire, field))
  }
  return element
}
