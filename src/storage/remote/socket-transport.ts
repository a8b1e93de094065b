/**
 * HTTP/1.1 over the sockets of Node, of which the system writes bodies straight into the memory of whoever asked: no buffer in between, nothing
 * to allocate, no copy. Only the head of a reply, and bodies in chunks, pass through a buffer of the connection.
 */
import { MillraceError } from '../../errors.js'
import { pooledTransport, type Connection, type ConnectionEvents, type Sending } from './connection-pool.js'
import { transportFailure, type Transport, type TransportPhase } from './http.js'
import { endOfHead, parseHead, requestText, unchunker, type ParsedHead, type Unchunker } from './http1.js'

export interface SocketTransportOptions {
  /** Connections to one origin. Further requests wait. @default 64 */
  readonly connections?: number | undefined
  /** Until a connection stands, TLS included, in milliseconds. @default 5000 */
  readonly connectTimeout?: number | undefined
  /** Idle connections are closed after so many milliseconds. Many services close them themselves after 5 seconds. @default 4000 */
  readonly keepAlive?: number | undefined
  /** Options of `net.connect` and `tls.connect`, such as `ca`, `rejectUnauthorized`, `localAddress` or `lookup`. @default {} */
  readonly connect?: Readonly<Record<string, unknown>> | undefined
}

/** What is used of `node:net` and `node:tls`, loaded without an import: this file may be loaded anywhere. */
interface Net {
  connect(options: object): Socket
}
interface Socket {
  readonly destroyed: boolean
  write(text: string, encoding: 'latin1'): boolean
  destroy(): unknown
  ref(): unknown
  unref(): unknown
  on(event: 'error', listener: (error: Error & { readonly code?: string }) => void): this
  on(event: 'session', listener: (session: unknown) => void): this
  on(event: 'connect' | 'secureConnect' | 'end' | 'close', listener: () => void): this
}

/**
 * Sends requests over sockets of its own. Redirects are not followed and bodies are not decoded.
 * @throws MillraceError `Unsupported` where there are no sockets: this is not Node
 */
export function socketTransport(options: SocketTransportOptions = {}): Transport {
  const { connections = 64, connectTimeout = 5000, keepAlive = 4000, connect = {} } = options
  const [net, tls] = [builtin<Net>('node:net'), builtin<Net>('node:tls')]
  const sessions = new Map<string, unknown>() // of TLS, by origin: the second connection needs one round trip less
  const setting: Setting = {
    connectTimeout, keepAlive,
    connect(origin, onread, events) {
      const { protocol, hostname, port } = new URL(origin)
      const host = hostname.replace(/^\[|\]$/g, '')
      const secure = protocol === 'https:'
      const target = { host, port: Number(port) || (secure ? 443 : 80), noDelay: true, onread, ...connect }
      if (!secure) return net.connect(target).on('connect', events.connected)
      const session = sessions.get(origin)
      return tls.connect({
        ...target, ALPNProtocols: ['http/1.1'], ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }), ...(session !== undefined && { session })
      }).on('secureConnect', events.connected).on('session', fresh => sessions.set(origin, fresh))
    }
  }
  return pooledTransport({ connections, open: (origin, events) => new SocketConnection(origin, setting, events) })
}

interface Setting {
  readonly connectTimeout: number
  readonly keepAlive: number
  connect(origin: string, onread: OnRead, events: { readonly connected: () => void }): Socket
}

interface OnRead {
  readonly buffer: () => Uint8Array
  readonly callback: (count: number, buffer: Uint8Array) => boolean
}

/** The longest head of a reply, in bytes. */
const LONGEST_HEAD = 16 << 10
/** Room for what does not go to its target, in bytes. */
const SCRATCH = 64 << 10
/** Bytes of one read while a head is awaited: a small object comes with its head, and of a large one little is copied. */
const HEAD_READ = 8 << 10
/** Bytes of a body that nobody wants, after which the connection is given up instead. */
const DROPPED_AT_MOST = 256 << 10

/** What the next bytes are. */
type Reading =
  | 'nothing'
  | 'head'
  /** The body, into its target. */
  | 'body'
  /** Chunks. */
  | 'chunks'

class SocketConnection implements Connection {
  readonly #socket: Socket
  readonly #setting: Setting
  readonly #events: ConnectionEvents
  #connecting = true
  #connectTimer: ReturnType<typeof setTimeout> | undefined
  #idleTimer: ReturnType<typeof setTimeout> | undefined
  #idleMs: number
  #served = 0
  #gone = false

