/** Replies as data, and the ways in which they go wrong between a server and whoever reads them. */
import type { ServerResponse } from 'node:http'

/** A reply before anything happens to it. */
export interface Reply {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  /** What a range was cut from, for lies about ranges. */
  whole?: Uint8Array | undefined
  /** First byte of `body` in `whole`, when the reply is to a request with a range. */
  start?: number | undefined
}

/** What can go wrong. `after` and `at` count bytes of the body; they default to its middle. */
export type Fault =
  /** The connection is reset, or closed, before the head. */
  | { readonly kind: 'rst0' | 'fin0' }
  /** Nothing comes, ever. */
  | { readonly kind: 'silence' }
  /** Something that is not HTTP. */
  | { readonly kind: 'garbage' }
  /** The connection is reset, closed, or nothing more comes, in the middle of a body of known length. */
  | { readonly kind: 'rstBody' | 'finBody' | 'stallBody'; readonly after?: number }
  /** The body has no known length, and the connection is closed in its middle. */
  | { readonly kind: 'chunkCut' | 'closeCut'; readonly after?: number }
  /** A few bytes at a time. */
  | { readonly kind: 'trickle'; readonly bytes?: number; readonly every?: number }
  /** The reply comes later, in milliseconds. */
  | { readonly kind: 'late'; readonly by: number }
  /** One bit is another. */
  | { readonly kind: 'flip'; readonly at?: number }
  /** A complete reply with half of the body: the Content-Range is that of the whole body, or of the half. */
  | { readonly kind: 'shortLength' | 'shortRange' }
  /** A complete reply with more bytes than were asked for, which its Content-Range does not tell, or tells; or bytes behind its announced end. */
  | { readonly kind: 'longLength' | 'longRange' | 'extraBytes' }
  /** 200 and the whole object. */
  | { readonly kind: 'fullBody' }
  /** Other bytes, and a Content-Range that says so, as many as were asked for: those some bytes later, or sooner where `by` is negative. */
  | { readonly kind: 'otherRange'; readonly by?: number }
  /** The range begins later than the one that was asked for, and ends with it. */
  | { readonly kind: 'lateRange' }
  | { readonly kind: 'noContentRange' }
  /** A Content-Range that ends before it begins. */
  | { readonly kind: 'invertedRange' }
  /** The Content-Range says another size of the object, or none. */
  | { readonly kind: 'otherTotal' | 'noTotal' }
  /** No length is announced; the body ends with its last chunk. That is no lie. */
  | { readonly kind: 'chunked' }
  /** The status and headers of a good reply, with an error in XML as its body. */
  | { readonly kind: 'xmlBody' }
  /** The version is missing, or only weak. */
  | { readonly kind: 'noVersion' | 'weakVersion' }
  /** Another version and its bytes, whatever was asked for. */
  | { readonly kind: 'otherVersion' }
  /** The object is replaced by another before the request is answered. */
  | { readonly kind: 'replace' }
  /** A Content-Encoding that nobody asked for. */
  | { readonly kind: 'encoded' }
  /** Another answer. The dialect chooses code and body when they are not given. */
  | { readonly kind: 'status'; readonly status: number; readonly code?: string; readonly headers?: Readonly<Record<string, string>> }

/** One, or several at once. */
export type Faults = Fault | readonly Fault[] | undefined

/** The first of some kind. */
export function faultOf<K extends Fault['kind']>(faults: Faults, ...kinds: readonly K[]): (Fault & { readonly kind: K }) | undefined {
  return listOf(faults).find((fault): fault is Fault & { readonly kind: K } => kinds.includes(fault.kind as K))
}

function listOf(faults: Faults): readonly Fault[] {
  return faults === undefined ? [] : 'kind' in faults ? [faults] : faults
}

/** Timers of a server, which end with it. */
export interface Timers {
  after(milliseconds: number, run: () => void): void
  clear(): void
}

export function makeTimers(): Timers {
  const running = new Set<NodeJS.Timeout>()
  return {
    after(milliseconds, run) {
      const timer = setTimeout(() => {
        running.delete(timer)
        run()
      }, milliseconds)
      running.add(timer)
    },
    clear() {
      for (const timer of running) clearTimeout(timer)
      running.clear()
    }
  }
}

/** What a fault makes of the content of a reply. Faults of versions and of status are the server's: only it knows its dialect. */
export function twist(reply: Reply, faults: Faults): Reply {
  return listOf(faults).reduce(twistOnce, reply)
}

