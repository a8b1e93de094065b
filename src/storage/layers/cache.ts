import { isMillraceError, MillraceError } from '../../errors.js'
import type { ByteSource, GetOptions, ObjectBytes, ObjectMeta, ObjectWriter, OpenOptions, RequestOptions, Store } from '../../store.js'
import type { MaybePromise } from '../../types.js'
import { checkInteger, checkOptions } from '../../util/check.js'
import { isPromise } from '../../util/promise.js'
import { allocateFor, checkRange, closedError } from '../checks.js'
import { withoutSecrets } from '../uri.js'
import { blockCache, type CachedObject } from './cache-blocks.js'
import { BLOCK_OVERHEAD } from './cache-memory.js'
import type { DiskStats, DiskTier } from './cache-disk.js'
import { versionMemory } from './cache-versions.js'
import { forward } from './forward.js'
import { underWay } from './under-way.js'

/** Options of {@link cached}. Sizes in bytes. */
export interface CacheOptions {
  /** The most that blocks in memory take, with 256 bytes each for keeping them. 0 for a cache on the disk alone. @default 256 MiB */
  readonly memoryBytes?: number | undefined
  /** Bytes of one block: what is fetched at least. Small for small records in random order, large for whole objects. @default 1 MiB */
  readonly blockSize?: number | undefined
  /** A directory, below which blocks are also kept on the disk. They outlive the process. Node only. @default none */
  readonly directory?: string | undefined
  /** The most bytes of all files in the directory. Only with `directory`. @default 10 GiB */
  readonly diskBytes?: number | undefined
  /** Bytes of that disk that are left free; the cache shrinks to leave them. Only with `directory`. @default 5 % of the disk, at most 1 GiB */
  readonly keepFreeBytes?: number | undefined
  /** Tells apart stores that have the same URIs but other objects, such as two endpoints, in one directory. Only with `directory`. @default '' */
  readonly namespace?: string | undefined
  /**
   * Milliseconds for which a version is believed to be the latest once the store has said so: as long, opening an object asks nothing.
   * `Infinity` for objects that are never replaced. @default 0
   */
  readonly trustFor?: number | undefined
}

/** What a cache has done. */
export interface CacheStats {
  /** Blocks that were in memory when they were read. */
  readonly hits: number
  /** Blocks that were on the disk. */
  readonly diskHits: number
  /** Blocks that had to be fetched. */
  readonly misses: number
  /** Times that somebody waited for a block that was on its way already. */
  readonly shared: number
  /** Bytes that readers got out of memory. */
  readonly hitBytes: number
  /** Bytes that were fetched. */
  readonly fetchedBytes: number
  /** Requests that were made to learn the version of an object. */
  readonly checks: number
  readonly memory: {
    readonly bytes: number
    readonly blocks: number
    /** Blocks that had to make room for others. */
    readonly evictions: number
  }
  /** Absent without a directory, and before it was used first. */
  readonly disk: DiskStats | undefined
}

/** A store with a cache before it. */
export interface CachedStore extends Store {
  get(uri: string, options?: GetOptions): Promise<ObjectBytes>
  stats(): CacheStats
  /** Forgets everything, on the disk too, for all who share the directory. */
  clear(): Promise<void>
  close(): Promise<void>
}

/**
 * Keeps what is read of a store: blocks of objects, by URI, version and size, those that were used last.
 *
 * With a `known` version, opening asks nothing and reading what is kept asks nothing either. Without one, opening makes one request that
 * tells the version: `stat` when something of the object is kept, else `open`. Objects of which the store tells no version are not kept.
 * Writing and deleting through the cache drops what is kept of the object. `docs/stores/cache.md` says the rest.
 *
 * ```ts
 * const store = cached(memoryStore(), { memoryBytes: 64 << 20 })
 * ```
 *
 * @throws TypeError, RangeError for options that cannot be
 */
