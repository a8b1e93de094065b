import { transportFailure, type BodyTarget, type Exchange, type ReplyHead, type Transport } from './http.js'

/** One connection. It is asked for one exchange at a time. */
export interface Connection {
  /** Begins an exchange. It ends with `sending.done` or `sending.fail`, not before `run` has returned only by accident. */
  run(sending: Sending): void
  /** Closes it at once; nothing is written into a target afterwards. Idempotent. */
  destroy(): void
}

/** What a connection tells its pool. */
export interface ConnectionEvents {
  /** It cannot be used any more. */
  gone(connection: Connection): void
  /** The socket is closed, and nothing of it is left. */
  closed(): void
}

export interface PoolOptions {
  /** Connections to one origin. Further requests wait. */
  readonly connections: number
  /** Begins to connect. */
  readonly open: (origin: string, events: ConnectionEvents) => Connection
}

/** A transport over connections that are kept and used again, the one that was used last first, so that those that are not needed grow old. */
export function pooledTransport(options: PoolOptions): Transport {
  const origins = new Map<string, Origin>()
  let sockets = 0
  let allGone: (() => void) | undefined
  let closing: Promise<void> | undefined

  const setting: Setting = {
    ...options,
    opened: () => { sockets++ },
    closed: () => { if (--sockets === 0) allGone?.() },
    unused: origin => origins.delete(origin)
  }

  function originOf(name: string): Origin {
    let origin = origins.get(name)
    if (origin === undefined) origins.set(name, origin = new Origin(name, setting))
    return origin
  }

  async function close(): Promise<void> {
    for (const origin of [...origins.values()]) origin.close()
    if (sockets > 0) await new Promise<void>(resolve => { allGone = resolve })
  }

  return {
    send(exchange, { signal, fresh = false }) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error)
        if (closing !== undefined) return reject(closedFailure())
        originOf(exchange.request.origin).add(new Sending(exchange, signal, fresh, resolve, reject))
      })
    },
    close: () => (closing ??= close())
  }
}

interface Setting extends PoolOptions {
  opened(): void
  closed(): void
  unused(origin: string): void
}

/** The connections to one origin, and who waits for one. */
class Origin {
  readonly #name: string
  readonly #setting: Setting
  readonly #open = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #busy = new Map<Connection, Sending>()
  readonly #waiting = new Set<Sending>()
  readonly #events: ConnectionEvents

  constructor(name: string, setting: Setting) {
    this.#name = name
    this.#setting = setting
    this.#events = { gone: connection => this.#gone(connection), closed: setting.closed }
  }

  add(sending: Sending): void {
    sending.origin = this
    if (this.#waiting.size === 0 && this.#hasRoom()) return this.#start(sending)
    sending.exchange.queued = true
    this.#waiting.add(sending)
  }

  /** It was settled: with a connection that can be used again, or one that has to go, or none. */
  settled(sending: Sending, reusable: boolean): void {
    const { connection } = sending
    if (connection === undefined) {
      this.#waiting.delete(sending)
      return
    }
    this.#busy.delete(connection)
    if (reusable && this.#open.has(connection)) {
      this.#idle.push(connection)
      this.#advance()
    } else connection.destroy()
  }

  close(): void {
    for (const sending of [...this.#waiting, ...this.#busy.values()]) sending.fail(closedFailure())
    for (const connection of [...this.#open]) connection.destroy()
  }

  #gone(connection: Connection): void {
    if (!this.#open.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#advance()
    if (this.#open.size === 0 && this.#waiting.size === 0) this.#setting.unused(this.#name)
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
    return this.#idle.length > 0 || this.#open.size < this.#setting.connections
  }

  #start(sending: Sending): void {
    let connection = sending.fresh ? undefined : this.#idle.pop()
    if (connection === undefined) {
      if (this.#open.size >= this.#setting.connections) {
        const oldest = this.#idle.shift()
        if (oldest !== undefined) {
          this.#open.delete(oldest)
          oldest.destroy()
        }
      }
      try {
        connection = this.#setting.open(this.#name, this.#events)
      } catch (error) {
        sending.fail(error) // a mistake in the options, such as a certificate that is none
        if (this.#open.size === 0 && this.#waiting.size === 0) this.#setting.unused(this.#name)
        return
      }
      this.#setting.opened()
      this.#open.add(connection)
    }
    this.#busy.set(connection, sending)
    sending.connection = connection
    connection.run(sending)
  }
}

/** One exchange under way, between whoever asked for it and its connection. */
export class Sending {
  readonly exchange: Exchange
  readonly fresh: boolean
  origin: Origin | undefined
  connection: Connection | undefined
  readonly #signal: AbortSignal
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #settled = false

  constructor(exchange: Exchange, signal: AbortSignal, fresh: boolean, resolve: () => void, reject: (error: unknown) => void) {
    this.exchange = exchange
    this.fresh = fresh
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    signal.addEventListener('abort', this)
  }

  /** Somebody waits for it. */
  get live(): boolean {
    return !this.#settled
  }

  /** Shows the head of the reply, and gets where the body goes; nothing when the reply is refused, with the connection gone. */
  begin(reply: ReplyHead): BodyTarget | undefined {
    try {
      const target = this.exchange.begin(reply)
      return this.#settled ? undefined : target // it may have aborted the signal
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  /** The body is there. `reusable`: the connection can serve again. */
  done(reusable: boolean): void {
    if (!this.#settle(reusable)) return
    this.#resolve()
  }

  /** Ends it, and the connection with it. */
  fail(error: unknown): void {
    if (this.#settle(false)) this.#reject(error)
  }

  /** The signal: listeners that are objects need no closure. */
  handleEvent(): void {
    this.fail(this.#signal.reason)
  }

  #settle(reusable: boolean): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#signal.removeEventListener('abort', this)
    this.origin?.settled(this, reusable)
    return true
  }
}

function closedFailure(): Error {
  return transportFailure('closed', 'the transport was closed', false)
}
