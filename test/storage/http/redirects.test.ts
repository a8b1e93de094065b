import { afterEach, describe, expect, test } from '@jest/globals'
import type { MillraceError } from '../../../src/errors.js'
import { httpStore, type HttpStoreOptions } from '../../../src/storage/http/store.js'
import { followingRedirects, refusedRedirect } from '../../../src/storage/http/redirects.js'
import type { Exchange, HttpRequest, ReplyHead, Transport } from '../../../src/storage/remote/http.js'
import { seededBytes } from '../../servers/seeded.js'
import { webServer, type WebServer } from './web-server.js'

const BYTES = seededBytes(1, 50_000)

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(): Promise<WebServer> {
  const web = await webServer({ bytes: BYTES })
  disposals.push(() => web.close())
  return web
}

function open(options: HttpStoreOptions = {}): ReturnType<typeof httpStore> {
  const store = httpStore({ ranges: { firstRange: 1000, readAhead: 0, maxAttempts: 2, backoffBase: 1 }, ...options })
  disposals.push(() => store.close())
  return store
}

async function errorOf(call: Promise<unknown>): Promise<MillraceError> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as MillraceError)
}

/** Redirects what begins with `/r`. */
function redirect(web: WebServer, status: number, location: (url: string) => string | undefined): void {
  web.before = ({ url = '' }, response) => {
    if (!url.startsWith('/r')) return false
    const target = location(url)
    response.writeHead(status, target === undefined ? {} : { location: target }).end('moved '.repeat(1000))
    return true
  }
}

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('with %i are followed, with the range', async status => {
    const web = await server()
    redirect(web, status, () => '/target?sig=s')
    const store = open()
    const source = await store.open(`${web.url}/r`)
    const into = new Uint8Array(100)
    await source.read(20_000, into)
    await source.close()
    expect(Buffer.from(into).equals(BYTES.subarray(20_000, 20_100))).toBe(true)
    expect(source.uri).toBe(`${web.url}/r`)
    expect(web.requests.map(({ url, headers }) => [url, headers.range, headers['if-match']])).toEqual([
      ['/r', 'bytes=0-999', undefined], ['/target?sig=s', 'bytes=0-999', undefined],
      ['/r', 'bytes=20000-20099', '"v1"'], ['/target?sig=s', 'bytes=20000-20099', '"v1"']
    ])
    expect((await store.stat(`${web.url}/r`)).size).toBe(BYTES.length)
  })

  test('to the same origin keep all headers, to another only those that say which bytes', async () => {
    const [web, other] = [await server(), await server()]
    const options: HttpStoreOptions = { headers: { 'x-key': 'k', cookie: 'c' } }
    const url = `${web.url.replace('://', '://user:secret@')}/r`
    redirect(web, 302, () => 'target')
    await open(options).get(url)
    expect(web.requests.at(-1)?.headers).toMatchObject({ 'x-key': 'k', cookie: 'c', authorization: `Basic ${btoa('user:secret')}` })
    redirect(web, 302, () => `${other.url.replace('://', '://a:b@')}/target`)
    await open(options).get(url)
    expect(Object.keys(other.requests[0]?.headers ?? {}).sort()).toEqual(['accept-encoding', 'host', 'range'])
    redirect(other, 302, () => `${web.url}/back`)
    redirect(web, 302, () => `${other.url}/r`)
    await open(options).get(url)
    expect(web.requests.at(-1)).toMatchObject({ url: '/back' })
    expect(web.requests.at(-1)?.headers).not.toHaveProperty('authorization')
  })

  test('are followed five times in a row', async () => {
    const web = await server()
    redirect(web, 302, url => (url === '/r1' ? '/target' : `/r${Number(url.slice(2)) - 1}`))
    expect((await open().get(`${web.url}/r5`)).bytes).toHaveLength(BYTES.length)
    for (const call of ['get', 'stat'] as const) {
      expect(await errorOf(open()[call](`${web.url}/r6`))).toMatchObject({ kind: 'Unsupported', status: 302, message: expect.stringContaining('more than 5') })
    }
    redirect(web, 302, () => '/r')
    const before = web.requests.length
    expect(await errorOf(open().get(`${web.url}/r`))).toMatchObject({ kind: 'Unsupported' })
    expect(web.requests.length - before).toBe(6)
  })

  test.each([
    ['nowhere', undefined, /does not say where/], ['what is no URL', 'http://', /no URL/], ['another scheme', 'ftp://host/x?sig=s3cret', /ftp:/]
  ] as const)('to %s are not followed', async (_, location, message) => {
    const web = await server()
    redirect(web, 302, () => location)
    const error = await errorOf(open().get(`${web.url}/r?sig=s3cret`))
    expect(error).toMatchObject({ kind: 'Unsupported', status: 302, message: expect.stringMatching(message) })
    expect(error.message).not.toContain('s3cret')
  })
})

describe('redirects between schemes', () => {
  /** A transport that redirects `from` to `to`, and knows nothing else. */
  function transport(to: string): Transport & { readonly sent: HttpRequest[] } {
    const sent: HttpRequest[] = []
    return {
      sent,
      async send(exchange) {
        sent.push(exchange.request)
        const first = sent.length === 1
        const { into } = exchange.begin({ status: first ? 302 : 200, header: name => (first && name === 'location' ? to : undefined) })
        if (!first) into.set([7])
        exchange.received = first ? 0 : 1
      },
      close: () => Promise.resolve()
    }
  }

  async function ask(origin: string, to: string): Promise<{ head: ReplyHead | undefined, into: Uint8Array, received: number, sent: HttpRequest[] }> {
    const inner = transport(to)
    const into = new Uint8Array(1)
    let head: ReplyHead | undefined
    const exchange: Exchange = {
      request: { method: 'GET', origin, path: '/a', headers: { authorization: 'x', range: 'bytes=0-0' } },
      received: 0,
      begin(reply) {
        head = reply
        return { into, beyond: 'refuse' }
      }
    }
    await followingRedirects(inner).send(exchange, { signal: new AbortController().signal })
    return { head, into, received: exchange.received, sent: inner.sent }
  }

  test('from http to https are followed, as to another origin', async () => {
    const { head, into, received, sent } = await ask('http://h', 'https://h/b?c=d')
    expect([head?.status, into[0], received]).toEqual([200, 7, 1])
    expect(sent[1]).toEqual({ method: 'GET', origin: 'https://h', path: '/b?c=d', headers: { range: 'bytes=0-0' } })
  })

  test('from https to http are the reply', async () => {
    const { head, sent } = await ask('https://h', 'http://h/b?sig=s3cret')
    expect([head?.status, sent.length]).toEqual([302, 1])
    expect(refusedRedirect(head as ReplyHead)).toMatch(/from https to http:\/\/h,/)
    expect(head?.header('location')).toBeUndefined()
  })
})
