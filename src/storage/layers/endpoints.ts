import { isMillraceError } from '../../errors.js'
import type { Store } from '../../store.js'

/** Which endpoint is asked: in turn, or the one with the fewest operations under way. */
export type EndpointPolicy = 'round-robin' | 'least-connections'

/** How an endpoint does. */
export interface EndpointState {
  /** Operations that it was asked for. */
  readonly requests: number
  /** Operations under way. */
  readonly active: number
  /** Operations that it could not serve, so that another endpoint was asked. */
  readonly failures: number
  /** Milliseconds for which it is left alone; 0 when it is not. */
  readonly pausedFor: number
  /** Opened objects that it has in another version, or not at all. */
  readonly otherVersions: number
}

/** An endpoint among others. */
export interface Endpoint {
  readonly store: Store
  requests: number
  active: number
  failures: number
  otherVersions: number
  /** Failures since it last answered. */
  inARow: number
  pausedUntil: number
  /** Whether somebody is finding out if it is there again. */
  probed: boolean
}

export interface Endpoints {
  readonly all: readonly Endpoint[]
  /** One that is not among the excluded: one that is paused only if there is no other. */
  choose(excluded: ReadonlySet<Endpoint>): Endpoint | undefined
  /** Runs one operation at an endpoint, and draws conclusions from how it ends. */
  attempt<T>(endpoint: Endpoint, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T>
  /** The same for what is not one call: returns what to call at its end. */
  begin(endpoint: Endpoint, signal: AbortSignal | undefined): (error?: unknown) => void
  states(): readonly EndpointState[]
}

/** A pause doubles with each failure in a row, up to so many times the first one. */
const LONGEST_PAUSE = 16

export function endpointsOf(stores: readonly Store[], policy: EndpointPolicy, pause: number, clock: { now(): number }): Endpoints {
  const all = stores.map((store): Endpoint => ({ store, requests: 0, active: 0, failures: 0, otherVersions: 0, inARow: 0, pausedUntil: -Infinity, probed: false }))
  let turn = 0

  const isReady = (endpoint: Endpoint, now: number): boolean => endpoint.inARow === 0 || (now >= endpoint.pausedUntil && !endpoint.probed)

  function choose(excluded: ReadonlySet<Endpoint>): Endpoint | undefined {
    const now = clock.now()
    let best: Endpoint | undefined
    let at = turn
    for (let i = 0; i < all.length; i++) {
      const endpoint = all[(turn + i) % all.length] as Endpoint
      if (excluded.has(endpoint) || (best !== undefined && !isBetter(endpoint, best, now))) continue
      best = endpoint
      at = turn + i
    }
    turn = (at + 1) % all.length
    return best
  }

  function isBetter(one: Endpoint, other: Endpoint, now: number): boolean {
    const [ready, otherReady] = [isReady(one, now), isReady(other, now)]
    if (ready !== otherReady) return ready
    if (!ready) return one.pausedUntil < other.pausedUntil
    return policy === 'least-connections' && one.active < other.active
  }

  function begin(endpoint: Endpoint, signal: AbortSignal | undefined): (error?: unknown) => void {
    endpoint.requests++
    endpoint.active++
    const probe = endpoint.inARow > 0
    if (probe) endpoint.probed = true
    return error => {
      endpoint.active--
      if (probe) endpoint.probed = false
      if (error !== undefined && signal?.aborted === true) return // it says nothing about the endpoint
      if (isMillraceError(error) && error.retryable) endpoint.failures++
      if (isMillraceError(error, 'Unavailable') || isMillraceError(error, 'Timeout')) {
        // Many that began before it was known count as one.
        const now = clock.now()
        if (endpoint.inARow > 0 && now < endpoint.pausedUntil && !probe) return
        endpoint.pausedUntil = now + pause * Math.min(LONGEST_PAUSE, 2 ** endpoint.inARow)
        endpoint.inARow++
      } else if (!isMillraceError(error, 'Throttled')) endpoint.inARow = 0
    }
  }

  return {
    all,
    choose,
    begin,
    async attempt(endpoint, signal, run) {
      const end = begin(endpoint, signal)
      try {
        const result = await run()
        end()
        return result
      } catch (error) {
        end(error ?? new Error('nothing was thrown'))
        throw error
      }
    },
    states() {
      const now = clock.now()
      return all.map(({ requests, active, failures, otherVersions, inARow, pausedUntil }) =>
        ({ requests, active, failures, otherVersions, pausedFor: inARow === 0 ? 0 : Math.max(0, pausedUntil - now) }))
    }
  }
}