  #sending: Sending | undefined
  #reading: Reading = 'nothing'
  #scratch: Uint8Array | undefined
  #filled = 0
  #head: ParsedHead | undefined
  #unchunker: Unchunker | undefined
  #into: Uint8Array = NOWHERE
  #refuse = true
  #received = 0
  #dropped = 0
  /** Bytes of the body that are still to come; `Infinity` until the connection ends. */
  #left = 0

  constructor(origin: string, setting: Setting, events: ConnectionEvents) {
    this.#setting = setting
    this.#events = events
    this.#idleMs = setting.keepAlive
    const onread = { buffer: () => this.#buffer(), callback: (count: number, buffer: Uint8Array) => this.#took(count, buffer) }
    this.#socket = setting.connect(origin, onread, { connected: () => this.#connected() })
      .on('error', error => this.#broke(this.#phase(), error.message, error))
      .on('end', () => this.#ended())
      .on('close', () => {
        this.#broke(this.#phase(), 'the connection was closed', undefined)
        events.closed()
      })
    this.#connectTimer = setTimeout(() => this.#broke('connect', `no connection within ${setting.connectTimeout} ms`, { code: 'ETIMEDOUT' }), setting.connectTimeout)
  }

  run(sending: Sending): void {
    clearTimeout(this.#idleTimer)
    let text: string
    try {
      text = requestText(sending.exchange.request)
    } catch (error) {
      return sending.fail(error)
    }
    this.#sending = sending
    this.#reading = 'head'
    this.#filled = 0
    this.#received = 0
    this.#dropped = 0
    this.#socket.ref()
    this.#socket.write(text, 'latin1')
  }

  destroy(): void {
    this.#sending = undefined
    this.#into = NOWHERE
    this.#reading = 'nothing'
    clearTimeout(this.#connectTimer)
    clearTimeout(this.#idleTimer)
    if (!this.#socket.destroyed) this.#socket.destroy()
    if (this.#gone) return
    this.#gone = true
    this.#events.gone(this)
  }

  #connected(): void {
    this.#connecting = false
    clearTimeout(this.#connectTimer)
  }

  #phase(): TransportPhase {
    return this.#connecting ? 'connect' : this.#reading === 'head' ? 'headers' : 'body'
  }

  /** The connection failed: so did what is under way on it. */
  #broke(phase: TransportPhase, message: string, cause: unknown): void {
    const sending = this.#sending
    this.destroy()
    sending?.fail(transportFailure(phase, message, this.#served > 0, cause))
  }

  /** The peer sends no more. Some bodies end that way. */
  #ended(): void {
    if (this.#left === Infinity && this.#reading === 'body') return this.#finish(false)
    this.#broke(this.#phase(), 'the peer closed the connection', undefined)
  }

  /** Where the system puts the next bytes: never more than belong to this body. */
  #buffer(): Uint8Array {
    if (this.#reading === 'body' && this.#left > 0 && this.#received < this.#into.length) {
      return this.#left < this.#into.length - this.#received ? this.#into.subarray(this.#received, this.#received + this.#left) : this.#into.subarray(this.#received)
    }
    this.#scratch ??= new Uint8Array(SCRATCH)
    // What is given now is used for the next read, also when a request comes in between.
    if (this.#reading === 'nothing') return this.#scratch.subarray(0, HEAD_READ)
    return this.#reading === 'head' ? this.#scratch.subarray(this.#filled, this.#filled + HEAD_READ) : this.#scratch
  }

  #took(count: number, buffer: Uint8Array): boolean {
    try {
      if (this.#reading === 'head') this.#tookHead(count)
      else if (this.#reading === 'body' && buffer.buffer === this.#into.buffer) this.#advance(count)
      else this.#tookBody((this.#scratch as Uint8Array).subarray(0, count))
    } catch (error) {
      const sending = this.#sending
      this.destroy()
      sending?.fail(error)
    }
    return true
  }

  #tookHead(count: number): void {
    const scratch = this.#scratch as Uint8Array
    let from = Math.max(0, this.#filled - 3)
    this.#filled += count
    for (let start = 0; ; ) {
      const end = endOfHead(scratch, from, this.#filled)
      if (end < 0) {
        if (start > 0) {
          scratch.copyWithin(0, start, this.#filled)
          this.#filled -= start
        }
        if (this.#filled > LONGEST_HEAD) throw tooLong(this.#served > 0)
        return
      }
      if (end - start > LONGEST_HEAD) throw tooLong(this.#served > 0)
      const sending = this.#sending as Sending
      const head = parseHead(latin1(scratch.subarray(start, end)), sending.exchange.request.method, this.#served > 0)
      if (head.status >= 200) return this.#begin(sending, head, scratch.subarray(end, this.#filled))
      if (head.status === 101) throw transportFailure('protocol', 'the peer wants to speak another protocol', this.#served > 0)
      start = from = end // 100 Continue and the like
    }
  }

  #begin(sending: Sending, head: ParsedHead, rest: Uint8Array): void {
    this.#head = head
    const target = sending.begin(head)
    if (target === undefined) return // refused, and destroyed
    this.#into = target.into
    this.#refuse = target.beyond === 'refuse'
    this.#left = head.framing.kind === 'length' ? head.framing.length : Infinity
    this.#unchunker = head.framing.kind === 'chunked' ? unchunker(this.#served > 0) : undefined
    this.#reading = this.#unchunker === undefined ? 'body' : 'chunks'
    if (this.#left === 0) return this.#finish(rest.length === 0)
    if (rest.length > 0) this.#tookBody(rest)
  }

  /** Bytes that are in the scratch buffer. */
  #tookBody(bytes: Uint8Array): void {
    if (this.#reading === 'nothing') return this.#broke('protocol', 'the peer sent bytes that nobody asked for', undefined)
    if (this.#unchunker !== undefined) {
      const used = this.#unchunker.push(bytes, part => this.#put(part))
      if (this.#sending !== undefined && this.#unchunker.ended) this.#finish(used === bytes.length)
      return
    }
    const mine = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes
    this.#put(mine)
    if (this.#sending === undefined) return
    this.#left -= mine.length
    if (this.#left === 0) this.#finish(mine.length === bytes.length)
  }

  /** Copies to the target what has room there. */
  #put(bytes: Uint8Array): void {
    const sending = this.#sending
    if (sending === undefined) return
    const room = this.#into.length - this.#received
    this.#into.set(bytes.length <= room ? bytes : bytes.subarray(0, room), this.#received)
    this.#received += Math.min(room, bytes.length)
    sending.exchange.received = this.#received
    if (bytes.length <= room) return
    if (this.#refuse) throw transportFailure('overrun', `more than the ${this.#into.length} bytes that were announced arrived`, this.#served > 0)
    this.#dropped += bytes.length - room
    if (this.#dropped > DROPPED_AT_MOST) sending.done(false)
  }

  /** Bytes that the system has put into the target. */
  #advance(count: number): void {
    this.#received += count
    this.#left -= count
    ;(this.#sending as Sending).exchange.received = this.#received
    if (this.#left === 0) this.#finish(true)
  }

  /** The body is complete. `clean`: nothing came behind it. */
  #finish(clean: boolean): void {
    const sending = this.#sending as Sending
    const { keepAlive, idleMs = Infinity } = this.#head as ParsedHead
    const reusable = clean && keepAlive
    this.#sending = undefined
    this.#into = NOWHERE
    this.#unchunker = undefined
    this.#head = undefined
    this.#reading = 'nothing'
    this.#served++
    if (reusable) {
      // A little earlier than the peer, or a request may meet its goodbye.
      this.#idleMs = Math.min(this.#setting.keepAlive, Math.max(0, idleMs - 1000))
      this.#idleTimer = setTimeout(() => this.destroy(), this.#idleMs)
      ;(this.#idleTimer as { unref?: () => void }).unref?.()
      this.#socket.unref()
    }
    sending.done(reusable)
  }
}

const NOWHERE = new Uint8Array(0)

function tooLong(reused: boolean): Error {
  return transportFailure('protocol', `the head of the reply is longer than ${LONGEST_HEAD} bytes`, reused)
}

/** Each byte is a character. Not by a TextDecoder, whose `latin1` is windows-1252: an ETag would come back as another. */
function latin1(bytes: Uint8Array): string {
  const { Buffer: { from } } = buffers ??= builtin<Buffers>('node:buffer')
  return from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

interface Buffers {
  readonly Buffer: { from(this: void, bytes: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'latin1'): string } }
}
let buffers: Buffers | undefined

function builtin<Module>(name: string): Module {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
  const module = host?.getBuiltinModule?.(name)
  if (module === undefined) throw new MillraceError('Unsupported', `objects are read over sockets of Node, and there is no ${name} here`)
  return module as Module
}
