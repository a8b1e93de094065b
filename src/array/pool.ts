/** Memory of batches that is used again once its user gives it back. */
import type { DataOf, DType } from '../types.js'
import { allocate, bytesPerValue, widthOf } from './dtype.js'
import { isNdArray, isPlainObject, isRaggedArray } from './nest.js'

/**
 * Gives the arrays of a batch back to the iteration that made it, which puts a later batch into their memory. A training loop
 * that calls it when it is done with a batch, as the last thing in its body, works in a few buffers that stay in the cache, where fresh
 * memory has to be had from the system, page by page, for every batch.
 *
 * - Nothing is ever used again that was not released. When an iteration ends, the next one over the same plan may go on with what it left.
 * - After it, the arrays hold whatever comes next: release only what nobody else holds. A tensor may share the memory of the array
 *   that it was made from (TensorFlow.js on the CPU does), rows cut from a batch are views of it, and so may be what a `map` behind
 *   `batch` returned. What went through `cache` or `window` may be handed out again, and is not released.
 * - It does nothing, and harms nothing, for arrays that were released before, slices and copies, arrays that millrace did not
 *   make or does not recycle (below 16 KiB; padded batches; strings and bytes), and after the iteration has ended.
 *
 * @param batch An element as the iterator delivered it, or any part of it that holds whole arrays.
 */
export function release(batch: unknown): void {
  visitArrays(batch, (data) => {
    const pool = LENT.get(data)
    if (pool === undefined) return
    LENT.delete(data)
    pool.give(data.buffer)
  })
}

/** Releases the arrays of a batch whose memory has no part in what was made of it. Bytes are those of the elements, which others may hold. */
export function releaseUnused(batch: unknown, made: unknown): void {
  const used = new Set<ArrayBufferLike>()
  visitArrays(made, data => void used.add(data.buffer))
  visitArrays(batch, (data, alone) => {
    if (!alone && !used.has(data.buffer)) release(data)
  })
}

/** Makes `release` do nothing for the arrays of a batch: for operators that hand out the same batch more than once. */
export function retain(batch: unknown): void {
  visitArrays(batch, (data) => void LENT.delete(data))
}

/** Notes the arrays of a batch that came from elsewhere with their memory: when they are released, `lender` has it. */
export function lendBatch(batch: unknown, lender: { give(memory: ArrayBufferLike): void }): void {
  visitArrays(batch, (data, alone) => {
    if (!alone && data.byteOffset === 0 && data.byteLength === data.buffer.byteLength && data.byteLength >= LEAST_BYTES) LENT.set(data, lender)
  })
}

/** Memory that another thread gave back, for all pools of this one. */
const STOCK: ArrayBufferLike[] = []
const MOST_STOCKED = 16

/** Puts memory where every pool of this thread may take it from. Bounded; the oldest goes first. */
export function stockMemory(memory: ArrayBufferLike): void {
  STOCK.push(memory)
  if (STOCK.length > MOST_STOCKED) STOCK.shift()
}

/** The memory of the batches of one cursor. */
export interface BatchPool {
  /** An array for a batch. What it holds does not matter: it may be dirty, and has to be written wholly. */
  take<D extends DType>(dtype: D, length: number): DataOf[D]
  /**
   * Notes that an array goes out with a batch, so that it can be released. To be called once for each array that was taken: with that
   * array, or with a view of its front in its place. Returns the array.
   */
  lend<A extends DataOf[DType]>(data: A): A
  /** Lets go of all memory; what is released later is left to the garbage collector. */
  close(): void
}

/** Arrays that are out, by the very object that went out: a slice of one is another object. */
const LENT = new WeakMap<ArrayBufferView, { give(memory: ArrayBufferLike): void }>()

/** Notes that an array is out whose memory goes back to somebody else than a {@link BatchPool} when it is released. */
export function lendFrom(data: ArrayBufferView, lender: { give(memory: ArrayBufferLike): void }): void {
  LENT.set(data, lender)
}

/** Below this fresh memory costs little, since the allocator has it at hand, and noting the array would cost more. */
const LEAST_BYTES = 1 << 14
/** What a pool holds at most: a consumer has a few batches at a time, and one of them at most is being filled. */
const MOST_ARRAYS = 64
const MOST_BYTES = 2 ** 30
const MEMO = 'batch pool'

