import type { FormatChunk, MillraceError } from '../../src/format.js'
import { corruptData, corruptLength, tooLarge, truncated, type Place } from './faults.js'
import { FRAME_BYTES, HEADER_BYTES, lengthAt, lengthIsSound, scan, type ScanStop } from './framing.js'
import type { Block, ReadAhead } from './read-ahead.js'

/** A run of records, and the offset of the one behind them. */
export interface RecordChunk extends FormatChunk<Uint8Array> {
  readonly next: number
}

/** What {@link readRecords} has to know of the file. */
export interface RecordsOptions {
  readonly uri: string
  /** Offset of the first byte of the first block. */
  readonly from: number
  /** Size of the file, `Infinity` when it is compressed. */
  readonly byteLength: number
  readonly signal: AbortSignal
  readonly verify: boolean
  readonly maxRecordBytes: number
}

/**
 * Cuts blocks into records, beginning with `block`.
 *
 * A record that continues in the next block is joined by copying its beginning into the room before that block. One that
 * has no room there gets a buffer of its own, and is a chunk of its own. So every byte is copied at most once, twice in
 * compressed files.
 */
export async function* readRecords(
  blocks: ReadAhead, block: Block | null, options: RecordsOptions
): AsyncGenerator<RecordChunk, void, undefined> {
  const { uri, byteLength, signal, verify, maxRecordBytes } = options
  let offset = options.from
  let record = options.from === 0 ? 0 : undefined
  const place = (): Place => ({ uri, offset, record })
  const passed = (bytes: number, records: number): void => {
    offset += bytes
    if (record !== undefined) record += records
  }
  const larges = largeBuffers(blocks.reuse, byteLength === Infinity ? 4 * blocks.blockBytes : Infinity)

  const cut = blocks.memory?.scan ?? scan

  while (block !== null) {
    signal.throwIfAborted()
    blocks.ahead()
    const found = cut(block.bytes, block.start, block.end, verify, maxRecordBytes)
    const handedOut = found.records.length > 0
    passed(found.end - block.start, found.records.length)
    if (handedOut) {
      yield { elements: found.records, next: offset }
      signal.throwIfAborted()
      blocks.requested()
      blocks.ahead()
    }
    if (found.stop !== 'incomplete') throw badRecord(found.stop, block.bytes, found.end)

    const tail = block.bytes.subarray(found.end, block.end)
    const size = tail.length < HEADER_BYTES ? FRAME_BYTES : FRAME_BYTES + lengthAt(tail, 0)
    if (tail.length >= HEADER_BYTES) {
      // Checked even without `verify`: memory is going to be taken on its word.
      if (!lengthIsSound(tail, 0)) throw corruptLength(place())
      if (size > byteLength - offset) throw truncated(place(), size, byteLength - offset)
    }

    if (tail.length <= blocks.headroom && size <= tail.length + blocks.blockBytes) {
      const following = await blocks.next()
      if (following === null && tail.length > 0) throw cutOff(tail, size)
      if (following !== null) {
        following.start -= tail.length
        following.bytes.set(tail, following.start)
      }
      blocks.retire(block, handedOut)
      block = following
    } else {
      const whole = larges(size, tail)
      blocks.retire(block, handedOut)
      while (whole.missing() > 0) {
        block = await blocks.next()
        signal.throwIfAborted()
        if (block === null) throw cutOff(whole.bytes(), size)
        const part = block.bytes.subarray(block.start, Math.min(block.end, block.start + whole.missing()))
        whole.append(part)
        block.start += part.length
        if (whole.missing() > 0) blocks.retire(block, false)
        blocks.ahead()
      }
      const { records, stop } = scan(whole.bytes(), 0, size, verify, maxRecordBytes)
      if (stop !== 'incomplete') throw badRecord(stop, whole.bytes(), 0)
      passed(size, 1)
      yield { elements: records, next: offset }
      blocks.requested()
    }
  }

  function badRecord(stop: Exclude<ScanStop, 'incomplete'>, bytes: Uint8Array, at: number): MillraceError {
    const length = lengthAt(bytes, at)
    const next = offset + FRAME_BYTES + length
    if (stop === 'data') return corruptData(place(), next)
    if (!lengthIsSound(bytes, at)) return corruptLength(place())
    if (next > byteLength) return truncated(place(), FRAME_BYTES + length, byteLength - offset)
    return tooLarge(place(), length, maxRecordBytes, next)
  }

  function cutOff(bytes: Uint8Array, size: number): MillraceError {
    return truncated(place(), bytes.length < HEADER_BYTES ? undefined : size, bytes.length)
  }
}

/** A buffer for one record that is being put together. */
interface LargeRecord {
  missing(): number
  append(bytes: Uint8Array): void
  bytes(): Uint8Array
}

/**
 * Buffers for records that are larger than a block. Above `promised` bytes they grow with the data that arrive, to the
 * double, so that memory is not taken on the word of a length alone. With `reuse` two of them take turns.
 */
function largeBuffers(reuse: boolean, promised: number): (size: number, begin: Uint8Array) => LargeRecord {
  const kept: Uint8Array[] = []
  return (size, begin) => {
    let buffer = kept.length === 2 ? kept.shift() : undefined
    let filled = 0
    const reserve = (count: number): Uint8Array => {
      if (buffer !== undefined && buffer.length >= count) return buffer
      const grown = new Uint8Array(Math.min(size, Math.max(count, 2 * filled, promised)))
      if (buffer !== undefined) grown.set(buffer.subarray(0, filled))
      return (buffer = grown)
    }
    const append = (bytes: Uint8Array): void => {
      reserve(filled + bytes.length).set(bytes, filled)
      filled += bytes.length
      if (filled === size && reuse) kept.push(reserve(size))
    }
    append(begin)
    return { missing: () => size - filled, append, bytes: () => reserve(filled).subarray(0, filled) }
  }
}
