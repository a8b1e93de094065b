import type { DataOf, DType, NumericArray } from '../types.js'

/** The dtypes that plain JavaScript numbers can be stored in. */
export type NumberDType =
  | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'float32' | 'float64'

/** The dtype whose values a typed array holds. `Uint8Array` counts as uint8 here; as an element it is a byte string. */
export type DTypeOfArray<A> =
  A extends Float32Array ? 'float32'
  : A extends Float64Array ? 'float64'
  : A extends Int32Array ? 'int32'
  : A extends Uint8Array | Uint8ClampedArray ? 'uint8'
  : A extends Int8Array ? 'int8'
  : A extends Int16Array ? 'int16'
  : A extends Uint16Array ? 'uint16'
  : A extends Uint32Array ? 'uint32'
  : A extends BigInt64Array ? 'int64'
  : A extends BigUint64Array ? 'uint64'
  : never

interface Storage {
  /** What `Symbol.toStringTag` of the data says; works across realms, unlike `instanceof`. */
  readonly tag: string
  /** Bytes of one item of the data; 0 for strings. */
  readonly bytes: number
  /** Items of the data per value: 2 for complex numbers. */
  readonly width: number
  readonly make: (length: number) => DataOf[DType]
}

const STORAGE: { readonly [D in DType]: Storage } = {
  bool: { tag: 'Uint8Array', bytes: 1, width: 1, make: (n) => new Uint8Array(n) },
  int8: { tag: 'Int8Array', bytes: 1, width: 1, make: (n) => new Int8Array(n) },
  uint8: { tag: 'Uint8Array', bytes: 1, width: 1, make: (n) => new Uint8Array(n) },
  int16: { tag: 'Int16Array', bytes: 2, width: 1, make: (n) => new Int16Array(n) },
  uint16: { tag: 'Uint16Array', bytes: 2, width: 1, make: (n) => new Uint16Array(n) },
  int32: { tag: 'Int32Array', bytes: 4, width: 1, make: (n) => new Int32Array(n) },
  uint32: { tag: 'Uint32Array', bytes: 4, width: 1, make: (n) => new Uint32Array(n) },
  int64: { tag: 'BigInt64Array', bytes: 8, width: 1, make: (n) => new BigInt64Array(n) },
  uint64: { tag: 'BigUint64Array', bytes: 8, width: 1, make: (n) => new BigUint64Array(n) },
  float16: { tag: 'Uint16Array', bytes: 2, width: 1, make: (n) => new Uint16Array(n) },
  bfloat16: { tag: 'Uint16Array', bytes: 2, width: 1, make: (n) => new Uint16Array(n) },
  float32: { tag: 'Float32Array', bytes: 4, width: 1, make: (n) => new Float32Array(n) },
  float64: { tag: 'Float64Array', bytes: 8, width: 1, make: (n) => new Float64Array(n) },
  string: { tag: 'Array', bytes: 0, width: 1, make: (n) => new Array<string>(n).fill('') },
  complex64: { tag: 'Float32Array', bytes: 4, width: 2, make: (n) => new Float32Array(n) },
  complex128: { tag: 'Float64Array', bytes: 8, width: 2, make: (n) => new Float64Array(n) }
}

const BY_TAG: Readonly<Record<string, DType>> = {
  Int8Array: 'int8', Uint8Array: 'uint8', Uint8ClampedArray: 'uint8', Int16Array: 'int16', Uint16Array: 'uint16',
  Int32Array: 'int32', Uint32Array: 'uint32', BigInt64Array: 'int64', BigUint64Array: 'uint64',
  Float32Array: 'float32', Float64Array: 'float64'
}

const NUMBER_DTYPES: ReadonlySet<string> = new Set<NumberDType>([
  'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32', 'float64'
])

/** The names of all dtypes. */
export const DTYPES = Object.freeze(Object.keys(STORAGE) as DType[])

/** True for the name of a dtype. */
export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && Object.hasOwn(STORAGE, name)
}

