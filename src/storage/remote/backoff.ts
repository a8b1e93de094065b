import type { ConnectionPoolConfig, RangeEngineConfig } from '../config.js'
import type { ReplyHead } from './http.js'

/**
 * How long to wait before the retry number `retry` (from 0): a random part of a time that doubles, so that those who failed together do not
 * come back together ("full jitter": Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).
 *
 * @param least Milliseconds that the service asked for.
 */
export function backoff(config: Pick<RangeEngineConfig, 'backoffBase' | 'throttleBase' | 'backoffCap'>, retry: number, throttled: boolean, random: number, least = 0): number {
  const base = throttled ? config.throttleBase : config.backoffBase
  return Math.max(least, random * Math.min(config.backoffCap, base * 2 ** Math.min(retry, 30)))
}

/**
 * What `Retry-After` says, in milliseconds: seconds, or a date (RFC 9110, 10.2.3), which is taken relative to the clock of the server if
 * the reply tells it. Azure says milliseconds in headers of its own.
 */
export function retryAfter(reply: ReplyHead, now: number = Date.now()): number | undefined {
  const milliseconds = reply.header('retry-after-ms') ?? reply.header('x-ms-retry-after-ms')
  if (milliseconds !== undefined && /^\d+$/.test(milliseconds)) return Number(milliseconds)
  const text = reply.header('retry-after')?.trim()
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return 1000 * Number(text)
  const at = Date.parse(text)
  if (Number.isNaN(at)) return undefined
  const there = Date.parse(reply.header('date') ?? '')
  return Math.max(0, at - (Number.isNaN(there) ? now : there))
}

/** What a store remembers of a host. */
export interface Host {
  /** Name and port. */
  readonly name: string
  /** Retries that it may still cost. */
  tokens: number
}

/** Requests that the budget looks back on. */
const REMEMBERED = 1000

/**
 * Bounds the retries of each host to a share of the requests that succeed, whoever makes them: a service that fails everybody is not asked
 * eight times as often as one that works. A host begins with the retries of a thousand requests.
 */
export function retryBudget({ retryBudget: share }: Pick<ConnectionPoolConfig, 'retryBudget'>): {
  host(origin: string): Host
  succeeded(host: Host): void
  /** False when there is nothing left. */
  take(host: Host): boolean
} {
  const most = share * REMEMBERED
  const hosts = new Map<string, Host>()
  return {
    host(origin) {
      let host = hosts.get(origin)
      if (host === undefined) hosts.set(origin, host = { name: origin.slice(origin.indexOf('//') + 2), tokens: most })
      return host
    },
    succeeded(host) {
      if (host.tokens < most) host.tokens = Math.min(most, host.tokens + share)
    },
    take(host) {
      if (host.tokens < 1) return false
      host.tokens--
      return true
    }
  }
}
