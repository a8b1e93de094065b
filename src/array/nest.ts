import type { DType, NdArray, NumericArray, RaggedArray, Shape } from '../types.js'
import { dtypeOfArray, isBytes, isDType, tagOf } from './dtype.js'

/**
 * What a value is inside an element. `array` is an {@link NdArray} or a typed array that stands for one, `bytes` a
 * `Uint8Array`; `list` and `object` are structure; `other` cannot be batched.
 */
export type Kind = 'number' | 'boolean' | 'bigint' | 'string' | 'bytes' | 'array' | 'ragged' | 'list' | 'object' | 'other'

/** True for an object with a known `dtype`, a `shape` and `data`, whatever made it. */
export function isNdArray(value: unknown): value is NdArray {
  if (typeof value !== 'object' || value === null) return false
  const { dtype, shape, data } = value as Partial<NdArray>
  return isDType(dtype) && Array.isArray(shape) && (Array.isArray(data) || ArrayBuffer.isView(data))
}

/** True for an object with a known `dtype`, `data` and `rowSplits`, whatever made it. */
export function isRaggedArray(value: unknown): value is RaggedArray {
  if (typeof value !== 'object' || value === null) return false
  const { dtype, data, rowSplits } = value as Partial<RaggedArray>
  return isDType(dtype) && Array.isArray(rowSplits) && (Array.isArray(data) || ArrayBuffer.isView(data))
}

/** True for an object literal and the like, of any realm; false for arrays and instances of classes. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const proto: unknown = Object.getPrototypeOf(value)
  return proto === null || Object.getPrototypeOf(proto) === null
}

/** Says what a value is inside an element. */
export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'bigint':
    case 'string':
      return typeof value as Kind
    case 'object':
      break
    default:
      return 'other'
  }
  if (value === null) return 'other'
  if (ArrayBuffer.isView(value)) return isBytes(value) ? 'bytes' : dtypeOfArray(value) === undefined ? 'other' : 'array'
  if (Array.isArray(value)) return 'list'
  if (isNdArray(value)) return 'array'
  if (isRaggedArray(value)) return 'ragged'
  return isPlainObject(value) ? 'object' : 'other'
}

/** The {@link NdArray} that a value of kind `array` is or stands for. Nothing is copied. */
export function asNdArray(value: NdArray | NumericArray): NdArray {
  if (!ArrayBuffer.isView(value)) return value
  const dtype = dtypeOfArray(value) as DType
  const data = tagOf(value) === 'Uint8ClampedArray' ? new Uint8Array(value.buffer, value.byteOffset, value.length) : value
  return { dtype, shape: [value.length], data: data as NdArray['data'] }
}

/** The path of a member: `image.pixels[2]`. The path of the element itself is `''`. */
export function joinPath(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`
  if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)) return `${parent}[${JSON.stringify(key)}]`
  return parent === '' ? key : `${parent}.${key}`
}

/** ` at path`, or nothing for the element itself. */
export function at(path: string): string {
  return path === '' ? '' : ` at ${path}`
}

/** Sets a member of a fresh object, whatever the key: assigning to `__proto__` would not make a member. */
export function setMember(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

/** A shape as errors and specs print it: `[2, 3]`, with `?` for an axis of any length. */
export function formatShape(shape: Shape): string {
  return `[${shape.map((length) => (length === -1 ? '?' : String(length))).join(', ')}]`
}

/** What a value is, for error messages. */
export function describe(value: unknown): string {
  switch (kindOf(value)) {
    case 'number': return 'a number'
    case 'boolean': return 'a boolean'
    case 'bigint': return 'a bigint'
    case 'string': return 'a string'
    case 'bytes': return 'bytes (Uint8Array)'
    case 'array': {
      const { dtype, shape } = asNdArray(value as NdArray | NumericArray)
      return `an NdArray ${dtype} ${formatShape(shape)}`
    }
    case 'ragged': {
      const { dtype, rowSplits } = value as RaggedArray
      return `a RaggedArray ${dtype} with ${rowSplits.length} row splits`
    }
    case 'list': return `an array of ${(value as readonly unknown[]).length}`
    case 'object': {
      const keys = Object.keys(value as object)
      const some = keys.slice(0, 8).join(', ') + (keys.length > 8 ? ', …' : '')
      return keys.length === 0 ? 'an object without keys' : `an object { ${some} }`
    }
    case 'other':
  }
  if (value === undefined || value === null) return String(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object of a class'
}

/** True when one compiled form serves both elements: the same structure, and the same dtype and rank at every array. */
export function alike(a: unknown, b: unknown): boolean {
  const kind = kindOf(a)
  if (kind !== kindOf(b)) return false
  switch (kind) {
    case 'list': {
      const [items, others] = [a as readonly unknown[], b as readonly unknown[]]
      return items.length === others.length && items.every((item, i) => alike(item, others[i]))
    }
    case 'object': {
      const [members, others] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
      const keys = Object.keys(members)
      return keys.length === Object.keys(others).length && keys.every(key => Object.hasOwn(others, key) && alike(members[key], others[key]))
    }
    case 'array': {
      const [array, other] = [asNdArray(a as NdArray | NumericArray), asNdArray(b as NdArray | NumericArray)]
      return array.dtype === other.dtype && array.shape.length === other.shape.length
    }
    case 'ragged':
      return (a as RaggedArray).dtype === (b as RaggedArray).dtype && (a as RaggedArray).rowSplits.length === (b as RaggedArray).rowSplits.length
    default:
      return true
  }
}
