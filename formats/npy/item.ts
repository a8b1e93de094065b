/**
 * What one item of an array is made of: NumPy's dtypes.
 */
import { MillraceError, type DType, type Shape } from '../../src/format.js'
import type { Literal, Sequence } from './literal.js'

/** One item: its size in the file and the columns that it gives. */
export interface Item {
  readonly bytes: number
  readonly leaves: readonly Leaf[]
}

/** A column: values at the same place of every item. */
export interface Leaf {
  /** Names of the field and of those that it is in, outermost first; none for an array that is not structured. */
  readonly path: readonly string[]
  readonly dtype: DType
  /** How its bytes are written. */
  readonly coding: 'plain' | 'bool' | 'S' | 'U'
  /** Offset of its first value in the item. */
  readonly offset: number
  /** Bytes of one value. */
  readonly bytes: number
  /** Bytes that stand in the reverse order of this machine's: a value, or half a complex number. 1 if nothing has to be reversed. */
  readonly swap: number
  /** Axes that it has inside an item, outermost first, with the distance from one to the next in bytes. */
  readonly axes: readonly { readonly length: number; readonly stride: number }[]
  /** As NumPy writes it: `<f4`. */
  readonly descr: string
  /** Unit of dates and time differences, as NumPy writes it: `ns`, `25s`, `generic`. */
  readonly unit?: string
}

/** How strings are read; see the option of that name. */
export type Strings = 'utf-8' | 'latin1' | 'bytes'

export function axesShape(leaf: Leaf): Shape {
  return leaf.axes.map(({ length }) => length)
}

/** True when the bytes of numbers stand in the order in which files of most machines have them. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

const MOST_LEAVES = 2 ** 16
const LARGEST_ITEM = 2 ** 31 - 1
const SIZED: Readonly<Record<string, DType>> = {
  b1: 'bool', i1: 'int8', i2: 'int16', i4: 'int32', i8: 'int64', u1: 'uint8', u2: 'uint16', u4: 'uint32', u8: 'uint64',
  f2: 'float16', f4: 'float32', f8: 'float64', c8: 'complex64', c16: 'complex128', M8: 'int64', m8: 'int64'
}

/** What is wrong with a dtype: `Corrupt` if it is none, else `Unsupported`. */
function refuse(kind: 'Corrupt' | 'Unsupported' | 'Limit', what: string): never {
  throw new MillraceError(kind, what)
}

