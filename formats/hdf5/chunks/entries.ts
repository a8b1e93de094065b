import type { Access } from '../access.js'
import { fieldsOf, type Fields } from '../fields.js'
import type { ChunkRun, Grid } from './grid.js'

/** The entries of an array of chunks: addresses, with sizes and filter masks if the chunks are filtered. */
export interface Entries {
  /** Bytes of one. */
  readonly byteLength: number
  /** Reads entry `at` of a page of them into place `i` of a run. */
  read(access: Access, page: Page, at: number, run: ChunkRun, i: number): void
}

/** Some entries. */
export interface Page {
  readonly bytes: Uint8Array
  /** Of the first entry. */
  readonly address: number
}

/** What entries look like in this array. `fields` is behind the size of an entry, which was `byteLength`. */
export function entriesOf(access: Access, fields: Fields, client: number, byteLength: number, grid: Grid, filtered: boolean): Entries {
  const sizeBytes = byteLength - access.offsetBytes - 4
  const right = client === 0 ? !filtered && byteLength === access.offsetBytes : client === 1 && filtered && sizeBytes >= 1 && sizeBytes <= 8
  if (!right) throw fields.corrupt(`it has entries of kind ${client} and ${byteLength} bytes`)
  return {
    byteLength,
    read(access, { bytes, address }, at, run, i) {
      const start = at * byteLength
      const entry = fieldsOf(access, bytes.subarray(start, start + byteLength), address + start, 'an entry of a chunk index')
      run.addresses[i] = entry.address()
      run.sizes[i] = filtered ? entry.uint(sizeBytes) : grid.chunkBytes
      run.masks[i] = filtered ? entry.u32() : 0
    }
  }
}

/** Checks a page that ends with its checksum, and gives its entries. */
export function checkedPage(access: Access, bytes: Uint8Array, address: number): Page {
  const fields = fieldsOf(access, bytes, address, 'a page of a chunk index')
  fields.skip(bytes.length - 4)
  fields.checksum()
  return { bytes: bytes.subarray(0, -4), address }
}

/** Bit `i` of a bitmap, the highest bit of a byte first. */
export function bitAt(bitmap: Uint8Array, i: number): boolean {
  return ((bitmap[i >>> 3] ?? 0) & (0x80 >>> (i & 7))) !== 0
}
