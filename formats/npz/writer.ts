import type { ObjectMeta, ObjectWriter } from '../../src/format.js'
import { asArray, type Writable } from '../npy/encode.js'
import { npyPieces } from '../npy/writer.js'
import { zipWriter } from './zip-writer.js'

/** How an NPZ file is written. */
export interface NpzWriteOptions {
  /** Rows of arrays that are not compressed can be read in any order. @default 'none' */
  readonly compression?: 'none' | 'deflate' | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes arrays as an NPZ file, in the order of the object. Finalizes the object writer, or aborts it when anything fails.
 *
 * The same arrays make the same file. Members of 4 GiB and more, and archives of that size, are zip64. Memory: about 2 MiB.
 * @throws TypeError for what is no array or name; MillraceError `Lossy` for strings with a NUL at the end
 */
export async function writeNpzTo(writer: ObjectWriter, arrays: { readonly [name: string]: Writable }, options: NpzWriteOptions = {}): Promise<ObjectMeta> {
  const { compression = 'none', signal } = options
  try {
    if (compression !== 'none' && compression !== 'deflate') throw new RangeError(`compression must be 'none' or 'deflate', not ${String(compression)}`)
    const members = Object.entries(arrays).map(([name, array]) => ({ name: fileName(name), content: npyPieces(asArray(`the array ${name}`, array)) }))
    const zip = zipWriter(writer)
    for (const { name, content } of members) {
      signal?.throwIfAborted()
      await zip.add(name, content, compression, signal)
    }
    await zip.end()
    return await writer.finalize()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function fileName(name: string): string {
  if (name === '' || name.length > 20_000 || name.includes('\0') || !wellFormed(name)) {
    throw new TypeError(`${JSON.stringify(name.slice(0, 60))} is no name of an array in an archive: it must have 1 to 20000 characters of Unicode and no NUL`)
  }
  return `${name}.npy`
}

/** No half of a surrogate pair stands alone: it would become another character in UTF-8. */
function wellFormed(name: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(name)
}
