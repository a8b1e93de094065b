import { MillraceError } from '../errors.js'
import type { DType, NdArray, NumericArray, RaggedArray } from '../types.js'
import { allocate, holds, isBytes, widthOf, type NumberDType } from './dtype.js'
import { ndarrayFault, raggedFault, sameShape, sizeOf } from './ndarray.js'
import { asNdArray, at, describe, isNdArray, isPlainObject, isRaggedArray, joinPath, kindOf, setMember } from './nest.js'
import type { BatchPool } from './pool.js'
import { broken, lossy, mismatch, shapeMismatch, unstackable } from './stack-errors.js'

/** Stacks the values that all elements have at one place in the structure. */
export type Column = (values: readonly unknown[], firstIndex: number) => unknown

/** The column for a leaf, made from its value in the first element; `undefined` to have it stacked as usual. */
export type LeafHook = (value: unknown, path: string) => Column | undefined

/** What is the same for all columns. */
export interface CompileOptions {
  readonly numbers: NumberDType
  /** Default: fresh memory. */
  readonly pool?: BatchPool | undefined
}

/** Compiles the structure of one element. */
export function compile(value: unknown, options: CompileOptions, path: string, index: number, hook?: LeafHook): Column {
  const kind = kindOf(value)
  switch (kind) {
    case 'list':
      return listColumn(
        (value as readonly unknown[]).map((item, i) => compile(item, options, joinPath(path, i), index, hook)),
        path
      )
    case 'object': {
      const members = value as Readonly<Record<string, unknown>>
      const keys = Object.keys(members)
      return objectColumn(keys, keys.map((key) => compile(members[key], options, joinPath(path, key), index, hook)), path)
    }
    case 'other':
      throw unstackable(value, path, index)
    default:
  }
  const hooked = hook?.(value, path)
  if (hooked !== undefined) return hooked
  const { numbers, pool = FRESH } = options
  switch (kind) {
    case 'number': return numbers === 'float32' ? float32Column(path) : numberColumn(numbers, path)
    case 'boolean': return booleanColumn(path)
    case 'bigint': return bigintColumn(path)
    case 'string': return stringColumn(path)
    case 'bytes': return bytesColumn(path)
    case 'array': return arrayColumn(asNdArray(value as NdArray | NumericArray).dtype, path, pool)
    case 'ragged': return raggedColumn((value as RaggedArray).dtype, (value as RaggedArray).rowSplits.length, path, pool)
  }
}

const FRESH: Pick<BatchPool, 'take' | 'lend'> = { take: allocate, lend: (data) => data }

/** The hot one: kept to a single tight loop over a Float32Array. */
function float32Column(path: string): Column {
  return (values, first) => {
    const n = values.length
    const data = new Float32Array(n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (typeof value !== 'number') throw mismatch(values, i, first, path, 'a number')
      data[i] = value
      if (data[i] !== value && Number.isInteger(value)) throw lossy(value, 'float32', path, first + i)
    }
    return { dtype: 'float32', shape: [n], data }
  }
}

function numberColumn(dtype: NumberDType, path: string): Column {
  if (dtype === 'int64' || dtype === 'uint64') return bigNumberColumn(dtype, path)
  return (values, first) => {
    const n = values.length
    const data = allocate(dtype, n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (typeof value !== 'number') throw mismatch(values, i, first, path, 'a number')
      data[i] = value
      // NaN is no equal of itself and yet held by float64, the only dtype here that is not of integers.
      if (data[i] !== value && dtype !== 'float64') throw lossy(value, dtype, path, first + i)
    }
    return { dtype, shape: [n], data }
  }
}

function bigNumberColumn(dtype: 'int64' | 'uint64', path: string): Column {
  const [low, high] = dtype === 'int64' ? [-(2 ** 63), 2 ** 63] : [0, 2 ** 64]
  return (values, first) => {
    const n = values.length
    const data = allocate(dtype, n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (typeof value !== 'number') throw mismatch(values, i, first, path, 'a number')
      if (!Number.isInteger(value) || value < low || value >= high) throw lossy(value, dtype, path, first + i)
      data[i] = BigInt(value)
    }
    return { dtype, shape: [n], data }
  }
}

