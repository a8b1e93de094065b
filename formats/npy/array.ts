import { allocate, isMillraceError, swapBytes, widthOf, type DType, type LeafSpec, type NdArray } from '../../src/format.js'
import type { Header } from './header.js'
import { axesShape, type Leaf, type Strings } from './item.js'
import { fault, type Region } from './region.js'
import { readFortran } from './fortran.js'
import { scatter } from './scatter.js'
import { PIECE_BYTES, product } from './sizes.js'
import { stringReader } from './strings.js'

/** An array whose header was read. Its rows can be put into columns, one for every field. */
export interface ArrayReader {
  readonly region: Region
  readonly header: Header
  /** The first axis; 1 for an array of rank 0. */
  readonly rows: number
  readonly itemsPerRow: number
  readonly columns: readonly ArrayColumn[]
  /** True when the rows are strewn over the file. */
  readonly fortran: boolean
  /** Puts the rows `[start, start + count)` into `into`, one array for each column, from row `at` of them on. */
  read(start: number, count: number, into: readonly NdArray[], at: number, signal: AbortSignal): Promise<void>
}

/** One column of an array. */
export interface ArrayColumn {
  /** Names of the field and of those that it is in, joined by `.`; empty for an array that is not structured. */
  readonly name: string
  /** One row. */
  readonly spec: LeafSpec & { readonly dtype: DType }
}

export function arrayReader(region: Region, header: Header, strings: Strings): ArrayReader {
  const { item, shape, dataOffset } = header
  const inner = shape.slice(1)
  const rows = shape[0] ?? 1
  const itemsPerRow = product(inner)
  const fortran = header.fortranOrder && shape.filter((length) => length !== 1).length > 1 && header.dataBytes > 0
  const decode = itemDecoder(region, item.leaves, item.bytes, strings)
  const [only] = item.leaves
  const direct = item.leaves.length === 1 && only !== undefined && (only.coding === 'plain' || only.coding === 'bool')
    && only.bytes * product(axesShape(only)) === item.bytes ? only : undefined

  async function readItems(first: number, count: number, into: readonly NdArray[], at: number, signal: AbortSignal): Promise<void> {
    const offset = dataOffset + first * item.bytes
    if (direct !== undefined) return region.read(offset, bytesOf(into[0] as NdArray, at * item.bytes, count * item.bytes), signal)
    const perPiece = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, item.bytes)))
    const scratch = new Uint8Array(Math.min(perPiece, count) * item.bytes)
    for (let i = 0; i < count; i += perPiece) {
      const n = Math.min(perPiece, count - i)
      const bytes = scratch.subarray(0, n * item.bytes)
      await region.read(offset + i * item.bytes, bytes, signal)
      decode({ bytes, offset: 0, place: offset + i * item.bytes, count: n }, into, at + i, 1)
    }
  }

  return {
    region,
    header,
    rows,
    itemsPerRow,
    fortran,
    columns: item.leaves.map((leaf) => ({ name: leaf.path.join('.'), spec: { dtype: leaf.dtype, shape: Object.freeze([...inner, ...axesShape(leaf)]) } })),
    async read(start, count, into, at, signal) {
      if (header.dataBytes > 0) {
        if (fortran) await readFortran({ region, header, decode }, start, count, into, at, signal)
        else await readItems(start * itemsPerRow, count * itemsPerRow, into, at * itemsPerRow, signal)
      }
      item.leaves.forEach((leaf, k) => finish(leaf, into[k] as NdArray, at * itemsPerRow, count * itemsPerRow))
    }
  }
}

/** Items one behind the other in memory, and where they stand in the region. */
export interface RawItems {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly place: number
  readonly count: number
}

/** Puts items into columns: the first becomes item `at` of each, the next `step` items on. Bytes keep their order. */
export type ItemDecoder = (items: RawItems, into: readonly NdArray[], at: number, step: number) => void

function itemDecoder(region: Region, leaves: readonly Leaf[], itemBytes: number, strings: Strings): ItemDecoder {
  const parts = leaves.map((leaf) => (leaf.dtype === 'string' ? stringPart(region, leaf, itemBytes, strings) : plainPart(leaf, itemBytes)))
  return (items, into, at, step) => {
    for (let k = 0; k < parts.length; k++) (parts[k] as Part)(items, into[k] as NdArray, at, step)
  }
}

type Part = (items: RawItems, into: NdArray, at: number, step: number) => void

function plainPart(leaf: Leaf, itemBytes: number): Part {
  const leafBytes = leaf.bytes * product(axesShape(leaf))
  // Axes whose values follow each other without a gap are one block.
  let blockBytes = leaf.bytes
  let outer = leaf.axes.length
  for (let axis = leaf.axes[outer - 1]; axis?.stride === blockBytes; axis = leaf.axes[outer - 1]) {
    blockBytes *= axis.length
    outer--
  }
  const offsets = offsetsOf(leaf.axes.slice(0, outer))
  return ({ bytes, offset, count }, into, at, step) => {
    if (leafBytes === 0) return
    const target = bytesOf(into, at * leafBytes, ((count - 1) * step + 1) * leafBytes)
    offsets.forEach((inside, block) => {
      scatter({ bytes, offset: offset + leaf.offset + inside, stride: itemBytes }, { bytes: target, offset: block * blockBytes, stride: step * leafBytes }, count, blockBytes)
    })
  }
}

function stringPart(region: Region, leaf: Leaf, itemBytes: number, strings: Strings): Part {
  const offsets = offsetsOf(leaf.axes)
  const text = stringReader(leaf, strings)
  return ({ bytes, offset, place, count }, into, at, step) => {
    const data = into.data as string[]
    for (let i = 0; i < count; i++) {
      const item = offset + i * itemBytes + leaf.offset
      const target = (at + i * step) * offsets.length
      for (let k = 0; k < offsets.length; k++) {
        const start = item + (offsets[k] as number)
        try {
          data[target + k] = text(bytes, start)
        } catch (error) {
          throw isMillraceError(error) ? fault(error.kind, region, place + start - offset, error.message, error.cause) : error
        }
      }
    }
  }
}

/** Where the values of an item are, in their order. */
function offsetsOf(axes: Leaf['axes']): number[] {
  return axes.reduce<number[]>((offsets, { length, stride }) => offsets.flatMap((offset) => Array.from({ length }, (_, i) => offset + i * stride)), [0])
}

/** What is left to do when all bytes are in place. */
function finish(leaf: Leaf, into: NdArray, at: number, count: number): void {
  if (leaf.dtype === 'string') return
  const leafBytes = leaf.bytes * product(axesShape(leaf))
  const bytes = bytesOf(into, at * leafBytes, count * leafBytes)
  if (leaf.swap > 1) swapBytes(bytes, leaf.swap)
  // NumPy takes every byte but 0 for True.
  if (leaf.coding === 'bool') for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 1) bytes[i] = 1
}

function bytesOf({ data }: NdArray, offset: number, length: number): Uint8Array {
  const view = data as Uint8Array
  return new Uint8Array(view.buffer, view.byteOffset + offset, length)
}

/** Arrays for so many rows. */
export function allocateColumns(columns: readonly ArrayColumn[], rows: number): NdArray[] {
  return columns.map(({ spec: { dtype, shape } }) => ({
    dtype, shape: [rows, ...shape], data: allocate<DType>(dtype, rows * product(shape) * widthOf(dtype))
  }))
}
