import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { locateS3 } from '../../../src/storage/s3/name.js'
import { checkS3Options, type S3StoreOptions } from '../../../src/storage/s3/options.js'
import { socketTransport } from '../../../src/storage/remote/socket-transport.js'
import { s3Service } from '../../../src/storage/s3/service.js'
import type { HttpRequest } from '../../../src/storage/remote/http.js'
import { startS3Fake, type FakeRequest, type S3Fake, type S3FakeOptions } from '../../servers/s3-fake.js'
import { allOf, bytesOf, failureOf, KEYS, listOf, storeWith, textOf } from './kit.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => { for (const each of open.splice(0).reverse()) await each.close() })

async function fakeOf(options: S3FakeOptions = {}): Promise<S3Fake> {
  const fake = await startS3Fake({ buckets: ['b'], ...options })
  open.push(fake)
  if (options.regions === undefined) fake.put('b', 'k', bytesOf('hello'))
  return fake
}

function storeOf(...args: Parameters<typeof storeWith>): RemoteStore {
  const store = storeWith(...args)
  open.push(store)
  return store
}

const gets = (fake: S3Fake): FakeRequest[] => fake.log.filter(({ operation }) => operation === 'GetObject')
const keyIn = ({ headers }: FakeRequest): string | undefined => /Credential=(\w+)/.exec(headers['authorization'] ?? '')?.[1]
const regionIn = ({ headers }: FakeRequest): string | undefined => /Credential=\w+\/\d+\/([^/]+)\//.exec(headers['authorization'] ?? '')?.[1]

