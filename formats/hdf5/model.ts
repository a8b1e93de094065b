import type { ByteSource, RowSpec, Shape, Table } from '../../src/format.js'

/** One opened HDF5 file. */
export interface Hdf5File {
  readonly uri: string
  /** The root group with everything below it. Reads no data, and every object header of the file. */
  inspect(): Promise<Hdf5Group>
  /**
   * Finds a dataset. Soft links are followed.
   * @param path Names joined by `/`, from the root; a leading `/` may be left out.
   * @throws MillraceError `NotFound` if there is none, `Unsupported` if it is reached or stored in a way that is not read here.
   */
  dataset(path: string): Promise<Hdf5Dataset>
}

/** A dataset that can be read. */
export interface Hdf5Dataset extends Hdf5DatasetFacts {
  /**
   * Its rows, along the first axis. A scalar is one row, a null dataspace none. Any range may be read, also one that begins or ends
   * inside a block: decoded chunks that a read needs only a part of are kept, within `cacheBytes`.
   */
  table(): Table
}

/** What the header of a dataset says. */
export interface Hdf5DatasetFacts {
  /** Absolute, beginning with `/`. */
  readonly path: string
  /** `[]` for a scalar; `null` for a null dataspace, which holds nothing. */
  readonly shape: Shape | null
  /** Most rows and so on per axis, `null` where there is no bound; absent when it is `shape`. */
  readonly maxShape?: readonly (number | null)[]
  /** The type of one value as text, for people: `float32`, `>int16`, `string[10]`, `{ x: int32, y: float64[3] }`. */
  readonly type: string
  /** The structure of a row: a leaf, or one leaf for each column of a compound type, with nested names joined by `.`. */
  readonly spec: RowSpec
  /** Names and values of an enumeration (but not of a boolean one), by the name of the column, `''` when there are no columns. */
  readonly enums?: { readonly [column: string]: { readonly [name: string]: number | bigint } }
  /** How the values lie in the file. */
  readonly layout: 'compact' | 'contiguous' | 'chunked'
  /** Shape of a chunk, when it is chunked. */
  readonly chunkShape?: Shape
  /** The filters in the order in which they were applied when it was written. */
  readonly filters: readonly Hdf5Filter[]
  readonly attributes: Hdf5Attributes
}

/** One step of a filter pipeline. */
export interface Hdf5Filter {
  /** As registered with the HDF Group: 1 deflate, 2 shuffle, 3 fletcher32, 32000 lzf. */
  readonly id: number
  readonly name: string
  /** The numbers that the filter was set up with. */
  readonly parameters: readonly number[]
}

/** Values of attributes by name. */
export interface Hdf5Attributes {
  readonly [name: string]: Hdf5Value
}

/**
 * The value of an attribute: a number (bigint for 64-bit integers), boolean, string, `{ re, im }` of a complex number, an object for
 * a compound, nested arrays of those, `null` for a null dataspace, or why it cannot be shown.
 */
export type Hdf5Value =
  | null | number | bigint | boolean | string | { readonly unsupported: string }
  | readonly Hdf5Value[] | { readonly [name: string]: Hdf5Value }

/** A group and what is in it, in the order of the names. */
export interface Hdf5Group {
  readonly kind: 'group'
  readonly path: string
  readonly attributes: Hdf5Attributes
  readonly members: readonly Hdf5Node[]
}

/** Something that stands under a name in a group. */
export type Hdf5Node =
  | Hdf5Group
  | ({ readonly kind: 'dataset' } & Hdf5DatasetFacts)
  /** A dataset of a type or layout that only the fallback may be able to read, and why. */
  | { readonly kind: 'unsupported'; readonly path: string; readonly reason: string; readonly attributes: Hdf5Attributes }
  /** A soft link; or a second hard link to a group that is listed elsewhere, under `target`. */
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'external'; readonly path: string; readonly file: string; readonly target: string }
  | { readonly kind: 'type'; readonly path: string; readonly type: string }

/** How {@link openHdf5File} reads. */
export interface Hdf5OpenOptions {
  readonly signal: AbortSignal
  /** Most bytes of decoded chunks that a dataset keeps, for reads that end inside a chunk. */
  readonly cacheBytes: number
  /** The largest chunk, and the largest row, in bytes. */
  readonly maxChunkBytes: number
}

/** Which datasets make up the rows: one, or one for each key. A compound dataset under a key gives columns `key.member`. */
export type Hdf5Paths = string | { readonly [key: string]: string }

/**
 * What `h5wasm/fallback.ts` exports as `openFallbackTable`: the rows of datasets that the reader of this folder does not read, in the
 * same structure. With several paths the rows must agree (`Mismatch`).
 */
export type OpenFallbackTable = (source: ByteSource, paths: Hdf5Paths, options: Hdf5OpenOptions) => Promise<Table>