/** A value in a message, cut to what one reads. */
function show(value: Literal | undefined): string {
  const text = typeof value === 'object' && value !== null ? `a ${value.type}` : String(JSON.stringify(value))
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/**
 * Understands the `descr` of a header: `'<f4'`, a list of fields, `(base, shape)`, or the dict form with names, formats, offsets.
 * @throws MillraceError `Corrupt` or `Unsupported`, without a place; the caller knows it.
 */
export function parseItem(descr: Literal, strings: Strings): Item {
  const item = parse(descr, strings)
  if (item.leaves.length > MOST_LEAVES) refuse('Limit', `the dtype has ${item.leaves.length} fields; ${MOST_LEAVES} are read`)
  if (item.leaves.length === 0) refuse('Unsupported', 'the dtype has no fields: there is nothing in the array')
  const names = new Set<string>()
  for (const { path } of item.leaves) {
    const name = path.join('.')
    if (names.has(name)) refuse('Unsupported', `two fields of the dtype are called ${show(name)}: write the array with other names`)
    names.add(name)
  }
  return item
}

function parse(descr: Literal, strings: Strings): Item {
  if (typeof descr === 'string') return scalar(descr, strings)
  if (typeof descr === 'object' && descr?.type === 'list') return packed(descr, strings)
  if (typeof descr === 'object' && descr?.type === 'tuple') {
    const [base, shape, ...rest] = descr.items
    if (base === undefined || shape === undefined || rest.length > 0) refuse('Corrupt', 'a dtype with a shape is not a pair of both')
    return subArray(parse(base, strings), shape)
  }
  if (typeof descr === 'object' && descr?.type === 'dict') return placed(descr.entries, strings)
  return refuse('Corrupt', `${show(descr)} is no dtype`)
}

function scalar(descr: string, strings: Strings): Item {
  const [whole, order = '', kind = '', digits = '', unit] = /^([<>=|]?)([a-zA-Z?])(\d{0,10})(?:\[(.{0,40})\])?$/.exec(descr) ?? []
  if (whole === undefined) return unknown(descr)
  const size = Number(digits)
  const reversed = (order === '>') === LITTLE_ENDIAN && order !== '=' && order !== '|' && order !== ''
  const one = (leaf: Omit<Leaf, 'path' | 'offset' | 'axes' | 'descr'>, axes: Leaf['axes'] = []): Item => {
    const bytes = leaf.bytes * axes.reduce((product, { length }) => product * length, 1)
    if (bytes > LARGEST_ITEM) refuse('Corrupt', `the items of ${show(descr)} are too large`)
    return { bytes, leaves: [{ path: [], offset: 0, axes, descr, ...leaf }] }
  }
  const rawBytes = (): Item => one({ dtype: 'uint8', coding: 'plain', bytes: 1, swap: 1 }, [{ length: size, stride: 1 }])
  if (kind === 'O') {
    refuse('Unsupported', 'its items are pickled Python objects, which may run any code and are never read. '
      + 'Save numbers or text instead: array.astype(float), array.astype(str), or np.stack(list(array)) for an array of arrays; '
      + 'np.save(file, array, allow_pickle=False) tells what is wrong')
  }
  if (unit !== undefined && kind !== 'M' && kind !== 'm') return unknown(descr)
  if (kind === 'V') return rawBytes()
  if (kind === 'S' || kind === 'a') return strings === 'bytes' ? rawBytes() : one({ dtype: 'string', coding: 'S', bytes: size, swap: 1 })
  if (kind === 'U') return one({ dtype: 'string', coding: 'U', bytes: 4 * size, swap: reversed ? 4 : 1 })
  if (kind === '?' && digits === '') return one({ dtype: 'bool', coding: 'bool', bytes: 1, swap: 1 })
  if ((kind === 'f' && size > 8) || (kind === 'c' && size > 16) || kind === 'g' || kind === 'G') {
    refuse('Unsupported', `${show(descr)} is long double, whose bytes mean something else on each platform: `
      + `save array.astype('${kind === 'f' || kind === 'g' ? 'float64' : 'complex128'}') instead`)
  }
  const dtype = SIZED[kind + digits]
  if (dtype === undefined) return unknown(descr)
  const swap = reversed ? (kind === 'c' ? size / 2 : size) : 1
  return one({
    dtype, coding: dtype === 'bool' ? 'bool' : 'plain', bytes: size, swap, ...((kind === 'M' || kind === 'm') && { unit: unit ?? 'generic' })
  })
}

function unknown(descr: string): never {
  return refuse('Unsupported', `${show(descr)} is no dtype that is read here: `
    + 'save the array as bool, (u)int8 to 64, float16 to 64, complex64 or 128, S, U, V, datetime64, timedelta64, or a structure of these')
}

/** Fields one behind the other: `[(name, type), (name, type, shape), ((title, name), type), ('', '|V3')]`. */
function packed(list: Sequence, strings: Strings): Item {
  const leaves: Leaf[] = []
  let bytes = 0
  for (const field of list.items) {
    const items = typeof field === 'object' && field !== null && field.type === 'tuple' ? field.items : []
    const [name, type, shape] = items
    if (name === undefined || type === undefined || items.length > 3) refuse('Corrupt', 'a field of the dtype is not (name, type) or (name, type, shape)')
    const base = parse(type, strings)
    const item = shape === undefined ? base : subArray(base, shape)
    const called = nameOf(name)
    // Bytes without a name are the gaps between aligned fields.
    const gap = called === '' && typeof type === 'string' && /^[<>=|]?V/.test(type)
    if (!gap) add(leaves, called, bytes, item)
    bytes += item.bytes
    if (bytes > LARGEST_ITEM) refuse('Corrupt', 'the items of the dtype are too large')
  }
  return { bytes, leaves }
}

/** Fields at given places: `{'names': […], 'formats': […], 'offsets': […], 'itemsize': n}`. They may stand in any order, but not overlap. */
function placed(entries: ReadonlyMap<string, Literal>, strings: Strings): Item {
  const list = (key: string): readonly Literal[] => {
    const value = entries.get(key)
    if (typeof value === 'object' && value !== null && value.type !== 'dict') return value.items
    return refuse(value === undefined ? 'Unsupported' : 'Corrupt', `the dtype is a dict without a list of ${key}`)
  }
  for (const key of entries.keys()) {
    if (!['names', 'formats', 'offsets', 'itemsize', 'titles', 'aligned'].includes(key)) refuse('Corrupt', `the dtype is a dict with the key ${show(key)}`)
  }
  const [names, formats, offsets, itemsize] = [list('names'), list('formats'), list('offsets'), entries.get('itemsize')]
  if (names.length !== formats.length || names.length !== offsets.length) refuse('Corrupt', 'the dtype has not as many names as formats and offsets')
  const leaves: Leaf[] = []
  const spans = names.map((name, i) => {
    const offset = offsets[i]
    if (typeof offset !== 'number' || offset < 0) return refuse('Corrupt', `${show(offset)} is no offset of a field`)
    const item = parse(formats[i] as Literal, strings)
    add(leaves, nameOf(name), offset, item)
    return { offset, end: offset + item.bytes }
  })
  const end = spans.reduce((most, span) => Math.max(most, span.end), 0)
  spans.filter(span => span.end > span.offset).sort((a, b) => a.offset - b.offset).reduce((last, span) => {
    if (span.offset < last) refuse('Unsupported', 'fields of the dtype overlap: save a copy of the array with fields of their own')
    return span.end
  }, 0)
  const bytes = itemsize ?? end
  if (typeof bytes !== 'number' || bytes < end || bytes > LARGEST_ITEM) return refuse('Corrupt', `${show(bytes)} is no itemsize for fields that end at ${end}`)
  return { bytes, leaves }
}

/** A name, or a pair of title and name. */
function nameOf(name: Literal): string {
  const last = typeof name === 'object' && name?.type === 'tuple' && name.items.length === 2 ? name.items[1] : name
  return typeof last === 'string' ? last : refuse('Corrupt', `${show(name)} is no name of a field`)
}

function add(leaves: Leaf[], name: string, offset: number, item: Item): void {
  if (name === '') refuse('Unsupported', 'a field of the dtype has no name: write the array with names')
  for (const leaf of item.leaves) leaves.push({ ...leaf, path: [name, ...leaf.path], offset: offset + leaf.offset })
}

/** An array in every item: its axes come before those that its items have. */
function subArray(base: Item, shape: Literal): Item {
  // NumPy takes the number 1 for no axis at all, and (1,) for one.
  const lengths = shape === 1 ? [] : typeof shape === 'number' ? [shape] : typeof shape === 'object' && shape?.type === 'tuple' ? shape.items : [null]
  let bytes = base.bytes
  const axes: { length: number; stride: number }[] = []
  for (const length of [...lengths].reverse()) {
    if (typeof length !== 'number' || length < 0) return refuse('Corrupt', `${show(length)} is no length of an axis`)
    axes.unshift({ length, stride: bytes })
    bytes *= length
    if (bytes > LARGEST_ITEM || axes.length > 32 || length > LARGEST_ITEM) refuse('Corrupt', 'the items of the dtype are too large')
  }
  return { bytes, leaves: base.leaves.map((leaf) => ({ ...leaf, axes: [...axes, ...leaf.axes] })) }
}
