import type { Access } from './access.js'
import { corrupt, truncated, unsupported } from './faults.js'
import { fieldsOf, UNDEFINED } from './fields.js'

/** What the superblock says of a file. */
export interface Superblock {
  /** The file, with the sizes of its addresses. */
  readonly access: Access
  /** Address of the object header of the root group. */
  readonly root: number
  /** Address of the object header of the superblock extension, if there is one. */
  readonly extension: number
}

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
/** The longest superblock: version 1 with addresses of 8 bytes. */
const MOST_BYTES = 100
/** The shortest one: version 0 with addresses of 2 bytes. */
const LEAST_BYTES = 20

/**
 * Finds and reads the superblock (specification §II.A), at byte 0, 512, 1024, 2048 and so on: behind the user block.
 * The end of the file that it states is checked against the size of the file.
 */
export async function readSuperblock(access: Access): Promise<Superblock> {
  const { byteLength } = access.source
  for (let at = 0; at < byteLength; at = at === 0 ? 512 : 2 * at) {
    const bytes = await access.readSome(at, MOST_BYTES, 'the superblock')
    const differs = SIGNATURE.findIndex((byte, i) => bytes[i] !== byte)
    if (differs < 0) return readAt(access, at, bytes)
    if (differs === bytes.length) throw cutOff(access, at)
  }
  if (byteLength === 0) throw corrupt(access.place(0), 'it is empty, not an HDF5 file')
  throw corrupt(access.place(0), 'this is no HDF5 file: it has no signature of one', 'Read it in the format that it has, or restore it from its source')
}

function readAt(outside: Access, at: number, bytes: Uint8Array): Superblock {
  if (bytes.length < LEAST_BYTES) throw cutOff(outside, at)
  const version = bytes[8] ?? 0
  if (version > 3) throw unsupported(outside.place(at + 8), `superblock version ${version} is not known`)
  const old = version < 2
  const offsetBytes = bytes[old ? 13 : 9] ?? 0
  const lengthBytes = bytes[old ? 14 : 10] ?? 0
  if (![2, 4, 8].includes(offsetBytes) || ![2, 4, 8].includes(lengthBytes)) {
    throw corrupt(outside.place(at), `the superblock: addresses of ${offsetBytes} and lengths of ${lengthBytes} bytes are not possible`)
  }
  const needed = old ? (version === 0 ? 24 : 28) + 6 * offsetBytes : 12 + 4 * offsetBytes + 4
  if (bytes.length < needed) throw cutOff(outside, at)

  const access = outside.with({ format: { offsetBytes, lengthBytes, base: at } })
  const fields = fieldsOf(access, bytes, 0, 'the superblock')
  fields.skip(9)
  if (old) {
    fields.expect([0], 'the version of the free space')
    fields.expect([0], 'the version of the root group')
    fields.skip(1)
    fields.expect([0], 'the version of shared headers')
    fields.skip(version === 0 ? 11 : 15)
    const base = fields.address()
    fields.address() // of the free space
    const end = fields.address()
    const driver = fields.address()
    checkEnd(access, at, base, end)
    if (driver !== UNDEFINED) throw unsupported(access.place(0), 'its data are spread over several files (it has a driver information block)')
    fields.address() // of the name in the symbol table entry
    return { access, root: fields.address(), extension: UNDEFINED }
  }
  fields.skip(2)
  const flags = fields.u8()
  const base = fields.address()
  const extension = fields.address()
  const end = fields.address()
  const root = fields.address()
  fields.checksum()
  checkEnd(access, at, base, end)
  if (version === 3 && (flags & 5) !== 0) {
    throw corrupt(access.place(11), 'it is still being written, or was not closed by its writer (then `h5clear -s` makes it readable)')
  }
  return { access, root, extension }
}

/** The stated end counts from the beginning of the file, as it was when the superblock stood at the stated base address. */
function checkEnd(access: Access, at: number, base: number, end: number): void {
  const expected = end - base + at
  if (base < 0 || end < base) throw corrupt(access.place(0), `the superblock: the file cannot end at ${end} with a base address of ${base}`)
  const { byteLength } = access.source
  if (expected > byteLength) throw truncated(access.place(0), `the file should have ${expected} bytes and has ${byteLength}`)
}

function cutOff(access: Access, at: number): Error {
  return truncated(access.place(at), `the file ends after ${access.source.byteLength} bytes, inside its superblock`)
}