describe('credentials', () => {
  test.each(['own', 'sdk'] as const)('that are wrong are Denied at once, and stand in no error; signing: %s', async signing => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, signing, credentials: { accessKeyId: 'test', secretAccessKey: 'not-the-secret', sessionToken: undefined } })
    const errors = [await failureOf(store.get('s3://b/k')), await failureOf(store.stat('s3://b/k')), await failureOf(store.put('s3://b/x', bytesOf('x')))]
    for (const error of errors) {
      expect(error).toMatchObject({ kind: 'Denied', status: 403 })
      expect(allOf(error)).not.toMatch(/not-the-secret|Signature=|[0-9a-f]{64}/)
    }
    expect(errors[0]?.message).toMatch(/SignatureDoesNotMatch/)
    expect(fake.log).toHaveLength(3)
    const unknown = storeOf({ endpoint: fake.url, signing, credentials: { accessKeyId: 'nobody', secretAccessKey: 'x' } })
    expect((await failureOf(unknown.get('s3://b/k'))).message).toMatch(/InvalidAccessKeyId/)
  })

  test('of a function are asked for once for many requests at once, of reading and of all else', async () => {
    const fake = await fakeOf()
    const provider = jest.fn(async () => ({ ...KEYS, expiration: new Date(Date.now() + 3_600_000) }))
    const store = storeOf({ endpoint: fake.url, credentials: provider })
    await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? store.get('s3://b/k') : store.stat('s3://b/k'))))
    await store.get('s3://b/k')
    expect(provider).toHaveBeenCalledTimes(1)
  })

  test.each(['own', 'sdk'] as const)('that have expired are renewed once for all who were refused; signing: %s', async signing => {
    const fake = await fakeOf({ credentials: [{ accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't1', expires: 0 }, { accessKeyId: 'new', secretAccessKey: 's', sessionToken: 't2' }] })
    const names = ['old', 'new']
    const provider = jest.fn(async () => {
      const accessKeyId = names.shift() ?? 'none'
      return { accessKeyId, secretAccessKey: 's', sessionToken: accessKeyId === 'old' ? 't1' : 't2', expiration: new Date(Date.now() + 3_600_000) }
    })
    const store = storeOf({ endpoint: fake.url, signing, credentials: provider })
    expect(await Promise.all(Array.from({ length: 20 }, () => textOf(store, 's3://b/k')))).toEqual(Array(20).fill('hello'))
    expect(provider).toHaveBeenCalledTimes(2)
    expect(keyIn(gets(fake).at(-1) as FakeRequest)).toBe('new')
    expect((await store.stat('s3://b/k')).size).toBe(5)
    expect(provider).toHaveBeenCalledTimes(2)
  })

  test('that have expired are renewed for what is not reading, too', async () => {
    const fake = await fakeOf({ credentials: [{ accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't1', expires: 0 }, { accessKeyId: 'new', secretAccessKey: 's' }] })
    let calls = 0
    const store = storeOf({ endpoint: fake.url, credentials: async () => (calls++ === 0 ? { accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't1' } : { accessKeyId: 'new', secretAccessKey: 's' }) })
    expect((await store.put('s3://b/x', bytesOf('x'))).size).toBe(1)
    expect(calls).toBe(2)
  })

  test('that stay expired are Denied, after one try', async () => {
    const fake = await fakeOf({ credentials: [{ accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't', expires: 0 }] })
    const store = storeOf({ endpoint: fake.url, credentials: { accessKeyId: 'old', secretAccessKey: 's', sessionToken: 't' } })
    for (const read of [() => store.get('s3://b/k'), () => store.put('s3://b/x', bytesOf('x'))]) {
      const before = fake.log.length
      expect(await failureOf(read())).toMatchObject({ kind: 'Denied', status: 400 })
      expect(fake.log.length - before).toBe(2)
    }
  })

  test('that cannot be had are Denied, with advice, and are asked for again the next time', async () => {
    const fake = await fakeOf()
    let failures = 2
    const store = storeOf({ endpoint: fake.url, credentials: async () => {
      if (failures-- > 0) throw Object.assign(new Error('Could not load credentials from any providers'), { name: 'CredentialsProviderError' })
      return KEYS
    } })
    for (const operation of [() => store.get('s3://b/k'), () => store.stat('s3://b/k')]) {
      const error = await failureOf(operation())
      expect(error).toMatchObject({ kind: 'Denied' })
      expect(error.message).toMatch(/anonymous: true/)
    }
    expect(await textOf(store, 's3://b/k')).toBe('hello')
  })

  test('may be none at all, for public data', async () => {
    const fake = await fakeOf({ publicBuckets: ['b'], buckets: ['b', 'private'] })
    for (const options of [{ credentials: 'anonymous' }, { anonymous: true, credentials: undefined }, { credentials: 'anonymous', signing: 'sdk' }] as S3StoreOptions[]) {
      const store = storeOf({ endpoint: fake.url, ...options })
      expect(await textOf(store, 's3://b/k')).toBe('hello')
      expect((await store.stat('s3://b/k')).size).toBe(5)
      expect(await listOf(store.list('s3://b/'))).toHaveLength(1)
      expect(await failureOf(store.get('s3://private/k'))).toMatchObject({ kind: 'Denied', status: 403 })
      expect(await failureOf(store.put('s3://b/k', bytesOf('x')))).toMatchObject({ kind: 'Denied', status: 403 })
    }
    for (const { headers } of fake.log) expect(headers['authorization']).toBeUndefined()
  })
})

