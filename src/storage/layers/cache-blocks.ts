import { MillraceError } from '../../errors.js'
import type { ByteSource, ObjectMeta, RequestOptions, RequestTrace, Store } from '../../store.js'
import type { MaybePromise } from '../../types.js'
import { abortable, sharedController } from '../../util/abort.js'
import type { DiskObject, DiskTier } from './cache-disk.js'
import { blockMemory, type BlockMemory, type MemoryBlock } from './cache-memory.js'
import { addTrace } from './observe.js'

/** One version of an object, and what of it is here or on its way. */
export interface CachedObject {
  readonly meta: ObjectMeta
  readonly blocks: Map<number, MemoryBlock>
  /** Blocks that are being fetched, by number. */
  readonly flights: Map<number, Flight>
  /** Sources and calls that use it. */
  users: number
  /** Opened when the first block is missing, for all who use the object. */
  inner: Promise<ByteSource> | undefined
  disk: DiskObject | undefined
}

/** A run of blocks that is being fetched, for all who wait for any of them. */
interface Flight {
  readonly first: number
  readonly last: number
  readonly controller: AbortController
  readonly trace: RequestTrace
  done: Promise<readonly Block[]>
  waiting: number
}

interface Block {
  readonly bytes: Uint8Array
  readonly verified: boolean
}

export interface BlockCounts {
  hits: number
  diskHits: number
  misses: number
  shared: number
  hitBytes: number
  fetchedBytes: number
}

export interface BlockCache {
  readonly memory: BlockMemory
  readonly counts: BlockCounts
  /** The object of that version; the caller uses it until it calls `release`. */
  use(meta: ObjectMeta): CachedObject
  release(object: CachedObject): Promise<void>
  /** Whether anything of the object is in memory or on its way. */
  knows(uri: string): boolean
  /**
   * Fills `into`, at once if all is in memory; true if all of it was part of objects with the right checksum. `whole` says that the object
   * may be fetched with one `get`.
   */
  read(object: CachedObject, offset: number, into: Uint8Array, options: RequestOptions | undefined, whole: boolean): MaybePromise<boolean>
  /** Keeps a whole object that came another way. */
  keep(object: CachedObject, bytes: Uint8Array, verified: boolean): Promise<void>
  /** Forgets all versions of an object. */
  drop(uri: string): void
  clear(): void
  /** Ends what is being fetched, and resolves when it has ended. */
  close(reason: unknown): Promise<void>
}

export interface BlockCacheOptions {
  readonly memoryBytes: number
  readonly blockSize: number
  readonly disk: () => Promise<DiskTier | undefined> | undefined
}

/** The most bytes of one fetch: they are in memory twice for a moment. */
const LARGEST_RUN = 16 << 20
const MOST_FETCHES = 16

/**
 * The blocks of objects, in memory and on a disk, and how missing ones are fetched: each once, however many wait for it; neighbours
 * together; called off when nobody waits any more; and a failure is told to those who wait and then forgotten.
 */
