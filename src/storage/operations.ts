import { MillraceError } from '../errors.js'
import type {
  Containers, DeleteResult, DirectoryPage, GetOptions, ObjectBytes, ObjectMeta, ObjectStat, ObjectWriter, OpenOptions, RequestOptions, Store,
  WriteOptions
} from '../store.js'
import { directoryPages } from './directory-pages.js'
import { checkKeys } from './known-keys.js'
import { copyObject, renameObject, type CopyOptions, type CopyResult, type Place } from './operations/copy.js'
import {
  getObject, getObjectRange, getObjectRanges, objectExists, streamObject, type GetRangesOptions, type ObjectRange, type ReadStreamOptions
} from './operations/read.js'
import { removeAll, removeObjects } from './operations/remove.js'
import { copyTree, type Progress, type ProgressOption, type TransferOptions, type Tree } from './operations/transfer.js'
import { withoutSecrets } from './uri.js'

export type { CopyOptions, CopyResult, GetRangesOptions, ObjectRange, Progress, ProgressOption, ReadStreamOptions, TransferOptions }

/** The store to ask. @default the one for the scheme of the URI */
export interface InStore {
  readonly store?: Store | undefined
}

/** The stores of two URIs. */
export interface BetweenStores extends InStore {
  /** The store of the second URI. @default `store` if that is given, else the one for its scheme */
  readonly toStore?: Store | undefined
}

/** What can be done with objects, in any store. What a store does not do by itself is made of what it does. */
export interface ObjectOperations {
  /**
   * Fetches a whole object.
   * @throws MillraceError `NotFound`; `Limit` for one that is larger than `maxBytes`; `Changed` for one that is not `known`
   */
  get(uri: string, options?: GetOptions & InStore): Promise<ObjectBytes>
  /**
   * Fetches `length` bytes from `offset` on, or all that follow.
   * @throws MillraceError `OutOfRange` when they are not all inside the object
   */
  getRange(uri: string, offset: number, length?: number, options?: OpenOptions & InStore): Promise<Uint8Array>
  /**
   * Fetches several ranges of one version of an object, those that are close to each other in one request. The results are in the order of the
   * ranges; those that were fetched together are views of the same memory.
   */
  getRanges(uri: string, ranges: readonly ObjectRange[], options?: GetRangesOptions & InStore): Promise<Uint8Array[]>
  /**
   * Reads an object, or what is from `start` to `end`, in chunks, in order, some of them ahead. Each chunk belongs to who gets it. To go on after a
   * break, give the number of bytes that came as `start`, and what `stat` said as `known`.
   */
  readStream(uri: string, options?: ReadStreamOptions & InStore): AsyncIterable<Uint8Array>
  /** Writes an object whole: readers see the old one or the new one. @throws MillraceError `Precondition` when the condition does not hold */
  put(uri: string, bytes: Uint8Array, options?: WriteOptions & InStore): Promise<ObjectMeta>
  /** Begins an object of any size, in bounded memory. It is there when `finalize` has resolved; `abort` leaves nothing behind. */
  createWriter(uri: string, options?: WriteOptions & InStore): Promise<ObjectWriter>
  /** All objects whose URI begins with `prefix`, at any depth, in the byte order of their URIs. Memory is that of a page. */
  list(prefix: string, options?: RequestOptions & InStore): AsyncIterable<ObjectMeta>
  /** Objects right below `prefix`, and the prefixes, ending in `/`, that go on. */
  listDirectory(prefix: string, options?: RequestOptions & InStore): AsyncIterable<DirectoryPage>
  /** All that the store says of an object. @throws MillraceError `NotFound` */
  stat(uri: string, options?: RequestOptions & InStore): Promise<ObjectStat>
  /** Whether there is such an object. Only `NotFound` means that there is none; any other failure is thrown. */
  exists(uri: string, options?: RequestOptions & InStore): Promise<boolean>
  /** Deletes an object; it is no error if there is none. */
  remove(uri: string, options?: RequestOptions & InStore): Promise<void>
  /** Deletes many objects of one store: a result for each, in order. What is not there counts as deleted. */
  removeMany(uris: readonly string[], options?: RequestOptions & InStore): Promise<readonly DeleteResult[]>
  /**
   * Deletes every object whose URI begins with `prefix`: `a/b` means `a/bc` too, `a/b/` does not. Memory is that of some pages of a listing.
   * @throws MillraceError at the end, when some could not be deleted: of the kind of the first failure, all of them (100 at most) in its cause
   */
  removePrefix(prefix: string, options?: RequestOptions & ProgressOption & InStore): Promise<Progress>
  /** Copies an object: inside the store where that can be, else through here, in 8 MiB of memory. `how` tells which it was. */
  copy(from: string, to: string, options?: CopyOptions & BetweenStores): Promise<CopyResult>
  /**
   * Renames an object. Local files and memory do that at once. Elsewhere it is copied, compared and then deleted: for a while there are
   * both, and whoever changes the original in the last moment loses the change.
   */
  rename(from: string, to: string, options?: Omit<CopyOptions, 'known'> & BetweenStores): Promise<CopyResult>
  /**
   * Copies all objects below a prefix to below another, each as `copy` does it. Names are taken over from behind the last `/` of `from`. What fails is
   * thrown at the end.
   */
  copyPrefix(from: string, to: string, options?: TransferOptions & BetweenStores): Promise<Progress>
  /**
   * Copies all objects below a prefix into a local directory, which is made. Names that would lead out of it are refused, and links in it are
   * not followed out of it. What fails is thrown at the end.
   */
  download(prefix: string, directory: string, options?: TransferOptions & InStore): Promise<Progress>
  /** Copies all files of a local directory, at any depth, to below a prefix. What fails is thrown at the end. */
  upload(directory: string, prefix: string, options?: TransferOptions & InStore): Promise<Progress>
  /** Makes a bucket or container. @throws MillraceError `Precondition` when it is there; `Unsupported` where there is no such thing */
  createContainer(uri: string, options?: RequestOptions & InStore): Promise<void>
  /** Deletes an empty bucket or container. @throws MillraceError `NotFound`; `Precondition` when it is not empty */
  removeContainer(uri: string, options?: RequestOptions & InStore): Promise<void>
  /** The buckets or containers of the account that a URI such as `s3://` means. */
  listContainers(uri: string, options?: RequestOptions & InStore): AsyncIterable<string>
}

