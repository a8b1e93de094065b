import type { Access } from '../access.js'
import { corrupt } from '../faults.js'
import { fieldsOf } from '../fields.js'
import { openTree2 } from '../trees/tree2.js'
import { emptyRun, placeInRun, type Grid } from './grid.js'
import type { ChunkIndex } from './index.js'

/** Records of chunks: not filtered, filtered (specification §III.A.2, record types 10 and 11). */
const PLAIN = 10
const FILTERED = 11

/** A B-tree of version 2 by the coordinates of each chunk: for datasets that are unlimited along several axes. */
export async function openChunkTree2(access: Access, address: number, grid: Grid): Promise<ChunkIndex> {
  const tree = await openTree2(access, address)
  const rank = grid.shape.length
  const { offsetBytes } = access
  const plain = tree.type === PLAIN
  const sizeBytes = tree.recordBytes - offsetBytes - 4 - 8 * rank
  const right = plain ? tree.recordBytes === offsetBytes + 8 * rank : tree.type === FILTERED && sizeBytes >= 1 && sizeBytes <= 8
  if (!right) throw corrupt(access.place(address), `a chunk index has records of type ${tree.type} and ${tree.recordBytes} bytes`)
  const coordinatesAt = tree.recordBytes - 8 * rank
  const coordinate = (view: DataView, at: number, axis: number): number =>
    view.getUint32(at + coordinatesAt + 8 * axis, true) + view.getUint32(at + coordinatesAt + 8 * axis + 4, true) * 2 ** 32

  return {
    async locate(access, firstRow, rows) {
      const run = emptyRun(rows * grid.perRow)
      await tree.scan(access, (view, at) => {
        const row = coordinate(view, at, 0)
        return row < firstRow ? -1 : row >= firstRow + rows ? 1 : 0
      }, (view, at, recordAddress) => {
        const place = placeInRun(grid, axis => coordinate(view, at, axis), firstRow, rows)
        if (place < 0) throw corrupt(access.place(recordAddress), 'a chunk index has a chunk outside the dataset')
        if ((run.addresses[place] ?? -1) >= 0) throw corrupt(access.place(recordAddress), 'a chunk index has a chunk twice')
        const fields = fieldsOf(access, new Uint8Array(view.buffer, view.byteOffset + at, tree.recordBytes), recordAddress, 'a chunk')
        run.addresses[place] = fields.address()
        run.sizes[place] = plain ? grid.chunkBytes : fields.uint(sizeBytes)
        run.masks[place] = plain ? 0 : fields.u32()
      })
      return run
    }
  }
}
