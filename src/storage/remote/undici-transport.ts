/**
 * HTTP/1.1 through undici: bodies go from the socket into the memory of whoever asked, without streams or promises in between.
 *
 * undici's own pool tells neither which connection a request gets nor whether that has served before. So the connections are kept here,
 * each a `Client` of undici, of which one request at a time is asked.
 */
import { messageOf } from '../../errors.js'
import { later } from '../../util/later.js'
import { transportFailure, type Exchange, type ReplyHead, type Transport, type TransportPhase } from './http.js'
import {
  loadUndici, type Connected, type Connector, type DispatchController, type DispatchHandler, type ResponseHeaders, type Socket, type Undici, type UndiciClient
} from './undici-client.js'

export interface UndiciTransportOptions {
  /** Connections to one origin. Further requests wait. @default 64 */
  readonly connections?: number | undefined
  /** Until a connection stands, TLS included, in milliseconds. @default 5000 */
  readonly connectTimeout?: number | undefined
  /** Idle connections are closed after so many milliseconds. Many services close them themselves after 5 seconds. @default 4000 */
  readonly keepAlive?: number | undefined
  /** Options of `net.connect` and `tls.connect`, such as `ca`, `rejectUnauthorized`, `localAddress`, or `lookup` for names that are kept. @default {} */
  readonly connect?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Sends requests through undici. Redirects are not followed and bodies are not decoded.
 * @throws MillraceError `MissingPackage` when undici is not installed
 */
export async function undiciTransport(options: UndiciTransportOptions = {}): Promise<Transport> {
  return connections(await loadUndici(), options)
}

function connections({ Client, buildConnector }: Undici, options: UndiciTransportOptions): Transport {
  const { connections: most = 64, connectTimeout = 5000, keepAlive = 4000, connect = {} } = options
  const connector = buildConnector({ ...connect, timeout: 0, allowH2: false }) // its own timeout is coarse
  const origins = new Map<string, Origin>()
  const sockets = new Set<Socket>()
  let closed: Promise<void> | undefined
  let allGone: (() => void) | undefined

  const setting: Setting = {
    most,
    client: (origin, connect) => new Client(origin, {
      connect, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: keepAlive, keepAliveMaxTimeout: keepAlive, allowH2: false
    }),
    connect(target, connected) {
      let done = false
      // One more turn: a program that computed for long must not take a connection that stands for one that is late.
      const timer = setTimeout(() => later(() => { if (!done) socket?.destroy(connectTimedOut(connectTimeout)) }), connectTimeout)
      const socket = connector(target, (error, ready) => {
        done = true
        clearTimeout(timer)
        connected(error, ready)
      })
      if (socket !== undefined) {
        sockets.add(socket)
        socket.once('close', () => {
          done = true
          clearTimeout(timer)
          sockets.delete(socket)
          if (sockets.size === 0) allGone?.()
        })
      }
      return socket
    },
    unused: origin => origins.delete(origin)
  }

  function originOf(name: string): Origin {
    let origin = origins.get(name)
    if (origin === undefined) origins.set(name, origin = new Origin(name, setting))
    return origin
  }

  async function close(): Promise<void> {
    for (const origin of [...origins.values()]) origin.close()
    if (sockets.size === 0) return
    await new Promise<void>(resolve => {
      allGone = resolve
      for (const socket of sockets) socket.destroy()
    })
  }

  return {
    send(exchange, { signal, fresh = false }) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error)
        if (closed !== undefined) return reject(closedFailure())
        originOf(exchange.request.origin).add(new Sending(exchange, signal, fresh, resolve, reject))
      })
    },
    close: () => (closed ??= close())
  }
}

interface Setting {
  readonly most: number
  client(origin: string, connect: Connector): UndiciClient
  readonly connect: Connector
  unused(origin: string): void
}

/** The connections to one origin, and who waits for one. */
class Origin {
  readonly name: string
  readonly #setting: Setting
  readonly #open = new Set<Connection>()
  /** The one that was used last is used first, so that connections that are not needed grow old. */
  readonly #idle: Connection[] = []
  readonly #waiting = new Set<Sending>()

  constructor(name: string, setting: Setting) {
    this.name = name
    this.#setting = setting
  }

