import { afterEach, describe, expect, test } from '@jest/globals'
import type { MillraceError } from '../../../src/errors.js'
import { httpStore, type HttpStoreOptions } from '../../../src/storage/http/store.js'
import { locateHttp } from '../../../src/storage/http/name.js'
import { seededBytes } from '../../servers/seeded.js'
import { webServer, type Manners, type WebServer } from './web-server.js'

const BYTES = seededBytes(1, 300_000)
const SMALL_RANGES = { firstRange: 1000, readAhead: 0, backoffBase: 1, throttleBase: 1, backoffCap: 2 }

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(manners: Partial<Manners> = {}): Promise<WebServer> {
  const web = await webServer({ bytes: BYTES, ...manners })
  disposals.push(() => web.close())
  return web
}

function open(options: HttpStoreOptions = {}): ReturnType<typeof httpStore> {
  const store = httpStore({ ...options, ranges: { ...SMALL_RANGES, ...options.ranges } })
  disposals.push(() => store.close())
  return store
}

async function errorOf(call: Promise<unknown>): Promise<MillraceError> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as MillraceError)
}

/** All that an error tells, also to those who look into it. */
function everythingOf(error: unknown): string {
  const seen = new Set<unknown>()
  return JSON.stringify(error, function (this: unknown, _key, value: unknown) {
    if (typeof value !== 'object' || value === null || seen.has(value)) return value
    seen.add(value)
    return Object.fromEntries(Object.getOwnPropertyNames(value).map(name => [name, (value as Record<string, unknown>)[name]]))
  })
}

async function rangeOf(store: ReturnType<typeof httpStore>, url: string, from: number, to: number): Promise<Uint8Array> {
  const source = await store.open(url)
  try {
    const into = new Uint8Array(to - from)
    await source.read(from, into)
    return into
  } finally {
    await source.close()
  }
}

