/** A web server with one object, whose manners are options. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface Manners {
  bytes: Uint8Array
  etag: string | undefined
  modified: Date | undefined
  /** Whether ranges are served. */
  ranges: boolean
  /** Whether If-Match and If-Unmodified-Since are looked at. */
  conditions: boolean
  /** The status that HEAD gets, if not that of GET. */
  head: number | undefined
  /** More headers of good replies. */
  headers: Record<string, string>
  /** Answers before all else; true when it has. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean
}

export interface WebServer extends Manners {
  readonly url: string
  readonly requests: { readonly method: string, readonly url: string, readonly headers: IncomingMessage['headers'] }[]
  connections(): number
  close(): Promise<void>
}

export async function webServer(manners: Partial<Manners> = {}): Promise<WebServer> {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    self.requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    if (!self.before(request, response)) answer(self, request, response)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const self: WebServer = {
    bytes: new Uint8Array(0), etag: '"v1"', modified: new Date('2026-01-02T03:04:05Z'), ranges: true, conditions: true, head: undefined, headers: {},
    before: () => false,
    ...manners,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    connections: () => sockets.size,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  }
  return self
}

export function answer(self: Manners, { method, headers: asked }: IncomingMessage, response: ServerResponse): void {
  const { bytes, etag, modified } = self
  const headers: Record<string, string> = {
    'content-type': 'application/x-test', ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { 'last-modified': modified.toUTCString() }), ...self.headers
  }
  if (method === 'HEAD' && self.head !== undefined) {
    response.writeHead(self.head).end()
    return
  }
  const since = Date.parse(String(asked['if-unmodified-since']))
  const another = (asked['if-match'] !== undefined && asked['if-match'] !== etag) || (modified !== undefined && modified.getTime() > since)
  if (self.conditions && another) {
    response.writeHead(412).end()
    return
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? '') ?? []
  if (!self.ranges || from === undefined) {
    response.writeHead(200, { ...headers, 'content-length': bytes.length }).end(method === 'HEAD' ? undefined : bytes)
    return
  }
  const [first, last] = [Number(from), Math.min(to === '' ? Infinity : Number(to), bytes.length - 1)]
  if (first >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
    return
  }
  const body = bytes.subarray(first, last + 1)
  response.writeHead(206, { ...headers, 'content-range': `bytes ${first}-${last}/${bytes.length}`, 'content-length': body.length }).end(method === 'HEAD' ? undefined : body)
}
