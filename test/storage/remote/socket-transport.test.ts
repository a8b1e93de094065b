import { createServer as createHttpServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { isTransportFailure, type BodyTarget, type Exchange, type ReplyHead, type Transport, type TransportFailure } from '../../../src/storage/remote/http.js'
import { socketTransport, type SocketTransportOptions } from '../../../src/storage/remote/socket-transport.js'
import { bytesOf } from './scripted.js'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Peer {
  readonly origin: string
  readonly sockets: Set<Socket>
  connections: number
  readonly requests: string[]
}

/** A server that answers each request with what the function writes. */
async function peer(answer: (socket: Socket, request: string, n: number) => void): Promise<Peer> {
  const one: Peer = { origin: '', sockets: new Set(), connections: 0, requests: [] }
  const server = createServer({ noDelay: true }, socket => {
    one.connections++
    one.sockets.add(socket)
    let pending = ''
    socket.on('data', data => {
      pending += data.toString('latin1')
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const request = pending.slice(0, end)
        pending = pending.slice(end + 4)
        answer(socket, request, one.requests.push(request) - 1)
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => one.sockets.delete(socket))
  })
  return Object.assign(one, { origin: `http://127.0.0.1:${await listen(server)}` })
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  cleanups.push(() => new Promise(resolve => { server.close(resolve) }))
  return (server.address() as AddressInfo).port
}

async function connect(options?: SocketTransportOptions): Promise<Transport> {
  const transport = await socketTransport(options)
  cleanups.push(() => transport.close())
  return transport
}

interface Got {
  readonly into: Uint8Array
  reply: ReplyHead | undefined
  readonly exchange: Exchange
}

function exchangeOf(origin: string, size: number, { beyond = 'refuse', begin, path = '/key', headers = {} }: { beyond?: BodyTarget['beyond'], begin?: (reply: ReplyHead) => void, path?: string, headers?: Record<string, string> } = {}): Got {
  const into = new Uint8Array(size)
  const got: Got = {
    into, reply: undefined,
    exchange: {
      request: { method: 'GET', origin, path, headers },
      received: 0,
      begin(reply) {
        got.reply = reply
        begin?.(reply)
        return { into, beyond }
      }
    }
  }
  return got
}

async function get(transport: Transport, origin: string, size: number, options: Parameters<typeof exchangeOf>[2] & { fresh?: boolean } = {}): Promise<Got> {
  const got = exchangeOf(origin, size, options)
  await transport.send(got.exchange, { signal: new AbortController().signal, fresh: options.fresh })
  return got
}

async function failure(promise: Promise<unknown>): Promise<TransportFailure> {
  const error: unknown = await promise.then(() => 'it did not fail', (error: unknown) => error)
  if (!isTransportFailure(error)) throw error
  return error
}

const BODY = bytesOf(300_000)
const head = (length: number, more = ''): string => `HTTP/1.1 206 Partial Content\r\nETag: "v1"\r\nContent-Length: ${length}\r\n${more}\r\n`
const right = (socket: Socket): void => {
  socket.write(head(BODY.length))
  socket.write(BODY)
}
/** Long enough for what was sent to arrive. */
const idle = (): Promise<unknown> => delay(20)
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await delay(5)
  expect(condition()).toBe(true)
}

describe('a request', () => {
  test('is written as it is, and its reply goes into the target', async () => {
    const { origin, requests } = await peer(socket => right(socket))
    const { into, reply, exchange } = await get(await connect(), origin, BODY.length, { path: '/a%20b/%E2%82%AC?x=1', headers: { 'range': 'bytes=0-9', 'x-amz-date': 'now' } })
    expect(Buffer.compare(into, BODY)).toBe(0)
    expect(exchange.received).toBe(BODY.length)
    expect(reply?.status).toBe(206)
    expect(reply?.header('etag')).toBe('"v1"')
    expect(reply?.header('content-length')).toBe(String(BODY.length))
    expect(requests[0]?.split('\r\n')).toEqual(['GET /a%20b/%E2%82%AC?x=1 HTTP/1.1', `host: ${origin.slice(7)}`, 'range: bytes=0-9', 'x-amz-date: now'])
  })

  test('may fill a part of shared memory', async () => {
    const { origin } = await peer(right)
    const memory = new SharedArrayBuffer(BODY.length + 20)
    const exchange: Exchange = {
      request: { method: 'GET', origin, path: '/', headers: {} }, received: 0,
      begin: () => ({ into: new Uint8Array(memory, 10, BODY.length), beyond: 'refuse' })
    }
    await (await connect()).send(exchange, { signal: new AbortController().signal })
    expect(Buffer.compare(new Uint8Array(memory).slice(10, 10 + BODY.length), BODY)).toBe(0)
    expect([...new Uint8Array(memory, 0, 10), ...new Uint8Array(memory, 10 + BODY.length)].every(byte => byte === 0)).toBe(true)
  })

  test('has its repeated headers joined, and no headers that were not sent', async () => {
    const { origin } = await peer(socket => socket.write(head(0, 'X-Goog-Hash: crc32c=a\r\nx-goog-hash: md5=b\r\n')))
    const { reply } = await get(await connect(), origin, 0)
    expect(reply?.header('x-goog-hash')).toBe('crc32c=a, md5=b')
    expect(reply?.header('constructor')).toBeUndefined()
    expect(reply?.header('x-other')).toBeUndefined()
  })

  test('gets every byte of a header back as one character', async () => {
    const { origin } = await peer(socket => socket.write(Buffer.from(head(0, 'X-All: \x80\x85\x9f\xa0\xe9\xff!\r\n'), 'latin1')))
    expect((await get(await connect(), origin, 0)).reply?.header('x-all')).toBe('\x80\x85\x9f\xa0\xe9\xff!')
  })

  test('hears nothing of informational replies', async () => {
    const { origin } = await peer(socket => { socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n' + head(2) + 'ok') })
    const heads: number[] = []
    await get(await connect(), origin, 2, { begin: reply => heads.push(reply.status) })
    expect(heads).toEqual([206])
  })

  test('follows no redirect', async () => {
    const { origin, requests } = await peer(socket => socket.write('HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n'))
    expect((await get(await connect(), origin, 10)).reply?.status).toBe(307)
    expect(requests).toHaveLength(1)
  })

  test('has its body as it comes, encoded or not', async () => {
    const { origin } = await peer(socket => socket.write(head(4, 'Content-Encoding: gzip\r\n') + 'abcd'))
    expect(Buffer.from((await get(await connect(), origin, 4)).into).toString()).toBe('abcd')
  })

  test('may be answered in chunks, or up to the end of the connection', async () => {
    const { origin } = await peer((socket, _, n) => {
      if (n === 0) socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
      else socket.end('HTTP/1.1 200 OK\r\n\r\nabcd')
    })
    const transport = await connect()
    const chunked = await get(transport, origin, 10)
    expect(Buffer.from(chunked.into.subarray(0, chunked.exchange.received)).toString()).toBe('abcde')
    const closed = await get(transport, origin, 10)
    expect(Buffer.from(closed.into.subarray(0, closed.exchange.received)).toString()).toBe('abcd')
  })

  test('that cannot be written is a mistake of the program', async () => {
    const { origin } = await peer(right)
    const transport = await connect()
    await expect(get(transport, origin, 10, { headers: { 'bad name': 'x' } })).rejects.toThrow(TypeError)
    expect((await get(transport, origin, BODY.length)).exchange.received).toBe(BODY.length)
  })

  test('with HEAD has no body', async () => {
    const { origin } = await peer(socket => socket.write(head(5)))
    const got = exchangeOf(origin, 10)
    await (await connect()).send({ ...got.exchange, request: { ...got.exchange.request, method: 'HEAD' } }, { signal: new AbortController().signal })
    expect(got.reply?.header('content-length')).toBe('5')
  })
})

describe('connections', () => {
  test('are used again', async () => {
    const one = await peer(right)
    const transport = await connect()
    for (let i = 0; i < 5; i++) await get(transport, one.origin, BODY.length)
    expect(one.connections).toBe(1)
  })

  test('are not used again by a request that wants a fresh one', async () => {
    const one = await peer(right)
    const transport = await connect()
    await get(transport, one.origin, BODY.length)
    await get(transport, one.origin, BODY.length, { fresh: true })
    expect(one.connections).toBe(2)
    await Promise.all([get(transport, one.origin, BODY.length), get(transport, one.origin, BODY.length)])
    expect(one.connections).toBe(2) // both are used again
  })

  test('are as many as were allowed, and the others wait their turn, marked as waiting', async () => {
    const held: Socket[] = []
    const one = await peer(socket => { held.push(socket) })
    const transport = await connect({ connections: 2 })
    const order: number[] = []
    const gots = [0, 1, 2, 3, 4].map(() => exchangeOf(one.origin, BODY.length))
    const sent = gots.map(({ exchange }, i) => transport.send(exchange, { signal: new AbortController().signal }).then(() => order.push(i)))
    await until(() => held.length === 2)
    expect(gots.map(({ exchange }) => exchange.queued === true)).toEqual([false, false, true, true, true])
    for (let n = 1; n <= 5; n++) {
      await until(() => held.length >= 1)
      right(held.shift() as Socket)
      await until(() => order.length === n)
    }
    await Promise.all(sent)
    expect(order.slice().sort()).toEqual([0, 1, 2, 3, 4])
    expect(order.indexOf(2)).toBeLessThan(order.indexOf(4))
    expect(one.connections).toBe(2)
    expect(gots.every(({ into, exchange }) => exchange.queued !== true && Buffer.compare(into, BODY) === 0)).toBe(true)
  })

  test('that are all in use are replaced for a request that wants a fresh one', async () => {
    const one = await peer(right)
    const transport = await connect({ connections: 1 })
    const first = get(transport, one.origin, BODY.length)
    const fresh = get(transport, one.origin, BODY.length, { fresh: true })
    await Promise.all([first, fresh])
    expect(one.connections).toBe(2)
    await until(() => one.sockets.size === 1)
  })

  test('are closed when they are not used for keepAlive', async () => {
    const one = await peer(right)
    const transport = await connect({ keepAlive: 50 })
    await get(transport, one.origin, BODY.length)
    await until(() => one.sockets.size === 0)
    await get(transport, one.origin, BODY.length)
    expect(one.connections).toBe(2)
  })

  test('are not kept when the server does not keep them', async () => {
    const one = await peer(socket => { socket.end(Buffer.concat([Buffer.from(head(BODY.length, 'Connection: close\r\n')), BODY])) })
    const transport = await connect()
    for (let i = 0; i < 3; i++) expect(Buffer.compare((await get(transport, one.origin, BODY.length)).into, BODY)).toBe(0)
    expect(one.connections).toBe(3)
  })

  test('that the server closes while they are idle cost nobody a reply', async () => {
    const one = await peer(right)
    const transport = await connect()
    await get(transport, one.origin, BODY.length)
    for (const socket of one.sockets) socket.end()
    await until(() => one.sockets.size === 0)
    await get(transport, one.origin, BODY.length)
    expect(one.connections).toBe(2)
  })

  test('to several origins do not share their number', async () => {
    const [a, b] = [await peer(right), await peer(right)]
    const transport = await connect({ connections: 1 })
    await Promise.all([get(transport, a.origin, BODY.length), get(transport, b.origin, BODY.length)])
    expect([a.connections, b.connections]).toEqual([1, 1])
  })

  test('take options of node:net', async () => {
    const { origin } = await peer(right)
    const asked: string[] = []
    const lookup = (name: string, _: object, done: (error: null, addresses: { address: string, family: number }[]) => void): void => {
      asked.push(name)
      done(null, [{ address: '127.0.0.1', family: 4 }])
    }
    await get(await connect({ connect: { lookup } }), origin.replace('127.0.0.1', 'bucket.example'), BODY.length)
    expect(asked).toEqual(['bucket.example'])
  })
})

describe('what breaks', () => {
  test('before there is a connection is a failure to connect', async () => {
    const server = createServer()
    const port = await listen(server)
    await new Promise(resolve => { server.close(resolve) })
    const error = await failure(get(await connect(), `http://127.0.0.1:${port}`, 10))
    expect(error).toMatchObject({ phase: 'connect', reused: false })
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('because of options that nobody can connect with fails at once, and leaves nothing', async () => {
    const transport = await connect({ connectTimeout: 20, connections: 1, connect: { localAddress: 'nowhere' } })
    for (let i = 0; i < 3; i++) {
      const { exchange } = exchangeOf('http://127.0.0.1:1', 1)
      await expect(transport.send(exchange, { signal: new AbortController().signal })).rejects.toThrow(/Invalid IP address/)
    }
    await delay(40) // a timer that was left would throw
    await transport.close()
  })

  test('because there is no such host is a failure to connect', async () => {
    const lookup = (_name: string, _: object, done: (error: Error) => void): void => done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))
    expect(await failure(get(await connect({ connect: { lookup } }), 'http://nowhere.example', 10))).toMatchObject({ phase: 'connect', cause: { code: 'ENOTFOUND' } })
  })

  test('because nobody speaks TLS is a failure to connect, after connectTimeout at the latest', async () => {
    const one = await peer(() => undefined)
    const secure = one.origin.replace('http:', 'https:')
    expect(await failure(get(await connect({ connectTimeout: 60 }), secure, 10))).toMatchObject({ phase: 'connect', cause: { code: 'ETIMEDOUT' } })
    await until(() => one.sockets.size === 0)
    const plain = createHttpServer((_, response) => response.end())
    cleanups.push(() => new Promise(resolve => { plain.close(resolve) }))
    await new Promise<void>(resolve => { plain.listen(0, '127.0.0.1', resolve) })
    expect(await failure(get(await connect(), `https://127.0.0.1:${(plain.address() as AddressInfo).port}`, 10))).toMatchObject({ phase: 'connect' })
  })

  for (const how of ['resetAndDestroy', 'end'] as const) {
    test(`before the head of a reply (${how}) tells whether the connection had served`, async () => {
      const { origin } = await peer((socket, _, n) => {
        if (n === 1) right(socket)
        else socket[how]()
      })
      const transport = await connect()
      expect(await failure(get(transport, origin, BODY.length))).toMatchObject({ phase: 'headers', reused: false })
      await get(transport, origin, BODY.length)
      expect(await failure(get(transport, origin, BODY.length))).toMatchObject({ phase: 'headers', reused: true })
    })

    test(`in the middle of the body (${how}) leaves what came before`, async () => {
      const { origin } = await peer(socket => {
        socket.write(head(BODY.length))
        socket.write(BODY.subarray(0, 1234), () => setTimeout(() => socket[how](), 10))
      })
      const got = exchangeOf(origin, BODY.length)
      expect(await failure((await connect()).send(got.exchange, { signal: new AbortController().signal }))).toMatchObject({ phase: 'body' })
      expect(got.exchange.received).toBe(1234)
      expect(Buffer.compare(got.into.subarray(0, 1234), BODY.subarray(0, 1234))).toBe(0)
    })
  }

  for (const keeps of ['keep-alive', 'close']) {
    test(`between chunks (connection: ${keeps}) is in the body`, async () => {
      const { origin } = await peer(socket => { socket.end(`HTTP/1.1 200 OK\r\nConnection: ${keeps}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`) })
      const got = exchangeOf(origin, 10)
      expect(await failure((await connect()).send(got.exchange, { signal: new AbortController().signal }))).toMatchObject({ phase: 'body' })
      expect(got.exchange.received).toBe(5)
    })

    test(`before the announced end (connection: ${keeps}) is in the body`, async () => {
      const { origin } = await peer(socket => { socket.end(`HTTP/1.1 200 OK\r\nConnection: ${keeps}\r\nContent-Length: 10\r\n\r\nabcde`) })
      const got = exchangeOf(origin, 10)
      expect(await failure((await connect()).send(got.exchange, { signal: new AbortController().signal }))).toMatchObject({ phase: 'body' })
      expect(got.exchange.received).toBe(5)
    })
  }

  test('because more comes than fits is an overrun, and the connection is gone', async () => {
    const one = await peer(right)
    const got = exchangeOf(one.origin, 1000)
    expect(await failure((await connect()).send(got.exchange, { signal: new AbortController().signal }))).toMatchObject({ phase: 'overrun' })
    await until(() => one.sockets.size === 0)
  })

  test('is not what comes beyond the announced end, but the connection is gone', async () => {
    const one = await peer((socket, _, n) => { socket.write(n === 0 ? `${head(3)}abcGARBAGE` : `${head(3)}def`) })
    const transport = await connect()
    expect(Buffer.from((await get(transport, one.origin, 3)).into).toString()).toBe('abc')
    await idle()
    expect(Buffer.from((await get(transport, one.origin, 3)).into).toString()).toBe('def')
    expect(one.connections).toBe(2)
  })

  for (const [what, answer] of [
    ['something else', 'hello\r\n\r\n'], ['a head that does not end', `HTTP/1.1 200 OK\r\n${'x-much: '.padEnd(1000, 'y')}\r\n`.repeat(40)],
    ['a chunk that has no size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc'], ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc'],
    ['a space before a colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc'], ['a folded header', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n 0\r\n\r\nabc'],
    ['a line that is no header', 'HTTP/1.1 200 OK\r\nTrans\r\nfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
    ['an end of line in a header', 'HTTP/1.1 200 OK\r\nX-Other: 1\rContent-Length: 4\r\nContent-Length: 3\r\n\r\nabc'],
    ['a zero byte in a header', 'HTTP/1.1 200 OK\r\nX-Other: \0\r\nContent-Length: 3\r\n\r\nabc'],
    ['lines that end in two ways', 'HTTP/1.1 200 OK\r\nX-Other: 1\r\n\nContent-Length: 3\r\n\r\nabc'],
    ['an end of line in the size of a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r3\r\nabc\r\n0\r\n\r\n'],
    ['a head that is too long, though it came at once', `HTTP/1.1 200 OK\r\nX-Other: ${'y'.repeat(20_000)}\r\nContent-Length: 3\r\n\r\nabc`]
  ] as const) {
    test(`because of ${what} is not HTTP`, async () => {
      const { origin } = await peer(socket => { socket.write(answer) })
      expect(await failure(get(await connect(), origin, 10))).toMatchObject({ phase: 'protocol' })
    })
  }

  test('is what `begin` throws, and the connection is gone', async () => {
    const one = await peer(right)
    const refused = new Error('not this')
    await expect(get(await connect(), one.origin, BODY.length, { begin: () => { throw refused } })).rejects.toBe(refused)
    await until(() => one.sockets.size === 0)
  })

  test('does not break the next request', async () => {
    const { origin } = await peer((socket, _, n) => {
      if (n % 2 === 0) socket.resetAndDestroy()
      else right(socket)
    })
    const transport = await connect({ connections: 1 })
    for (let i = 0; i < 3; i++) {
      await failure(get(transport, origin, BODY.length))
      await get(transport, origin, BODY.length)
    }
  })
})

describe('a body that is only read for what it says', () => {
  test('is cut to the target, and leaves the connection usable', async () => {
    const one = await peer(right)
    const transport = await connect()
    const got = await get(transport, one.origin, 1000, { beyond: 'drop' })
    expect(got.exchange.received).toBe(1000)
    await get(transport, one.origin, BODY.length)
    // 300,000 bytes are more than is read to keep a connection.
    expect(one.connections).toBe(2)
    await get(transport, one.origin, 100_000, { beyond: 'drop' })
    await get(transport, one.origin, BODY.length)
    expect(one.connections).toBe(2)
  })

  test('does not have to end', async () => {
    const one = await peer(socket => {
      socket.write('HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => { if (!socket.destroyed) socket.write(`10000\r\n${'x'.repeat(0x10000)}\r\n`, () => setImmediate(more)) }
      more()
    })
    const got = await get(await connect(), one.origin, 100, { beyond: 'drop' })
    expect(got.reply?.status).toBe(500)
    await until(() => one.sockets.size === 0)
  })
})

describe('an abort', () => {
  const reason = new Error('enough')

  test('before anything is sent rejects with its reason', async () => {
    const one = await peer(right)
    await expect((await connect()).send(exchangeOf(one.origin, 10).exchange, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(one.connections).toBe(0)
  })

  for (const [when, answer] of [
    ['before the head', () => undefined],
    ['in the middle of the body', (socket: Socket) => { socket.write(head(BODY.length)); socket.write(BODY.subarray(0, 1000)) }]
  ] as const) {
    test(`${when} frees the connection`, async () => {
      const one = await peer(answer)
      const controller = new AbortController()
      const got = exchangeOf(one.origin, BODY.length)
      const sending = (await connect()).send(got.exchange, { signal: controller.signal })
      await until(() => one.requests.length === 1 && (when === 'before the head' || got.exchange.received > 0))
      controller.abort(reason)
      await expect(sending).rejects.toBe(reason)
      await until(() => one.sockets.size === 0)
    })
  }

  test('while TLS is negotiated frees the connection', async () => {
    const one = await peer(() => undefined)
    const controller = new AbortController()
    const sending = (await connect()).send(exchangeOf(one.origin.replace('http:', 'https:'), 10).exchange, { signal: controller.signal })
    sending.catch(() => undefined)
    await until(() => one.sockets.size === 1)
    controller.abort(reason)
    await expect(sending).rejects.toBe(reason)
    await until(() => one.sockets.size === 0)
  })

  test('of a request that waits for a connection leaves the others in their order', async () => {
    const held: Socket[] = []
    const one = await peer(socket => { held.push(socket) })
    const transport = await connect({ connections: 1 })
    const controller = new AbortController()
    const first = get(transport, one.origin, BODY.length)
    const aborted = transport.send(exchangeOf(one.origin, 10).exchange, { signal: controller.signal })
    const last = get(transport, one.origin, BODY.length)
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    for (const sent of [first, last]) {
      await until(() => held.length === 1)
      right(held.shift() as Socket)
      await sent
    }
    expect(one.requests).toHaveLength(2)
  })

  test('leaves the target alone from then on', async () => {
    const one = await peer(socket => {
      socket.write(head(BODY.length))
      socket.write(BODY)
    })
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController()
      const got = exchangeOf(one.origin, BODY.length, { begin: () => setImmediate(() => controller.abort(reason)) })
      await (await connect()).send(got.exchange, { signal: controller.signal }).catch(() => undefined)
      const { received } = got.exchange
      const before = got.into.slice()
      await idle()
      expect(Buffer.compare(got.into, before)).toBe(0)
      expect(got.exchange.received).toBe(received)
    }
  })

  test('by `begin` itself ends it', async () => {
    const { origin } = await peer(right)
    const controller = new AbortController()
    const got = exchangeOf(origin, BODY.length, { begin: () => controller.abort(reason) })
    await expect((await connect()).send(got.exchange, { signal: controller.signal })).rejects.toBe(reason)
    expect(got.exchange.received).toBe(0)
  })

  test('after the end is nobody\'s business', async () => {
    const one = await peer(right)
    const transport = await connect()
    const controller = new AbortController()
    await transport.send(exchangeOf(one.origin, BODY.length).exchange, { signal: controller.signal })
    controller.abort(reason)
    await get(transport, one.origin, BODY.length)
    expect(one.connections).toBe(1)
  })
})

describe('closing', () => {
  test('leaves no socket, and ends what is under way, what waits and what comes later', async () => {
    const one = await peer((socket, _, n) => { if (n === 0) right(socket) })
    const transport = await socketTransport({ connections: 2 })
    await get(transport, one.origin, BODY.length)
    const sent = [1, 2, 3, 4].map(() => failure(get(transport, one.origin, 10)))
    await until(() => one.requests.length === 3)
    await transport.close()
    for (const sending of sent) expect(await sending).toMatchObject({ phase: 'closed' })
    await until(() => one.sockets.size === 0)
    expect(await failure(get(transport, one.origin, 10))).toMatchObject({ phase: 'closed' })
    await transport.close()
  })

  test('ends connections that do not stand yet', async () => {
    const one = await peer(() => undefined)
    const transport = await socketTransport()
    const sending = failure(get(transport, one.origin.replace('http:', 'https:'), 10))
    await until(() => one.sockets.size === 1)
    await transport.close()
    expect(await sending).toMatchObject({ phase: 'closed' })
    await until(() => one.sockets.size === 0)
  })

  test('before anything was sent is nothing', async () => {
    await (await socketTransport()).close()
  })
})
