import { takeRecordMemory, type ByteSource, type RecordMemory } from '../../src/format.js'

/** Bytes in order. Calls of `fill` may overlap; they are served in the order in which they were made. */
export interface ByteStream {
  /** Bytes that no `fill` has asked for yet; `Infinity` while that is not known. */
  left(): number
  /** Puts the next bytes into the beginning of `into`. Fewer than it holds only at the end, or before an error. */
  fill(into: Uint8Array): Promise<number>
  /** Stops what is under way and waits for it. */
  close(): Promise<void>
}

/** A source from `offset` to its end. Closing it aborts `controller`. */
export function plainStream(source: ByteSource, offset: number, controller: AbortController): ByteStream {
  const { signal } = controller
  const pending = new Set<Promise<unknown>>()
  return {
    left: () => source.byteLength - offset,
    fill(into) {
      const bytes = into.subarray(0, Math.min(into.length, source.byteLength - offset))
      const read = source.read(offset, bytes, { signal }).then(() => bytes.length)
      offset += bytes.length
      const settled: Promise<unknown> = read.then(() => pending.delete(settled), () => pending.delete(settled))
      pending.add(settled)
      return read
    },
    async close() {
      controller.abort()
      await Promise.all(pending)
    }
  }
}

/** A buffer with `bytes[start, end)` filled. There is room before `start` for the beginning of a record from the block before. */
export interface Block {
  readonly bytes: Uint8Array
  start: number
  readonly end: number
}

/** A stream in blocks, of which some are read before they are asked for. */
export interface ReadAhead {
  /** Bytes of a full block. */
  readonly blockBytes: number
  /** Whether lent blocks come back. */
  readonly reuse: boolean
  /** Room before `start` of each block. */
  readonly headroom: number
  /** The memory that all blocks lie in, where a kernel can cut records without copying them; `null` for buffers of their own. */
  readonly memory: RecordMemory | null
  /** The next block, `null` at the end. */
  next(): Promise<Block | null>
  /** Starts the reads that may be under way now. */
  ahead(): void
  /** Takes a block back. `handedOut`: the last chunk has views of it. */
  retire(block: Block, handedOut: boolean): void
  /** To be called when one more chunk has been asked for: blocks retired before are not used any more. */
  requested(): void
  /** Stops and awaits what is under way. */
  close(): Promise<void>
}

/** Two reads under way keep a local disk busy; one leaves it idle while the data are handed over. */
const DEPTH = 2
/** Where blocks come back, more of them cost no more first touches of memory, and a busy machine starves less. */
const REUSED_DEPTH = 4
const MOST_HEADROOM = 2 ** 18

/**
 * Reads a stream in blocks, some of them in advance.
 *
 * With `reuse` blocks that were lent come back, so that there are never more than six: one lent, one being decoded, four
 * being read; they lie in one memory. Without it lent blocks are left to their users.
 */
export function readAhead(stream: ByteStream, options: { readonly blockBytes: number; readonly reuse: boolean }): ReadAhead {
  const blockBytes = Math.min(options.blockBytes, Math.max(stream.left(), 1))
  const headroom = Math.max(16, Math.min(MOST_HEADROOM, blockBytes >>> 2))
  const flights: { readonly bytes: Uint8Array; readonly filled: Promise<number> }[] = []
  const free: Uint8Array[] = []
  const lent: Uint8Array[] = []
  const depth = options.reuse ? REUSED_DEPTH : DEPTH
  // One lent, one being decoded, the others being read.
  const most = depth + 2
  const stride = (headroom + blockBytes + 63) & ~63
  const memory = options.reuse ? takeRecordMemory(most * stride) : null
  let owned = 0

  function start(): void {
    let bytes = free.pop()
    if (bytes === undefined) {
      bytes = memory === null ? new Uint8Array(headroom + blockBytes) : memory.bytes.subarray(owned * stride, owned * stride + headroom + blockBytes)
      owned++
    }
    const filled = stream.fill(bytes.subarray(headroom))
    filled.catch(() => undefined) // It is awaited in `next`, or not at all after an early end.
    flights.push({ bytes, filled })
  }

  return {
    blockBytes,
    headroom,
    memory,
    reuse: options.reuse,
    async next() {
      if (flights.length === 0 && stream.left() > 0) start()
      const flight = flights.shift()
      if (flight === undefined) return null
      const count = await flight.filled
      return count === 0 ? null : { bytes: flight.bytes, start: headroom, end: headroom + count }
    },
    ahead() {
      while (flights.length < depth && stream.left() > 0 && (free.length > 0 || owned < most)) start()
    },
    retire(block, handedOut) {
      if (!handedOut) free.push(block.bytes)
      else if (options.reuse) lent.push(block.bytes)
      else owned--
    },
    requested() {
      free.push(...lent.splice(0))
    },
    async close() {
      await stream.close()
      memory?.free()
    }
  }
}
