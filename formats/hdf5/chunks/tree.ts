import type { Access } from '../access.js'
import { boundedCache } from '../cache.js'
import { corrupt } from '../faults.js'
import { fieldsOf } from '../fields.js'
import { emptyRun, placeInRun, type ChunkRun, type Grid } from './grid.js'
import type { ChunkIndex } from './index.js'

const MOST_LEVELS = 32
const CACHE_BYTES = 2 ** 23

interface Node {
  readonly level: number
  readonly count: number
  /** Coordinates in the grid: those of entry `i` from `i * rank` on; one more entry says where the node ends. */
  readonly coordinates: Float64Array
  readonly sizes: Float64Array
  readonly masks: Uint32Array
  readonly children: Float64Array
}

/** A B-tree of version 1 by the first value of each chunk (specification §III.A.1, node type 1). Read as far as it is asked for. */
export function openChunkTree(root: number, grid: Grid): ChunkIndex {
  const rank = grid.shape.length
  const nodes = boundedCache<number, Node>(CACHE_BYTES, node => 24 * node.count + 8 * node.coordinates.length)

  async function readNode(access: Access, address: number): Promise<Node> {
    const what = 'a node of a chunk index'
    const { offsetBytes } = access
    const headBytes = 8 + 2 * offsetBytes
    const keyBytes = 8 + 8 * (rank + 1)
    const head = fieldsOf(access, await access.read(address, headBytes, what), address, what)
    head.signature('TREE')
    head.expect([1], 'type')
    const level = head.u8()
    const count = head.u16()
    if (level > MOST_LEVELS) throw head.corrupt(`${level} levels are more than ${MOST_LEVELS}`)
    const bytes = await access.read(address + headBytes, count * (keyBytes + offsetBytes) + keyBytes, what)
    const fields = fieldsOf(access, bytes, address + headBytes, what)
    const node: Node = {
      level, count,
      coordinates: new Float64Array((count + 1) * rank), sizes: new Float64Array(count + 1), masks: new Uint32Array(count + 1),
      children: new Float64Array(count)
    }
    for (let i = 0; i <= count; i++) {
      node.sizes[i] = fields.u32()
      node.masks[i] = fields.u32()
      for (let axis = 0; axis < rank; axis++) {
        const coordinate = fields.uint(8) / (grid.chunkShape[axis] ?? 1)
        if (i < count && !Number.isInteger(coordinate)) throw fields.corrupt('a chunk does not begin where chunks do')
        node.coordinates[i * rank + axis] = coordinate
      }
      fields.skip(8)
      if (i < count) node.children[i] = fields.address()
    }
    return node
  }

  async function scan(access: Access, address: number, level: number | undefined, run: ChunkRun, firstRow: number, rows: number, seen: Set<number>): Promise<void> {
    if (seen.has(address)) throw corrupt(access.place(address), 'a node of a chunk index is reached twice')
    seen.add(address)
    const node = await nodes.get(address, access.signal, () => readNode(access, address))
    if (level !== undefined && node.level !== level) throw corrupt(access.place(address), `a node of a chunk index is of level ${node.level}, not ${level}`)
    for (let i = 0; i < node.count; i++) {
      const row = node.coordinates[i * rank] ?? 0
      if (row >= firstRow + rows) return
      const child = node.children[i] ?? -1
      if (node.level > 0) {
        if ((node.coordinates[(i + 1) * rank] ?? 0) >= firstRow) await scan(access, child, node.level - 1, run, firstRow, rows, seen)
        continue
      }
      if (row < firstRow) continue
      const place = placeInRun(grid, axis => node.coordinates[i * rank + axis] ?? 0, firstRow, rows)
      if (place < 0) throw corrupt(access.place(address), 'a chunk index has a chunk outside the dataset')
      if ((run.addresses[place] ?? -1) >= 0) throw corrupt(access.place(address), 'a chunk index has a chunk twice')
      run.addresses[place] = child
      run.sizes[place] = node.sizes[i] ?? 0
      run.masks[place] = node.masks[i] ?? 0
    }
  }

  return {
    async locate(access, firstRow, rows) {
      const run = emptyRun(rows * grid.perRow)
      await scan(access, root, undefined, run, firstRow, rows, new Set())
      return run
    }
  }
}
