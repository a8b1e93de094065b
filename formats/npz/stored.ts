import type { ByteSource } from '../../src/format.js'
import { fault, type Region } from '../npy/region.js'
import { crc32 } from './crc32.js'
import type { Member } from './directory.js'
import { RESTORE } from './faults.js'

/** The bytes of a stored member: a part of the file, in any order. Its checksum is not looked at. */
export function storedRegion(source: ByteSource, member: Member, start: number): Region {
  const { uri } = source
  return {
    name: `member ${JSON.stringify(member.name)} of ${uri}`,
    uri,
    key: member.name,
    start,
    byteLength: member.bytes,
    ordered: false,
    read: (offset, into, signal) => source.read(start + offset, into, { signal })
  }
}

/** Bytes per read; the next is under way while the checksum of one is computed. */
const READ_BYTES = 2 ** 22

/** The same bytes in order, from the beginning to the end, with their checksum. `Corrupt` when the end is read and it is wrong. */
export function verifiedRegion(region: Region, expected: number): Region {
  const final = new WeakSet<object>()
  let position = 0
  let crc = 0

  async function advance(into: Uint8Array, signal: AbortSignal): Promise<void> {
    const from = position
    const partAt = (at: number): Uint8Array => into.subarray(at, at + READ_BYTES)
    let coming = region.read(from, partAt(0), signal)
    for (let at = 0; at < into.length; at += READ_BYTES) {
      await coming
      if (at + READ_BYTES < into.length) {
        coming = region.read(from + at + READ_BYTES, partAt(at + READ_BYTES), signal)
        coming.catch(() => undefined) // It is awaited in the next turn.
      }
      crc = crc32(partAt(at), crc)
      position = from + Math.min(into.length, at + READ_BYTES)
    }
  }

  return {
    ...region,
    ordered: true,
    final: (error) => final.has(error),
    async read(offset, into, signal) {
      if (position > offset) position = crc = 0
      while (position < offset) await advance(new Uint8Array(Math.min(READ_BYTES, offset - position)), signal)
      if (into.length > 0) await advance(into, signal)
      if (position === region.byteLength && crc !== expected) {
        const error = fault('Corrupt', region, 0, `its checksum is wrong. ${RESTORE}`)
        final.add(error)
        throw error
      }
    }
  }
}
