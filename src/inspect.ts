import { MillraceError } from './errors.js'
import { inspectors, openUri, type FileInfo } from './resolve.js'
import type { Store } from './store.js'
import { checkOptions } from './util/check.js'

/** Options of {@link inspect}. */
export interface InspectOptions {
  /** @default 'auto', which tells it from the file's name and first bytes */
  readonly format?: 'auto' | 'hdf5' | 'npy' | 'npz'
  /** Where the file is. @default the store for the scheme of the URI */
  readonly store?: Store
  readonly signal?: AbortSignal
}

/**
 * Tells what is in a file, without reading its data: the header of an NPY file, the arrays of an NPZ file, the tree of groups, datasets
 * and attributes of an HDF5 file.
 * @throws MillraceError `Unsupported` for other formats; those that reading the file would throw.
 * @example console.log((await writeNpy('mem://x.npy', new Float32Array(3))).shape, await inspect('mem://x.npy'))
 */
export async function inspect(uri: string, options: InspectOptions & { readonly format: 'hdf5' }): Promise<Extract<FileInfo, { format: 'hdf5' }>>
export async function inspect(uri: string, options: InspectOptions & { readonly format: 'npy' }): Promise<Extract<FileInfo, { format: 'npy' }>>
export async function inspect(uri: string, options: InspectOptions & { readonly format: 'npz' }): Promise<Extract<FileInfo, { format: 'npz' }>>
export async function inspect(uri: string, options?: InspectOptions): Promise<FileInfo>
export async function inspect(uri: string, options: InspectOptions = {}): Promise<FileInfo> {
  checkOptions('inspect', options, ['format', 'store', 'signal'])
  const { format = 'auto', store, signal = new AbortController().signal } = options
  const source = await openUri(store === undefined ? uri : { store, uri }, { signal })
  try {
    const { name, look } = await inspectors(source, format, signal)
    if (look === undefined) throw new MillraceError('Unsupported', `inspect: ${source.uri} is ${name}, of which there is nothing to tell without reading it; it tells of npy, npz and hdf5`, { uri: source.uri })
    return await look(source, signal)
  } finally {
    await source.close()
  }
}
