import { describe, isPlainObject, joinPath } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import { kindOfArray, MOST_DEPTH, NotClonable, packColumn, unpackColumn, type Column, type Memories } from './pack-columns.js'
import type { Slabs } from './slabs.js'

/** Elements on their way to another thread. Structured clone of a view would clone its whole buffer; here only memory that is meant to crosses. */
export interface Packed {
  readonly count: number
  readonly column: Column
  /** The slab, if there is one, and then memory that was given away. */
  readonly memories: Memories
  /** True when what is unpacked are views of the slab. */
  readonly views: boolean
}

/** How {@link pack} packs. */
export interface PackOptions {
  /** Where slabs come from. */
  readonly slabs: Slabs
  /** Arrays of batches that nobody else holds cross with their memory, without a copy; they are empty here afterwards. @default false */
  readonly owned?: boolean
  /** Ordinal of the first element, for errors, where it is known. */
  readonly index?: number
}

/** Places in a slab: as arrays of all kinds and vector instructions like them. */
const ALIGNMENT = 64
/** Smaller arrays are copied sooner than sent. */
const LEAST_OWNED_BYTES = 1 << 14

/**
 * Packs elements. Typed arrays are copied into one slab, or given away; the rest is said by columns. Nothing of the elements is changed, unless they are `owned`.
 * `memories` are to be transferred.
 *
 * @throws MillraceError `Unsupported` for what cannot be sent: functions, symbols, instances of classes, cycles. It names the element and the key path.
 */
export function pack(values: readonly unknown[], { slabs, owned = false, index }: PackOptions): Packed {
  const copies: { readonly at: number; readonly view: ArrayBufferView | readonly number[] }[] = []
  const given = new Map<ArrayBufferLike, number>()
  let bytes = 0
  let views = false
  const room = (length: number): number => {
    const at = bytes
    bytes += Math.ceil(length / ALIGNMENT) * ALIGNMENT
    return at
  }
  let column: Column
  try {
    column = values.length === 0 ? { t: 'values', v: [] } : packColumn(values, {
      numbers(numbers) {
        const at = room(8 * numbers.length)
        copies.push({ at, view: numbers })
        return at
      },
      array(view, kind, whole, at) {
        if (kind < 0) throw new NotClonable()
        const { buffer, byteOffset, byteLength } = view
        const length = (view as { readonly length?: number }).length ?? byteLength
        if (owned && whole && byteOffset === 0 && byteLength === buffer.byteLength && byteLength >= LEAST_OWNED_BYTES && Object.prototype.toString.call(buffer) === '[object ArrayBuffer]') {
          let memory = given.get(buffer)
          if (memory === undefined) given.set(buffer, (memory = 1 + given.size))
          at.push(kind, memory, 0, length)
          return
        }
        const place = room(byteLength)
        views = true
        copies.push({ at: place, view })
        at.push(kind, 0, place, length)
      }
    })
  } catch (error) {
    throw error instanceof NotClonable ? culprit(values, index) : error
  }
  const memories = [...(given.keys() as Iterable<ArrayBuffer>)]
  if (bytes === 0) return { count: values.length, column, memories: memories.length === 0 ? [] : [undefined, ...memories], views }
  const slab = slabs.take(bytes)
  const target = new Uint8Array(slab)
  for (const { at, view } of copies) {
    if (ArrayBuffer.isView(view)) target.set(kindOfArray(view) === 0 ? (view as Uint8Array) : new Uint8Array(view.buffer, view.byteOffset, view.byteLength), at)
    else {
      const numbers = new Float64Array(slab, at, view.length)
      for (let k = 0; k < view.length; k++) numbers[k] = view[k] as number
    }
  }
  return { count: values.length, column, memories: [slab, ...memories], views }
}

/** What crosses without a copy. */
export const transferOf = ({ memories }: Packed): ArrayBuffer[] => memories.filter(memory => memory !== undefined && memory.byteLength > 0) as ArrayBuffer[]

/** The elements again. Arrays are views of the memory that came; slabs without views can be used again at once. */
export function unpack({ count, column, memories, views }: Packed, slabs?: Slabs): unknown[] {
  const values = unpackColumn(column, count, memories)
  const [slab] = memories
  if (!views && slab !== undefined) slabs?.give(slab)
  return values
}

/** Finds what could not be packed. Slow, and done once. */
function culprit(values: readonly unknown[], index: number | undefined): MillraceError {
  const find = (value: unknown, path: string, depth: number): { readonly path: string; readonly what: string } | undefined => {
    if (depth > MOST_DEPTH) return { path: '', what: 'something nested too deep, or that contains itself,' }
    if (Array.isArray(value)) return first(value.map((item, k) => () => find(item, joinPath(path, k), depth + 1)))
    if (isPlainObject(value)) return first(Object.keys(value).map(key => () => find(value[key], joinPath(path, key), depth + 1)))
    try {
      packColumn([value], { numbers: () => 0, array: (view, kind) => { if (kind < 0) throw new NotClonable() } })
      return undefined
    } catch {
      return { path, what: describe(value) }
    }
  }
  const first = <R>(attempts: readonly (() => R | undefined)[]): R | undefined => {
    for (const attempt of attempts) {
      const found = attempt()
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const [k, value] of values.entries()) {
    const found = find(value, '', 0)
    if (found === undefined) continue
    const ordinal = index === undefined ? undefined : index + k
    return new MillraceError('Unsupported',
      `${ordinal === undefined ? '' : `element ${ordinal}: `}${found.what}${found.path === '' ? '' : ` at ${found.path}`} cannot be sent to another thread; use numbers, strings, typed arrays and NdArrays, in plain objects and arrays`,
      { ...(ordinal !== undefined && { index: ordinal }), ...(found.path !== '' && { keyPath: found.path }) })
  }
  return new MillraceError('Unsupported', 'an element cannot be sent to another thread', index === undefined ? {} : { index })
}
