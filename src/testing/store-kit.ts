/** What the cases of the suite of stores have in common: the place of a case, bytes to write, and checks that say what was expected. */
import { isMillraceError, type ErrorKind, type MillraceError } from '../errors.js'
import type { ByteSource, ObjectBytes, ObjectMeta, Store } from '../store.js'
import type { StoreFeature, StoreFixture } from './store.js'

/** A name and what is checked. */
export type StoreCase = readonly [name: string, body: (kit: Kit) => Promise<void>]

/** What a case is given. */
export interface Kit {
  readonly store: Store
  readonly prefix: string
  readonly fixture: StoreFixture
  readonly uri: (name: string) => string
  readonly list: (prefix?: string) => Promise<ObjectMeta[]>
  readonly has: (feature: StoreFeature) => boolean
}

export function kitOf(fixture: StoreFixture): Kit {
  const { store, prefix, encode = (name) => name, lacks = [] } = fixture
  return {
    store,
    prefix,
    fixture,
    has: (feature) => !lacks.includes(feature),
    uri: (name) => prefix + name.split('/').map(encode).join('/'),
    async list(begin = prefix) {
      const found: ObjectMeta[] = []
      for await (const page of store.list(begin)) found.push(...page)
      return found
    }
  }
}

/** A length that no size of a block or part is a multiple of, so that bytes at a wrong place are seen. */
const PERIOD = 65_521

/** Bytes that look random, the same for the same seed. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const { imul } = Math
  const once = Math.min(length, PERIOD)
  for (let i = 0, x = seed * 2654435761 + 12345; i < once; i++) {
    x = (imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = x >>> 16
  }
  for (let done = once; done < length; done *= 2) bytes.copyWithin(done, 0, Math.min(done, length - done))
  return bytes
}

export async function readRange(source: ByteSource, from: number, to: number): Promise<Uint8Array> {
  const into = new Uint8Array(to - from)
  await source.read(from, into)
  return into
}

export function readWhole(source: ByteSource): Promise<Uint8Array> {
  return readRange(source, 0, source.byteLength)
}

export async function using(opening: Promise<ByteSource>, body: (source: ByteSource) => unknown): Promise<void> {
  const source = await opening
  try {
    await body(source)
  } finally {
    await source.close()
  }
}

export async function oldOr(kinds: readonly ErrorKind[], reading: Promise<Uint8Array>, old: Uint8Array): Promise<void> {
  const [result] = await Promise.allSettled([reading])
  if (result.status === 'fulfilled') sameBytes(result.value, old)
  else if (!kinds.some((kind) => isMillraceError(result.reason, kind))) throw result.reason
}

export async function caught(body: () => Promise<unknown>): Promise<Error> {
  const [result] = await Promise.allSettled([body()])
  if (result.status === 'rejected') return result.reason as Error
  throw new Error('expected a rejection, but the call succeeded')
}

export async function fails(kind: ErrorKind | readonly ErrorKind[], body: () => Promise<unknown>): Promise<MillraceError> {
  const error: unknown = await caught(body)
  const kinds = typeof kind === 'string' ? [kind] : kind
  if (isMillraceError(error) && kinds.includes(error.kind)) return error
  throw new Error(`expected a MillraceError ${kinds.join(' or ')}, got ${String(error)}`, { cause: error })
}

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected: ${what}`)
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  check(Object.is(actual, expected), `${what} is ${String(expected)}, got ${String(actual)}`)
}

/** For plain data. The order of keys does not matter. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  equal(JSON.stringify(actual, sorted), JSON.stringify(expected, sorted), what)
}

export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  equal(actual.byteLength, expected.byteLength, 'number of bytes')
  for (let i = 0; i < actual.byteLength; i++) {
    if (actual[i] !== expected[i]) throw new Error(`expected: byte ${i} is ${expected[i]}, got ${actual[i]}`)
  }
}

export function byBytes(a: string, b: string): number {
  const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)]
  const at = x.findIndex((byte, i) => byte !== y[i])
  return at < 0 ? x.length - y.length : (x[at] ?? 0) - (y[at] ?? -1)
}

/** What is the same wherever an object is told of. */
export function core({ uri, size, version }: ObjectMeta): ObjectMeta {
  return { uri, size, version }
}

export async function readAll(store: Store, uri: string): Promise<Uint8Array> {
  let bytes = new Uint8Array(0)
  await using(store.open(uri), async (source) => { bytes = (await readWhole(source)) as Uint8Array<ArrayBuffer> })
  return bytes
}

/** `store.get`, for cases that have looked whether it is there. */
export function getOf(store: Store): (...args: Parameters<NonNullable<Store['get']>>) => Promise<ObjectBytes> {
  return async (...args) => {
    if (store.get === undefined) throw new Error('the store has no get')
    return store.get(...args)
  }
}

/** Calls `make` for 0, 1, … , so many at a time that a server has something to do. */
export async function many(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i += 32) {
    await Promise.all(Array.from({ length: Math.min(32, count - i) }, (_, k) => make(i + k)))
  }
}
