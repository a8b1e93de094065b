import type { Access } from '../access.js'
import { boundedCache } from '../cache.js'
import { fieldsOf, UNDEFINED } from '../fields.js'
import { bitAt, checkedPage, entriesOf, type Page } from './entries.js'
import { emptyRun, ordinals, type Grid } from './grid.js'
import type { ChunkIndex } from './index.js'

const CACHE_BYTES = 2 ** 23

/** How a super block divides its entries. */
interface SuperBlock {
  /** Ordinal of its first entry, without those of the index block. */
  readonly start: number
  /** Ordinal of its first data block. */
  readonly firstBlock: number
  readonly blocks: number
  readonly blockEntries: number
}

/** A part of the index that is a page of entries, or a list of addresses. */
interface Part {
  readonly page: Page
  readonly addresses: readonly number[]
  /** Addresses of super blocks (of the index block), or bits that say which pages were written (of a super block). */
  readonly more: readonly number[]
  readonly bitmap: Uint8Array
}

/**
 * An array that grows: an index block with the first entries, data blocks of growing size, and super blocks that point to those of
 * them that the index block has no room for (specification §VII.D). For datasets that are unlimited along one axis.
 */
export async function openExtensibleArray(access: Access, address: number, grid: Grid, filtered: boolean): Promise<ChunkIndex> {
  const { offsetBytes, lengthBytes } = access
  const what = 'an extensible array of chunks'
  const fields = fieldsOf(access, await access.read(address, 16 + 6 * lengthBytes + offsetBytes, what), address, what)
  fields.signature('EAHD')
  fields.expect([0], 'version')
  const client = fields.u8()
  const entryBytes = fields.u8()
  const mostBits = fields.u8()
  const indexEntries = fields.u8()
  const leastEntries = fields.u8()
  const leastPointers = fields.u8()
  const pageBits = fields.u8()
  fields.skip(6 * lengthBytes)
  const indexBlock = fields.address()
  fields.checksum()
  const entries = entriesOf(access, fields, client, entryBytes, grid, filtered)
  const power = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n))
  if (mostBits > 64 || pageBits > 30 || !power(leastEntries) || !power(leastPointers) || leastPointers < 2 || mostBits < Math.log2(leastEntries)) {
    throw fields.corrupt('its sizes are not possible')
  }
  const supers = superBlocks(mostBits, leastEntries)
  const firstSuper = 2 * Math.log2(leastPointers)
  const pointers = 2 * (leastPointers - 1)
  const offsetWidth = Math.ceil(mostBits / 8)
  const pageEntries = 2 ** pageBits
  const unlimited = Math.max(0, grid.maxShape.indexOf(Infinity))
  const parts = boundedCache<number, Part>(CACHE_BYTES, part => part.page.bytes.length + 8 * part.addresses.length + 64)

  async function read(access: Access, at: number, letters: string, length: number, body: (fields: ReturnType<typeof fieldsOf>) => Omit<Part, 'page'> & { page?: Page }): Promise<Part> {
    const bytes = await access.read(at, length, 'a part of a chunk index')
    const fields = fieldsOf(access, bytes, at, 'a part of a chunk index')
    fields.signature(letters)
    fields.expect([0], 'version')
    fields.expect([client], 'kind')
    if (fields.address() !== address) throw fields.corrupt('it belongs to another index')
    const part = body(fields)
    fields.checksum()
    return { page: { bytes: new Uint8Array(0), address: at }, ...part }
  }

  const headBytes = 6 + offsetBytes

  const readIndexBlock = (access: Access): Promise<Part> => {
    const others = Math.max(0, supers.length - firstSuper)
    const length = headBytes + indexEntries * entryBytes + (pointers + others) * offsetBytes + 4
    return read(access, indexBlock, 'EAIB', length, fields => ({
      page: { address: indexBlock + fields.at, bytes: fields.bytes(indexEntries * entryBytes) },
      addresses: Array.from({ length: pointers }, () => fields.address()),
      more: Array.from({ length: others }, () => fields.address()),
      bitmap: new Uint8Array(0)
    }))
  }

  const readSuperBlock = (access: Access, at: number, { blocks, blockEntries }: SuperBlock): Promise<Part> => {
    const bitmapBytes = blockEntries > pageEntries ? blocks * Math.ceil(blockEntries / pageEntries / 8) : 0
    return read(access, at, 'EASB', headBytes + offsetWidth + bitmapBytes + blocks * offsetBytes + 4, fields => {
      fields.skip(offsetWidth)
      const bitmap = fields.bytes(bitmapBytes)
      return { bitmap, addresses: Array.from({ length: blocks }, () => fields.address()), more: [] }
    })
  }

  const readDataBlock = (access: Access, at: number, { blockEntries }: SuperBlock): Promise<Part> => {
    const bytes = blockEntries * entryBytes
    return read(access, at, 'EADB', headBytes + offsetWidth + bytes + 4, fields => {
      fields.skip(offsetWidth)
      return { page: { address: at + fields.at, bytes: fields.bytes(bytes) }, addresses: [], more: [], bitmap: new Uint8Array(0) }
    })
  }

  const readPage = async (access: Access, at: number): Promise<Part> => {
    const page = checkedPage(access, await access.read(at, pageEntries * entryBytes + 4, 'a page of a chunk index'), at)
    return { page, addresses: [], more: [], bitmap: new Uint8Array(0) }
  }

  /** The page that an entry is in, and where; `undefined` if it was never written. */
  async function find(access: Access, ordinal: number): Promise<{ readonly page: Page; readonly at: number; readonly last: number } | undefined> {
    const { signal } = access
    const index = await parts.get(indexBlock, signal, () => readIndexBlock(access))
    if (ordinal < indexEntries) return { page: index.page, at: ordinal, last: indexEntries }
    const place = ordinal - indexEntries
    const number = Math.floor(Math.log2(Math.floor(place / leastEntries) + 1))
    const block = supers[number]
    if (block === undefined) throw fields.corrupt(`it has no room for chunk ${ordinal}`)
    const inSuper = Math.floor((place - block.start) / block.blockEntries)
    const at = (place - block.start) % block.blockEntries
    const last = ordinal - at + block.blockEntries
    let dataBlock: number
    let written = (_page: number): boolean => true
    if (number < firstSuper) {
      dataBlock = index.addresses[block.firstBlock + inSuper] ?? UNDEFINED
    } else {
      const superBlock = index.more[number - firstSuper] ?? UNDEFINED
      if (superBlock === UNDEFINED) return undefined
      const part = await parts.get(superBlock, signal, () => readSuperBlock(access, superBlock, block))
      dataBlock = part.addresses[inSuper] ?? UNDEFINED
      // The bits of the data blocks follow one another, though the bitmap has whole bytes for each of them.
      written = page => bitAt(part.bitmap, inSuper * (block.blockEntries / pageEntries) + page)
    }
    if (dataBlock === UNDEFINED) return undefined
    if (block.blockEntries <= pageEntries) {
      const part = await parts.get(dataBlock, signal, () => readDataBlock(access, dataBlock, block))
      return { page: part.page, at, last }
    }
    const number2 = Math.floor(at / pageEntries)
    if (!written(number2)) return undefined
    const pageAt = dataBlock + headBytes + offsetWidth + 4 + number2 * (pageEntries * entryBytes + 4)
    const part = await parts.get(pageAt, signal, () => readPage(access, pageAt))
    return { page: part.page, at: at % pageEntries, last: ordinal - (at % pageEntries) + pageEntries }
  }

  return {
    async locate(access, firstRow, rows) {
      const run = emptyRun(rows * grid.perRow)
      if (indexBlock === UNDEFINED) return run
      const all = ordinals(grid, unlimited, firstRow, rows)
      // Entries of one page stand one behind the other, mostly.
      let first = 0
      let last = -1
      let page: Page | undefined
      for (let i = 0; i < all.length; i++) {
        const ordinal = all[i] ?? 0
        if (!(ordinal >= first && ordinal < last)) {
          const found = await find(access, ordinal)
          page = found?.page
          first = found === undefined ? ordinal : ordinal - found.at
          last = found?.last ?? ordinal
        }
        if (page !== undefined) entries.read(access, page, ordinal - first, run, i)
      }
      return run
    }
  }
}

/** Super block `k` has `2^(k / 2)` data blocks of `2^((k + 1) / 2)` times the least entries, both rounded down. */
function superBlocks(mostBits: number, leastEntries: number): readonly SuperBlock[] {
  const blocks: SuperBlock[] = []
  let start = 0
  let firstBlock = 0
  for (let k = 0; k <= mostBits - Math.log2(leastEntries); k++) {
    const block = { start, firstBlock, blocks: 2 ** Math.floor(k / 2), blockEntries: leastEntries * 2 ** Math.floor((k + 1) / 2) }
    blocks.push(block)
    start += block.blocks * block.blockEntries
    firstBlock += block.blocks
  }
  return blocks
}
