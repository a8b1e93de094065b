import { close, constants, fsync, open } from 'node:fs'
import { link, rename, stat, unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { MillraceError } from '../errors.js'
import type { WriteOptions } from '../store.js'
import { checkPrecondition, preconditionError } from './checks.js'
import { isMissing } from './file-root.js'
import { versionOf } from './file-source.js'

const openFd = promisify(open)
const closeFd = promisify(close)
const syncFd = promisify(fsync)

/** Codes with which systems say that a directory cannot be synced. */
const NO_DIRECTORY_SYNC: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES', 'EBADF'])
/** Codes with which file systems say that they have no hard links. */
const NO_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * Gives the file `from` the name `to`, if what is there is what `wanted` says, and takes the old name away.
 *
 * `ifAbsent` is exact, against other processes too: a hard link is made, which fails where there is a file. For `ifVersion` the system has
 * no such call: the file is looked at and then replaced, so that another process may come between the two.
 */
export async function moveFile(uri: string, operation: string, from: string, to: string, wanted: WriteOptions): Promise<void> {
  if (wanted.ifAbsent !== true) {
    if (wanted.ifVersion !== undefined) checkPrecondition(uri, operation, wanted, await versionAt(to))
    await rename(from, to)
    return
  }
  try {
    await link(from, to)
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code === 'EEXIST') throw preconditionError(uri, operation, wanted, await versionAt(to))
    if (!NO_LINKS.has(code)) throw error
    throw new MillraceError('Unsupported',
      `${operation} ${uri}: this file system has no hard links (${String(code)}), without which ifAbsent cannot be kept; write without it`,
      { uri, operation, cause: error })
  }
  await unlink(from)
}

/** The version of what has that name, or nothing. */
export async function versionAt(path: string): Promise<string | undefined> {
  try {
    return versionOf(await stat(path, { bigint: true }))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Runs what is done to one path one after the other, so that conditions hold exactly among the writers of one store. */
export type PathLock = <T>(path: string, body: () => Promise<T>) => Promise<T>

export function pathLock(): PathLock {
  const last = new Map<string, Promise<unknown>>()
  return async (path, body) => {
    const before = last.get(path)
    const mine = before === undefined ? body() : before.then(body, body)
    last.set(path, mine)
    try {
      return await mine
    } finally {
      if (last.get(path) === mine) last.delete(path)
    }
  }
}

/** Syncs a file, by its path, to the device. */
export async function syncFile(path: string): Promise<void> {
  const fd = await openFd(path, constants.O_RDONLY)
  try {
    await syncFd(fd)
  } finally {
    await closeFd(fd)
  }
}

/** Makes a rename durable. Not every system can sync a directory; where it cannot, the rename is already done. */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    await syncFile(directory)
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has((error as { code?: unknown }).code)) throw error
  }
}
