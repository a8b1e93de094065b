import type { NdArray, ObjectMeta, ObjectWriter } from '../../../src/format.js'
import type { Attributes, Hdf5DatasetOptions } from './options.js'
import { hdf5Writer } from './writer.js'

/** A dataset to write: all its rows, or arrays of rows one after the other. */
export interface Hdf5DatasetSource extends Hdf5DatasetOptions {
  readonly data: NdArray | Iterable<NdArray> | AsyncIterable<NdArray>
}

/** What {@link writeDatasets} writes besides datasets. */
export interface WriteDatasetsOptions {
  readonly signal?: AbortSignal | undefined
  /** Attributes of groups by their paths, `/` for the root. */
  readonly attributes?: { readonly [group: string]: Attributes } | undefined
}

/** What {@link writeDatasets} wrote. */
export interface WriteDatasetsResult {
  readonly file: ObjectMeta
  /** Rows of each dataset. */
  readonly rows: { readonly [path: string]: number }
}

/**
 * Writes an HDF5 file with these datasets, one after the other. Arrays that are here whole and are not to be compressed are written in
 * one piece, everything else in chunks. If anything fails, nothing stays behind.
 */
export async function writeDatasets(
  writer: ObjectWriter, datasets: { readonly [path: string]: Hdf5DatasetSource }, { signal, attributes = {} }: WriteDatasetsOptions = {}
): Promise<WriteDatasetsResult> {
  const file = hdf5Writer(writer)
  try {
    for (const [path, values] of Object.entries(attributes)) file.group(path, values)
    const rows: { [path: string]: number } = {}
    for (const [path, { data, ...options }] of Object.entries(datasets)) {
      const whole = isArray(data)
      const { compression = 'none', shuffle = false } = options
      const inOnePiece = whole && options.chunks === undefined && (compression === 'none' || compression === 0) && !shuffle
      const dataset = file.dataset(path, inOnePiece ? { ...options, chunks: false } : options)
      rows[path] = 0
      for await (const batch of whole ? [data] : data) {
        signal?.throwIfAborted()
        await dataset.append(batch)
        rows[path] += batch.shape[0] ?? 1
      }
    }
    signal?.throwIfAborted()
    return { file: await file.finalize(), rows }
  } catch (error) {
    await file.abort()
    throw error
  }
}

function isArray(data: Hdf5DatasetSource['data']): data is NdArray {
  return typeof (data as Partial<NdArray> | null)?.dtype === 'string'
}