export function cached(store: Store, options: CacheOptions = {}, clock: { now(): number } = performance): CachedStore {
  const { memoryBytes, blockSize, directory, trustFor, ...ofDisk } = resolveOptions(options)
  let tier: DiskTier | undefined
  let opening: Promise<DiskTier | undefined> | undefined
  let closing: Promise<void> | undefined
  let checks = 0
  const blocks = blockCache(store, { memoryBytes, blockSize, disk })
  const versions = versionMemory(trustFor, clock)

  /** The disk, opened when it is used first. It is an error if that is not possible, but not if it is full. */
  function disk(): Promise<DiskTier | undefined> | undefined {
    if (directory === undefined) return undefined
    return opening ??= openDisk({ directory, pendingBytes: Math.max(LEAST_PENDING, memoryBytes / 2), ...ofDisk }).then(opened => tier = opened, (error: unknown) => {
      if (isMillraceError(error, 'Limit')) return undefined
      opening = undefined
      throw error
    })
  }

  function begin(operation: string, uri: string, signal: AbortSignal | undefined): void {
    if (closing !== undefined) throw closedError(withoutSecrets(uri), operation, 'the cache was closed')
    signal?.throwIfAborted()
  }

  /** The version of an object that may be read without asking for more, if there is one. */
  async function versionOf(uri: string, { known, signal, trace }: OpenOptions): Promise<ObjectMeta | undefined> {
    // Under another name it may be another object: the store has to say.
    if (known !== undefined) return known.uri === uri && known.version !== '' ? known : undefined
    const trusted = versions.trusted(uri)
    if (trusted !== undefined) return trusted
    if (!blocks.knows(uri) && (await (await disk())?.has(uri)) !== true) return undefined
    checks++
    try {
      const meta = await versions.learn(uri, 'read', () => store.stat(uri, { signal, trace }), answer => answer)
      return meta.version === '' ? undefined : meta
    } catch (error) {
      if (!isMillraceError(error, 'NotFound')) throw error
      blocks.drop(uri)
      return undefined // opening says so, in its own words
    }
  }

  async function open(uri: string, request: OpenOptions = {}): Promise<ByteSource> {
    begin('open', uri, request.signal)
    const meta = await versionOf(uri, request)
    if (meta !== undefined) return sourceOf(blocks.use(meta))
    if (request.known === undefined) checks++
    const inner = await versions.learn(uri, 'read', () => store.open(uri, request), ({ uri: name, byteLength: size, version }) => ({ uri: name, size, version }))
    const { uri: name, byteLength: size, version } = inner
    if (version === '') return inner
    const object = blocks.use({ uri: name, size, version })
    if (object.inner === undefined) object.inner = Promise.resolve(inner)
    else await inner.close()
    return sourceOf(object)
  }

  function sourceOf(object: CachedObject): ByteSource {
    const { uri, size, version } = object.meta
    const reads = underWay()
    let closed: Promise<void> | undefined
    async function finish(): Promise<void> {
      await reads.ended()
      await blocks.release(object)
    }
    function read(offset: number, into: Uint8Array, request: RequestOptions | undefined): MaybePromise<unknown> {
      checkRange(uri, size, offset, into.byteLength)
      if (closed !== undefined) throw closedError(uri, 'read', 'the source was closed')
      begin('read', uri, request?.signal)
      return blocks.read(object, offset, into, request, false)
    }
    async function settle(reading: PromiseLike<unknown>): Promise<void> {
      try {
        await reading
      } catch (error) {
        distrust(uri, error)
      }
    }
    return {
      uri,
      byteLength: size,
      version,
      // What is in memory costs no more than a promise.
      read(offset, into, request) {
        try {
          const reading = read(offset, into, request)
          return isPromise(reading) ? reads.track(settle(reading)) : Promise.resolve()
        } catch (error) {
          return Promise.reject(error as Error)
        }
      },
      close: () => (closed ??= finish())
    }
  }

  /** What is not as it was believed to be is not believed any longer. */
  function distrust(uri: string, error: unknown): never {
    if (isMillraceError(error, 'Changed') || isMillraceError(error, 'NotFound')) versions.forget(uri)
    throw error
  }

  async function get(uri: string, request: GetOptions = {}): Promise<ObjectBytes> {
    begin('get', uri, request.signal)
    const meta = request.verify === true ? undefined : await versionOf(uri, request)
    return meta === undefined ? getAnew(uri, request) : getKnown(meta, request)
  }

  async function getKnown(meta: ObjectMeta, request: GetOptions): Promise<ObjectBytes> {
    const { uri, size, version } = meta
    const bytes = allocateFor(uri, size, request)
    const object = blocks.use(meta)
    try {
      const verified = await blocks.read(object, 0, bytes, request, true)
      return { bytes, meta: { uri, size, version }, verified: verified && size > 0 }
    } catch (error) {
      return distrust(uri, error)
    } finally {
      await blocks.release(object)
    }
  }

  /** Through the store's own `get`, which learns the version and the bytes at once. */
  async function getAnew(uri: string, request: GetOptions): Promise<ObjectBytes> {
    if (store.get === undefined) {
      const source = await open(uri, request)
      try {
        const { uri: name, byteLength: size, version } = source
        const bytes = allocateFor(name, size, request)
        await source.read(0, bytes, request)
        return { bytes, meta: { uri: name, size, version }, verified: false }
      } finally {
        await source.close()
      }
    }
    const ask = store.get.bind(store, uri, request)
    if (request.known === undefined) checks++
    const got = await versions.learn(uri, 'read', ask, answer => answer.meta)
    if (got.meta.version === '') return got
    const object = blocks.use(got.meta)
    try {
      blocks.counts.misses += Math.ceil(got.meta.size / blockSize)
      blocks.counts.fetchedBytes += got.meta.size
      await blocks.keep(object, got.bytes, got.verified)
    } finally {
      await blocks.release(object)
    }
    return got
  }

  /** Runs something that changes an object. What is kept of it goes, also when it fails: nobody knows what happened then. */
  async function changing<Result extends ObjectMeta | undefined>(
    uri: string, operation: string, signal: AbortSignal | undefined, change: () => Promise<Result>
  ): Promise<Result> {
    begin(operation, uri, signal)
    try {
      const meta = await versions.learn(uri, 'write', change, answer => answer)
      if (meta !== undefined && meta.uri !== uri) {
        versions.forget(meta.uri)
        await drop(meta.uri)
      }
      return meta
    } finally {
      await drop(uri)
    }
  }

  async function drop(uri: string): Promise<void> {
    blocks.drop(uri)
    const onDisk = await disk()?.catch(() => undefined)
    await onDisk?.drop(uri)
  }

  function writerOf(uri: string, writer: ObjectWriter): ObjectWriter {
    return {
      write: bytes => writer.write(bytes),
      finalize: () => changing(uri, 'finalize', undefined, () => writer.finalize()),
      abort: () => writer.abort()
    }
  }

  async function finish(): Promise<void> {
    await blocks.close(closedError(`${store.scheme}://`, 'read', 'the cache was closed'))
    await tier?.close()
    await store.close?.()
  }

  const { copy, rename, deleteMany } = store
  const delegate = <Options extends RequestOptions, Result>(operation: string, call: (uri: string, options?: Options) => Promise<Result>) =>
    async (uri: string, request?: Options): Promise<Result> => {
      begin(operation, uri, request?.signal)
      return call(uri, request)
    }

  return forward(store, {
    open,
    get,
    stat: delegate('stat', (uri, request) => store.stat(uri, request)),
    async *list(prefix, request) {
      begin('list', prefix, request?.signal)
      yield* store.list(prefix, request)
    },
    put: (uri, bytes, request) => changing(uri, 'put', request?.signal, () => store.put(uri, bytes, request)),
    createWriter: delegate('createWriter', async (uri, request) => writerOf(uri, await store.createWriter(uri, request))),
    async delete(uri, request) {
      await changing(uri, 'delete', request?.signal, async () => void await store.delete(uri, request))
    },
    ...copy && { copy: (from, to, request) => changing(to, 'copy', request?.signal, () => copy.call(store, from, to, request)) },
    ...rename && {
      rename: (from, to, request) => changing(to, 'rename', request?.signal, () =>
        changing(from, 'rename', request?.signal, () => rename.call(store, from, to, request)))
    },
    ...deleteMany && {
      async deleteMany(uris, request) {
        begin('deleteMany', uris[0] ?? '', request?.signal)
        const forget = (): void => uris.forEach(uri => versions.forget(uri))
        try {
          forget()
          return await deleteMany.call(store, uris, request)
        } finally {
          forget()
          for (const uri of uris) await drop(uri)
        }
      }
    },
    stats: (): CacheStats => ({
      ...blocks.counts,
      checks,
      memory: { bytes: blocks.memory.bytes, blocks: blocks.memory.count, evictions: blocks.memory.evictions },
      disk: tier?.stats()
    }),
    async clear(): Promise<void> {
      begin('clear', `${store.scheme}://`, undefined)
      blocks.clear()
      versions.clear()
      await (await disk())?.clear()
    },
    close: () => (closing ??= finish())
  } satisfies Partial<Store> & Pick<CachedStore, 'stats' | 'clear'>)
}

