/** Blocks of one object that are in memory, by their number. */
export interface BlockOwner {
  readonly blocks: Map<number, MemoryBlock>
}

export interface MemoryBlock {
  readonly bytes: Uint8Array
  /** True when it is a part of an object that had the right checksum. */
  readonly verified: boolean
  readonly owner: BlockOwner
  readonly index: number
  newer: MemoryBlock | undefined
  older: MemoryBlock | undefined
}

/** Blocks in memory: those that were used last, up to a number of bytes. */
export interface BlockMemory {
  readonly bytes: number
  readonly count: number
  readonly evictions: number
  /** The block, which counts as used now. */
  get(owner: BlockOwner, index: number): MemoryBlock | undefined
  /** Keeps a block, whose bytes nobody changes any more. Others go to make room; a block that is larger than everything is not kept. */
  set(owner: BlockOwner, index: number, bytes: Uint8Array, verified: boolean): void
  /** Forgets all blocks of an object. */
  drop(owner: BlockOwner): void
}

/** What a block costs beside its bytes. */
export const BLOCK_OVERHEAD = 256

/** `emptied` is called when the last block of an object had to go. */
export function blockMemory(limit: number, emptied: (owner: BlockOwner) => void): BlockMemory {
  let newest: MemoryBlock | undefined
  let oldest: MemoryBlock | undefined
  let bytes = 0
  let count = 0
  let evictions = 0

  function unlink(block: MemoryBlock): void {
    if (block.newer === undefined) newest = block.older
    else block.newer.older = block.older
    if (block.older === undefined) oldest = block.newer
    else block.older.newer = block.newer
    block.newer = block.older = undefined
  }

  function link(block: MemoryBlock): void {
    block.older = newest
    if (newest === undefined) oldest = block
    else newest.newer = block
    newest = block
  }

  function remove(block: MemoryBlock): void {
    unlink(block)
    block.owner.blocks.delete(block.index)
    bytes -= block.bytes.byteLength + BLOCK_OVERHEAD
    count--
  }

  return {
    get bytes() { return bytes },
    get count() { return count },
    get evictions() { return evictions },
    get(owner, index) {
      const block = owner.blocks.get(index)
      if (block !== undefined && block !== newest) {
        unlink(block)
        link(block)
      }
      return block
    },
    set(owner, index, data, verified) {
      const cost = data.byteLength + BLOCK_OVERHEAD
      if (cost > limit) return
      const before = owner.blocks.get(index)
      if (before !== undefined) remove(before)
      while (oldest !== undefined && bytes + cost > limit) {
        const gone = oldest
        remove(gone)
        evictions++
        if (gone.owner !== owner && gone.owner.blocks.size === 0) emptied(gone.owner)
      }
      const block: MemoryBlock = { bytes: data, verified, owner, index, newer: undefined, older: undefined }
      owner.blocks.set(index, block)
      link(block)
      bytes += cost
      count++
    },
    drop(owner) {
      for (const block of [...owner.blocks.values()]) remove(block)
    }
  }
}
