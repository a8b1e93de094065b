import { transportFailure } from './http.js'
import type { Connected, Connector, Socket, UndiciClient } from './undici-client.js'
import type { Sending } from './undici-sending.js'

/** What the connections of a transport have in common. */
export interface Setting {
  /** Connections to one origin. */
  readonly most: number
  client(origin: string, connect: Connector): UndiciClient
  readonly connect: Connector
  unused(origin: string): void
}

/** The connections to one origin, and who waits for one. */
export class Origin {
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

/** One connection, which serves one request at a time. */
export class Connection {
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

/** How requests end that a closed transport has. */
export function closedFailure(): Error {
  return transportFailure('closed', 'the transport was closed', false)
}