describe('what a service corrects', () => {
  test.each(['own', 'sdk'] as const)('the clock: once, from the date of the reply; signing: %s', async signing => {
    const ahead = 3 * 3_600_000
    const fake = await fakeOf({ now: () => Date.now() + ahead })
    const store = storeOf({ endpoint: fake.url, signing })
    expect(await textOf(store, 's3://b/k')).toBe('hello')
    expect(await textOf(store, 's3://b/k')).toBe('hello')
    expect(fake.log.map(({ status }) => status)).toEqual([403, 206, 206])
    expect((await store.put('s3://b/x', bytesOf('x'))).size).toBe(1)
    expect(fake.log.at(-1)?.status).toBe(200)
    expect(fake.log).toHaveLength(4)
  })

  test('a clock that is wrong for what is not reading', async () => {
    const fake = await fakeOf({ now: () => Date.now() - 3 * 3_600_000 })
    const store = storeOf({ endpoint: fake.url })
    expect((await store.put('s3://b/x', bytesOf('x'))).size).toBe(1)
  })

  test.each(['own', 'sdk'] as const)('the region of a bucket: once for reading and all else, and other buckets stay where they are; signing: %s', async signing => {
    const fake = await fakeOf({ buckets: ['b', 'far'], regions: { far: 'eu-central-1' } })
    fake.put('b', 'k', bytesOf('near'))
    fake.put('far', 'k', bytesOf('far away'))
    const store = storeOf({ endpoint: fake.url, signing })
    expect(await textOf(store, 's3://far/k')).toBe('far away')
    expect(await textOf(store, 's3://far/k')).toBe('far away')
    expect(await textOf(store, 's3://b/k')).toBe('near')
    expect((await store.stat('s3://far/k')).size).toBe(8)
    expect(fake.log.map(each => [regionIn(each), each.status >= 300])).toEqual([
      ['us-east-1', true], ['eu-central-1', false], ['eu-central-1', false], ['us-east-1', false], ['eu-central-1', false]
    ])
  })

  test('the region of a bucket, for what is not reading', async () => {
    const fake = await fakeOf({ buckets: ['b', 'far'], regions: { far: 'eu-central-1' } })
    const store = storeOf({ endpoint: fake.url })
    expect((await store.put('s3://far/x', bytesOf('x'))).size).toBe(1)
    expect((await store.stat('s3://far/x')).size).toBe(1)
    expect(await listOf(store.list('s3://far/'))).toHaveLength(1)
    expect(fake.log.filter(({ status }) => status >= 300)).toHaveLength(1)
  })
})

describe('replies', () => {
  test('that say what is wrong become errors that say it', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, ranges: { maxAttempts: 2, backoffBase: 1, throttleBase: 1 } })
    const faults: readonly (readonly [number, string, string, number])[] = [
      [503, 'SlowDown', 'Throttled', 2], [500, 'InternalError', 'Unavailable', 2], [502, 'BadGateway', 'Unavailable', 2], [429, 'TooManyRequests', 'Throttled', 2],
      [400, 'RequestTimeout', 'Timeout', 2], [403, 'AccessDenied', 'Denied', 1], [403, 'InvalidObjectState', 'Unsupported', 1], [404, 'NoSuchKey', 'NotFound', 1],
      [404, 'NoSuchBucket', 'NotFound', 1], [412, 'PreconditionFailed', 'Changed', 1], [400, 'InvalidRequest', 'Unsupported', 1], [501, 'NotImplemented', 'Unsupported', 1]
    ]
    for (const [status, code, kind, requests] of faults) {
      const before = fake.log.length
      fake.setFault(() => ({ kind: 'status', status, code }))
      const error = await failureOf(store.get('s3://b/k'))
      expect([code, error.kind, fake.log.length - before]).toEqual([code, kind, requests])
      if (status !== 412) expect(error.message).toContain(code)
      expect(error.status).toBe(status)
    }
  })

  test('are compared with the checksum of the object when all of it is read, and not with that of a range', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    await store.put('s3://b/sum', bytesOf('checked'))
    const whole = await store.get('s3://b/sum', { verify: true })
    expect(whole.verified).toBe(true)
    fake.setFault(() => ({ kind: 'flip' }))
    expect(await failureOf(store.get('s3://b/sum', { verify: true }))).toMatchObject({ kind: 'Corrupt' })
    for (const { headers } of gets(fake)) expect(headers['x-amz-checksum-mode']).toBe(headers['range'] === undefined ? 'ENABLED' : undefined)
  })

  test('of names with odd characters are those of just that object', async () => {
    const names = ['a/../b', '../x', './y', 'a//b', '/lead', '\\', 'q?versionId=1&x', 'h#f', 'p%2Fq', 'p%', 'a+b', 'a b', 'é', 'é'.normalize('NFD'), '\u{1f600}', '\u0001\u001f', '\u007f\u0085', '"<>&\'', '*', '\n', '~!$\'()*,;=:@', 'x'.repeat(1024)]
    const fake = await fakeOf()
    for (const signing of ['own', 'sdk'] as const) {
      const store = storeOf({ endpoint: fake.url, signing })
      for (const name of names) await store.put(`s3://b/${name}`, bytesOf(`${signing} ${name}`))
      expect(fake.keys('b').sort()).toEqual([...names, 'k'].sort())
      for (const name of names) expect(await textOf(store, `s3://b/${name}`)).toBe(`${signing} ${name}`)
      expect((await listOf(store.list('s3://b/'))).map(({ uri }) => uri).sort()).toEqual([...names, 'k'].map(name => `s3://b/${name}`).sort())
      for (const name of names) expect((await store.stat(`s3://b/${name}`)).size).toBe(bytesOf(`${signing} ${name}`).byteLength)
      await store.deleteMany?.(names.map(name => `s3://b/${name}`))
      expect(fake.keys('b')).toEqual(['k'])
    }
  })
})

