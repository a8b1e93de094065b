/** Chunks of a dataset, counted along each axis. */
export interface Grid {
  /** Axes of the dataset; at least one. */
  readonly shape: readonly number[]
  readonly maxShape: readonly number[]
  readonly chunkShape: readonly number[]
  /** Chunks along each axis. */
  readonly counts: readonly number[]
  /** Chunks at one place of the first axis. */
  readonly perRow: number
  /** Bytes of a chunk that is not filtered. */
  readonly chunkBytes: number
}

/** The grid of a dataset. */
export function gridOf(shape: readonly number[], maxShape: readonly number[], chunkShape: readonly number[], elementBytes: number): Grid {
  const counts = chunksAlong(shape, chunkShape)
  return {
    shape, maxShape, chunkShape, counts,
    perRow: counts.slice(1).reduce((product, count) => product * count, 1),
    chunkBytes: chunkShape.reduce((product, length) => product * length, elementBytes)
  }
}

/** How many chunks cover a shape. */
export function chunksAlong(shape: readonly number[], chunkShape: readonly number[]): readonly number[] {
  return shape.map((length, axis) => Math.ceil(length / (chunkShape[axis] ?? 1)))
}

/** Where chunks are: entry `(row - first row) * perRow + ordinal in the row`. An address below 0 is a chunk that was never written. */
export interface ChunkRun {
  readonly addresses: Float64Array
  /** Bytes in the file. */
  readonly sizes: Float64Array
  /** Bit `i` says that filter `i` was left out. */
  readonly masks: Uint32Array
}

/** No chunk at all. */
export function emptyRun(count: number): ChunkRun {
  return { addresses: new Float64Array(count).fill(-1), sizes: new Float64Array(count), masks: new Uint32Array(count) }
}

/** The place in a run of a chunk at the given coordinates in the grid, the first of which is that in the run; -1 if it is outside. */
export function placeInRun({ counts }: Grid, coordinate: (axis: number) => number, firstRow: number, rows: number): number {
  const row = coordinate(0) - firstRow
  if (!(row >= 0 && row < rows)) return -1
  let place = row
  for (let axis = 1; axis < counts.length; axis++) {
    const count = counts[axis] ?? 0
    const at = coordinate(axis)
    if (!(at < count)) return -1
    place = place * count + at
  }
  return place
}

/**
 * The ordinals, in an array that has room for the largest shape, of the chunks of some rows. `first` is the axis that counts slowest
 * there: 0, or the one that is unlimited.
 */
export function ordinals({ counts, maxShape, chunkShape, perRow }: Grid, first: number, firstRow: number, rows: number): Float64Array {
  const most = chunksAlong(maxShape, chunkShape)
  const strides = new Array<number>(counts.length).fill(0)
  let stride = 1
  for (let axis = counts.length - 1; axis >= 0; axis--) {
    if (axis === first) continue
    strides[axis] = stride
    stride *= most[axis] ?? 1
  }
  strides[first] = stride
  const found = new Float64Array(rows * perRow)
  const at = new Array<number>(counts.length).fill(0)
  for (let i = 0; i < found.length; i++) {
    let ordinal = (firstRow + (at[0] ?? 0)) * (strides[0] ?? 0)
    for (let axis = 1; axis < at.length; axis++) ordinal += (at[axis] ?? 0) * (strides[axis] ?? 0)
    found[i] = ordinal
    for (let axis = at.length - 1; axis >= 0; axis--) {
      const next = (at[axis] ?? 0) + 1
      at[axis] = next
      if (axis === 0 || next < (counts[axis] ?? 0)) break
      at[axis] = 0
    }
  }
  return found
}
