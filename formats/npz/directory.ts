import type { ByteSource } from '../../src/format.js'
import { COPY_AGAIN, RESTORE, zipFault } from './faults.js'
import { memberName } from './names.js'

/** A file in an archive, as the directory describes it. */
export interface Member {
  readonly name: string
  /** Its name as it stands there: the header before the data must have the same. */
  readonly nameBytes: Uint8Array
  readonly method: number
  readonly flags: number
  readonly crc: number
  readonly compressedBytes: number
  readonly bytes: number
  readonly headerOffset: number
  /** Where the next member or the directory begins: headers and data end before it. */
  readonly limit: number
}

/**
 * Reads the directory of a ZIP archive (APPNOTE 6.3.10) from its end, in one or two ranges: the end record with its comment, the zip64
 * records, then the directory, which must fill the place up to them.
 * @throws MillraceError `Corrupt` or `Truncated`; `Limit` for a directory above 256 MiB; `Unsupported` for archives in several parts
 */
export async function readDirectory(source: ByteSource, signal: AbortSignal): Promise<Member[]> {
  const { uri, byteLength } = source
  if (byteLength < END_BYTES) throw notZip(uri, byteLength, undefined)
  let tail = await readTail(source, Math.min(byteLength, FIRST_TAIL), signal)
  let end = findEnd(tail)
  if (end === undefined && tail.offset > 0) {
    tail = await readTail(source, Math.min(byteLength, LONGEST_TAIL), signal)
    end = findEnd(tail)
  }
  if (end === undefined) {
    const head = new Uint8Array(4)
    await source.read(0, head, { signal })
    throw notZip(uri, byteLength, head)
  }
  const { start, size, count, endOffset } = await placeOf(source, tail, end, signal)
  if (start + size !== endOffset) {
    throw zipFault('Corrupt', { uri, offset: endOffset }, `the directory is said to be at bytes ${start} to ${start + size}, and the record behind it is at ${endOffset}. ${RESTORE}`)
  }
  if (size > LARGEST_DIRECTORY) throw zipFault('Limit', { uri, offset: start }, `the directory takes ${size} bytes; ${LARGEST_DIRECTORY} are read. Write less into one archive`)
  if (count * ENTRY_BYTES > size) throw zipFault('Corrupt', { uri, offset: start }, `the directory of ${size} bytes has no room for ${count} members. ${RESTORE}`)
  return parseEntries(uri, start, await rangeOf(source, tail, start, size, signal), count)
}

const END_BYTES = 22
const LOCATOR_BYTES = 20
const END64_BYTES = 56
const ENTRY_BYTES = 46
/** Enough for archives without a comment. */
const FIRST_TAIL = 2 ** 13
const LONGEST_TAIL = END_BYTES + 0xffff + LOCATOR_BYTES + END64_BYTES
const LARGEST_DIRECTORY = 2 ** 28

interface Tail {
  readonly bytes: Uint8Array
  readonly offset: number
}

async function readTail(source: ByteSource, length: number, signal: AbortSignal): Promise<Tail> {
  const bytes = new Uint8Array(length)
  await source.read(source.byteLength - length, bytes, { signal })
  return { bytes, offset: source.byteLength - length }
}

/** A part of the file: of what was read already, or read now. */
async function rangeOf(source: ByteSource, tail: Tail, start: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
  if (start >= tail.offset) return tail.bytes.subarray(start - tail.offset, start - tail.offset + length)
  const bytes = new Uint8Array(length)
  await source.read(start, bytes, { signal })
  return bytes
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Where in the tail the end record is: the last one whose comment ends with the file. */
function findEnd({ bytes }: Tail): number | undefined {
  const view = viewOf(bytes)
  for (let at = bytes.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) === 0x06054b50 && at + END_BYTES + view.getUint16(at + 20, true) === bytes.length) return at
  }
  return undefined
}

function notZip(uri: string, byteLength: number, head: Uint8Array | undefined): Error {
  if (head !== undefined && head[0] === 0x93 && head[1] === 0x4e) {
    return zipFault('Corrupt', { uri, offset: 0 }, 'this is no NPZ file: it begins like a single array of NumPy. Read it as NPY')
  }
  const zip = head === undefined || (head[0] === 0x50 && head[1] === 0x4b)
  return zip
    ? zipFault('Truncated', { uri, offset: byteLength }, `it does not end like a ZIP archive. ${COPY_AGAIN}`)
    : zipFault('Corrupt', { uri, offset: 0 }, `this is no NPZ file: it neither begins nor ends like a ZIP archive. ${RESTORE}`)
}

interface DirectoryPlace {
  readonly start: number
  readonly size: number
  readonly count: number
  /** Where the records behind the directory begin. */
  readonly endOffset: number
}

