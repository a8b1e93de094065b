import { close, constants, fstat, open, read, type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'
import { MillraceError } from '../errors.js'
import type { ByteSource } from '../store.js'
import { checkRange, closedError } from './checks.js'
import { fileError, withFileErrors } from './file-errors.js'

const openFd = promisify(open)
const statFd = promisify(fstat)
const closeFd = promisify(close)

/** The most bytes of one system call, so that an abort is seen soon. The hop to the thread pool is under 2 % of it. */
const LARGEST_READ = 16 << 20

/**
 * Opens a regular file for reading. `confine` is called with the descriptor before anything is read, and throws when
 * the file must not be read.
 */
export async function openFileSource(
  uri: string,
  path: string,
  confine: (fd: number) => Promise<void>,
  signal: AbortSignal | undefined
): Promise<ByteSource> {
  signal?.throwIfAborted()
  return withFileErrors('open', uri, signal, async () => {
    // Without O_NONBLOCK, opening a FIFO would wait for somebody to write into it. Windows has no such flag.
    const fd = await openFd(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0))
    try {
      const stats = await statFd(fd, { bigint: true })
      if (!stats.isFile()) throw notRegular(stats, 'open', uri)
      await confine(fd)
      signal?.throwIfAborted()
      return sourceOf(fd, uri, Number(stats.size), versionOf(stats))
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

/** The error for what is there but is no regular file. */
export function notRegular(stats: BigIntStats, operation: string, uri: string): MillraceError {
  const what = stats.isDirectory() ? 'a directory; name a file in it, or use a pattern such as dir/*'
    : stats.isFIFO() ? 'a FIFO; only regular files have ranges and a size'
    : stats.isSocket() ? 'a socket; only regular files have ranges and a size'
    : 'a device; only regular files have ranges and a size'
  return new MillraceError('Unsupported', `${operation} ${uri}: it is ${what}`, { uri, operation })
}

function sourceOf(fd: number, uri: string, byteLength: number, version: string): ByteSource {
  let busy = 0
  let whenIdle: (() => void) | undefined
  let closing: Promise<void> | undefined

  async function finish(): Promise<void> {
    if (busy > 0) await new Promise<void>((resolve) => { whenIdle = resolve })
    await withFileErrors('close', uri, undefined, () => closeFd(fd))
  }

  /** Fewer bytes than promised, or the end of the file: is it still the file that was opened? */
  async function checkVersion(offset: number): Promise<void> {
    const now = versionOf(await statFd(fd, { bigint: true }))
    if (now !== version) {
      throw new MillraceError('Changed',
        `read ${uri}: the file was changed while it was open (dev:ino:size:mtime was ${version}, is ${now}); `
        + 'write new data under a new name, or replace files by renaming', { uri, offset, operation: 'read' })
    }
  }

  async function fill(offset: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const length = into.byteLength
    let done = 0
    while (done < length) {
      const count = await readFd(fd, into, done, Math.min(length - done, LARGEST_READ), offset + done)
      done += count
      signal?.throwIfAborted()
      if (count === 0) {
        await checkVersion(offset + done)
        throw new MillraceError('ShortRead',
          `read ${uri}: the file ended at ${offset + done} though its size is ${byteLength}; try again, or check the file system`,
          { uri, offset: offset + done, operation: 'read' })
      }
    }
    if (length > 0 && offset + length === byteLength) await checkVersion(offset)
  }

  return {
    uri,
    byteLength,
    version,
    async read(offset, into, { signal } = {}) {
      checkRange(uri, byteLength, offset, into.byteLength)
      if (closing !== undefined) throw closedError(uri, 'read', 'the source was closed')
      signal?.throwIfAborted()
      busy++
      try {
        await fill(offset, into, signal)
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
function readFd(fd: number, into: Uint8Array, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, at, length, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}
