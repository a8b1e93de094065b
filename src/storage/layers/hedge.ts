import type { PoolConfig } from '../config.js'
import type { BodyTarget, Exchange, ReplyHead, SendOptions, Transport } from '../remote/http.js'
import type { Surroundings } from '../remote/reader.js'
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
export function hedged(transport: Transport, config: Pick<PoolConfig, 'hedge' | 'hedgeQuantile' | 'hedgeBudget'>, surroundings: Pick<Surroundings, 'now' | 'sleep'>, observer?: (hedge: Hedge) => void): Transport {
  if (!config.hedge) return transport
  const { hedgeQuantile, hedgeBudget } = config
  const origins = new Map<string, Origin>()
  const originOf = (name: string): Origin => {
    let origin = origins.get(name)
    if (origin === undefined) {
      const [first] = origins.keys()
      if (origins.size >= ORIGINS && first !== undefined) origins.delete(first)
      origin = { times: recentTimes(hedgeQuantile), tokens: 0, throttled: -Infinity }
      origins.set(name, origin)
    }
    return origin
  }

  const race = async (exchange: Exchange, options: SendOptions, origin: Origin): Promise<void> => {
    const { signal } = options
    const start = surroundings.now()
    const delay = origin.times.quantile()
    const [first, second] = [new AbortController(), new AbortController()]
    const answered = new AbortController() // ends the wait for the delay
    const abort = (): void => {
      for (const controller of [first, second, answered]) controller.abort(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    let winner: AbortController | undefined
    let firstWaits = true
    let isSent = false

    /** The exchange as one of the two sees it. */
    const attempt = (own: AbortController, other: AbortController): Exchange => ({
      request: exchange.request,
      begin(reply) {
        if (winner !== undefined) throw LOST // both were answered before either could be ended
        if (isThrottled(reply)) origin.throttled = surroundings.now()
        if (own === second && firstWaits && (reply.status >= 500 || reply.status === 429)) throw LOST
        winner = own
        answered.abort(LOST)
        other.abort(LOST)
        const waited = surroundings.now() - start
        origin.times.add(own === first ? waited : Math.max(waited, delay)) // the slow one took at least as long
        if (isSent) observer?.({ origin: exchange.request.origin, after: delay, won: own === second })
        return exchange.begin(reply)
      },
      get received() {
        return exchange.received
      },
      set received(count) {
        if (winner === own) exchange.received = count
      }
    })
    const send = (own: AbortController, other: AbortController, fresh: boolean | undefined): Promise<void> => transport.send(attempt(own, other), { signal: own.signal, fresh })

    try {
      const firstTry = outcome(send(first, second, options.fresh)).then((result) => {
        firstWaits = false
        return result
      })
      const late = surroundings.sleep(delay, answered.signal).then(() => true, () => false)
      const quick = await Promise.race([firstTry, late])
      if (typeof quick === 'object' || winner !== undefined || signal.aborted || origin.tokens < 1 || calm(origin)) {
        answered.abort(LOST)
        return settle(await firstTry)
      }
      origin.tokens--
      isSent = true
      const secondTry = outcome(send(second, first, true))
      const one = await Promise.race([firstTry.then(result => ({ ...result, own: first })), secondTry.then(result => ({ ...result, own: second }))])
      if (winner === one.own) return settle(one)
      // This one ended without an answer: the other one decides. When neither was answered, the first one tells why.
      const other = await (one.own === first ? secondTry : firstTry)
      return settle(winner !== undefined || one.own === second ? other : one)
    } finally {
      answered.abort(LOST)
      signal.removeEventListener('abort', abort)
    }
  }
  const calm = (origin: Origin): boolean => surroundings.now() - origin.throttled < CALM

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
      }
    }, options)
  }

  return {
    send(exchange, options) {
      const origin = originOf(exchange.request.origin)
      origin.tokens = Math.min(BURST, origin.tokens + hedgeBudget)
      return origin.times.count() < MIN_SAMPLES || origin.tokens < 1 || calm(origin) ? once(exchange, options, origin) : race(exchange, options, origin)
    },
    close: () => transport.close()
  }
}

interface Origin {
  readonly times: RecentTimes
  /** Requests that may be sent twice. */
  tokens: number
  /** When it last asked to slow down. */
  throttled: number
}

/** How the loser ends. Nobody sees it. */
const LOST = new Error('the other one of two equal requests was answered first')

type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: unknown }

function outcome(sending: Promise<void>): Promise<Outcome> {
  return sending.then(() => ({ ok: true }), (error: unknown) => ({ ok: false, error }))
}

function settle(result: Outcome): void {
  if (!result.ok) throw result.error
}

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
const RENEWED = 64

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
