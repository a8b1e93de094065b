import { MillraceError, messageOf } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import { chain } from '../../util/promise.js'
import type { HttpRequest, ReplyHead, Transport } from '../remote/http.js'
import type { RangeAsk, ReadService } from '../remote/service.js'
import { httpFault } from './faults.js'
import type { HttpName } from './name.js'
import { pinOf, versionOfReply } from './version.js'

/** Headers for requests: an object, or a function that is asked before every request. */
export type HttpHeaders = Readonly<Record<string, string>> | (() => MaybePromise<Readonly<Record<string, string>>>)

/** How one object is asked for. */
export type HttpRequestWriter = (method: 'GET' | 'HEAD', name: HttpName, range: RangeAsk | undefined, version: string | undefined) => MaybePromise<HttpRequest>

/** How objects are read: GET with a range, of the version that was opened. */
export function httpReads(write: HttpRequestWriter, renewable: boolean, transport: Transport): ReadService {
  return {
    scheme: 'https',
    // What `locate` of this service has made comes back here.
    request: (name, range, version) => write('GET', name as HttpName, range, version),
    versionOf: versionOfReply,
    checksumsOf: () => NO_CHECKSUMS,
    refuse: encodedReply,
    faultOf: (reply, body) => httpFault(reply, body, renewable),
    refresh: () => Promise.resolve(), // the function is asked before every request
    transport
  }
}

const NO_CHECKSUMS = Object.freeze({})

/** Why the bytes of a reply are not those of the object. */
export function encodedReply(reply: ReplyHead): string | undefined {
  const encoding = reply.header('content-encoding')?.trim().toLowerCase() ?? 'identity'
  return encoding === 'identity' || encoding === ''
    ? undefined
    : `the server sends the object with Content-Encoding ${encoding} although it was asked not to: ranges of that are not ranges of the object`
}

export function requestWriter(headers: HttpHeaders): HttpRequestWriter {
  const given = typeof headers === 'function' ? undefined : checkHeaders(headers)
  return (method, name, range, version) => chain(given ?? called(headers, name.uri), own => ({
    method,
    origin: name.container,
    path: name.key,
    headers: {
      ...own,
      ...(name.authorization === undefined ? {} : { authorization: name.authorization }),
      'accept-encoding': 'identity',
      ...pinOf(version),
      ...(range === undefined ? {} : { range: `bytes=${range.first}-${range.last ?? ''}` })
    }
  }))
}

async function called(headers: HttpHeaders, uri: string): Promise<Readonly<Record<string, string>>> {
  try {
    return checkHeaders(await (headers as () => MaybePromise<Readonly<Record<string, string>>>)())
  } catch (cause) {
    throw new MillraceError('UserFunction', `read ${uri}: the function headers of the store failed: ${messageOf(cause)}`, { uri, operation: 'read', cause })
  }
}

/** Headers that say which bytes are wanted, and those of the connection: they are the store's. */
const OURS: ReadonlySet<string> = new Set([
  'range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'accept-encoding', 'host', 'connection', 'content-length',
  'transfer-encoding', 'te', 'expect', 'upgrade', 'keep-alive'
])

/** With names in lower case. @throws TypeError, which shows no value */
export function checkHeaders(headers: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  if (typeof headers !== 'object' || headers === null) throw new TypeError('httpStore: headers must be an object of names and values, or a function that returns one')
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => {
    const lower = name.toLowerCase()
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(lower)) throw new TypeError(`httpStore: headers: ${JSON.stringify(name)} is no name of a header`)
    if (OURS.has(lower)) throw new TypeError(`httpStore: headers: ${name} is set by the store`)
    if (typeof value !== 'string' || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new TypeError(`httpStore: headers: the value of ${name} is not one that a header can have`)
    }
    return [lower, value]
  }))
}
