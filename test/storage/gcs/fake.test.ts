/** The fake is a judge: here the official SDK, which knows the service and not us, works with it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Storage, type Bucket } from '@google-cloud/storage'
import { gzipSync } from 'node:zlib'
import { startGcsFake, type GcsFake } from '../../servers/gcs-fake.js'
import { seededBytes } from '../../servers/seeded.js'

let fake: GcsFake
let storage: Storage
let bucket: Bucket
beforeAll(async () => {
  fake = await startGcsFake({ buckets: ['sdk'], rewriteBytes: 300_000 })
  storage = new Storage({ apiEndpoint: fake.url, projectId: 'demo', retryOptions: { autoRetry: false } })
  bucket = storage.bucket('sdk')
})
afterAll(() => fake.close())

const DATA = Buffer.from(seededBytes(1, 1 << 20))

/** The status of the error that a call ends with. */
async function statusOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(() => 'no error', (error: { code?: unknown }) => error.code)
}

describe('the official SDK and the fake', () => {
  test('an object is written, read whole with its checksum compared, and read in ranges', async () => {
    const file = bucket.file('a/obj 1')
    await file.save(DATA, { resumable: false, contentType: 'x/y', metadata: { metadata: { k: 'v' } } })
    expect((await file.download())[0].equals(DATA)).toBe(true)
    expect((await file.download({ start: 10, end: 19 }))[0]).toEqual(DATA.subarray(10, 20))
    expect((await file.download({ start: DATA.length - 7, end: DATA.length + 100 }))[0]).toEqual(DATA.subarray(-7))
    expect(await statusOf(file.download({ start: DATA.length + 1, end: DATA.length + 9 }))).toBe(416)
    const [metadata] = await file.getMetadata()
    expect(metadata).toMatchObject({ size: String(DATA.length), contentType: 'x/y', metadata: { k: 'v' }, generation: expect.stringMatching(/^\d{16}$/) })
  })

  test('a resumable upload goes in chunks', async () => {
    const file = bucket.file('big')
    await file.save(DATA, { resumable: true, chunkSize: 256 << 10 })
    expect((await file.download())[0].equals(DATA)).toBe(true)
    expect(fake.uploads.open()).toBe(0)
  })

  test('conditions hold or are 412, a generation that is gone is 404', async () => {
    const file = bucket.file('twice')
    await file.save('one', { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } })
    const first = String(file.metadata.generation)
    expect(await statusOf(bucket.file('twice').save('x', { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } }))).toBe(412)
    await file.save('two', { resumable: false, preconditionOpts: { ifGenerationMatch: first } })
    expect(await statusOf(bucket.file('twice', { generation: first }).download())).toBe(404)
    expect((await bucket.file('twice', { generation: file.metadata.generation as string }).download())[0].toString()).toBe('two')
  })

  test('pages, prefixes and a delimiter', async () => {
    for (let i = 0; i < 25; i++) fake.put('sdk', `list/p${i % 5}/k${i}`, new Uint8Array(1))
    const names: string[] = []
    let query: object | null = { prefix: 'list/', maxResults: 10, autoPaginate: false }
    let pages = 0
    for (; query !== null && query !== undefined; pages++) {
      const [files, next] = await bucket.getFiles(query) as [{ name: string }[], object | null, unknown]
      names.push(...files.map(({ name }) => name))
      query = next
    }
    expect([names.length, new Set(names).size, pages]).toEqual([25, 25, 3])
    const [, , response] = await bucket.getFiles({ prefix: 'list/', delimiter: '/', autoPaginate: false })
    expect((response as { prefixes: string[] }).prefixes).toEqual(['list/p0/', 'list/p1/', 'list/p2/', 'list/p3/', 'list/p4/'])
  })

  test('a copy takes several calls, and keeps what was said of the object', async () => {
    await bucket.file('from').save(DATA, { resumable: false, contentType: 'x/y', metadata: { metadata: { k: 'v' } } })
    const [copy] = await bucket.file('from').copy(bucket.file('to'))
    expect((await copy.download())[0].equals(DATA)).toBe(true)
    expect((await copy.getMetadata())[0]).toMatchObject({ contentType: 'x/y', metadata: { k: 'v' } })
    expect(fake.requests.filter(({ kind }) => kind === 'rewrite')).toHaveLength(4)
  })

  test('a compressed object is decompressed by whoever does not take it as it is', async () => {
    fake.put('sdk', 'zipped', gzipSync(DATA), { contentEncoding: 'gzip' })
    expect((await bucket.file('zipped').download())[0].equals(DATA)).toBe(true)
    expect((await bucket.file('zipped').download({ decompress: false }))[0].equals(gzipSync(DATA))).toBe(true)
    const plain = await fetch(`${fake.url}/storage/v1/b/sdk/o/zipped?alt=media`, { headers: { 'accept-encoding': 'identity', range: 'bytes=0-9' } })
    expect([plain.status, plain.headers.get('content-length'), Buffer.from(await plain.arrayBuffer()).equals(DATA)]).toEqual([200, null, true])
  })

  test('objects and buckets are deleted, full buckets are not', async () => {
    const other = storage.bucket('another')
    await other.create()
    expect(await statusOf(other.create())).toBe(409)
    await other.file('x').save('x', { resumable: false })
    expect(await statusOf(other.delete())).toBe(409)
    await other.file('x').delete()
    expect(await statusOf(other.file('x').delete())).toBe(404)
    await other.delete()
    expect((await storage.getBuckets())[0].map(({ name }) => name)).toEqual(['sdk'])
  })

  test('odd names are names', async () => {
    for (const name of ['sp ace', 'plus+a', 'pct%20x', 'ü/日本/😀', '//dbl//slash', 'dd/../x', './x', 'back\\slash', 'hash#q?x', 'a=b;c:d@,$!*()']) {
      await bucket.file(name).save(name, { resumable: false })
      expect((await bucket.file(name).download())[0].toString()).toBe(name)
      expect(fake.names('sdk')).toContain(name)
    }
  })
})

