/**
 * Our own form of an index, `<file>.mrindex`. All numbers are little-endian:
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 8 | `8b 4d 52 49 44 58 0d 0a`: no text, and different after a transfer as text |
 * | 8 | 4 | version of this layout, 1 |
 * | 12 | 4 | w, bytes per length: 1, 2, 4 or 8 |
 * | 16 | 8 | size of the TFRecord file |
 * | 24 | 8 | n, number of records |
 * | 32 | 4 | CRC-32C of the first 4096 bytes of the file, or of all if it has fewer |
 * | 36 | 4 | CRC-32C of the last 4096 bytes of the file, or of all if it has fewer |
 * | 40 | 4 | v, bytes of the version |
 * | 44 | v | the store's name of the version of the file, UTF-8 |
 * | 44 + v | n × w | length of the data of each record |
 * | 44 + v + n × w | 4 | CRC-32C of all bytes before |
 */
import { crc32c, MillraceError, type ByteSource } from '../../src/format.js'
import type { FrameTable, Lengths } from './frame-table.js'
import { FRAME_BYTES } from './framing.js'
import { damagedIndex } from './index-faults.js'

/** Of the file that an index is about: what tells whether it still is that file. */
export interface Fingerprint {
  readonly byteLength: number
  readonly headCrc: number
  readonly tailCrc: number
  readonly version: string
}

/** What stands before the lengths. */
export interface IndexHeader extends Fingerprint {
  readonly count: number
  /** Bytes per length. */
  readonly width: number
  /** Where the lengths begin. */
  readonly lengthsAt: number
}

const MAGIC: readonly number[] = [0x8b, 0x4d, 0x52, 0x49, 0x44, 0x58, 0x0d, 0x0a]
const VERSION = 1
const FIXED_BYTES = 44
const CRC_BYTES = 4
/** Bytes at either end of the file that are looked at. */
const EDGE_BYTES = 4096

/** The fingerprint of a file, from its first and last bytes. */
export async function fingerprint(source: ByteSource, signal: AbortSignal): Promise<Fingerprint> {
  const { byteLength, version } = source
  const edge = new Uint8Array(Math.min(EDGE_BYTES, byteLength))
  const crcAt = async (offset: number): Promise<number> => {
    if (edge.length > 0) await source.read(offset, edge, { signal })
    return crc32c(edge)
  }
  return { byteLength, version, headCrc: await crcAt(0), tailCrc: await crcAt(byteLength - edge.length) }
}

/** The bytes of an index, whole. */
export function encodeIndex({ count, lengths }: FrameTable, file: Fingerprint): Uint8Array {
  let longest = 0
  for (const length of lengths) longest = Math.max(longest, length)
  const width = longest < 2 ** 8 ? 1 : longest < 2 ** 16 ? 2 : longest < 2 ** 32 ? 4 : 8
  const version = new TextEncoder().encode(file.version)
  const lengthsAt = FIXED_BYTES + version.length
  const bytes = new Uint8Array(lengthsAt + count * width + CRC_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  view.setUint32(8, VERSION, true)
  view.setUint32(12, width, true)
  view.setBigUint64(16, BigInt(file.byteLength), true)
  view.setBigUint64(24, BigInt(count), true)
  view.setUint32(32, file.headCrc, true)
  view.setUint32(36, file.tailCrc, true)
  view.setUint32(40, version.length, true)
  bytes.set(version, FIXED_BYTES)
  for (let i = 0; i < count; i++) {
    const at = lengthsAt + i * width
    const length = lengths[i] ?? 0
    if (width === 1) view.setUint8(at, length)
    else if (width === 2) view.setUint16(at, length, true)
    else if (width === 4) view.setUint32(at, length, true)
    else view.setBigUint64(at, BigInt(length), true)
  }
  view.setUint32(bytes.length - CRC_BYTES, crc32c(bytes, 0, bytes.length - CRC_BYTES), true)
  return bytes
}

/**
 * The header and the lengths of an index, which is read whole; not before its own numbers say that it has the right size.
 * @throws MillraceError `Corrupt` or `Truncated` for a damaged index, `Unsupported` for one of a later version.
 */
export async function readIndex(index: ByteSource, signal: AbortSignal): Promise<{ readonly header: IndexHeader; readonly lengths: Lengths }> {
  const head = new Uint8Array(Math.min(FIXED_BYTES, index.byteLength))
  if (head.length > 0) await index.read(0, head, { signal })
  parseFixed(index, head)
  const bytes = new Uint8Array(index.byteLength)
  await index.read(0, bytes, { signal })
  const header = parseFixed(index, bytes)
  const at = bytes.length - CRC_BYTES
  if (crc32c(bytes, 0, at) !== new DataView(bytes.buffer).getUint32(at, true)) throw damagedIndex(index.uri, 'Corrupt', at, 'its checksum is wrong')
  return { header: { ...header, version: new TextDecoder().decode(bytes.subarray(FIXED_BYTES, header.lengthsAt)) }, lengths: lengthsOf(index.uri, bytes, header) }
}

function parseFixed({ uri, byteLength: size }: ByteSource, bytes: Uint8Array): IndexHeader {
  if (MAGIC.some((byte, i) => i < bytes.length && bytes[i] !== byte)) throw damagedIndex(uri, 'Corrupt', 0, 'it does not begin as an index does')
  if (bytes.length < FIXED_BYTES) throw damagedIndex(uri, 'Truncated', size, `it ends after ${size} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = view.getUint32(8, true)
  if (version !== VERSION) {
    throw new MillraceError('Unsupported', `${uri}: an index of version ${version}; this release reads version ${VERSION}. Build it anew with writeTfrecordIndex, or read without it: index: false`, { uri, offset: 8, operation: 'open' })
  }
  const width = view.getUint32(12, true)
  if (width !== 1 && width !== 2 && width !== 4 && width !== 8) throw damagedIndex(uri, 'Corrupt', 12, `${width} bytes per length cannot be`)
  const byteLength = Number(view.getBigUint64(16, true))
  const count = Number(view.getBigUint64(24, true))
  const lengthsAt = FIXED_BYTES + view.getUint32(40, true)
  const promised = lengthsAt + count * width + CRC_BYTES
  if (promised !== size) throw damagedIndex(uri, promised > size ? 'Truncated' : 'Corrupt', Math.min(promised, size), `it has ${size} bytes, and by its header ${promised}`)
  // Memory is taken for every record: no more of them than the file can have.
  if (count * FRAME_BYTES > byteLength) throw damagedIndex(uri, 'Corrupt', 24, `${count} records cannot be in ${byteLength} bytes`)
  return { byteLength, count, width, lengthsAt, version: '', headCrc: view.getUint32(32, true), tailCrc: view.getUint32(36, true) }
}

function lengthsOf(uri: string, bytes: Uint8Array<ArrayBuffer>, { count, width, lengthsAt }: IndexHeader): Lengths {
  // A copy begins at a multiple of the width, as typed arrays must.
  const copy = bytes.slice(lengthsAt, lengthsAt + count * width)
  if (width === 1) return copy
  if (width === 2) return new Uint16Array(copy.buffer)
  if (width === 4) return new Uint32Array(copy.buffer)
  const lengths = Float64Array.from(new BigUint64Array(copy.buffer), Number)
  const wrong = lengths.findIndex((length) => !Number.isSafeInteger(length))
  if (wrong >= 0) throw damagedIndex(uri, 'Corrupt', lengthsAt + wrong * width, `record ${wrong} cannot have ${lengths[wrong]} bytes`)
  return lengths
}
