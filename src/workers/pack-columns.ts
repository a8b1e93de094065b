import { tagOf } from '../array/dtype.js'
import { isPlainObject, setMember } from '../array/nest.js'

/**
 * Values of one place of many elements, written together: what they have in common is said once, and typed arrays are nothing but a place in
 * memory. Members have one letter because there are many.
 */
export type Column =
  /** One primitive value that all have. */
  | { readonly t: 'same'; readonly v: unknown }
  /** Numbers, at an offset in the slab. */
  | { readonly t: 'numbers'; readonly at: number }
  /** Primitive values. */
  | { readonly t: 'values'; readonly v: readonly unknown[] }
  /** Typed arrays: kind, memory (0 is the slab), byte offset and length of each. */
  | { readonly t: 'arrays'; readonly at: readonly number[] }
  /** Objects with the same keys. */
  | { readonly t: 'objects'; readonly keys: readonly string[]; readonly columns: readonly Column[] }
  /** Lists of the same length, with a column for each place. */
  | { readonly t: 'tuples'; readonly columns: readonly Column[] }
  /** Lists one behind the other. */
  | { readonly t: 'lists'; readonly lengths: Column; readonly count: number; readonly items: Column }
  /** Anything else: each value by itself. Typed arrays in it are `null`; `nulls` are the ordinals of those that always were. */
  | { readonly t: 'mixed'; readonly v: readonly unknown[]; readonly nulls: readonly number[]; readonly at: readonly number[] }

/** Where typed arrays and numbers go while columns are written. */
interface ColumnTarget {
  /** Makes room for numbers; returns the offset. */
  numbers(values: readonly number[]): number
  /** Makes room for an array, or lets its memory cross as it is; appends where it is to `at`. */
  array(view: ArrayBufferView, kind: number, whole: boolean, at: number[]): void
}

/** Values that no thread can send to another. {@link pack} finds out where it is. */
export class NotClonable extends Error {}

/** Elements are nested no deeper; what is holds itself. */
export const MOST_DEPTH = 64
/** Lists of the same length are columns up to here. */
const MOST_PLACES = 8
/** Fewer items in lists are written without a look at what they hold. */
const LEAST_CHECKED = 4096

/** Fewer numbers cost less as they are than as memory. */
const LEAST_NUMBERS = 64

/** Classes of arrays by their number. A Node `Buffer` stays one. */
const KINDS = [
  'Uint8Array', 'Int8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
  'DataView', 'Float16Array', 'Buffer'
] as const
const BUFFER = KINDS.indexOf('Buffer')

export function kindOfArray(view: ArrayBufferView): number {
  const tag = tagOf(view)
  return tag === 'Uint8Array' && view.constructor.name === 'Buffer' ? BUFFER : KINDS.indexOf(tag as (typeof KINDS)[number])
}

type AnyView = new (memory: ArrayBuffer, offset: number, length: number) => ArrayBufferView

function viewOf(kind: number, memory: ArrayBuffer, offset: number, length: number): ArrayBufferView {
  const host = globalThis as unknown as Readonly<Record<string, AnyView & { from?: (memory: ArrayBuffer, offset: number, length: number) => ArrayBufferView }>>
  if (kind === BUFFER && host['Buffer']?.from !== undefined) return host['Buffer'].from(memory, offset, length)
  return new (host[KINDS[kind === BUFFER ? 0 : kind] as string] as AnyView)(memory, offset, length)
}

const isPrimitive = (value: unknown): boolean => value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')

/** Writes the values of one place. `whole` says that arrays there may be given away with their memory. */
export function packColumn(values: readonly unknown[], target: ColumnTarget, depth = 0, whole = false): Column {
  if (depth > MOST_DEPTH) throw new NotClonable()
  const first = values[0]
  if (isPrimitive(first)) {
    if (values.every(value => Object.is(value, first))) return { t: 'same', v: first }
    if (typeof first === 'number' && values.length >= LEAST_NUMBERS && values.every(value => typeof value === 'number')) return { t: 'numbers', at: target.numbers(values as readonly number[]) }
    if (values.every(isPrimitive)) return { t: 'values', v: values }
  } else if (ArrayBuffer.isView(first)) {
    if (values.every(value => ArrayBuffer.isView(value))) {
      const at: number[] = []
      for (const view of values) target.array(view, kindOfArray(view), whole, at)
      return { t: 'arrays', at }
    }
  } else if (Array.isArray(first)) {
    if (values.every(value => Array.isArray(value))) return packLists(values, target, depth)
  } else if (isPlainObject(first)) {
    const keys = Object.keys(first)
    if (values.every(value => hasKeys(value, keys))) {
      const isArray = keys.includes('dtype')
      return { t: 'objects', keys, columns: keys.map(key => packColumn(values.map(value => (value as Record<string, unknown>)[key]), target, depth + 1, isArray && key === 'data')) }
    }
  }
  const nulls: number[] = []
  const at: number[] = []
  let ordinal = 0
  const copy = (value: unknown, level: number): unknown => {
    if (value === null) nulls.push(ordinal++)
    if (isPrimitive(value)) return value
    if (level > MOST_DEPTH || typeof value !== 'object') throw new NotClonable()
    const object = value as object
    if (ArrayBuffer.isView(object)) {
      ordinal++
      target.array(object, kindOfArray(object), false, at)
      return null
    }
    if (Array.isArray(object)) return Array.from(object, item => copy(item, level + 1))
    if (isPlainObject(object)) {
      const out: Record<string, unknown> = {}
      for (const key of Object.keys(object)) setMember(out, key, copy(object[key], level + 1))
      return out
    }
    const tag = Object.prototype.toString.call(object)
    if (tag === '[object Map]') return new Map(Array.from(object as Map<unknown, unknown>, ([key, item]) => [copy(key, level + 1), copy(item, level + 1)]))
    if (tag === '[object Set]') return new Set(Array.from(object as Set<unknown>, item => copy(item, level + 1)))
    if (CLONED.has(tag) && isBuiltIn(object)) return object
    throw new NotClonable()
  }
  return { t: 'mixed', v: values.map(value => copy(value, depth)), nulls, at }
}