describe('the fake is strict', () => {
  test.each([
    ['a parameter that there is not', 'GET', '/storage/v1/b/sdk/o?prefx=a', 400],
    ['a page token of another listing', 'GET', '/storage/v1/b/sdk/o?pageToken=abc', 400],
    ['a condition that is no number', 'GET', '/storage/v1/b/sdk/o/big?ifGenerationMatch=x', 400],
    ['a slash in a name that is not encoded', 'GET', '/storage/v1/b/sdk/o/a/b', 404],
    ['an upload of no kind', 'POST', '/upload/storage/v1/b/sdk/o?name=x', 400],
    ['buckets of no project', 'GET', '/storage/v1/b', 400]
  ])('it refuses %s', async (_, method, path, status) => {
    const reply = await fetch(fake.url + path, { method })
    const { error } = await reply.json() as { error: { code: number, errors: unknown[] } }
    expect([reply.status, error.code, error.errors.length]).toEqual([status, status, 1])
  })

  test('it compares checksums that are sent', async () => {
    const body = (crc32c: string): string => `--X\r\ncontent-type: application/json\r\n\r\n${JSON.stringify({ name: 'sum', crc32c })}\r\n--X\r\ncontent-type: a/b\r\n\r\nabc\r\n--X--\r\n`
    const send = (crc32c: string): Promise<Response> => fetch(`${fake.url}/upload/storage/v1/b/sdk/o?uploadType=multipart`, {
      method: 'POST', headers: { 'content-type': 'multipart/related; boundary=X' }, body: body(crc32c)
    })
    expect((await send('AAAAAA==')).status).toBe(400)
    expect(fake.object('sdk', 'sum')).toBeUndefined()
    expect((await send('Nks/tw==')).status).toBe(200)
  })

  test('of a chunk that is not the end it keeps whole units of 256 KiB', async () => {
    const begun = await fetch(`${fake.url}/upload/storage/v1/b/sdk/o?uploadType=resumable&name=units`, { method: 'POST' })
    const session = begun.headers.get('location') as string
    const send = (range: string, body: Uint8Array<ArrayBuffer> | null): Promise<Response> => fetch(session, { method: 'PUT', headers: { 'content-range': range }, body, redirect: 'manual' })
    const first = await send('bytes 0-299999/*', new Uint8Array(300_000))
    expect([first.status, first.headers.get('range')]).toEqual([308, 'bytes=0-262143'])
    expect(fake.object('sdk', 'units')).toBeUndefined()
    const last = await send('bytes 262144-299999/300000', new Uint8Array(300_000 - 262_144))
    expect([last.status, fake.object('sdk', 'units')?.bytes.length]).toEqual([200, 300_000])
  })
})