/** True for the name of a dtype that plain numbers can be stored in. */
export function isNumberDType(name: unknown): name is NumberDType {
  return typeof name === 'string' && NUMBER_DTYPES.has(name)
}

/** The given dtype, if plain numbers can be stored in it; `'float32'` for `undefined`. Throws `TypeError` otherwise. */
export function checkNumberDType(name: unknown, option = 'numbers'): NumberDType {
  if (name === undefined) return 'float32'
  if (isNumberDType(name)) return name
  const names = [...NUMBER_DTYPES].join(', ')
  throw new TypeError(`${option} must be a dtype that holds plain numbers (${names}), not ${typeof name === 'string' ? `'${name}'` : typeof name}`)
}

/** Items of the data per value: 2 for complex dtypes, else 1. */
export function widthOf(dtype: DType): number {
  return STORAGE[dtype].width
}

/** Bytes of one value; 0 for strings, whose size depends on the text. */
export function bytesPerValue(dtype: DType): number {
  return STORAGE[dtype].bytes * STORAGE[dtype].width
}

/** Data of a dtype, all zero (`''` for strings). `length` counts items of the data, not values: two per complex number. */
export function allocate<D extends DType>(dtype: D, length: number): DataOf[D] {
  return STORAGE[dtype].make(length) as DataOf[D]
}

/** The name of a typed array or `DataView`, of any realm; `'Array'` for an array. */
export function tagOf(data: unknown): string | undefined {
  if (ArrayBuffer.isView(data)) return (data as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag]
  return Array.isArray(data) ? 'Array' : undefined
}

/** True for data that can hold values of the dtype. */
export function holds<D extends DType>(data: unknown, dtype: D): data is DataOf[D] {
  return tagOf(data) === STORAGE[dtype].tag
}

/** The name of the class that holds the values of the dtype. */
export function storageName(dtype: DType): string {
  return STORAGE[dtype].tag
}

/** The dtype whose values a typed array holds (uint8 for `Uint8Array`); `undefined` for anything else. */
export function dtypeOfArray(data: unknown): DType | undefined {
  return ArrayBuffer.isView(data) ? BY_TAG[tagOf(data) ?? ''] : undefined
}

/** True for a `Uint8Array` (a Node `Buffer` is one): a byte string. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && tagOf(value) === 'Uint8Array'
}

/** True for a typed array that stands for a rank-1 array: every one but `Uint8Array`. */
export function isNumericArray(value: unknown): value is NumericArray {
  if (!ArrayBuffer.isView(value)) return false
  const tag = tagOf(value)
  return tag !== 'Uint8Array' && Object.hasOwn(BY_TAG, tag ?? '')
}

/**
 * What has to be stored in the data of the dtype to hold this value without losing anything: itself, `0`/`1` for a boolean, a
 * bigint for a number in (u)int64. `undefined` when the dtype cannot hold it exactly. A fraction counts as held by
 * float32, which rounds it; an integer must be held exactly.
 */
export function storedValue(value: unknown, dtype: DType): number | bigint | string | undefined {
  switch (dtype) {
    case 'bool':
      return typeof value === 'boolean' ? Number(value) : undefined
    case 'string':
      return typeof value === 'string' ? value : undefined
    case 'int64':
    case 'uint64': {
      if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) return undefined
      const big = BigInt(value)
      return (dtype === 'int64' ? BigInt.asIntN(64, big) : BigInt.asUintN(64, big)) === big ? big : undefined
    }
    case 'float16':
    case 'bfloat16':
      return value === 0 && !Object.is(value, -0) ? 0 : undefined
    case 'float64':
    case 'complex128':
      return typeof value === 'number' ? value : undefined
    case 'float32':
    case 'complex64':
      return typeof value === 'number' && (Math.fround(value) === value || !Number.isInteger(value)) ? value : undefined
    default: {
      if (typeof value !== 'number') return undefined
      const cell = allocate(dtype, 1)
      cell[0] = value
      return cell[0] === value ? value : undefined
    }
  }
}
