import type { ConnectionPoolConfig } from '../config.js'
import type { Limits, Permit, Surroundings } from '../remote/reader.js'
import { signalWatch, type Abortable } from '../remote/signals.js'

/** {@link Limits} that can be looked at. */
export interface RequestLimits extends Limits {
  /** Requests that are in flight, over all hosts. */
  inFlight(): number
  /** Bytes that they asked for. */
  inFlightBytes(): number
  /** Requests that wait for their turn. */
  waiting(): number
  /** How many may be in flight to that host now. */
  limitOf(host: string): number
}

/** A host may have more requests in flight from now on, or fewer. */
export interface LimitChange {
  readonly host: string
  readonly before: number
  readonly limit: number
  /** Milliseconds, of the clock of the surroundings. */
  readonly at: number
}

/** Requests up to this size may go ahead of larger ones: they take little of what those wait for. */
const SMALL = 256 << 10
/** So many small ones, and then it is the turn of the large one that they passed. */
const PASSES = 8
/** However much a host throttles, so many requests go on. */
const FLOOR = 4
const DECREASE = 0.7
/** Good replies before a limit grows by one; as many as the limit where that is more. */
const WINDOW = 32
/** Hosts whose state is kept though nothing is in flight to them. */
const IDLE_HOSTS = 1024

/**
 * Bounds the requests and the bytes in flight, over all hosts and per host.
 *
 * First come, first served, with two exceptions. A small request (256 KiB or less) may go ahead of larger ones that came before it, eight of
 * them for each larger one. A host that is at its limit makes nobody wait who asks another. A request for more bytes than `maxInflightBytes`
 * goes when nothing else is in flight.
 *
 * To one host, as many as it has connections (`poolSize`). With `adaptiveConcurrency` that number sinks to 70 % when the host throttles, once
 * for all the requests that were under way then, never below 4; it grows by one for each run of good replies as long as itself
 * (32 at least) in which more than 90 % of it was used.
 */