export function blockCache(store: Store, { memoryBytes, blockSize, disk }: BlockCacheOptions): BlockCache {
  const objects = new Map<string, CachedObject>()
  const byUri = new Map<string, Set<CachedObject>>()
  const flights = new Set<Flight>()
  const closing = sharedController()
  const counts: BlockCounts = { hits: 0, diskHits: 0, misses: 0, shared: 0, hitBytes: 0, fetchedBytes: 0 }
  const memory = blockMemory(memoryBytes, owner => forget(owner as CachedObject))

  const keyOf = ({ uri, version, size }: ObjectMeta): string => `${size} ${version.length} ${version} ${uri}`
  const lengthOf = ({ meta }: CachedObject, index: number): number => Math.min(blockSize, meta.size - index * blockSize)
  /** Blocks of one fetch: as much as the store likes best. */
  const runLength = (): number => Math.max(1, Math.floor(Math.min(store.capabilities.idealRange, LARGEST_RUN) / blockSize))
  const fetchesAtOnce = (): number => Math.min(Math.max(2, store.capabilities.idealRequests ?? 1), MOST_FETCHES)

  function use(meta: ObjectMeta): CachedObject {
    const key = keyOf(meta)
    let object = objects.get(key)
    if (object === undefined) {
      object = { meta: { uri: meta.uri, size: meta.size, version: meta.version }, blocks: new Map(), flights: new Map(), users: 0, inner: undefined, disk: undefined }
      objects.set(key, object)
      const versions = byUri.get(meta.uri)
      if (versions === undefined) byUri.set(meta.uri, new Set([object]))
      else versions.add(object)
    }
    object.users++
    return object
  }

  /** Lets go of an object of which there is nothing any more. */
  function forget(object: CachedObject): void {
    if (object.users > 0 || object.blocks.size > 0 || object.flights.size > 0) return
    const key = keyOf(object.meta)
    if (objects.get(key) !== object) return
    objects.delete(key)
    const versions = byUri.get(object.meta.uri)
    versions?.delete(object)
    if (versions?.size === 0) byUri.delete(object.meta.uri)
  }

  async function release(object: CachedObject): Promise<void> {
    if (--object.users > 0) return
    const { inner } = object
    object.inner = undefined
    forget(object)
    // How opening failed was told to those who read.
    const source = await inner?.catch(() => undefined)
    await source?.close()
  }

  /** The opened object, as the flights of all readers share it: hence no signal of one of them. */
  function sourceOf(object: CachedObject, trace: RequestTrace): Promise<ByteSource> {
    if (object.inner !== undefined) return object.inner
    const opening = openVersion(store, object.meta, { signal: closing.signal, trace })
    object.inner = opening
    opening.catch(() => {
      if (object.inner === opening) object.inner = undefined
    })
    return opening
  }

  function startFlight(object: CachedObject, first: number, last: number, whole: boolean): Flight {
    const flight: Flight = { first, last, controller: sharedController(), trace: { requests: 0, retries: 0 }, done: Promise.resolve([]), waiting: 0 }
    for (let i = first; i <= last; i++) object.flights.set(i, flight)
    flights.add(flight)
    flight.done = load(object, flight, whole).finally(() => land(object, flight))
    flight.done.catch(() => undefined) // told to those who wait
    return flight
  }

  function land(object: CachedObject, flight: Flight): void {
    flights.delete(flight)
    for (let i = flight.first; i <= flight.last; i++) if (object.flights.get(i) === flight) object.flights.delete(i)
    forget(object)
  }

  async function load(object: CachedObject, flight: Flight, whole: boolean): Promise<readonly Block[]> {
    const { first, last, trace, controller: { signal } } = flight
    const tier = await disk()
    signal.throwIfAborted()
    const found = await fromDisk(tier, object, first, last)
    signal.throwIfAborted()
    const blocks: Block[] = []
    for (let i = first; i <= last;) {
      const here = found[i - first]
      if (here !== undefined) {
        counts.diskHits++
        blocks.push(here)
        i++
        continue
      }
      signal.throwIfAborted() // nobody would close what is opened from here on
      let end = i
      while (end < last && found[end + 1 - first] === undefined) end++
      const fetched = whole && store.get !== undefined && i === 0 && end * blockSize + lengthOf(object, end) === object.meta.size
        ? await fetchWhole(object, signal, trace)
        : await fetchRun(object, i, end, signal, trace)
      for (const block of fetched) {
        tier?.write(diskOf(tier, object), i, block.bytes, block.verified)
        blocks.push(block)
        i++
      }
    }
    // Not before all are there: who asks for one of them now finds it in memory, or waits for this flight.
    if (objects.get(keyOf(object.meta)) === object) blocks.forEach(({ bytes, verified }, k) => memory.set(object, first + k, bytes, verified))
    return blocks
  }

  async function fromDisk(tier: DiskTier | undefined, object: CachedObject, first: number, last: number): Promise<readonly (Block | undefined)[]> {
    if (tier === undefined) return []
    return Promise.all(Array.from({ length: last - first + 1 }, async (_, k) => {
      const bytes = new Uint8Array(lengthOf(object, first + k))
      const hit = await tier.read(diskOf(tier, object), first + k, bytes)
      return hit && { bytes, verified: hit.verified }
    }))
  }

  function diskOf(tier: DiskTier, object: CachedObject): DiskObject {
    const { uri, version, size } = object.meta
    return object.disk ??= tier.object(uri, version, size, blockSize)
  }

  async function fetchRun(object: CachedObject, first: number, last: number, signal: AbortSignal, trace: RequestTrace): Promise<readonly Block[]> {
    const source = await abortable(sourceOf(object, trace), signal)
    const bytes = new Uint8Array((last - first) * blockSize + lengthOf(object, last))
    await source.read(first * blockSize, bytes, { signal, trace })
    counts.misses += last - first + 1
    counts.fetchedBytes += bytes.byteLength
    return split(bytes, false)
  }

  async function fetchWhole(object: CachedObject, signal: AbortSignal, trace: RequestTrace): Promise<readonly Block[]> {
    const { meta } = object
    const got = await store.get?.(meta.uri, { known: meta, signal, trace })
    if (got === undefined) return []
    if (got.meta.version !== meta.version || got.bytes.byteLength !== meta.size) throw changed('get', meta, got.meta.version)
    const blocks = split(got.bytes, got.verified)
    counts.misses += blocks.length
    counts.fetchedBytes += meta.size
    return blocks
  }

  /** Blocks with memory of their own, so that letting go of one frees it. */
  function split(bytes: Uint8Array, verified: boolean): readonly Block[] {
    if (bytes.byteLength <= blockSize && bytes.buffer.byteLength === bytes.byteLength) return bytes.byteLength === 0 ? [] : [{ bytes, verified }]
    const blocks: Block[] = []
    for (let at = 0; at < bytes.byteLength; at += blockSize) blocks.push({ bytes: new Uint8Array(bytes.subarray(at, at + blockSize)), verified })
    return blocks
  }

  /** Waits for a flight. One who gives up does not end it, unless nobody else waits. */
  async function join(object: CachedObject, flight: Flight, options: RequestOptions | undefined, givenUp: Promise<never>): Promise<readonly Block[]> {
    flight.waiting++
    try {
      const done = Promise.race([flight.done, givenUp])
      const blocks = await (options?.signal === undefined ? done : abortable(done, options.signal))
      if (options?.trace !== undefined && flight.trace.requests > 0) {
        // The requests are counted once: for the first who hears of them.
        addTrace(options.trace, flight.trace)
        flight.trace.requests = flight.trace.retries = 0
      }
      return blocks
    } finally {
      if (--flight.waiting === 0 && flights.has(flight)) {
        // Out of the way at once: who comes next must not wait for what was called off.
        land(object, flight)
        flight.controller.abort()
      }
    }
  }

  function read(object: CachedObject, offset: number, into: Uint8Array, options: RequestOptions | undefined, whole: boolean): MaybePromise<boolean> {
    const end = offset + into.byteLength
    let next = Math.floor(offset / blockSize)
    const last = Math.floor((end - 1) / blockSize)
    let verified = true
    let stopped = false

    function copy(index: number, block: Block): void {
      const start = index * blockSize
      const from = Math.max(offset, start)
      const to = Math.min(end, start + block.bytes.byteLength)
      into.set(from === start && to - from === block.bytes.byteLength ? block.bytes : block.bytes.subarray(from - start, to - start), from - offset)
      verified &&= block.verified
    }

    /** Copies what is in memory, up to the first block that is not. At once, so that nothing can take it away meanwhile. */
    function copyHits(): void {
      for (; next <= last; next++) {
        const block = memory.get(object, next)
        if (block === undefined) return
        counts.hits++
        counts.hitBytes += Math.min(end, next * blockSize + block.bytes.byteLength) - Math.max(offset, next * blockSize)
        copy(next, block)
      }
    }

    /** The blocks from `next` on that are or will be under way together. */
    function nextFlight(): Flight {
      const underWay = object.flights.get(next)
      if (underWay !== undefined) {
        counts.shared++
        return underWay
      }
      const most = Math.min(last, next + runLength() - 1)
      let to = next
      while (to < most && !object.blocks.has(to + 1) && !object.flights.has(to + 1)) to++
      return startFlight(object, next, to, whole)
    }

    async function work(givenUp: Promise<never>): Promise<void> {
      for (copyHits(); next <= last && !stopped; copyHits()) {
        const flight = nextFlight()
        const [from, to] = [next, Math.min(last, flight.last)]
        next = to + 1
        const blocks = await join(object, flight, options, givenUp)
        if (stopped) return
        for (let i = from; i <= to; i++) {
          const block = blocks[i - flight.first]
          if (block !== undefined) copy(i, block)
        }
      }
    }

    /** Fetches side by side. After a failure nothing is written into the caller's memory any more, and nothing is waited for. */
    async function fetchRest(): Promise<boolean> {
      let giveUp: (error: unknown) => void = () => undefined
      const givenUp = new Promise<never>((_, reject) => { giveUp = reject })
      givenUp.catch(() => undefined) // told to those who wait for flights
      try {
        await Promise.all(Array.from({ length: Math.min(fetchesAtOnce(), last - next + 1) }, () => work(givenUp)))
      } catch (error) {
        stopped = true
        giveUp(error)
        throw error
      }
      return verified
    }

    if (into.byteLength > 0) copyHits()
    return into.byteLength === 0 || next > last ? verified : fetchRest()
  }

  return {
    memory,
    counts,
    use,
    release,
    knows: uri => [...byUri.get(uri) ?? []].some(object => object.blocks.size > 0 || object.flights.size > 0),
    read,
    async keep(object, bytes, verified) {
      const tier = await disk()
      // What would only push itself out again is not worth the copying.
      const most = Math.ceil(memoryBytes / blockSize)
      for (let i = 0, at = 0; at < bytes.byteLength; i++, at += blockSize) {
        const here = object.blocks.has(i)
        if (i >= most && tier === undefined) break
        if (here && tier === undefined) continue
        const block = new Uint8Array(bytes.subarray(at, at + blockSize))
        if (!here && i < most) memory.set(object, i, block, verified)
        tier?.write(diskOf(tier, object), i, block, verified)
      }
    },
    drop(uri) {
      for (const object of [...byUri.get(uri) ?? []]) {
        memory.drop(object)
        forget(object)
      }
    },
    clear() {
      for (const object of [...objects.values()]) {
        memory.drop(object)
        forget(object)
      }
    },
    async close(reason) {
      closing.abort(reason)
      for (const flight of flights) flight.controller.abort(reason)
      await Promise.allSettled([...flights].map(flight => flight.done))
      await Promise.allSettled([...objects.values()].map(async object => {
        const { inner } = object
        object.inner = undefined
        memory.drop(object)
        await (await inner)?.close()
      }))
      objects.clear()
      byUri.clear()
    }
  }
}

/** Opens that version of an object and no other: not every store looks at what is `known`. */
async function openVersion(store: Store, meta: ObjectMeta, options: RequestOptions): Promise<ByteSource> {
  const source = await store.open(meta.uri, { known: meta, ...options })
  if (source.version === meta.version && source.byteLength === meta.size) return source
  await source.close()
  throw changed('read', meta, source.version)
}

function changed(operation: string, { uri, version }: ObjectMeta, now: string): MillraceError {
  return new MillraceError('Changed', `${operation} ${uri}: the object was replaced (its version was ${version}, is ${now}); open it again`, { uri, operation })
}
