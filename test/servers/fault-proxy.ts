/** A TCP proxy that passes every byte on as it is, until a plan wants otherwise. It works in front of any server, also with TLS. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { makeTimers } from './faults.js'
import { seededRandom } from './seeded.js'

/** What goes wrong with one request or its reply. `at` counts bytes of the body of the reply. */
export type ProxyFault =
  /** The connection is reset, or closed, when the request comes; the server does not see it. */
  | { readonly kind: 'rst0' | 'fin0' }
  /** The request goes nowhere, and the connection stays. */
  | { readonly kind: 'blackhole' }
  | { readonly kind: 'delay'; readonly by: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  /** Reset, close, nothing more, or one other bit, when so much of the body has passed. */
  | { readonly kind: 'rst' | 'fin' | 'stall' | 'flip'; readonly at: number }
  /** The connection is closed right behind the reply, when the client takes it for idle. */
  | { readonly kind: 'dropIdle' }

/** @param connection which one, from 0 @param request how many it had before @param total how many there were on all */
export type ProxyPlan = (connection: number, request: number, total: number) => ProxyFault | undefined

export interface ProxyEvent {
  readonly connection: number
  readonly request: number
  readonly fault: ProxyFault | undefined
}

export interface FaultProxy {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  /** Requests, in the order in which they came. */
  readonly log: ProxyEvent[]
  readonly connections: { readonly total: number; readonly open: number }
  setPlan(plan: ProxyPlan | undefined): void
  /** From now on connections are reset as soon as they stand. */
  refuse(yes: boolean): void
  close(): Promise<void>
}

const METHOD = /^(GET|HEAD|PUT|POST|DELETE|OPTIONS|PATCH) /

export async function startFaultProxy(upstream: number, plan?: ProxyPlan): Promise<FaultProxy> {
  const log: ProxyEvent[] = []
  const timers = makeTimers()
  const sockets = new Set<Socket>()
  let current = plan
  let refusing = false
  let total = 0
  let open = 0

  const server = createServer({ noDelay: true }, (client) => {
    const connection = total++
    if (refusing) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    open++
    const server = connect({ host: '127.0.0.1', port: upstream, noDelay: true })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        if (socket === client) {
          open--
          server.destroy()
        }
      })
    }
    let fault: ProxyFault | undefined
    let requests = 0
    let head: Buffer | undefined // of the reply, as far as it came
    let passed = 0 // bytes of the body
    let length = Infinity // of the body
    let frozen = false

    const end = (how: 'rst' | 'fin'): void => {
      frozen = true
      server.destroy()
      // What was written last is lost in a reset, unless it has a moment to arrive.
      if (how === 'rst') timers.after(5, () => client.resetAndDestroy())
      else client.end()
    }

    client.on('data', (data: Buffer) => {
      if (METHOD.test(data.toString('latin1', 0, 8))) {
        fault = current?.(connection, requests, log.length)
        log.push({ connection, request: requests++, fault })
        head = Buffer.alloc(0)
        passed = 0
        length = Infinity
        if (fault?.kind === 'rst0') {
          frozen = true
          client.resetAndDestroy()
          return
        }
        if (fault?.kind === 'fin0') {
          end('fin')
          return
        }
        if (fault?.kind === 'blackhole') frozen = true
      }
      if (!frozen) server.write(data)
    })
    client.on('end', () => { if (!frozen) server.end() })
    server.on('close', () => { if (!frozen) client.end() })

    /** Passes bytes of the reply on, body or not. */
    const pass = (data: Buffer): void => {
      if (!client.write(data)) {
        server.pause()
        client.once('drain', () => server.resume())
      }
    }

    const reply = (data: Buffer): void => {
      let body = data
      if (head !== undefined) {
        head = Buffer.concat([head, data])
        const at = head.indexOf('\r\n\r\n')
        if (at < 0) return pass(data)
        length = Number(/^content-length: *(\d+)/im.exec(head.toString('latin1', 0, at))?.[1] ?? Infinity)
        body = head.subarray(at + 4)
        if (data.length > body.length) pass(data.subarray(0, data.length - body.length))
        head = undefined
      }
      const at = fault !== undefined && 'at' in fault ? fault.at : Infinity
      if (passed <= at && passed + body.length > at) {
        const cut = at - passed
        if (fault?.kind === 'flip') {
          body = Buffer.from(body)
          body[cut] = (body[cut] ?? 0) ^ 0x40
        } else {
          if (cut > 0) pass(body.subarray(0, cut))
          frozen = true
          if (fault?.kind === 'rst' || fault?.kind === 'fin') end(fault.kind)
          return
        }
      }
      passed += body.length
      if (body.length > 0) pass(body)
      if (fault?.kind === 'dropIdle' && passed >= length) end('fin')
    }
    server.on('data', (data: Buffer) => {
      if (frozen) return
      if (fault?.kind === 'throttle') {
        server.pause()
        timers.after(data.length / fault.bytesPerSecond * 1000, () => server.resume())
      }
      if (fault?.kind !== 'delay') return reply(data)
      server.pause()
      timers.after(fault.by, () => {
        fault = undefined
        reply(data)
        server.resume()
      })
    })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`, port, log,
    connections: { get total() { return total }, get open() { return open } },
    setPlan: (next) => { current = next },
    refuse: (yes) => { refusing = yes },
    async close() {
      timers.clear()
      const closed = new Promise<void>((resolve) => { server.close(() => resolve()) })
      await Promise.all([...sockets].map((socket) => new Promise<void>((resolve) => {
        socket.once('close', () => resolve())
        socket.destroy()
      })))
      await closed
    }
  }
}

/** A share of the requests goes wrong, each in one of these ways, and always in the same for the same seed. */
export function seededFaults<F>(seed: number, share: number, faults: readonly ((random: () => number) => F)[]): () => F | undefined {
  const random = seededRandom(seed)
  return () => {
    if (random() >= share) return undefined
    return faults[Math.floor(random() * faults.length)]?.(random)
  }
}
