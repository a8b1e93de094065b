/** The columns of a batch of Examples: one per feature, filled row by row. */
import { bytesPerValue, storedValue, type NumberDType } from '../array/dtype.js'
import type { BatchPool } from '../array/pool.js'
import { lossy, shapeMismatch } from '../array/stack-errors.js'
import type { DType, NdArray, Shape } from '../types.js'
import { checkCount, readTexts, readViews, type Field } from './fields.js'
import { copyBytes, LIST } from './lists.js'
import { newNumbers, type NumberData, type ArrayDType, type NumberReader, type Numbers } from './numbers.js'
import type { PlainColumn } from './plain-rows.js'
import { featureError, type Wire } from './wire.js'

/** One column. A row that failed is written again, so whatever `add` does before it throws must not last. */
export interface Column {
  /** Takes new arrays, for a new batch. */
  begin(): void
  /** Decodes the opened feature as row `row`. */
  add(wire: Wire, row: number): void
  /** Fills row `row` for a record without the feature; false when that is not allowed. */
  missing(wire: Wire, row: number): boolean
  finish(rows: number): unknown
  /** Where rows are numbers of one size, stored as they are in the array: for those who fill many rows at once. */
  readonly plain?: PlainColumn
}

/** What all columns of a batch have in common. */
export interface ColumnOptions {
  /** Rows to make room for. */
  readonly size: number
  /** The dtype of single numbers. */
  readonly numbers: NumberDType
  /** Where the memory of numbers comes from; `undefined` for fresh memory. */
  readonly pool: BatchPool | undefined
  /** False to keep byte strings as views of the records. */
  readonly copy: boolean
}

export function newColumn(field: Field, options: ColumnOptions): Column {
  const { feature, reader } = field
  if (feature.kind === 'ragged') return reader === null ? raggedTexts(options.size) : raggedNumbers(field, reader, options)
  if (feature.dtype === 'bytes') return bytesColumn(field, options.copy ? newArena() : null)
  if (feature.kind === 'varLen') return reader === null ? varTexts() : varNumbers(field, reader, options)
  if (reader === null) return fixedTexts(field, feature.shape)
  const dtype = field.scalar ? stackedDType(field.dtype, options.numbers) : field.dtype
  return dtype === field.dtype
    ? fixedNumbers(field, reader, feature.shape, options)
    : convertedScalars(field, reader, dtype, options)
}

function fixedNumbers(field: Field, reader: NumberReader, shape: Shape, options: ColumnOptions): Column {
  const { dtype, size } = field
  const defaults = field.defaults as NumberData | null
  let target: Numbers
  return {
    begin() {
      target = newNumbers(dtype, options.size * size, options.pool)
    },
    add(wire, row) {
      checkCount(wire, field, reader.read(wire, target, row * size, size))
    },
    missing(_, row) {
      // Both arrays are of the field's dtype.
      if (defaults !== null) (target.data as Float32Array).set(defaults as Float32Array, row * size)
      return defaults !== null
    },
    finish: (count) => ({ dtype, shape: [count, ...shape], data: frontOf(target, count * size, options) }),
    ...(isPlain(field) && { plain: { rowBytes: size * bytesPerValue(dtype), integers: field.list === LIST.int64 ? size : 0, bytes: () => target.bytes } })
  }
}

/** True when the values are stored in the record as they are in the array, or are int64 in both. */
function isPlain({ list, dtype, size }: Field): boolean {
  return size > 0 && (list === LIST.bytes || (list === LIST.float ? dtype === 'float32' : dtype === 'int64'))
}

/** The dtype to which `batch` stacks single values. */
function stackedDType(dtype: ArrayDType, numbers: NumberDType): ArrayDType {
  return dtype === 'bool' ? 'bool' : dtype === 'int64' || dtype === 'uint64' ? 'int64' : numbers
}

