/**
 * Finds the wanted entries of a `map<string, …>` (Features, FeatureLists) without decoding them: `found` gets the place
 * of each wanted value. Values of other keys are passed over by their length.
 */
import { TAG, corrupt, joinBytes, readEnd, readTag, skipField, type Wire } from './wire.js'

/** The wanted keys, and a hash table over them. */
export interface KeyTable {
  readonly names: readonly string[]
  readonly keys: readonly Uint8Array[]
  /** Ordinals of keys by hash, −1 where free; its length is a power of two. */
  readonly slots: Int32Array
}

/** Where the wanted values are, by ordinal of the key. */
export interface Found {
  /** `from` and `to` in turn. `from` is −1 for a missing value and `MERGED - k` for the k-th of `merged`. */
  readonly places: Int32Array
  /** Values that arrived in several pieces. */
  merged: Merged[]
}

/** A value in several pieces, put together. */
interface Merged {
  readonly bytes: Uint8Array
  /** Where its first piece begins in the record's bytes. */
  readonly at: number
}

const MISSING = -1
const MERGED = -2

export function keyTable(names: readonly string[]): KeyTable {
  const encoder = new TextEncoder()
  const keys = names.map((name) => encoder.encode(name))
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * keys.length + 2))).fill(-1)
  keys.forEach((key, ordinal) => {
    let slot = hash(key, 0, key.length) & (slots.length - 1)
    while (slots[slot] !== -1) slot = (slot + 1) & (slots.length - 1)
    slots[slot] = ordinal
  })
  return { names, keys, slots }
}

export function newFound(table: KeyTable): Found {
  return { places: new Int32Array(2 * table.keys.length), merged: [] }
}

export function clearFound(found: Found): void {
  found.places.fill(MISSING)
  if (found.merged.length > 0) found.merged = []
}

/**
 * Reads one Features or FeatureLists message, `[wire.at, end)`. A later entry of a key replaces an earlier one; an empty
 * Feature replaces nothing (`keepEmpty` false), an empty FeatureList does (true): so TensorFlow does.
 */
export function findEntries(wire: Wire, end: number, table: KeyTable, found: Found, keepEmpty: boolean): void {
  const { bytes } = wire
  const { places } = found
  let guess = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== TAG.field1) {
      skipField(wire, tag, end)
      continue
    }
    const entryEnd = readEnd(wire, end)
    const entry = wire.at
    let ordinal = -1
    let from = -1
    // The usual layout: key, then value, and nothing else.
    if (entryEnd - entry >= 4 && bytes[entry] === TAG.field1) {
      wire.at = entry + 1
      const keyEnd = readEnd(wire, entryEnd)
      const key = wire.at
      if (keyEnd < entryEnd && bytes[keyEnd] === TAG.field2) {
        wire.at = keyEnd + 1
        if (readEnd(wire, entryEnd) === entryEnd) {
          from = wire.at
          ordinal = findKey(table, bytes, key, keyEnd, guess)
        }
      }
    }
    if (from < 0) findInOddEntry(wire, entry, entryEnd, table, found, keepEmpty)
    else if (ordinal >= 0) {
      guess = ordinal + 1
      if (keepEmpty || from < entryEnd) {
        places[2 * ordinal] = from
        places[2 * ordinal + 1] = entryEnd
      }
    }
    wire.at = entryEnd
  }
}

/** Any other entry: value before key, fields twice, unknown fields. The last key counts; values are merged. */
function findInOddEntry(wire: Wire, entry: number, end: number, table: KeyTable, found: Found, keepEmpty: boolean): void {
  const { bytes } = wire
  let key = entry
  let keyEnd = entry
  const values: number[] = []
  wire.at = entry
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== TAG.field1 && tag !== TAG.field2) {
      skipField(wire, tag, end)
      continue
    }
    const fieldEnd = readEnd(wire, end)
    if (tag === TAG.field1) {
      key = wire.at
      keyEnd = fieldEnd
    } else if (fieldEnd > wire.at || values.length === 0) values.push(wire.at, fieldEnd)
    wire.at = fieldEnd
  }
  const ordinal = findKey(table, bytes, key, keyEnd, 0)
  if (ordinal < 0) return
  const [from = entry, to = entry] = values
  const pieces: Uint8Array[] = []
  for (let i = 0; i < values.length; i += 2) pieces.push(bytes.subarray(values[i], values[i + 1]))
  if (!keepEmpty && pieces.every((piece) => piece.length === 0)) return
  found.places[2 * ordinal] = pieces.length > 1 ? MERGED - found.merged.length : from
  found.places[2 * ordinal + 1] = to
  if (pieces.length > 1) found.merged.push({ bytes: joinBytes(pieces), at: from })
}

/**
 * Points the wire at the value of a key: `[wire.at, wire.end)` of `wire.bytes`. False when the record has none. `bytes`
 * and `origin` are those of the record.
 */
export function openFound(wire: Wire, found: Found, ordinal: number, bytes: Uint8Array, origin: number): boolean {
  const from = found.places[2 * ordinal] as number
  if (from === MISSING) return false
  if (from >= 0) {
    wire.bytes = bytes
    wire.origin = origin
    wire.at = from
    wire.end = found.places[2 * ordinal + 1] as number
    return true
  }
  const value = found.merged[MERGED - from]
  if (value === undefined) throw corrupt(wire, origin, 'no merged value')
  wire.bytes = value.bytes
  wire.origin = origin - value.at
  wire.at = 0
  wire.end = value.bytes.length
  return true
}

/** The ordinal of the key at `[from, to)`, or −1. `guess` is looked at first: records mostly keep the order of the keys. */
function findKey(table: KeyTable, bytes: Uint8Array, from: number, to: number, guess: number): number {
  const { keys, slots } = table
  if (guess < keys.length && sameBytes(keys[guess] as Uint8Array, bytes, from, to)) return guess
  let slot = hash(bytes, from, to) & (slots.length - 1)
  for (;;) {
    const ordinal = slots[slot] as number
    if (ordinal < 0 || sameBytes(keys[ordinal] as Uint8Array, bytes, from, to)) return ordinal
    slot = (slot + 1) & (slots.length - 1)
  }
}

function sameBytes(key: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (key.length !== to - from) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[from + i]) return false
  return true
}

/** FNV-1a. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5
  for (let i = from; i < to; i++) value = Math.imul(value ^ (bytes[i] as number), 0x01000193)
  return value
}
