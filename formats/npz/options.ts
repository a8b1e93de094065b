import { checkInteger, resolveOptions as resolveNpyOptions, type NpyOptions, type ResolvedNpyOptions } from '../npy/options.js'

/** How NPZ files are read. */
export interface NpzOptions extends Omit<NpyOptions, 'element'> {
  /**
   * What an element is: one row across all chosen arrays, which must have the same first axis, or the whole file, as an object of arrays.
   * @default 'row'
   */
  readonly element?: 'row' | 'file' | undefined
  /**
   * Which arrays: their names, or an object that gives them other ones, `{ xs: 'images' }`. Only these are read.
   * @default all, in the order of the file
   */
  readonly keys?: readonly string[] | { readonly [name: string]: string } | undefined
  /**
   * The most bytes that the deflated arrays of one file may have in all when they are decompressed. More is a `Limit` error, before anything
   * is decompressed.
   * @default 68719476736
   */
  readonly maxInflatedBytes?: number | undefined
  /**
   * The most bytes of deflated arrays that have to be in memory for one element. Arrays in Fortran order count whole: they have to be
   * decompressed to the end for the first row.
   * @default 1073741824
   */
  readonly maxRowBytes?: number | undefined
}

/** {@link NpzOptions} with every default filled in. */
export interface ResolvedNpzOptions extends ResolvedNpyOptions {
  /** Pairs of a name in the element and a name in the file. */
  readonly keys: readonly (readonly [string, string])[] | undefined
  readonly maxInflatedBytes: number
  readonly maxRowBytes: number
}

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: NpzOptions = {}): ResolvedNpzOptions {
  const { keys, maxInflatedBytes = 2 ** 36, maxRowBytes = 2 ** 30, ...own } = options
  checkInteger('maxInflatedBytes', maxInflatedBytes, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('maxRowBytes', maxRowBytes, 0, Number.MAX_SAFE_INTEGER)
  return { ...resolveNpyOptions(own), keys: pairsOf(keys), maxInflatedBytes, maxRowBytes }
}

function pairsOf(keys: unknown): ResolvedNpzOptions['keys'] {
  if (keys === undefined) return undefined
  if (typeof keys !== 'object' || keys === null) {
    throw new TypeError(`keys must be an array of names, ['images'], or an object of names, { xs: 'images' }, not ${keys === null ? 'null' : typeof keys}`)
  }
  const pairs = Array.isArray(keys) ? keys.map((name: unknown) => [name, name]) : Object.entries(keys)
  if (pairs.length === 0) throw new RangeError('keys names no array; leave it out to read all of them')
  const seen = new Set<unknown>()
  for (const [as, name] of pairs) {
    if (typeof name !== 'string') throw new TypeError(`keys must hold names of arrays, not ${typeof name}`)
    if (seen.has(as)) throw new RangeError(`keys names ${JSON.stringify(as)} twice`)
    seen.add(as)
  }
  return pairs as [string, string][]
}