/** What structured clone makes again as it was, beside what is taken apart here. */
const CLONED = new Set(['Date', 'RegExp', 'ArrayBuffer', 'SharedArrayBuffer', 'Boolean', 'Number', 'String', 'BigInt', 'Error'].map(name => `[object ${name}]`))
/** An instance of a subclass would come back as something else. */
const isBuiltIn = (object: object): boolean => Object.hasOwn(globalThis, (object.constructor as { name?: string } | undefined)?.name ?? '')

function packLists(values: readonly (readonly unknown[])[], target: ColumnTarget, depth: number): Column {
  const { length } = values[0] as readonly unknown[]
  if (length <= MOST_PLACES && values.every(list => list.length === length)) {
    return { t: 'tuples', columns: Array.from({ length }, (_, place) => packColumn(values.map(list => list[place]), target, depth + 1)) }
  }
  const count = values.reduce((sum, list) => sum + list.length, 0)
  // Lists that hold themselves would be multiplied at every level.
  if (count > LEAST_CHECKED && values.some(list => list.some(item => !isPrimitive(item))) && holdsItself(values)) throw new NotClonable()
  const items: unknown[] = []
  for (const list of values) for (const item of list) items.push(item)
  return { t: 'lists', lengths: packColumn(values.map(list => list.length), target, depth + 1), count: items.length, items: packColumn(items, target, depth + 1) }
}

/** True for what contains itself, and for what is nested too deep. */
function holdsItself(value: unknown, path = new Set<unknown>(), checked = new Set<unknown>()): boolean {
  if (isPrimitive(value) || ArrayBuffer.isView(value) || checked.has(value)) return false
  if (path.has(value) || path.size > MOST_DEPTH) return true
  const members = Array.isArray(value) ? value : isPlainObject(value) ? Object.values(value) : []
  path.add(value)
  for (const member of members) if (holdsItself(member, path, checked)) return true
  path.delete(value)
  checked.add(value)
  return false
}

function hasKeys(value: unknown, keys: readonly string[]): boolean {
  if (!isPlainObject(value)) return false
  const own = Object.keys(value)
  return own.length === keys.length && own.every((key, k) => key === keys[k])
}

/** What came along with columns: the slab, if there is one, and memory that was given away. */
export type Memories = readonly (ArrayBuffer | undefined)[]

/** Reads the values of one place: so many. Arrays are views of the memory that came along; `memories[0]` is the slab. */
export function unpackColumn(column: Column, count: number, memories: Memories): unknown[] {
  const arrayAt = (at: readonly number[], k: number): ArrayBufferView =>
    viewOf(at[4 * k] as number, memories[at[4 * k + 1] as number] as ArrayBuffer, at[4 * k + 2] as number, at[4 * k + 3] as number)
  switch (column.t) {
    case 'same': return new Array<unknown>(count).fill(column.v)
    case 'numbers': {
      const numbers = new Float64Array(memories[0] as ArrayBuffer, column.at, count)
      const out = new Array<unknown>(count)
      for (let k = 0; k < count; k++) out[k] = numbers[k] // `Array.from` takes ten times as long
      return out
    }
    case 'values': return column.v as unknown[]
    case 'arrays': return Array.from({ length: count }, (_, k) => arrayAt(column.at, k))
    case 'tuples': {
      const places = column.columns.map(place => unpackColumn(place, count, memories))
      return Array.from({ length: count }, (_, k) => places.map(place => place[k]))
    }
    case 'lists': {
      const lengths = unpackColumn(column.lengths, count, memories) as number[]
      const items = unpackColumn(column.items, column.count, memories)
      let at = 0
      return lengths.map(length => items.slice(at, (at += length)))
    }
    case 'objects': {
      const members = column.columns.map(member => unpackColumn(member, count, memories))
      const out = new Array<unknown>(count)
      for (let k = 0; k < count; k++) {
        const object: Record<string, unknown> = {}
        for (let m = 0; m < members.length; m++) setMember(object, column.keys[m] as string, (members[m] as unknown[])[k])
        out[k] = object
      }
      return out
    }
    case 'mixed': {
      const nulls = new Set(column.nulls)
      let ordinal = 0
      let next = 0
      const restore = (value: unknown): unknown => {
        if (value === null) return nulls.has(ordinal++) ? null : arrayAt(column.at, next++)
        if (typeof value !== 'object') return value
        if (Array.isArray(value)) {
          for (let k = 0; k < value.length; k++) value[k] = restore(value[k])
          return value
        }
        const tag = Object.prototype.toString.call(value)
        if (tag === '[object Map]') return new Map(Array.from(value as Map<unknown, unknown>, ([key, item]) => [restore(key), restore(item)]))
        if (tag === '[object Set]') return new Set(Array.from(value as Set<unknown>, restore))
        if (tag !== '[object Object]') return value
        const object = value as Record<string, unknown>
        for (const key of Object.keys(object)) setMember(object, key, restore(object[key]))
        return object
      }
      return column.v.map(restore)
    }
  }
}