export function limits(config: ConnectionPoolConfig, surroundings: Pick<Surroundings, 'now'>, observer?: (change: LimitChange) => void): RequestLimits {
  const { maxInflight, maxInflightBytes, adaptiveConcurrency } = config
  const ceiling = Math.max(1, Math.min(config.poolSize, maxInflight))
  const hosts = new Map<string, Host>()
  const signals = signalWatch()
  let inFlight = 0
  let bytesInFlight = 0
  let waiting = 0
  let tickets = 0
  let passed = 0 // small requests that went ahead of the oldest large one

  const hostOf = (name: string): Host => {
    let host = hosts.get(name)
    if (host === undefined) {
      if (hosts.size >= IDLE_HOSTS) for (const [other, { inFlight, small, large }] of hosts) if (inFlight === 0 && small.size + large.size === 0) hosts.delete(other)
      host = { name, inFlight: 0, limit: ceiling, peak: 0, good: 0, decreases: 0, small: queue(), large: queue() }
      hosts.set(name, host)
    }
    return host
  }
  const fits = (bytes: number): boolean => bytesInFlight + bytes <= maxInflightBytes || inFlight === 0

  const admit = (host: Host, bytes: number): Permit => {
    inFlight++
    bytesInFlight += bytes
    if (++host.inFlight > host.peak) host.peak = host.inFlight
    return new Place(host, bytes)
  }

  class Place implements Permit {
    readonly #host: Host
    readonly #bytes: number
    /** How often the limit had sunk when it was sent: what is throttled of those that were under way then sinks it no further. */
    readonly #decreases: number
    #held = true

    constructor(host: Host, bytes: number) {
      this.#host = host
      this.#bytes = bytes
      this.#decreases = host.decreases
    }

    leave(outcome: 'ok' | 'throttled' | 'failed'): void {
      if (!this.#held) return
      this.#held = false
      const host = this.#host
      inFlight--
      bytesInFlight -= this.#bytes
      host.inFlight--
      if (adaptiveConcurrency && outcome !== 'failed') adapt(host, outcome === 'ok', this.#decreases)
      if (waiting > 0) pump()
    }
  }

  const adapt = (host: Host, good: boolean, decreases: number): void => {
    if (!good) {
      if (decreases === host.decreases) {
        host.decreases++
        change(host, Math.max(Math.min(FLOOR, ceiling), Math.floor(host.limit * DECREASE)))
      }
    } else if (++host.good >= WINDOW && host.good >= host.limit) {
      change(host, host.peak > 0.9 * host.limit ? Math.min(ceiling, host.limit + 1) : host.limit)
    }
  }
  /** Begins a new window. */
  const change = (host: Host, limit: number): void => {
    const before = host.limit
    host.limit = limit
    host.good = 0
    host.peak = 0
    if (limit !== before) observer?.({ host: host.name, before, limit, at: surroundings.now() })
  }

  /** The one that waits longest for a host with places. */
  const oldest = (lane: 'small' | 'large'): Waiter | undefined => {
    let found: Waiter | undefined
    for (const host of hosts.values()) {
      const first = host.inFlight < host.limit ? host[lane].first() : undefined
      if (first !== undefined && (found === undefined || first.ticket < found.ticket)) found = first
    }
    return found
  }
  /** Lets in whoever may come in now. */
  const pump = (): void => {
    while (waiting > 0 && inFlight < maxInflight) {
      const small = oldest('small')
      const large = oldest('large')
      const ahead = small !== undefined && large !== undefined && small.ticket > large.ticket
      let next: Waiter | undefined
      if (small !== undefined && (!ahead || passed < PASSES)) next = small
      else next = large
      if (next === undefined) return
      if (next.signal.aborted) {
        next.refuse() // it is going to hear of it
        continue
      }
      if (!fits(next.bytes)) return
      if (next === large) passed = 0
      else if (ahead) passed++
      remove(next)
      next.admit(admit(next.host, next.bytes))
    }
  }
  const remove = (waiter: Waiter): void => {
    waiter.waits = false
    waiter.lane.remove(waiter)
    waiting--
  }

  return {
    enter(name, bytes, signal) {
      if (signal.aborted) throw signal.reason
      const host = hosts.get(name) ?? hostOf(name)
      if (waiting === 0 && inFlight < maxInflight && host.inFlight < host.limit && fits(bytes)) return admit(host, bytes)
      let permit: Permit | undefined
      const waiter: Waiter = {
        host, bytes, signal, lane: bytes <= SMALL ? host.small : host.large, ticket: tickets++, waits: true, previous: undefined, next: undefined,
        admit: (place) => { permit = place },
        refuse: () => undefined,
        abort() {
          if (!waiter.waits) return
          waiter.refuse()
          pump()
        }
      }
      waiter.lane.add(waiter)
      waiting++
      pump() // those who wait may wait for other things
      if (permit !== undefined) return permit
      return new Promise((resolve, reject) => {
        waiter.admit = (place) => {
          signals.remove(signal, waiter)
          resolve(place)
        }
        waiter.refuse = () => {
          remove(waiter)
          signals.remove(signal, waiter)
          reject(signal.reason as Error)
        }
        signals.add(signal, waiter)
      })
    },
    inFlight: () => inFlight,
    inFlightBytes: () => bytesInFlight,
    waiting: () => waiting,
    limitOf: (name) => hosts.get(name)?.limit ?? ceiling
  }
}

interface Host {
  readonly name: string
  inFlight: number
  limit: number
  /** Most in flight in this window. */
  peak: number
  /** Good replies in this window. */
  good: number
  decreases: number
  readonly small: Queue
  readonly large: Queue
}

interface Waiter extends Abortable {
  readonly host: Host
  readonly lane: Queue
  readonly bytes: number
  readonly signal: AbortSignal
  readonly ticket: number
  waits: boolean
  admit: (place: Permit) => void
  refuse: () => void
  previous: Waiter | undefined
  next: Waiter | undefined
}

interface Queue {
  readonly size: number
  first(): Waiter | undefined
  add(waiter: Waiter): void
  remove(waiter: Waiter): void
}

/** A linked list, since those who are aborted leave from the middle. */
function queue(): Queue {
  let head: Waiter | undefined
  let tail: Waiter | undefined
  let size = 0
  return {
    get size() {
      return size
    },
    first: () => head,
    add(waiter) {
      waiter.previous = tail
      if (tail === undefined) head = waiter
      else tail.next = waiter
      tail = waiter
      size++
    },
    remove(waiter) {
      if (waiter.previous === undefined) head = waiter.next
      else waiter.previous.next = waiter.next
      if (waiter.next === undefined) tail = waiter.previous
      else waiter.next.previous = waiter.previous
      waiter.previous = waiter.next = undefined
      size--
    }
  }
}