describe('endpoints', () => {
  const arn = 'arn:aws:s3:us-west-2:123456789012:accesspoint/name'
  const express = 'data--use1-az4--x-s3'

  async function requestFor(options: S3StoreOptions, bucket = 'bkt', env: Record<string, string> = {}): Promise<HttpRequest> {
    const service = s3Service(checkS3Options({ region: 'eu-west-1', credentials: KEYS, ...options }, env))
    const reader = await service.reader(socketTransport())
    return reader.request(locateS3(`s3://${bucket}/a b`, 'open', 'object'), { first: 0, last: 9 }, '"v"', new AbortController().signal)
  }

  const cases: readonly (readonly [string, S3StoreOptions, string, string])[] = [
    ['bkt', {}, 'https://bkt.s3.eu-west-1.amazonaws.com', '/a%20b'],
    ['b.with.dots', {}, 'https://s3.eu-west-1.amazonaws.com', '/b.with.dots/a%20b'],
    ['bkt', { forcePathStyle: true }, 'https://s3.eu-west-1.amazonaws.com', '/bkt/a%20b'],
    ['bkt', { dualstack: true }, 'https://bkt.s3.dualstack.eu-west-1.amazonaws.com', '/a%20b'],
    ['bkt', { fips: true }, 'https://bkt.s3-fips.eu-west-1.amazonaws.com', '/a%20b'],
    ['bkt', { accelerate: true }, 'https://bkt.s3-accelerate.amazonaws.com', '/a%20b'],
    ['bkt', { endpoint: 'http://localhost:9000' }, 'http://localhost:9000', '/bkt/a%20b'],
    ['bkt', { endpoint: 'https://s3.example.org:443/some/place/' }, 'https://s3.example.org', '/some/place/bkt/a%20b'],
    ['bkt', { endpoint: 'https://s3.example.org', forcePathStyle: false }, 'https://bkt.s3.example.org', '/a%20b'],
    ['bkt', { endpoint: 'https://s3.eu-west-1.amazonaws.com' }, 'https://bkt.s3.eu-west-1.amazonaws.com', '/a%20b'],
    [arn, {}, 'https://name-123456789012.s3-accesspoint.us-west-2.amazonaws.com', '/a%20b']
  ]
  test.each(cases)('%s with %j', async (bucket, options, origin, path) => {
    for (const signing of ['own', 'sdk'] as const) {
      const request = await requestFor({ ...options, signing }, bucket)
      expect([request.origin, request.path.replace(/\?x-id=GetObject$/, ''), request.method]).toEqual([origin, path, 'GET'])
      expect(request.headers).toMatchObject({ host: origin.slice(origin.indexOf('//') + 2), range: 'bytes=0-9', 'if-match': '"v"' })
      expect(request.headers['authorization']).toContain(bucket === arn ? '/us-west-2/s3/aws4_request' : '/eu-west-1/s3/aws4_request')
    }
  })

  test('of the environment are addressed by path', async () => {
    const saved = process.env['AWS_ENDPOINT_URL_S3']
    process.env['AWS_ENDPOINT_URL_S3'] = 'http://localhost:9000'
    try {
      expect(await requestFor({}, 'bkt', { AWS_ENDPOINT_URL_S3: 'http://localhost:9000' })).toMatchObject({ origin: 'http://localhost:9000', path: '/bkt/a%20b' })
    } finally {
      if (saved === undefined) delete process.env['AWS_ENDPOINT_URL_S3']
      else process.env['AWS_ENDPOINT_URL_S3'] = saved
    }
  })

  test('of directory buckets get requests that the SDK signs, with a session that it opens', async () => {
    const asked: { url: string | undefined; token: unknown }[] = []
    const server = createServer((request, response) => {
      const { url = '', headers } = request
      asked.push({ url, token: headers['x-amz-s3session-token'] })
      if (url.includes('session')) {
        response.end('<CreateSessionResult><Credentials><SessionToken>lent</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>a</AccessKeyId>'
          + `<Expiration>${new Date(Date.now() + 300_000).toISOString()}</Expiration></Credentials></CreateSessionResult>`)
      } else {
        response.writeHead(206, { etag: '"v"', 'content-range': 'bytes 0-4/5', 'content-length': '5' }).end('hello')
      }
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    open.push({ close: () => new Promise(resolve => { server.close(() => resolve()).closeAllConnections() }) })
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const store = storeOf({ endpoint })
    expect(await textOf(store, `s3://${express}/k`)).toBe('hello')
    expect(await textOf(store, `s3://${express}/k`)).toBe('hello')
    expect(asked.map(({ url, token }) => [url?.includes('session'), token])).toEqual([[true, undefined], [false, 'lent'], [false, 'lent']])
    expect(await failureOf(storeOf({ endpoint, signing: 'own' }).get(`s3://${express}/k`))).toMatchObject({ kind: 'Unsupported' })
  })

  test('in many regions need a package that signs for them', async () => {
    const error = await failureOf(requestFor({}, 'arn:aws:s3::123456789012:accesspoint/x.mrap'))
    expect(error).toMatchObject({ kind: 'MissingPackage' })
    expect(error.message).toMatch(/@aws-sdk\/signature-v4a/)
  })

  test('are asked to charge the reader, where that is wanted', async () => {
    for (const signing of ['own', 'sdk'] as const) {
      const { headers } = await requestFor({ requesterPays: true, signing })
      expect(headers['x-amz-request-payer']).toBe('requester')
      expect(headers['authorization']).toMatch(/SignedHeaders=[^,]*x-amz-request-payer/)
    }
  })

  test('of two stores do not mix', async () => {
    const [one, two] = [await fakeOf({ credentials: [{ accessKeyId: 'one', secretAccessKey: '1' }] }), await fakeOf({ credentials: [{ accessKeyId: 'two', secretAccessKey: '2' }], region: 'eu-central-1' })]
    two.put('b', 'k', bytesOf('of two'))
    const stores = [
      storeOf({ endpoint: one.url, credentials: { accessKeyId: 'one', secretAccessKey: '1' } }),
      storeOf({ endpoint: two.url, credentials: { accessKeyId: 'two', secretAccessKey: '2' }, region: 'eu-central-1' })
    ] as const
    expect(await Promise.all(stores.map(store => textOf(store, 's3://b/k')))).toEqual(['hello', 'of two'])
    await stores[0].put('s3://b/new', bytesOf('x'))
    expect([one.keys('b'), two.keys('b')]).toEqual([['k', 'new'], ['k']])
    await stores[0].close()
    expect(await failureOf(stores[0].get('s3://b/k'))).toMatchObject({ kind: 'Closed' })
    expect(await textOf(stores[1], 's3://b/k')).toBe('of two')
  })
})

test('without the SDK it says what to install, and works once that is there', async () => {
  const fake = await fakeOf()
  let missing = true
  const store = storeOf({ endpoint: fake.url }, { load: () => (missing ? Promise.reject(new Error('Cannot find package')) : import('@aws-sdk/client-s3')) })
  for (const operation of [() => store.get('s3://b/k'), () => store.stat('s3://b/k')]) {
    const error = await failureOf(operation())
    expect(error).toMatchObject({ kind: 'MissingPackage' })
    expect(error.message).toMatch(/npm install "@aws-sdk\/client-s3@>=3\.\d+/)
  }
  missing = false
  expect(await textOf(store, 's3://b/k')).toBe('hello')
})
