/** How NPY files are read. */
export interface NpyOptions {
  /**
   * What an element is: a row along the first axis (an array of rank 0 is one row), or the whole array of the file.
   * @default 'row'
   */
  readonly element?: 'row' | 'file' | undefined
  /**
   * What the bytes of `S` strings mean: text in UTF-8 (anything else is an error), text in Latin-1 (one character per byte), or
   * bytes: then they become uint8 with one more axis, NULs included.
   * @default 'utf-8'
   */
  readonly strings?: 'utf-8' | 'latin1' | 'bytes' | undefined
  /**
   * The most bytes of an array in Fortran order that are read as one block; such an array is transposed block by block. A smaller
   * number needs less memory (about five blocks) and more, shorter reads.
   * @default 33554432
   */
  readonly fortranBytes?: number | undefined
}

/** {@link NpyOptions} with every default filled in. */
export type ResolvedNpyOptions = { readonly [K in keyof NpyOptions]-?: Exclude<NpyOptions[K], undefined> }

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: NpyOptions = {}): ResolvedNpyOptions {
  const { element = 'row', strings = 'utf-8', fortranBytes = 32 << 20 } = options
  checkOneOf('element', element, ['row', 'file'])
  checkOneOf('strings', strings, ['utf-8', 'latin1', 'bytes'])
  checkInteger('fortranBytes', fortranBytes, 1, 2 ** 40)
  return { element, strings, fortranBytes }
}

function checkOneOf(name: string, value: unknown, values: readonly string[]): void {
  if (typeof value === 'string' && values.includes(value)) return
  throw new RangeError(`${name} must be ${values.map((known) => `'${known}'`).join(' or ')}, not ${typeof value === 'string' ? `'${value}'` : String(value)}`)
}

export function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`)
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`)
}