describe('reading', () => {
  test('asks for ranges of the version that was opened', async () => {
    const web = await server()
    expect(Buffer.from(await rangeOf(open(), `${web.url}/a.bin`, 100_000, 150_000)).equals(BYTES.subarray(100_000, 150_000))).toBe(true)
    expect(web.requests.map(({ headers }) => [headers.range, headers['if-match'], headers['accept-encoding']])).toEqual([
      ['bytes=0-999', undefined, 'identity'], ['bytes=100000-149999', '"v1"', 'identity']
    ])
    const { bytes, meta } = await open().get(`${web.url}/a.bin`)
    expect([Buffer.from(bytes).equals(BYTES), meta]).toEqual([true, { uri: `${web.url}/a.bin`, size: 300_000, version: '"v1"' }])
  })

  test('of an empty object works', async () => {
    const web = await server({ bytes: new Uint8Array(0) })
    expect((await open().get(`${web.url}/a`)).bytes).toHaveLength(0)
    expect((await open().stat(`${web.url}/a`)).size).toBe(0)
  })

  test.each([
    ['a weak ETag and a date', { etag: 'W/"x"' }, 'Fri, 02 Jan 2026 03:04:05 GMT, 300000 bytes', ['if-unmodified-since', 'Fri, 02 Jan 2026 03:04:05 GMT']],
    ['a date', { etag: undefined }, 'Fri, 02 Jan 2026 03:04:05 GMT, 300000 bytes', ['if-unmodified-since', 'Fri, 02 Jan 2026 03:04:05 GMT']],
    ['a weak ETag alone', { etag: 'W/"x"', modified: undefined }, '', undefined],
    ['nothing', { etag: undefined, modified: undefined }, '', undefined]
  ] as const)('knows versions by what the server tells: %s', async (_, manners, version, pin) => {
    const web = await server(manners)
    const store = open()
    const source = await store.open(`${web.url}/a`)
    expect(source.version).toBe(version)
    expect((await store.stat(`${web.url}/a`)).version).toBe(version)
    await source.read(200_000, new Uint8Array(10))
    const last = web.requests.at(-1)?.headers ?? {}
    expect([last['if-match'], last['if-unmodified-since']]).toEqual([undefined, pin?.[1]])
    await source.close()
  })

  test.each([
    ['the ETag, which the server compares', {}, { etag: '"v2"' }],
    ['the ETag, which the server ignores', { conditions: false }, { etag: '"v2"' }],
    ['the date, which the server compares', { etag: undefined }, { modified: new Date('2026-01-02T03:04:06Z') }],
    ['the date, which the server ignores', { etag: undefined, conditions: false }, { modified: new Date('2026-01-02T03:04:06Z') }],
    ['the size, for want of anything better', { etag: undefined, modified: undefined }, { bytes: BYTES.subarray(0, 299_999) }]
  ] as const)('of an object that is replaced while it is open ends with Changed: %s', async (_, manners, change) => {
    const web = await server(manners)
    const source = await open().open(`${web.url}/a`)
    await source.read(100_000, new Uint8Array(10))
    Object.assign(web, change)
    const into = new Uint8Array(10)
    expect(await errorOf(source.read(200_000, into))).toMatchObject({ kind: 'Changed', uri: `${web.url}/a` })
    expect(into.every(byte => byte === 0)).toBe(true)
    await source.close()
  })

  test('goes on where a connection broke, with the version pinned', async () => {
    let breaks = 2
    const web = await server()
    web.before = (request, response) => {
      if (request.headers.range !== 'bytes=100000-199999' && !String(request.headers.range).startsWith('bytes=1')) return false
      if (breaks-- <= 0) return false
      const from = Number(/bytes=(\d+)/.exec(String(request.headers.range))?.[1])
      response.writeHead(206, { etag: '"v1"', 'content-range': `bytes ${from}-199999/300000`, 'content-length': 200_000 - from })
      response.write(BYTES.subarray(from, from + 30_000), () => response.socket?.end())
      return true
    }
    expect(Buffer.from(await rangeOf(open(), `${web.url}/a`, 100_000, 200_000)).equals(BYTES.subarray(100_000, 200_000))).toBe(true)
    const asked = web.requests.slice(1).map(({ headers }) => headers.range)
    expect(asked).toHaveLength(3)
    expect(asked[0]).toBe('bytes=100000-199999')
    expect(web.requests.slice(1).every(({ headers }) => headers['if-match'] === '"v1"')).toBe(true)
  })

  test('from a server without ranges works for objects that are read whole, and for small ones', async () => {
    const web = await server({ ranges: false })
    const store = open()
    expect(Buffer.from((await store.get(`${web.url}/a`)).bytes).equals(BYTES)).toBe(true)
    expect(await errorOf(store.open(`${web.url}/a`))).toMatchObject({ kind: 'RangeIgnored' })
    web.bytes = BYTES.subarray(0, 900)
    expect(Buffer.from(await rangeOf(store, `${web.url}/a`, 100, 200)).equals(BYTES.subarray(100, 200))).toBe(true)
  })

  test('refuses what the server has encoded', async () => {
    const web = await server({ headers: { 'content-encoding': 'gzip' } })
    expect(await errorOf(open().get(`${web.url}/a`))).toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('gzip') })
    expect(await errorOf(open().stat(`${web.url}/a`))).toMatchObject({ kind: 'Unsupported' })
    web.headers = { 'content-encoding': 'identity' }
    expect((await open().get(`${web.url}/a`)).bytes).toHaveLength(300_000)
  })

  test('ends when the signal is aborted, and with Closed when the store is closed; no connection is left', async () => {
    const web = await server()
    const controller = new AbortController()
    const reason = new Error('stop')
    web.before = () => {
      setImmediate(() => controller.abort(reason))
      return true
    }
    const store = open()
    expect(await errorOf(store.get(`${web.url}/a`, { signal: controller.signal }))).toBe(reason)
    let arrived: (() => void) | undefined
    const asked = new Promise<void>(resolve => { arrived = resolve })
    web.before = () => {
      arrived?.()
      return true
    }
    const calls = [errorOf(store.get(`${web.url}/a`)), errorOf(store.stat(`${web.url}/a`))]
    await asked
    await store.close()
    expect((await Promise.all(calls)).map(({ kind }) => kind)).toEqual(['Closed', 'Closed'])
    expect(await errorOf(store.get(`${web.url}/a`))).toMatchObject({ kind: 'Closed' })
    for (let i = 0; i < 100 && web.connections() > 0; i++) await new Promise(resolve => setImmediate(resolve))
    expect(web.connections()).toBe(0)
  })
})