async function placeOf(source: ByteSource, tail: Tail, at: number, signal: AbortSignal): Promise<DirectoryPlace> {
  const { uri } = source
  const view = viewOf(tail.bytes)
  const offset = tail.offset + at
  const short = {
    disk: view.getUint16(at + 4, true), directoryDisk: view.getUint16(at + 6, true), here: view.getUint16(at + 8, true),
    count: view.getUint16(at + 10, true), size: view.getUint32(at + 12, true), start: view.getUint32(at + 16, true)
  }
  const saturated = short.count === 0xffff || short.size === 0xffffffff || short.start === 0xffffffff
  const located = at >= LOCATOR_BYTES && view.getUint32(at - LOCATOR_BYTES, true) === 0x07064b50
  if (!located) {
    if (saturated) throw zipFault('Corrupt', { uri, offset }, `the end record refers to a zip64 record, and there is none before it. ${RESTORE}`)
    if (short.disk !== 0 || short.directoryDisk !== 0 || short.here !== short.count) throw inParts(uri, offset)
    return { ...short, endOffset: offset }
  }
  const locator = offset - LOCATOR_BYTES
  const start64 = uint64(view, at - LOCATOR_BYTES + 8)
  if (view.getUint32(at - LOCATOR_BYTES + 16, true) > 1) throw inParts(uri, locator)
  if (!(start64 + END64_BYTES <= locator)) throw zipFault('Corrupt', { uri, offset: locator }, `the zip64 record is said to be at byte ${start64}. ${RESTORE}`)
  const record = viewOf(await rangeOf(source, tail, start64, END64_BYTES, signal))
  if (record.getUint32(0, true) !== 0x06064b50 || start64 + 12 + uint64(record, 4) !== locator) {
    throw zipFault('Corrupt', { uri, offset: start64 }, `there is no zip64 record where the archive says. ${RESTORE}`)
  }
  const [here, count, size, start] = [uint64(record, 24), uint64(record, 32), uint64(record, 40), uint64(record, 48)]
  if (record.getUint32(16, true) !== 0 || record.getUint32(20, true) !== 0 || here !== count) throw inParts(uri, start64)
  const agree = (value: number, value64: number, most: number): boolean => value === value64 || value === most
  if (!agree(short.count, count, 0xffff) || !agree(short.size, size, 0xffffffff) || !agree(short.start, start, 0xffffffff)) {
    throw zipFault('Corrupt', { uri, offset }, `the two records at the end of the archive contradict each other. ${RESTORE}`)
  }
  return { start, size, count, endOffset: start64 }
}

function inParts(uri: string, offset: number): Error {
  return zipFault('Unsupported', { uri, offset }, 'the archive is one of several parts. Join them into one')
}

/** `Infinity` for what no number here holds exactly: it is too large for every check. */
function uint64(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true)
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value)
}

function parseEntries(uri: string, start: number, bytes: Uint8Array, count: number): Member[] {
  const view = viewOf(bytes)
  const members: Member[] = []
  let at = 0
  for (let i = 0; i < count; i++) {
    const place = { uri, offset: start + at }
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== 0x02014b50) throw zipFault('Corrupt', place, `there is no entry of the directory. ${RESTORE}`)
    const [nameBytes, extraBytes, commentBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
    const flags = view.getUint16(at + 8, true)
    const extraAt = at + ENTRY_BYTES + nameBytes
    const next = extraAt + extraBytes + commentBytes
    if (next > bytes.length) throw zipFault('Corrupt', place, `an entry goes beyond the end of the directory. ${RESTORE}`)
    const name = bytes.subarray(at + ENTRY_BYTES, extraAt)
    const text = memberName(name, (flags & 0x800) !== 0)
    if (text === undefined) throw zipFault('Corrupt', place, `a name in the directory is no UTF-8. ${RESTORE}`)
    const wide = wideNumbers(bytes.subarray(extraAt, extraAt + extraBytes), [
      view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)
    ])
    if (wide === undefined) throw zipFault('Corrupt', { ...place, member: text }, `the zip64 sizes in the directory are not there. ${RESTORE}`)
    const [size, compressedBytes, headerOffset] = wide as [number, number, number]
    const disk = view.getUint16(at + 34, true)
    if (disk !== 0 && disk !== 0xffff) throw inParts(uri, place.offset)
    members.push({
      name: text, nameBytes: name, method: view.getUint16(at + 10, true), flags, crc: view.getUint32(at + 16, true), compressedBytes, bytes: size, headerOffset,
      limit: start
    })
    at = next
  }
  if (at !== bytes.length) throw zipFault('Corrupt', { uri, offset: start + at }, `the directory goes on behind its last member. ${RESTORE}`)
  return checkMembers(uri, start, members)
}

/**
 * Sizes and offset, in their order, with those that do not fit 32 bits taken from the zip64 extra field (id 1). `undefined` when they are
 * not in it.
 */
export function wideNumbers(extra: Uint8Array, numbers: readonly number[]): readonly number[] | undefined {
  if (!numbers.includes(0xffffffff)) return numbers
  const view = viewOf(extra)
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + view.getUint16(at + 2, true)
    if (end > extra.length) return undefined
    if (view.getUint16(at, true) === 1) {
      let from = at + 4
      const wide = numbers.map((number) => {
        if (number !== 0xffffffff) return number
        from += 8
        return from <= end ? uint64(view, from - 8) : NaN
      })
      return wide.some(Number.isNaN) ? undefined : wide
    }
    at = end
  }
  return undefined
}

/** No two members may have one name or share bytes: else an archive could be read in two ways, or be larger than it is. */
function checkMembers(uri: string, start: number, members: readonly Member[]): Member[] {
  const names = new Set<string>()
  for (const { name, headerOffset } of members) {
    if (names.has(name)) throw zipFault('Corrupt', { uri, offset: headerOffset < start ? headerOffset : start, member: name }, 'there are two members of this name. Write the archive anew')
    names.add(name)
  }
  const order = members.map((member, i) => ({ member, i })).sort((a, b) => a.member.headerOffset - b.member.headerOffset)
  const checked = members.slice()
  order.forEach(({ member, i }, k) => {
    const limit = order[k + 1]?.member.headerOffset ?? start
    if (!(member.headerOffset + LOCAL_BYTES + member.nameBytes.length + member.compressedBytes <= limit)) {
      throw zipFault('Corrupt', { uri, offset: Math.min(member.headerOffset, start), member: member.name },
        `its ${member.compressedBytes} bytes go beyond byte ${limit}, where something else begins. ${RESTORE}`)
    }
    checked[i] = { ...member, limit }
  })
  return checked
}

/** Bytes of the header before the data, without name and extra fields. */
export const LOCAL_BYTES = 30
