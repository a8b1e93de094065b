import type { ElementSpec, LeafSpec, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import type { NumberDType } from './dtype.js'
import { isBytes, widthOf } from './dtype.js'
import { asNdArray, formatShape, kindOf, setMember } from './nest.js'

const UNKNOWN: LeafSpec = Object.freeze({ dtype: 'unknown', shape: Object.freeze([]) })

/**
 * The structure of an element, with dtype and shape of every leaf.
 *
 * Scalars have the dtype that they batch to and shape `[]` (plain numbers `numbers`, float32 by default); bytes are `bytes []`,
 * and a list of bytes is `bytes [n]`, as `batch` makes it. In a RaggedArray every axis but the first is `-1`. What cannot be
 * batched is `unknown`.
 */
export function specOf(element: unknown, numbers: NumberDType = 'float32'): ElementSpec {
  const kind = kindOf(element)
  switch (kind) {
    case 'number': return leaf(numbers)
    case 'boolean': return leaf('bool')
    case 'bigint': return leaf('int64')
    case 'string': return leaf('string')
    case 'bytes': return leaf('bytes')
    case 'array': {
      const { dtype, shape } = asNdArray(element as NdArray | NumericArray)
      return leaf(dtype, shape.slice())
    }
    case 'ragged': {
      const { dtype, data, rowSplits } = element as RaggedArray
      const rows = rowSplits[0] === undefined ? data.length / widthOf(dtype) : rowSplits[0].length - 1
      return leaf(dtype, [rows, ...rowSplits.map(() => -1)])
    }
    case 'list': {
      const items = element as readonly unknown[]
      return items.length > 0 && items.every(isBytes) ? leaf('bytes', [items.length]) : items.map((item) => specOf(item, numbers))
    }
    case 'object': return mapMembers(element as Readonly<Record<string, unknown>>, (member) => specOf(member, numbers))
    case 'other': return UNKNOWN
  }
}

/**
 * The spec that covers both: axes of different length become `-1`; where dtype, rank or structure differ, the leaf is `unknown`.
 */
export function mergeSpecs(a: ElementSpec, b: ElementSpec): ElementSpec {
  if (isLeafSpec(a) || isLeafSpec(b)) {
    if (!isLeafSpec(a) || !isLeafSpec(b) || a.dtype !== b.dtype || a.shape.length !== b.shape.length) return UNKNOWN
    return leaf(a.dtype, a.shape.map((length, axis) => (length === b.shape[axis] ? length : -1)))
  }
  if (isList(a) || isList(b)) {
    if (!isList(a) || !isList(b) || a.length !== b.length) return UNKNOWN
    return a.map((item, i) => mergeSpecs(item, b[i] ?? UNKNOWN))
  }
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length || !keys.every((key) => Object.hasOwn(b, key))) return UNKNOWN
  return mapMembers(a, (member, key) => mergeSpecs(member, b[key] ?? UNKNOWN))
}

/** The spec of a batch of `size` such elements; `-1` when the size may differ from batch to batch. */
export function batchSpec(spec: ElementSpec, size = -1): ElementSpec {
  if (isLeafSpec(spec)) {
    if (spec.dtype === 'unknown') return UNKNOWN
    if (spec.dtype !== 'bytes' || spec.shape.length === 0) return leaf(spec.dtype, [size, ...spec.shape])
    // A list of bytes is structure: its batch has a list of bytes per position.
    const items = spec.shape[0] ?? -1
    return items < 0 ? UNKNOWN : Array.from({ length: items }, () => leaf('bytes', [size]))
  }
  if (isList(spec)) return spec.map((item) => batchSpec(item, size))
  return mapMembers(spec, (member) => batchSpec(member, size))
}

/** A spec as text: `{ image: uint8[28, 28], label: int64[] }`, with `?` for an axis of any length. */
export function formatSpec(spec: ElementSpec): string {
  if (isLeafSpec(spec)) return spec.dtype === 'unknown' ? 'unknown' : spec.dtype + formatShape(spec.shape)
  if (isList(spec)) return `[${spec.map(formatSpec).join(', ')}]`
  const name = (key: string): string => (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? key : JSON.stringify(key))
  const members = Object.entries(spec).map(([key, member]) => `${name(key)}: ${formatSpec(member)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

/** True for the spec of a leaf. In a structure, `dtype` would be a spec and no name. */
export function isLeafSpec(spec: ElementSpec): spec is LeafSpec {
  return typeof (spec as Partial<LeafSpec>).dtype === 'string' && Array.isArray((spec as Partial<LeafSpec>).shape)
}

function isList(spec: ElementSpec): spec is readonly ElementSpec[] {
  return Array.isArray(spec)
}

function leaf(dtype: LeafSpec['dtype'], shape: Shape = []): LeafSpec {
  return { dtype, shape }
}

function mapMembers<T>(members: { readonly [key: string]: T }, map: (member: T, key: string) => ElementSpec): ElementSpec {
  const spec: Record<string, ElementSpec> = {}
  for (const [key, member] of Object.entries(members)) setMember(spec, key, map(member, key))
  return spec
}
