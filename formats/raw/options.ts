/** How whole objects are read. */
export interface RawOptions {
  /** True for elements `{ uri, bytes }` instead of the bytes alone. @default false */
  readonly withUri?: boolean | undefined
  /** The largest object, in bytes, that is read into memory; at most 2^33 - 1. Larger ones are a `Limit` error. @default 1073741824 */
  readonly maxBytes?: number | undefined
}

/** {@link RawOptions} with every default filled in. */
export type ResolvedRawOptions = { readonly [K in keyof RawOptions]-?: Exclude<RawOptions[K], undefined> }

/**
 * Checks the options and fills in the defaults.
 * @throws TypeError or RangeError for an option that is none.
 */
export function resolveOptions(options: RawOptions = {}): ResolvedRawOptions {
  const { withUri = false, maxBytes = 2 ** 30 } = options
  if (typeof withUri !== 'boolean') throw new TypeError(`withUri must be true or false, not ${String(withUri)}`)
  if (Number.isInteger(maxBytes) && maxBytes >= 0 && maxBytes < 2 ** 33) return { withUri, maxBytes }
  throw new RangeError(`maxBytes must be an integer from 0 to ${2 ** 33 - 1}, not ${String(maxBytes)}`)
}
