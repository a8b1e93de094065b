/** Bytes of rows that lie one after the other, in memory. */
export interface Band {
  readonly bytes: Uint8Array
  readonly rows: number
  /** Shape of a row. */
  readonly rowShape: readonly number[]
  readonly valueBytes: number
}

/** A part of a band, as large as a chunk. */
export interface Tile {
  /** Where it begins along the axes of a row. */
  readonly offset: readonly number[]
  readonly bytes: Uint8Array
}

/**
 * Cuts a band into tiles of `chunkShape`, whose first axis has at least as many rows as the band. Where tiles reach over the edges they
 * are filled up with zeros. In the order of their offsets.
 */
export function* tiles({ bytes, rows, rowShape, valueBytes }: Band, chunkShape: readonly number[]): Generator<Tile, void, undefined> {
  const chunkRow = chunkShape.slice(1)
  const tileBytes = chunkShape.reduce((product, length) => product * length, valueBytes)
  const counts = rowShape.map((length, axis) => Math.ceil(length / (chunkRow[axis] ?? 1)))
  const shape = [rows, ...rowShape]
  if (counts.every(count => count === 1) && rowShape.every((length, axis) => length === chunkRow[axis])) {
    const tile = new Uint8Array(tileBytes)
    tile.set(bytes)
    return yield { offset: rowShape.map(() => 0), bytes: tile }
  }
  const total = counts.reduce((product, count) => product * count, 1)
  for (let n = 0; n < total; n++) {
    const offset: number[] = []
    for (let axis = counts.length - 1, left = n; axis >= 0; axis--) {
      const count = counts[axis] ?? 1
      offset.unshift((left % count) * (chunkRow[axis] ?? 1))
      left = Math.floor(left / count)
    }
    const tile = new Uint8Array(tileBytes)
    copy(bytes, shape, [0, ...offset], tile, chunkShape, valueBytes)
    yield { offset, bytes: tile }
  }
}

/** Copies from `start` on as much as there is, and as fits. */
function copy(from: Uint8Array, shape: readonly number[], start: readonly number[], to: Uint8Array, chunkShape: readonly number[], valueBytes: number): void {
  const last = shape.length - 1
  const strides = stridesOf(shape, valueBytes)
  const chunkStrides = stridesOf(chunkShape, valueBytes)
  const counts = shape.map((length, axis) => Math.min(length - (start[axis] ?? 0), chunkShape[axis] ?? 0))
  const run = (counts[last] ?? 0) * valueBytes
  const walk = (axis: number, source: number, target: number): void => {
    if (axis === last) return to.set(from.subarray(source, source + run), target)
    for (let i = 0; i < (counts[axis] ?? 0); i++) walk(axis + 1, source + i * (strides[axis] ?? 0), target + i * (chunkStrides[axis] ?? 0))
  }
  walk(0, start.reduce((sum, begin, axis) => sum + begin * (strides[axis] ?? 0), 0), 0)
}

function stridesOf(shape: readonly number[], valueBytes: number): number[] {
  const strides: number[] = []
  let stride = valueBytes
  for (const length of [...shape].reverse()) {
    strides.unshift(stride)
    stride *= length
  }
  return strides
}
