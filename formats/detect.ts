/**
 * Which format a file is in, when nobody says: by its name, and by its first bytes. An explicit `format` is never asked about.
 */
import { MillraceError } from '../src/format.js'
import { detect as isHdf5 } from './hdf5/detect.js'
import { detect as isIdx } from './idx/detect.js'
import { detect as isNpy } from './npy/detect.js'
import { detect as isNpz } from './npz/detect.js'
import { detect as isTfrecord } from './tfrecord/detect.js'

/** How many of the first bytes of a file {@link detectFormat} looks at: so far the superblock of HDF5 is looked for. */
export const HEAD_BYTES = 4096 + 8

/** Formats that begin with something of their own. */
const MAGIC: { readonly [format: string]: (head: Uint8Array, byteLength: number) => boolean } = {
  tfrecord: isTfrecord, npy: isNpy, npz: isNpz, hdf5: isHdf5, idx: isIdx
}

/** The formats whose magic bytes these are. `head` is the beginning of the file, {@link HEAD_BYTES} of it or all. */
export function formatsByMagic(head: Uint8Array, byteLength: number): string[] {
  return Object.entries(MAGIC).filter(([, detect]) => detect(head, byteLength)).map(([format]) => format)
}

/**
 * The format of a file. `named` is the format that its name stands for, if any.
 *
 * The name decides, unless the bytes say another format. Files that are compressed as a whole, empty or damaged at their beginning have no
 * magic bytes, so these are told by their names only.
 * @throws MillraceError `Unsupported` when neither says anything, `Mismatch` when they contradict each other or the bytes say several.
 */
export function detectFormat(uri: string, named: string | undefined, head: Uint8Array, byteLength: number): string {
  const found = formatsByMagic(head, byteLength)
  if (named !== undefined && (found.length === 0 || found.includes(named))) return named
  const [only] = found
  if (named === undefined && only !== undefined && found.length === 1) return only
  const fail = (kind: 'Mismatch' | 'Unsupported', what: string, options: readonly string[]): never => {
    throw new MillraceError(kind, `${uri}: ${what}. Say which it is: ${options.map((format) => `{ format: '${format}' }`).join(' or ')}.`, { uri, operation: 'open' })
  }
  if (named !== undefined) return fail('Mismatch', `its name says ${named}, and its first bytes say ${found.join(' and ')}`, [named, ...found])
  if (found.length > 1) return fail('Mismatch', `its first bytes are those of ${found.join(' and of ')}, and its name says nothing`, found)
  return fail('Unsupported', 'neither its name nor its first bytes say which format it is in', [...Object.keys(MAGIC), 'raw', 'fixedLengthRecords'])
}
