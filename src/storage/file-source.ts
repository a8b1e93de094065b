import { close, constants, fstat, open, read, type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'
import { MillraceError } from '../errors.js'
import type { ByteSource, ObjectMeta } from '../store.js'
import { checkRange, closedError } from './checks.js'
import { fileError, withFileErrors } from './file-errors.js'

const openFd = promisify(open)
const closeFd = promisify(close)
const statFd = promisify(fstat)

/** The most bytes of one system call, so that an abort is seen soon. The hop to the thread pool is under 2 % of it. */
const LARGEST_READ = 16 << 20

/** How often, at most, a read asks whether the file is still the one that was opened. It costs 10 to 20 µs. */
const CHECK_EVERY_MS = 250

/** How a file is opened for reading. `confine` is called with the descriptor before anything is read, and throws when the file must not be read. */
export type OpenFile = (uri: string, path: string, confine: (fd: number) => Promise<void>, signal: AbortSignal | undefined) => Promise<ByteSource>

/** Opens a regular file for reading through the page cache. */
export const openFileSource: OpenFile = async (uri, path, confine, signal) => {
  const file = await openRegular(uri, path, 0, confine, signal)
  return sourceOf(file, async (offset, into, signal) => {
    const length = into.byteLength
    for (let done = 0; done < length;) {
      const count = await readFd(file.fd, into, done, Math.min(length - done, LARGEST_READ), offset + done)
      done += count
      signal?.throwIfAborted()
      if (count === 0) return done
    }
    return length
  })
}

/** A regular file that was opened, and what it was then. */
export interface OpenedFile {
  readonly fd: number
  readonly uri: string
  readonly byteLength: number
  readonly version: string
  readonly device: bigint
}

/** Opens a regular file with those flags more than are needed to read, and refuses anything else before it could block. */
export async function openRegular(
  uri: string,
  path: string,
  flags: number,
  confine: (fd: number) => Promise<void>,
  signal: AbortSignal | undefined,
  operation = 'open'
): Promise<OpenedFile> {
  signal?.throwIfAborted()
  return withFileErrors(operation, uri, signal, async () => {
    // Without O_NONBLOCK, opening a FIFO would wait for somebody to write into it. Windows has no such flag.
    const fd = await openFd(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0) | flags)
    try {
      const stats = await statFd(fd, { bigint: true })
      if (!stats.isFile()) throw notRegular(stats, operation, uri)
      await confine(fd)
      signal?.throwIfAborted()
      return { fd, uri, byteLength: Number(stats.size), version: versionOf(stats), device: stats.dev }
    } catch (error) {
      await closeFd(fd)
      throw error
    }
  })
}

/** Device, inode, size and time of the last change of the content. */
export function versionOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`
}

/** What a listing says of a file. */
export function metaOf(uri: string, stats: BigIntStats): ObjectMeta {
  return { uri, size: Number(stats.size), version: versionOf(stats), modified: Number(stats.mtimeMs) }
}

/** The error for what is there but is no regular file. */
export function notRegular(stats: BigIntStats, operation: string, uri: string): MillraceError {
  const what = stats.isDirectory() ? 'a directory; name a file in it, or use a pattern such as dir/*'
    : stats.isFIFO() ? 'a FIFO; only regular files have ranges and a size'
    : stats.isSocket() ? 'a socket; only regular files have ranges and a size'
    : 'a device; only regular files have ranges and a size'
  return new MillraceError('Unsupported', `${operation} ${uri}: it is ${what}`, { uri, operation })
}

/** @throws MillraceError `Changed` when the file is no longer what it was when it was opened. */
export async function checkUnchanged({ fd, uri, version }: OpenedFile, operation: string, offset?: number): Promise<void> {
  const now = versionOf(await statFd(fd, { bigint: true }))
  if (now === version) return
  throw new MillraceError('Changed',
    `${operation} ${uri}: the file was changed while it was open (dev:ino:size:mtime was ${version}, is ${now}); `
    + 'write new data under a new name, or replace files by renaming', { uri, operation, ...(offset === undefined ? {} : { offset }) })
}

/**
 * The source of an opened file. `fill` reads into all of `into`, or as far as the file goes, and returns how many bytes that were; nothing writes
 * into it afterwards. Whether the file is still the same is looked at when a read reaches its end or finds it too early, and otherwise
 * now and then.
 */
export function sourceOf(file: OpenedFile, fill: (offset: number, into: Uint8Array, signal: AbortSignal | undefined) => Promise<number>): ByteSource {
  const { fd, uri, byteLength, version } = file
  let busy = 0
  let whenIdle: (() => void) | undefined
  let closing: Promise<void> | undefined
  let checked = performance.now()

  async function finish(): Promise<void> {
    if (busy > 0) await new Promise<void>((resolve) => { whenIdle = resolve })
    await withFileErrors('close', uri, undefined, () => closeFd(fd))
  }

  async function readAndCheck(offset: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const count = await fill(offset, into, signal)
    const end = offset + count
    const now = performance.now()
    if (count === into.byteLength && end < byteLength && now - checked < CHECK_EVERY_MS) return
    checked = now
    await checkUnchanged(file, 'read', offset)
    if (count < into.byteLength) {
      throw new MillraceError('ShortRead',
        `read ${uri}: the file ended at ${end} though its size is ${byteLength}; try again, or check the file system`,
        { uri, offset: end, operation: 'read' })
    }
  }

  return {
    uri,
    byteLength,
    version,
    async read(offset, into, { signal } = {}) {
      checkRange(uri, byteLength, offset, into.byteLength)
      if (closing !== undefined) throw closedError(uri, 'read', 'the source was closed')
      signal?.throwIfAborted()
      if (into.byteLength === 0) return
      busy++
      try {
        await readAndCheck(offset, into, signal)
      } catch (error) {
        throw fileError(error, 'read', uri, signal, offset)
      } finally {
        if (--busy === 0) whenIdle?.()
      }
    },
    close: () => (closing ??= finish())
  }
}

/** The callback form: the promise form of `fs` costs about a third more per read. */
export function readFd(fd: number, into: Uint8Array, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, at, length, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}
