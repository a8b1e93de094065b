import { createHash, randomBytes } from 'node:crypto'
import { lstat, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../errors.js'
import { diskCost, isOurs, readEntry, writeEntry } from './file-cache-entry.js'
import { diskSize, isShard, namesIn, remove, sweep } from './file-cache-sweep.js'
import { fileError } from './file-errors.js'
import type { DiskHit, DiskObject, DiskTier } from './layers/cache-disk.js'

export interface DiskCacheOptions {
  readonly directory: string
  /** The most bytes that the files may have. */
  readonly diskBytes: number
  /** Bytes of the disk that are left to others. */
  readonly keepFreeBytes: number | undefined
  readonly namespace: string
  /** Blocks that wait to be written, or are being written, in bytes. Those that come faster are not kept. */
  readonly pendingBytes: number
  /** Writes one file. For tests that need a disk that fails. */
  readonly write?: typeof writeEntry
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

const WRITES_AT_ONCE = 2
/** How long nothing is written after the disk was full. */
const PAUSE_MS = 30_000
/** After so many of the bytes that are allowed, the directory is looked through: others may have written too. */
const SWEEPS_PER_FILL = 16
const DEFAULT_FREE = 1 << 30

/**
 * Opens the part of a cache that is on the disk: one file per block, in `millrace-cache-1` below the directory, which only this user may
 * enter. Names are hashes. Files appear under their names when they are complete; which were used last, their times say. Nothing else is
 * kept anywhere, so any number of processes may share a directory, and be killed.
 *
 * @throws MillraceError `Denied` if the directory belongs to somebody else or others may write to it
 */
export async function openDiskCache(options: DiskCacheOptions): Promise<DiskTier> {
  const { diskBytes, namespace, write = writeEntry, now = () => performance.now() } = options
  const root = join(options.directory, 'millrace-cache-1')
  await prepare(root)
  const keepFree = options.keepFreeBytes ?? Math.min(DEFAULT_FREE, await diskSize(root) / 20)

  const pending = new Map<string, Pending>()
  const queue: Pending[] = []
  let pendingBytes = 0
  let writers = 0
  let sweeping: Promise<void> | undefined
  let room = 0
  let pausedUntil = -Infinity
  let whenIdle: (() => void)[] = []
  const counts = { bytes: 0, written: 0, writtenBytes: 0, skipped: 0, damaged: 0, evictions: 0, errors: 0 }

  const shardOf = (place: string): string => join(root, place.slice(0, 2))
  const pathOf = ({ place, edition }: DiskObject, index: number): string => join(shardOf(place), `${place}-${edition}-${index.toString(36)}`)
  const placeOf = (uri: string): string => hashOf(namespace, uri).toString('hex', 0, 16)

  /** Makes room for at least `need` bytes more, if that is possible, and finds out how many it is. */
  function makeRoom(need: number): Promise<void> {
    return sweeping ??= (async () => {
      try {
        const wanted = Math.max(need, Math.floor(diskBytes / SWEEPS_PER_FILL))
        const { bytes, free, evicted } = await sweep(root, { keep: diskBytes - wanted, free: keepFree + wanted })
        room = Math.min(wanted, diskBytes - bytes, free - keepFree)
        counts.bytes = bytes
        counts.evictions += evicted
      } catch {
        counts.errors++
        room = 0
      } finally {
        sweeping = undefined
      }
    })()
  }

  async function writeOne(block: Pending): Promise<void> {
    const cost = diskCost(block.bytes.byteLength)
    // Somebody else may take what was found: hence no loop, and no room twice.
    if (room < cost && now() >= pausedUntil) await makeRoom(cost)
    if (room < cost) {
      counts.skipped++
      if (now() >= pausedUntil) pausedUntil = now() + PAUSE_MS
      return
    }
    room -= cost
    const temporary = join(root, `.tmp-${randomBytes(8).toString('hex')}`)
    try {
      await write(temporary, { identity: block.object.identity, index: block.index, verified: block.verified }, block.bytes)
      await moveTo(temporary, block.path)
      counts.bytes += cost
      counts.written++
      counts.writtenBytes += block.bytes.byteLength
    } catch {
      // The disk is full or fails. Reads go on without; after a while there may be room again.
      await remove(temporary).catch(() => undefined)
      counts.errors++
      room = 0
      pausedUntil = now() + PAUSE_MS
    }
  }

  async function runWriter(): Promise<void> {
    for (let block = queue.shift(); block !== undefined; block = queue.shift()) {
      await writeOne(block)
      pendingBytes -= block.bytes.byteLength
      if (pending.get(block.path) === block) pending.delete(block.path)
    }
    writers--
    if (writers > 0) return
    for (const idle of whenIdle) idle()
    whenIdle = []
  }

  async function idle(): Promise<void> {
    if (writers > 0) await new Promise<void>(resolve => whenIdle.push(resolve))
  }

  return {
    object(uri, version, size, blockSize) {
      const place = hashOf(namespace, uri)
      const edition = hashOf(version, String(size), String(blockSize))
      const identity = new Uint8Array(hashOf(place.toString('hex'), edition.toString('hex')))
      return { place: place.toString('hex', 0, 16), edition: edition.toString('hex', 0, 8), identity }
    },

    async read(object, index, into): Promise<DiskHit | undefined> {
      const path = pathOf(object, index)
      const waiting = pending.get(path)
      if (waiting !== undefined) {
        into.set(waiting.bytes)
        return { verified: waiting.verified }
      }
      try {
        const found = await readEntry(path, { identity: object.identity, index }, into)
        if (found !== 'damaged') return found
        counts.damaged++
        await remove(path)
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ENOENT') counts.errors++
      }
      return undefined
    },

    write(object, index, bytes, verified) {
      const path = pathOf(object, index)
      if (pending.has(path)) return
      if (pendingBytes + bytes.byteLength > options.pendingBytes || diskCost(bytes.byteLength) > diskBytes) {
        counts.skipped++
        return
      }
      const block: Pending = { object, index, path, bytes, verified }
      pending.set(path, block)
      queue.push(block)
      pendingBytes += bytes.byteLength
      if (writers >= WRITES_AT_ONCE) return
      writers++
      runWriter().catch(() => undefined) // it handles what can fail
    },

    async has(uri) {
      const place = placeOf(uri)
      for (const { object } of pending.values()) if (object.place === place) return true
      return (await namesIn(shardOf(place)).catch(() => [])).some(name => name.startsWith(place))
    },

    async drop(uri) {
      const place = placeOf(uri)
      try {
        for (const name of await namesIn(shardOf(place))) if (name.startsWith(place)) await remove(join(shardOf(place), name))
      } catch {
        counts.errors++ // blocks of old versions are of no use to anybody, and no harm either
      }
    },

    async clear() {
      await idle()
      for (const shard of (await namesIn(root)).filter(isShard)) await rm(join(root, shard), { recursive: true, force: true })
      counts.bytes = 0
      room = 0
    },

    stats: () => ({ ...counts }),
    close: idle
  }
}

interface Pending {
  readonly object: DiskObject
  readonly index: number
  readonly path: string
  readonly bytes: Uint8Array
  readonly verified: boolean
}

async function prepare(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true, mode: 0o700 })
    const stats = await lstat(root)
    if (!stats.isDirectory() || !isOurs(stats.uid)) throw denied(root, 'is not a directory of the user that this process runs as')
    if (process.platform !== 'win32' && (stats.mode & 0o022) !== 0) throw denied(root, 'may be written to by other users, who could put in bytes of their own')
  } catch (error) {
    throw fileError(error, 'cache', root)
  }
}

function denied(root: string, why: string): MillraceError {
  return new MillraceError('Denied', `cache ${root}: it ${why}; choose another directory for the cache, or correct owner and permissions`,
    { uri: root, operation: 'cache' })
}

/** The directory for a name is made when the first file goes into it. */
async function moveTo(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await rename(temporary, path)
  }
}

/** Of words, with their lengths, so that no two lists of words are the same text. */
function hashOf(...words: readonly string[]): Buffer {
  const hash = createHash('sha256')
  for (const word of words) hash.update(`${word.length}:${word}`)
  return hash.digest()
}
