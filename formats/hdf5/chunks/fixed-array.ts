import type { Access } from '../access.js'
import { boundedCache } from '../cache.js'
import { fieldsOf, UNDEFINED } from '../fields.js'
import { bitAt, checkedPage, entriesOf, type Page } from './entries.js'
import { chunksAlong, emptyRun, ordinals, type Grid } from './grid.js'
import type { ChunkIndex } from './index.js'

const CACHE_BYTES = 2 ** 23

/** An array with an entry for every chunk, in pages when there are many: for datasets that cannot grow without bound (specification §VII.C). */
export async function openFixedArray(access: Access, address: number, grid: Grid, filtered: boolean): Promise<ChunkIndex> {
  const { offsetBytes, lengthBytes } = access
  const what = 'a fixed array of chunks'
  const fields = fieldsOf(access, await access.read(address, 12 + offsetBytes + lengthBytes, what), address, what)
  fields.signature('FAHD')
  fields.expect([0], 'version')
  const client = fields.u8()
  const entryBytes = fields.u8()
  const pageBits = fields.u8()
  const count = fields.length()
  const block = fields.address()
  fields.checksum()
  const entries = entriesOf(access, fields, client, entryBytes, grid, filtered)
  const needed = chunksAlong(grid.maxShape, grid.chunkShape).reduce((product, count) => product * count, 1)
  if (count < needed || pageBits > 30) throw fields.corrupt(`${count} entries in pages of 2^${pageBits} are not those of ${needed} chunks`)
  const pageEntries = 2 ** pageBits
  const paged = count > pageEntries
  const pages = boundedCache<number, Page | null>(CACHE_BYTES, page => page?.bytes.length ?? 1)
  const headBytes = 6 + offsetBytes
  const bitmapBytes = paged ? Math.ceil(Math.ceil(count / pageEntries) / 8) : 0

  /** `null` for a page that was never written. Page -1 is the head of the block. */
  async function readHead(access: Access): Promise<Page> {
    const length = headBytes + (paged ? bitmapBytes : count * entryBytes) + 4
    const bytes = await access.read(block, length, 'the entries of a chunk index')
    const head = fieldsOf(access, bytes, block, 'the entries of a chunk index')
    head.signature('FADB')
    head.expect([0], 'version')
    head.expect([client], 'kind')
    if (head.address() !== address) throw head.corrupt('it belongs to another index')
    const page = checkedPage(access, bytes, block)
    return { bytes: page.bytes.subarray(headBytes), address: block + headBytes }
  }

  async function readPage(access: Access, index: number): Promise<Page | null> {
    if (!paged) return readHead(access)
    const { bytes: bitmap } = await pages.get(-1, access.signal, () => readHead(access)) ?? { bytes: new Uint8Array(0) }
    if (!bitAt(bitmap, index)) return null
    const first = index * pageEntries
    const at = block + headBytes + bitmapBytes + 4 + index * (pageEntries * entryBytes + 4)
    return checkedPage(access, await access.read(at, Math.min(pageEntries, count - first) * entryBytes + 4, 'a page of a chunk index'), at)
  }

  return {
    async locate(access, firstRow, rows) {
      const run = emptyRun(rows * grid.perRow)
      if (block === UNDEFINED) return run
      let index = -2
      let page: Page | null = null
      const all = ordinals(grid, 0, firstRow, rows)
      for (let i = 0; i < all.length; i++) {
        const ordinal = all[i] ?? 0
        const wanted = paged ? Math.floor(ordinal / pageEntries) : 0
        if (wanted !== index) {
          index = wanted
          page = pages.peek(wanted) ?? await pages.get(wanted, access.signal, () => readPage(access, wanted))
        }
        if (page !== null) entries.read(access, page, paged ? ordinal % pageEntries : ordinal, run, i)
      }
      return run
    }
  }
}
