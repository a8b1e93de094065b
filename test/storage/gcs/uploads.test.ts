import { afterEach, describe, expect, test } from '@jest/globals'
import type { MillraceError } from '../../../src/errors.js'
import { gcsStore, type GcsStoreOptions } from '../../../src/storage/gcs/store.js'
import type { Fault } from '../../servers/faults.js'
import { startGcsFake, type GcsFake, type GcsFakeOptions, type GcsFakeRequest } from '../../servers/gcs-fake.js'
import { seededBytes } from '../../servers/seeded.js'

const PART = 256 << 10
const BYTES = seededBytes(1, 5 * PART + 12_345)

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(options: GcsFakeOptions = {}): Promise<GcsFake> {
  const fake = await startGcsFake({ buckets: ['data'], ...options })
  disposals.push(() => fake.close())
  return fake
}

function open(fake: GcsFake, options: GcsStoreOptions = {}): ReturnType<typeof gcsStore> {
  const store = gcsStore({ endpoint: fake.url, partSize: PART, ranges: { backoffBase: 1, throttleBase: 1, backoffCap: 2, maxAttempts: 4 }, ...options })
  disposals.push(() => store.close())
  return store
}

async function errorOf(call: Promise<unknown>): Promise<MillraceError> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as MillraceError)
}

/** Many bytes in little time: no MiB is like another. */
function tiled(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 1 << 20) {
    bytes.set(BYTES.subarray(0, Math.min(1 << 20, length - at)), at)
    bytes[at] = at >> 20
  }
  return bytes
}

/** Writes bytes in pieces of odd sizes. */
async function writeAll(store: ReturnType<typeof gcsStore>, uri: string, bytes: Uint8Array, options = {}): ReturnType<Awaited<ReturnType<typeof store.createWriter>>['finalize']> {
  const writer = await store.createWriter(uri, options)
  for (let at = 0, size = 1; at < bytes.length; at += size, size = size * 3 + 1) await writer.write(bytes.subarray(at, at + size))
  return writer.finalize()
}

const isPart = ({ method, query }: GcsFakeRequest): boolean => method === 'PUT' && query.has('upload_id')
const isQuery = (request: GcsFakeRequest): boolean => isPart(request) && String(request.headers['content-range']).startsWith('bytes */')

/** A fault for the part with that ordinal, from 0. */
function atPart(ordinals: readonly number[], fault: Fault): (request: GcsFakeRequest) => Fault | undefined {
  let parts = 0
  return request => (isPart(request) && !isQuery(request) && ordinals.includes(parts++) ? fault : undefined)
}

describe('put', () => {
  test('is one request, with the checksum, which the service compares', async () => {
    let damaged = 1
    const fake = await server({ damage: ({ kind }, body) => {
      if (kind === 'upload' && damaged-- > 0) body[body.length - 100] = (body[body.length - 100] ?? 0) ^ 1
      return body
    } })
    const store = open(fake)
    const meta = await store.put('gs://data/a', BYTES.subarray(0, 1000), { contentType: 'x/y', metadata: { k: 'ü' } })
    expect(meta).toMatchObject({ uri: 'gs://data/a', size: 1000, version: fake.object('data', 'a')?.generation })
    expect(fake.requests.map(({ status, query }) => [status, query.get('uploadType')])).toEqual([[400, 'multipart'], [200, 'multipart']])
    expect(fake.object('data', 'a')?.fields).toEqual({ contentType: 'x/y', metadata: { k: 'ü' } })
    damaged = 99
    expect(await errorOf(store.put('gs://data/b', BYTES.subarray(0, 1000)))).toMatchObject({ kind: 'Corrupt', attempts: 4 })
    expect(fake.object('data', 'b')).toBeUndefined()
  })

  test('of what looks like the boundary of its request is taken as it is', async () => {
    const fake = await server()
    const tricky = new TextEncoder().encode('\r\n--millrace-0\r\n\r\n--millrace--\r\n--\r\n')
    await open(fake).put('gs://data/a', tricky)
    expect(Buffer.from(fake.object('data', 'a')?.bytes ?? []).equals(tricky)).toBe(true)
  })

  test('of a large object goes in parts, of which one that fails is sent again, and leaves nothing when it fails for good', async () => {
    const large = tiled((64 << 20) + 1000)
    let failing = 1
    const fake = await server({ fault: request => (isPart(request) && !isQuery(request) && failing-- > 0 ? { kind: 'status', status: 503 } : undefined) })
    const store = open(fake)
    expect((await store.put('gs://data/large', large)).size).toBe(large.length)
    expect(Buffer.from(fake.object('data', 'large')?.bytes ?? []).equals(large)).toBe(true)
    expect(fake.requests.filter(isPart).map(({ status }) => status)).toEqual([503, 308, 308, 308, 200])
    failing = 99
    expect(await errorOf(store.put('gs://data/other', large.subarray(0, 40 << 20)))).toMatchObject({ kind: 'Unavailable' })
    expect([fake.uploads.open(), fake.uploads.cancelled(), fake.object('data', 'other')]).toEqual([0, 1, undefined])
  }, 60_000)

  test('refuses a media type that is none', async () => {
    const store = open(await server())
    expect((await errorOf(store.put('gs://data/a', BYTES, { contentType: 'a/b\r\nx: y' }))).name).toBe('TypeError')
    expect((await errorOf(store.put('gs://data/a', BYTES, { ifAbsent: true, ifVersion: '1' }))).name).toBe('TypeError')
  })
})