function twistOnce(reply: Reply, fault: Fault): Reply {
  const { body, whole, start } = reply
  const half = body.length >> 1
  const headers = { ...reply.headers }
  switch (fault.kind) {
    case 'flip': {
      if (body.length === 0) return reply
      const bytes = Uint8Array.from(body)
      const at = Math.min(fault.at ?? half, bytes.length - 1)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      return { ...reply, body: bytes }
    }
    case 'shortLength':
    case 'shortRange':
      headers['content-length'] = String(half)
      if (fault.kind === 'shortRange' && whole !== undefined && start !== undefined && reply.status === 206) {
        headers['content-range'] = `bytes ${start}-${start + half - 1}/${whole.length}`
      }
      return { ...reply, headers, body: body.subarray(0, half) }
    case 'longLength': {
      const bytes = new Uint8Array(body.length + 10)
      bytes.set(body)
      headers['content-length'] = String(bytes.length)
      return { ...reply, headers, body: bytes }
    }
    case 'longRange':
    case 'lateRange': {
      if (whole === undefined || start === undefined || reply.status !== 206) return reply
      const first = fault.kind === 'lateRange' ? start + Math.min(7, half) : start
      const bytes = whole.subarray(first, start + body.length + (fault.kind === 'longRange' ? 7 : 0))
      headers['content-range'] = `bytes ${first}-${first + bytes.length - 1}/${whole.length}`
      headers['content-length'] = String(bytes.length)
      return { ...reply, headers, body: bytes }
    }
    case 'fullBody':
      if (whole === undefined || start === undefined) return reply
      delete headers['content-range']
      headers['content-length'] = String(whole.length)
      return { ...reply, status: 200, headers, body: whole }
    case 'otherRange': {
      if (whole === undefined || start === undefined || reply.status !== 206) return reply
      const { by = 7 } = fault
      const other = Math.max(0, start + by + body.length <= whole.length ? start + by : start - by)
      const bytes = whole.subarray(other, other + body.length)
      headers['content-range'] = `bytes ${other}-${other + bytes.length - 1}/${whole.length}`
      headers['content-length'] = String(bytes.length)
      return { ...reply, headers, body: bytes }
    }
    case 'noContentRange':
      delete headers['content-range']
      return { ...reply, headers }
    case 'invertedRange':
      if (headers['content-range'] === undefined || start === undefined) return reply
      headers['content-range'] = headers['content-range'].replace(/-\d+\//, `-${Math.max(0, start - 2)}/`)
      return { ...reply, headers }
    case 'noTotal':
      if (headers['content-range'] !== undefined) headers['content-range'] = headers['content-range'].replace(/\/\d+$/, '/*')
      return { ...reply, headers }
    case 'chunked':
      delete headers['content-length']
      return { ...reply, headers }
    case 'otherTotal':
      if (headers['content-range'] !== undefined) headers['content-range'] = headers['content-range'].replace(/\/(\d+)$/, (_, size) => `/${Number(size) + 1}`)
      return { ...reply, headers }
    case 'xmlBody': {
      const bytes = Buffer.from('<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>')
      headers['content-length'] = String(bytes.length)
      return { ...reply, headers, body: bytes }
    }
    case 'encoded':
      headers['content-encoding'] = 'gzip'
      return { ...reply, headers }
    default:
      return reply
  }
}

/** Writes a reply the way the faults want it. */
export function deliver(response: ServerResponse, twisted: Reply, faults: Faults, timers: Timers): void {
  const fault = faultOf(faults, 'rst0', 'fin0', 'silence', 'garbage', 'rstBody', 'finBody', 'stallBody', 'chunkCut', 'closeCut', 'trickle', 'late', 'extraBytes')
  const { status, body } = twisted
  const headers = { ...twisted.headers }
  const socket = response.socket
  if (socket === null || socket.destroyed) return
  const after = Math.min((fault !== undefined && 'after' in fault ? fault.after : undefined) ?? body.length >> 1, body.length)
  const begin = (): void => {
    response.writeHead(status, headers)
    response.write(body.subarray(0, after))
  }
  switch (fault?.kind) {
    case 'rst0':
      socket.resetAndDestroy()
      return
    case 'fin0':
      socket.end()
      return
    case 'silence':
      return
    case 'garbage':
      socket.end('\x16\x03\x01 this is not HTTP\r\n\r\n')
      return
    case 'rstBody':
      begin()
      // What was written is thrown away by a reset, on both sides: the reader gets time to take it.
      timers.after(5, () => socket.resetAndDestroy())
      return
    case 'finBody':
      begin()
      socket.end()
      return
    case 'stallBody':
      begin()
      return
    case 'chunkCut':
      delete headers['content-length']
      begin()
      timers.after(2, () => socket.end())
      return
    case 'closeCut': {
      delete headers['content-length']
      socket.end(Buffer.concat([headOf(status, { ...headers, connection: 'close' }), body.subarray(0, after)]))
      return
    }
    case 'trickle': {
      response.writeHead(status, headers)
      response.flushHeaders()
      const { bytes = 10, every = 20 } = fault
      let at = 0
      const step = (): void => {
        if (socket.destroyed) return
        response.write(body.subarray(at, at + bytes))
        at += bytes
        if (at >= body.length) response.end()
        else timers.after(every, step)
      }
      step()
      return
    }
    case 'late':
      timers.after(fault.by, () => deliver(response, twisted, undefined, timers))
      return
    case 'extraBytes':
      socket.end(Buffer.concat([headOf(status, headers), body, Buffer.from('and some more bytes that nobody announced')]))
      return
    default:
      response.writeHead(status, headers)
      // Without a length, the end of a body is a chunk of its own: a body that is written at once would get a length.
      if (headers['content-length'] === undefined && response.req.method !== 'HEAD') response.write(body.subarray(0, body.length >> 1))
      response.end(response.req.method === 'HEAD' ? undefined : headers['content-length'] === undefined ? body.subarray(body.length >> 1) : body)
  }
}

/** The head of a reply, past the server of Node, which would not let the rest be wrong. */
function headOf(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`, 'latin1')
}
