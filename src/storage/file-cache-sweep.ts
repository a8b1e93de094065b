import { lstat, readdir, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { inParallel } from '../util/parallel.js'

/** What a sweep is to reach. */
export interface SweepGoal {
  /** The most bytes that may stay. */
  readonly keep: number
  /** The least bytes that shall be free on the disk, if deleting blocks can make them so. */
  readonly free: number
}

export interface SweepResult {
  /** Bytes that are left. */
  readonly bytes: number
  /** Bytes that are free on the disk, as far as this user may have them. */
  readonly free: number
  readonly evicted: number
}

/** Temporary files of writers that were killed. Those that are younger may be at work. */
const ABANDONED_MS = 3_600_000
/** System calls at once; there are four threads for them, and others want to read. */
const AT_ONCE = 8

export function isTemporary(name: string): boolean {
  return /^\.tmp-[0-9a-f]{16}$/.test(name)
}

export function isShard(name: string): boolean {
  return /^[0-9a-f]{2}$/.test(name)
}

/** Looks at every file of a cache and deletes those that were not used for longest, until the goal is reached. Others may do so at the same time. */
export async function sweep(root: string, goal: SweepGoal): Promise<SweepResult> {
  const names = await readdir(root)
  const now = Date.now()
  await inParallel(names.filter(isTemporary), AT_ONCE, async name => {
    const stats = await statsOf(join(root, name))
    if (stats !== undefined && now - stats.mtimeMs > ABANDONED_MS) await remove(join(root, name))
  })

  const files: { readonly path: string; readonly bytes: number; readonly used: number }[] = []
  for (const shard of names.filter(isShard)) {
    await inParallel(await namesIn(join(root, shard)), AT_ONCE, async name => {
      const path = join(root, shard, name)
      const stats = await statsOf(path)
      if (stats !== undefined) files.push({ path, bytes: Math.ceil(stats.size / 4096) * 4096, used: stats.mtimeMs })
    })
  }

  let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  let free = await freeBytes(root)
  let evicted = 0
  files.sort((a, b) => a.used - b.used)
  for (const file of files) {
    if (bytes <= goal.keep && free >= goal.free) break
    await remove(file.path)
    bytes -= file.bytes
    free += file.bytes
    evicted++
  }
  return { bytes, free: evicted === 0 ? free : await freeBytes(root), evicted }
}

/** Size of the disk that a directory is on, in bytes. */
export async function diskSize(path: string): Promise<number> {
  const { blocks, bsize } = await statfs(path)
  return blocks * bsize
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** The names in a directory; none if it is not there. */
export async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(missing([]))
}

/** Deletes a file, unless somebody else has. */
export async function remove(path: string): Promise<void> {
  await unlink(path).catch(missing(undefined))
}

async function statsOf(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  return lstat(path).catch(missing(undefined))
}

function missing<T>(value: T): (error: unknown) => T {
  return error => {
    if ((error as { code?: unknown }).code === 'ENOENT') return value
    throw error
  }
}
