/** Memory of batches that begins at a page, and is used again once its user gives it back. */
import { MillraceError } from '../errors.js'
import { allocate, dtypeOfArray } from './dtype.js'
import { isNdArray, isPlainObject, isRaggedArray } from './nest.js'
import { lendFrom } from './pool.js'

/** The page-aligned batches of one cursor. */
export interface PinnedPool {
  /**
   * A batch like the one given, with all its arrays in one piece of page-aligned memory, each at a multiple of 4096 bytes. `release` gives it
   * back when the last of them was released. Strings, and byte strings in lists, are passed on as they are.
   */
  pin(batch: unknown): unknown
  /** Lets go of all memory; what is released later is left to the garbage collector. */
  close(): void
}

const PAGE = 4096
const WASM_PAGE = 65_536
const MOST_PAGES = 65_536
/** What a pool holds at most. */
const MOST_PIECES = 64
const MOST_BYTES = 2 ** 30
const MOST_DEPTH = 64
const MEMO = 'pinned pool'

/** @param memo Where the pool leaves its memory when it is closed, for the one that is made next. It is held weakly. */
export function pinnedPool(memo?: Map<string, unknown>): PinnedPool {
  let free = (memo?.get(MEMO) as WeakRef<ArrayBuffer[]> | undefined)?.deref() ?? []
  memo?.delete(MEMO)
  let open = true

  const give = (piece: ArrayBuffer): void => {
    if (!open) return
    free.push(piece)
    while (free.length > MOST_PIECES || free.reduce((sum, { byteLength }) => sum + byteLength, 0) > MOST_BYTES) free.shift()
  }
  /** The last one released that is large enough and not much too large: it is still in the cache. */
  const take = (byteLength: number): ArrayBuffer => {
    const rounded = Math.ceil(byteLength / WASM_PAGE) * WASM_PAGE
    const at = free.findLastIndex(piece => piece.byteLength >= rounded && piece.byteLength <= 2 * rounded)
    return at < 0 ? pages(rounded / WASM_PAGE) : (free.splice(at, 1)[0] as ArrayBuffer)
  }
  return {
    pin(batch) {
      const arrays: ArrayBufferView[] = []
      rebuild(batch, data => {
        arrays.push(data)
        return data
      })
      const byteLength = arrays.reduce((sum, data) => sum + roundUp(data.byteLength), 0)
      if (byteLength === 0) return batch
      const piece = take(byteLength)
      let offset = 0
      let out = arrays.length
      const lender = { give: () => { if (--out === 0) give(piece) } }
      return rebuild(batch, data => {
        const copy = viewLike(data, piece, offset)
        offset += roundUp(data.byteLength)
        bytesOf(copy).set(bytesOf(data))
        lendFrom(copy, lender)
        return copy
      })
    },
    close() {
      if (open && free.length > 0) memo?.set(MEMO, new WeakRef(free))
      open = false
      free = []
    }
  }
}

/** JavaScript cannot ask for aligned memory, but that of WebAssembly begins at a page. It never grows, which would detach it. */
function pages(count: number): ArrayBuffer {
  if (count > MOST_PAGES) throw new MillraceError('Limit', `pinMemory: a batch of ${count * WASM_PAGE} bytes is more than 4 GiB; make batches smaller`)
  return new WebAssembly.Memory({ initial: count, maximum: count }).buffer
}

/** An empty array has a place of its own, too: it is released like the others. */
const roundUp = (byteLength: number): number => Math.max(1, Math.ceil(byteLength / PAGE)) * PAGE
const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

function viewLike(data: ArrayBufferView, memory: ArrayBuffer, offset: number): ArrayBufferView {
  const { constructor } = allocate(dtypeOfArray(data) ?? 'uint8', 0)
  // A typed array knows its class, and all classes take the same arguments.
  const Data = constructor as unknown as new (memory: ArrayBufferLike, offset: number, length: number) => ArrayBufferView
  return new Data(memory, offset, (data as ArrayBufferView & { readonly length: number }).length)
}

/** The same nest with other data for each array. What stands in a list by itself is a byte string or the like, and stays. */
function rebuild(nest: unknown, replace: (data: ArrayBufferView) => ArrayBufferView, depth = 0, listed = false): unknown {
  if (dtypeOfArray(nest) !== undefined) return listed ? nest : replace(nest as ArrayBufferView)
  if (depth === MOST_DEPTH) return nest
  if (isNdArray(nest) || isRaggedArray(nest)) return ArrayBuffer.isView(nest.data) ? { ...nest, data: replace(nest.data) } : nest
  if (Array.isArray(nest)) return typeof nest[0] === 'string' ? nest : nest.map(item => rebuild(item, replace, depth + 1, true))
  if (!isPlainObject(nest)) return nest
  return Object.fromEntries(Object.entries(nest).map(([key, member]) => [key, rebuild(member, replace, depth + 1)]))
}
