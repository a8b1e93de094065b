/** How TFRecord files are read. */
export interface TfrecordOptions {
  /**
   * How the whole file is compressed. `auto` looks at its first 12 bytes: a length with the right checksum is a plain file.
   * @default 'auto'
   */
  readonly compression?: 'auto' | 'none' | 'gzip' | 'zlib' | undefined
  /**
   * Whether the masked CRC-32C of every length and of every record is checked. Without it a damaged file gives damaged
   * records, and lengths are checked for plausibility only.
   * @default true
   */
  readonly verify?: boolean | undefined
  /**
   * Bytes per read, from 16 to 2^30. Two reads are under way while records are taken from a third block; four where blocks are used again.
   * @default 1048576
   */
  readonly readBytes?: number | undefined
  /**
   * The largest record, in bytes, that is read into memory; at most 2^31 - 17. Larger ones are a `Limit` error.
   * @default 1073741824
   */
  readonly maxRecordBytes?: number | undefined
  /**
   * Whether an index that lies beside the file (`<file>.mrindex`, or `<file>.idx` as NVIDIA DALI has it) is used, so that the file has a
   * length and access by ordinal. `auto`: if there is one, and the file is not compressed. `true`: it is an error if there is none.
   * @default 'auto'
   */
  readonly index?: 'auto' | boolean | undefined
}

/** {@link TfrecordOptions} with every default filled in. */
export type ResolvedOptions = { readonly [K in keyof TfrecordOptions]-?: Exclude<TfrecordOptions[K], undefined> }

const COMPRESSIONS: readonly unknown[] = ['auto', 'none', 'gzip', 'zlib']
/** Offsets inside a buffer stay below 2^31, so that they are small integers to the machine. */
const LARGEST_RECORD = 2 ** 31 - 17

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: TfrecordOptions = {}): ResolvedOptions {
  const { compression = 'auto', verify = true, readBytes = 2 ** 20, maxRecordBytes = 2 ** 30, index = 'auto' } = options
  if (!COMPRESSIONS.includes(compression)) {
    throw new RangeError(`compression must be 'auto', 'none', 'gzip' or 'zlib', not ${String(compression)}`)
  }
  if (typeof verify !== 'boolean') throw new TypeError(`verify must be true or false, not ${String(verify)}`)
  checkInteger('readBytes', readBytes, 16, 2 ** 30)
  checkInteger('maxRecordBytes', maxRecordBytes, 0, LARGEST_RECORD)
  if (index !== 'auto' && typeof index !== 'boolean') throw new TypeError(`index must be 'auto', true or false, not ${String(index)}`)
  return { compression, verify, readBytes, maxRecordBytes, index }
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${String(value)}`)
}
