import type { Access } from '../access.js'
import { boundedCache, type Cache } from '../cache.js'
import { corrupt } from '../faults.js'
import { fieldsOf } from '../fields.js'

/** A B-tree of version 2 (specification §III.A.2): records in order. */
export interface Tree2 {
  /** What the records are: 1 to 4 huge objects, 5 links by name, 8 attributes by name, 10 and 11 chunks. */
  readonly type: number
  readonly recordBytes: number
  /** How many records there are. */
  readonly records: number
  /**
   * Visits the records for which `compare` gives 0, in their order. It gives less than 0 for records before those, more for records
   * behind them.
   */
  scan(access: Access, compare: Compare, visit: Visit): Promise<void>
}

/** Where a record, at `at` of `bytes`, stands to those that are wanted. */
export type Compare = (bytes: DataView, at: number) => number
/** Gets a record; `address` is where it stands in the file. */
export type Visit = (bytes: DataView, at: number, address: number) => void

const MOST_LEVELS = 32
/** Signature, version, type, and the checksum behind. */
const NODE_OVERHEAD = 10
const CACHE_BYTES = 2 ** 23

interface Node {
  readonly address: number
  readonly view: DataView
  readonly count: number
  /** Where the records begin in `view`. */
  readonly at: number
  readonly children: readonly Child[]
}

interface Child {
  readonly address: number
  readonly count: number
}

/** Reads the header of a tree. */
export async function openTree2(access: Access, address: number): Promise<Tree2> {
  const { offsetBytes, lengthBytes } = access
  const what = 'the header of a B-tree'
  const fields = fieldsOf(access, await access.read(address, 22 + offsetBytes + lengthBytes, what), address, what)
  fields.signature('BTHD')
  fields.expect([0], 'version')
  const type = fields.u8()
  const nodeBytes = fields.u32()
  const recordBytes = fields.u16()
  const depth = fields.u16()
  fields.skip(2)
  const root: Child = { address: fields.address(), count: fields.u16() }
  const records = fields.length()
  fields.checksum()
  if (depth > MOST_LEVELS) throw fields.corrupt(`${depth} levels are more than ${MOST_LEVELS}`)
  if (recordBytes === 0 || nodeBytes < NODE_OVERHEAD + recordBytes) throw fields.corrupt(`nodes of ${nodeBytes} bytes have no room for a record`)
  const levels = levelsOf(nodeBytes, recordBytes, depth, offsetBytes)
  const nodes: Cache<number, Node> = boundedCache(CACHE_BYTES, node => node.view.byteLength)

  async function readNode(access: Access, child: Child, level: number): Promise<Node> {
    return nodes.get(child.address, access.signal, async () => {
      const { most, countBytes, totalBytes } = levels[level] ?? { most: 0, countBytes: 0, totalBytes: 0 }
      const pointerBytes = level === 0 ? 0 : offsetBytes + countBytes + totalBytes
      if (child.count > most) throw corrupt(access.place(child.address), `a node of a B-tree has room for ${most} records, not ${child.count}`)
      const byteLength = NODE_OVERHEAD + child.count * recordBytes + (level === 0 ? 0 : (child.count + 1) * pointerBytes)
      const bytes = await access.read(child.address, byteLength, 'a node of a B-tree')
      const fields = fieldsOf(access, bytes, child.address, 'a node of a B-tree')
      fields.signature(level === 0 ? 'BTLF' : 'BTIN')
      fields.expect([0], 'version')
      fields.expect([type], 'type')
      fields.skip(child.count * recordBytes)
      const children = Array.from({ length: level === 0 ? 0 : child.count + 1 }, () => {
        const pointer = { address: fields.address(), count: fields.uint(countBytes) }
        fields.skip(totalBytes)
        return pointer
      })
      fields.checksum()
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      return { address: child.address, view, count: child.count, at: 6, children }
    })
  }

  async function scan(access: Access, child: Child, level: number, seen: Set<number>, compare: Compare, visit: Visit): Promise<void> {
    if (seen.has(child.address)) throw corrupt(access.place(child.address), 'a node of a B-tree is reached twice')
    seen.add(child.address)
    const { view, at, count, children } = await readNode(access, child, level)
    let before = 0
    for (let i = 0; i <= count; i++) {
      const record = at + i * recordBytes
      const order = i === count ? 1 : compare(view, record)
      const below = children[i]
      // Below are the records between the one before and this one.
      if (below !== undefined && before <= 0 && order >= 0) await scan(access, below, level - 1, seen, compare, visit)
      if (i < count && order === 0) visit(view, record, child.address + record)
      if (i < count && order > 0) return
      before = order
    }
  }

  return {
    type,
    recordBytes,
    records,
    async scan(access, compare, visit) {
      if (records > 0) await scan(access, root, depth, new Set(), compare, visit)
    }
  }
}

/** For each level, from the leaves up: most records of a node, and the bytes of the two counts that point to a node below it. */
function levelsOf(nodeBytes: number, recordBytes: number, depth: number, offsetBytes: number) {
  let most = Math.floor((nodeBytes - NODE_OVERHEAD) / recordBytes)
  let total = most
  const countBytes = bytesFor(most)
  const levels = [{ most, countBytes: 0, totalBytes: 0 }]
  for (let level = 1; level <= depth; level++) {
    const totalBytes = level === 1 ? 0 : bytesFor(total)
    const pointerBytes = offsetBytes + countBytes + totalBytes
    most = Math.max(0, Math.floor((nodeBytes - NODE_OVERHEAD - pointerBytes) / (recordBytes + pointerBytes)))
    total = (most + 1) * total + most
    levels.push({ most, countBytes, totalBytes })
  }
  return levels
}

/** Bytes that hold a number; 8 at most. */
function bytesFor(most: number): number {
  let bytes = 1
  for (let left = Math.floor(most / 256); left > 0; left = Math.floor(left / 256)) bytes++
  return Math.min(8, bytes)
}
