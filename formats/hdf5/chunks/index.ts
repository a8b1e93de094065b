import type { Access } from '../access.js'
import { UNDEFINED } from '../fields.js'
import type { IndexLayout } from '../messages/layout.js'
import { openExtensibleArray } from './extensible-array.js'
import { openFixedArray } from './fixed-array.js'
import { emptyRun, ordinals, type ChunkRun, type Grid } from './grid.js'
import { openChunkTree } from './tree.js'
import { openChunkTree2 } from './tree2.js'

/** Says where chunks are. */
export interface ChunkIndex {
  /** The chunks of the rows `[firstRow, firstRow + rows)` of the grid. */
  locate(access: Access, firstRow: number, rows: number): Promise<ChunkRun>
}

/** Opens the index of a dataset, whichever of the six kinds it is (specification §VII). */
export async function openChunkIndex(access: Access, layout: IndexLayout, grid: Grid, filtered: boolean): Promise<ChunkIndex> {
  const { kind, address } = layout
  if (address === UNDEFINED) return { locate: async (_, __, rows) => emptyRun(rows * grid.perRow) }
  switch (kind) {
    case 'single': return single(layout, grid)
    case 'implicit': return implicit(address, grid)
    case 'tree': return openChunkTree(address, grid)
    case 'tree2': return openChunkTree2(access, address, grid)
    case 'fixed-array': return openFixedArray(access, address, grid, filtered)
    case 'extensible-array': return openExtensibleArray(access, address, grid, filtered)
  }
}

/** The one chunk there is. */
function single({ address, stored }: IndexLayout, { chunkBytes, perRow }: Grid): ChunkIndex {
  return {
    async locate(_, firstRow, rows) {
      const run = emptyRun(rows * perRow)
      if (firstRow > 0) return run
      run.addresses[0] = address
      run.sizes[0] = stored?.size ?? chunkBytes
      run.masks[0] = stored?.mask ?? 0
      return run
    }
  }
}

/** All chunks, one behind the other. */
function implicit(address: number, grid: Grid): ChunkIndex {
  return {
    async locate(_, firstRow, rows) {
      const run = emptyRun(rows * grid.perRow)
      ordinals(grid, 0, firstRow, rows).forEach((ordinal, i) => (run.addresses[i] = address + ordinal * grid.chunkBytes))
      run.sizes.fill(grid.chunkBytes)
      return run
    }
  }
}
