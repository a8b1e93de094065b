import type { Hdf5Paths } from './model.js'

/** Which datasets of HDF5 files are read, and how. */
export interface Hdf5Options {
  /**
   * The path of a dataset, or one for each key of the rows: `{ xs: '/images', ys: '/labels' }`. Several datasets must have the same
   * number of rows.
   */
  readonly datasets: string | Readonly<Record<string, string>>
  /**
   * `own` reads byte ranges and decodes them here; `h5wasm` is the HDF Group's library in WebAssembly, in a worker thread; `auto`
   * takes the first, and the second for what the first says is `Unsupported`.
   * @default 'auto'
   */
  readonly reader?: 'auto' | 'own' | 'h5wasm' | undefined
  /**
   * Most bytes of decoded chunks that are kept per dataset, for reads that end inside a chunk. One chunk is kept in any case.
   * @default 67108864
   */
  readonly cacheBytes?: number | undefined
  /**
   * The largest chunk and the largest row, in bytes, that are read into memory; at most 2^31 - 17. Larger ones are a `Limit` error.
   * @default 1073741824
   */
  readonly maxChunkBytes?: number | undefined
}

/** {@link Hdf5Options} with every default filled in. */
export interface ResolvedOptions {
  readonly datasets: Hdf5Paths
  readonly reader: 'auto' | 'own' | 'h5wasm'
  readonly cacheBytes: number
  readonly maxChunkBytes: number
}

const READERS: readonly unknown[] = ['auto', 'own', 'h5wasm']

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: Hdf5Options): ResolvedOptions {
  const { datasets, reader = 'auto', cacheBytes = 2 ** 26, maxChunkBytes = 2 ** 30 } = (options ?? {}) as Partial<Hdf5Options>
  if (!READERS.includes(reader)) throw new RangeError(`reader must be 'auto', 'own' or 'h5wasm', not ${String(reader)}`)
  checkInteger('cacheBytes', cacheBytes, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('maxChunkBytes', maxChunkBytes, 1, 2 ** 31 - 17)
  return { datasets: checkPaths(datasets), reader, cacheBytes, maxChunkBytes }
}

function checkPaths(datasets: unknown): Hdf5Paths {
  if (typeof datasets === 'string') return checkPath('datasets', datasets)
  if (typeof datasets !== 'object' || datasets === null || Array.isArray(datasets)) {
    throw new TypeError(`datasets must be the path of a dataset, or an object of paths such as { xs: '/images' }, not ${Array.isArray(datasets) ? 'an array' : String(datasets)}`)
  }
  const entries = Object.entries(datasets as Record<string, unknown>)
  if (entries.length === 0) throw new RangeError('datasets must name one dataset at least')
  return Object.freeze(Object.fromEntries(entries.map(([key, path]) => [key, checkPath(`datasets.${key}`, path)])))
}

function checkPath(name: string, path: unknown): string {
  if (typeof path !== 'string') throw new TypeError(`${name} must be the path of a dataset, not ${String(path)}`)
  if (path.split('/').every(part => part === '')) throw new RangeError(`${name} must be the path of a dataset, not '${path}'`)
  return path
}

function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${String(value)}`)
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`)
}
