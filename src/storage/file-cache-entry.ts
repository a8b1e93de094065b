import { close, constants, fstat, futimes, open, readv, writev } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { crc32c } from '../kernels/crc32c.js'

/**
 * One block in a file: a head of 64 bytes, then the bytes of the block. Numbers are little-endian.
 *
 * | at | what |
 * |---|---|
 * | 0 | `MILLRC`, 0, 1 |
 * | 8 | bytes of the block |
 * | 12 | number of the block |
 * | 16 | 1 if the object had the checksum that its store keeps |
 * | 20 | SHA-256 of namespace, URI, version, size and block size |
 * | 52 | CRC-32C of the block |
 * | 56 | CRC-32C of the 56 bytes before |
 */
export interface CacheEntry {
  readonly identity: Uint8Array
  readonly index: number
  readonly verified: boolean
}

const MAGIC = [0x4d, 0x49, 0x4c, 0x4c, 0x52, 0x43, 0, 1]
const HEAD_BYTES = 64
const HEAD_CHECKED = 56

/** Files that were used since then are not marked as used again: that would be a write for every read. */
const RECENT_MS = 600_000

const openFd = promisify(open)
const statFd = promisify(fstat)
const touchFd = promisify(futimes)
const closeFd = promisify(close)

/** Bytes that a block takes on the disk, in whole pages. */
export function diskCost(length: number): number {
  return Math.ceil((HEAD_BYTES + length) / 4096) * 4096
}

/**
 * Reads a block; `damaged` when the file is not what was written, whatever is wrong with it.
 * @throws errors of the system
 */
export async function readEntry(path: string, { identity, index }: Omit<CacheEntry, 'verified'>, into: Uint8Array): Promise<{ verified: boolean } | 'damaged'> {
  // Neither follows a link nor waits for somebody to write into a FIFO. Windows has neither flag.
  const flags = constants as { readonly O_NOFOLLOW?: number; readonly O_NONBLOCK?: number }
  const fd = await openFd(path, constants.O_RDONLY | (flags.O_NOFOLLOW ?? 0) | (flags.O_NONBLOCK ?? 0))
  try {
    const stats = await statFd(fd)
    if (!stats.isFile() || stats.size !== HEAD_BYTES + into.byteLength || !isOurs(stats.uid)) return 'damaged'
    const head = new Uint8Array(HEAD_BYTES)
    if (await readAll(fd, head, into) !== stats.size) return 'damaged'
    const view = new DataView(head.buffer)
    const right = view.getUint32(56, true) === crc32c(head, 0, HEAD_CHECKED)
      && MAGIC.every((byte, i) => head[i] === byte)
      && view.getUint32(8, true) === into.byteLength
      && view.getUint32(12, true) === index
      && identity.every((byte, i) => head[20 + i] === byte)
      && view.getUint32(52, true) === crc32c(into)
    if (!right) return 'damaged'
    const now = Date.now()
    if (now - stats.mtimeMs > RECENT_MS) await touchFd(fd, now / 1000, now / 1000).catch(() => undefined)
    return { verified: view.getUint32(16, true) === 1 }
  } finally {
    await closeFd(fd)
  }
}

/** Writes a new file; leaves none when it fails. @throws errors of the system */
export async function writeEntry(path: string, { identity, index, verified }: CacheEntry, bytes: Uint8Array): Promise<void> {
  const head = new Uint8Array(HEAD_BYTES)
  const view = new DataView(head.buffer)
  head.set(MAGIC)
  view.setUint32(8, bytes.byteLength, true)
  view.setUint32(12, index, true)
  view.setUint32(16, verified ? 1 : 0, true)
  head.set(identity, 20)
  view.setUint32(52, crc32c(bytes), true)
  view.setUint32(56, crc32c(head, 0, HEAD_CHECKED), true)

  const fd = await openFd(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    try {
      await writeAll(fd, head, bytes)
    } finally {
      await closeFd(fd)
    }
  } catch (error) {
    await unlink(path).catch(() => undefined)
    throw error
  }
}

/** Whether a file belongs to the user that this process runs as. */
export function isOurs(uid: number): boolean {
  return process.geteuid === undefined || process.geteuid() === uid
}

function readAll(fd: number, head: Uint8Array, body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    readv(fd, body.byteLength === 0 ? [head] : [head, body], 0, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

async function writeAll(fd: number, head: Uint8Array, body: Uint8Array): Promise<void> {
  const total = head.byteLength + body.byteLength
  let parts = [head, body]
  for (let done = 0; done < total;) {
    const count = await new Promise<number>((resolve, reject) => {
      writev(fd, parts, (error, n) => {
        if (error === null) resolve(n)
        else reject(error)
      })
    })
    done += count
    parts = done < head.byteLength ? [head.subarray(done), body] : [body.subarray(done - head.byteLength)]
  }
}
