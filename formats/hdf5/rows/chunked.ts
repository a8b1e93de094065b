import { inParallel } from '../../../src/format.js'
import type { Access } from '../access.js'
import { boundedCache } from '../cache.js'
import { copyBox, type BoxAxis } from '../chunks/copy-box.js'
import type { ChunkRun, Grid } from '../chunks/grid.js'
import type { ChunkIndex } from '../chunks/index.js'
import { corrupt, truncated } from '../faults.js'
import type { Pipeline } from '../filters/pipeline.js'
import type { Scratch } from '../scratch.js'
import { fillWith, type Rows } from './rows.js'

/** What {@link chunkedRows} has to know of a dataset. */
export interface ChunkedOptions {
  readonly grid: Grid
  readonly index: ChunkIndex
  /** `undefined` when chunks are not filtered. */
  readonly pipeline: Pipeline | undefined
  readonly unfilteredEdges: boolean
  readonly elementBytes: number
  readonly fillValue: Uint8Array
  readonly cacheBytes: number
  readonly scratch: Scratch
}

/** Chunks fetched at once, for one read. Decompression has four threads. */
const AT_ONCE = 6
/** Neighbours in the file are fetched together up to this many bytes. */
const TOGETHER_BYTES = 2 ** 20

/** A chunk of which some rows are wanted. */
interface Piece {
  /** Ordinal in the grid. */
  readonly ordinal: number
  readonly address: number
  readonly size: number
  readonly mask: number
  /** True when it was not filtered. */
  readonly plain: boolean
  /** True when rows of it are left out, so that it may be asked for again. */
  readonly partial: boolean
  /** Bytes of the chunk from which on they are wanted, and to where. */
  readonly fromAt: number
  readonly toAt: number
  /** Axes behind the rows are copied as far as the dataset goes. */
  readonly axes: readonly BoxAxis[]
  /** Bytes that are contiguous on both sides, when that is all that is wanted of it; else 0. */
  readonly whole: number
}

/**
 * Values in chunks. Chunks are found, fetched by range (neighbours together), decoded side by side, and copied to where they belong. One
 * whose bytes are rows as they are is read or decoded to that place. Of those that a read needs only a part of, `cacheBytes` are kept.
 */
