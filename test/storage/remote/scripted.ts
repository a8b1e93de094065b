/** A transport without a network, a service without credentials, and a clock that goes when it is told to. */
import { transportFailure, type Exchange, type HttpRequest, type ReplyHead, type Transport, type TransportPhase } from '../../../src/storage/remote/http.js'
import type { Surroundings } from '../../../src/storage/remote/reader.js'
import type { RangeAsk, ReadService, RemoteName, ServiceFault } from '../../../src/storage/remote/service.js'

/** One reply, and how it ends. */
export interface Scripted {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Uint8Array
  /** Bytes that come before it ends; all of them if absent. */
  readonly after?: number
  /** Where it breaks; `never`: it does not end until it is aborted. @default it ends as it should */
  readonly ends?: TransportPhase | 'never'
  readonly reused?: boolean
  readonly cause?: unknown
}

/** A request as it was sent. */
export interface Sent {
  readonly origin: string
  readonly range: string | undefined
  readonly version: string | undefined
  readonly fresh: boolean
}

export interface ScriptedTransport extends Transport {
  readonly sent: Sent[]
  /** Exchanges under way. */
  readonly open: Set<Exchange>
}

export function scriptedTransport(script: (sent: Sent, n: number) => Scripted | Promise<Scripted>): ScriptedTransport {
  const sent: Sent[] = []
  const open = new Set<Exchange>()

  async function exchangeOnce(exchange: Exchange, signal: AbortSignal, fresh: boolean): Promise<void> {
    const { headers: asked, origin } = exchange.request
    const one: Sent = { origin, range: asked['range'], version: asked['if-match'], fresh }
    const { status = 206, headers = {}, body = new Uint8Array(0), after = body.length, ends, reused = false, cause } = await script(one, sent.push(one) - 1)
    signal.throwIfAborted()
    if (ends === 'connect' || ends === 'headers' || ends === 'closed') throw transportFailure(ends, `it ended in ${ends}`, reused, cause)
    if (ends === 'never' && after === 0 && status === 0) await untilAborted(signal)
    const { into, beyond } = exchange.begin(replyHead(status, headers))
    const part = body.subarray(0, after)
    // In pieces, as a network does.
    for (let at = 0; at < part.length; at += 1000) {
      const piece = part.subarray(at, at + 1000)
      const room = into.length - exchange.received
      if (piece.length > room && beyond === 'refuse') throw transportFailure('overrun', 'more than fits', reused)
      into.set(piece.subarray(0, room), exchange.received)
      exchange.received += Math.min(room, piece.length)
    }
    if (ends === 'never') await untilAborted(signal)
    if (ends !== undefined && ends !== 'never') throw transportFailure(ends, `it ended in ${ends}`, reused, cause)
  }

  return {
    sent,
    open,
    async send(exchange, { signal, fresh = false }) {
      signal.throwIfAborted()
      open.add(exchange)
      try {
        await exchangeOnce(exchange, signal, fresh)
      } finally {
        open.delete(exchange)
      }
    },
    close: () => Promise.resolve()
  }
}

export function replyHead(status: number, headers: Readonly<Record<string, string | undefined>> = {}): ReplyHead {
  return { status, header: name => headers[name] }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

/** The right reply of a server with that object. */
export function serve(object: Uint8Array, version: string | undefined, { range, version: pinned }: Pick<Sent, 'range' | 'version'>): Scripted {
  const etag = version === undefined ? {} : { etag: version }
  if (pinned !== undefined && version !== undefined && pinned !== version) return { status: 412 }
  if (range === undefined) return { status: 200, headers: { ...etag, 'content-length': String(object.length) }, body: object }
  const [, first = 0, last = 0] = /^bytes=(\d+)-(\d+)$/.exec(range)?.map(Number) ?? []
  if (first >= object.length) return { status: 416, headers: { 'content-range': `bytes */${object.length}` } }
  const body = object.subarray(first, last + 1)
  return {
    status: 206,
    headers: { ...etag, 'content-range': `bytes ${first}-${first + body.length - 1}/${object.length}`, 'content-length': String(body.length) },
    body
  }
}

export const NAME: RemoteName = { uri: 'test://box/key', container: 'box', key: 'key' }

/** Error codes are told as `<Error><Code>Kind</Code>`. */
export function testService(more: Partial<ReadService> = {}): ReadService {
  return {
    scheme: 'test',
    request(name, range: RangeAsk | undefined, version): HttpRequest {
      return {
        method: 'GET', origin: `http://${name.container}:80`, path: `/${name.key}`,
        headers: {
          ...(range === undefined ? {} : { range: `bytes=${range.first}-${range.last}` }),
          ...(version === undefined ? {} : { 'if-match': version })
        }
      }
    },
    versionOf: reply => reply.header('etag'),
    checksumsOf: reply => (reply.header('x-md5') === undefined ? {} : { md5: reply.header('x-md5') as string }),
    faultOf: ({ status }, body): ServiceFault => ({
      kind: status === 404 ? 'NotFound' : status === 429 || status === 503 ? 'Throttled' : status < 500 ? 'Denied' : 'Unavailable',
      code: /<Code>(\w+)/.exec(body)?.[1] ?? '',
      message: /<Message>([^<]+)/.exec(body)?.[1] ?? '',
      ...(status === 401 ? { refresh: true } : {})
    }),
    ...more
  }
}

export interface TestTime extends Surroundings {
  /** What was waited, in milliseconds. */
  readonly waits: number[]
  /** Whether somebody has asked to be called every so often. */
  readonly ticking: boolean
  /** What `random` returns. */
  chance: number
  /** Lets time pass, with all ticks. */
  advance(milliseconds: number): Promise<void>
  /** Lets time pass in which the program computes: no ticks. */
  block(milliseconds: number): void
}

/** Sleeping takes no time but that of the clock; `hold` makes it wait for the signal instead. */
export function testTime(hold = false): TestTime {
  let time = 1000
  const waits: number[] = []
  let ticks: { interval: number, run: () => void } | undefined
  return {
    waits,
    chance: 1,
    get ticking() {
      return ticks !== undefined
    },
    now: () => time,
    random() {
      return this.chance
    },
    sleep(milliseconds, signal) {
      waits.push(milliseconds)
      if (hold) return untilAborted(signal)
      time += milliseconds
      return Promise.resolve()
    },
    every(interval, run) {
      ticks = { interval, run }
      return () => { ticks = undefined }
    },
    async advance(milliseconds) {
      for (let left = milliseconds; left > 0;) {
        const step = Math.min(left, ticks?.interval ?? left)
        time += step
        left -= step
        ticks?.run()
        await turn()
      }
    },
    block(milliseconds) {
      time += milliseconds
    }
  }
}

export const turn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

export function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0, x = seed; i < length; i++) bytes[i] = (x = (Math.imul(x, 1103515245) + 12345) | 0) >>> 16
  return bytes
}
