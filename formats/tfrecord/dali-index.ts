/**
 * The index that NVIDIA DALI reads, `<file>.idx`: a line of text per record, with the offset of its frame and the size of its frame,
 * header and footer included.
 */
import type { ByteSource } from '../../src/format.js'
import { lengthList, type FrameTable, type Lengths } from './frame-table.js'
import { FRAME_BYTES } from './framing.js'
import { damagedIndex, staleIndex } from './index-faults.js'

const BLOCK_BYTES = 2 ** 20
const LINES = 2 ** 14
const [NINE, ZERO, BLANK, TAB, LINE_FEED, RETURN] = [0x39, 0x30, 0x20, 0x09, 0x0a, 0x0d]

/** The lines of an index, some thousands at a time. */
export function* encodeDaliIndex({ count, lengths }: FrameTable): Generator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder()
  let offset = 0
  for (let first = 0; first < count; first += LINES) {
    const lines: string[] = []
    for (let i = first; i < Math.min(count, first + LINES); i++) {
      const size = (lengths[i] ?? 0) + FRAME_BYTES
      lines.push(`${offset} ${size}\n`)
      offset += size
    }
    yield encoder.encode(lines.join(''))
  }
}

/**
 * The lengths of the records of `source`, from an index of it. Numbers may be parted by any blanks, and lines end as on Windows.
 * @throws MillraceError `Corrupt` for what is no such text; `Changed` when the records do not lie one behind the other, or not from the
 * beginning of the file to its end.
 */
export async function readDaliIndex(index: ByteSource, source: ByteSource, signal: AbortSignal): Promise<Lengths> {
  const { uri, byteLength: size } = index
  const list = lengthList()
  const block = new Uint8Array(Math.min(BLOCK_BYTES, size))
  /** The number that is being read, and the first of the line. */
  let number = -1
  let first = -1
  let second = -1
  let record = 0
  let end = 0 // of the records so far

  function endNumber(at: number): void {
    if (number < 0) return
    if (first < 0) first = number
    else if (second < 0) second = number
    else throw damagedIndex(uri, 'Corrupt', at, 'a line has more than two numbers')
    number = -1
  }
  function endLine(at: number): void {
    endNumber(at)
    if (first < 0) return
    if (second < 0) throw damagedIndex(uri, 'Corrupt', at, 'a line has one number only')
    if (first !== end) throw staleIndex(uri, source.uri, at, `record ${record} begins at byte ${first}, and the one before it ends at byte ${end}`)
    if (second < FRAME_BYTES) throw damagedIndex(uri, 'Corrupt', at, `record ${record} takes ${second} bytes, and no record takes less than ${FRAME_BYTES}`)
    end += second
    if (end > source.byteLength) throw staleIndex(uri, source.uri, at, `record ${record} ends at byte ${end} of ${source.byteLength}`)
    list.push(second - FRAME_BYTES)
    first = second = -1
    record++
  }

  for (let from = 0; from < size; from += block.length) {
    const bytes = block.subarray(0, Math.min(block.length, size - from))
    await index.read(from, bytes, { signal })
    signal.throwIfAborted()
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (byte >= ZERO && byte <= NINE) {
        number = (number < 0 ? 0 : number * 10) + (byte - ZERO)
        if (number > Number.MAX_SAFE_INTEGER) throw damagedIndex(uri, 'Corrupt', from + i, 'a number is too large')
      } else if (byte === LINE_FEED) endLine(from + i)
      else if (byte === BLANK || byte === TAB || byte === RETURN) endNumber(from + i)
      else throw damagedIndex(uri, 'Corrupt', from + i, `byte 0x${byte.toString(16).padStart(2, '0')} in place of a digit`)
    }
  }
  endLine(size)
  if (end !== source.byteLength) throw staleIndex(uri, source.uri, size, `its records end at byte ${end} of ${source.byteLength}`)
  return list.lengths().slice()
}
