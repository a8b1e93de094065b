import { MillraceError } from '../errors.js'
import type { DType, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import type { Batched } from './batched.js'
import { allocate, checkNumberDType, holds, isBytes, storedValue, widthOf, type NumberDType } from './dtype.js'
import { ndarrayFault, raggedFault, sameShape, sizeOf } from './ndarray.js'
import { asNdArray, describe, formatShape, isNdArray, isPlainObject, isRaggedArray, joinPath, kindOf, setMember } from './nest.js'

/** How elements are stacked. */
export interface StackOptions<D extends NumberDType = NumberDType> {
  /**
   * The dtype of plain numbers. Integers that it cannot hold exactly are an error.
   * @default 'float32'
   */
  readonly numbers?: D | undefined
}

/** Stacks batch after batch. `firstIndex` is the ordinal of the first element in its stream, for error messages. */
export type Stacker<D extends NumberDType = 'float32'> = <T>(elements: readonly T[], firstIndex?: number) => Batched<T, number, D>

/**
 * Stacks elements of one structure into a batch with the same structure.
 *
 * - numbers → NdArray `[n]` of `numbers`; booleans → bool; bigints → int64; strings → string
 * - NdArrays and typed arrays of one dtype and shape → NdArray `[n, ...shape]`, copied
 * - RaggedArrays of one dtype and depth → RaggedArray with one more outer row split, copied
 * - bytes (`Uint8Array`) → a list of the same byte arrays, never copied. Always a list, whatever the lengths, so that the type of
 *   a batch does not depend on the data.
 * - objects and arrays → the same structure of batches
 *
 * @throws MillraceError `Mismatch` when structure, dtype or shape differ or a value cannot be stacked; `Lossy` when a number does
 * not fit its dtype exactly. Both name the element and the key path. RangeError when there is nothing to stack.
 */
export function stack<T, const D extends NumberDType = 'float32'>(
  elements: readonly T[], options: StackOptions<D> = {}, firstIndex = 0
): Batched<T, number, D> {
  return stacker(options)(elements, firstIndex)
}

/**
 * Makes a function that stacks batch after batch. It learns structure and dtypes from the first element it sees, and every later
 * element must have the same; shapes must agree within a batch and may differ between batches.
 */
export function stacker<const D extends NumberDType = 'float32'>(options: StackOptions<D> = {}): Stacker<D> {
  const numbers = checkNumberDType(options.numbers)
  let column: Column | undefined
  return <T>(elements: readonly T[], firstIndex = 0) => {
    if (elements.length === 0) throw new RangeError('there is no element to stack')
    column ??= compile(elements[0], numbers, '', firstIndex)
    return column(elements, firstIndex) as Batched<T, number, D>
  }
}

/** Stacks the values that all elements have at one place in the structure. */
export type Column = (values: readonly unknown[], firstIndex: number) => unknown

/** The column for a leaf, made from its value in the first element; `undefined` to have it stacked as usual. */
export type LeafHook = (value: unknown, path: string) => Column | undefined

/** Compiles the structure of one element. */
export function compile(value: unknown, numbers: NumberDType, path: string, index: number, hook?: LeafHook): Column {
  const kind = kindOf(value)
  switch (kind) {
    case 'list':
      return listColumn(
        (value as readonly unknown[]).map((item, i) => compile(item, numbers, joinPath(path, i), index, hook)),
        path
      )
    case 'object': {
      const members = value as Readonly<Record<string, unknown>>
      const keys = Object.keys(members)
      return objectColumn(keys, keys.map((key) => compile(members[key], numbers, joinPath(path, key), index, hook)), path)
    }
    case 'other':
      throw unstackable(value, path, index)
    default:
  }
  const hooked = hook?.(value, path)
  if (hooked !== undefined) return hooked
  switch (kind) {
    case 'number': return numbers === 'float32' ? float32Column(path) : numberColumn(numbers, path)
    case 'boolean': return booleanColumn(path)
    case 'bigint': return bigintColumn(path)
    case 'string': return stringColumn(path)
    case 'bytes': return bytesColumn(path)
    case 'array': return arrayColumn(asNdArray(value as NdArray | NumericArray).dtype, path)
    case 'ragged': return raggedColumn((value as RaggedArray).dtype, (value as RaggedArray).rowSplits.length, path)
  }
}

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

function arrayColumn(dtype: DType, path: string): Column {
  const width = widthOf(dtype)
  return (values, first) => {
    const n = values.length
    const head = rowAt(values, 0, first, path, dtype)
    const { shape } = head
    const fault = ndarrayFault(head)
    if (fault !== undefined) throw broken(fault, path, first)
    const size = sizeOf(shape) * width
    const storage: unknown = Object.getPrototypeOf(head.data)
    const data = allocate<DType>(dtype, n * size)
    for (let i = 0; i < n; i++) {
      const row = i === 0 ? head : rowAt(values, i, first, path, dtype)
      if (!sameShape(row.shape, shape)) throw shapeMismatch(head, row, path, first, first + i)
      if (row.data.length !== size || (Object.getPrototypeOf(row.data) !== storage && !holds(row.data, dtype))) {
        throw broken(ndarrayFault(row) ?? 'invalid data', path, first + i)
      }
      copyInto(data, row.data, i * size)
    }
    return { dtype, shape: [n, ...shape], data }
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

function raggedColumn(dtype: DType, levels: number, path: string): Column {
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
    if (over >= 0) throw new MillraceError('Limit', `a batch of ragged rows${at(path)} has ${lengths[over]} values; row splits count to 2^31 - 1`, { index: first, keyPath: path })
    const data = allocate<DType>(dtype, (lengths[levels] ?? 0) * width)
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
    return { dtype, data, rowSplits }
  }
}

function listColumn(columns: readonly Column[], path: string): Column {
  return (values, first) => {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (!Array.isArray(value) || value.length !== columns.length) throw mismatch(values, i, first, path, `an array of ${columns.length}`)
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
      if (!(same || isPlainObject(value)) || !hasKeys(value as object, keys) || (arrayLike && (isNdArray(value) || isRaggedArray(value)))) {
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

/** ` at path`, or nothing for the element itself. */
export function at(path: string): string {
  return path === '' ? '' : ` at ${path}`
}

function mismatch(values: readonly unknown[], i: number, first: number, path: string, expected: string): MillraceError {
  const value = values[i]
  if (kindOf(value) === 'other') return unstackable(value, path, first + i)
  const found = describe(value)
  const hint = found.startsWith('an array of') && expected.startsWith('an array of')
    ? ' Plain arrays are structure: make rows of numbers an NdArray with ndarray(), and pad rows of unequal length with paddedBatch.'
    : ''
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${first + i}: it has ${found}${at(path)}, but ${i > 0 ? `element ${first}` : 'the batches before'} ` +
      `${i > 0 ? 'has' : 'have'} ${expected}. The elements of a batch must have the same structure and dtypes.${hint}`,
    { index: first + i, keyPath: path }
  )
}

function shapeMismatch(head: NdArray, row: NdArray, path: string, first: number, index: number): MillraceError {
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${index}: it has shape ${formatShape(row.shape)}${at(path)}, but element ${first} has shape ` +
      `${formatShape(head.shape)} (${head.dtype}). Make the shapes equal in a map, or use paddedBatch.`,
    { index, keyPath: path }
  )
}

function unstackable(value: unknown, path: string, index: number): MillraceError {
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${index}: it has ${describe(value)}${at(path)}. A batch is made of numbers, booleans, bigints, strings, bytes, ` +
      'typed arrays, NdArrays and RaggedArrays, in plain objects and arrays; turn other values into these in a map.',
    { index, keyPath: path }
  )
}

/** The error for an NdArray or RaggedArray that contradicts itself. */
export function broken(fault: string, path: string, index: number): MillraceError {
  return new MillraceError('Mismatch', `cannot stack element ${index}: the array${at(path)} is not valid: ${fault}`, { index, keyPath: path })
}

function lossy(value: number | bigint, dtype: DType, path: string, index: number): MillraceError {
  const others = typeof value === 'number' ? alternatives(value, dtype) : []
  const ask = typeof value === 'number'
    ? `Ask for another dtype: batch(n, { numbers: ${others.join(' | ')} }) for all numbers, or scalar(x, ${others[0]}) for this one.`
    : "Bigints become int64: give this one another dtype with scalar(x, 'uint64'), or make it a string."
  return new MillraceError('Lossy', `element ${index}: ${String(value)}${at(path)} cannot be held exactly as ${dtype}. ${ask}`, { index, keyPath: path })
}

/** The dtypes that would hold it, the usual ones first. */
function alternatives(value: number, dtype: DType): string[] {
  return (['float32', 'int32', 'float64', 'int64', 'uint64'] as const)
    .filter((candidate) => candidate !== dtype && storedValue(value, candidate) !== undefined)
    .map((name) => `'${name}'`)
}
