import type { ByteSource } from '../../src/format.js'
import { boundedCache } from './cache.js'
import { corrupt, limit, truncated, type Place } from './faults.js'

/** The metadata of a file: structures at addresses, read through a cache of blocks. */
export interface Access {
  readonly uri: string
  readonly source: ByteSource
  /** Bytes of an address and of a length in this file: 2, 4 or 8. */
  readonly offsetBytes: number
  readonly lengthBytes: number
  /** Where address 0 is in the file: behind the user block. */
  readonly base: number
  /** The dataset or group that is being read, for errors. */
  readonly path: string | undefined
  readonly signal: AbortSignal
  /**
   * The bytes at an address; a view that must not be changed.
   * @param what Names the structure in errors.
   */
  read(address: number, length: number, what: string): Promise<Uint8Array>
  /** The bytes at an address, or as many of them as the file has, but one at least. */
  readSome(address: number, most: number, what: string): Promise<Uint8Array>
  /** The place of an address, for errors. */
  place(address: number): Place
  /** The same file, for reads under another path or signal. */
  with(changes: { readonly path?: string | undefined; readonly signal?: AbortSignal; readonly format?: FileFormat }): Access
}

/** What the superblock says of addresses. */
export interface FileFormat {
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly base: number
}

/** Bytes of a block of the cache, and of all blocks that are kept. */
const BLOCK_BYTES = 2 ** 16
const CACHE_BYTES = 2 ** 22
/** Blocks that are read at once when the ones before were read in order. */
const MOST_AHEAD = 16
/** The largest structure that is read. */
const MOST_BYTES = 2 ** 28

/** Reads the metadata of a source, in blocks of 64 KiB of which 4 MiB are kept, and more of them at once when they are read in order. */
export function openAccess(source: ByteSource, signal: AbortSignal): Access {
  const blocks = boundedCache<number, Uint8Array>(CACHE_BYTES, block => block.length)
  /** The block behind the last one that was read, and how many to read at once there. */
  let expected = -1
  let ahead = 1

  async function readBlocks(first: number, count: number, signal: AbortSignal): Promise<void> {
    ahead = first === expected ? Math.min(2 * ahead, MOST_AHEAD) : 1
    const last = Math.ceil(source.byteLength / BLOCK_BYTES)
    const until = Math.min(last, first + Math.max(count, ahead))
    expected = until
    const start = first * BLOCK_BYTES
    const bytes = new Uint8Array(Math.min(until * BLOCK_BYTES, source.byteLength) - start)
    await source.read(start, bytes, { signal })
    // Copies, so that a block that is kept does not hold the others.
    for (let i = first; i < until; i++) {
      const at = (i - first) * BLOCK_BYTES
      blocks.set(i, until - first === 1 ? bytes : bytes.slice(at, at + BLOCK_BYTES))
    }
  }

  async function block(index: number, signal: AbortSignal): Promise<Uint8Array> {
    const there = blocks.peek(index)
    if (there !== undefined) return there
    return blocks.get(index, signal, async () => {
      await readBlocks(index, 1, signal)
      return blocks.peek(index) ?? new Uint8Array(0)
    })
  }

  async function readRange(start: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const first = Math.floor(start / BLOCK_BYTES)
    const last = Math.floor((start + length - 1) / BLOCK_BYTES)
    if (first === last) {
      const bytes = await block(first, signal)
      return bytes.subarray(start - first * BLOCK_BYTES, start - first * BLOCK_BYTES + length)
    }
    const bytes = new Uint8Array(length)
    if (last - first >= MOST_AHEAD) {
      await source.read(start, bytes, { signal })
      return bytes
    }
    for (let i = first; i <= last; i++) {
      // The run of blocks that are missing, in one read.
      let missing = 0
      while (i + missing <= last && blocks.peek(i + missing) === undefined) missing++
      if (missing > 1) await readBlocks(i, missing, signal)
      const from = i * BLOCK_BYTES
      const part = await block(i, signal)
      bytes.set(part.subarray(Math.max(0, start - from), Math.min(part.length, start + length - from)), Math.max(0, from - start))
    }
    return bytes
  }

  function view(format: FileFormat, path: string | undefined, signal: AbortSignal): Access {
    const place = (address: number): Place => ({ uri: source.uri, offset: format.base + address, path })
    const access: Access = {
      uri: source.uri,
      source,
      ...format,
      path,
      signal,
      place,
      async read(address, length, what) {
        const start = format.base + address
        if (!(address >= 0) || start >= source.byteLength) throw corrupt(place(address), `${what} would begin behind the end of the file`)
        if (start + length > source.byteLength) {
          throw truncated(place(address), `${what} takes ${length} bytes, of which the file has ${source.byteLength - start}`)
        }
        if (length > MOST_BYTES) {
          throw limit(place(address), `${what} takes ${length} bytes, more than the ${MOST_BYTES} that are read for one structure`,
            'Write the dataset in larger chunks')
        }
        signal.throwIfAborted()
        return length === 0 ? new Uint8Array(0) : readRange(start, length, signal)
      },
      async readSome(address, most, what) {
        const start = format.base + address
        return access.read(address, Math.max(1, Math.min(most, source.byteLength - start)), what)
      },
      with: changes => view(changes.format ?? format, 'path' in changes ? changes.path : path, changes.signal ?? signal)
    }
    return access
  }

  return view({ offsetBytes: 8, lengthBytes: 8, base: 0 }, undefined, signal)
}
