import type { Access } from '../access.js'
import { fieldsOf, type Fields } from '../fields.js'
import type { Hdf5Filter } from '../model.js'
import type { Message } from '../object-header.js'

/** The numbers of the filters that are decoded here. */
export const FILTER = { deflate: 1, shuffle: 2, fletcher32: 3, lzf: 32000 } as const

/** As registered with the HDF Group; names in files differ between writers. */
const NAMES: Readonly<Record<number, string>> = {
  1: 'deflate', 2: 'shuffle', 3: 'fletcher32', 4: 'szip', 5: 'nbit', 6: 'scaleoffset', 305: 'lzo', 307: 'bzip2', 32000: 'lzf', 32001: 'blosc',
  32004: 'lz4', 32008: 'bitshuffle', 32013: 'zfp', 32015: 'zstd', 32017: 'sz', 32018: 'fcidecomp', 32019: 'jpeg', 32022: 'bitgroom', 32023: 'granular-bitround',
  32024: 'sz3', 32026: 'blosc2'
}

const MOST_FILTERS = 32

/** Reads a filter pipeline message (specification §IV.A.2.l). */
export function readFilters(access: Access, message: Message): readonly Hdf5Filter[] {
  const fields = fieldsOf(access, message.body, message.address, 'a filter pipeline')
  const version = fields.expect([1, 2], 'version')
  const count = fields.u8()
  if (count > MOST_FILTERS) throw fields.corrupt(`${count} filters are more than ${MOST_FILTERS}`)
  if (version === 1) fields.skip(6)
  return Array.from({ length: count }, () => readFilter(fields, version))
}

function readFilter(fields: Fields, version: number): Hdf5Filter {
  const id = fields.u16()
  const nameBytes = version === 1 || id >= 256 ? fields.u16() : 0
  fields.skip(2)
  const count = fields.u16()
  const ownName = text(fields.bytes(version === 1 ? Math.ceil(nameBytes / 8) * 8 : nameBytes))
  const parameters = Array.from({ length: count }, () => fields.u32())
  if (version === 1 && count % 2 === 1) fields.skip(4)
  return { id, name: NAMES[id] ?? (ownName === '' ? `filter ${id}` : ownName), parameters }
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}