describe('stat', () => {
  test('asks with HEAD', async () => {
    const web = await server()
    expect(await open().stat(`${web.url}/a`)).toEqual({
      uri: `${web.url}/a`, size: 300_000, version: '"v1"', modified: Date.parse('2026-01-02T03:04:05Z'), contentType: 'application/x-test', more: { etag: '"v1"' }
    })
    expect(web.requests.map(({ method }) => method)).toEqual(['HEAD'])
  })

  test.each([400, 403, 405, 501])('asks for one byte where HEAD is refused with %i', async head => {
    for (const ranges of [true, false]) {
      const web = await server({ head, ranges })
      expect(await open().stat(`${web.url}/a`)).toMatchObject({ size: 300_000, version: '"v1"' })
      expect(web.requests.map(({ method, headers }) => [method, headers.range])).toEqual([['HEAD', undefined], ['GET', 'bytes=0-0']])
    }
    const empty = await server({ head, bytes: new Uint8Array(0) })
    expect((await open().stat(`${empty.url}/a`)).size).toBe(0)
  })

  test('asks again while the server cannot answer, and tells when it is too often', async () => {
    let busy = 2
    const web = await server()
    web.before = (_, response) => {
      if (busy-- <= 0) return false
      response.writeHead(busy === 0 ? 503 : 429).end()
      return true
    }
    const store = open({ ranges: { maxAttempts: 3 } })
    expect((await store.stat(`${web.url}/a`)).size).toBe(300_000)
    busy = 99
    expect(await errorOf(store.stat(`${web.url}/a`))).toMatchObject({ kind: 'Throttled', attempts: 3, status: 429, operation: 'stat' })
    web.before = request => {
      request.socket.destroy()
      return true
    }
    expect(await errorOf(store.stat(`${web.url}/a`))).toMatchObject({ kind: 'Unavailable', attempts: 3 })
  })

  test('gives up when no reply comes', async () => {
    const web = await server({ before: () => true })
    expect(await errorOf(open({ ranges: { maxAttempts: 1, ttfbTimeout: 50 } }).stat(`${web.url}/a`))).toMatchObject({ kind: 'Timeout' })
  })

  test('says that the server does not tell the size', async () => {
    const web = await server({ before: (_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' }).end()
      return true
    } })
    expect(await errorOf(open().stat(`${web.url}/a`))).toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('size') })
  })
})

describe('errors', () => {
  test.each([
    [400, 'Denied'], [401, 'Denied'], [403, 'Denied'], [404, 'NotFound'], [410, 'NotFound'], [429, 'Throttled'], [500, 'Unavailable'], [501, 'Unsupported'], [503, 'Unavailable'],
    [304, 'Changed'], [300, 'Unsupported']
  ] as const)('status %i is %s', async (status, kind) => {
    const web = await server({ before: (_, response) => {
      response.writeHead(status).end()
      return true
    } })
    expect(await errorOf(open({ ranges: { maxAttempts: 2 } }).get(`${web.url}/a`))).toMatchObject({ kind, status, uri: `${web.url}/a` })
  })

  test('show neither query nor user nor password nor headers, and of what the server says only code and message', async () => {
    const xml = '<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature of http://h/a?sig=s3cret does not match</Message>'
      + '<AWSAccessKeyId>s3cret</AWSAccessKeyId><StringToSign>s3cret</StringToSign></Error>'
    const web = await server({ before: (_, response) => {
      response.writeHead(403, { 'content-type': 'application/xml' }).end(xml)
      return true
    } })
    const url = `${web.url.replace('://', '://us3cret:ps3cret@')}/a?X-Amz-Signature=s3cret`
    const store = open({ headers: { 'x-key': 's3cret' } })
    const errors = [await errorOf(store.get(url)), await errorOf(store.stat(url)), await errorOf(store.open(url)), await errorOf(store.put(url, BYTES)), await errorOf(store.delete(url))]
    expect(errors[0]).toMatchObject({ uri: `${web.url}/a`, message: expect.stringContaining('SignatureDoesNotMatch') })
    await web.close()
    errors.push(await errorOf(open({ ranges: { maxAttempts: 2 } }).get(url)), await errorOf(open({ ranges: { maxAttempts: 2 } }).stat(url)))
    errors.push(await errorOf(store.get(`${url}#x`)), await errorOf(store.get(url.replace('127.0.0.1', 'a b'))))
    for (const error of errors) expect(everythingOf(error)).not.toContain('s3cret')
    expect(errors.slice(5, 7).map(({ kind }) => kind)).toEqual(['Unavailable', 'Unavailable'])
  })

  test('of everything that writes say that this store can only be read', async () => {
    const store = open()
    expect(store.capabilities).toMatchObject({ write: false, list: false })
    const url = 'https://example.com/a'
    const calls = [store.put(url, BYTES), store.createWriter(url), store.delete(url), (async () => { for await (const page of store.list('https://example.com/')) void page })()]
    for (const call of calls) expect(await errorOf(call)).toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('read') })
  })
})

