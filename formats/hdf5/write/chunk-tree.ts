import { byteBuilder } from './bytes.js'

/** A chunk that was written. */
export interface WrittenChunk {
  readonly address: number
  /** Bytes in the file. */
  readonly size: number
  /** Where it begins in the dataset, along each axis. */
  readonly offset: readonly number[]
}

/** A node has up to twice this many children: what HDF5 takes for granted when the superblock does not say. */
const HALF = 32

/**
 * The nodes of a B-tree of version 1 for chunks (specification §III.A.1), to be written one after the other from `start` on.
 * The root is the last one.
 *
 * @param chunks At least one, in the order of their offsets, the first axis being the slowest.
 */
export function chunkTree(
  chunks: readonly WrittenChunk[], chunkShape: readonly number[], start: number
): { readonly bytes: Uint8Array; readonly root: number } {
  const rank = chunkShape.length
  const keyBytes = 8 + 8 * (rank + 1)
  const nodeBytes = 24 + 2 * HALF * 8 + (2 * HALF + 1) * keyBytes
  const out = byteBuilder()
  let level = 0
  let below: readonly WrittenChunk[] = chunks
  for (;;) {
    const nodes: WrittenChunk[] = []
    const first = start + out.length
    const count = Math.ceil(below.length / (2 * HALF))
    for (let n = 0; n < count; n++) {
      const children = below.slice(n * 2 * HALF, (n + 1) * 2 * HALF)
      const address = first + n * nodeBytes
      const end = start + out.length + nodeBytes
      out.text('TREE').u8(1).u8(level).u16(children.length)
      neighbour(n === 0 ? undefined : address - nodeBytes)
      neighbour(n === count - 1 ? undefined : address + nodeBytes)
      for (const child of children) {
        key(child)
        out.u64(child.address)
      }
      key(below[(n + 1) * 2 * HALF] ?? behind(chunks, chunkShape))
      out.zeros(end - start - out.length)
      nodes.push({ ...(children[0] as WrittenChunk), address })
    }
    const [root] = nodes
    if (nodes.length === 1 && root !== undefined) return { bytes: out.done(), root: root.address }
    below = nodes
    level++
  }

  function neighbour(address: number | undefined): void {
    if (address === undefined) out.undefined64()
    else out.u64(address)
  }

  function key({ size, offset }: Pick<WrittenChunk, 'size' | 'offset'>): void {
    out.u32(size).u32(0)
    for (const start of offset) out.u64(start)
    out.u64(0)
  }
}

/** The key that is greater than all chunks. */
function behind(chunks: readonly WrittenChunk[], chunkShape: readonly number[]): Pick<WrittenChunk, 'size' | 'offset'> {
  const last = chunks.at(-1)?.offset ?? []
  return { size: 0, offset: last.map((start, axis) => (axis === 0 ? start + (chunkShape[0] ?? 1) : 0)) }
}