const REQUEST = ['signal', 'trace']
const OPEN = [...REQUEST, 'known']
const GET = [...OPEN, 'maxBytes', 'allocate', 'verify']
const WRITE = [...REQUEST, 'ifAbsent', 'ifVersion', 'contentType', 'metadata']
const TRANSFER = [...REQUEST, 'concurrency', 'ifAbsent', 'keepMetadata', 'onProgress']

/** The operations, with the stores that `storeFor` finds for URIs. */
export function operationsOf(storeFor: (uri: string) => Store | Promise<Store>): ObjectOperations {
  async function at(operation: string, uri: string, store: Store | undefined, options: object, known: readonly string[]): Promise<Store> {
    checkKeys(operation, options, known, key => (key === 'toStore' ? 'copy, rename and copyPrefix' : undefined))
    checkStore(operation, 'store', store)
    return store ?? storeFor(uri)
  }

  async function places(operation: string, from: string, to: string, { store, toStore = store }: BetweenStores, options: object, known: readonly string[]): Promise<[Place, Place]> {
    checkStore(operation, 'toStore', toStore)
    const source = await at(operation, from, store, options, known)
    return [{ store: source, uri: from }, { store: toStore ?? (await storeFor(to)), uri: to }]
  }

  const tree = ({ store, uri }: Place): Tree => ({ store, prefix: uri })

  return {
    async get(uri, { store, ...options } = {}) {
      return getObject(await at('get', uri, store, options, GET), uri, options)
    },
    async getRange(uri, offset, length, { store, ...options } = {}) {
      return getObjectRange(await at('getRange', uri, store, options, OPEN), uri, offset, length, options)
    },
    async getRanges(uri, ranges, { store, ...options } = {}) {
      return getObjectRanges(await at('getRanges', uri, store, options, [...OPEN, 'gap']), uri, ranges, options)
    },
    async *readStream(uri, { store, ...options } = {}) {
      yield* streamObject(await at('readStream', uri, store, options, [...OPEN, 'start', 'end', 'chunkSize', 'ahead']), uri, options)
    },
    async put(uri, bytes, { store, ...options } = {}) {
      return (await at('put', uri, store, options, WRITE)).put(uri, bytes, options)
    },
    async createWriter(uri, { store, ...options } = {}) {
      return (await at('createWriter', uri, store, options, WRITE)).createWriter(uri, options)
    },
    async *list(prefix, { store, ...options } = {}) {
      for await (const page of (await at('list', prefix, store, options, [...REQUEST, 'enter'])).list(prefix, options)) yield* page
    },
    async *listDirectory(prefix, { store, ...options } = {}) {
      const from = await at('listDirectory', prefix, store, options, REQUEST)
      yield* from.listDirectory?.(prefix, options) ?? directoryPages(prefix, from.list(prefix, options))
    },
    async stat(uri, { store, ...options } = {}) {
      return (await at('stat', uri, store, options, REQUEST)).stat(uri, options)
    },
    async exists(uri, { store, ...options } = {}) {
      return objectExists(await at('exists', uri, store, options, REQUEST), uri, options)
    },
    async remove(uri, { store, ...options } = {}) {
      await (await at('remove', uri, store, options, REQUEST)).delete(uri, options)
    },
    async removeMany(uris, { store, ...options } = {}) {
      const [first] = uris
      return first === undefined ? [] : removeObjects(await at('removeMany', first, store, options, REQUEST), uris, options)
    },
    async removePrefix(prefix, { store, ...options } = {}) {
      return removeAll(await at('removePrefix', prefix, store, options, [...REQUEST, 'onProgress']), prefix, options)
    },
    async copy(from, to, { store, toStore, ...options } = {}) {
      return copyObject(...(await places('copy', from, to, { store, toStore }, options, [...WRITE, 'known', 'keepMetadata'])), options)
    },
    async rename(from, to, { store, toStore, ...options } = {}) {
      return renameObject(...(await places('rename', from, to, { store, toStore }, options, [...WRITE, 'keepMetadata'])), options)
    },
    async copyPrefix(from, to, { store, toStore, ...options } = {}) {
      const [source, target] = await places('copyPrefix', from, to, { store, toStore }, options, TRANSFER)
      return copyTree('copyPrefix', tree(source), tree(target), options)
    },
    async download(prefix, directory, { store, ...options } = {}) {
      const from = await at('download', prefix, store, options, TRANSFER)
      const { directoryStore } = await import('./file-tree.js')
      return copyTree('download', { store: from, prefix }, { store: await directoryStore('download', directory, true), prefix: '' }, options)
    },
    async upload(directory, prefix, { store, ...options } = {}) {
      const to = await at('upload', prefix, store, options, TRANSFER)
      const { directoryStore } = await import('./file-tree.js')
      return copyTree('upload', { store: await directoryStore('upload', directory, false), prefix: '' }, { store: to, prefix }, options)
    },
    async createContainer(uri, { store, ...options } = {}) {
      await containersOf(await at('createContainer', uri, store, options, REQUEST), uri, 'createContainer').create(uri, options)
    },
    async removeContainer(uri, { store, ...options } = {}) {
      await containersOf(await at('removeContainer', uri, store, options, REQUEST), uri, 'removeContainer').delete(uri, options)
    },
    async *listContainers(uri, { store, ...options } = {}) {
      yield* containersOf(await at('listContainers', uri, store, options, REQUEST), uri, 'listContainers').list(options)
    }
  }
}

function checkStore(operation: string, name: string, store: unknown): void {
  if (store === undefined || typeof (store as Partial<Store> | null)?.open === 'function') return
  throw new TypeError(`${operation}: ${name} must be a store, such as s3Store({ … }) makes, got ${store === null ? 'null' : typeof store}`)
}

function containersOf({ containers, scheme }: Store, uri: string, operation: string): Containers {
  if (containers !== undefined) return containers
  const shown = withoutSecrets(uri)
  throw new MillraceError('Unsupported',
    `${operation} ${shown}: ${scheme}:// has no buckets or containers that can be made or listed; of files, directories are made when something is written`,
    { uri: shown, operation })
}