/** Single values whose dtype is not the one they are stacked to. */
function convertedScalars(field: Field, reader: NumberReader, dtype: ArrayDType, options: ColumnOptions): Column {
  const { scratch, keyPath } = field
  const defaults = field.defaults as NumberData | null
  let target: Numbers
  const put = (wire: Wire, row: number, value: number | bigint): void => {
    const stored = storedValue(value, dtype)
    if (stored === undefined) throw lossy(value, dtype, keyPath, wire.index)
    // The stored form is what the array of that dtype takes.
    target.data[row] = stored as never
  }
  return {
    begin() {
      target = newNumbers(dtype, options.size, options.pool)
    },
    add(wire, row) {
      checkCount(wire, field, reader.read(wire, scratch, 0, 1))
      put(wire, row, scratch.data[0] as number | bigint)
    },
    missing(wire, row) {
      if (defaults !== null) put(wire, row, defaults[0] as number | bigint)
      return defaults !== null
    },
    finish: (count) => ({ dtype, shape: [count], data: frontOf(target, count, options) })
  }
}

function varNumbers(field: Field, reader: NumberReader, options: ColumnOptions): Column {
  const { dtype } = field
  let width = -1
  let target: Numbers
  const fit = (wire: Wire, row: number, count: number): void => {
    checkWidth(wire, row, count, width, dtype)
    if (count !== width) {
      width = count
      target = newNumbers(dtype, options.size * width, options.pool)
    }
  }
  return {
    begin() {
      width = -1
      target = newNumbers(dtype, 0)
    },
    add(wire, row) {
      fit(wire, row, reader.count(wire))
      reader.read(wire, target, row * width, width)
    },
    missing(wire, row) {
      fit(wire, row, 0)
      return true
    },
    finish: (count) => ({ dtype, shape: [count, Math.max(width, 0)], data: frontOf(target, count * Math.max(width, 0), options) })
  }
}

function raggedNumbers(field: Field, reader: NumberReader, options: ColumnOptions): Column {
  const { dtype } = field
  let splits: Int32Array
  let target: Numbers
  let expected = 0
  return {
    begin() {
      splits = new Int32Array(options.size + 1)
      target = newNumbers(dtype, expected, options.pool)
    },
    add(wire, row) {
      const from = splits[row] as number
      const count = reader.count(wire)
      const to = from + count
      if (to > target.data.length) {
        if (to > 0x7fffffff) throw featureError('Limit', wire, 'a ragged batch holds at most 2^31 - 1 values; batch fewer rows')
        const wider = newNumbers(dtype, Math.max(to, 2 * target.data.length, 64), options.pool)
        wider.bytes.set(target.bytes.subarray(0, from * target.data.BYTES_PER_ELEMENT))
        target = wider
      }
      reader.read(wire, target, from, count)
      splits[row + 1] = to
    },
    missing(_, row) {
      splits[row + 1] = splits[row] as number
      return true
    },
    finish(count) {
      const used = splits[count] as number
      // The next batch is likely to need as much; an eighth more spares most of them the growing.
      expected = used + (used >> 3)
      return { dtype, data: frontOf(target, used, options), rowSplits: [front(splits, count + 1)] }
    }
  }
}

function fixedTexts(field: Field, shape: Shape): Column {
  const { size } = field
  const defaults = field.defaults as readonly string[] | null
  let data: string[]
  return {
    begin() {
      data = []
    },
    add(wire, row) {
      checkCount(wire, field, readTexts(wire, data, row * size, size))
    },
    missing(_, row) {
      if (defaults !== null) for (let i = 0; i < size; i++) data[row * size + i] = defaults[i] as string
      return defaults !== null
    },
    finish: (count) => ({ dtype: 'string', shape: [count, ...shape], data: cut(data, count * size) })
  }
}