export function chunkedRows(options: ChunkedOptions): Rows {
  const { grid, index, pipeline, elementBytes, fillValue, cacheBytes, scratch } = options
  const { shape, chunkShape, counts, perRow, chunkBytes } = grid
  const rank = shape.length
  const [rows = 0] = shape
  const [chunkRows = 1] = chunkShape
  const decoded = boundedCache<number, Uint8Array>(cacheBytes, chunk => chunk.length)
  const chunkStrides = stridesOf(chunkShape, elementBytes)
  const strides = stridesOf(shape, elementBytes)
  const rowBytes = strides[0] ?? elementBytes
  /** True when a chunk is as wide as the dataset: its rows are rows. */
  const wide = rank > 0 && chunkShape.every((length, axis) => axis === 0 || length === shape[axis])

  /** What is wanted of the chunk at a place of the grid, given by its ordinal. */
  function pieceOf(run: ChunkRun, i: number, row: number, start: number, count: number): Piece {
    const first = Math.max(start, row * chunkRows)
    const last = Math.min(start + count, (row + 1) * chunkRows, rows)
    const axes: BoxAxis[] = [{ length: last - first, fromStride: chunkStrides[0] ?? 0, toStride: rowBytes }]
    let toAt = (first - start) * rowBytes
    let edge = (row + 1) * chunkRows > rows
    let left = i % perRow
    const coordinates = new Array<number>(rank).fill(0)
    for (let axis = rank - 1; axis > 0; axis--) {
      const along = counts[axis] ?? 1
      coordinates[axis] = left % along
      left = Math.floor(left / along)
    }
    for (let axis = 1; axis < rank; axis++) {
      const length = chunkShape[axis] ?? 1
      const begin = (coordinates[axis] ?? 0) * length
      const size = Math.min(length, (shape[axis] ?? 0) - begin)
      if (size < length) edge = true
      toAt += begin * (strides[axis] ?? 0)
      axes.push({ length: size, fromStride: chunkStrides[axis] ?? 0, toStride: strides[axis] ?? 0 })
    }
    return {
      ordinal: row * perRow + (i % perRow),
      address: run.addresses[i] ?? -1,
      size: run.sizes[i] ?? 0,
      mask: run.masks[i] ?? 0,
      plain: pipeline === undefined || (edge && options.unfilteredEdges),
      partial: last - first < Math.min(chunkRows, rows - row * chunkRows),
      fromAt: (first - row * chunkRows) * (chunkStrides[0] ?? 0),
      toAt,
      axes,
      whole: wide ? (last - first) * rowBytes : 0
    }
  }

  function checkRange(access: Access, { address, size, plain }: Piece): void {
    const place = access.place(address)
    if (plain && size !== chunkBytes) throw corrupt(place, `a chunk has ${size} bytes and not the ${chunkBytes} of its shape`)
    if (size <= 0 || size > (pipeline?.mostStored ?? chunkBytes)) throw corrupt(place, `a chunk of ${chunkBytes} bytes cannot take ${size}`)
    if (access.base + address + size > access.source.byteLength) {
      throw truncated(place, `a chunk takes ${size} bytes, and the file ends after ${Math.max(0, access.source.byteLength - access.base - address)} of them`)
    }
  }

  function fill(piece: Piece, into: Uint8Array): void {
    if (piece.whole > 0) return fillWith(fillValue, into.subarray(piece.toAt, piece.toAt + piece.whole))
    const line = scratch.take((piece.axes.at(-1)?.length ?? 1) * elementBytes)
    fillWith(fillValue, line)
    // The same line again and again: it does not move on.
    const axes = piece.axes.slice(0, -1).map(axis => ({ ...axis, fromStride: 0 }))
    copyBox(line, 0, into, piece.toAt, axes, line.length)
    scratch.give(line)
  }

  function copy(piece: Piece, chunk: Uint8Array, into: Uint8Array): void {
    copyBox(chunk, piece.fromAt, into, piece.toAt, piece.axes, elementBytes)
  }

  /** Decodes a chunk that is in memory and puts it where it belongs. */
  async function deliver(access: Access, piece: Piece, stored: Uint8Array, into: Uint8Array): Promise<void> {
    if (piece.plain || pipeline === undefined) return copy(piece, stored, into)
    const place = access.place(piece.address)
    const target = piece.whole === chunkBytes ? into.subarray(piece.toAt, piece.toAt + piece.whole) : scratch.take(chunkBytes)
    const chunk = await pipeline.decode(stored, piece.mask, place, target)
    if (piece.whole !== chunkBytes) {
      copy(piece, chunk, into)
      scratch.give(target)
    } else if (chunk !== target) {
      target.set(chunk)
    }
  }

  /** Fetches pieces that stand one behind the other in the file. */
  async function fetchTogether(access: Access, pieces: readonly Piece[], into: Uint8Array): Promise<void> {
    const { source, signal, base } = access
    const [first] = pieces
    if (first === undefined) return
    const bytes = scratch.take(pieces.reduce((sum, piece) => sum + piece.size, 0))
    await source.read(base + first.address, bytes, { signal })
    let at = 0
    const begun = pieces.map(piece => {
      at += piece.size
      return deliver(access, piece, bytes.subarray(at - piece.size, at), into)
    })
    // All of them have to end before the buffer is used again.
    const ended = await Promise.allSettled(begun)
    scratch.give(bytes)
    for (const result of ended) if (result.status === 'rejected') throw result.reason
  }

  /** Fetches some rows of a chunk that is not filtered: they stand together. */
  async function fetchRows(access: Access, piece: Piece, into: Uint8Array): Promise<void> {
    const bytes = scratch.take((piece.axes[0]?.length ?? 0) * (chunkStrides[0] ?? 0))
    await access.source.read(access.base + piece.address + piece.fromAt, bytes, { signal: access.signal })
    copyBox(bytes, 0, into, piece.toAt, piece.axes, elementBytes)
    scratch.give(bytes)
  }

  /** A chunk of which only some rows are wanted now. It is kept, so that the others do not cost as much again. */
  async function fetchPartial(access: Access, piece: Piece, into: Uint8Array): Promise<void> {
    const { source, signal, base } = access
    const chunk = await decoded.get(piece.ordinal, signal, async () => {
      const stored = new Uint8Array(piece.size)
      await source.read(base + piece.address, stored, { signal })
      return pipeline === undefined ? stored : pipeline.decode(stored, piece.mask, access.place(piece.address), undefined)
    })
    copy(piece, chunk, into)
  }

  return {
    blockRows: pipeline === undefined && wide ? 1 : Math.max(1, Math.min(chunkRows, rows)),
    async read(access, start, count, into) {
      if (into.length === 0) return
      const firstRow = Math.floor(start / chunkRows)
      const untilRow = Math.ceil((start + count) / chunkRows)
      const run = await index.locate(access, firstRow, untilRow - firstRow)
      const wanted: Piece[] = []
      for (let i = 0; i < run.addresses.length; i++) {
        const piece = pieceOf(run, i, firstRow + Math.floor(i / perRow), start, count)
        if (piece.address < 0) {
          fill(piece, into)
          continue
        }
        const kept = decoded.peek(piece.ordinal)
        if (kept !== undefined) {
          copy(piece, kept, into)
          continue
        }
        checkRange(access, piece)
        wanted.push(piece)
      }
      const { ranges, single, groups } = together(wanted)
      const work = [
        ...ranges.map(({ address, toAt, byteLength }) => () => access.source.read(access.base + address, into.subarray(toAt, toAt + byteLength), { signal: access.signal })),
        ...single.map(piece => () => (piece.plain ? fetchRows(access, piece, into) : fetchPartial(access, piece, into))),
        ...groups.map(pieces => () => fetchTogether(access, pieces, into))
      ]
      await inParallel(work, AT_ONCE, step => step())
    }
  }
}

