import { tagOf } from './dtype.js'

/**
 * True when two elements are the same: same structure, dtypes, shapes and values. NaN equals NaN, and 0 does not equal -0. The
 * order of keys does not count; a missing key is not the same as `undefined`. A typed array and the NdArray that it stands for
 * differ.
 */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const tag = tagOf(a)
  if (tag !== tagOf(b)) return false
  if (tag === 'DataView') return sameBytes(a as DataView, b as DataView)
  if (tag !== undefined && tag !== 'Array') return sameItems(a as ArrayLike<unknown>, b as ArrayLike<unknown>)
  if (tag === 'Array') {
    const [x, y] = [a as readonly unknown[], b as readonly unknown[]]
    if (x.length !== y.length) return false
    for (let i = 0; i < x.length; i++) if (!equal(x[i], y[i])) return false
    return true
  }
  if (!sameClass(a, b)) return false
  if (isKind<Date>(a, 'Date')) return Object.is(a.getTime(), (b as Date).getTime())
  if (isKind<ReadonlyMap<unknown, unknown>>(a, 'Map') || isKind<ReadonlySet<unknown>>(a, 'Set')) {
    return equal([...a], [...(b as typeof a)])
  }
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  for (const key of keys) if (!Object.hasOwn(y, key) || !equal(x[key], y[key])) return false
  // Instances without members of their own (promises, regular expressions, …) say nothing about their content.
  return keys.length > 0 || isPlain(a)
}

function sameItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false
  return true
}

function sameBytes(a: DataView, b: DataView): boolean {
  return sameItems(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength))
}

/** The same class; objects without a prototype count as plain ones, and so do those of another realm. */
function sameClass(a: object, b: object): boolean {
  return Object.getPrototypeOf(a) === Object.getPrototypeOf(b) || (isPlain(a) && isPlain(b))
}

function isPlain(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value)
  return proto === null || Object.getPrototypeOf(proto) === null
}

function isKind<T>(value: object, name: string): value is object & T {
  return Object.prototype.toString.call(value) === `[object ${name}]`
}
