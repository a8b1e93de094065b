/** The arrays that transforms work on, from whatever stands for one in an element. */
import { allocate } from '../array/dtype.js'
import { ndarrayFault, scalar } from '../array/ndarray.js'
import { asNdArray, at, describe, kindOf } from '../array/nest.js'
import { MillraceError } from '../errors.js'
import type { NdArray, NumericArray } from '../types.js'

/** The error for a part of an element that a transform does not take. */
export function refused(name: string, text: string, keyPath: string): MillraceError {
  return new MillraceError('Mismatch', `${name}: ${text}`, { keyPath })
}

/** The NdArray that a value is or stands for: NdArrays and typed arrays are arrays, bytes are not. */
export function arrayAt(name: string, value: unknown, path: string): NdArray {
  const kind = kindOf(value)
  if (kind === 'array') {
    const array = asNdArray(value as NdArray | NumericArray)
    const fault = ndarrayFault(array)
    if (fault !== undefined) throw refused(name, `the array${at(path)} is not valid: ${fault}`, path)
    return array
  }
  const hint = kind === 'bytes' ? '; bytes become arrays with decodeRaw, decodeImage or parseTensor' : '; it takes NdArrays and typed arrays'
  throw refused(name, `there is ${describe(value)}${at(path)}${hint}`, path)
}

/** As {@link arrayAt}; plain scalars are arrays of rank 0, of the dtype that they are stacked to. */
export function arrayOrScalar(name: string, value: unknown, path: string): NdArray {
  switch (typeof value) {
    case 'number': return Number.isInteger(value) ? exactly(name, value, 'float32', path) : { dtype: 'float32', shape: [], data: Float32Array.of(value) }
    case 'boolean': return scalar(value, 'bool')
    case 'bigint': return exactly(name, value, 'int64', path)
    case 'string': return { dtype: 'string', shape: [], data: [value] }
    default: return arrayAt(name, value, path)
  }
}

function exactly(name: string, value: number | bigint, dtype: 'float32' | 'int64', path: string): NdArray {
  try {
    return scalar(value, dtype)
  } catch (cause) {
    throw new MillraceError('Lossy', `${name}: ${value}${at(path)} cannot be held exactly as ${dtype}`, { keyPath: path, cause })
  }
}

/** A scalar as rows have it: plain where its dtype has a plain form, else an array of rank 0. */
export function plainScalar({ dtype, data }: NdArray): unknown {
  switch (dtype) {
    case 'float32':
    case 'int64':
    case 'string':
      return data[0]
    case 'bool':
      return data[0] !== 0
    default:
      return { dtype, shape: [], data }
  }
}

/** True for what is a scalar without an array around it. */
export const isPlain = (value: unknown): boolean => typeof value !== 'object'

/**
 * The array at one place of a batch. `plain` says which of its rows may be plain scalars for the batch to be transformed as a
 * whole: `'any'`, none at all, or all but numbers, which were rounded to float32 when they were stacked.
 */
export function batchAt(name: string, value: unknown, path: string, row: unknown, plain: 'any' | 'none' | 'exact'): NdArray {
  const array = arrayAt(name, value, path)
  const { dtype, shape } = array
  if (shape.length === 0) throw refused(name, `the array${at(path)} has no rows`, path)
  if (shape.length > 1 || plain === 'any' || (row !== undefined && !isPlain(row))) return array
  const loses = plain === 'exact' ? dtype === 'float32' : dtype === 'float32' || dtype === 'bool' || dtype === 'int64' || dtype === 'string'
  if (loses) throw refused(name, `the rows${at(path)} may be plain scalars`, path)
  return array
}

/** An array of the same dtype with other data. */
export function withData(array: NdArray, shape: readonly number[], data: NdArray['data']): NdArray {
  return { dtype: array.dtype, shape, data }
}

/** Data of the same dtype, all zero. */
export const roomFor = (array: NdArray, length: number): NdArray['data'] => allocate(array.dtype, length)
