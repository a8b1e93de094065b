/**
 * NPY: NumPy's file of one array. The layout of the bytes, the limits and the behaviour on damaged files are described in
 * `docs/formats/npy.md`.
 */
import { tableReader, type Format } from '../../src/format.js'
import { arrayReader } from './array.js'
import { readHeader } from './header.js'
import { headOf } from './inspect.js'
import { resolveOptions, type NpyOptions } from './options.js'
import { fileRegion } from './region.js'
import { tableOf } from './table.js'

export { inspectNpy, type NpyColumn, type NpyInfo } from './inspect.js'

/**
 * Reads NPY files row by row, or with `element: 'file'` whole.
 *
 * A file is one fragment. Rows of plain dtypes are read straight into the arrays that they end up in; big-endian ones have their bytes
 * reversed there. Arrays in Fortran order are transposed block by block.
 *
 * `Corrupt`, `Truncated`, `Unsupported` or `Limit`, with `uri` and `offset`, when the header is damaged, when the file is not as long as it says,
 * or for dtypes that cannot be read; then there are no rows. The format has no checksum: damaged data are not noticed.
 */
export const npy: Format<unknown, NpyOptions> = {
  name: 'npy',
  extensions: ['npy'],
  tabular: true,
  async open(source, options, { signal }) {
    const resolved = resolveOptions(options)
    const region = fileRegion(source)
    const header = await readHeader(region, await headOf(region, signal), resolved.strings, signal)
    return tableReader(tableOf(source.uri, [{ key: undefined, array: arrayReader(region, header, resolved.strings) }], resolved), { uri: source.uri })
  }
}
