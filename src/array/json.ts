import { MillraceError } from '../errors.js'
import type { Json, NdArray, RaggedArray } from '../types.js'
import { isNumericArray, tagOf } from './dtype.js'
import { at, describe, isNdArray, isPlainObject, isRaggedArray, joinPath, setMember } from './nest.js'

/**
 * Writes a value as JSON from which {@link decodeJson} makes the same value again, exactly: `null`, booleans, strings, numbers
 * (also NaN, ±Infinity and -0), bigints, `undefined`, bytes, typed arrays, NdArrays, RaggedArrays, and plain objects and arrays
 * of these.
 *
 * Layout: what JSON can hold stands for itself. The rest is an object with the key `$`: `{ $: 'number' | 'bigint', v: text }`,
 * `{ $: 'undefined' }`, `{ $: 'Uint8Array' | 'Float32Array' | …, v: base64 of the little-endian bytes }`. An object that has a
 * key beginning with `$` is `{ $: 'object', v: [[key, value], …] }`.
 *
 * @throws MillraceError `Checkpoint`, with the key path, for anything else: functions, class instances, cycles.
 */
export function encodeJson(value: unknown): Json {
  return encode(value, '', [])
}

/** Makes the value that {@link encodeJson} has written. @throws MillraceError `Checkpoint` for JSON of another layout. */
export function decodeJson(json: Json): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (isJsonArray(json)) return json.map(decodeJson)
  if (Object.hasOwn(json, '$')) return decodeTagged(json)
  const value: Record<string, unknown> = {}
  for (const key of Object.keys(json)) setMember(value, key, decodeJson(json[key] ?? null))
  return value
}

/** Bytes as base64 text. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let start = 0; start < bytes.length; start += 0x2000) {
    // `apply` takes any array-like; spreading would iterate, which is 5 × slower.
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + 0x2000) as unknown as number[])
  }
  return btoa(text)
}

/** The bytes of base64 text. @throws MillraceError `Checkpoint` when it is none. */
export function fromBase64(base64: string): Uint8Array {
  let text: string
  try {
    text = atob(base64)
  } catch (cause) {
    throw new MillraceError('Checkpoint', 'a saved state has bytes that are no base64 text', { cause })
  }
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

function encode(value: unknown, path: string, parents: readonly object[]): Json {
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return value
    case 'number':
      if (Object.is(value, -0)) return { $: 'number', v: '-0' }
      return Number.isFinite(value) ? value : { $: 'number', v: String(value) }
    case 'bigint':
      return { $: 'bigint', v: String(value) }
    case 'undefined':
      return { $: 'undefined' }
    case 'object':
      break
    default:
      throw refused(value, path)
  }
  if (value === null) return null
  if (ArrayBuffer.isView(value)) {
    if (tagOf(value) !== 'Uint8Array' && !isNumericArray(value)) throw refused(value, path)
    return { $: tagOf(value) ?? '', v: toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) }
  }
  if (parents.includes(value)) {
    throw new MillraceError('Checkpoint', `cannot write${at(path)} as JSON: the object contains itself`, { keyPath: path })
  }
  const inside = [...parents, value]
  if (Array.isArray(value)) return Array.from(value, (item, i) => encode(item, joinPath(path, i), inside))
  const members = plainMembers(value)
  if (members === undefined) throw refused(value, path)
  const entries = Object.keys(members).map((key) => [key, encode(members[key], joinPath(path, key), inside)] as const)
  if (entries.some(([key]) => key.startsWith('$') || key === '__proto__')) return { $: 'object', v: entries }
  return Object.fromEntries(entries)
}

/** NdArrays and RaggedArrays may be instances of a class; their members are what counts. */
function plainMembers(value: object): Readonly<Record<string, unknown>> | undefined {
  if (isPlainObject(value)) return Object.getOwnPropertySymbols(value).length === 0 ? value : undefined
  if (isNdArray(value)) return { dtype: value.dtype, shape: value.shape, data: value.data } satisfies NdArray
  if (isRaggedArray(value)) return { dtype: value.dtype, data: value.data, rowSplits: value.rowSplits } satisfies RaggedArray
  return undefined
}

function refused(value: unknown, path: string): MillraceError {
  return new MillraceError(
    'Checkpoint',
    `cannot write ${describe(value)}${at(path)} as JSON; use numbers, booleans, bigints, strings, bytes, typed arrays and NdArrays, ` +
      'in plain objects and arrays',
    { keyPath: path }
  )
}

const VIEWS: Readonly<Record<string, { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer): ArrayBufferView }>> = {
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array
}

function decodeTagged(json: { readonly [key: string]: Json }): unknown {
  const { $: tag, v } = json
  if (tag === 'undefined') return undefined
  if (tag === 'number' && typeof v === 'string') return Number(v)
  if (tag === 'bigint' && typeof v === 'string' && /^-?\d+$/.test(v)) return BigInt(v)
  if (tag === 'object' && isJsonArray(v)) {
    const value: Record<string, unknown> = {}
    for (const entry of v) {
      if (!isJsonArray(entry) || typeof entry[0] !== 'string' || entry[1] === undefined) throw unreadable(json)
      setMember(value, entry[0], decodeJson(entry[1]))
    }
    return value
  }
  if (typeof tag === 'string' && typeof v === 'string' && Object.hasOwn(VIEWS, tag)) {
    const View = VIEWS[tag]
    const bytes = fromBase64(v)
    if (View !== undefined && bytes.length % View.BYTES_PER_ELEMENT === 0) return new View(bytes.buffer as ArrayBuffer)
  }
  throw unreadable(json)
}

function unreadable(json: Json): MillraceError {
  const text = JSON.stringify(json).slice(0, 80)
  return new MillraceError('Checkpoint', `a saved state has a value that is not of this version's layout: ${text}`)
}

function isJsonArray(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json)
}