describe('a writer', () => {
  test('sends parts of the size that was asked for, and the checksum of all with the last', async () => {
    const fake = await server()
    const meta = await writeAll(open(fake), 'gs://data/a', BYTES, { contentType: 'x/y', metadata: { k: 'v' } })
    expect(meta).toMatchObject({ size: BYTES.length, version: fake.object('data', 'a')?.generation })
    expect(Buffer.from(fake.object('data', 'a')?.bytes ?? []).equals(BYTES)).toBe(true)
    expect(fake.object('data', 'a')?.fields).toEqual({ contentType: 'x/y', metadata: { k: 'v' } })
    const parts = fake.requests.filter(isPart)
    expect(parts.map(({ headers }) => headers['content-range'])).toEqual([
      ...[0, 1, 2, 3, 4].map(i => `bytes ${i * PART}-${(i + 1) * PART - 1}/*`), `bytes ${5 * PART}-${BYTES.length - 1}/${BYTES.length}`
    ])
    expect(parts.map(({ headers }) => headers['x-goog-hash'] !== undefined)).toEqual([false, false, false, false, false, true])
  })

  test('of a whole number of parts, of one part and of nothing makes the object that it should', async () => {
    const fake = await server()
    const store = open(fake)
    for (const [length, requests] of [[0, 1], [1, 1], [PART - 1, 1], [PART, 1], [PART + 1, 3], [3 * PART, 5]] as const) {
      const before = fake.requests.length
      const meta = await writeAll(store, `gs://data/${length}`, BYTES.subarray(0, length))
      expect([meta.size, fake.requests.length - before]).toEqual([length, requests])
      expect(Buffer.from(fake.object('data', String(length))?.bytes ?? []).equals(BYTES.subarray(0, length))).toBe(true)
    }
    expect(fake.uploads.open()).toBe(0)
  })

  test('goes on where the service has what it has, however little that is', async () => {
    const fake = await server({ persists: bytes => Math.max(PART, bytes / 2) })
    await writeAll(open(fake, { partSize: 4 * PART }), 'gs://data/a', BYTES)
    expect(Buffer.from(fake.object('data', 'a')?.bytes ?? []).equals(BYTES)).toBe(true)
    const stuck = await server({ persists: () => 0 })
    const error = await errorOf(writeAll(open(stuck), 'gs://data/a', BYTES))
    expect(error).toMatchObject({ kind: 'Unavailable', message: expect.stringContaining('takes no more') })
    expect([stuck.uploads.open(), stuck.object('data', 'a')]).toEqual([0, undefined])
  })

  test.each([
    ['rst0', { kind: 'rst0' }], ['fin0', { kind: 'fin0' }], ['503', { kind: 'status', status: 503 }], ['429', { kind: 'status', status: 429 }], ['garbage', { kind: 'garbage' }]
  ] as readonly (readonly [string, Fault])[])('asks how much is there when a part went wrong (%s), and goes on', async (_, fault) => {
    for (const ordinals of [[0], [2, 3], [4, 5]]) {
      const fake = await server({ fault: atPart(ordinals, fault) })
      await writeAll(open(fake), 'gs://data/a', BYTES)
      expect(Buffer.from(fake.object('data', 'a')?.bytes ?? []).equals(BYTES)).toBe(true)
      if (fault.kind !== 'status' || fault.status !== 429) expect(fake.requests.filter(isQuery).length).toBe(ordinals.length)
    }
  })

  test('takes the object as written when only the reply to the last part was lost', async () => {
    let lost = 1
    const fake = await server({ fault: request => (isPart(request) && request.headers['x-goog-hash'] !== undefined && lost-- > 0 ? { kind: 'finBody' } : undefined) })
    const meta = await writeAll(open(fake), 'gs://data/a', BYTES)
    expect(meta.version).toBe(fake.object('data', 'a')?.generation)
    expect(fake.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  test('whose bytes were damaged on their way makes no object', async () => {
    const fake = await server({ damage: (request, body) => {
      if (isPart(request) && body.length === PART) body[1000] = (body[1000] ?? 0) ^ 1
      return body
    } })
    expect(await errorOf(writeAll(open(fake), 'gs://data/a', BYTES))).toMatchObject({ kind: 'Corrupt', operation: 'finalize', uri: 'gs://data/a' })
    expect([fake.object('data', 'a'), fake.uploads.open()]).toEqual([undefined, 0])
  })

  test('that is aborted cancels its upload, and leaves nothing', async () => {
    const fake = await server()
    const writer = await open(fake).createWriter('gs://data/a')
    await writer.write(BYTES)
    expect(fake.uploads.open()).toBe(1)
    await writer.abort()
    await writer.abort()
    expect([fake.uploads.open(), fake.uploads.cancelled(), fake.names('data')]).toEqual([0, 1, []])
    const small = await open(fake).createWriter('gs://data/b')
    await small.write(BYTES.subarray(0, 100))
    await small.abort()
    expect(fake.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  })

  test('that is aborted while a part hangs ends the request, and cancels the upload', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    let hung: (() => void) | undefined
    const hanging = new Promise<void>(resolve => { hung = resolve })
    let parts = 0
    const fake = await server({ fault: request => {
      if (!isPart(request) || parts++ !== 2) return undefined
      hung?.()
      return { kind: 'silence' }
    } })
    const writer = await open(fake).createWriter('gs://data/a', { signal: controller.signal })
    const writing = errorOf(writer.write(BYTES))
    await hanging
    controller.abort(reason)
    expect(await writing).toBe(reason)
    expect(await errorOf(writer.finalize())).toBe(reason)
    await writer.abort()
    expect([fake.uploads.open(), fake.uploads.cancelled(), fake.names('data')]).toEqual([0, 1, []])
  })

  test('waits for the service: no more than two parts are taken while it does not answer', async () => {
    const fake = await server({ fault: request => (isPart(request) ? { kind: 'late', by: 30 } : undefined) })
    const writer = await open(fake).createWriter('gs://data/a')
    let taken = 0
    const most: number[] = []
    for (let at = 0; at < BYTES.length; at += 1 << 14) {
      await writer.write(BYTES.subarray(at, at + (1 << 14)))
      taken = Math.min(BYTES.length, at + (1 << 14))
      most.push(taken - fake.uploads.held())
    }
    await writer.finalize()
    expect(Math.max(...most)).toBeLessThanOrEqual(2 * PART + (1 << 14))
    expect(Buffer.from(fake.object('data', 'a')?.bytes ?? []).equals(BYTES)).toBe(true)
  })

  test('keeps to its condition, at its beginning and at its end', async () => {
    const fake = await server()
    const store = open(fake)
    const { generation } = fake.put('data', 'a', BYTES.subarray(0, 10))
    expect(await errorOf(writeAll(store, 'gs://data/a', BYTES, { ifAbsent: true }))).toMatchObject({ kind: 'Precondition' })
    const writer = await store.createWriter('gs://data/a', { ifVersion: generation })
    await writer.write(BYTES)
    fake.put('data', 'a', BYTES.subarray(0, 20))
    expect(await errorOf(writer.finalize())).toMatchObject({ kind: 'Precondition' })
    expect([fake.object('data', 'a')?.bytes.length, fake.uploads.open()]).toEqual([20, 0])
  })

  test('into a bucket that is not there is NotFound', async () => {
    expect(await errorOf(writeAll(open(await server()), 'gs://nowhere/a', BYTES))).toMatchObject({ kind: 'NotFound', uri: 'gs://nowhere/a' })
  })

  test('whose upload the service has forgotten says so, and never shows its address', async () => {
    const fake = await server({ fault: atPart([1], { kind: 'status', status: 410 }) })
    const error = await errorOf(writeAll(open(fake), 'gs://data/a', BYTES))
    expect(error.kind).toBe('NotFound')
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('upload_id')
  })
})