function booleanColumn(path: string): Column {
  return (values, first) => {
    const n = values.length
    const data = new Uint8Array(n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (typeof value !== 'boolean') throw mismatch(values, i, first, path, 'a boolean')
      data[i] = value ? 1 : 0
    }
    return { dtype: 'bool', shape: [n], data }
  }
}

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

function bigintColumn(path: string): Column {
  return (values, first) => {
    const n = values.length
    const data = new BigInt64Array(n)
    for (let i = 0; i < n; i++) {
      const value = values[i]
      if (typeof value !== 'bigint') throw mismatch(values, i, first, path, 'a bigint')
      if (value < INT64_MIN || value > INT64_MAX) throw lossy(value, 'int64', path, first + i)
      data[i] = value
    }
    return { dtype: 'int64', shape: [n], data }
  }
}

function stringColumn(path: string): Column {
  return (values, first) => {
    const n = values.length
    for (let i = 0; i < n; i++) if (typeof values[i] !== 'string') throw mismatch(values, i, first, path, 'a string')
    return { dtype: 'string', shape: [n], data: values.slice() }
  }
}

function bytesColumn(path: string): Column {
  return (values, first) => {
    for (let i = 0; i < values.length; i++) if (!isBytes(values[i])) throw mismatch(values, i, first, path, 'bytes (Uint8Array)')
    return values.slice()
  }
}

function arrayColumn(dtype: DType, path: string, pool: Pick<BatchPool, 'take' | 'lend'>): Column {
  const width = widthOf(dtype)
  return (values, first) => {
    const n = values.length
    const head = rowAt(values, 0, first, path, dtype)
    const { shape } = head
    const fault = ndarrayFault(head)
    if (fault !== undefined) throw broken(fault, path, first)
    const size = sizeOf(shape) * width
    const storage: unknown = Object.getPrototypeOf(head.data)
    const data = pool.take<DType>(dtype, n * size)
    for (let i = 0; i < n; i++) {
      const row = i === 0 ? head : rowAt(values, i, first, path, dtype)
      if (!sameShape(row.shape, shape)) throw shapeMismatch(head, row, path, first, first + i)
      if (row.data.length !== size || (Object.getPrototypeOf(row.data) !== storage && !holds(row.data, dtype))) {
        throw broken(ndarrayFault(row) ?? 'invalid data', path, first + i)
      }
      copyInto(data, row.data, i * size)
    }
    return { dtype, shape: [n, ...shape], data: pool.lend(data) }
  }
}

/** The row as an NdArray of that dtype. */
export function rowAt(values: readonly unknown[], i: number, first: number, path: string, dtype: DType): NdArray {
  const value = values[i]
  if (ArrayBuffer.isView(value)) {
    if (kindOf(value) === 'array') {
      const row = asNdArray(value as NumericArray)
      if (row.dtype === dtype) return row
    }
  } else if (typeof value === 'object' && value !== null && (value as NdArray).dtype === dtype && isNdArray(value)) {
    return value
  }
  const head = values[0]
  throw mismatch(values, i, first, path, i > 0 ? describe(head) : `an NdArray ${dtype}`)
}

/** Copies all of `source` into `target` from `offset` on; both hold the same dtype. */
export function copyInto(target: NdArray['data'], source: NdArray['data'], offset: number): void {
  if (ArrayBuffer.isView(target)) {
    // One cast for the union of typed arrays: the caller has checked that both are of one class.
    ;(target as Float32Array).set(source as Float32Array, offset)
  } else {
    for (let k = 0; k < source.length; k++) (target as unknown[])[offset + k] = source[k]
  }
}