describe('credentials', () => {
  test('in the URL are sent as Basic authorization', async () => {
    const web = await server()
    await open({ headers: { authorization: 'Bearer x', 'x-other': 'y' } }).get(`${web.url.replace('://', '://us%40er:p%C3%A4ss@')}/a`)
    expect([web.requests[0]?.headers.authorization, web.requests[0]?.headers['x-other']]).toEqual([`Basic ${Buffer.from('us@er:päss').toString('base64')}`, 'y'])
  })

  test('may come from a function, which is asked again after a 401', async () => {
    const web = await server({ before: (request, response) => {
      if (request.headers.authorization === 'Bearer t2') return false
      response.writeHead(401).end()
      return true
    } })
    for (const call of ['get', 'stat'] as const) {
      let asked = 0
      await open({ headers: async () => ({ Authorization: `Bearer t${++asked}` }) })[call](`${web.url}/a`)
      expect(asked).toBe(2)
    }
    const before = web.requests.length
    expect(await errorOf(open({ headers: { authorization: 'Bearer t1' } }).get(`${web.url}/a`))).toMatchObject({ kind: 'Denied', status: 401 })
    expect(web.requests.length - before).toBe(1)
  })

  test('of a function that fails are an error of that function', async () => {
    const web = await server()
    const cause = new Error('the vault is closed')
    expect(await errorOf(open({ headers: () => Promise.reject(cause) }).get(`${web.url}/a`))).toMatchObject({ kind: 'UserFunction', cause })
    expect(await errorOf(open({ headers: () => ({ range: 'bytes=0-' }) }).get(`${web.url}/a`))).toMatchObject({ kind: 'UserFunction' })
  })

  test.each([
    [{ headers: { Range: 'bytes=0-1' } }], [{ headers: { 'if-match': '"x"' } }], [{ headers: { 'a b': 'x' } }], [{ headers: { a: 's3cret\n' } }], [{ headers: { a: 1 } }],
    [{ headers: 'x' }], [{ url: 'x' }], [{ ranges: { nothing: 1 } }]
  ])('%j are refused at the call', options => {
    expect(() => httpStore(options as unknown as HttpStoreOptions)).toThrow(TypeError)
    expect(() => httpStore(options as unknown as HttpStoreOptions)).not.toThrow(/s3cret/)
  })
})

describe('URLs', () => {
  test('are sent as they are written', async () => {
    const web = await server()
    const store = open()
    for (const path of ['/a%20b%2Fc', '/a/../b', '//a//b', '/a;b=c,d', '/~%7e', "/'()*!", '/a?b=%2F&c=d?e', '/?x', '/a+b']) {
      await store.get(web.url + path)
      expect(web.requests.at(-1)?.url).toBe(path)
    }
    await store.get(`${web.url}/ü a/😀?q=ß`)
    expect(web.requests.at(-1)?.url).toBe('/%C3%BC%20a/%F0%9F%98%80?q=%C3%9F')
    await store.get(web.url)
    expect(web.requests.at(-1)?.url).toBe('/')
  })

  test('have a canonical form', () => {
    expect(locateHttp('HTTPS://Example.COM:443/a%20b?sig=x', 'open')).toMatchObject({ uri: 'https://example.com/a%20b', container: 'https://example.com', key: '/a%20b?sig=x' })
    expect(locateHttp('http://h:80', 'open')).toMatchObject({ uri: 'http://h/', key: '/' })
    expect(locateHttp('http://[::1]:8080/x', 'open')).toMatchObject({ uri: 'http://[::1]:8080/x', container: 'http://[::1]:8080' })
    expect(locateHttp('http://only@h/x', 'open').authorization).toBe(`Basic ${btoa('only:')}`)
  })

  test.each(['http://', 'http:///x', 'ftp://h/x', 'h/x', 'http://h/x#y', 'http://h:99999/x', 'http://u:%@h/x', 'http://h/\0', 'http://a b/', 'http://h\\x/'])('%j is InvalidUri', async url => {
    expect(await errorOf(open().get(url))).toMatchObject({ kind: 'InvalidUri' })
  })
})
