import type { BodyTarget, Exchange, ReplyHead, Transport } from '../remote/http.js'

/** Redirects in a row that are followed. */
const MOST = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Headers of a request that say nothing of who asks: another origin may see these and no others. */
const HARMLESS: ReadonlySet<string> = new Set(['range', 'accept-encoding', 'if-match', 'if-unmodified-since'])

/** A name that no server uses. */
const REFUSED = 'millrace-refused-redirect'

/**
 * Follows redirects, up to five in a row. To another origin go only the headers that say which bytes are wanted: neither `Authorization` nor
 * any other header of the user. What is not followed (from https to http, to another scheme, a sixth one) is the reply; see
 * {@link refusedRedirect}.
 */
export function followingRedirects(transport: Transport): Transport {
  return {
    async send(exchange, options) {
      let { request } = exchange
      for (let followed = 0; ; followed++) {
        const hop = oneHop(exchange, request, followed)
        await transport.send(hop.exchange, options)
        const { next } = hop
        if (next === undefined) return
        request = next()
      }
    },
    close: () => transport.close()
  }
}

/** Why a redirect was not followed, for the message of an error. Shows the origin that it leads to and not more. */
export function refusedRedirect(reply: ReplyHead): string | undefined {
  return reply.header(REFUSED)
}

interface Hop {
  readonly exchange: Exchange
  /** The next request; absent when the reply was the answer. */
  next: (() => Exchange['request']) | undefined
}

/** An exchange that keeps a redirect to itself, and passes everything else on. */
function oneHop(outer: Exchange, request: Exchange['request'], followed: number): Hop {
  const hop: Hop = {
    next: undefined,
    exchange: {
      request,
      received: 0,
      begin(reply): BodyTarget {
        if (!REDIRECTS.has(reply.status)) {
          count(this, outer)
          return outer.begin(reply)
        }
        const target = targetOf(request, reply.header('location'))
        const refused = typeof target === 'string' ? target : followed === MOST ? `it redirects more than ${MOST} times in a row` : undefined
        if (refused !== undefined || typeof target === 'string') {
          count(this, outer)
          return outer.begin({ status: reply.status, header: name => (name === REFUSED ? refused : name === 'location' ? undefined : reply.header(name)) })
        }
        hop.next = () => redirected(request, target)
        return { into: new Uint8Array(0), beyond: 'drop' }
      }
    }
  }
  Object.defineProperty(hop.exchange, 'queued', { get: () => outer.queued, set: (queued: boolean) => { outer.queued = queued } })
  return hop
}

/** From now on what the transport counts is what the outer exchange has received. */
function count(inner: Exchange, outer: Exchange): void {
  outer.received = inner.received
  Object.defineProperty(inner, 'received', { get: () => outer.received, set: (received: number) => { outer.received = received } })
}

/** Where a redirect leads, or why it is not followed. */
function targetOf(request: Exchange['request'], location: string | undefined): URL | string {
  let target: URL
  try {
    target = new URL(location ?? '', request.origin + request.path)
  } catch {
    return 'it redirects to something that is no URL'
  }
  if (location === undefined || location === '') return 'it redirects, and does not say where to'
  if (target.protocol === 'https:') return target
  if (target.protocol !== 'http:') return `it redirects to ${target.protocol}, which is not followed`
  return request.origin.startsWith('https:') ? `it redirects from https to ${target.origin}, which is not followed: anybody could have changed the bytes` : target
}

function redirected({ method, origin, headers }: Exchange['request'], target: URL): Exchange['request'] {
  const same = target.origin === origin
  return {
    method: method === 'HEAD' ? 'HEAD' : 'GET',
    origin: target.origin,
    path: target.pathname + target.search,
    headers: same ? headers : Object.fromEntries(Object.entries(headers).filter(([name]) => HARMLESS.has(name)))
  }
}
