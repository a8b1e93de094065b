import { maskedCrc32c } from '../../src/format.js'

/** Length (u64) and its checksum (u32), before the data. */
export const HEADER_BYTES = 12
/** Checksum of the data (u32), behind them. */
export const FOOTER_BYTES = 4
/** What a record takes in the file beside its data. */
export const FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

/**
 * The bytes of one record as they stand in a TFRecord file: length, its masked CRC-32C, the data, their masked CRC-32C.
 *
 * A TFRecord file is nothing but such records, one after the other.
 * @throws TypeError for anything but bytes.
 */
export function encodeRecord(record: Uint8Array): Uint8Array {
  checkRecord(record)
  const framed = new Uint8Array(FRAME_BYTES + record.length)
  putHeader(framed, 0, record.length)
  framed.set(record, HEADER_BYTES)
  putFooter(framed, HEADER_BYTES + record.length, record)
  return framed
}

/** @throws TypeError for anything but bytes: the values of another typed array would be cut down to bytes. */
export function checkRecord(record: unknown): void {
  // By name, for arrays of another realm.
  if (Object.prototype.toString.call(record) === '[object Uint8Array]') return
  throw new TypeError('A record must be a Uint8Array: encode an Example first, or take the bytes of the array')
}

/** Writes the header of a record of `length` bytes at `at`. */
export function putHeader(target: Uint8Array, at: number, length: number): void {
  const view = viewOf(target)
  view.setUint32(at, length >>> 0, true)
  view.setUint32(at + 4, Math.floor(length / 2 ** 32), true)
  view.setUint32(at + 8, maskedCrc32c(target, at, at + 8), true)
}

/** Writes the footer of `record` at `at`. */
export function putFooter(target: Uint8Array, at: number, record: Uint8Array): void {
  viewOf(target).setUint32(at, maskedCrc32c(record), true)
}

/**
 * Why a scan stopped before the end of its bytes.
 *
 * - `incomplete`: fewer bytes are left than the record has.
 * - `length`: the checksum of the length is wrong.
 * - `data`: the checksum of the data is wrong.
 * - `large`: the length, whose checksum was not looked at, is above the limit.
 */
export type ScanStop = 'incomplete' | 'length' | 'data' | 'large'

/** The records found in a run of bytes. */
export interface Scan {
  /** Views of the bytes. */
  readonly records: Uint8Array[]
  /** Behind the last of `records`: the beginning of the record that stopped the scan. */
  readonly end: number
  readonly stop: ScanStop
}

/** Takes whole records from `bytes[start, end)` until one is incomplete or bad. `maxLength` is below 2^31 - 16. */
export function scan(bytes: Uint8Array, start: number, end: number, verify: boolean, maxLength: number): Scan {
  const view = viewOf(bytes)
  const { buffer, byteOffset } = bytes
  const records: Uint8Array[] = []
  let at = start
  let stop: ScanStop = 'incomplete'
  // A header equal to the one before it, which was right, is right: many files have records of one size.
  let knownLength = -1
  let knownCheck = 0
  // All arithmetic stays in int32 (a length in float64 makes the loop 1.8 times slower): the high word must be 0.
  while (end - at >= HEADER_BYTES) {
    const length = view.getInt32(at, true)
    const check = view.getInt32(at + 8, true)
    if (view.getInt32(at + 4, true) !== 0 || length < 0 || length > maxLength) {
      stop = 'large'
      break
    }
    if (verify && (length !== knownLength || check !== knownCheck)) {
      if ((maskedCrc32c(bytes, at, at + 8) | 0) !== check) {
        stop = 'length'
        break
      }
      knownLength = length
      knownCheck = check
    }
    const data = at + HEADER_BYTES
    if (length > end - FOOTER_BYTES - data) break
    const footer = data + length
    if (verify && (maskedCrc32c(bytes, data, footer) | 0) !== view.getInt32(footer, true)) {
      stop = 'data'
      break
    }
    records.push(new Uint8Array(buffer, byteOffset + data, length))
    at = footer + FOOTER_BYTES
  }
  return { records, end: at, stop }
}

/** The length in the header at `at`, whatever it says. Exact up to 2^53. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  const view = viewOf(bytes)
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
}

/** Whether the checksum of the length at `at` is right. */
export function lengthIsSound(bytes: Uint8Array, at: number): boolean {
  return maskedCrc32c(bytes, at, at + 8) === viewOf(bytes).getUint32(at + 8, true)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
