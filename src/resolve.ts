/**
 * The only bridge from a URI to a store and from a name to a format. Everything is loaded when it is first asked for, so
 * that a program carries only what it uses and a browser never sees `node:fs`.
 */
export type { Hdf5Attributes, Hdf5DatasetFacts, Hdf5Filter, Hdf5Group, Hdf5Node, Hdf5Value } from '../formats/hdf5/model.js'
export type { NpyColumn, NpyInfo } from '../formats/npy/inspect.js'
export type { NpzArray, NpzInfo } from '../formats/npz/inspect.js'
import type { Hdf5Group } from '../formats/hdf5/model.js'
import type { NpyInfo } from '../formats/npy/inspect.js'
import type { NpzInfo } from '../formats/npz/inspect.js'
import { MillraceError } from './errors.js'
import type { Format } from './format.js'
import { schemeOf, withoutSecrets } from './storage/uri.js'
import { findObjects, type FoundObject } from './storage/patterns.js'
import type { ByteSource, ObjectWriter, OpenOptions, RequestOptions, Store } from './store.js'
import { environment } from './util/environment.js'

/** Options are checked at the call, before the format itself is loaded. */
export { resolveOptions as resolveFixedLengthOptions, type FixedLengthOptions } from '../formats/fixed-length/options.js'
export { resolveOptions as resolveHdf5Options, type Hdf5Options } from '../formats/hdf5/options.js'
export { resolveOptions as resolveIdxOptions, type IdxOptions } from '../formats/idx/options.js'
export { resolveOptions as resolveNpyOptions, type NpyOptions } from '../formats/npy/options.js'
export { resolveOptions as resolveNpzOptions, type NpzOptions } from '../formats/npz/options.js'
export { resolveOptions as resolveRawOptions, type RawOptions } from '../formats/raw/options.js'
export { resolveOptions as resolveTfrecordOptions, type TfrecordOptions } from '../formats/tfrecord/options.js'

/** An object to read: a URI whose scheme has a store here, or a URI and the store to ask. */
export type UriTarget = string | { readonly store: Store; readonly uri: string }

/** One line per scheme. `''` is a plain path. What is made here is configured by the environment alone. */
const STORES: { readonly [scheme: string]: () => Promise<Store> } = {
  '': async () => (await nodeOnly(import('./storage/file.js'))).fileStore(),
  az: async () => (await import('./storage/azure/store.js')).azureStore(),
  direct: async () => (await nodeOnly(import('./storage/direct.js'))).directStore(),
  file: async () => (await nodeOnly(import('./storage/file.js'))).fileStore(),
  gs: async () => (await import('./storage/gcs/store.js')).gcsStore(),
  http: async () => (await import('./storage/http/store.js')).httpStore(),
  https: async () => (await import('./storage/http/store.js')).httpStore(),
  mem: async () => (await import('./storage/memory.js')).defaultMemoryStore,
  s3: async () => (await import('./storage/s3/store.js')).s3Store()
}

/** Schemes that one store serves. */
const SAME: { readonly [scheme: string]: string | undefined } = { '': 'file', http: 'https' }
/** What other systems write for a scheme of ours. */
const OTHERWISE: { readonly [scheme: string]: string | undefined } = { s3a: 's3', s3n: 's3', gcs: 'gs', abfs: 'az', abfss: 'az', wasb: 'az', wasbs: 'az', azure: 'az' }

/** Variables that the stores above look at. Who changes one gets another store. */
const VARIABLES = /^(AWS|AZURE|GOOGLE|GCLOUD|CLOUDSDK|MILLRACE|STORAGE_EMULATOR)_/
/** Stores that were made, by scheme and environment: files of one place share connections. */
const made = new Map<string, Promise<Store>>()

/** One line per format. The endings stand here too, so that a file name can be judged before the format is loaded. */
const FORMATS: { readonly [name: string]: FormatEntry } = {
  fixedLengthRecords: { extensions: [], load: async () => (await import('../formats/fixed-length/index.js')).fixedLengthRecords },
  hdf5: { extensions: ['h5', 'hdf5', 'he5', 'hdf'], tabular: true, load: async () => (await import('../formats/hdf5/index.js')).hdf5 },
  idx: { extensions: ['idx', 'idx1-ubyte', 'idx2-ubyte', 'idx3-ubyte', 'idx4-ubyte'], tabular: true, load: async () => (await import('../formats/idx/index.js')).idx },
  npy: { extensions: ['npy'], tabular: true, load: async () => (await import('../formats/npy/index.js')).npy },
  npz: { extensions: ['npz'], tabular: true, load: async () => (await import('../formats/npz/index.js')).npz },
  raw: { extensions: [], elementsPerFile: 1, load: async () => (await import('../formats/raw/index.js')).raw },
  tfrecord: { extensions: ['tfrecord', 'tfrecords'], load: async () => (await import('../formats/tfrecord/index.js')).tfrecord }
}