  add(sending: Sending): void {
    sending.origin = this
    if (this.#waiting.size === 0 && this.#hasRoom()) return this.#start(sending)
    sending.exchange.queued = true
    this.#waiting.add(sending)
  }

  /** Takes back a request that waits. */
  remove(sending: Sending): void {
    this.#waiting.delete(sending)
  }

  /** A connection has done its work and can be used again. */
  release(connection: Connection): void {
    this.#idle.push(connection)
    this.#advance()
  }

  /** A connection is gone. */
  gone(connection: Connection): void {
    if (!this.#open.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#advance()
    if (this.#open.size === 0 && this.#waiting.size === 0) this.#setting.unused(this.name)
  }

  close(): void {
    for (const sending of [...this.#waiting]) sending.fail(closedFailure())
    for (const connection of [...this.#open]) {
      connection.sending?.fail(closedFailure())
      connection.drop()
    }
  }

  #advance(): void {
    for (const sending of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#waiting.delete(sending)
      sending.exchange.queued = false
      this.#start(sending)
    }
  }

  #hasRoom(): boolean {
    return this.#idle.length > 0 || this.#open.size < this.#setting.most
  }

  #start(sending: Sending): void {
    let connection = sending.fresh ? undefined : this.#idle.pop()
    if (connection === undefined) {
      const oldest = this.#open.size < this.#setting.most ? undefined : this.#idle.shift()
      if (oldest !== undefined) {
        this.#open.delete(oldest)
        oldest.drop()
      }
      this.#open.add(connection = new Connection(this, this.#setting))
    }
    connection.run(sending)
  }
}

class Connection {
  /** Replies that came over it. */
  served = 0
  sending: Sending | undefined
  readonly #origin: Origin
  readonly #client: UndiciClient
  #socket: Socket | undefined
  #dropped = false

  constructor(origin: Origin, setting: Setting) {
    this.#origin = origin
    const connect = (target: object, connected: Connected): Socket | undefined => (this.#socket = setting.connect(target, connected))
    this.#client = setting.client(origin.name, connect)
    this.#client.on('connect', () => { this.served = 0 })
    // With a request in hand undici tells that request what is wrong, or connects anew if it was not sent yet.
    this.#client.on('disconnect', () => { if (this.sending === undefined) this.drop() })
    this.#client.on('error', () => this.drop())
  }

  run(sending: Sending): void {
    this.sending = sending
    sending.connection = this
    this.#client.dispatch(sending.exchange.request, sending)
  }

  /** Its reply was read to the end. */
  done(): void {
    this.sending = undefined
    this.served++
    this.#origin.release(this)
  }

  /** Closes it. A socket that is still connecting is not known to undici. */
  drop(): void {
    if (this.#dropped) return
    this.#dropped = true
    this.sending = undefined
    this.#client.destroy().catch(() => undefined)
    if (this.#socket?.destroyed === false) this.#socket.destroy()
    this.#origin.gone(this)
  }
}

/** Bytes of a body that nobody wants, after which the connection is given up instead. */
const DROPPED_AT_MOST = 256 << 10

/** One exchange under way. */
class Sending implements DispatchHandler {
  readonly exchange: Exchange
  readonly fresh: boolean
  origin: Origin | undefined
  connection: Connection | undefined
  readonly #signal: AbortSignal
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #controller: DispatchController | undefined
  #phase: TransportPhase = 'connect'
  #reused = false
  #into: Uint8Array | undefined
  #refuse = true
  #received = 0
  #dropped = 0
  #settled = false

  constructor(exchange: Exchange, signal: AbortSignal, fresh: boolean, resolve: () => void, reject: (error: unknown) => void) {
    this.exchange = exchange
    this.fresh = fresh
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    signal.addEventListener('abort', this)
  }

  /** The signal: listeners that are objects need no closure. */
  handleEvent(): void {
    this.fail(this.#signal.reason)
  }

  /** Ends it, and the connection with it. */
  fail(error: unknown): void {
    if (!this.#settle()) return
    const { connection } = this
    if (connection === undefined) this.origin?.remove(this)
    this.#controller?.abort(STOP)
    connection?.drop()
    this.#reject(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#into = undefined
    this.#signal.removeEventListener('abort', this)
    return true
  }

  onRequestStart(controller: DispatchController): void {
    if (this.#settled) return controller.abort(STOP)
    this.#controller = controller
    this.#phase = 'headers'
    this.#reused = (this.connection?.served ?? 0) > 0
  }

  onResponseStart(_controller: DispatchController, status: number, headers: ResponseHeaders): void {
    if (this.#settled || status < 200) return
    this.#phase = 'body'
    try {
      const { into, beyond } = this.exchange.begin(new Reply(status, headers))
      if (this.#settled) return // `begin` may have aborted the signal
      this.#into = into
      this.#refuse = beyond === 'refuse'
    } catch (error) {
      this.fail(error)
    }
  }

  onResponseData(_controller: DispatchController, chunk: Uint8Array): void {
    const into = this.#into
    if (into === undefined) return
    const room = into.length - this.#received
    if (chunk.length <= room) {
      into.set(chunk, this.#received)
      this.exchange.received = this.#received += chunk.length
      return
    }
    if (this.#refuse) return this.fail(transportFailure('overrun', `more than the ${into.length} bytes that were announced arrived`, this.#reused))
    into.set(chunk.subarray(0, room), this.#received)
    this.exchange.received = this.#received = into.length
    this.#dropped += chunk.length - room
    if (this.#dropped > DROPPED_AT_MOST && this.#settle()) {
      this.#controller?.abort(STOP)
      this.connection?.drop()
      this.#resolve()
    }
  }

  onResponseEnd(): void {
    if (!this.#settle()) return
    this.connection?.done()
    this.#resolve()
  }

  onResponseError(_controller: DispatchController | null, error: unknown): void {
    if (this.#settled) return
    const { code } = error as { readonly code?: unknown }
    // A request that cannot be written is a mistake of the program, not of the network.
    if (code === 'UND_ERR_INVALID_ARG') return this.fail(error)
    const text = messageOf(error)
    this.fail(transportFailure(phaseOf(this.#phase, String(code)), text === '' ? String(code) : text, this.#reused, error))
  }
}

/** The parser finds bytes that are not HTTP, but also ends that come too early. */
function phaseOf(phase: TransportPhase, code: string): TransportPhase {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'protocol'
  return code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE' ? 'protocol' : phase
}

class Reply implements ReplyHead {
  readonly status: number
  readonly #headers: ResponseHeaders

  constructor(status: number, headers: ResponseHeaders) {
    this.status = status
    this.#headers = headers
  }

  header(name: string): string | undefined {
    const value = this.#headers[name]
    return typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : undefined
  }
}

/** What undici is told when it has to stop; nobody sees it. */
const STOP = new Error('no longer wanted')

function closedFailure(): Error {
  return transportFailure('closed', 'the transport was closed', false)
}

function connectTimedOut(milliseconds: number): Error {
  return Object.assign(new Error(`no connection within ${milliseconds} ms`), { code: 'ETIMEDOUT' })
}
