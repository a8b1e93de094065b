import { close, constants, fsync, open, write } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ObjectWriter } from '../store.js'
import { checkBytes, closedError } from './checks.js'
import { syncDirectory } from './file-commit.js'
import { withFileErrors } from './file-errors.js'

const openFd = promisify(open)
const closeFd = promisify(close)
const syncFd = promisify(fsync)

/** Small writes are gathered up to this many bytes: a system call for each would cost more than the bytes. */
const BUFFER_BYTES = 256 << 10

/** True for the name of a file that is being written. Listings leave it out. */
export function isTemporaryName(name: string): boolean {
  return /^\.millrace-[0-9a-f]{16}\.tmp$/.test(name)
}

/** A new name for a file that is being written, in the directory of what it will be. */
export function temporaryPath(directory: string): string {
  return join(directory, `.millrace-${randomBytes(8).toString('hex')}.tmp`)
}

/** What happens to a file that is complete. */
export interface Completion<Meta> {
  /** Gives the file its name. */
  commit(temporary: string): Promise<void>
  /** Tells of it; the descriptor is still open. */
  describe(fd: number): Promise<Meta>
}

/**
 * Writes a file next to `path` and gives it that name at the end, both synced to the device: readers, and the machine
 * after a crash, see the old file or the new one. Whatever fails, and an abort of the signal at any time, removes it.
 */
export async function openFileWriter<Meta>(
  uri: string,
  path: string,
  { commit, describe }: Completion<Meta>,
  signal: AbortSignal | undefined
): Promise<Omit<ObjectWriter, 'finalize'> & { finalize(): Promise<Meta> }> {
  const directory = dirname(path)
  const temporary = temporaryPath(directory)
  const fd = await openFd(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666)

  let gathered: Uint8Array | undefined
  let gatheredLength = 0
  let queue: Promise<unknown> = Promise.resolve()
  let failure: { readonly error: unknown } | undefined
  let end: 'finalized' | 'aborted' | undefined
  let removing: Promise<void> | undefined

  /** One step at a time, in the order of the calls; after a failure none. */
  function enqueue<T>(operation: string, step: () => Promise<T>): Promise<T> {
    const result = queue.then(() => withFileErrors(operation, uri, signal, async () => {
      signal?.throwIfAborted()
      if (failure !== undefined) throw failure.error
      try {
        return await step()
      } catch (error) {
        failure = { error }
        // The first error is the one to report.
        await remove().catch(() => undefined)
        throw error
      }
    }))
    queue = result.catch(() => undefined)
    return result
  }

  function remove(): Promise<void> {
    return removing ??= (async () => {
      signal?.removeEventListener('abort', onAbort)
      gathered = undefined
      try {
        await closeFd(fd)
      } finally {
        await unlink(temporary).catch(ignoreMissing)
      }
    })()
  }

  function onAbort(): void {
    end ??= 'aborted'
    // Behind the write that is under way: its descriptor must not be closed, and perhaps reused, under it.
    queue = queue.then(remove).catch(() => undefined)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted === true) {
    await remove()
    throw signal.reason
  }

  async function flush(): Promise<void> {
    if (gathered === undefined || gatheredLength === 0) return
    const length = gatheredLength
    gatheredLength = 0
    await writeAll(fd, gathered.subarray(0, length))
  }

  function check(operation: string): void {
    signal?.throwIfAborted()
    if (end !== undefined) throw closedError(uri, operation, `the writer was ${end}`)
  }

  return {
    async write(bytes) {
      check('write')
      checkBytes('write', bytes)
      return enqueue('write', async () => {
        if (gatheredLength + bytes.byteLength > BUFFER_BYTES) await flush()
        if (bytes.byteLength >= BUFFER_BYTES) return writeAll(fd, bytes)
        gathered ??= new Uint8Array(BUFFER_BYTES)
        gathered.set(bytes, gatheredLength)
        gatheredLength += bytes.byteLength
      })
    },

    async finalize() {
      check('finalize')
      end = 'finalized'
      return enqueue('finalize', async () => {
        await flush()
        await syncFd(fd)
        signal?.throwIfAborted()
        await commit(temporary)
        // From here on there is nothing to remove: the file is the object.
        signal?.removeEventListener('abort', onAbort)
        try {
          return await describe(fd)
        } finally {
          removing = closeFd(fd)
          await removing
          await syncDirectory(directory)
        }
      })
    },

    async abort() {
      if (end === 'finalized') {
        await queue
        return
      }
      end = 'aborted'
      queue = queue.then(remove)
      await queue
    }
  }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.byteLength) done += await writeFd(fd, bytes, done, bytes.byteLength - done)
}

function writeFd(fd: number, bytes: Uint8Array, at: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, at, Math.min(length, 1 << 30), null, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

function ignoreMissing(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ENOENT') throw error
}