interface FormatEntry {
  readonly tabular?: boolean
  readonly elementsPerFile?: number
  readonly extensions: readonly string[]
  readonly load: () => Promise<Format<unknown>>
}

/**
 * The store for a URI or plain path.
 * @throws MillraceError `Unsupported` when no store here serves the scheme, or this is not Node and the file is local.
 */
export async function resolveStore(uri: string): Promise<Store> {
  const scheme = isAzureUrl(uri) && (hasAzureCredentials() || /[?&]sig=/.test(uri)) ? 'az' : SAME[schemeOf(uri)] ?? schemeOf(uri)
  const load = own(STORES, scheme)
  if (load !== undefined) {
    const key = `${scheme} ${environmentKey()}`
    const store = made.get(key) ?? load()
    made.set(key, store)
    store.catch(() => made.delete(key))
    return store
  }
  const shown = withoutSecrets(uri)
  const known = schemes().map((name) => `${name}://`).join(', ')
  throw new MillraceError('Unsupported',
    `${shown}: there is no store for ${scheme}:// here; there are plain paths and ${known}. `
    + (OTHERWISE[scheme] === undefined ? '' : `${scheme}:// is written ${OTHERWISE[scheme]}:// here. `)
    + 'For anything else, pass the option { store }', { uri: shown, operation: 'resolve' })
}

/** Opens an object for ranged reads, with the store that it comes with or the one for its scheme. */
export async function openUri(target: UriTarget, options: OpenOptions = {}): Promise<ByteSource> {
  options.signal?.throwIfAborted()
  if (typeof target !== 'string') return target.store.open(target.uri, options)
  return (await resolveStore(target)).open(target, options)
}

/** Begins to write an object, in `store` or in the store for the scheme. */
export async function createWriterAt(uri: string, store: Store | undefined, options: RequestOptions): Promise<ObjectWriter> {
  return (store ?? (await resolveStore(uri))).createWriter(uri, options)
}

/** Loads what writes NPY files. */
export async function loadNpyWriter(): Promise<typeof import('../formats/npy/writer.js').writeNpyTo> {
  return (await import('../formats/npy/writer.js')).writeNpyTo
}

/** Loads what writes NPZ files. */
export async function loadNpzWriter(): Promise<typeof import('../formats/npz/writer.js').writeNpzTo> {
  return (await import('../formats/npz/writer.js')).writeNpzTo
}

/** Loads what writes HDF5 files. */
export async function loadHdf5Writer(): Promise<typeof import('../formats/hdf5/write/write-datasets.js')> {
  return import('../formats/hdf5/write/write-datasets.js')
}

/** Loads what writes the index of a TFRecord file. */
export async function loadTfrecordIndexer(): Promise<typeof import('../formats/tfrecord/index-writer.js').indexTfrecord> {
  return (await import('../formats/tfrecord/index-writer.js')).indexTfrecord
}

/** Loads what writes TFRecord files. */
export async function loadTfrecordWriter(): Promise<typeof import('../formats/tfrecord/writer.js').tfrecordWriter> {
  return (await import('../formats/tfrecord/writer.js')).tfrecordWriter
}

/** @throws RangeError for a name that no format has, TypeError for what is no format. */
export function checkFormat(format: unknown): void {
  if (typeof format !== 'string') {
    if (typeof (format as Partial<Format<unknown>> | null | undefined)?.open === 'function') return
    throw new TypeError('format must be the name of a format, or a format: an object with a function open')
  }
  if (format === 'auto' || own(FORMATS, format) !== undefined) return
  throw new RangeError(`there is no format ${JSON.stringify(format)} here; there is ${Object.keys(FORMATS).join(', ')}. For anything else, pass a format object`)
}

/** What a plan has to know of a format, given by its name or itself. */
export interface FormatParams {
  readonly formatName: string
  readonly tabular: boolean
  readonly elementsPerFile: number | undefined
  readonly format: (source: ByteSource, signal: AbortSignal) => Promise<Format<unknown>>
}

/** What is known of a format that {@link checkFormat} has let pass. */
export function formatParams(format: string | Format<unknown>): FormatParams {
  if (format === 'auto') return { formatName: format, tabular: true, elementsPerFile: undefined, format: detectFormatOf }
  const { tabular = false, elementsPerFile } = typeof format === 'string' ? (FORMATS[format] as FormatEntry) : format
  return typeof format === 'string'
    ? { formatName: format, tabular, elementsPerFile, format: () => (FORMATS[format] as FormatEntry).load() }
    : { formatName: format.name, tabular, elementsPerFile, format: () => Promise.resolve(format) }
}

