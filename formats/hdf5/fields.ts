import type { MillraceError } from '../../src/format.js'
import type { Access } from './access.js'
import { lookup3 } from './checksum.js'
import { corrupt } from './faults.js'

/** An address that is not set. */
export const UNDEFINED = -1

/** The bits of every byte are set: how an address that is not set, and a length without bound, are written. */
const unset = (byteLength: number): number => (byteLength === 8 ? 2 ** 64 : 2 ** (8 * byteLength) - 1)

/**
 * The fields of a structure, taken out of its bytes in order; every one is checked against the end of the bytes.
 * @param address Of the first byte, for errors.
 * @param what Names the structure in errors.
 */
export function fieldsOf(access: Access, bytes: Uint8Array, address: number, what: string): Fields {
  return new Fields(access, bytes, address, what)
}

/** A class, for one is made for every entry of an index: a tenth of what closures cost. */
export class Fields {
  /** Where the next field begins, in `bytes`. */
  at = 0
  readonly #access: Access
  readonly #bytes: Uint8Array
  readonly #address: number
  readonly #what: string

  constructor(access: Access, bytes: Uint8Array, address: number, what: string) {
    this.#access = access
    this.#bytes = bytes
    this.#address = address
    this.#what = what
  }

  /** How many bytes there are behind the last field. */
  get left(): number {
    return this.#bytes.length - this.at
  }

  u8(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  u16(): number {
    return this.#raw(2)
  }

  u32(): number {
    return this.#raw(4)
  }

  /** An unsigned number of 1 to 8 bytes; `Corrupt` if it is above 2^53. */
  uint(byteLength: number): number {
    return this.#checked(this.#raw(byteLength), byteLength)
  }

  /** An address; {@link UNDEFINED} when it is not set. */
  address(): number {
    return this.#orUnset(this.#access.offsetBytes, UNDEFINED)
  }

  /** A length; `Corrupt` if it is above 2^53. */
  length(): number {
    return this.uint(this.#access.lengthBytes)
  }

  /** A length; `Infinity` when all bits are set, which is how HDF5 writes "unlimited". */
  lengthOrUnlimited(): number {
    return this.#orUnset(this.#access.lengthBytes, Infinity)
  }

  /** A view of the next bytes. */
  bytes(byteLength: number): Uint8Array {
    const start = this.#take(byteLength)
    return this.#bytes.subarray(start, start + byteLength)
  }

  /** Text up to a zero byte, which is passed too. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.at)
    if (end < 0) throw this.corrupt('a text has no end')
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#bytes.subarray(this.at, end))
    this.at = end + 1
    return text
  }

  /** Passes over bytes. */
  skip(byteLength: number): void {
    this.#take(byteLength)
  }

  /** Checks the four letters that a structure begins with. */
  signature(letters: string): void {
    for (let i = 0; i < letters.length; i++) {
      if (this.#bytes[this.at + i] !== letters.charCodeAt(i)) throw this.corrupt(`it does not begin with '${letters}'`)
    }
    this.at += letters.length
  }

  /** Checks a version byte, or a type byte. */
  expect(values: readonly number[], name: string): number {
    const value = this.u8()
    if (values.includes(value)) return value
    this.at--
    throw this.corrupt(`${name} ${value} is none of ${values.join(', ')}`)
  }

  /** Checks that the next four bytes are the checksum of everything before them. */
  checksum(): void {
    const sum = lookup3(this.#bytes, 0, this.at)
    if (this.u32() === sum) return
    this.at = 0
    throw this.corrupt('its checksum is wrong')
  }

  /** A `Corrupt` error at the next field. */
  corrupt(problem: string): MillraceError {
    return corrupt(this.#access.place(this.#address + this.at), `${this.#what}: ${problem}`)
  }

  /** Where the next field begins; passes over it. */
  #take(byteLength: number): number {
    const start = this.at
    if (!(byteLength <= this.#bytes.length - start)) throw this.corrupt('it ends in the middle of a field')
    this.at = start + byteLength
    return start
  }

  #raw(byteLength: number): number {
    const bytes = this.#bytes
    const start = this.#take(byteLength)
    let value = 0
    for (let i = start + byteLength - 1; i >= start; i--) value = value * 256 + (bytes[i] ?? 0)
    return value
  }

  #orUnset(byteLength: number, instead: number): number {
    const value = this.#raw(byteLength)
    return value === unset(byteLength) ? instead : this.#checked(value, byteLength)
  }

  #checked(value: number, byteLength: number): number {
    if (value <= Number.MAX_SAFE_INTEGER) return value
    this.at -= byteLength
    throw this.corrupt(`a number of ${value} is not possible`)
  }
}
