import { attempt, Fault } from './faults.js'
import type { H5Type } from './leaves.js'

/** What is used of the module of h5wasm. */
export interface H5Module {
  readonly HEAPU8: Uint8Array
  readonly FS: H5FileSystem
  _malloc(bytes: number): number
  _free(pointer: number): void
  open(name: string, mode: number, trackOrder: boolean, lowest: number, highest: number): bigint
  get_type(file: bigint, path: string): number
  get_dataset_metadata(file: bigint, path: string): H5Type & {
    readonly shape: readonly number[] | null
    readonly chunks: readonly number[] | null
    readonly virtual_sources?: readonly { readonly file_name: string }[]
  }
  get_dataset_filters(file: bigint, path: string): readonly H5Filter[]
  get_dataset_data(file: bigint, path: string, count: bigint[] | null, offset: bigint[] | null, strides: bigint[] | null, pointer: bigint): number
  reclaim_vlen_memory(file: bigint, path: string, attribute: string, pointer: bigint): number
  reclaim_vlen_memory_count(file: bigint, path: string, attribute: string, pointer: bigint, count: bigint[]): number
  get_plugin_search_paths(): string[]
  activate_throwing_error_handler(): number
  deactivate_throwing_error_handler(): number
}

/** A filter of a dataset, and the numbers that it was set up with. */
export interface H5Filter {
  readonly id: number
  readonly name: string
  readonly cd_values: readonly number[]
}

interface H5FileSystem {
  createFile(parent: string, name: string, properties: object, canRead: boolean, canWrite: boolean): { stream_ops: object }
  mkdirTree(path: string): void
  writeFile(path: string, data: Uint8Array): void
  readonly ErrnoError: new (errno: number) => Error
}

/** The versions of the packages that are known to serve. */
const H5WASM = 'h5wasm >=0.10.0'
const PLUGINS = 'h5wasm-plugins >=0.2.0'
/** "I/O error", as WASI numbers it. */
const EIO = 29

/** Filters that HDF5 itself has. */
const BUILT_IN: readonly number[] = [1, 2, 3, 4, 5, 6]
/** Filters of the plug-in package, by the number that is registered with the HDF Group. */
const PLUGIN_OF: { readonly [id: number]: string } = {
  307: 'bz2', 32000: 'lzf', 32001: 'blosc', 32004: 'lz4', 32008: 'bshuf', 32013: 'zfp', 32015: 'zstd', 32019: 'jpeg', 32022: 'bitgroom',
  32023: 'bitround', 32026: 'blosc2'
}

/** The code of zlib among the compressors of Blosc. The plug-ins have no zlib of their own, and h5wasm does not lend them its. */
const BLOSC_ZLIB = 4

/** Loads h5wasm, with HDF5 throwing errors instead of printing them. */
export async function loadH5wasm(): Promise<H5Module> {
  // h5wasm prints what goes wrong, and takes these functions when it is loaded.
  const mute = (): void => undefined
  Object.assign(globalThis.console, { error: mute, warn: mute, log: mute })
  let h5: { readonly ready: Promise<unknown> }
  try {
    h5 = await import('h5wasm')
  } catch (error) {
    throw new Fault('MissingPackage', `this needs the package h5wasm, which could not be loaded (${String((error as { readonly message?: unknown } | null)?.message ?? error)}): ${install(H5WASM)}`)
  }
  // The declarations of the package do not name the functions of the C library that are called here.
  const module = (await h5.ready) as H5Module
  if (typeof module.activate_throwing_error_handler !== 'function') {
    throw new Fault('Unsupported', `the h5wasm that is installed is too old to tell of errors: ${install(H5WASM)}`)
  }
  module.activate_throwing_error_handler()
  return module
}

function install(versions: string): string {
  return `npm install "${versions.replace(' ', '@')}"`
}

/** The only file that h5wasm sees, read through `read`. Gives its handle. */
export function mountFile(
  module: H5Module, byteLength: number, read: (position: number, length: number, heap: Int8Array, at: number) => void
): bigint {
  const { FS } = module
  const node = FS.createFile('/', 'file.h5', {}, true, false)
  let opened = false
  Object.defineProperty(node, 'usedBytes', { get: () => byteLength, set: () => undefined })
  node.stream_ops = {
    ...node.stream_ops,
    read(_stream: unknown, heap: Int8Array, at: number, length: number, position: number): number {
      const count = Math.max(0, Math.min(length, byteLength - position))
      // HDF5 would take what lies behind the end of the file for zeros. While it looks for the beginning it may read too far.
      if (opened && count < length) throw new FS.ErrnoError(EIO)
      try {
        read(position, count, heap, at)
      } catch {
        throw new FS.ErrnoError(EIO)
      }
      return count
    },
    write(): never {
      throw new FS.ErrnoError(EIO)
    },
    mmap(): never {
      throw new FS.ErrnoError(EIO)
    }
  }
  const file = attempt(() => module.open('/file.h5', 0, false, -1, -1), 'the file cannot be opened')
  if (file < 0n) throw new Fault('Corrupt', 'HDF5 cannot open the file')
  opened = true
  return file
}

/**
 * Sees to it that the filters of a dataset are there.
 * @throws Fault `Unsupported` with the number and the name of a filter that is not
 */
export function provideFilters(module: H5Module, path: string, filters: readonly H5Filter[]): void {
  for (const { id, name, cd_values: parameters } of filters) {
    if (BUILT_IN.includes(id)) continue
    const shown = `filter ${id}${name === '' ? '' : ` (${name})`}`
    const plugin = PLUGIN_OF[id]
    if (plugin === undefined) {
      throw new Fault('Unsupported',
        `${path} is compressed with ${shown}, which neither h5wasm nor ${PLUGINS} has; write it again with gzip, lzf, zstd, lz4 or blosc`)
    }
    if (plugin.startsWith('blosc') && parameters[6] === BLOSC_ZLIB) {
      throw new Fault('Unsupported',
        `${path} is compressed with ${shown} and zlib inside it, which the plug-in of ${PLUGINS} cannot undo; write it again with lz4 or zstd inside`)
    }
    let bytes: Uint8Array
    try {
      const url = new URL(`./plugins/libH5Z${plugin}.so`, import.meta.resolve('h5wasm-plugins'))
      bytes = globalThis.process.getBuiltinModule('node:fs').readFileSync(url)
    } catch (error) {
      throw new Fault('Unsupported',
        `${path} is compressed with ${shown}, which needs the package h5wasm-plugins (${String(error)}): ${install(PLUGINS)}`)
    }
    const folder = module.get_plugin_search_paths()[0] ?? '/usr/local/hdf5/lib/plugin'
    module.FS.mkdirTree(folder)
    module.FS.writeFile(`${folder}/libH5Z${plugin}.so`, bytes)
  }
}
