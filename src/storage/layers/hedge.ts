import type { ConnectionPoolConfig } from '../config.js'
import type { BodyTarget, Exchange, ReplyHead, SendOptions, Transport } from '../remote/http.js'
import type { Surroundings } from '../remote/reader.js'
import { signalWatch, type Abortable } from '../remote/signals.js'
import { histogram } from './histogram.js'

/** A request was sent a second time. */
export interface Hedge {
  readonly origin: string
  /** Milliseconds after the first one. */
  readonly after: number
  /** Whether the second one was answered first. */
  readonly won: boolean
}

/** Answers of an origin before anything is sent twice. */
const MIN_SAMPLES = 200
/** Second requests that may come in a row, when the budget was not used for some time. */
const BURST = 10
/** Milliseconds without second requests after an origin asked to slow down. */
const CALM = 10_000
/** Controllers that are kept for later requests. */
const CONTROLLERS = 256
/** Origins whose times are kept. */
const ORIGINS = 256

/**
 * Sends a request a second time, over a fresh connection, when its first byte is later than almost always: later than the `hedgeQuantile` of
 * the origin's times. Whichever is answered first is used, and the other one is ended before it can write anything. Once there is an answer,
 * nothing is sent again.
 *
 * At most `hedgeBudget` of all requests are doubled; none before an origin has answered 200 times, and none for ten seconds after it
 * replied 429 or 503. A second request that is refused (429, 5xx) does not count as an answer.
 */
export function hedged(transport: Transport, config: Pick<ConnectionPoolConfig, 'hedge' | 'hedgeQuantile' | 'hedgeBudget'>, surroundings: Pick<Surroundings, 'now' | 'sleep'>, observer?: (hedge: Hedge) => void): Transport {
  if (!config.hedge) return transport
  const { hedgeQuantile, hedgeBudget } = config
  const origins = new Map<string, Origin>()
  const signals = signalWatch()
  const closing = new AbortController()
  /** Never aborted, and nobody listens to them any more: making one costs more than all the rest here. */
  const controllers: AbortController[] = []
  const originOf = (name: string): Origin => {
    let origin = origins.get(name)
    if (origin === undefined) {
      const [first] = origins.keys()
      if (origins.size >= ORIGINS && first !== undefined) origins.delete(first)
      origin = { times: recentTimes(hedgeQuantile), tokens: 0, throttled: -Infinity, pending: [], isWatched: false }
      origins.set(name, origin)
    }
    return origin
  }

  /** Sends a second request for those that are due. One wait for all requests of an origin: they come in the order in which they are due. */
  const watch = async (origin: Origin): Promise<void> => {
    origin.isWatched = true
    try {
      for (let first = origin.pending[0]; first !== undefined; first = origin.pending[0]) {
        const left = first.due - surroundings.now()
        if (left > 0 && !first.isAnswered) await surroundings.sleep(left, closing.signal)
        origin.pending.shift()
        if (!first.isAnswered) first.fire()
      }
    } catch {
      origin.pending = [] // it was closed
    } finally {
      origin.isWatched = false
    }
  }

  const race = (exchange: Exchange, options: SendOptions, origin: Origin): Promise<void> => new Promise((resolve, reject) => {
    const { signal } = options
    if (signal.aborted) return reject(signal.reason as Error)
    const start = surroundings.now()
    const delay = origin.times.quantile()
    const first = controllers.pop() ?? new AbortController()
    let second: AbortController | undefined
    let winner: AbortController | undefined
    let underWay = 0
    let failure: { readonly error: unknown } | undefined // of the first one
    const both: Abortable = {
      abort(reason) {
        pending.isAnswered = true
        first.abort(reason)
        second?.abort(reason)
      }
    }
    const pending: Pending = {
      due: start + delay,
      isAnswered: false,
      fire() {
        if (origin.tokens < 1 || isCalm(origin) || exchange.queued === true) return // without a connection for one there is none for two
        origin.tokens--
        second = new AbortController()
        attempt(second, true)
      }
    }
    const end = (): void => {
      pending.isAnswered = true
      signals.remove(signal, both)
    }
    /** One of the two has failed. */
    const failed = (own: AbortController, error: unknown): void => {
      underWay--
      if (own === first) failure = { error }
      if (winner === undefined ? underWay > 0 : winner !== own) return // the other one decides
      end()
      reject((winner === undefined ? (failure?.error ?? error) : error) as Error)
    }
    const attempt = (own: AbortController, fresh: boolean | undefined): void => {
      underWay++
      transport.send({
        request: exchange.request,
        begin(reply) {
          if (winner !== undefined) throw LOST // both were answered before either could be ended
          if (isThrottled(reply)) origin.throttled = surroundings.now()
          if (own === second && failure === undefined && (reply.status >= 500 || reply.status === 429)) throw LOST
          winner = own
          pending.isAnswered = true
          const other = own === first ? second : first
          other?.abort(LOST)
          const waited = surroundings.now() - start
          origin.times.add(waited) // the one that lost took at least as long
          if (second !== undefined) observer?.({ origin: exchange.request.origin, after: delay, won: own === second })
          return exchange.begin(reply)
        },
        get received() {
          return exchange.received
        },
        set received(count) {
          if (winner === own) exchange.received = count
        },
        get queued() {
          return exchange.queued === true
        },
        set queued(waits) {
          if (own === first) exchange.queued = waits // the second one is not sent before that
        }
      }, { signal: own.signal, fresh }).then(() => {
        if (!own.signal.aborted && controllers.length < CONTROLLERS) controllers.push(own)
        end()
        resolve()
      }, (error: unknown) => failed(own, error))
    }
    signals.add(signal, both)
    attempt(first, options.fresh)
    origin.pending.push(pending)
    if (!origin.isWatched) void watch(origin).catch(reject)
  })
  const isCalm = (origin: Origin): boolean => surroundings.now() - origin.throttled < CALM

  /** One request, whose time is taken. */
  const once = (exchange: Exchange, options: SendOptions, origin: Origin): Promise<void> => {
    const start = surroundings.now()
    return transport.send({
      request: exchange.request,
      begin(reply): BodyTarget {
        origin.times.add(surroundings.now() - start)
        if (isThrottled(reply)) origin.throttled = surroundings.now()
        return exchange.begin(reply)
      },
      get received() {
        return exchange.received
      },
      set received(count) {
        exchange.received = count
      },
      get queued() {
        return exchange.queued === true
      },
      set queued(waits) {
        exchange.queued = waits
      }
    }, options)
  }

  return {
    send(exchange, options) {
      const origin = originOf(exchange.request.origin)
      origin.tokens = Math.min(BURST, origin.tokens + hedgeBudget)
      return origin.times.count() < MIN_SAMPLES || origin.tokens < 1 || isCalm(origin) ? once(exchange, options, origin) : race(exchange, options, origin)
    },
    close() {
      closing.abort(LOST)
      return transport.close()
    }
  }
}

