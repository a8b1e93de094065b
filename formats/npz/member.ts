import type { ByteSource } from '../../src/format.js'
import { LOCAL_BYTES, wideNumbers, type Member } from './directory.js'
import { RESTORE, zipFault } from './faults.js'

export const STORED = 0
export const DEFLATED = 8

/** Deflate makes at most 1032 bytes of one: a length code and a distance code of one bit each stand for 258 (RFC 1951). */
const MOST_FROM_ONE = 1032
/** Room for the header of an array behind that of the member. */
const HEAD_BYTES = 512
const REFUSED_FLAGS = 0x1 | 0x20 | 0x40 | 0x2000

/** Where the data of a member begin, and as many of the bytes there as came along. */
export interface MemberData {
  readonly start: number
  readonly head: Uint8Array
}

/**
 * Reads the header that stands before the data of a member, and checks that it says what the directory says.
 * @throws MillraceError `Corrupt`, or `Unsupported` for encrypted members and methods other than stored and deflated
 */
export async function openMember(source: ByteSource, member: Member, signal: AbortSignal): Promise<MemberData> {
  const { uri } = source
  const place = { uri, offset: member.headerOffset, member: member.name }
  if ((member.flags & REFUSED_FLAGS) !== 0) throw zipFault('Unsupported', place, 'it is encrypted or patched. Write the archive without a password')
  if (member.method !== STORED && member.method !== DEFLATED) {
    throw zipFault('Unsupported', place, `it is compressed by method ${member.method}; stored (0) and deflated (8) members are read. Write it with np.savez or np.savez_compressed`)
  }
  if (member.method === STORED && member.bytes !== member.compressedBytes) {
    throw zipFault('Corrupt', place, `it is stored, ${member.bytes} bytes in ${member.compressedBytes}. ${RESTORE}`)
  }
  if (member.method === DEFLATED && member.bytes > MOST_FROM_ONE * member.compressedBytes) {
    throw zipFault('Corrupt', place, `no ${member.compressedBytes} bytes are ${member.bytes} when they are decompressed. ${RESTORE}`)
  }
  const { nameBytes } = member
  const first = new Uint8Array(Math.min(member.limit - member.headerOffset, LOCAL_BYTES + nameBytes.length + HEAD_BYTES))
  await source.read(member.headerOffset, first, { signal })
  const view = new DataView(first.buffer)
  if (view.getUint32(0, true) !== 0x04034b50) throw zipFault('Corrupt', place, `there is no header of a member. ${RESTORE}`)
  const flags = view.getUint16(6, true)
  const extraAt = LOCAL_BYTES + view.getUint16(26, true)
  const length = extraAt + view.getUint16(28, true)
  const start = member.headerOffset + length
  if (start + member.compressedBytes > member.limit) throw zipFault('Corrupt', place, `its data go beyond byte ${member.limit}, where something else begins. ${RESTORE}`)
  const header = length <= first.length ? first.subarray(0, length) : new Uint8Array(length)
  if (length > first.length) await source.read(member.headerOffset, header, { signal })
  const sameName = extraAt - LOCAL_BYTES === nameBytes.length && nameBytes.every((byte, i) => header[LOCAL_BYTES + i] === byte)
  const sizes = wideNumbers(header.subarray(extraAt), [view.getUint32(22, true), view.getUint32(18, true)])
  // With this flag, writers that cannot go back leave the numbers out here.
  const later = (flags & 0x8) !== 0
  const sameSizes = sizes !== undefined && sizes[0] === member.bytes && sizes[1] === member.compressedBytes && view.getUint32(14, true) === member.crc
  if (!sameName || view.getUint16(8, true) !== member.method || (flags & REFUSED_FLAGS) !== 0 || !(later || sameSizes)) {
    throw zipFault('Corrupt', place, `the header before it and the directory contradict each other. ${RESTORE}`)
  }
  const head = first.subarray(Math.min(length, first.length), Math.min(first.length, length + member.compressedBytes))
  return { start, head }
}
