import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Faults } from './faults.js'
import { startOrigin, type Dialect, type Origin } from './origin.js'
import { rawGet, type RawReply } from './raw-client.js'

const SIZE = 1000
let origin: Origin

beforeEach(async () => { origin = await startOrigin({ objects: { 'b/k': SIZE } }) })
afterEach(() => origin.close())

const PATHS: Readonly<Record<Dialect, string>> = {
  s3: '/b/k', azure: '/devstoreaccount1/b/k', gcs: '/storage/v1/b/b/o/k?alt=media', http: '/plain/b/k'
}

function get(dialect: Dialect = 's3', headers: Record<string, string> = {}): Promise<RawReply> {
  return rawGet(origin.port, PATHS[dialect], { headers })
}

function faulty(fault: Faults, range = 'bytes=100-199'): Promise<RawReply> {
  origin.setPlan(() => fault)
  return get('s3', { range })
}

describe('without faults', () => {
  test.each(['s3', 'azure', 'gcs', 'http'] as const)('%s is spoken', async (dialect) => {
    const bytes = origin.bytes('b/k')
    expect(await get(dialect)).toMatchObject({ status: 200, headers: { 'content-length': '1000' }, body: Buffer.from(bytes), end: 'closed' })
    const range = dialect === 'azure' ? { 'x-ms-range': 'bytes=100-199' } : { range: 'bytes=100-199' }
    const part = await get(dialect, range)
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 100-199/1000' }, body: Buffer.from(bytes.subarray(100, 200)) })
    expect(await get(dialect, { range: 'bytes=990-' })).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 990-999/1000' } })
    expect(await get(dialect, { range: 'bytes=1000-1001' })).toMatchObject({ status: 416, headers: { 'content-range': 'bytes */1000' } })
    const version = dialect === 'gcs' ? part.headers['x-goog-generation'] : part.headers['etag']
    const pinned = (name = ''): Promise<RawReply> =>
      dialect === 'gcs' ? rawGet(origin.port, `${PATHS.gcs}&ifGenerationMatch=${name}`) : get(dialect, { 'if-match': name })
    expect(await pinned(version)).toMatchObject({ status: 200 })
    origin.put('b/k', SIZE)
    expect(await pinned(version)).toMatchObject({ status: 412 })
    expect((await get(dialect)).body.equals(bytes)).toBe(false)
    expect(await rawGet(origin.port, PATHS[dialect].replace('k', 'none'))).toMatchObject({ status: 404 })
    expect(origin.log.map((one) => one.dialect)).toEqual(origin.log.map(() => dialect))
  })

  test('checksums are those of the object', async () => {
    const bytes = origin.bytes('b/k')
    const md5 = createHash('md5').update(bytes).digest('base64')
    expect((await get('azure')).headers['content-md5']).toBe(md5)
    expect((await get('gcs')).headers['x-goog-hash']).toContain(`md5=${md5}`)
    expect((await get('s3')).headers['x-amz-checksum-crc32']).toBeUndefined()
    expect((await get('s3', { 'x-amz-checksum-mode': 'ENABLED' })).headers['x-amz-checksum-crc32']).toMatch(/^[\w+/]{6}==$/)
    expect((await get('s3', { 'x-amz-checksum-mode': 'ENABLED', range: 'bytes=0-9' })).headers['x-amz-checksum-crc32']).toBeUndefined()
  })

  test('Azure gives the MD5 of a range to those who ask', async () => {
    const md5 = createHash('md5').update(origin.bytes('b/k').subarray(10, 20)).digest('base64')
    const { headers } = await get('azure', { 'x-ms-range': 'bytes=10-19', 'x-ms-range-get-content-md5': 'true' })
    expect(headers['content-md5']).toBe(md5)
    expect((await get('azure', { 'x-ms-range': 'bytes=10-19' })).headers['content-md5']).toBeUndefined()
  })

  test('a range that is none is refused', async () => {
    for (const range of ['bytes=0-Infinity', 'bytes=-5', '0-9', 'bytes=0-1,3-4']) expect(await get('s3', { range })).toMatchObject({ status: 400 })
  })

  test('the log tells what was asked and what came of it', async () => {
    origin.setPlan((number) => (number === 1 ? { kind: 'status', status: 503 } : undefined))
    await get('s3', { range: 'bytes=0-9', 'if-match': '"version-1"' })
    await get('s3')
    expect(origin.log).toMatchObject([
      { number: 0, nth: 0, dialect: 's3', object: 'b/k', range: 'bytes=0-9', pinned: '"version-1"', connection: 0, status: 206 },
      { number: 1, nth: 1, range: undefined, pinned: undefined, connection: 1, status: 503, fault: { kind: 'status' } }
    ])
  })

  test('idle connections are closed', async () => {
    const quick = await startOrigin({ objects: { 'b/k': 10 }, idle: 10 })
    expect(await rawGet(quick.port, '/b/k', { headers: { connection: 'keep-alive' }, patience: 2000 })).toMatchObject({ status: 200, end: 'closed' })
    await quick.close()
    expect(quick.connections).toEqual({ total: 1, open: 0 })
  })
})

