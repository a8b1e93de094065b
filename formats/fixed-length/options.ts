/** How files of records of one length are read. */
export interface FixedLengthOptions {
  /** Bytes of one record, from 1 to 2^31 - 1. */
  readonly recordBytes: number
  /** Bytes at the beginning of each file that belong to no record. @default 0 */
  readonly headerBytes?: number | undefined
  /** Bytes at the end of each file that belong to no record. @default 0 */
  readonly footerBytes?: number | undefined
  /** How the whole file is compressed; header and footer are in the decompressed data. @default 'none' */
  readonly compression?: 'none' | 'gzip' | 'zlib' | undefined
  /** Bytes per read, from 1 to 2^30, rounded to whole records, and at least one. Up to three reads are under way. @default 1048576 */
  readonly readBytes?: number | undefined
}

/** {@link FixedLengthOptions} with every default filled in. */
export type ResolvedFixedLengthOptions = { readonly [K in keyof FixedLengthOptions]-?: Exclude<FixedLengthOptions[K], undefined> }

const COMPRESSIONS: readonly unknown[] = ['none', 'gzip', 'zlib']

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: FixedLengthOptions): ResolvedFixedLengthOptions {
  if (typeof options !== 'object' || (options as unknown) === null) throw new TypeError('options must be an object with recordBytes: there is no record length to take for granted')
  const { recordBytes, headerBytes = 0, footerBytes = 0, compression = 'none', readBytes = 2 ** 20 } = options
  checkInteger('recordBytes', recordBytes, 1, 2 ** 31 - 1)
  checkInteger('headerBytes', headerBytes, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('footerBytes', footerBytes, 0, 2 ** 30)
  checkInteger('readBytes', readBytes, 1, 2 ** 30)
  if (!COMPRESSIONS.includes(compression)) throw new RangeError(`compression must be 'none', 'gzip' or 'zlib', not ${String(compression)}`)
  return { recordBytes, headerBytes, footerBytes, compression, readBytes }
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${(value as unknown) === null ? 'null' : typeof value}`)
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${String(value)}`)
}
