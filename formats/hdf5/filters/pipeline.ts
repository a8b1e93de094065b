import { inflate, unshuffle } from '../../../src/format.js'
import { corrupt, unsupported, type Place } from '../faults.js'
import { FILTER } from '../messages/filters.js'
import type { Hdf5Filter } from '../model.js'
import { matchesFletcher32 } from './fletcher32.js'
import { lzfDecompress } from './lzf.js'

/** Undoes the filters of chunks. */
export interface Pipeline {
  /** Most bytes that a chunk can have in the file. */
  readonly mostStored: number
  /**
   * Decodes a chunk: into `into`, or gives bytes that belong to the caller (or are `stored` itself, when every filter is left out).
   * @param mask Bit `i` says that filter `i` was left out.
   */
  decode(stored: Uint8Array, mask: number, place: Place, into: Uint8Array | undefined): Promise<Uint8Array>
}

const READ: ReadonlySet<number> = new Set(Object.values(FILTER))
/** In which package the filters are that HDF5 itself does not have. */
const PLUG_INS = 'Filters beside deflate, shuffle, fletcher32 and lzf are read by h5wasm with the package h5wasm-plugins'
/** Deflate makes at most 1032 bytes of one, LZF 88. */
const MOST_EXPANSION = 1032

/**
 * Prepares to undo filters.
 * @throws MillraceError `Unsupported` that names the filter and the package that has it.
 */
export function openPipeline(filters: readonly Hdf5Filter[], chunkBytes: number, place: Place): Pipeline {
  for (const { id, name } of filters) {
    if (!READ.has(id)) throw unsupported(place, `its chunks are filtered with ${name} (${id})`, `${PLUG_INS} (reader: 'auto' or 'h5wasm')`)
  }
  // Filters were applied in order, so they are undone from the last to the first.
  const steps = filters.map((filter, i) => ({ ...filter, bit: 2 ** i })).toReversed()
  /** Bytes behind each step, or before compression: what a step is expected to give. */
  const sizesWith = (mask: number): readonly (number | undefined)[] => {
    let size: number | undefined = chunkBytes
    const sizes: (number | undefined)[] = []
    for (const { id, bit } of steps.toReversed()) {
      sizes.unshift(size)
      if (masked(mask, bit)) continue
      if (id === FILTER.fletcher32) size = size === undefined ? undefined : size + 4
      else if (id !== FILTER.shuffle) size = undefined
    }
    return sizes
  }
  const usual = sizesWith(0)
  const mostInside = 2 * chunkBytes + 1024

  async function decode(stored: Uint8Array, mask: number, place: Place, into: Uint8Array | undefined): Promise<Uint8Array> {
    const sizes = mask === 0 ? usual : sizesWith(mask)
    let bytes = stored
    for (const [i, { id, name, bit, parameters }] of steps.entries()) {
      if (masked(mask, bit)) continue
      const size = sizes[i]
      const bound = size ?? mostInside
      switch (id) {
        case FILTER.fletcher32: {
          const end = bytes.length - 4
          if (end < 0) throw corrupt(place, 'a chunk is shorter than its checksum')
          const sum = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true)
          bytes = bytes.subarray(0, end)
          if (!matchesFletcher32(bytes, sum)) throw corrupt(place, 'the checksum of a chunk is wrong (fletcher32)')
          break
        }
        case FILTER.shuffle: {
          const itemBytes = parameters[0] ?? 0
          if (itemBytes < 1) throw corrupt(place, `items of ${itemBytes} bytes cannot be shuffled`)
          const target = into !== undefined && into.length === bytes.length && into !== bytes ? into : new Uint8Array(bytes.length)
          unshuffle(bytes, itemBytes, target)
          bytes = target
          break
        }
        default: {
          if (size !== undefined && size > bytes.length * MOST_EXPANSION) throw corrupt(place, `${bytes.length} bytes cannot be the ${size} of a chunk (${name})`)
          bytes = id === FILTER.lzf ? unlzf(bytes, size ?? parameters[2] ?? 0, place) : await inflated(bytes, bound, place)
        }
      }
      if (size !== undefined && bytes.length !== size) throw wrongSize(place, bytes.length, size)
    }
    if (bytes.length !== chunkBytes) throw wrongSize(place, bytes.length, chunkBytes)
    return bytes
  }

  function unlzf(bytes: Uint8Array, size: number, place: Place): Uint8Array {
    const into = new Uint8Array(Math.min(size, mostInside))
    if (!lzfDecompress(bytes, into)) throw corrupt(place, 'the compressed data of a chunk are damaged (lzf)')
    return into
  }

  return { mostStored: mostInside, decode }
}

/** More than one byte too many are not decompressed. */
function wrongSize(place: Place, found: number, size: number): Error {
  return corrupt(place, found > size ? `a chunk decodes to more than ${size} bytes` : `a chunk decodes to ${found} bytes, not ${size}`)
}

async function inflated(bytes: Uint8Array, size: number, place: Place): Promise<Uint8Array> {
  try {
    return await inflate('zlib', bytes, size)
  } catch (cause) {
    throw Object.defineProperty(corrupt(place, 'the compressed data of a chunk are damaged (deflate)'), 'cause', { value: cause })
  }
}

function masked(mask: number, bit: number): boolean {
  return Math.floor(mask / bit) % 2 === 1
}
