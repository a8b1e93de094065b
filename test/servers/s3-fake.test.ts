import { createHash } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteBucketCommand,
  DeleteObjectCommand, DeleteObjectsCommand, GetBucketLocationCommand, GetObjectCommand, HeadBucketCommand, HeadObjectCommand, ListBucketsCommand,
  ListMultipartUploadsCommand, ListObjectsCommand, ListObjectsV2Command, ListPartsCommand, PutObjectCommand, S3Client, S3ServiceException, UploadPartCommand,
  UploadPartCopyCommand, type S3ClientConfig
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { startS3Fake, type S3Fake } from './s3-fake.js'
import { seededBytes } from './seeded.js'

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

const Bucket = 'conf'
const data = seededBytes(1, 1 << 20)
const MD5 = `"${createHash('md5').update(data).digest('hex')}"`
const clients: S3Client[] = []
let fake: S3Fake
let client: S3Client
let skew = 0

function clientFor(server: S3Fake, more: S3ClientConfig = {}): S3Client {
  const { accessKeyId, secretAccessKey } = server.credentials
  const config: S3ClientConfig = { endpoint: server.url, region: server.region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 }
  const made = new S3Client(Object.assign(config, more))
  clients.push(made)
  return made
}

async function bytesOf(reply: { Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined }): Promise<Buffer> {
  return Buffer.from((await reply.Body?.transformToByteArray()) ?? [])
}

/** What a command is refused with: status and code. */
async function refusal(sent: Promise<unknown>): Promise<string> {
  try {
    await sent
  } catch (error) {
    if (error instanceof S3ServiceException) return `${error.$metadata.httpStatusCode} ${error.name}`
    throw error
  }
  return 'no error'
}

beforeAll(async () => {
  fake = await startS3Fake({
    now: () => Date.now() + skew,
    buckets: [Bucket, 'far', 'open'], regions: { far: 'eu-west-1' }, publicBuckets: ['open'], minPartSize: 1000,
    virtual: { many: { count: 1_000_000, key: (i) => `a/${String(i >> 10).padStart(6, '0')}/${String(i).padStart(9, '0')}` } },
    refuseDelete: (key) => (key.startsWith('locked') ? { code: 'AccessDenied', message: 'Access Denied' } : undefined)
  })
  client = clientFor(fake)
})

beforeEach(() => {
  skew = 0
  fake.setFault(undefined)
})

afterAll(async () => {
  for (const one of clients) one.destroy()
  await fake.close()
})

