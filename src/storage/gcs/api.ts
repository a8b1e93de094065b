import { MillraceError, isMillraceError, messageOf } from '../../errors.js'
import { closedError } from '../checks.js'
import type { RangeEngineConfig } from '../config.js'
import { retryAfter } from '../remote/backoff.js'
import type { Surroundings } from '../remote/reader.js'
import { retrying, type Outcome, type RetrySettings } from '../remote/retry.js'
import type { ServiceFault } from '../remote/service.js'
import { atObject, hinted, type Authorization } from './authorization.js'
import type { GcsEndpoint } from './endpoint.js'
import { gcsFault } from './faults.js'
import type { Undici } from './undici.js'

/** One request to the JSON API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Behind the endpoint and encoded, `/storage/v1/…`; or the whole URL of an upload, which the service gave. */
  readonly path: string
  /** What is `undefined` is left out. */
  readonly query?: Readonly<Record<string, string | undefined>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The body in pieces, which are sent one behind the other. */
  readonly body?: readonly Uint8Array[] | undefined
  /** Statuses that are no errors, beside 200 to 299. */
  readonly accept?: readonly number[] | undefined
  /**
   * Whether it does no harm to send it again when nobody knows what became of it. Otherwise that is done only when the service has
   * certainly not worked on it.
   */
  readonly repeatable: boolean
}

export interface ApiReply {
  readonly status: number
  header(name: string): string | undefined
  /** Undefined when there is no body, or none in JSON. */
  readonly json: unknown
}

/** What an error has to tell. */
export interface ApiPlace {
  readonly uri: string
  readonly operation: string
}

export type ApiSettings = RetrySettings & Pick<RangeEngineConfig, 'connectTimeout'> & {
  /** Milliseconds without a byte in either direction, after which an attempt is given up. */
  readonly silence: number
}

/** The JSON API of GCS. */
export interface GcsApi {
  /** Sends a request until it is answered for good. @throws MillraceError */
  call(place: ApiPlace, request: ApiRequest, signal: AbortSignal | undefined): Promise<ApiReply>
  /** Ends what is under way with `Closed`. Resolves when no connection is left. */
  close(): Promise<void>
}

/**
 * Speaks to the JSON API over connections of its own. The SDK cannot be stopped in the middle of a request, keeps its connections in a pool of
 * the process that nobody can close, lets an environment variable overrule the endpoint, and waits for ever when nothing comes; so it
 * gives the credentials, and what is sent is written here.
 */
