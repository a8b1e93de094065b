import { close, constants, open, write } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { withFileErrors } from './file-errors.js'
import { parseFileName } from './uri.js'

const openFd = promisify(open)
const closeFd = promisify(close)

/** A local file that grows: what was written can be read at once, and is there when the process is killed. */
export interface LogFile {
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** Opens a file for a log, with the directories above it. What the file had is gone. */
export async function openLogFile(uri: string): Promise<LogFile> {
  const { path } = parseFileName(uri, 'createWriter')
  const fd = await withFileErrors('createWriter', uri, undefined, async () => {
    await mkdir(dirname(path), { recursive: true })
    return openFd(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o666)
  })
  return {
    write: bytes => withFileErrors('write', uri, undefined, async () => {
      for (let done = 0; done < bytes.byteLength;) done += await writeFd(fd, bytes, done)
    }),
    close: () => withFileErrors('finalize', uri, undefined, () => closeFd(fd))
  }
}

function writeFd(fd: number, bytes: Uint8Array, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, bytes.byteLength - from, null, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}
