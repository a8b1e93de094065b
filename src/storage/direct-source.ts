import { close, constants } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import { isMillraceError, MillraceError } from '../errors.js'
import type { ByteSource } from '../store.js'
import { closedError } from './checks.js'
import { ALIGNMENT, type BlockPool } from './direct-pool.js'
import { fileError } from './file-errors.js'
import { openFileSource, openRegular, readFd, sourceOf, type OpenedFile, type OpenFile } from './file-source.js'

const closeFd = promisify(close)

/** How files are read past the page cache. */
export interface DirectReading {
  readonly fallback: 'refuse' | 'buffered'
  /** Requests of one read that are in flight. */
  readonly requests: number
  readonly pool: () => BlockPool
  /** Whether reading has to end because the store was closed. */
  readonly closed: () => boolean
  /** Called for each source that reads through the page cache because the other cannot be. */
  readonly onBuffered: () => void
  /** Reads from a descriptor. Tests have others. */
  readonly read?: typeof readFd
}

/** Codes with which file systems say that they do not do it. */
const CANNOT: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'])

/** File systems by the number that `statfs` tells. */
const FILE_SYSTEMS: { readonly [type: number]: string } = {
  0x0102_1994: 'tmpfs', 0x8584_58f6: 'ramfs', 0x794c_7630: 'overlayfs', 0xef53: 'ext', 0x5846_5342: 'XFS', 0x9123_683e: 'Btrfs', 0x2fc1_2fc1: 'ZFS', 0x6969: 'NFS',
  0x6573_5546: 'FUSE', 0x0102_1997: '9p', 0xff53_4d42: 'CIFS', 0xfe53_4d42: 'SMB2', 0x4d44: 'FAT', 0x7371_7368: 'squashfs', 0x9fa0: 'proc', 0x6265_6572: 'sysfs'
}

