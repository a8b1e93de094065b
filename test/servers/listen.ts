/** HTTP servers on a free port of the loopback, which know their connections and end with all of them. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { makeTimers, type Timers } from './faults.js'

export interface Listener {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  readonly timers: Timers
  /** Those that there ever were, and those that are open. */
  readonly connections: { readonly total: number; readonly open: number }
  /** The ordinal of a connection, from 0. */
  connectionOf(request: IncomingMessage): number
  /** Ends all connections and timers. */
  close(): Promise<void>
}

/** @param idle milliseconds after which a connection without requests is closed @param wanted the port, or 0 for any that is free */
export async function listen(serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>, idle = 5000, wanted = 0): Promise<Listener> {
  const timers = makeTimers()
  const sockets = new Map<Socket, number>()
  const idling = new Map<Socket, NodeJS.Timeout>()
  let total = 0
  // The timeout of Node's own server is a second late, and is told to clients in a header that object stores do not send.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, noDelay: true }, (request, response) => {
    const { socket } = request
    clearTimeout(idling.get(socket))
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    response.on('finish', () => {
      if (!socket.destroyed) idling.set(socket, setTimeout(() => socket.end(), idle))
    })
    serve(request, response).catch(() => response.destroy())
  })
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, total++)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(idling.get(socket))
      idling.delete(socket)
      sockets.delete(socket)
    })
  })
  // Clients that break off are what tests are about.
  server.on('clientError', (_, socket) => socket.destroy())
  await new Promise<void>((resolve) => { server.listen(wanted, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`, port, timers,
    connections: { get total() { return total }, get open() { return sockets.size } },
    connectionOf: (request) => sockets.get(request.socket) ?? -1,
    async close() {
      timers.clear()
      const closed = new Promise<void>((resolve) => { server.close(() => resolve()) })
      await Promise.all([...sockets.keys()].map((socket) => new Promise<void>((resolve) => {
        socket.once('close', () => resolve())
        socket.destroy()
      })))
      await closed
    }
  }
}