const OPTIONS: readonly (keyof CacheOptions)[] = ['memoryBytes', 'blockSize', 'directory', 'diskBytes', 'keepFreeBytes', 'namespace', 'trustFor']
const DISK_OPTIONS: readonly (keyof CacheOptions)[] = ['diskBytes', 'keepFreeBytes', 'namespace']

interface Resolved {
  readonly memoryBytes: number
  readonly blockSize: number
  readonly directory: string | undefined
  readonly diskBytes: number
  readonly keepFreeBytes: number | undefined
  readonly namespace: string
  readonly trustFor: number
}

function resolveOptions(options: CacheOptions): Resolved {
  checkOptions('cached', options, OPTIONS)
  const { memoryBytes = 256 << 20, blockSize = 1 << 20, directory, diskBytes = 10 * 2 ** 30, keepFreeBytes, namespace = '', trustFor = 0 } = options
  checkInteger('cached', 'memoryBytes', memoryBytes, 0)
  checkInteger('cached', 'blockSize', blockSize, 1)
  checkInteger('cached', 'diskBytes', diskBytes, 1)
  if (keepFreeBytes !== undefined) checkInteger('cached', 'keepFreeBytes', keepFreeBytes, 0)
  if (typeof namespace !== 'string') throw new TypeError(`cached: namespace must be a string, got ${typeof namespace}`)
  if (typeof trustFor !== 'number' || !(trustFor >= 0)) throw new RangeError(`cached: trustFor must be at least 0 milliseconds, got ${String(trustFor)}`)
  if (directory === undefined) {
    const idle = DISK_OPTIONS.find(name => options[name] !== undefined)
    if (idle !== undefined) throw new TypeError(`cached: ${idle} is for a cache on the disk; give a directory too`)
    if (memoryBytes < blockSize + BLOCK_OVERHEAD) {
      throw new RangeError(`cached: memoryBytes is ${memoryBytes}, less than one block of ${blockSize} with its bookkeeping, and there is no directory: `
        + 'nothing could be kept')
    }
  } else if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    throw new TypeError('cached: directory must be the path of a directory')
  }
  return { memoryBytes, blockSize, directory, diskBytes, keepFreeBytes, namespace, trustFor }
}

/** Blocks that wait to be written may take so much, or half of the memory: there they are anyway. */
const LEAST_PENDING = 64 << 20

async function openDisk(options: Pick<Resolved, 'diskBytes' | 'keepFreeBytes' | 'namespace'> & { directory: string; pendingBytes: number }): Promise<DiskTier> {
  if ((globalThis.process as { versions?: { node?: string } } | undefined)?.versions?.node === undefined) {
    throw new MillraceError('Unsupported', 'cached: there are no directories on this platform; leave out the option directory')
  }
  const { openDiskCache } = await import('../file-cache.js')
  return openDiskCache(options)
}