interface Origin {
  readonly times: RecentTimes
  /** Requests that may be sent twice. */
  tokens: number
  /** When it last asked to slow down. */
  throttled: number
  /** Requests that may become late, in the order in which they do. */
  pending: Pending[]
  isWatched: boolean
}

interface Pending {
  readonly due: number
  isAnswered: boolean
  /** Sends the second request. */
  fire(): void
}

/** How the loser ends. Nobody sees it. */
const LOST = new Error('the other one of two equal requests was answered first')

function isThrottled({ status }: ReplyHead): boolean {
  return status === 429 || status === 503
}

/** Times to the first byte, of which a quantile is wanted. */
interface RecentTimes {
  add(milliseconds: number): void
  count(): number
  quantile(): number
}

/** After so many times those before the last so many are forgotten. */
const GENERATION = 2048
/** So many are added before the quantile is found anew. */
const RENEWED = 256

function recentTimes(quantile: number): RecentTimes {
  let former = histogram()
  let latter = histogram()
  let count = 0
  let foundAt = 0
  let found = 0
  return {
    add(milliseconds) {
      latter.record(milliseconds)
      if (++count % GENERATION !== 0) return
      former = latter
      latter = histogram()
    },
    count: () => count,
    quantile() {
      if (foundAt === 0 || count - foundAt >= RENEWED) {
        const all = histogram()
        all.merge(former)
        all.merge(latter)
        found = all.quantile(quantile)
        foundAt = count
      }
      return found
    }
  }
}