/** How {@link batchPool} makes a pool. */
export interface BatchPoolOptions {
  /** Most arrays that are kept. @default 64 */
  readonly arrays?: number
  /** Most bytes that are kept. @default 1 GiB */
  readonly bytes?: number
  /** Where a pool leaves its memory when it is closed, for the one that is made next. It is held weakly. Default: nowhere. */
  readonly memo?: Map<string, unknown>
}

/** Makes a pool for the batches of one cursor. Memory: what was released, within the bounds. */
export function batchPool({ arrays = MOST_ARRAYS, bytes = MOST_BYTES, memo }: BatchPoolOptions = {}): BatchPool {
  let free = (memo?.get(MEMO) as WeakRef<ArrayBufferLike[]> | undefined)?.deref() ?? []
  memo?.delete(MEMO)
  let freeBytes = free.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let open = true

  const give = (memory: ArrayBufferLike): void => {
    // A buffer that was transferred to a worker has no bytes any more.
    if (!open || memory.byteLength < LEAST_BYTES || memory.byteLength > bytes) return
    free.push(memory)
    freeBytes += memory.byteLength
    // The oldest go first: they are of a size that is not asked for any more.
    while (free.length > arrays || freeBytes > bytes) freeBytes -= free.shift()?.byteLength ?? 0
  }
  const find = (byteLength: number): ArrayBufferLike | undefined => {
    const found = bestFit(free, byteLength)
    freeBytes -= found?.byteLength ?? 0
    return found ?? bestFit(STOCK, byteLength)
  }
  const lender = { give }
  return {
    take(dtype, length) {
      const byteLength = (length / widthOf(dtype)) * bytesPerValue(dtype)
      const memory = byteLength < LEAST_BYTES || (free.length === 0 && STOCK.length === 0) ? undefined : find(byteLength)
      return memory === undefined ? allocate(dtype, length) : viewOn(dtype, memory, length)
    },
    lend(data) {
      if (open && ArrayBuffer.isView(data) && data.buffer.byteLength >= LEAST_BYTES) LENT.set(data, lender)
      return data
    },
    close() {
      if (open && free.length > 0) memo?.set(MEMO, new WeakRef(free))
      open = false
      free = []
      freeBytes = 0
    }
  }
}

/** The smallest buffer that is large enough and not much too large; of those the last released, which is still in the cache. */
function bestFit(free: ArrayBufferLike[], byteLength: number): ArrayBufferLike | undefined {
  let best = -1
  for (let i = free.length - 1; i >= 0; i--) {
    const size = (free[i] as ArrayBufferLike).byteLength
    if (size < byteLength || size > 2 * byteLength) continue
    if (best < 0 || size < (free[best] as ArrayBufferLike).byteLength) best = i
  }
  return best < 0 ? undefined : free.splice(best, 1)[0]
}

function viewOn<D extends DType>(dtype: D, memory: ArrayBufferLike, length: number): DataOf[D] {
  // A typed array knows its class, and all classes take the same arguments.
  const { constructor } = allocate(dtype, 0)
  const Data = constructor as unknown as new (memory: ArrayBufferLike, offset: number, length: number) => DataOf[D]
  return new Data(memory, 0, length)
}

/** Elements are not nested deeper; what is holds itself. */
const MOST_DEPTH = 64

/** All typed arrays in a nest: those of its arrays, and those that are there by themselves, as the bytes of elements are in a batch. */
function visitArrays(nest: unknown, visit: (data: ArrayBufferView, alone: boolean) => void, depth = 0): void {
  if (ArrayBuffer.isView(nest)) visit(nest, true)
  else if (depth === MOST_DEPTH) return
  else if (isNdArray(nest) || isRaggedArray(nest)) {
    if (ArrayBuffer.isView(nest.data)) visit(nest.data, false)
  } else if (Array.isArray(nest)) {
    // Texts are many, and no arrays.
    if (typeof nest[0] !== 'string') for (const item of nest) visitArrays(item, visit, depth + 1)
  } else if (isPlainObject(nest)) for (const member of Object.values(nest)) visitArrays(member, visit, depth + 1)
}
