/** Bytes of an object. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** How {@link split} cuts. */
export interface SplitOptions {
  /** Bytes of one part. */
  readonly chunkSize: number
  /** Smaller reads stay whole. */
  readonly minSplitSize: number
  /** Requests that have nothing else to do: with fewer than parts, the parts become larger. @default as many as there are parts */
  readonly slots?: number | undefined
  /** Cuts lie at multiples of it where that is possible: the part size of a multipart upload. @default chunkSize */
  readonly alignment?: number | undefined
}

/** How many times `chunkSize` a part becomes at most. Above that, few of them would fill what may be in flight, and be slower than many. */
const LARGEST = 4

/**
 * Cuts a range into parts that are asked for side by side, in the order of their offsets.
 *
 * Cuts lie at multiples of `chunkSize`, so that the parts are equal but for the first and the last; neither is smaller than a quarter of
 * `chunkSize`. When fewer slots are free than there would be parts, the parts are larger, up to four times `chunkSize`: a store that
 * is busy with other objects gains nothing from many requests for this one.
 */
export function split({ offset, length }: ByteRange, options: SplitOptions): ByteRange[] {
  const { chunkSize, minSplitSize, slots = Infinity } = options
  if (length < minSplitSize || length <= chunkSize) return [{ offset, length }]
  const growth = Math.min(LARGEST, Math.max(1, Math.ceil(Math.ceil(length / chunkSize) / Math.max(1, Math.ceil(slots)))))
  const size = chunkSize * growth
  if (length <= size) return [{ offset, length }]
  const least = chunkSize / 4
  const end = offset + length
  const next = cutter(size, options.alignment)
  const parts: ByteRange[] = []
  let from = offset
  while (from < end) {
    let to = next(from)
    if (to - from < least) to = next(to) // a first part that is too small
    if (end - to < least) to = end
    parts.push({ offset: from, length: to - from })
    from = to
  }
  return parts
}

/** The first cut behind a position, for parts of about so many bytes. */
function cutter(size: number, alignment = size): (position: number) => number {
  if (alignment <= size) {
    const step = Math.floor(size / alignment) * alignment
    return (position) => (Math.floor(position / step) + 1) * step
  }
  // Each aligned part is cut into equal pieces.
  const step = Math.ceil(alignment / Math.ceil(alignment / size))
  return (position) => {
    const start = Math.floor(position / alignment) * alignment
    return Math.min(start + alignment, start + (Math.floor((position - start) / step) + 1) * step)
  }
}
