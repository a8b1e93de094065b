import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { TLSSocket } from 'node:tls'
import { isTransportFailure, type Exchange } from '../../../src/storage/remote/http.js'
import { socketTransport } from '../../../src/storage/remote/socket-transport.js'
import { bytesOf } from './scripted.js'

const BODY = bytesOf(3_000_001)
let server: Server
let origin: string
let ca: string
const connections: { readonly resumed: boolean }[] = []

beforeAll(async () => {
  ca = await readFile(new URL('../../fixtures/tls/cert.pem', import.meta.url), 'utf8')
  const key = await readFile(new URL('../../fixtures/tls/key.pem', import.meta.url), 'utf8')
  server = createServer({ cert: ca, key }, (request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const body = first === undefined ? BODY : BODY.subarray(Number(first), Number(last) + 1)
    response.writeHead(first === undefined ? 200 : 206, { 'content-length': body.length, ...(request.url === '/bye' && { connection: 'close' }) }).end(body)
  })
  server.on('secureConnection', (socket: TLSSocket) => connections.push({ resumed: socket.isSessionReused() }))
  await new Promise<void>(resolve => { server.listen(0, 'localhost', resolve) })
  origin = `https://localhost:${(server.address() as AddressInfo).port}`
})
afterAll(() => new Promise(resolve => { server.close(resolve) }))

function exchangeOf(into: Uint8Array, path: string, range: string | undefined): Exchange {
  return {
    request: { method: 'GET', origin, path, headers: range === undefined ? {} : { range } },
    received: 0,
    begin: () => ({ into, beyond: 'refuse' })
  }
}

describe('TLS', () => {
  test('carries bodies whole and in ranges, side by side, into memory of any kind', async () => {
    const transport = socketTransport({ connections: 4, connect: { ca } })
    try {
      const targets = [new Uint8Array(BODY.length), new Uint8Array(new WebAssembly.Memory({ initial: 64 }).buffer, 100, BODY.length), new Uint8Array(new SharedArrayBuffer(BODY.length))]
      await Promise.all(targets.map(into => transport.send(exchangeOf(into, '/a', undefined), { signal: new AbortController().signal })))
      for (const into of targets) expect(Buffer.compare(into, BODY)).toBe(0)
      const parts = new Uint8Array(BODY.length)
      await Promise.all(Array.from({ length: 40 }, async (_, k) => {
        const [first, last] = [k * 75_001, Math.min((k + 1) * 75_001, BODY.length) - 1]
        await transport.send(exchangeOf(parts.subarray(first, last + 1), '/a', `bytes=${first}-${last}`), { signal: new AbortController().signal })
      }))
      expect(Buffer.compare(parts, BODY)).toBe(0)
    } finally {
      await transport.close()
    }
  })

  test('goes on with a session where there was a connection before', async () => {
    connections.length = 0
    const transport = socketTransport({ connect: { ca } })
    try {
      for (let i = 0; i < 3; i++) await transport.send(exchangeOf(new Uint8Array(BODY.length), '/bye', undefined), { signal: new AbortController().signal })
      expect(connections.map(({ resumed }) => resumed)).toEqual([false, true, true])
    } finally {
      await transport.close()
    }
  })

  test('with a certificate that nobody vouches for is a failure to connect', async () => {
    const transport = socketTransport()
    try {
      const error: unknown = await transport.send(exchangeOf(new Uint8Array(1), '/a', undefined), { signal: new AbortController().signal }).catch((thrown: unknown) => thrown)
      expect(isTransportFailure(error)).toBe(true)
      expect(error).toMatchObject({ phase: 'connect', message: expect.stringMatching(/self.signed certificate/) })
    } finally {
      await transport.close()
    }
  })
})
