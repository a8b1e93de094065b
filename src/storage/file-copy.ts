import { close, constants } from 'node:fs'
import { copyFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { syncDirectory, syncFile } from './file-commit.js'
import { withFileErrors } from './file-errors.js'
import { checkUnchanged, type OpenedFile } from './file-source.js'
import { temporaryPath } from './file-writer.js'

const closeFd = promisify(close)

/**
 * Copies an opened file to a temporary one beside `target`, synced to the device, and has `commit` give it its name. The bytes stay in the kernel, and
 * where the file system can share blocks between files (Btrfs, XFS) nothing is copied at all. Closes the file. A copy cannot be interrupted:
 * an abort is seen when it is done.
 */
export async function copyOpened(
  file: OpenedFile,
  path: string,
  target: string,
  signal: AbortSignal | undefined,
  commit: (temporary: string) => Promise<void>
): Promise<void> {
  const temporary = temporaryPath(dirname(target))
  try {
    await withFileErrors('copy', file.uri, signal, async () => {
      // By the descriptor, as the path may name another file by now.
      const from = process.platform === 'linux' ? `/proc/self/fd/${file.fd}` : path
      await copyFile(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      await checkUnchanged(file, 'copy')
      await syncFile(temporary)
      signal?.throwIfAborted()
      await commit(temporary)
    })
  } catch (error) {
    await unlink(temporary).catch(() => undefined) // the first error is the one to report
    throw error
  } finally {
    await closeFd(file.fd)
  }
  await syncDirectory(dirname(target))
}
