/**
 * HTTP/1.1 through undici: bodies go from the socket into the memory of whoever asked, without streams or promises in between.
 *
 * undici's own pool tells neither which connection a request gets nor whether that has served before. So the connections are kept here,
 * each a `Client` of undici, of which one request at a time is asked.
 */
import { later } from '../../util/later.js'
import type { Transport } from './http.js'
import { loadUndici, type Socket, type Undici } from './undici-client.js'
import { Origin, closedFailure, type Setting } from './undici-connections.js'
import { Sending } from './undici-sending.js'

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

function connectTimedOut(milliseconds: number): Error {
  return Object.assign(new Error(`no connection within ${milliseconds} ms`), { code: 'ETIMEDOUT' })
}