function raggedColumn(dtype: DType, levels: number, path: string, pool: Pick<BatchPool, 'take' | 'lend'>): Column {
  const width = widthOf(dtype)
  return (values, first) => {
    const n = values.length
    const lengths = new Array<number>(levels + 1).fill(0)
    for (let i = 0; i < n; i++) {
      const row = values[i]
      if (!isRaggedArray(row) || row.dtype !== dtype || row.rowSplits.length !== levels) {
        throw mismatch(values, i, first, path, `a RaggedArray ${dtype} with ${levels} row splits`)
      }
      const fault = raggedFault(row)
      if (fault !== undefined) throw broken(fault, path, first + i)
      for (let k = 0; k < levels; k++) lengths[k] = (lengths[k] ?? 0) + (row.rowSplits[k]?.length ?? 1) - 1
      lengths[levels] = (lengths[levels] ?? 0) + row.data.length / width
    }
    const over = lengths.findIndex((length) => length > 0x7fffffff)
    if (over >= 0) {
      const text = `a batch of ragged rows${at(path)} has ${lengths[over]} values; row splits count to 2^31 - 1`
      throw new MillraceError('Limit', text, { index: first, keyPath: path })
    }
    const data = pool.take<DType>(dtype, (lengths[levels] ?? 0) * width)
    const rowSplits = [new Int32Array(n + 1), ...lengths.slice(0, levels).map((length) => new Int32Array(length + 1))]
    const ends = new Array<number>(levels + 1).fill(0)
    for (let i = 0; i < n; i++) {
      const row = values[i] as RaggedArray
      for (let k = 0; k <= levels; k++) {
        // Level k of the row goes into level k + 1 of the batch; the new outer level counts the rows of level 0.
        const splits = row.rowSplits[k]
        const base = ends[k] ?? 0
        if (splits === undefined) {
          copyInto(data, row.data, base * width)
          ends[k] = base + row.data.length / width
        } else {
          const into = rowSplits[k + 1] as Int32Array
          const shift = ends[k + 1] ?? 0
          for (let j = 1; j < splits.length; j++) into[base + j] = shift + (splits[j] as number)
          ends[k] = base + splits.length - 1
        }
      }
      ;(rowSplits[0] as Int32Array)[i + 1] = ends[0] ?? 0
    }
    return { dtype, data: pool.lend(data), rowSplits }
  }
}

function listColumn(columns: readonly Column[], path: string): Column {
  return (values, first) => {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (!Array.isArray(value) || value.length !== columns.length) {
        throw mismatch(values, i, first, path, `an array of ${columns.length}`)
      }
    }
    return columns.map((column, k) => column(pluck(values, k), first))
  }
}

function objectColumn(keys: readonly string[], columns: readonly Column[], path: string): Column {
  // Keys and prototype of the element tell almost always that it is no array in the shape of an object.
  const arrayLike = keys.includes('dtype') && keys.includes('data')
  return (values, first) => {
    const proto: unknown = Object.getPrototypeOf(Object(values[0]))
    const plain = isPlainObject(values[0])
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      const same = plain && typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === proto
      const structure = (same || isPlainObject(value)) && !(arrayLike && (isNdArray(value) || isRaggedArray(value)))
      if (!structure || !hasKeys(value as object, keys)) {
        throw mismatch(values, i, first, path, `an object { ${keys.join(', ')} }`)
      }
    }
    const batch: Record<string, unknown> = {}
    for (let k = 0; k < keys.length; k++) {
      const key = keys[k] as string
      setMember(batch, key, (columns[k] as Column)(pluck(values, key), first))
    }
    return batch
  }
}

function pluck(values: readonly unknown[], key: string | number): unknown[] {
  const column = new Array<unknown>(values.length)
  for (let i = 0; i < values.length; i++) column[i] = (values[i] as Readonly<Record<string | number, unknown>>)[key]
  return column
}

/** The same keys; the same order is the common case and the fast one. */
function hasKeys(value: object, keys: readonly string[]): boolean {
  let k = 0
  for (const key in value) if (key !== keys[k++]) return hasKeysInAnyOrder(value, keys)
  return k === keys.length
}

function hasKeysInAnyOrder(value: object, keys: readonly string[]): boolean {
  return Object.keys(value).length === keys.length && keys.every((key) => Object.hasOwn(value, key))
}
