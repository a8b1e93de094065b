/**
 * HDF5. The layout of the bytes, what is read here and what by the fallback, the limits and the behaviour on damaged files are described
 * in `docs/formats/hdf5.md`.
 */
import { isMillraceError, tableReader, type ByteSource, type Format, type Table, type TableReader } from '../../src/format.js'
import { openHdf5File } from './file.js'
import type { Hdf5OpenOptions, Hdf5Paths, OpenFallbackTable } from './model.js'
import { resolveOptions, type Hdf5Options, type ResolvedOptions } from './options.js'
import { zipTables, type KeyedTable } from './zip.js'

export { openHdf5File } from './file.js'
export type {
  Hdf5Attributes, Hdf5Dataset, Hdf5DatasetFacts, Hdf5File, Hdf5Filter, Hdf5Group, Hdf5Node, Hdf5OpenOptions, Hdf5Paths, Hdf5Value
} from './model.js'
export { resolveOptions as resolveHdf5Options, type Hdf5Options } from './options.js'

/**
 * Reads datasets of HDF5 files, row by row along their first axis; several of them side by side.
 *
 * A file is one fragment, of as many elements as there are rows. Rows of one dataset are what its values are (numbers, strings,
 * arrays), of a compound dataset an object of its members, of several datasets an object of theirs by key.
 */
export const hdf5: Format<unknown, Hdf5Options> = {
  name: 'hdf5',
  extensions: ['h5', 'hdf5', 'he5', 'hdf'],
  tabular: true,
  async open(source, options, { signal }): Promise<TableReader> {
    const resolved = resolveOptions(options)
    const table = await openTable(source, resolved, { signal, cacheBytes: resolved.cacheBytes, maxChunkBytes: resolved.maxChunkBytes })
    return tableReader(table, { uri: source.uri })
  }
}

/** One table of all datasets: those that are `Unsupported` here come from the fallback. */
async function openTable(source: ByteSource, { datasets, reader }: ResolvedOptions, options: Hdf5OpenOptions): Promise<Table> {
  if (reader === 'h5wasm') return openFallback(source, datasets, options)
  const keys = typeof datasets === 'string' ? [['', datasets] as const] : Object.entries(datasets)
  const tables: KeyedTable[] = []
  const others: Record<string, string> = {}
  try {
    const file = await openHdf5File(source, options)
    for (const [key, path] of keys) {
      try {
        tables.push([key, (await file.dataset(path)).table()])
      } catch (error) {
        if (reader !== 'auto' || !isMillraceError(error, 'Unsupported')) throw error
        Object.defineProperty(others, key, { value: path, enumerable: true })
      }
    }
  } catch (error) {
    if (reader !== 'auto' || !isMillraceError(error, 'Unsupported')) throw error
    return openFallback(source, datasets, options)
  }
  const [only] = tables
  if (only === undefined) return openFallback(source, datasets, options)
  if (typeof datasets === 'string') return only[1]
  if (tables.length === keys.length) return zipTables(tables, source.uri)
  const fallback = await openFallback(source, others, options)
  try {
    return zipTables([...tables, [null, fallback]], source.uri)
  } catch (error) {
    await fallback.close?.()
    throw error
  }
}

async function openFallback(source: ByteSource, paths: Hdf5Paths, options: Hdf5OpenOptions): Promise<Table> {
  const { openFallbackTable } = (await import('./h5wasm/fallback.js')) as { readonly openFallbackTable: OpenFallbackTable }
  return openFallbackTable(source, paths, options)
}
