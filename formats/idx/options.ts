/** How IDX files are read. */
export interface IdxOptions {
  /** How the whole file is compressed. `auto` looks at its first two bytes: those of IDX are zero. @default 'auto' */
  readonly compression?: 'auto' | 'none' | 'gzip' | undefined
  /** Bytes per read, from 1 to 2^30, rounded to whole rows. @default 1048576 */
  readonly readBytes?: number | undefined
}

/** {@link IdxOptions} with every default filled in. */
export type ResolvedIdxOptions = { readonly [K in keyof IdxOptions]-?: Exclude<IdxOptions[K], undefined> }

/**
 * Checks the options and fills in the defaults.
 * @throws RangeError for an option that is none.
 */
export function resolveOptions(options: IdxOptions = {}): ResolvedIdxOptions {
  const { compression = 'auto', readBytes = 2 ** 20 } = options
  if (compression !== 'auto' && compression !== 'none' && compression !== 'gzip') {
    throw new RangeError(`compression must be 'auto', 'none' or 'gzip', not ${String(compression)}`)
  }
  if (Number.isInteger(readBytes) && readBytes >= 1 && readBytes <= 2 ** 30) return { compression, readBytes }
  throw new RangeError(`readBytes must be an integer from 1 to ${2 ** 30}, not ${String(readBytes)}`)
}
