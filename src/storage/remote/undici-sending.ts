import { messageOf } from '../../errors.js'
import { transportFailure, type Exchange, type ReplyHead, type TransportPhase } from './http.js'
import type { DispatchController, DispatchHandler, ResponseHeaders } from './undici-client.js'
import type { Connection, Origin } from './undici-connections.js'

/** Bytes of a body that nobody wants, after which the connection is given up instead. */
const DROPPED_AT_MOST = 256 << 10

/** One exchange under way. */
export class Sending implements DispatchHandler {
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
    const seen = error as { readonly code?: unknown }
    // A request that cannot be written is a mistake of the program, not of the network.
    if (seen.code === 'UND_ERR_INVALID_ARG') return this.fail(error)
    const text = messageOf(error)
    this.fail(transportFailure(phaseOf(this.#phase, seen), text === '' ? String(seen.code) : text, this.#reused, error))
  }
}

/** Where it broke. The parser finds bytes that are not HTTP, but also ends that come too early; its errors have no codes. */
function phaseOf(phase: TransportPhase, { name, code, message }: { readonly name?: unknown, readonly code?: unknown, readonly message?: unknown }): TransportPhase {
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' && phase === 'headers')) return 'protocol'
  return name === 'HTTPParserError' && !/\bEOF\b/.test(String(message)) ? 'protocol' : phase
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
