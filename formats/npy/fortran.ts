import type { NdArray, Shape } from '../../src/format.js'
import type { ItemDecoder } from './array.js'
import type { Header } from './header.js'
import type { Region } from './region.js'
import { PIECE_BYTES, product } from './sizes.js'

interface Strewn {
  readonly region: Region
  readonly header: Header
  readonly decode: ItemDecoder
}

/** Reads under way at once. */
const DEPTH = 4
/** Bytes between two runs that are read rather than left out with another request. */
const GAP_BYTES = 2 ** 14
/** Rows that are transposed together: so many lines of the cache are written in turn. */
const TILE_ROWS = 64

/**
 * Rows of an array in Fortran order: the first axis is the fastest, so for each place in a row (a *lane*) the items of all rows stand
 * one behind the other. From every lane one run of `count` items is read; runs that are close together are one read of up to 1 MiB.
 * All rows at once are one pass over the file. Memory: four reads.
 */
export async function readFortran(
  { region, header: { shape, item, dataOffset }, decode }: Strewn, start: number, count: number, into: readonly NdArray[], at: number, signal: AbortSignal
): Promise<void> {
  const inner = shape.slice(1)
  const lanes = product(inner)
  const laneBytes = (shape[0] ?? 1) * item.bytes
  const close = laneBytes - count * item.bytes <= GAP_BYTES
  const lanesPerRead = close ? Math.min(lanes, Math.max(1, Math.floor((PIECE_BYTES - count * item.bytes) / laneBytes) + 1)) : 1
  const rowsPerRead = lanesPerRead > 1 ? count : Math.max(1, Math.min(count, Math.floor(PIECE_BYTES / item.bytes)))
  const pieces = piecesOf(lanes, lanesPerRead, count, rowsPerRead)
  const places = placesInRow(inner)

  async function readPieces(): Promise<void> {
    const scratch = new Uint8Array((lanesPerRead - 1) * laneBytes + rowsPerRead * item.bytes)
    for (const { lane, lanesRead, row, rowsRead, targets } of pieces) {
      const bytes = scratch.subarray(0, (lanesRead - 1) * laneBytes + rowsRead * item.bytes)
      const place = dataOffset + lane * laneBytes + (start + row) * item.bytes
      await region.read(place, bytes, signal)
      for (let tile = 0; tile < rowsRead; tile += TILE_ROWS) {
        const rows = Math.min(TILE_ROWS, rowsRead - tile)
        for (let k = 0; k < lanesRead; k++) {
          const offset = k * laneBytes + tile * item.bytes
          decode({ bytes, offset, place: place + offset, count: rows }, into, (at + row + tile) * lanes + (targets[k] as number), lanes)
        }
      }
    }
  }

  /** The reads, in the order of the file where a read is of whole lanes or all rows. */
  function* piecesOf(lanes: number, lanesPerRead: number, count: number, rowsPerRead: number): Generator<Piece, undefined, undefined> {
    for (let lane = 0; lane < lanes; lane += lanesPerRead) {
      const lanesRead = Math.min(lanesPerRead, lanes - lane)
      const targets = Array.from({ length: lanesRead }, () => places.next().value as number)
      for (let row = 0; row < count; row += rowsPerRead) yield { lane, lanesRead, row, rowsRead: Math.min(rowsPerRead, count - row), targets }
    }
  }

  const reads = Math.ceil(lanes / lanesPerRead) * Math.ceil(count / rowsPerRead)
  const readers = Array.from({ length: region.ordered ? 1 : Math.min(DEPTH, reads) }, readPieces)
  const failure = (await Promise.allSettled(readers)).find((outcome) => outcome.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

interface Piece {
  readonly lane: number
  readonly lanesRead: number
  readonly row: number
  readonly rowsRead: number
  /** Place in the row of each lane. */
  readonly targets: readonly number[]
}

/** Where in a row the items are that come one after the other when the first axis is the fastest. */
function* placesInRow(inner: Shape): Generator<number, undefined, undefined> {
  const index = inner.map(() => 0)
  const strides = inner.map((_, axis) => product(inner.slice(axis + 1)))
  for (let place = 0; ;) {
    yield place
    let axis = 0
    for (; axis < inner.length; axis++) {
      place += strides[axis] as number
      index[axis] = (index[axis] as number) + 1
      if (index[axis] !== inner[axis]) break
      place -= (strides[axis] as number) * (inner[axis] as number)
      index[axis] = 0
    }
    if (axis === inner.length) return
  }
}