export function gcsApi(
  undici: Undici,
  { origin, path: base }: GcsEndpoint,
  authorization: Authorization,
  userProject: string | undefined,
  settings: ApiSettings,
  surroundings: Surroundings
): GcsApi {
  const { connectTimeout, silence } = settings
  const agent = new undici.Agent({ connections: CONNECTIONS, connect: { timeout: connectTimeout }, headersTimeout: silence, bodyTimeout: silence })
  const underWay = new Set<AbortController>()
  let closed: Promise<void> | undefined

  async function call(place: ApiPlace, request: ApiRequest, signal: AbortSignal | undefined): Promise<ApiReply> {
    if (closed !== undefined) throw closedError(place.uri, place.operation, 'the store was closed')
    signal?.throwIfAborted()
    const controller = new AbortController()
    const abort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    underWay.add(controller)
    let refreshed = false
    try {
      return await retrying(async number => {
        const attempt = await once(place, request, number, controller.signal)
        if (!('refresh' in attempt)) return attempt
        if (!attempt.refresh || refreshed || !authorization.renewable) return attempt
        refreshed = true
        await authorization.refresh(controller.signal).catch((error: unknown) => { throw atObject(error, place.uri, place.operation, number) })
        return once(place, request, number, controller.signal)
      }, settings, surroundings, controller.signal)
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      if (closed !== undefined) throw closedError(place.uri, place.operation, 'the store was closed')
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      underWay.delete(controller)
    }
  }

  async function once(place: ApiPlace, request: ApiRequest, attempts: number, signal: AbortSignal): Promise<Outcome<ApiReply> & { readonly refresh?: boolean }> {
    const { method, path, query = {}, headers = {}, body, accept = [], repeatable } = request
    const ours = path.startsWith('/')
    let reply: { readonly status: number, readonly header: (name: string) => string | undefined, readonly text: string }
    let who: Readonly<Record<string, string>>
    try {
      who = await authorization.headers(signal)
    } catch (error) {
      signal.throwIfAborted()
      const told = atObject(error, place.uri, place.operation, attempts)
      if (!isMillraceError(told)) throw told
      return { error: told, again: told.retryable }
    }
    try {
      const url = ours ? `${origin}${base}${path}${queryOf({ ...query, userProject })}` : path
      const { statusCode, headers: told, body: content } = await undici.request(url, {
        method, signal, dispatcher: agent,
        // A URL that the service gave may lead elsewhere, where nobody has to know who asks.
        headers: {
          ...headers,
          ...(ours || new URL(path).origin === origin ? who : {}),
          ...(method === 'POST' || method === 'PUT' ? { 'content-length': String(sizeOf(body)) } : {})
        },
        body: body === undefined || sizeOf(body) === 0 ? null : inPieces(body)
      })
      const text = await content.text()
      reply = { status: statusCode, text, header: name => [told[name]].flat()[0] }
    } catch (error) {
      signal.throwIfAborted()
      return lost(place, error, repeatable, attempts)
    }
    if ((reply.status >= 200 && reply.status < 300) || accept.includes(reply.status)) {
      const json = parsed(reply.text)
      // Half of a reply looks like this when the connection ends in its middle and its length was not announced.
      if (json === undefined && reply.text !== '' && reply.status < 300) return lost(place, new Error('a reply that is not JSON'), repeatable, attempts)
      return { value: { status: reply.status, header: reply.header, json } }
    }
    const fault = gcsFault(reply.status, reply.text)
    const error = apiError(place, fault, reply.status, attempts, authorization)
    const unharmed = reply.status === 429 || fault.kind === 'Throttled'
    const again = (fault.retryable ?? error.retryable) && (repeatable || unharmed)
    return { error, again, wait: retryAfter(reply), refresh: fault.refresh === true }
  }

  async function finish(): Promise<void> {
    for (const controller of underWay) controller.abort(new Error('the store was closed'))
    await agent.destroy()
  }

  return { call, close: () => (closed ??= finish()) }
}

/** Requests other than reads that are under way at a time; the others wait. */
const CONNECTIONS = 32

/** Codes of errors after which it is certain that nothing was sent. */
const NOT_SENT: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
const TIMEOUTS: ReadonlySet<unknown> = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

function lost({ uri, operation }: ApiPlace, cause: unknown, repeatable: boolean, attempts: number): Outcome<never> {
  const code = (cause as { code?: unknown } | null | undefined)?.code
  const unknown = repeatable || NOT_SENT.has(code) ? '' : '; it may have been done or not, and was not asked for again'
  const error = new MillraceError(TIMEOUTS.has(code) ? 'Timeout' : 'Unavailable', `${operation} ${uri}: no reply (${messageOf(cause)}); check the endpoint and the network${unknown}`,
    { uri, operation, attempts, cause })
  return { error, again: unknown === '' }
}

function apiError({ uri, operation }: ApiPlace, fault: ServiceFault, status: number, attempts: number, who: Authorization): MillraceError {
  const { hint } = hinted(fault, status, who)
  return new MillraceError(fault.kind, `${operation} ${uri}: ${fault.message} (${fault.code})${hint === undefined ? '' : `; ${hint}`}`,
    { uri, operation, attempts, status })
}

function queryOf(query: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

function sizeOf(body: readonly Uint8Array[] | undefined): number {
  return (body ?? []).reduce((sum, piece) => sum + piece.byteLength, 0)
}

/** Without making one piece of them: objects may be large. */
async function* inPieces(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.byteLength; at += PIECE) yield piece.subarray(at, at + PIECE)
  }
}
/** Bytes that are handed to the connection at a time. */
const PIECE = 1 << 20

function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
