import { MillraceError } from '../errors.js'
import type { DType, ElementSpec, LeafSpec, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import { isBytes, isDType } from './dtype.js'
import { asNdArray, at, describe, formatShape, isPlainObject, joinPath, kindOf } from './nest.js'
import { formatSpec, isLeafSpec } from './spec.js'

/** Throws where a value does not fit. */
type Check = (value: unknown) => void

/** The spec itself, once it is known to be one. @throws TypeError that names the place that is none. */
export function checkSpec(where: string, spec: ElementSpec, path = ''): ElementSpec {
  if (isLeafSpec(spec)) {
    const known = isDType(spec.dtype) || spec.dtype === 'bytes' || spec.dtype === 'unknown'
    if (!known) throw new TypeError(`${where}: unknown dtype '${spec.dtype}'${at(path)}`)
    if (!spec.shape.every(length => Number.isInteger(length) && length >= -1)) {
      throw new TypeError(`${where}: the shape${at(path)} must be a list of lengths, -1 for an axis of any length, not ${JSON.stringify(spec.shape)}`)
    }
    if (spec.dtype === 'bytes' && spec.shape.length > 1) throw new TypeError(`${where}: bytes${at(path)} have shape [], lists of bytes [n], not ${formatShape(spec.shape)}`)
    return spec
  }
  if (!Array.isArray(spec) && !isPlainObject(spec)) throw new TypeError(`${where}: expected { dtype, shape } or a structure of them${at(path)}, got ${describe(spec)}`)
  for (const [key, member] of Object.entries(spec as object)) checkSpec(where, member as ElementSpec, joinPath(path, Array.isArray(spec) ? Number(key) : key))
  return spec
}

/**
 * Makes a function that returns every element that fits the spec, and throws for others.
 *
 * @throws MillraceError `Mismatch` with the key path, from that function.
 */
export function specChecker(spec: ElementSpec): <T>(element: T) => T {
  const check = compile(spec, '')
  return element => {
    check(element)
    return element
  }
}

function compile(spec: ElementSpec, path: string): Check {
  if (isLeafSpec(spec)) return compileLeaf(spec, path)
  if (Array.isArray(spec)) {
    const items = (spec as readonly ElementSpec[]).map((item, i) => compile(item, joinPath(path, i)))
    return value => {
      if (!Array.isArray(value) || value.length !== items.length) throw misfit(value, spec, path)
      for (let i = 0; i < items.length; i++) (items[i] as Check)(value[i])
    }
  }
  const members = Object.entries(spec).map(([key, member]) => [key, compile(member, joinPath(path, key))] as const)
  const known = new Set(members.map(([key]) => key))
  return value => {
    if (kindOf(value) !== 'object') throw misfit(value, spec, path)
    let count = 0
    for (const key in value as object) {
      if (!known.has(key)) throw new MillraceError('Mismatch', `the element has ${joinPath(path, key)}, which the declared spec ${formatSpec(spec)} does not have`, { keyPath: joinPath(path, key) })
      count++
    }
    for (const [key, check] of members) {
      const member = (value as Readonly<Record<string, unknown>>)[key]
      if (count < members.length && !Object.hasOwn(value as object, key)) {
        throw new MillraceError('Mismatch', `the element has no ${joinPath(path, key)}, which the declared spec has`, { keyPath: joinPath(path, key) })
      }
      check(member)
    }
  }
}

/** What a plain value is stored as. */
const PLAIN: Readonly<Record<string, string>> = { float32: 'number', bool: 'boolean', int64: 'bigint', string: 'string' }

function compileLeaf(spec: LeafSpec, path: string): Check {
  const { dtype, shape } = spec
  if (dtype === 'unknown') return () => undefined
  if (dtype === 'bytes') {
    const [length] = shape
    return value => {
      const fits = length === undefined ? isBytes(value) : Array.isArray(value) && (length < 0 || value.length === length) && value.every(isBytes)
      if (!fits) throw misfit(value, spec, path)
    }
  }
  const plain = shape.length === 0 ? PLAIN[dtype] : undefined
  return value => {
    if (plain !== undefined && typeof value === plain) return
    if (!fitsArray(value, dtype, shape)) throw misfit(value, spec, path)
  }
}

function fitsArray(value: unknown, dtype: DType, shape: Shape): boolean {
  const kind = kindOf(value)
  if (kind === 'array') {
    const array = asNdArray(value as NdArray | NumericArray)
    if (array.dtype !== dtype || array.shape.length !== shape.length) return false
    for (let axis = 0; axis < shape.length; axis++) if (shape[axis] !== -1 && shape[axis] !== array.shape[axis]) return false
    return true
  }
  if (kind !== 'ragged') return false
  const { dtype: found, data, rowSplits } = value as RaggedArray
  const rows = rowSplits[0] === undefined ? data.length : rowSplits[0].length - 1
  return found === dtype && shape.length === rowSplits.length + 1 && shape.every((length, axis) => length === -1 || (axis === 0 && length === rows))
}

function misfit(value: unknown, spec: ElementSpec, path: string): MillraceError {
  return new MillraceError('Mismatch', `the element is ${describe(value)}${at(path)}, but ${formatSpec(spec)} was declared`, { keyPath: path })
}