function varTexts(): Column {
  let data: string[]
  let width = 0
  const fit = (wire: Wire, row: number, count: number): void => {
    checkWidth(wire, row, count, width, 'string')
    width = count
  }
  return {
    begin() {
      data = []
      width = 0
    },
    add(wire, row) {
      data.length = row * width
      fit(wire, row, readTexts(wire, data, data.length, -1))
    },
    missing: (wire, row) => {
      fit(wire, row, 0)
      return true
    },
    finish: (count) => ({ dtype: 'string', shape: [count, width], data: cut(data, count * width) })
  }
}

function raggedTexts(rows: number): Column {
  let data: string[]
  let splits: Int32Array
  return {
    begin() {
      data = []
      splits = new Int32Array(rows + 1)
    },
    add(wire, row) {
      const from = splits[row] as number
      splits[row + 1] = from + readTexts(wire, data, from, -1)
    },
    missing(_, row) {
      splits[row + 1] = splits[row] as number
      return true
    },
    finish(count) {
      return { dtype: 'string', data: cut(data, splits[count] as number), rowSplits: [front(splits, count + 1)] }
    }
  }
}

/** Byte strings: one list of rows for a single value, else a list of rows for each position. */
function bytesColumn(field: Field, arena: Arena | null): Column {
  const { size, scalar } = field
  const defaults = field.defaults as readonly Uint8Array[] | null
  let lists: Uint8Array[][]
  const values: Uint8Array[] = []
  const put = (wire: Wire, row: number, rowValues: readonly Uint8Array[]): void => {
    if (row === 0) lists = rowValues.map(() => [])
    else if (rowValues.length !== lists.length) {
      const counts = `it has ${rowValues.length} byte strings, and element ${wire.first} has ${lists.length}`
      throw featureError('Mismatch', wire, `${counts}; only equal numbers can be batched`)
    }
    for (let i = 0; i < lists.length; i++) {
      const value = rowValues[i] as Uint8Array
      ;(lists[i] as Uint8Array[])[row] = arena === null ? value : arena(value)
    }
  }
  return {
    begin() {
      lists = size < 0 ? [] : Array.from({ length: size }, () => [])
    },
    add(wire, row) {
      values.length = 0
      checkCount(wire, field, readViews(wire, values, size))
      put(wire, row, values)
      values.length = 0
    },
    missing(wire, row) {
      if (size >= 0 && defaults === null) return false
      put(wire, row, defaults ?? [])
      return true
    },
    finish(count) {
      for (const list of lists) list.length = Math.min(list.length, count)
      return scalar ? lists[0] : lists
    }
  }
}

/** The error of `batch` for rows of unequal length. */
function checkWidth(wire: Wire, row: number, count: number, width: number, dtype: DType): void {
  if (row === 0 || count === width) return
  const shaped = (length: number): NdArray => ({ dtype, shape: [length], data: [] })
  throw shapeMismatch(shaped(width), shaped(count), wire.keyPath, wire.first, wire.index)
}

/** Copies byte strings into blocks of memory, many to a block. */
type Arena = (value: Uint8Array) => Uint8Array

const FIRST_BLOCK = 1 << 14
const LARGEST_BLOCK = 1 << 20

function newArena(): Arena {
  let block = new Uint8Array(0)
  let used = 0
  let next = FIRST_BLOCK
  return (value) => {
    const { length } = value
    if (length > next >> 2) return value.slice()
    if (length > block.length - used) {
      block = new Uint8Array(next)
      used = 0
      next = Math.min(2 * next, LARGEST_BLOCK)
    }
    copyBytes(value, 0, length, block, used)
    used += length
    return block.subarray(used - length, used)
  }
}

function cut(data: string[], length: number): string[] {
  data.length = length
  return data
}

/** What goes out of an array that was taken for the batch. */
function frontOf({ data }: Numbers, length: number, { pool }: ColumnOptions): NumberData {
  const out = front(data, length)
  return pool === undefined ? out : pool.lend(out)
}

/** The first `length` items, as they are when that is all. */
function front<A extends NumberData>(data: A, length: number): A {
  return (length === data.length ? data : data.subarray(0, length)) as A
}
