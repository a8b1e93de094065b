import { isDType, type DType, type NdArray } from '../../../src/format.js'
import { sizeInFile } from './datatype.js'

/** The value of an attribute: numbers are written as float64, bigints as int64. */
export type AttributeValue = number | bigint | boolean | string | readonly string[] | NdArray

/** Attributes by name. Together they have to stay below 64 KiB each. */
export interface Attributes {
  readonly [name: string]: AttributeValue
}

/** How a dataset is written. */
export interface Hdf5DatasetOptions {
  /** Needed when there may be no rows at all. @default that of the first batch */
  readonly dtype?: DType | undefined
  /** Shape of one row. Needed when there may be no rows at all. @default that of the first batch, without its first axis */
  readonly rowShape?: readonly number[] | undefined
  /**
   * Rows of a chunk, or its whole shape. `false` for no chunks: the rows lie in one piece, which is fastest to read; then they have to
   * come all at once, and are not compressed. @default whole rows, about 256 KiB of them
   */
  readonly chunks?: number | readonly number[] | false | undefined
  /** How chunks are compressed: deflate, with a level from 1 (fast) to 9 (small). @default 'none' */
  readonly compression?: 'none' | 'gzip' | number | undefined
  /** Whether bytes are sorted by their place in a value before they are compressed; numbers become smaller by it. @default true when compressed */
  readonly shuffle?: boolean | undefined
  readonly attributes?: Attributes | undefined
}

/** {@link Hdf5DatasetOptions}, checked. */
export interface ResolvedDatasetOptions {
  readonly dtype: DType | undefined
  readonly rowShape: readonly number[] | undefined
  readonly chunks: number | readonly number[] | false | undefined
  /** 0 for none. */
  readonly level: number
  readonly shuffle: boolean
  readonly attributes: Attributes
}

const GZIP_LEVEL = 4
const CHUNK_BYTES = 2 ** 18
/** HDF5 gives the size of a chunk, and each of its axes, 32 bits. */
const MOST_CHUNK_BYTES = 2 ** 32 - 1

/** @throws TypeError or RangeError for what is no option. */
export function resolveDatasetOptions(path: string, options: Hdf5DatasetOptions): ResolvedDatasetOptions {
  const { dtype, rowShape, chunks, compression = 'none', attributes = {} } = options
  if (dtype !== undefined && !isDType(dtype)) throw new RangeError(`${path}: there is no dtype ${String(dtype)}`)
  for (const shape of [rowShape, typeof chunks === 'number' ? [chunks] : chunks === false ? undefined : chunks]) {
    const least = shape === rowShape ? 0 : 1
    if (shape !== undefined && !(Array.isArray(shape) && shape.every(length => Number.isSafeInteger(length) && length >= least))) {
      throw new RangeError(`${path}: ${shape === rowShape ? 'rowShape' : 'chunks'} must be lengths, not ${String(shape)}`)
    }
  }
  const level = compression === 'none' ? 0 : compression === 'gzip' ? GZIP_LEVEL : compression
  if (!Number.isInteger(level) || level < 0 || level > 9) {
    throw new RangeError(`${path}: compression must be 'none', 'gzip' or a level from 1 to 9, not ${String(compression)}`)
  }
  const { shuffle = level > 0 } = options
  if (typeof shuffle !== 'boolean') throw new TypeError(`${path}: shuffle must be true or false, not ${String(shuffle)}`)
  if (chunks === false && (level > 0 || shuffle)) throw new RangeError(`${path}: only chunks can be compressed or shuffled`)
  return { dtype, rowShape, chunks, level, shuffle, attributes }
}

/** The shape of the chunks of a dataset. */
export function chunkShapeOf(path: string, chunks: ResolvedDatasetOptions['chunks'], dtype: DType, rowShape: readonly number[]): readonly number[] {
  const row = rowShape.map(length => Math.max(1, length))
  const rowBytes = row.reduce((product, length) => product * length, sizeInFile(dtype))
  const shape = typeof chunks === 'object' ? chunks : [chunks === undefined || chunks === false ? Math.max(1, Math.floor(CHUNK_BYTES / rowBytes)) : chunks, ...row]
  if (shape.length !== rowShape.length + 1) throw new RangeError(`${path}: chunks have ${shape.length} axes, and the dataset has ${rowShape.length + 1}`)
  const bytes = shape.reduce((product, length) => product * length, sizeInFile(dtype))
  if (bytes > MOST_CHUNK_BYTES) throw new RangeError(`${path}: a chunk of ${bytes} bytes is larger than HDF5 allows; set chunks`)
  return shape
}
