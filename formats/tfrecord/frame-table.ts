import { FRAME_BYTES } from './framing.js'

/** Lengths of the data of records, in the smallest array that holds them. */
export type Lengths = Uint8Array | Uint16Array | Uint32Array | Float64Array

/** Where the records of a plain TFRecord file stand: one behind the other, from its beginning to its end. */
export interface FrameTable {
  /** Number of records. */
  readonly count: number
  /** Size of the file. */
  readonly byteLength: number
  /** Lengths of the data, without header and footer. */
  readonly lengths: Lengths
  /** Where the record of that ordinal begins; for `count`, where the file ends. */
  offsetAt(ordinal: number): number
}

/** Every so many offsets are kept; the others are sums from there. So a record takes half a byte more than its length. */
const STRIDE = 16

/** A table from the lengths of all records. */
export function frameTable(lengths: Lengths): FrameTable {
  const count = lengths.length
  const marks = new Float64Array(Math.floor(count / STRIDE) + 1)
  let offset = 0
  for (let i = 0; i < count; i++) {
    if (i % STRIDE === 0) marks[i / STRIDE] = offset
    offset += (lengths[i] ?? 0) + FRAME_BYTES
  }
  if (count % STRIDE === 0) marks[count / STRIDE] = offset
  return {
    count,
    byteLength: offset,
    lengths,
    offsetAt(ordinal) {
      const mark = Math.floor(ordinal / STRIDE)
      let at = marks[mark] ?? 0
      for (let i = mark * STRIDE; i < ordinal; i++) at += (lengths[i] ?? 0) + FRAME_BYTES
      return at
    }
  }
}

/** Lengths one after the other, when their number is not known before. */
export interface LengthList {
  push(length: number): void
  lengths(): Uint32Array | Float64Array
}

/** An empty list. It grows to the double. */
export function lengthList(): LengthList {
  let array: Uint32Array | Float64Array = new Uint32Array(1024)
  let count = 0
  return {
    push(length) {
      if (length >= 2 ** 32 && array.BYTES_PER_ELEMENT === 4) array = Float64Array.from(array)
      if (count === array.length) {
        const grown = array.BYTES_PER_ELEMENT === 4 ? new Uint32Array(2 * count) : new Float64Array(2 * count)
        grown.set(array)
        array = grown
      }
      array[count++] = length
    },
    lengths: () => array.subarray(0, count)
  }
}
