import type { Access } from './access.js'
import { lookup3 } from './checksum.js'
import { corrupt } from './faults.js'

/** An address that is not set. */
export const UNDEFINED = -1

/** Takes the fields of a structure out of its bytes, in order; every one is checked against the end of the bytes. */
export interface Fields {
  /** Where the next field begins, in `bytes`. */
  readonly at: number
  /** How many bytes there are behind it. */
  readonly left: number
  u8(): number
  u16(): number
  u32(): number
  /** An unsigned number of 1 to 8 bytes; `Corrupt` if it is above 2^53. */
  uint(byteLength: number): number
  /** An address; {@link UNDEFINED} when it is not set. */
  address(): number
  /** A length; `Corrupt` if it is above 2^53. */
  length(): number
  /** A length; `Infinity` when all bits are set, which is how HDF5 writes "unlimited". */
  lengthOrUnlimited(): number
  /** A view of the next bytes. */
  bytes(byteLength: number): Uint8Array
  /** Text up to a zero byte, which is passed too. */
  text(): string
  /** Passes over bytes. */
  skip(byteLength: number): void
  /** Checks the four letters that a structure begins with. */
  signature(letters: string): void
  /** Checks a version byte, or a type byte. */
  expect(values: readonly number[], what: string): number
  /** Checks that the next four bytes are the checksum of everything before them. */
  checksum(): void
  /** A `Corrupt` error at the next field. */
  corrupt(what: string): Error
}

/**
 * The fields of a structure.
 * @param address Of the first byte, for errors.
 * @param what Names the structure in errors.
 */
export function fieldsOf(access: Access, bytes: Uint8Array, address: number, what: string): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const bad = (problem: string): Error => corrupt(access.place(address + at), `${what}: ${problem}`)
  /** Where the next field begins; passes over it. */
  function take(byteLength: number): number {
    if (!(byteLength <= bytes.length - at)) throw bad('it ends in the middle of a field')
    at += byteLength
    return at - byteLength
  }

  function raw(byteLength: number): number {
    const start = take(byteLength)
    if (byteLength === 8) return view.getUint32(start, true) + view.getUint32(start + 4, true) * 2 ** 32
    if (byteLength === 4) return view.getUint32(start, true)
    let value = 0
    for (let i = byteLength - 1; i >= 0; i--) value = value * 256 + view.getUint8(start + i)
    return value
  }

  function uint(byteLength: number): number {
    const value = raw(byteLength)
    if (value <= Number.MAX_SAFE_INTEGER) return value
    at -= byteLength
    throw bad(`a number of ${value} is not possible`)
  }

  /** Two readings of "all bits set" for 8 bytes: 2^64 - 1 is 2^64 as a number. */
  const unset = (byteLength: number): number => (byteLength === 8 ? 2 ** 64 : 2 ** (8 * byteLength) - 1)

  function orUnset(byteLength: number, instead: number): number {
    const value = raw(byteLength)
    if (value === unset(byteLength)) return instead
    if (value <= Number.MAX_SAFE_INTEGER) return value
    at -= byteLength
    throw bad(`a number of ${value} is not possible`)
  }

  const fields: Fields = {
    get at() {
      return at
    },
    get left() {
      return bytes.length - at
    },
    u8: () => view.getUint8(take(1)),
    u16: () => view.getUint16(take(2), true),
    u32: () => view.getUint32(take(4), true),
    uint,
    address: () => orUnset(access.offsetBytes, UNDEFINED),
    length: () => uint(access.lengthBytes),
    lengthOrUnlimited: () => orUnset(access.lengthBytes, Infinity),
    bytes(byteLength) {
      const start = take(byteLength)
      return bytes.subarray(start, start + byteLength)
    },
    text() {
      const end = bytes.indexOf(0, at)
      if (end < 0) throw bad('a text has no end')
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(at, end))
      at = end + 1
      return text
    },
    skip(byteLength) {
      take(byteLength)
    },
    signature(letters) {
      for (let i = 0; i < letters.length; i++) {
        if (bytes[at + i] !== letters.charCodeAt(i)) throw bad(`it does not begin with '${letters}'`)
      }
      at += letters.length
    },
    expect(values, name) {
      const value = fields.u8()
      if (values.includes(value)) return value
      at--
      throw bad(`${name} ${value} is none of ${values.join(', ')}`)
    },
    checksum() {
      const sum = lookup3(bytes, 0, at)
      const stored = fields.u32()
      if (stored === sum) return
      at = 0
      throw bad('its checksum is wrong')
    },
    corrupt: bad
  }
  return fields
}
