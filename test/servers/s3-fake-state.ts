/** Buckets and what is in them, in the order in which S3 lists keys. */
import { md5, type Algorithm } from './s3-fake-checksums.js'
import { seededBytes } from './seeded.js'

export interface FakeObject {
  readonly key: string
  readonly bytes: Uint8Array
  readonly etag: string
  readonly modified: number
  /** Those that S3 keeps and sends back: content-type, cache-control, x-amz-meta-…. */
  readonly headers: Readonly<Record<string, string>>
  readonly checksum?: { readonly algorithm: Algorithm; readonly value: string; readonly type: 'FULL_OBJECT' | 'COMPOSITE' } | undefined
  /** Sizes of the parts, for objects that came in parts. */
  readonly parts?: readonly number[] | undefined
}

/** What a listing says of an object. */
export interface Entry {
  readonly key: string
  readonly size: number
  readonly etag: string
  readonly modified: number
  readonly checksum?: FakeObject['checksum']
}

export interface FakePart {
  readonly bytes: Buffer
  readonly etag: string
  readonly checksum?: { readonly algorithm: Algorithm; readonly value: string } | undefined
}

export interface FakeUpload {
  readonly id: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly algorithm: Algorithm | undefined
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
  readonly started: number
  readonly parts: Map<number, FakePart>
}

/** A bucket that is made up: it lists millions of keys, and holds none. */
export interface VirtualBucket {
  readonly count: number
  /** Has to grow with its argument, in the order of bytes. */
  readonly key: (index: number) => string
  /** @default 100 bytes */
  readonly size?: ((index: number) => number) | undefined
}

export interface Bucket {
  readonly name: string
  readonly region: string
  readonly created: number
  readonly uploads: Map<string, FakeUpload>
  /** Keys in order, those of virtual objects that were deleted included. */
  readonly length: number
  keyAt(index: number): string
  /** Nothing for virtual objects that were deleted. */
  entryAt(index: number): Entry | undefined
  get(key: string): FakeObject | undefined
  put(object: FakeObject): void
  delete(key: string): void
  isEmpty(): boolean
}

/** Order of the bytes of UTF-8, which is not that of UTF-16 where there are surrogates. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return ordinal(x) - ordinal(y)
  }
  return a.length - b.length
}

function ordinal(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit
}

/** The first index whose key is as wanted, where those that are stand behind those that are not. */
export function firstWhere(bucket: Bucket, from: number, wanted: (key: string) => boolean): number {
  let low = from
  let high = bucket.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (wanted(bucket.keyAt(middle))) high = middle
    else low = middle + 1
  }
  return low
}

export function makeBucket(name: string, region: string, created: number): Bucket {
  const objects = new Map<string, FakeObject>()
  let keys: string[] | undefined
  const sorted = (): string[] => (keys ??= [...objects.keys()].sort(compareKeys))
  return {
    name, region, created, uploads: new Map(),
    get length() { return objects.size },
    keyAt: (index) => sorted()[index] ?? '',
    entryAt(index) {
      const object = objects.get(sorted()[index] ?? '')
      return object && { key: object.key, size: object.bytes.length, etag: object.etag, modified: object.modified, checksum: object.checksum }
    },
    get: (key) => objects.get(key),
    put(object) {
      if (!objects.has(object.key)) keys = undefined
      objects.set(object.key, object)
    },
    delete(key) {
      if (objects.delete(key)) keys = undefined
    },
    isEmpty: () => objects.size === 0
  }
}

export function makeVirtualBucket(name: string, region: string, created: number, virtual: VirtualBucket): Bucket {
  const deleted = new Set<string>()
  const sizeOf = virtual.size ?? (() => 100)
  const etagOf = (index: number): string => `"${index.toString(16).padStart(32, '0')}"`
  const bucket: Bucket = {
    name, region, created, uploads: new Map(), length: virtual.count,
    keyAt: virtual.key,
    entryAt(index) {
      const key = virtual.key(index)
      return deleted.has(key) ? undefined : { key, size: sizeOf(index), etag: etagOf(index), modified: created }
    },
    get(key) {
      const index = firstWhere(bucket, 0, (one) => compareKeys(one, key) >= 0)
      if (index >= virtual.count || virtual.key(index) !== key || deleted.has(key)) return undefined
      return { key, bytes: seededBytes(index, sizeOf(index)), etag: etagOf(index), modified: created, headers: { 'content-type': 'binary/octet-stream' } }
    },
    put: () => { throw new Error('a virtual bucket takes no objects') },
    delete: (key) => void (bucket.get(key) !== undefined && deleted.add(key)),
    isEmpty: () => deleted.size >= virtual.count
  }
  return bucket
}

export function plainObject(key: string, bytes: Uint8Array, headers: FakeObject['headers'], modified: number, checksum?: FakeObject['checksum']): FakeObject {
  return { key, bytes, etag: `"${md5(bytes).toString('hex')}"`, modified, headers, checksum }
}
