import { inParallel, isMillraceError, type ByteSource } from '../../src/format.js'
import { infoOf, type NpyInfo } from '../npy/inspect.js'
import { keyOf, openArrays } from './archive.js'
import { readDirectory } from './directory.js'
import { STORED } from './member.js'
import { resolveOptions } from './options.js'

/** What is in an NPZ file. */
export interface NpzInfo {
  /** In the order of the directory. */
  readonly arrays: readonly NpzArray[]
}

/** A member of an NPZ file. */
export interface NpzArray {
  /** What NumPy calls it: the name of the member without `.npy`. */
  readonly key: string
  readonly compression: 'none' | 'deflate'
  /** Bytes in the file. */
  readonly compressedBytes: number
  /** Bytes of the member when it is decompressed: the header of the array and its data. */
  readonly bytes: number
  /** What its header says; offsets count from the beginning of the decompressed data if it is deflated. Absent if it cannot be read. */
  readonly info?: NpyInfo
  /** Why it cannot be read. */
  readonly problem?: string
}

/** Tells what is in an NPZ file: its directory and the headers of its arrays. @throws MillraceError when the directory cannot be read */
export async function inspectNpz(source: ByteSource, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<NpzInfo> {
  const signal = options.signal ?? new AbortController().signal
  const members = await readDirectory(source, signal)
  const limits = resolveOptions({ strings: 'latin1', maxRowBytes: Number.MAX_SAFE_INTEGER, maxInflatedBytes: Number.MAX_SAFE_INTEGER })
  const arrays: NpzArray[] = []
  await inParallel([...members.entries()], 4, async ([i, member]) => {
    const array: NpzArray = {
      key: keyOf(member), compression: member.method === STORED ? 'none' : 'deflate', compressedBytes: member.compressedBytes, bytes: member.bytes
    }
    try {
      const opened = await openArrays(source, [{ as: array.key, member }], limits, signal)
      await opened.close()
      const [first] = opened.arrays
      arrays[i] = first === undefined ? array : { ...array, info: infoOf(first.array.region, first.array.header) }
    } catch (error) {
      if (!isMillraceError(error)) throw error
      arrays[i] = { ...array, problem: error.message }
    }
  })
  return { arrays }
}
