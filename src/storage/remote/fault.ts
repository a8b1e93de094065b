import { MillraceError, type ErrorKind } from '../../errors.js'
import { isTransportFailure, type ReplyHead } from './http.js'
import type { ServiceFault } from './service.js'
import type { Expiry } from './watchdog.js'
import type { RangeEngineConfig } from '../config.js'
import { retryAfter } from './backoff.js'

/** Why one attempt failed, and what that means for the next one. */
export interface Fault {
  readonly kind: ErrorKind
  readonly message: string
  readonly hint?: string | undefined
  /** Whether it can be tried again. */
  readonly retry: boolean
  /** The next attempt takes a connection that has not served yet. */
  readonly fresh?: boolean | undefined
  /** The service is overloaded. */
  readonly throttled?: boolean | undefined
  /** The least to wait, in milliseconds. */
  readonly wait?: number | undefined
  /** The connection had been closed while it was idle: nobody's fault, tried again at once. */
  readonly stale?: boolean | undefined
  /** The bytes of the reply are not to be trusted, not even those that look right. */
  readonly tainted?: boolean | undefined
  /** Not a failure: the next request follows at once. */
  readonly again?: boolean | undefined
  /** The service works, and has given its answer. */
  readonly answered?: boolean | undefined
  /** New credentials may help. */
  readonly refresh?: { readonly fault: ServiceFault, readonly reply: ReplyHead } | undefined
  readonly status?: number | undefined
  readonly cause?: unknown
}

/** Replies that are not what was asked for: the connection, or what stands behind it, is not trusted a second time. */
export function lie(kind: 'ShortRead' | 'WrongRange' | 'RangeIgnored', message: string, status: number): Fault {
  return { kind, message, retry: true, fresh: true, status }
}

/** What the network has done; nothing for errors that are not the network's. */
export function networkFault(error: unknown): Fault | undefined {
  if (!isTransportFailure(error)) return undefined
  const { phase, reused, cause } = error
  const said = error.message === '' ? 'no reason given' : error.message
  switch (phase) {
    case 'closed': return { kind: 'Closed', message: 'the store was closed', retry: false, cause }
    case 'connect': return connectFault(said, error)
    case 'headers': return { kind: 'Unavailable', message: `the connection ended before a reply came (${said})`, retry: true, fresh: true, stale: reused, cause: error }
    case 'body': return { kind: 'Unavailable', message: `the connection broke in the middle of the reply (${said})`, retry: true, fresh: true, cause: error }
    case 'overrun': return { kind: 'WrongRange', message: `the reply has more bytes than it may have (${said})`, retry: true, fresh: true, tainted: true, cause: error }
    case 'protocol': return { kind: 'Unavailable', message: `what came is not HTTP (${said})`, retry: true, fresh: true, tainted: true, cause: error }
  }
}

const TIMED_OUT = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'])

/** Certificates do not get better by being looked at again. */
const CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT|UNABLE_TO_(?:VERIFY|GET_ISSUER)|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA)/

function connectFault(said: string, error: Error): Fault {
  const cause = error.cause as { readonly code?: unknown } | undefined
  const code = typeof cause?.code === 'string' ? cause.code : ''
  if (CERTIFICATE.test(code)) {
    return { kind: 'Unavailable', message: `the certificate of the server is not accepted (${said})`, hint: 'check the endpoint, or add its authority (NODE_EXTRA_CA_CERTS)', retry: false, cause: error }
  }
  const late = TIMED_OUT.has(code)
  return { kind: late ? 'Timeout' : 'Unavailable', message: `no connection (${said})`, retry: true, throttled: late, cause: error }
}

/** What the watchdog has ended. */
export function lateFault(why: Expiry, config: RangeEngineConfig, received: number): Fault {
  const fault = (message: string, option: string): Fault => ({
    kind: 'Timeout', message, hint: `check the network, or raise ${option}`, retry: why !== 'deadline', fresh: true
  })
  switch (why) {
    case 'ttfb': return fault(`no reply came within ${config.ttfbTimeout} ms`, 'ttfbTimeout')
    case 'idle': return fault(`the reply stopped after ${received} bytes, for ${config.idleTimeout} ms`, 'idleTimeout')
    case 'rate': return fault(`the reply came at less than ${config.minRate} bytes/s over ${config.minRateWindow} ms`, 'minRateWindow, or lower minRate')
    case 'range': return fault(`the request took longer than its time of ${config.rangeTimeout} ms and what its size takes at minRate`, 'rangeTimeout')
    case 'deadline': return fault(`it took longer than its deadline of ${config.deadline} ms`, 'deadline')
  }
}

