import { MillraceError } from '../errors.js'
import type { DType, NdArray } from '../types.js'
import { storedValue } from './dtype.js'
import { at, describe, formatShape, kindOf } from './nest.js'

/** The error for a value that is something else than what the column holds. */
export function mismatch(values: readonly unknown[], i: number, first: number, path: string, expected: string): MillraceError {
  const value = values[i]
  if (kindOf(value) === 'other') return unstackable(value, path, first + i)
  const found = describe(value)
  const hint = found.startsWith('an array of') && expected.startsWith('an array of')
    ? ' Plain arrays are structure: make rows of numbers an NdArray with ndarray(), and pad rows of unequal length with paddedBatch.'
    : ''
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${first + i}: it has ${found}${at(path)}, but element ${first} has ${expected}. ` +
      `The elements of a batch must have the same structure and dtypes.${hint}`,
    { index: first + i, keyPath: path }
  )
}

/** The error for two NdArrays of different shape. */
export function shapeMismatch(head: NdArray, row: NdArray, path: string, first: number, index: number): MillraceError {
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${index}: it has shape ${formatShape(row.shape)}${at(path)}, but element ${first} has shape ` +
      `${formatShape(head.shape)} (${head.dtype}). Make the shapes equal in a map, or use paddedBatch.`,
    { index, keyPath: path }
  )
}

/** The error for a value that no batch can hold. */
export function unstackable(value: unknown, path: string, index: number): MillraceError {
  return new MillraceError(
    'Mismatch',
    `cannot stack element ${index}: it has ${describe(value)}${at(path)}. A batch is made of numbers, booleans, bigints, strings, bytes, ` +
      'typed arrays, NdArrays and RaggedArrays, in plain objects and arrays; turn other values into these in a map.',
    { index, keyPath: path }
  )
}

/** The error for an NdArray or RaggedArray that contradicts itself. */
export function broken(fault: string, path: string, index: number): MillraceError {
  const text = `cannot stack element ${index}: the array${at(path)} is not valid: ${fault}`
  return new MillraceError('Mismatch', text, { index, keyPath: path })
}

/** The error for a number that its dtype cannot hold exactly. */
export function lossy(value: number | bigint, dtype: DType, path: string, index: number): MillraceError {
  const others = typeof value === 'number' ? alternatives(value, dtype) : []
  const ask = typeof value === 'number'
    ? `Ask for another dtype: batch(n, { numbers: ${others.join(' | ')} }) for all numbers, or scalar(x, ${others[0]}) for this one.`
    : "Bigints become int64: give this one another dtype with scalar(x, 'uint64'), or make it a string."
  const text = `element ${index}: ${String(value)}${at(path)} cannot be held exactly as ${dtype}. ${ask}`
  return new MillraceError('Lossy', text, { index, keyPath: path })
}

/** The dtypes that would hold it, the usual ones first. */
function alternatives(value: number, dtype: DType): string[] {
  return (['float32', 'int32', 'float64', 'int64', 'uint64'] as const)
    .filter((candidate) => candidate !== dtype && storedValue(value, candidate) !== undefined)
    .map((name) => `'${name}'`)
}