/** Bytes that are read straight to where they belong. */
interface Range {
  readonly address: number
  readonly toAt: number
  byteLength: number
}

/** What to fetch: ranges that go straight to their place, pieces by themselves, and neighbours in the file. */
function together(pieces: Piece[]): { readonly ranges: readonly Range[]; readonly single: readonly Piece[]; readonly groups: readonly (readonly Piece[])[] } {
  const ranges: Range[] = []
  const single: Piece[] = []
  const groups: Piece[][] = []
  let end = -1
  let bytes = 0
  for (const piece of pieces.sort((a, b) => a.address - b.address)) {
    const { address, size, plain, whole, fromAt, toAt, partial } = piece
    if (plain && whole > 0) {
      const range = ranges.at(-1)
      if (range !== undefined && range.address + range.byteLength === address + fromAt && range.toAt + range.byteLength === toAt) range.byteLength += whole
      else ranges.push({ address: address + fromAt, toAt, byteLength: whole })
    } else if (partial) {
      single.push(piece)
    } else if (address === end && bytes + size <= TOGETHER_BYTES) {
      groups.at(-1)?.push(piece)
      bytes += size
      end = address + size
    } else {
      groups.push([piece])
      bytes = size
      end = address + size
    }
  }
  return { ranges, single, groups }
}

/** Bytes from one place to the next along each axis. */
function stridesOf(shape: readonly number[], elementBytes: number): readonly number[] {
  const strides = new Array<number>(shape.length).fill(0)
  let stride = elementBytes
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis] ?? 1
  }
  return strides
}