describe('objects', () => {
  test('come back as they were put, with the ETag of S3', async () => {
    const put = await client.send(new PutObjectCommand({ Bucket, Key: 'a/one', Body: data, ContentType: 'image/x', Metadata: { who: 'me' } }))
    expect(put.ETag).toBe(MD5)
    expect(put.ChecksumCRC32).toBeDefined()
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a/one' }))
    expect(got).toMatchObject({ ETag: MD5, ContentLength: data.length, ContentType: 'image/x', Metadata: { who: 'me' }, ChecksumCRC32: put.ChecksumCRC32 })
    expect((await bytesOf(got)).equals(data)).toBe(true)
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'a/one' }))).toMatchObject({ ETag: MD5, ContentLength: data.length })
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a/one' }))
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key: 'a/one' })))).toBe('404 NoSuchKey')
    expect(await refusal(client.send(new HeadObjectCommand({ Bucket, Key: 'a/one' })))).toBe('404 NotFound')
    expect(await refusal(client.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'a' })))).toBe('404 NoSuchBucket')
  })

  test('may be streamed, in chunks with a checksum behind them', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'streamed', Body: Readable.from([data.subarray(0, 500_000), data.subarray(500_000)]), ContentLength: data.length }))
    expect(fake.log.at(-1)?.headers['x-amz-content-sha256']).toBe('STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    expect(Buffer.from(fake.object(Bucket, 'streamed')?.bytes ?? []).equals(data)).toBe(true)
    expect(fake.object(Bucket, 'streamed')?.headers['content-encoding']).toBeUndefined()
  })

  test('are read in ranges', async () => {
    fake.put(Bucket, 'ranges', data)
    const range = async (Range: string): Promise<string> => {
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'ranges', Range }))
      const bytes = await bytesOf(got)
      const [, first = '0', last = String(data.length - 1)] = /^bytes (\d+)-(\d+)\//.exec(got.ContentRange ?? '') ?? []
      expect(bytes.equals(data.subarray(Number(first), Number(last) + 1))).toBe(true)
      return `${got.$metadata.httpStatusCode} ${got.ContentRange}`
    }
    expect(await range('bytes=10-19')).toBe('206 bytes 10-19/1048576')
    expect(await range('bytes=-5')).toBe('206 bytes 1048571-1048575/1048576')
    expect(await range('bytes=-99999999')).toBe('206 bytes 0-1048575/1048576')
    expect(await range('bytes=1048570-')).toBe('206 bytes 1048570-1048575/1048576')
    expect(await range('bytes=1048570-2000000')).toBe('206 bytes 1048570-1048575/1048576')
    expect(await range('bytes=0-1,5-6')).toBe('200 undefined')
    expect(await range('bytes=5-1')).toBe('200 undefined')
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key: 'ranges', Range: 'bytes=1048576-1048580' })))).toBe('416 InvalidRange')
    fake.put(Bucket, 'nothing', new Uint8Array())
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key: 'nothing', Range: 'bytes=0-9' })))).toBe('416 InvalidRange')
    expect(await bytesOf(await client.send(new GetObjectCommand({ Bucket, Key: 'nothing' })))).toHaveLength(0)
  })

  test('are read under the conditions of RFC 9110, in its order', async () => {
    const { etag, modified } = fake.put(Bucket, 'conditions', data)
    const before = new Date(modified - 100_000)
    const after = new Date(modified + 100_000)
    const get = (more: object): Promise<string> => refusal(client.send(new GetObjectCommand({ Bucket, Key: 'conditions', ...more })).then(bytesOf))
    expect(await get({ IfMatch: etag })).toBe('no error')
    expect(await get({ IfMatch: '"x", *' })).toBe('412 PreconditionFailed')
    expect(await get({ IfMatch: `"x", ${etag}` })).toBe('no error')
    expect(await get({ IfMatch: '"x"', Range: 'bytes=0-9' })).toBe('412 PreconditionFailed')
    expect(await get({ IfMatch: etag, IfUnmodifiedSince: before })).toBe('no error')
    expect(await get({ IfUnmodifiedSince: before })).toBe('412 PreconditionFailed')
    expect(await get({ IfNoneMatch: etag })).toMatch(/^304/)
    expect(await get({ IfNoneMatch: '"x"', IfModifiedSince: after })).toBe('no error')
    expect(await get({ IfModifiedSince: after })).toMatch(/^304/)
    expect(await get({ IfMatch: '"x"', IfNoneMatch: etag })).toBe('412 PreconditionFailed')
  })

  test('are written under conditions', async () => {
    const put = (Key: string, more: object): Promise<string> => refusal(client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more })))
    expect(await put('cond-put', { IfNoneMatch: '*' })).toBe('no error')
    expect(await put('cond-put', { IfNoneMatch: '*' })).toBe('412 PreconditionFailed')
    expect(await put('cond-put', { IfMatch: '"x"' })).toBe('412 PreconditionFailed')
    expect(await put('cond-put', { IfMatch: fake.object(Bucket, 'cond-put')?.etag })).toBe('no error')
    expect(await put('cond-none', { IfMatch: '"x"' })).toBe('404 NoSuchKey')
  })

  test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)('keep their %s, and refuse a wrong one', async (ChecksumAlgorithm) => {
    // The SDK makes CRC64NVME only with another package.
    const values = { CRC32: 'y/Q5Jg==', CRC32C: '4waSgw==', CRC64NVME: 'rosUhgp5mIg=', SHA1: '98O8HYCOBHMq32eZZczLsqvJrAg=', SHA256: 'FeLF3TK6MfCjn6RZQ6ccZaj/vMgV4d+YYMFBJlHEAew=' }
    const Body = '123456789'
    if (ChecksumAlgorithm === 'SHA1' || ChecksumAlgorithm === 'SHA256') values[ChecksumAlgorithm] = createHash(ChecksumAlgorithm).update(Body).digest('base64')
    const header = `Checksum${ChecksumAlgorithm}`
    await client.send(new PutObjectCommand({ Bucket, Key: 'sum', Body, [header]: values[ChecksumAlgorithm] }))
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'sum', ChecksumMode: 'ENABLED' }))
    expect(head).toMatchObject({ [header]: values[ChecksumAlgorithm], ChecksumType: 'FULL_OBJECT' })
    const wrong = Buffer.from(values[ChecksumAlgorithm], 'base64').fill(0).toString('base64')
    expect(await refusal(client.send(new PutObjectCommand({ Bucket, Key: 'sum2', Body, [header]: wrong })))).toBe('400 BadDigest')
    expect(fake.object(Bucket, 'sum2')).toBeUndefined()
    if (ChecksumAlgorithm !== 'CRC64NVME') {
      await client.send(new PutObjectCommand({ Bucket, Key: 'sum3', Body, ChecksumAlgorithm }))
      expect(fake.object(Bucket, 'sum3')?.checksum).toEqual({ algorithm: ChecksumAlgorithm, value: values[ChecksumAlgorithm], type: 'FULL_OBJECT' })
    }
  })

  test('that came without a checksum have a CRC64NVME', async () => {
    fake.put(Bucket, 'plain', Buffer.from('123456789'))
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'plain', ChecksumMode: 'ENABLED' }))).toMatchObject({ ChecksumCRC64NVME: 'rosUhgp5mIg=' })
  })

  test('are copied with or without their metadata', async () => {
    fake.put(Bucket, 'from/ä b', data, { 'content-type': 'image/x', 'x-amz-meta-a': '1' })
    const CopySource = `${Bucket}/from/${encodeURIComponent('ä b')}`
    expect((await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource }))).CopyObjectResult?.ETag).toBe(MD5)
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'to' }))).toMatchObject({ ContentType: 'image/x', Metadata: { a: '1' } })
    await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource, MetadataDirective: 'REPLACE', ContentType: 'text/x' }))
    expect(await client.send(new HeadObjectCommand({ Bucket, Key: 'to' }))).toMatchObject({ ContentType: 'text/x', Metadata: {} })
    expect(await refusal(client.send(new CopyObjectCommand({ Bucket, Key: 'from/ä b', CopySource })))).toBe('400 InvalidRequest')
    expect(await refusal(client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource, CopySourceIfMatch: '"x"' })))).toBe('412 PreconditionFailed')
    expect(await refusal(client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/none` })))).toBe('404 NoSuchKey')
  })
})

describe('keys', () => {
  test.each(['sp ace', 'plus+a', 'pct%20x', 'pct%2Fx', 'ünïcødé', '日本語/キー', '😀.bin', 'q\'u"ote', 'a&b<c>', 'trail/', '//dbl//slash', 'dot/./x', 'dd/../x', '../esc', 'back\\slash',
    'hash#q?x', 'nl\nx', 'e\u0301 vs \u00e9', 'a=b;c:d@,$!*()', '.', '..', 'x'.repeat(1024), 'ctl\u0001x', '~tilde'])('%j stays as it is', async (Key) => {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: `of ${Key}` }))
    expect((await bytesOf(await client.send(new GetObjectCommand({ Bucket, Key })))).toString()).toBe(`of ${Key}`)
    expect(fake.object(Bucket, Key)).toBeDefined()
    const listed = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key, EncodingType: 'url' }))
    expect(listed.Contents?.map((one) => decodeURIComponent((one.Key ?? '').replace(/\+/g, ' ')))).toContain(Key)
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } }))
    expect(deleted.Errors).toBeUndefined()
    expect(fake.object(Bucket, Key)).toBeUndefined()
  })

  test('of 1025 bytes are too long', async () => {
    expect(await refusal(client.send(new PutObjectCommand({ Bucket, Key: 'ä'.repeat(512) + 'x', Body: 'x' })))).toBe('400 KeyTooLongError')
  })
})

describe('signatures', () => {
  const get = (config: S3ClientConfig): Promise<string> => refusal(clientFor(fake, config).send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 })))

  test('of another secret do not match', async () => {
    expect(await get({ credentials: { accessKeyId: 'test', secretAccessKey: 'wrong' } })).toBe('403 SignatureDoesNotMatch')
    expect(await get({ credentials: { accessKeyId: 'nobody', secretAccessKey: 'testsecret' } })).toBe('403 InvalidAccessKeyId')
  })

  test('of another time are too skewed', async () => {
    skew = 16 * 60_000
    expect(await get({})).toBe('403 RequestTimeTooSkewed')
    skew = 14 * 60_000
    expect(await get({})).toBe('no error')
    skew = -16 * 60_000
    expect(await get({})).toBe('403 RequestTimeTooSkewed')
  })

  test('of another region are told the right one', async () => {
    expect(await get({ region: 'eu-central-1' })).toBe('400 AuthorizationHeaderMalformed')
    const far = client.send(new GetObjectCommand({ Bucket: 'far', Key: 'x' }))
    await expect(far).rejects.toMatchObject({ $response: { statusCode: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } } })
    expect(await refusal(clientFor(fake, { region: 'eu-west-1' }).send(new GetObjectCommand({ Bucket: 'far', Key: 'x' })))).toBe('404 NoSuchKey')
    expect(await refusal(clientFor(fake, { followRegionRedirects: true }).send(new GetObjectCommand({ Bucket: 'far', Key: 'x' })))).toBe('404 NoSuchKey')
  })

  test('of temporary keys need their token, while it lasts', async () => {
    const own = await startS3Fake({ credentials: [{ accessKeyId: 'tmp', secretAccessKey: 's', sessionToken: 'tok/en+=', expires: Date.now() + 60_000 }], buckets: ['b'], now: () => Date.now() + skew })
    const ask = (sessionToken?: string): Promise<string> =>
      refusal(clientFor(own, { credentials: { accessKeyId: 'tmp', secretAccessKey: 's', ...(sessionToken === undefined ? {} : { sessionToken }) } }).send(new ListObjectsV2Command({ Bucket: 'b' })))
    expect(await ask('tok/en+=')).toBe('no error')
    expect(await ask()).toBe('403 InvalidAccessKeyId')
    expect(await ask('other')).toBe('400 InvalidToken')
    skew = 61_000
    expect(await ask('tok/en+=')).toBe('400 ExpiredToken')
    own.setCredentials([{ accessKeyId: 'new', secretAccessKey: 's' }])
    expect(await ask('tok/en+=')).toBe('403 InvalidAccessKeyId')
    await own.close()
  })

  test('are needed, but for what is public', async () => {
    fake.put('open', 'x', Buffer.from('hello'))
    fake.put(Bucket, 'x', Buffer.from('hello'))
    expect((await plain(`${fake.url}/open/x`)).body).toBe('hello')
    expect((await plain(`${fake.url}/open?list-type=2`)).body).toContain('<Key>x</Key>')
    expect(await plain(`${fake.url}/${Bucket}/x`)).toMatchObject({ status: 403 })
    expect(await plain(`${fake.url}/open/y`, 'PUT')).toMatchObject({ status: 403 })
  })

  test('cover every header of Amazon, the path and the query', async () => {
    const tampered = clientFor(fake)
    tampered.middlewareStack.add((next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers['x-amz-meta-late'] = 'unsigned'
      return next(args)
    }, { step: 'finalizeRequest', priority: 'low', name: 'tamper' })
    await expect(tampered.send(new PutObjectCommand({ Bucket, Key: 'late', Body: 'x' }))).rejects.toMatchObject({ name: 'AccessDenied', HeadersNotSigned: 'x-amz-meta-late' })
    const bent = clientFor(fake)
    bent.middlewareStack.add((next) => (args) => {
      const request = args.request as { query: Record<string, string> }
      request.query['prefix'] = 'b'
      return next(args)
    }, { step: 'finalizeRequest', priority: 'low', name: 'bend' })
    expect(await refusal(bent.send(new ListObjectsV2Command({ Bucket, Prefix: 'a' })))).toBe('403 SignatureDoesNotMatch')
  })

  test('cover the body', async () => {
    const tampered = clientFor(fake, { requestChecksumCalculation: 'WHEN_REQUIRED' })
    tampered.middlewareStack.add((next) => (args) => {
      const request = args.request as { body: unknown }
      request.body = 'y'
      return next(args)
    }, { step: 'finalizeRequest', priority: 'low', name: 'tamper' })
    expect(await refusal(tampered.send(new PutObjectCommand({ Bucket, Key: 'bent', Body: 'x' })))).toBe('400 XAmzContentSHA256Mismatch')
    expect(fake.object(Bucket, 'bent')).toBeUndefined()
  })
})

describe('listings', () => {
  test('come in pages, in the order of bytes', async () => {
    const keys = Array.from({ length: 2500 }, (_, i) => `list/p${i % 10}/${['\uffee', '😀', 'z'][i % 3]}${String(i).padStart(5, '0')}`)
    for (const key of keys) fake.put(Bucket, key, data.subarray(0, 3))
    const seen: string[] = []
    let pages = 0
    let ContinuationToken: string | undefined
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', ContinuationToken }))
      seen.push(...(page.Contents ?? []).map((one) => one.Key ?? ''))
      ContinuationToken = page.NextContinuationToken
      pages++
    } while (ContinuationToken !== undefined)
    expect(pages).toBe(3)
    expect(seen).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    const some = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', StartAfter: 'list/p5/z00005', MaxKeys: 2 }))
    expect(some).toMatchObject({ KeyCount: 2, IsTruncated: true, Contents: [{ Key: 'list/p5/z00035' }, { Key: 'list/p5/z00065' }] })
    const token = some.NextContinuationToken
    expect(await refusal(client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list', ContinuationToken: token })))).toBe('400 InvalidArgument')
    expect(await refusal(client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'made up' })))).toBe('400 InvalidArgument')
  })

  test('stop at a delimiter, over pages', async () => {
    const prefixes: string[] = []
    const objects: string[] = []
    fake.put(Bucket, 'list/p5', data.subarray(0, 3))
    fake.put(Bucket, 'list/p5.', data.subarray(0, 3))
    let ContinuationToken: string | undefined
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/', MaxKeys: 3, ContinuationToken }))
      prefixes.push(...(page.CommonPrefixes ?? []).map((one) => one.Prefix ?? ''))
      objects.push(...(page.Contents ?? []).map((one) => one.Key ?? ''))
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken !== undefined)
    expect(prefixes).toEqual(Array.from({ length: 10 }, (_, i) => `list/p${i}/`))
    expect(objects).toEqual(['list/p5', 'list/p5.'])
  })

  test('of the first version go on behind a marker', async () => {
    const seen: string[] = []
    let Marker: string | undefined
    do {
      const page = await client.send(new ListObjectsCommand({ Bucket, Prefix: 'list/', Delimiter: '/', MaxKeys: 4, Marker }))
      seen.push(...(page.CommonPrefixes ?? []).map((one) => one.Prefix ?? ''), ...(page.Contents ?? []).map((one) => one.Key ?? ''))
      Marker = page.NextMarker
    } while (Marker !== undefined)
    expect(seen.sort()).toEqual([...Array.from({ length: 10 }, (_, i) => `list/p${i}/`), 'list/p5', 'list/p5.'].sort())
  })

  test('of a million keys that are nowhere', async () => {
    const page = await client.send(new ListObjectsV2Command({ Bucket: 'many', Delimiter: '/', Prefix: 'a/' }))
    expect(page).toMatchObject({ KeyCount: 977, IsTruncated: false })
    const late = await client.send(new ListObjectsV2Command({ Bucket: 'many', StartAfter: 'a/000976/000999990' }))
    expect(late.Contents?.map((one) => one.Key)).toEqual(Array.from({ length: 9 }, (_, i) => `a/000976/00099999${i + 1}`))
    expect(await bytesOf(await client.send(new GetObjectCommand({ Bucket: 'many', Key: 'a/000000/000000007' })))).toEqual(Buffer.from(seededBytes(7, 100)))
    await client.send(new DeleteObjectCommand({ Bucket: 'many', Key: 'a/000000/000000007' }))
    expect(await refusal(client.send(new GetObjectCommand({ Bucket: 'many', Key: 'a/000000/000000007' })))).toBe('404 NoSuchKey')
  })
})

describe('deleting many', () => {
  test('tells of each key', async () => {
    for (const key of ['d1', 'd&2', 'locked']) fake.put(Bucket, key, data.subarray(0, 1))
    const result = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: ['d1', 'd&2', 'locked', 'never was'].map((Key) => ({ Key })) } }))
    expect(result.Deleted?.map((one) => one.Key)).toEqual(['d1', 'd&2', 'never was'])
    expect(result.Errors).toEqual([{ Key: 'locked', Code: 'AccessDenied', Message: 'Access Denied' }])
    const quiet = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: [{ Key: 'd1' }] } }))
    expect(quiet.Deleted).toBeUndefined()
  })

  test('takes a thousand, and no more', async () => {
    const keys = (count: number): { Key: string }[] => Array.from({ length: count }, (_, i) => ({ Key: `k${i}` }))
    expect(await refusal(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys(1000) } })))).toBe('no error')
    expect(await refusal(client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys(1001) } })))).toBe('400 MalformedXML')
  })
})

describe('uploads in parts', () => {
  const PART = 1000

  async function upload(Key: string, more: object = {}): Promise<{ UploadId: string | undefined; Parts: object[] }> {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }))
    const Parts: object[] = []
    for (let i = 0; i < 3; i++) {
      const reply = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body: data.subarray(i * PART, Math.min(2500, (i + 1) * PART)), ...more }))
      Parts.push({ PartNumber: i + 1, ETag: reply.ETag, ...(Object.fromEntries(Object.entries(reply).filter(([name]) => name.startsWith('Checksum')))) })
    }
    return { UploadId, Parts }
  }

  test('become one object, whose parts can be read', async () => {
    const { UploadId, Parts } = await upload('mpu')
    expect((await client.send(new ListPartsCommand({ Bucket, Key: 'mpu', UploadId }))).Parts?.map((one) => one.Size)).toEqual([1000, 1000, 500])
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads).toMatchObject([{ Key: 'mpu', UploadId }])
    const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'mpu', UploadId, MultipartUpload: { Parts } }))
    expect(done.ETag).toMatch(/^"[0-9a-f]{32}-3"$/)
    expect(fake.uploads(Bucket)).toBe(0)
    const whole = await client.send(new GetObjectCommand({ Bucket, Key: 'mpu' }))
    expect((await bytesOf(whole)).equals(data.subarray(0, 2500))).toBe(true)
    const second = await client.send(new GetObjectCommand({ Bucket, Key: 'mpu', PartNumber: 3 }))
    expect(second).toMatchObject({ ContentRange: 'bytes 2000-2499/2500', PartsCount: 3, ETag: done.ETag })
    expect((await bytesOf(second)).equals(data.subarray(2000, 2500))).toBe(true)
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key: 'mpu', PartNumber: 4 })))).toBe('416 InvalidPartNumber')
  })

  test('have the checksum that was asked for', async () => {
    const { UploadId, Parts } = await upload('mpu-sum', { ChecksumAlgorithm: 'SHA256' })
    const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'mpu-sum', UploadId, MultipartUpload: { Parts } }))
    expect(done).toMatchObject({ ChecksumType: 'COMPOSITE', ChecksumSHA256: expect.stringMatching(/-3$/) })
    const whole = await upload('mpu-crc', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    const { ChecksumCRC32 } = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'mpu-crc', UploadId: whole.UploadId, MultipartUpload: { Parts: whole.Parts } }))
    const put = await client.send(new PutObjectCommand({ Bucket, Key: 'crc', Body: data.subarray(0, 2500), ChecksumAlgorithm: 'CRC32' }))
    expect(ChecksumCRC32).toBe(put.ChecksumCRC32)
  })

  test('are refused when a part is missing, wrong, too small or out of order', async () => {
    const { UploadId, Parts } = await upload('mpu2')
    const complete = (some: readonly (object | undefined)[]): Promise<string> =>
      refusal(client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'mpu2', UploadId, MultipartUpload: { Parts: some as object[] } })))
    const [one, two, three] = Parts
    expect(await complete([one, { ...three, PartNumber: 9 }])).toBe('400 InvalidPart')
    expect(await complete([one, { ...two, ETag: '"x"' }])).toBe('400 InvalidPart')
    expect(await complete([two, one])).toBe('400 InvalidPartOrder')
    const small = await client.send(new UploadPartCommand({ Bucket, Key: 'mpu2', UploadId, PartNumber: 1, Body: 'small' }))
    expect(await complete([{ PartNumber: 1, ETag: small.ETag }, two])).toBe('400 EntityTooSmall')
    expect(await refusal(client.send(new UploadPartCommand({ Bucket, Key: 'mpu2', UploadId: 'none', PartNumber: 1, Body: 'x' })))).toBe('404 NoSuchUpload')
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'mpu2', UploadId }))
    expect(await complete([one, two])).toBe('404 NoSuchUpload')
    expect(fake.uploads(Bucket)).toBe(0)
  })

  test('are completed only where nothing is, when asked so', async () => {
    fake.put(Bucket, 'mpu3', data)
    const { UploadId, Parts } = await upload('mpu3')
    const complete = (more: object): Promise<string> => refusal(client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'mpu3', UploadId, MultipartUpload: { Parts }, ...more })))
    expect(await complete({ IfNoneMatch: '*' })).toBe('412 PreconditionFailed')
    expect(await complete({ IfMatch: '"x"' })).toBe('412 PreconditionFailed')
    expect(await complete({ IfMatch: MD5 })).toBe('no error')
  })

  test('take their parts from other objects', async () => {
    fake.put(Bucket, 'source', data)
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts-of' }))
    const copy = await client.send(new UploadPartCopyCommand({ Bucket, Key: 'parts-of', UploadId, PartNumber: 1, CopySource: `${Bucket}/source`, CopySourceRange: 'bytes=100-1199' }))
    await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'parts-of', UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: copy.CopyPartResult?.ETag }] } }))
    expect(Buffer.from(fake.object(Bucket, 'parts-of')?.bytes ?? []).equals(data.subarray(100, 1200))).toBe(true)
  })
})

describe('buckets', () => {
  test('are made, found, listed and removed when empty', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'fresh' }))
    expect(await refusal(client.send(new CreateBucketCommand({ Bucket: 'fresh' })))).toBe('409 BucketAlreadyOwnedByYou')
    expect(await refusal(client.send(new CreateBucketCommand({ Bucket: 'Bad_Name' })))).toBe('400 InvalidBucketName')
    await client.send(new HeadBucketCommand({ Bucket: 'fresh' }))
    expect((await client.send(new ListBucketsCommand({ Prefix: 'fre' }))).Buckets).toMatchObject([{ Name: 'fresh' }])
    expect((await client.send(new ListBucketsCommand({}))).Buckets?.map((one) => one.Name)).toEqual([Bucket, 'far', 'fresh', 'many', 'open'])
    expect((await client.send(new GetBucketLocationCommand({ Bucket: 'fresh' }))).LocationConstraint).toBeUndefined()
    fake.put('fresh', 'x', data)
    expect(await refusal(client.send(new DeleteBucketCommand({ Bucket: 'fresh' })))).toBe('409 BucketNotEmpty')
    await client.send(new DeleteObjectCommand({ Bucket: 'fresh', Key: 'x' }))
    await client.send(new DeleteBucketCommand({ Bucket: 'fresh' }))
    expect(await refusal(client.send(new HeadBucketCommand({ Bucket: 'fresh' })))).toBe('404 NotFound')
  })
})

describe('the server', () => {
  test('does what a fault wants', async () => {
    fake.put(Bucket, 'f', data)
    fake.setFault((request) => (request.operation === 'GetObject' ? { kind: 'status', status: 503 } : undefined))
    expect(await refusal(client.send(new GetObjectCommand({ Bucket, Key: 'f' })))).toBe('503 SlowDown')
    fake.setFault(() => ({ kind: 'fullBody' }))
    expect(await bytesOf(await client.send(new GetObjectCommand({ Bucket, Key: 'f', Range: 'bytes=0-9' })))).toHaveLength(data.length)
    fake.setFault(() => ({ kind: 'rst0' }))
    await expect(client.send(new GetObjectCommand({ Bucket, Key: 'f' }))).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  test('keeps a log, and closes connections that do nothing', async () => {
    const own = await startS3Fake({ keepAlive: 20, buckets: ['b'] })
    const one = clientFor(own)
    await one.send(new ListObjectsV2Command({ Bucket: 'b', Prefix: 'p' }))
    expect(own.log).toMatchObject([{ method: 'GET', bucket: 'b', operation: 'ListObjectsV2', query: { prefix: 'p' }, status: 200, connection: 0 }])
    while (own.connections.open > 0) await new Promise((resolve) => setImmediate(resolve))
    await one.send(new ListObjectsV2Command({ Bucket: 'b' }))
    expect(own.log.at(-1)?.connection).toBe(1)
    await own.close()
    expect(own.connections.open).toBe(0)
  })
})

function plain(url: string, method = 'GET'): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { method, agent: false }, (reply: IncomingMessage) => {
      let body = ''
      reply.on('data', (piece) => { body += piece })
      reply.on('end', () => resolve({ status: reply.statusCode, body }))
    }).on('error', reject).end()
  })
}
