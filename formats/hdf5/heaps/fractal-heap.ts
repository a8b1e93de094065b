import type { Access } from '../access.js'
import { unsupported } from '../faults.js'
import { fieldsOf, UNDEFINED, type Fields } from '../fields.js'
import { openTree2, type Tree2 } from '../trees/tree2.js'

/** A heap of small objects: links and attributes of objects that have many of them (specification §III.G). */
export interface FractalHeap {
  /** The bytes of an object, and their address. */
  get(access: Access, id: Uint8Array): Promise<{ readonly bytes: Uint8Array; readonly address: number }>
}

/** How the space of managed objects is divided: rows of `width` blocks, each row but the second of twice the block size. */
interface Doubling {
  readonly width: number
  readonly startBytes: number
  readonly mostDirectBytes: number
  readonly heapBits: number
  readonly root: number
  /** 0 when the root is a direct block. */
  readonly rows: number
}

/** Reads the header of a fractal heap. */
export async function openFractalHeap(access: Access, address: number): Promise<FractalHeap> {
  const { offsetBytes, lengthBytes } = access
  const what = 'a fractal heap'
  const fields = fieldsOf(access, await access.read(address, 26 + 3 * offsetBytes + 12 * lengthBytes, what), address, what)
  fields.signature('FRHP')
  fields.expect([0], 'version')
  const idBytes = fields.u16()
  const filterBytes = fields.u16()
  fields.u8()
  const mostManaged = fields.u32()
  fields.length() // the next number of a huge object
  const hugeTree = fields.address()
  fields.skip(lengthBytes + offsetBytes + 8 * lengthBytes)
  const width = fields.u16()
  const startBytes = fields.length()
  const mostDirectBytes = fields.length()
  const heapBits = fields.u16()
  fields.skip(2)
  const root = fields.address()
  const rows = fields.u16()
  // Before the checksum, which stands behind what the filters need.
  if (filterBytes > 0) throw unsupported(access.place(address), 'links and attributes that are compressed are not read')
  fields.checksum()
  const powers = [width, startBytes, mostDirectBytes].every(n => n > 0 && Number.isInteger(Math.log2(n)))
  if (!powers || heapBits < 1 || heapBits > 64 || rows > 64 || mostDirectBytes < startBytes) throw fields.corrupt('its sizes are not possible')
  const doubling: Doubling = { width, startBytes, mostDirectBytes, heapBits, root, rows }
  const offsetWidth = Math.ceil(heapBits / 8)
  const lengthWidth = Math.min(Math.ceil(Math.log2(mostDirectBytes) / 8), Math.floor(Math.log2(Math.max(1, mostManaged)) / 8) + 1)
  let huge: Promise<Tree2> | undefined

  async function hugeObject(access: Access, id: Fields): Promise<{ address: number; length: number }> {
    if (idBytes > offsetBytes + lengthBytes) return { address: id.address(), length: id.length() }
    const number = id.uint(Math.min(idBytes - 1, lengthBytes))
    if (hugeTree === UNDEFINED) throw id.corrupt('the heap has no large objects')
    const tree = await (huge ??= openTree2(access, hugeTree))
    if (tree.type !== 1 || tree.recordBytes !== offsetBytes + 2 * lengthBytes) throw unsupported(access.place(hugeTree), 'large attributes of this kind are not read')
    let found: { address: number; length: number } | undefined
    const recordAt = (view: DataView, at: number): Fields =>
      fieldsOf(access, new Uint8Array(view.buffer, view.byteOffset + at, tree.recordBytes), hugeTree, 'a large object')
    await tree.scan(access, (view, at) => {
      const record = recordAt(view, at)
      record.skip(offsetBytes + lengthBytes)
      return record.length() - number
    }, (view, at) => {
      const record = recordAt(view, at)
      found = { address: record.address(), length: record.length() }
    })
    if (found === undefined) throw id.corrupt('the heap has no such object')
    return found
  }

  return {
    async get(access, idOf) {
      const id = fieldsOf(access, idOf, address, 'an object of a fractal heap')
      const head = id.u8()
      switch ((head >>> 4) & 3) {
        case 0: {
          const offset = id.uint(offsetWidth)
          const length = id.uint(lengthWidth)
          const block = await findBlock(access, doubling, offset, offsetWidth)
          if (offset + length > block.offset + block.byteLength) throw id.corrupt('it goes beyond its block')
          const at = block.address + offset - block.offset
          return { bytes: await access.read(at, length, 'an object of a fractal heap'), address: at }
        }
        case 1: {
          const { address, length } = await hugeObject(access, id)
          return { bytes: await access.read(address, length, 'an object of a fractal heap'), address }
        }
        case 2: {
          const length = idBytes <= 18 ? (head & 15) + 1 : (((head & 15) << 8) | id.u8()) + 1
          return { bytes: id.bytes(length), address }
        }
        default: throw id.corrupt('its kind is not known')
      }
    }
  }
}

/** The direct block that an offset of the heap is in. */
async function findBlock(
  access: Access, { width, startBytes, mostDirectBytes, root, rows }: Doubling, offset: number, offsetWidth: number
): Promise<{ readonly address: number; readonly offset: number; readonly byteLength: number }> {
  if (root === UNDEFINED) throw fieldsOf(access, new Uint8Array(0), 0, 'a fractal heap').corrupt('it has no objects')
  if (rows === 0) return { address: root, offset: 0, byteLength: startBytes }
  const rowBytes = (row: number): number => startBytes * 2 ** Math.max(0, row - 1)
  const directRows = Math.log2(mostDirectBytes / startBytes) + 2
  let address = root
  let blockOffset = 0
  let count = rows
  // Every step goes to a smaller block, so there are no more than 64 of them.
  for (;;) {
    const what = 'an indirect block of a fractal heap'
    const entries = count * width
    const headBytes = 5 + access.offsetBytes + offsetWidth
    const bytes = await access.read(address, headBytes + entries * access.offsetBytes + 4, what)
    const fields = fieldsOf(access, bytes, address, what)
    fields.signature('FHIB')
    fields.expect([0], 'version')
    fields.skip(access.offsetBytes)
    if (fields.uint(offsetWidth) !== blockOffset) throw fields.corrupt('it is not where it should be')
    const children = Array.from({ length: entries }, () => fields.address())
    fields.checksum()

    let row = 0
    let rowOffset = blockOffset
    while (row < count && offset >= rowOffset + width * rowBytes(row)) rowOffset += width * rowBytes(row++)
    const size = rowBytes(row)
    const column = Math.floor((offset - rowOffset) / size)
    const child = children[row * width + column]
    if (row >= count || child === undefined || child === UNDEFINED) throw fields.corrupt(`it has no block for offset ${offset}`)
    const childOffset = rowOffset + column * size
    if (row < directRows) return { address: child, offset: childOffset, byteLength: size }
    address = child
    blockOffset = childOffset
    count = Math.log2(size) - Math.log2(width * startBytes) + 1
    if (count < 1) throw fields.corrupt('its sizes are not possible')
  }
}