/** Kinds that say that the service may do better the next time. */
const RETRIED: ReadonlySet<ErrorKind> = new Set(['ShortRead', 'Throttled', 'Timeout', 'Unavailable', 'WrongRange'])

/** What the service says in a reply with an error. */
export function replyFault(reply: ReplyHead, fault: ServiceFault): Fault {
  const { status } = reply
  const plain = fault.code === '' || fault.code === String(status)
  const said = fault.message === '' ? `the service answered with status ${status}` : fault.message.trim().replace(/\.$/, '')
  const redirect = status >= 300 && status < 400 ? redirection(reply) : undefined
  return {
    kind: fault.kind,
    message: plain && said.includes(String(status)) ? said : `${said} (${plain ? '' : `${fault.code}, `}status ${status})`,
    hint: fault.hint ?? redirect,
    retry: fault.retryable ?? RETRIED.has(fault.kind),
    throttled: fault.kind === 'Throttled' || status === 429 || status === 503,
    wait: retryAfter(reply),
    refresh: fault.refresh === true ? { fault, reply } : undefined,
    answered: status < 500 && status !== 429 && fault.kind !== 'Throttled',
    status
  }
}

/** An error of the service in a reply that promised bytes: it noticed too late to say so by the status. */
export function lateErrorFault(reply: ReplyHead, fault: ServiceFault): Fault {
  const found = replyFault(reply, fault)
  return { ...found, kind: RETRIED.has(found.kind) ? found.kind : 'Unavailable', retry: true, fresh: true, answered: false, refresh: undefined }
}

/** Where a redirect points: redirects are not followed, since what was signed for one place must not go to another. */
function redirection(reply: ReplyHead): string {
  const region = reply.header('x-amz-bucket-region')
  if (region !== undefined) return `the bucket is in the region ${region}: set region to it`
  const location = reply.header('location')
  return location !== undefined && URL.canParse(location)
    ? `the server redirects to ${new URL(location).origin}, which is not followed; use the address of the object itself`
    : 'the server redirects, which is not followed; check the endpoint'
}

const HINTS: { readonly [K in ErrorKind]?: string } = {
  NotFound: 'check the URI, and whether the object was deleted',
  Denied: 'check the credentials and what they may do',
  Changed: 'open the object again, or write new data under new names',
  Throttled: 'have fewer requests in flight (poolSize, maxInflight), or try again later',
  Timeout: 'check the network and the endpoint',
  Unavailable: 'check the network and the endpoint, or try again later',
  ShortRead: 'something between here and the service may cut replies off',
  WrongRange: 'a proxy or a cache between here and the service may answer wrongly',
  RangeIgnored: 'use a server with range requests, or read the object whole'
}

/** What is told of a read that has failed. */
export interface FailedRead {
  readonly name: { readonly uri: string }
  /** Where it began, and how many of its bytes are there. */
  readonly offset: number
  readonly done: number
  /** Bytes that it wants, or -1 for as many as there are. */
  readonly length: number
  readonly attempts: number
  readonly operation: string
}

/** The error of a read: what, where, after how many attempts and how long, and what to do. */
export function readError({ name: { uri }, offset, done, length, attempts, operation }: FailedRead, fault: Fault, elapsed: number, why?: string): MillraceError {
  const what = length < 0 ? `the object could not be read from byte ${offset} on` : `bytes ${offset} to ${offset + length - 1} could not be read`
  const tries = why === undefined && attempts < 2 ? '' : `; ${why === undefined ? '' : `${why}, `}after ${attempts} attempt${attempts === 1 ? '' : 's'} in ${(elapsed / 1000).toFixed(1)} s`
  const hint = fault.hint ?? HINTS[fault.kind]
  return new MillraceError(fault.kind, `${operation} ${uri}: ${what}: ${fault.message}${tries}${hint === undefined ? '' : `; ${hint}`}`, {
    uri, operation, offset: offset + done, attempts, ...(fault.status === undefined ? {} : { status: fault.status }), cause: fault.cause
  })
}
