/**
 * The protocol buffer wire format, as far as reading needs it. Every read is checked against the end of the enclosing
 * message, so nothing is read out of bounds and every loop moves forward.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
import { MillraceError, type ErrorContext } from '../errors.js'

/** A place in a record. One is made per parser and used for all records, so that reading allocates nothing. */
export interface Wire {
  bytes: Uint8Array
  /** The next byte. */
  at: number
  /** The end of what was opened last: a list, a value. */
  end: number
  /** The words of the varint that was read last, both as signed 32-bit integers. */
  low: number
  high: number
  /** Where the record begins in `bytes`: offsets in errors count from here. */
  origin: number
  /** The feature that is being read, for errors. */
  keyPath: string
  /** Ordinal of the element, and of the first one of its batch, for errors; −1 when there is no batch. */
  index: number
  first: number
  /** What the bytes are, for errors. */
  readonly message: string
}

export function newWire(message = 'Example'): Wire {
  return { bytes: new Uint8Array(0), at: 0, end: 0, low: 0, high: 0, origin: 0, keyPath: '', index: -1, first: -1, message }
}

/** Tags (`field << 3 | wire type`) of the messages of `example.proto` and `feature.proto`. */
export const TAG = {
  /** Example.features, Features.feature, FeatureList.feature, the key of a map entry, every list of bytes or packed numbers. */
  field1: 10,
  /** The value of a map entry, Feature.float_list, SequenceExample.feature_lists. */
  field2: 18,
  /** Feature.int64_list. */
  field3: 26,
  /** One unpacked varint of field 1. */
  varint1: 8,
  /** One unpacked float of field 1. */
  fixed1: 13
} as const

/** The error for bytes that contradict the format, at `offset` in `wire.bytes`. */
export function corrupt(wire: Wire, offset: number, what: string): MillraceError {
  return featureError('Corrupt', wire, what, { offset: offset - wire.origin })
}

/** An error about the feature that is being read; the message begins with its key. */
export function featureError(
  kind: 'Corrupt' | 'Mismatch' | 'Lossy' | 'Limit', wire: Wire, what: string, context: ErrorContext = {}
): MillraceError {
  const { keyPath, index, message } = wire
  const byte = context.offset === undefined ? '' : `byte ${context.offset} of the record`
  const element = index < 0 ? '' : `element ${index}`
  const where = [byte, element].filter((part) => part !== '').join(', ')
  const subject = keyPath === '' ? message : message === 'Example' ? `feature ${keyPath}` : `${message} at ${keyPath}`
  return new MillraceError(kind, `${subject}: ${what}${where === '' ? '' : ` (${where})`}`, {
    ...context,
    ...(keyPath === '' ? {} : { keyPath }),
    ...(index < 0 ? {} : { index })
  })
}

/** Reads a varint of at most 10 bytes into `low` and `high`; bits above 64 are dropped, as protobuf does. */
export function readVarint(wire: Wire, end: number): void {
  const { bytes } = wire
  let { at } = wire
  let low = 0
  let high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) throw corrupt(wire, at, 'the message ends in the middle of a varint')
    const byte = bytes[at++] as number
    const bits = byte & 127
    if (shift < 28) low |= bits << shift
    else if (shift === 28) {
      low |= bits << 28
      high = bits >>> 4
    } else high |= bits << (shift - 32)
    if (byte < 128) {
      wire.at = at
      wire.low = low
      wire.high = high
      return
    }
  }
  throw corrupt(wire, wire.at, 'a varint is longer than 10 bytes')
}

/** Reads a tag: never 0, at most 32 bits. */
export function readTag(wire: Wire, end: number): number {
  const { at } = wire
  const byte = at < end ? wire.bytes[at] as number : 128
  if (byte < 128 && byte > 7) {
    wire.at = at + 1
    return byte
  }
  readVarint(wire, end)
  const tag = wire.low >>> 0
  if (wire.high !== 0 || tag < 8) throw corrupt(wire, at, 'a field has no valid tag')
  return tag
}

/** Reads a length and returns the end of the piece that it announces, which lies inside the enclosing message. */
export function readEnd(wire: Wire, end: number): number {
  const { at } = wire
  const { bytes } = wire
  let length = at < end ? bytes[at] as number : 128
  if (length < 128) wire.at = at + 1
  else {
    const second = at + 1 < end ? bytes[at + 1] as number : 128
    if (second < 128) {
      length = (length & 127) | (second << 7)
      wire.at = at + 2
    } else {
      readVarint(wire, end)
      length = wire.high === 0 ? wire.low : -1
    }
  }
  if (length < 0 || length > end - wire.at) {
    const announced = length < 0 ? 'more than 2 GB' : `${length} bytes`
    throw corrupt(wire, at, `a field announces ${announced}, and ${end - wire.at} are left in its message`)
  }
  return wire.at + length
}

/** Groups nest at most this deep: the limit of protobuf's own readers. */
const MAX_DEPTH = 100

/** Passes over the value of a field that is not known, whatever its wire type. */
export function skipField(wire: Wire, tag: number, end: number, depth = 0): void {
  switch (tag & 7) {
    case 0:
      readVarint(wire, end)
      return
    case 1:
      skipBytes(wire, 8, end)
      return
    case 2:
      wire.at = readEnd(wire, end)
      return
    case 3:
      skipGroup(wire, tag, end, depth)
      return
    case 5:
      skipBytes(wire, 4, end)
      return
    case 4:
      throw corrupt(wire, wire.at - 1, 'a group ends that was never begun')
    default:
      throw corrupt(wire, wire.at - 1, `a field has wire type ${tag & 7}, which does not exist`)
  }
}

function skipGroup(wire: Wire, tag: number, end: number, depth: number): void {
  if (depth >= MAX_DEPTH) throw corrupt(wire, wire.at, `groups are nested more than ${MAX_DEPTH} deep`)
  const last = tag + 1
  for (;;) {
    const inner = readTag(wire, end)
    if (inner === last) return
    skipField(wire, inner, end, depth + 1)
  }
}

export function skipBytes(wire: Wire, count: number, end: number): void {
  if (count > end - wire.at) throw corrupt(wire, wire.at, `a field of ${count} bytes is cut off`)
  wire.at += count
}

/** The bytes of several pieces in a row. Protobuf merges messages by exactly that. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}
