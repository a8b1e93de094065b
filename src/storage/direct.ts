import type { ByteSource, Store } from '../store.js'
import { checkInteger, checkOptions } from '../util/check.js'
import { closedError } from './checks.js'
import { ALIGNMENT, blockPool, type BlockPool } from './direct-pool.js'
import { directOpener, registered } from './direct-source.js'
import { localStore } from './file-local.js'
import type { FileStoreOptions } from './file.js'

/** Options of {@link directStore}. */
export interface DirectStoreOptions extends FileStoreOptions {
  /**
   * What happens where a file system cannot read past the page cache (tmpfs and some network file systems), and where the system cannot (macOS,
   * Windows): opening fails with `Unsupported`, or the file is read through the page cache and counted in {@link DirectStore.buffered}.
   * @default 'refuse'
   */
  readonly fallback?: 'refuse' | 'buffered'
  /** Bytes of one request to the device, a multiple of 4096. @default 1 MiB */
  readonly blockSize?: number
  /** Requests of one read that are in flight. Node has `UV_THREADPOOL_SIZE` threads for all files, 4 by default. @default 4 */
  readonly requests?: number
  /** Bytes of page-aligned memory that all reads of the store share; taken once, at the first read. @default 16 blocks */
  readonly memoryBytes?: number
}

/** A store of local files that are read past the page cache. */
export interface DirectStore extends Store {
  /** Sources that were opened through the page cache, because of `fallback: 'buffered'`. */
  readonly buffered: number
  close(): Promise<void>
}

const BLOCKS = 16

/**
 * Makes a store that reads local files with O_DIRECT: from the device straight into page-aligned memory, past the page cache. For data that are
 * larger than memory and read once per epoch; what is in the page cache already is read faster as a plain file. Linux only.
 *
 * URIs are `direct:///absolute/path`, percent-encoded like `file://`, and plain paths; `root` bounds them as in `fileStore`. Reads may begin and
 * end anywhere: whole pages are read around them. Bytes are copied once, into the caller's memory; not at all when that is
 * WebAssembly memory at the same offset in a page as the range has in the file. All that is not reading is done as in `fileStore`.
 */
export function directStore(options: DirectStoreOptions = {}): DirectStore {
  checkOptions('directStore', options, ['root', 'fallback', 'blockSize', 'requests', 'memoryBytes'])
  const { root, fallback = 'refuse', blockSize = 1 << 20, requests = 4 } = options
  if (fallback !== 'refuse' && fallback !== 'buffered') throw new RangeError(`directStore: fallback must be 'refuse' or 'buffered', got ${String(fallback)}`)
  checkInteger('directStore', 'requests', requests, 1)
  if (checkInteger('directStore', 'blockSize', blockSize, ALIGNMENT) % ALIGNMENT !== 0) {
    throw new RangeError(`directStore: blockSize must be a multiple of ${ALIGNMENT}, got ${blockSize}`)
  }
  const memoryBytes = checkInteger('directStore', 'memoryBytes', options.memoryBytes ?? blockSize * BLOCKS, blockSize)
  const blocks = Math.floor(Math.min(memoryBytes, 2 ** 32 - 65_536) / blockSize)

  const ending = new AbortController()
  const open = new Set<ByteSource>()
  let pool: BlockPool | undefined
  let buffered = 0
  const opener = directOpener({
    fallback,
    requests,
    pool: () => (pool ??= blockPool(blockSize, blocks)),
    closed: () => ending.signal.aborted,
    onBuffered: () => { buffered++ }
  })
  const store = localStore({
    scheme: 'direct',
    root,
    speed: { idealRange: blockSize * requests },
    ending: ending.signal,
    openFile: async (uri, path, confine, signal) => {
      const source = registered(await opener(uri, path, confine, signal), open)
      if (!ending.signal.aborted) return source
      await source.close()
      throw closedError(uri, 'open', 'the store was closed')
    }
  })
  return {
    ...store,
    get buffered() { return buffered },
    async close() {
      ending.abort(closedError('direct://', 'close', 'the store was closed'))
      await Promise.all([...open].map((source) => source.close()))
      pool = undefined
    }
  }
}
