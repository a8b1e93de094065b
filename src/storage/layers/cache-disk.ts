/** What the cache needs of a disk. `file-cache.ts` has it; this file has only what both sides know. */

/** An object, as the disk knows it. */
export interface DiskObject {
  /** Hash of its URI. */
  readonly place: string
  /** Hash of its version and size, and of the size of blocks. */
  readonly edition: string
  /** Hash of all of that, which stands in every file of it. */
  readonly identity: Uint8Array
}

/** A block that was found. */
export interface DiskHit {
  readonly verified: boolean
}

export interface DiskStats {
  /** As far as this process knows: others may use the directory too. */
  readonly bytes: number
  readonly written: number
  readonly writtenBytes: number
  /** Blocks that were not kept: no room, or the disk was slower than the reads. */
  readonly skipped: number
  /** Files that did not have the bytes that were written; they are deleted. */
  readonly damaged: number
  readonly evictions: number
  /** What the system refused: the disk is full, or fails. */
  readonly errors: number
}

export interface DiskTier {
  object(uri: string, version: string, size: number, blockSize: number): DiskObject
  /** Fills `into`, which has the length of the block, if the block is there; else its bytes may be anything. Never rejects. */
  read(object: DiskObject, index: number, into: Uint8Array): Promise<DiskHit | undefined>
  /** Will write the block, whose bytes nobody changes any more; at once readable. */
  write(object: DiskObject, index: number, bytes: Uint8Array, verified: boolean): void
  /** Whether there is a block of any version of the object. */
  has(uri: string): Promise<boolean>
  drop(uri: string): Promise<void>
  /** Deletes all blocks, of others too. */
  clear(): Promise<void>
  stats(): DiskStats
  /** Writes what waits to be written. */
  close(): Promise<void>
}
