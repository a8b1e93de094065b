/** What O_DIRECT wants memory, offsets and lengths to be multiples of. 512 bytes are enough for most devices, a page for all. */
export const ALIGNMENT = 4096

/** A page of WebAssembly memory. */
const WASM_PAGE = 65_536

/** Memory that begins at a page, cut into blocks that are lent one by one. */
export interface BlockPool {
  /** All of it: a block begins at its number times `blockSize`. */
  readonly memory: Uint8Array
  readonly blockSize: number
  /** The number of a free block, waiting for one, first come first served. */
  take(): number | Promise<number>
  give(block: number): void
}

/**
 * Makes a pool. JavaScript cannot ask for aligned memory, but that of WebAssembly begins at a page. It never grows, since growing
 * detaches the buffer under reads. The system gives the pages when they are first written to.
 */
export function blockPool(blockSize: number, blocks: number): BlockPool {
  const pages = Math.ceil((blockSize * blocks) / WASM_PAGE)
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer)
  const free = Array.from({ length: blocks }, (_, i) => blocks - 1 - i)
  const waiting: ((block: number) => void)[] = []
  return {
    memory,
    blockSize,
    take: () => free.pop() ?? new Promise((resolve) => waiting.push(resolve)),
    give(block) {
      const next = waiting.shift()
      if (next === undefined) free.push(block)
      else next(block)
    }
  }
}