describe('faults', () => {
  const good = (): Buffer => Buffer.from(origin.bytes('b/k').subarray(100, 200))

  test('before the head', async () => {
    expect(await faulty({ kind: 'rst0' })).toMatchObject({ status: 0, end: 'reset' })
    expect(await faulty({ kind: 'fin0' })).toMatchObject({ status: 0, end: 'closed' })
    expect(await faulty({ kind: 'silence' })).toMatchObject({ status: 0, end: 'silence' })
    const garbage = await faulty({ kind: 'garbage' })
    expect(garbage).toMatchObject({ status: 0, end: 'closed' })
    expect(garbage.body.length).toBeGreaterThan(0)
  })

  test('in the middle of the body', async () => {
    expect(await faulty({ kind: 'rstBody' })).toMatchObject({ headers: { 'content-length': '100' }, body: good().subarray(0, 50), end: 'reset' })
    expect(await faulty({ kind: 'finBody', after: 30 })).toMatchObject({ headers: { 'content-length': '100' }, body: good().subarray(0, 30), end: 'closed' })
    expect(await faulty({ kind: 'stallBody' })).toMatchObject({ body: good().subarray(0, 50), end: 'silence' })
    const chunked = await faulty({ kind: 'chunkCut' })
    expect(chunked).toMatchObject({ headers: { 'transfer-encoding': 'chunked' }, end: 'closed' })
    expect(chunked.body.toString('latin1')).toBe(`32\r\n${good().toString('latin1', 0, 50)}\r\n`)
    const cut = await faulty({ kind: 'closeCut' })
    expect(cut).toMatchObject({ status: 206, body: good().subarray(0, 50), end: 'closed' })
    expect(cut.headers['content-length']).toBeUndefined()
  })

  test('of length', async () => {
    expect(await faulty({ kind: 'shortLength' })).toMatchObject({ headers: { 'content-length': '50', 'content-range': 'bytes 100-199/1000' }, body: good().subarray(0, 50) })
    expect(await faulty({ kind: 'shortRange' })).toMatchObject({ headers: { 'content-length': '50', 'content-range': 'bytes 100-149/1000' }, body: good().subarray(0, 50) })
    const long = await faulty({ kind: 'longLength' })
    expect(long.headers).toMatchObject({ 'content-length': '110', 'content-range': 'bytes 100-199/1000' })
    expect(long.body).toHaveLength(110)
    const extra = await faulty({ kind: 'extraBytes' })
    expect(extra.headers).toMatchObject({ 'content-length': '100' })
    expect(extra.body.length).toBeGreaterThan(100)
  })

  test('of range', async () => {
    const full = await faulty({ kind: 'fullBody' })
    expect(full).toMatchObject({ status: 200, headers: { 'content-length': '1000' }, body: Buffer.from(origin.bytes('b/k')) })
    expect(full.headers['content-range']).toBeUndefined()
    const other = await faulty({ kind: 'otherRange' })
    expect(other).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 107-206/1000', 'content-length': '100' }, body: Buffer.from(origin.bytes('b/k').subarray(107, 207)) })
    expect(await faulty({ kind: 'otherRange' }, 'bytes=900-999')).toMatchObject({ headers: { 'content-range': 'bytes 893-992/1000' } })
    expect((await faulty({ kind: 'noContentRange' })).headers['content-range']).toBeUndefined()
    expect(await faulty({ kind: 'otherRange', by: -7 })).toMatchObject({ headers: { 'content-range': 'bytes 93-192/1000' }, body: Buffer.from(origin.bytes('b/k').subarray(93, 193)) })
    expect(await faulty({ kind: 'lateRange' })).toMatchObject({ headers: { 'content-range': 'bytes 107-199/1000' }, body: Buffer.from(origin.bytes('b/k').subarray(107, 200)) })
    expect(await faulty({ kind: 'longRange' })).toMatchObject({ headers: { 'content-range': 'bytes 100-206/1000' }, body: Buffer.from(origin.bytes('b/k').subarray(100, 207)) })
    expect((await faulty({ kind: 'otherTotal' })).headers['content-range']).toBe('bytes 100-199/1001')
    expect((await faulty({ kind: 'noTotal' })).headers['content-range']).toBe('bytes 100-199/*')
    expect((await faulty({ kind: 'invertedRange' })).headers['content-range']).toBe('bytes 100-98/1000')
  })

  test('several at once', async () => {
    const reply = await faulty([{ kind: 'fullBody' }, { kind: 'noVersion' }, { kind: 'finBody', after: 10 }])
    expect(reply).toMatchObject({ status: 200, headers: { 'content-length': '1000' }, body: Buffer.from(origin.bytes('b/k').subarray(0, 10)), end: 'closed' })
    expect(reply.headers['etag']).toBeUndefined()
  })

  test('chunks are none', async () => {
    const { headers, body } = await faulty({ kind: 'chunked' })
    expect(headers['transfer-encoding']).toBe('chunked')
    expect(body.toString('latin1')).toBe(`32\r\n${good().toString('latin1', 0, 50)}\r\n32\r\n${good().toString('latin1', 50)}\r\n0\r\n\r\n`)
  })

  test('of content', async () => {
    const flipped = await faulty({ kind: 'flip', at: 3 })
    expect([...flipped.body].flatMap((byte, i) => (byte === good()[i] ? [] : [i]))).toEqual([3])
    expect((await faulty({ kind: 'xmlBody' })).body.toString()).toContain('<Error><Code>InternalError')
    expect((await faulty({ kind: 'encoded' })).headers['content-encoding']).toBe('gzip')
  })

  test('of version', async () => {
    const before = good()
    expect((await faulty({ kind: 'noVersion' })).headers['etag']).toBeUndefined()
    expect((await faulty({ kind: 'weakVersion' })).headers['etag']).toBe('W/"version-1"')
    origin.setPlan(() => ({ kind: 'otherVersion' }))
    const other = await get('s3', { range: 'bytes=100-199', 'if-match': '"version-1"' })
    expect(other).toMatchObject({ status: 206, headers: { etag: '"version-2"' }, body: before.map((byte) => byte ^ 0xff) })
    origin.setPlan(() => ({ kind: 'replace' }))
    expect(await get('s3', { 'if-match': '"version-1"' })).toMatchObject({ status: 412 })
    origin.setPlan(undefined)
    expect(await get()).toMatchObject({ headers: { etag: '"version-2"' } })
  })

  test('of status, as each dialect says them', async () => {
    origin.setPlan(() => ({ kind: 'status', status: 503, headers: { 'retry-after': '1' } }))
    expect(await get('s3')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect((await get('s3')).body.toString()).toContain('<Code>SlowDown</Code>')
    expect((await get('azure')).headers['x-ms-error-code']).toBe('ServerBusy')
    expect(JSON.parse((await get('gcs')).body.toString())).toMatchObject({ error: { code: 503, errors: [{ reason: 'backendError' }] } })
    origin.setPlan(() => ({ kind: 'status', status: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } }))
    expect((await get('s3')).headers['x-amz-bucket-region']).toBe('eu-west-1')
    origin.setPlan(() => ({ kind: 'status', status: 304 }))
    expect(await get('s3')).toMatchObject({ status: 304, body: Buffer.alloc(0) })
    origin.setPlan(() => ({ kind: 'status', status: 400 }))
    expect((await get('s3')).body.toString()).toContain('ExpiredToken')
  })

  test('of time', async () => {
    const start = performance.now()
    expect((await faulty({ kind: 'late', by: 60 })).body).toEqual(good())
    expect(performance.now() - start).toBeGreaterThan(55)
    const slow = performance.now()
    expect((await faulty({ kind: 'trickle', bytes: 20, every: 10 })).body).toEqual(good())
    expect(performance.now() - slow).toBeGreaterThan(35)
    origin.setPlan(() => ({ kind: 'trickle', bytes: 1, every: 20 }))
    const never = rawGet(origin.port, '/b/k', { patience: 5000 })
    while (origin.log.length < 3) await new Promise((resolve) => setImmediate(resolve))
    await origin.close()
    expect((await never).body.length).toBeLessThan(1000)
  })
})
