/**
 * Reads one Feature: which list it holds, how many values, and the values. Lists of numbers may be packed, unpacked, or
 * any mixture of chunks; unknown fields are passed over.
 */
import { TAG, corrupt, joinBytes, readEnd, readTag, readVarint, skipBytes, skipField, type Wire } from './wire.js'

/** Which list a Feature holds: the field number of `kind` in `feature.proto`. */
export const LIST = { none: 0, bytes: 1, float: 2, int64: 3 } as const
export type List = (typeof LIST)[keyof typeof LIST]

/** Names of the lists as `feature.proto` has them, by {@link List}. */
export const LIST_NAMES = ['nothing', 'a bytes_list', 'a float_list', 'an int64_list'] as const

/**
 * Opens the Feature at `[wire.at, wire.end)`: afterwards that is the range of its list. Of several kinds the last counts,
 * and several lists of one kind are merged, as protobuf's own parser does.
 */
export function openList(wire: Wire): List {
  const { at, end, bytes } = wire
  if (at === end) return LIST.none
  const tag = bytes[at] as number
  if (tag === TAG.field1 || tag === TAG.field2 || tag === TAG.field3) {
    wire.at = at + 1
    if (readEnd(wire, end) === end) return (tag >> 3) as List
    wire.at = at
  }
  return openOddList(wire, end)
}

function openOddList(wire: Wire, end: number): List {
  const { bytes } = wire
  let list: List = LIST.none
  let pieces: number[] = []
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== TAG.field1 && tag !== TAG.field2 && tag !== TAG.field3) {
      skipField(wire, tag, end)
      continue
    }
    const listEnd = readEnd(wire, end)
    if (tag >> 3 !== list) pieces = []
    list = (tag >> 3) as List
    pieces.push(wire.at, listEnd)
    wire.at = listEnd
  }
  const [from = end, to = end] = pieces
  if (pieces.length > 2) {
    const parts: Uint8Array[] = []
    for (let i = 0; i < pieces.length; i += 2) parts.push(bytes.subarray(pieces[i], pieces[i + 1]))
    wire.bytes = joinBytes(parts)
    wire.origin -= from
    wire.at = 0
    wire.end = wire.bytes.length
  } else {
    wire.at = from
    wire.end = to
  }
  return list
}

/** Number of floats in `[wire.at, wire.end)`. Leaves the wire where it was. */
export function countFloats(wire: Wire): number {
  const from = wire.at
  const count = readFloats(wire, null, 0, 0)
  wire.at = from
  return count
}

/**
 * Copies the floats of the list to `target` from byte `offset` on, at most `room` of them, and returns how many there
 * are. Packed floats are copied as bytes.
 */
export function readFloats(wire: Wire, target: Uint8Array | null, offset: number, room: number): number {
  const { bytes, end } = wire
  let count = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    let from = wire.at
    if (tag === TAG.field1) {
      const to = readEnd(wire, end)
      from = wire.at
      if (((to - from) & 3) !== 0) throw corrupt(wire, from, `packed floats take ${to - from} bytes, which is no multiple of 4`)
      wire.at = to
    } else if (tag === TAG.fixed1) skipBytes(wire, 4, end)
    else {
      skipField(wire, tag, end)
      continue
    }
    const more = (wire.at - from) >> 2
    if (target !== null && count < room) {
      copyBytes(bytes, from, from + 4 * Math.min(more, room - count), target, offset + 4 * count)
    }
    count += more
  }
  return count
}

/** Number of integers in `[wire.at, wire.end)`. Leaves the wire where it was. */
export function countInts(wire: Wire): number {
  const { bytes, end } = wire
  const start = wire.at
  let count = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === TAG.field1) {
      const to = readEnd(wire, end)
      for (let at = wire.at; at < to; at++) count += (bytes[at] as number) < 128 ? 1 : 0
      wire.at = to
    } else {
      skipField(wire, tag, end)
      if (tag === TAG.varint1) count++
    }
  }
  wire.at = start
  return count
}

/** Takes one integer, whose words are `wire.low` and `wire.high`, as value number `index` of the array. */
export type IntSink<T> = (wire: Wire, target: T, index: number) => void

/** Passes the integers of the list to `sink`, at most `room` of them, and returns how many there are. */
export function readInts<T>(wire: Wire, sink: IntSink<T>, target: T, index: number, room: number): number {
  const { bytes, end } = wire
  let count = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === TAG.varint1) {
      readVarint(wire, end)
      if (count < room) sink(wire, target, index + count)
      count++
    } else if (tag === TAG.field1) {
      const to = readEnd(wire, end)
      while (wire.at < to) {
        const byte = bytes[wire.at] as number
        if (byte < 128) {
          wire.at++
          wire.low = byte
          wire.high = 0
        } else readVarint(wire, to)
        if (count < room) sink(wire, target, index + count)
        count++
      }
    } else skipField(wire, tag, end)
  }
  return count
}

/**
 * Steps to the next byte string of the list and returns its end; it begins at `wire.at`. −1 when there is none left. The
 * caller sets `wire.at` to that end before the next call.
 */
export function nextBytes(wire: Wire): number {
  const { end } = wire
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === TAG.field1) return readEnd(wire, end)
    skipField(wire, tag, end)
  }
  return -1
}

/** Number of byte strings in `[wire.at, wire.end)`. Leaves the wire where it was. */
export function countBytes(wire: Wire): number {
  const start = wire.at
  let count = 0
  for (let to = nextBytes(wire); to >= 0; to = nextBytes(wire)) {
    wire.at = to
    count++
  }
  wire.at = start
  return count
}

/** Below this a loop is quicker than making the view that `set` needs. */
const SMALL = 32

export function copyBytes(bytes: Uint8Array, from: number, to: number, target: Uint8Array, offset: number): void {
  if (to - from <= SMALL) for (let at = from; at < to; at++) target[offset++] = bytes[at] as number
  else target.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), offset)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text at `[from, to)`. */
export function readText(wire: Wire, from: number, to: number): string {
  const { bytes } = wire
  if (to - from <= SMALL) {
    let text = ''
    let at = from
    for (; at < to; at++) {
      const byte = bytes[at] as number
      if (byte > 127) break
      text += String.fromCharCode(byte)
    }
    if (at === to) return text
  }
  try {
    return utf8.decode(bytes.subarray(from, to))
  } catch {
    throw corrupt(wire, from, 'a value is not valid UTF-8; read it with dtype \'bytes\'')
  }
}
