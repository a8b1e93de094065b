import { compressor, type ObjectWriter } from '../../src/format.js'
import { crc32 } from './crc32.js'

/** Content of a member. */
export interface Content {
  readonly byteLength: number
  /** The bytes in pieces, anew with every call. */
  pieces(): Iterable<Uint8Array>
}

/** Writes the members of a ZIP archive one after the other. */
export interface ZipWriter {
  add(name: string, content: Content, compression: 'none' | 'deflate', signal: AbortSignal | undefined): Promise<void>
  /** Writes the directory. The object writer is the caller's to finalize. */
  end(): Promise<void>
}

interface Entry {
  readonly name: Uint8Array
  readonly flags: number
  readonly method: number
  readonly crc: number
  readonly compressedBytes: number
  readonly bytes: number
  readonly offset: number
}

/** 1980-01-01, 00:00: the same content is the same file. */
const DOS_DATE = 0x21
const VERSION = 20
const VERSION_ZIP64 = 45
const FLAG_SIZES_LATER = 0x8
const FLAG_UTF8 = 0x800

/**
 * Writes ZIP archives (APPNOTE 6.3.10), with zip64 records where numbers do not fit 32 bits. The sizes of deflated members stand behind them,
 * for what is written cannot be changed. `wideFrom` is the first number that does not fit.
 */
export function zipWriter(writer: ObjectWriter, wideFrom = 0xffffffff): ZipWriter {
  const entries: Entry[] = []
  let offset = 0

  async function write(bytes: Uint8Array): Promise<void> {
    await writer.write(bytes)
    offset += bytes.length
  }

  async function addStored(name: Uint8Array, flags: number, content: Content, signal: AbortSignal | undefined): Promise<void> {
    let crc = 0
    for (const piece of content.pieces()) crc = crc32(piece, crc)
    const entry: Entry = { name, flags, method: 0, crc, compressedBytes: content.byteLength, bytes: content.byteLength, offset }
    await write(localHeader(entry, content.byteLength >= wideFrom))
    for (const piece of content.pieces()) {
      signal?.throwIfAborted()
      await write(piece)
    }
    entries.push(entry)
  }

  async function addDeflated(name: Uint8Array, flags: number, content: Content, signal: AbortSignal | undefined): Promise<void> {
    // What cannot be compressed becomes longer by 5 bytes in 16 KiB.
    const wide = content.byteLength * 1.001 + 64 >= wideFrom
    const start = { name, flags: flags | FLAG_SIZES_LATER, method: 8, crc: 0, compressedBytes: 0, bytes: 0, offset }
    await write(localHeader(start, wide))
    const begin = offset
    const codec = compressor('raw')
    let crc = 0
    async function feed(): Promise<void> {
      for (const piece of content.pieces()) {
        signal?.throwIfAborted()
        crc = crc32(piece, crc)
        if (!(await codec.write(piece))) return
      }
      await codec.end()
    }
    async function drain(): Promise<void> {
      for (let piece = await codec.read(); piece !== null; piece = await codec.read()) await write(piece)
    }
    // When one side fails, the other has to end too.
    const sides = [feed(), drain()].map((side) => side.catch(async (error: unknown) => {
      await codec.close()
      throw error
    }))
    const failure = (await Promise.allSettled(sides)).find((side) => side.status === 'rejected')
    await codec.close()
    signal?.throwIfAborted()
    if (failure !== undefined) throw failure.reason
    const entry: Entry = { ...start, crc, compressedBytes: offset - begin, bytes: content.byteLength }
    await write(descriptor(entry, wide))
    entries.push(entry)
  }

  return {
    async add(name, content, compression, signal) {
      const bytes = new TextEncoder().encode(name)
      const flags = bytes.length === name.length ? 0 : FLAG_UTF8
      await (compression === 'none' ? addStored : addDeflated)(bytes, flags, content, signal)
    },
    async end() {
      const start = offset
      for (const entry of entries) await write(centralHeader(entry, wideFrom))
      await write(endRecords(entries.length, start, offset - start, wideFrom))
    }
  }
}

/** Numbers of 2, 4 or 8 bytes one behind the other, little-endian. */
function packed(fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[], ...behind: readonly Uint8Array[]): Uint8Array {
  const length = fields.reduce((sum, [size]) => sum + size, 0)
  const bytes = new Uint8Array(behind.reduce((sum, part) => sum + part.length, length))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true)
    else if (size === 4) view.setUint32(at, value, true)
    else view.setBigUint64(at, BigInt(value), true)
    at += size
  }
  for (const part of behind) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const WIDE = 0xffffffff

function localHeader({ name, flags, method, crc, compressedBytes, bytes }: Entry, wide: boolean): Uint8Array {
  const extra = wide ? packed([[2, 1], [2, 16], [8, bytes], [8, compressedBytes]]) : new Uint8Array(0)
  return packed([
    [4, 0x04034b50], [2, wide ? VERSION_ZIP64 : VERSION], [2, flags], [2, method], [2, 0], [2, DOS_DATE], [4, crc],
    [4, wide ? WIDE : compressedBytes], [4, wide ? WIDE : bytes], [2, name.length], [2, extra.length]
  ], name, extra)
}

function descriptor({ crc, compressedBytes, bytes }: Entry, wide: boolean): Uint8Array {
  const size = wide ? 8 : 4
  return packed([[4, 0x08074b50], [4, crc], [size, compressedBytes], [size, bytes]])
}

function centralHeader({ name, flags, method, crc, compressedBytes, bytes, offset }: Entry, wideFrom: number): Uint8Array {
  const wide = [bytes, compressedBytes, offset].filter((value) => value >= wideFrom)
  const extra = wide.length > 0 ? packed([[2, 1], [2, 8 * wide.length], ...wide.map((value) => [8, value] as const)]) : new Uint8Array(0)
  const short = (value: number): number => (value >= wideFrom ? WIDE : value)
  const version = wide.length > 0 ? VERSION_ZIP64 : VERSION
  // Written on Unix (3), a regular file that all may read.
  return packed([
    [4, 0x02014b50], [2, (3 << 8) | version], [2, version], [2, flags], [2, method], [2, 0], [2, DOS_DATE], [4, crc],
    [4, short(compressedBytes)], [4, short(bytes)], [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0o100644 * 2 ** 16], [4, short(offset)]
  ], name, extra)
}

function endRecords(count: number, start: number, size: number, wideFrom: number): Uint8Array {
  const wide = count >= 0xffff || start >= wideFrom || size >= wideFrom
  const end = packed([
    [4, 0x06054b50], [2, 0], [2, 0], [2, wide ? 0xffff : count], [2, wide ? 0xffff : count], [4, wide ? WIDE : size], [4, wide ? WIDE : start], [2, 0]
  ])
  if (!wide) return end
  const end64 = packed([
    [4, 0x06064b50], [8, 44], [2, (3 << 8) | VERSION_ZIP64], [2, VERSION_ZIP64], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, start]
  ])
  const locator = packed([[4, 0x07064b50], [4, 0], [8, start + size], [4, 1]])
  return packed([], end64, locator, end)
}
