import type { Hdf5DatasetSource, WriteDatasetsOptions, WriteDatasetsResult } from '../formats/hdf5/write/write-datasets.js'
import type { Writable } from '../formats/npy/encode.js'
import type { NpyWriteOptions, NpyWritten, Rows } from '../formats/npy/writer.js'
import type { NpzWriteOptions } from '../formats/npz/writer.js'
import type { IndexTfrecordOptions } from '../formats/tfrecord/index-writer.js'
import { checkPatterns, withoutIndexes } from './files.js'
import { listObjects, loadHdf5Writer, loadNpyWriter, loadNpzWriter, loadTfrecordIndexer, openUri, createWriterAt } from './resolve.js'
import type { ObjectMeta, Store } from './store.js'
import { checkOptions } from './util/check.js'

/** Where a file is to be written. */
export interface WriteOptions {
  /** @default the store for the scheme of the URI */
  readonly store?: Store | undefined
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link writeNpy}. */
export type WriteNpyOptions = NpyWriteOptions & WriteOptions
/** Options of {@link writeNpz}. */
export type WriteNpzOptions = NpzWriteOptions & WriteOptions
/** Options of {@link writeHdf5}. */
export type WriteHdf5Options = WriteDatasetsOptions & WriteOptions
/** Options of {@link writeTfrecordIndex}. */
export type WriteTfrecordIndexOptions = IndexTfrecordOptions & WriteOptions

export type { AttributeValue, Hdf5DatasetOptions } from '../formats/hdf5/write/options.js'
export type { Hdf5DatasetSource, NpyWritten as WriteNpyResult, Rows as WritableRows, Writable as WritableArray, WriteDatasetsResult as WriteHdf5Result }

/**
 * Writes an array, or rows of which each is like the others, as an NPY file, byte for byte as NumPy does.
 *
 * Nothing is visible before all is written; if anything fails, nothing stays behind. The shape stands at the beginning of the file, so rows
 * are kept in memory until the last one is there, unless `rows` says how many there are.
 * @throws TypeError for what is no array; MillraceError `Mismatch`, `Lossy`, or of the store
 * @example await writeNpy('mem://data/x.npy', Dataset.range(1000).map(x => new Float32Array([x, x * x])), { rows: 1000 })
 */
export async function writeNpy(uri: string, source: Writable | Rows, options: WriteNpyOptions = {}): Promise<NpyWritten> {
  checkOptions('writeNpy', options, ['numbers', 'rows', 'store', 'signal'])
  const { store, ...own } = options
  const write = await loadNpyWriter()
  return write(await createWriterAt(uri, store, { signal: own.signal }), source, own)
}

/**
 * Writes arrays as an NPZ file, which `numpy.load` reads. Nothing is visible before all is written.
 * @throws TypeError for what is no array or name; MillraceError `Lossy`, or of the store
 * @example await writeNpz('mem://data/train.npz', { xs: ndarray(new Float32Array(12), [4, 3]), ys: new Int32Array(4) })
 */
export async function writeNpz(uri: string, arrays: { readonly [name: string]: Writable }, options: WriteNpzOptions = {}): Promise<ObjectMeta> {
  checkOptions('writeNpz', options, ['compression', 'store', 'signal'])
  const { store, ...own } = options
  const write = await loadNpzWriter()
  return write(await createWriterAt(uri, store, { signal: own.signal }), arrays, own)
}

/**
 * Writes datasets, by their paths, as an HDF5 file, which h5py reads: whole arrays, or arrays of rows one after the other, in chunks,
 * compressed if wanted. Nothing is visible before all is written.
 * @throws TypeError or RangeError for an option that is none; MillraceError `Mismatch`, or of the store
 * @example await writeHdf5('mem://data/train.h5', { '/images': { data: ndarray(new Float32Array(12), [3, 4]), compression: 'gzip' } })
 */
export async function writeHdf5(uri: string, datasets: { readonly [path: string]: Hdf5DatasetSource }, options: WriteHdf5Options = {}): Promise<WriteDatasetsResult> {
  checkOptions('writeHdf5', options, ['attributes', 'store', 'signal'])
  const { store, ...own } = options
  const { writeDatasets } = await loadHdf5Writer()
  return writeDatasets(await createWriterAt(uri, store, { signal: own.signal }), datasets, own)
}

/**
 * Writes beside each of the TFRecord files an index, with which it has a length, access by ordinal and shards that read nothing in vain.
 * It is found when the file is read, and checked against it.
 * @throws MillraceError `Corrupt` or `Truncated` at a damaged record, `Unsupported` for a compressed file, or of the store
 */
export async function writeTfrecordIndex(files: string | readonly string[], options: WriteTfrecordIndexOptions = {}): Promise<readonly { readonly file: ObjectMeta; readonly records: number }[]> {
  checkOptions('writeTfrecordIndex', options, ['format', 'verifyData', 'store', 'signal'])
  const { store, ...own } = options
  const index = await loadTfrecordIndexer()
  const written: { readonly file: ObjectMeta; readonly records: number }[] = []
  for (const { uri } of withoutIndexes(await listObjects(checkPatterns('writeTfrecordIndex', files), store, own.signal ?? new AbortController().signal))) {
    const source = await openUri(store === undefined ? uri : { store, uri }, own)
    try {
      written.push(await index(source, ending => createWriterAt(uri + ending, store, { signal: own.signal }), own))
    } finally {
      await source.close()
    }
  }
  return written
}