/** Opens files for reading with O_DIRECT. */
export function directOpener(reading: DirectReading): OpenFile {
  const { read = readFd } = reading
  /** Devices of which it is known that they do it. Some open a file so and then do not read it. */
  const able = new Set<bigint>()
  /** Memory of callers that does not begin at a page. */
  const unaligned = new WeakSet<object>()

  return async (uri, path, confine, signal) => {
    const flag = constants.O_DIRECT as number | undefined
    const file = flag === undefined ? undefined : await openRegular(uri, path, flag, confine, signal).catch(unlessItCannot)
    if (file !== undefined && (file.byteLength === 0 || able.has(file.device) || (await probe(file)))) {
      return sourceOf(file, (offset, into, ending) => fill(file, offset, into, ending))
    }
    if (reading.fallback === 'refuse') throw await refusal(uri, path, flag)
    const source = await openFileSource(uri, path, confine, signal)
    reading.onBuffered()
    return source
  }

  /** Tries to read the first bytes. Closes the file when that cannot be. */
  async function probe(file: OpenedFile): Promise<boolean> {
    const pool = reading.pool()
    const block = await pool.take()
    try {
      await read(file.fd, pool.memory, block * pool.blockSize, ALIGNMENT, 0)
      able.add(file.device)
      return true
    } catch (error) {
      await closeFd(file.fd)
      if (CANNOT.has((error as { code?: unknown }).code)) return false
      throw fileError(error, 'open', file.uri)
    } finally {
      pool.give(block)
    }
  }

  async function fill(file: OpenedFile, offset: number, into: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    const pool = reading.pool()
    const end = offset + into.byteLength
    // Memory of WebAssembly has whole pages of 64 KiB; whether other memory begins at a page can only be tried.
    const straight = (into.byteOffset - offset) % ALIGNMENT === 0 && into.buffer.byteLength % 65_536 === 0 && !unaligned.has(into.buffer)
    let next = offset
    let ended = end
    let failure: { readonly error: unknown } | undefined

    /** Takes the next piece: in the middle of aligned memory that itself, else what fits into a block. */
    function takePiece(): { readonly start: number; readonly stop: number; readonly inPlace: boolean } {
      const start = next
      const whole = down(end)
      const inPlace = straight && start % ALIGNMENT === 0 && start < whole
      const most = down(start) + pool.blockSize
      if (inPlace) next = Math.min(most, whole)
      else if (straight && start % ALIGNMENT !== 0) next = Math.min(down(start) + ALIGNMENT, end)
      else next = Math.min(most, end)
      return { start, stop: next, inPlace }
    }

    async function readPiece({ start, stop, inPlace }: ReturnType<typeof takePiece>): Promise<void> {
      if (inPlace && !unaligned.has(into.buffer)) {
        try {
          const count = await readAligned(read, file.fd, into, start - offset, stop - start, start, stop - start)
          if (start + count < stop) ended = Math.min(ended, start + count)
          return
        } catch (error) {
          if (!CANNOT.has((error as { code?: unknown }).code)) throw error
          unaligned.add(into.buffer)
        }
      }
      const block = await pool.take()
      try {
        signal?.throwIfAborted()
        const [at, first] = [block * pool.blockSize, down(start)]
        const count = await readAligned(read, file.fd, pool.memory, at, up(stop) - first, first, stop - first)
        const there = Math.min(stop, first + count)
        if (there > start) into.set(pool.memory.subarray(at + start - first, at + there - first), start - offset)
        if (there < stop) ended = Math.min(ended, Math.max(start, there))
      } finally {
        pool.give(block)
      }
    }

    async function work(): Promise<void> {
      while (next < end && failure === undefined) {
        try {
          signal?.throwIfAborted()
          if (reading.closed()) throw closedError(file.uri, 'read', 'the store was closed')
          await readPiece(takePiece())
        } catch (error) {
          failure ??= { error }
        }
      }
    }

    await Promise.all(Array.from({ length: Math.min(reading.requests, Math.ceil(into.byteLength / pool.blockSize) + 1) }, work))
    if (failure !== undefined) throw (failure as { readonly error: unknown }).error
    signal?.throwIfAborted()
    return ended - offset
  }
}

/** Keeps a source in a set as long as it is open. */
export function registered(source: ByteSource, open: Set<ByteSource>): ByteSource {
  open.add(source)
  return {
    ...source,
    close() {
      open.delete(source)
      return source.close()
    }
  }
}

/** Reads until `need` of `size` bytes are there or the file ends, and tells how many came. Only the end of a file comes between multiples. */
async function readAligned(read: typeof readFd, fd: number, into: Uint8Array, at: number, size: number, position: number, need: number): Promise<number> {
  let done = 0
  while (done < need) {
    const count = await read(fd, into, at + done, size - done, position + done)
    done += count
    if (count === 0 || done % ALIGNMENT !== 0) break
  }
  return done
}

function down(position: number): number {
  return position - (position % ALIGNMENT)
}

function up(position: number): number {
  return down(position + ALIGNMENT - 1)
}

function unlessItCannot(error: unknown): undefined {
  if (isMillraceError(error) && CANNOT.has((error.cause as { code?: unknown } | undefined)?.code)) return undefined
  throw error
}

async function refusal(uri: string, path: string, flag: number | undefined): Promise<MillraceError> {
  const type = flag === undefined ? undefined : await statfs(path).then((stats) => stats.type >>> 0, () => undefined)
  const why = flag === undefined ? `this system, ${process.platform}, has no O_DIRECT`
    : `the file system that it is on, ${type === undefined ? 'of unknown type,' : FILE_SYSTEMS[type] ?? `of type 0x${type.toString(16)},`} does not read with O_DIRECT (EINVAL)`
  return new MillraceError('Unsupported',
    `open ${uri}: ${why}; read it as a plain path or file://, or make the store with directStore({ fallback: 'buffered' })`,
    { uri, operation: 'open' })
}
