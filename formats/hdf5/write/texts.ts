import { byteBuilder } from './bytes.js'
import { TEXT_BYTES } from './datatype.js'

/** The least size of a heap; smaller ones are filled up. */
const LEAST_BYTES = 4096
/** Objects of a heap are numbered with 16 bits. */
const MOST_TEXTS = 65_535
const HEAD_BYTES = 16

/** Texts as HDF5 keeps them. */
export interface WrittenTexts {
  /** Heaps, one after the other from the given address on. */
  readonly heaps: Uint8Array
  /** What stands in the dataset for the texts: {@link TEXT_BYTES} each. */
  readonly references: Uint8Array<ArrayBuffer>
}

/** Puts texts into global heaps (specification §III.E) that lie from `address` on. Empty texts need no place. */
export function writeTexts(texts: readonly string[], address: number): WrittenTexts {
  const encoder = new TextEncoder()
  const heaps = byteBuilder()
  const references = new Uint8Array(TEXT_BYTES * texts.length)
  const view = new DataView(references.buffer)
  let objects = byteBuilder()
  let count = 0

  function flush(): void {
    if (count === 0) return
    const size = Math.max(LEAST_BYTES, HEAD_BYTES + objects.length)
    const left = size - HEAD_BYTES - objects.length
    heaps.text('GCOL').u8(1).zeros(3).u64(size).bytes(objects.done())
    // What is left over is an object with the number 0, if there is room for its head.
    if (left < 16) heaps.zeros(left)
    else heaps.zeros(8).u64(left).zeros(left - 16)
    objects = byteBuilder()
    count = 0
  }

  for (const [i, text] of texts.entries()) {
    const bytes = encoder.encode(text)
    if (bytes.length === 0) continue
    if (count === MOST_TEXTS) flush()
    count++
    view.setUint32(TEXT_BYTES * i, bytes.length, true)
    view.setBigUint64(TEXT_BYTES * i + 4, BigInt(address + heaps.length), true)
    view.setUint32(TEXT_BYTES * i + 12, count, true)
    objects.u16(count).u16(0).zeros(4).u64(bytes.length).bytes(bytes).zeros((8 - (bytes.length % 8)) % 8)
    if (objects.length > 16 * LEAST_BYTES) flush()
  }
  flush()
  return { heaps: heaps.done(), references }
}