/** What {@link inspectors} look for. */
export type FileInfo =
  | ({ readonly format: 'npy' } & NpyInfo)
  | ({ readonly format: 'npz' } & NpzInfo)
  | { readonly format: 'hdf5'; readonly root: Hdf5Group }

/** The name of the format of an opened file, and what looks into it, where there is such a thing. */
export async function inspectors(source: ByteSource, format: string, signal: AbortSignal): Promise<{
  readonly name: string
  readonly look: ((source: ByteSource, signal: AbortSignal) => Promise<FileInfo>) | undefined
}> {
  const name = format === 'auto' ? await detectedName(source, signal) : format
  return { name, look: own(INSPECTORS, name) }
}

const INSPECTORS: { readonly [format: string]: (source: ByteSource, signal: AbortSignal) => Promise<FileInfo> } = {
  npy: async (source, signal) => ({ format: 'npy', ...(await (await import('../formats/npy/inspect.js')).inspectNpy(source, { signal })) }),
  npz: async (source, signal) => ({ format: 'npz', ...(await (await import('../formats/npz/inspect.js')).inspectNpz(source, { signal })) }),
  async hdf5(source, signal) {
    const { openHdf5File } = await import('../formats/hdf5/index.js')
    const file = await openHdf5File(source, { signal, cacheBytes: 0, maxChunkBytes: 2 ** 31 - 17 })
    return { format: 'hdf5', root: await file.inspect() }
  }
}

/** The format of an opened file, by its name and its first bytes. */
async function detectFormatOf(source: ByteSource, signal: AbortSignal): Promise<Format<unknown>> {
  return (FORMATS[await detectedName(source, signal)] as FormatEntry).load()
}

async function detectedName(source: ByteSource, signal: AbortSignal): Promise<string> {
  const { detectFormat, HEAD_BYTES } = await import('../formats/detect.js')
  const head = new Uint8Array(Math.min(HEAD_BYTES, source.byteLength))
  if (head.length > 0) await source.read(0, head, { signal })
  return detectFormat(source.uri, formatFor(source.uri), head, source.byteLength)
}

/**
 * The name of the format that a file name stands for, by its ending: `a.tfrecord`, `a.tfrecords.gz`,
 * `a.tfrecord-00000-of-00016`. Upper and lower case are the same. Nothing when no format claims it.
 */
export function formatFor(uri: string): string | undefined {
  const name = withoutSecrets(uri).toLowerCase().replace(/^.*[/\\]/s, '')
  const plain = name.replace(/\.(gz|gzip|zlib)$/, '').replace(/-\d+-of-\d+$/, '').replace(/\.(gz|gzip|zlib)$/, '')
  return Object.keys(FORMATS).find((format) => FORMATS[format]?.extensions.some((extension) => plain.endsWith(`.${extension}`) || (extension.endsWith('-ubyte') && plain.endsWith(`-${extension}`))))
}

/** The objects that patterns mean, in order, looked up in `store` or in the store for their scheme. */
export function listObjects(patterns: readonly string[], store: Store | undefined, signal: AbortSignal): Promise<FoundObject[]> {
  return findObjects(patterns, { storeFor: uri => store ?? resolveStore(uri), signal })
}

/** The schemes that have a store here. */
export function schemes(): string[] {
  return Object.keys(STORES).filter((scheme) => scheme !== '')
}

async function nodeOnly<Module>(loading: Promise<Module>): Promise<Module> {
  try {
    return await loading
  } catch (cause) {
    throw new MillraceError('Unsupported', 'local files need Node; in a browser use mem:// or pass a store',
      { operation: 'resolve', cause })
  }
}

/** The public endpoints of Azure Blob Storage, which need more than a plain GET. */
function isAzureUrl(uri: string): boolean {
  return /^https:\/\/[a-z0-9]{3,24}\.blob\.core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)\//i.test(uri)
}

/** Public data need none, and a plain GET will do. */
function hasAzureCredentials(): boolean {
  return Object.keys(environment()).some(name => name.startsWith('AZURE_'))
}

function environmentKey(): string {
  const env = environment()
  return Object.keys(env).filter(name => VARIABLES.test(name)).sort().map(name => `${name}=${env[name]}`).join('\n')
}

/** Not what every object inherits: `constructor` is no format. */
function own<T>(table: { readonly [key: string]: T }, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
