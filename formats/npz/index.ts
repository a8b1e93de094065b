/**
 * NPZ: NumPy's archive of arrays, a ZIP file of NPY files. The layout of the bytes, the limits and the behaviour on damaged files are
 * described in `docs/formats/npy.md`.
 */
import { tableReader, type Format } from '../../src/format.js'
import { tableOf } from '../npy/table.js'
import { chooseMembers, openArrays } from './archive.js'
import { readDirectory } from './directory.js'
import { resolveOptions, type NpzOptions } from './options.js'

export { inspectNpz, type NpzArray, type NpzInfo } from './inspect.js'

/**
 * Reads NPZ files row by row across their arrays, or with `element: 'file'` whole. An element is an object of arrays, or of values where an
 * array has one axis.
 *
 * A file is one fragment. Rows of stored arrays are read as ranges of the file, in any order. Deflated ones are decompressed in order, side by
 * side and ahead of demand, so that going back means to begin anew.
 *
 * `Corrupt`, `Truncated`, `Unsupported`, `Limit`, `NotFound` (no such array) or `Mismatch` (arrays of different length), with `uri` and mostly
 * `offset`. Checksums: of deflated arrays when their end is reached, of stored ones when they are read whole.
 */
export const npz: Format<unknown, NpzOptions> = {
  name: 'npz',
  extensions: ['npz'],
  tabular: true,
  async open(source, options, { signal }) {
    const resolved = resolveOptions(options)
    const choices = chooseMembers(source.uri, await readDirectory(source, signal), resolved.keys)
    const { arrays, close } = await openArrays(source, choices, resolved, signal)
    try {
      return tableReader({ ...tableOf(source.uri, arrays, resolved), close }, { uri: source.uri })
    } catch (error) {
      await close()
      throw error
    }
  }
}
