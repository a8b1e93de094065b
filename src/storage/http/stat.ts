import { MillraceError, isMillraceError, messageOf } from '../../errors.js'
import type { ObjectStat, RequestOptions } from '../../store.js'
import type { RangeEngineConfig } from '../config.js'
import { retryAfter } from '../remote/backoff.js'
import { isTransportFailure, type Exchange, type HttpRequest, type ReplyHead, type Transport } from '../remote/http.js'
import type { Surroundings } from '../remote/reader.js'
import { retrying, type Outcome, type RetrySettings } from '../remote/retry.js'
import { httpFault } from './faults.js'
import type { HttpName } from './name.js'
import { encodedReply, type HttpRequestWriter } from './reads.js'
import { sizeOfReply, versionOfReply } from './version.js'

export type StatSettings = RetrySettings & Pick<RangeEngineConfig, 'ttfbTimeout'>

/** Statuses with which servers answer that they do not take HEAD; 403 is that of a URL that was signed for GET. */
const NO_HEAD: ReadonlySet<number> = new Set([400, 403, 405, 501])

/** What the head of a reply says of an object: that of HEAD, or where that is refused that of a GET for one byte. */
export async function httpStat(
  name: HttpName, write: HttpRequestWriter, renewable: boolean, transport: Transport, settings: StatSettings,
  surroundings: Surroundings, { signal }: RequestOptions
): Promise<ObjectStat> {
  const place = { uri: name.uri, operation: 'stat' }
  let method: 'HEAD' | 'GET' = 'HEAD'
  let refreshed = false

  async function attempt(attempts: number): Promise<Outcome<ObjectStat>> {
    let reply: Reply
    try {
      const request = await write(method, name, method === 'HEAD' ? undefined : { first: 0, last: 0 }, undefined)
      reply = await headOf(transport, request, settings.ttfbTimeout, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (isMillraceError(error)) throw error
      const late = (error as { name?: unknown }).name === 'TimeoutError'
      if (!late && !isTransportFailure(error)) throw error
      if (isTransportFailure(error) && error.phase === 'closed') throw new MillraceError('Closed', `stat ${name.uri}: the store was closed`, place)
      const what = late ? `no reply within ${settings.ttfbTimeout} ms; check the network, or raise ttfbTimeout` : `no connection (${messageOf(error)}); check the URL and the network`
      return { error: new MillraceError(late ? 'Timeout' : 'Unavailable', `stat ${name.uri}: ${what}`, { ...place, attempts, cause: error }), again: true }
    }
    const { head, body } = reply
    const { status } = head
    if (method === 'HEAD' && NO_HEAD.has(status)) {
      method = 'GET'
      return attempt(attempts)
    }
    if (status === 200 || status === 206 || (status === 416 && sizeOfReply(head) === 0)) return { value: statOf(name, head) }
    const fault = httpFault(head, body, renewable)
    if (fault.refresh === true && !refreshed) {
      refreshed = true
      return attempt(attempts)
    }
    const hint = fault.hint === undefined ? '' : `; ${fault.hint}`
    const error = new MillraceError(fault.kind, `stat ${name.uri}: ${fault.message}${fault.code === '' ? '' : ` (${fault.code})`}${hint}`, { ...place, attempts, status })
    return { error, again: error.retryable, wait: retryAfter(head) }
  }

  return retrying(attempt, settings, surroundings, signal ?? new AbortController().signal)
}

function statOf(name: HttpName, head: ReplyHead): ObjectStat {
  const size = sizeOfReply(head)
  const encoded = encodedReply(head)
  if (size === undefined || encoded !== undefined) {
    const why = encoded ?? 'the server does not tell the size of the object'
    throw new MillraceError('Unsupported', `stat ${name.uri}: ${why}`, { uri: name.uri, operation: 'stat', status: head.status })
  }
  const modified = Date.parse(head.header('last-modified') ?? '')
  const contentType = head.header('content-type')
  const more = Object.fromEntries(['etag', 'cache-control', 'accept-ranges'].flatMap(header => {
    const value = head.header(header)
    return value === undefined ? [] : [[header, value]]
  }))
  return {
    uri: name.uri, size, version: versionOfReply(head) ?? '',
    ...(Number.isNaN(modified) ? {} : { modified }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(Object.keys(more).length === 0 ? {} : { more })
  }
}

interface Reply {
  readonly head: ReplyHead
  /** The beginning of what an error says. */
  readonly body: string
}

/** Bytes that an error may have to say. */
const WORDS = 64 << 10

/** Sends a request, and ends the connection when there is more to come than the head of a good reply. */
async function headOf(transport: Transport, request: HttpRequest, timeout: number, signal: AbortSignal | undefined): Promise<Reply> {
  const words = new Uint8Array(WORDS)
  let head: ReplyHead | undefined
  const exchange: Exchange = {
    request,
    received: 0,
    begin(reply) {
      head = reply
      if (request.method === 'GET' && reply.status === 200) throw ENOUGH
      return { into: words, beyond: 'drop' }
    }
  }
  const late = AbortSignal.timeout(timeout)
  try {
    await transport.send(exchange, { signal: signal === undefined ? late : AbortSignal.any([signal, late]) })
  } catch (error) {
    if (head === undefined || error !== ENOUGH) throw error
  }
  if (head === undefined) throw new Error('the transport has shown no reply')
  return { head, body: new TextDecoder().decode(words.subarray(0, exchange.received)) }
}

/** Ends a reply with all of an object: its head is what was wanted. */
const ENOUGH = new Error('the head is enough')
