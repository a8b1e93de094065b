/** What S3 means by its errors ("Error responses" in the API reference of Amazon S3), for reads and for everything else. */
import { MillraceError, type ErrorContext, type ErrorKind, isMillraceError, messageOf } from '../../errors.js'
import type { ReplyHead } from '../remote/http.js'
import type { ServiceFault } from '../remote/service.js'

/** A fault, and the region that the bucket is in where that is what is wrong. */
export interface S3Fault extends ServiceFault {
  readonly region?: string | undefined
}

type Meaning = Pick<ServiceFault, 'kind' | 'hint' | 'refresh' | 'retryable'>

const THROTTLED: Meaning = { kind: 'Throttled' }
const BUSY: Meaning = { kind: 'Unavailable' }
const REGION: Meaning = { kind: 'Denied', refresh: true, hint: 'the bucket is in another region or at another endpoint; set the region of the store' }
const EXPIRED: Meaning = { kind: 'Denied', refresh: true, hint: 'the credentials are no longer good; renew them' }
const MISSING: Meaning = { kind: 'NotFound', hint: 'check the URI, and whether the object was deleted' }
const CHECK_NETWORK = 'check the endpoint and the network'
const WRITES: Meaning = { kind: 'Precondition', hint: 'the object is another than the condition wants, or somebody writes it at this moment' }

const CODES: Readonly<Record<string, Meaning>> = {
  NoSuchKey: MISSING,
  NoSuchVersion: MISSING,
  NotFound: MISSING, // of a HEAD, whose reply has no body to tell more
  NoSuchBucket: { kind: 'NotFound', hint: 'there is no such bucket: check its name and the endpoint, or make it with createContainer' },
  NoSuchUpload: { kind: 'NotFound', hint: 'the upload was aborted by somebody else, or is done' },
  AccessDenied: { kind: 'Denied', hint: 'the credentials may not do this; for a missing object S3 says the same to those who may not list the bucket' },
  AllAccessDisabled: { kind: 'Denied' },
  AccountProblem: { kind: 'Denied' },
  InvalidAccessKeyId: { kind: 'Denied', hint: 'the access key is not known to this endpoint' },
  SignatureDoesNotMatch: { kind: 'Denied', hint: 'the secret key does not belong to the access key, or something between here and the service rewrites requests' },
  ExpiredToken: EXPIRED,
  ExpiredTokenException: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  InvalidToken: { ...EXPIRED, hint: 'the session token is not valid; do not mix it with other keys' },
  RequestExpired: EXPIRED,
  RequestTimeTooSkewed: { kind: 'Denied', refresh: true, hint: 'the clock of this machine is wrong' },
  PermanentRedirect: REGION,
  TemporaryRedirect: REGION,
  Redirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  IllegalLocationConstraintException: REGION,
  SlowDown: THROTTLED,
  Throttling: THROTTLED,
  ThrottlingException: THROTTLED,
  TooManyRequests: THROTTLED,
  TooManyRequestsException: THROTTLED,
  RequestLimitExceeded: THROTTLED,
  RequestThrottled: THROTTLED,
  BandwidthLimitExceeded: THROTTLED,
  ServiceUnavailable: THROTTLED,
  Busy: THROTTLED,
  InternalError: BUSY,
  OperationAborted: BUSY,
  RequestTimeout: { kind: 'Timeout' },
  PreconditionFailed: { kind: 'Changed' },
  ConditionalRequestConflict: WRITES,
  BucketAlreadyExists: { kind: 'Precondition', hint: 'names of buckets are shared by all accounts; choose another' },
  BucketAlreadyOwnedByYou: { kind: 'Precondition', hint: 'it is yours already' },
  BucketNotEmpty: { kind: 'Precondition', hint: 'delete its objects, and uploads that were never completed, first' },
  InvalidObjectState: { kind: 'Unsupported', hint: 'the object is in an archive; restore it first' },
  InvalidBucketName: { kind: 'InvalidUri' },
  KeyTooLongError: { kind: 'InvalidUri' },
  InvalidURI: { kind: 'InvalidUri' },
  EntityTooLarge: { kind: 'Limit' },
  QuotaExceeded: { kind: 'Limit' },
  BadDigest: { kind: 'Corrupt', retryable: true, hint: 'the bytes changed on the way to the service' },
  XAmzContentChecksumMismatch: { kind: 'Corrupt', retryable: true, hint: 'the bytes changed on the way to the service' },
  NotImplemented: { kind: 'Unsupported', hint: 'this server does not have that operation' }
}

const STATUSES: Readonly<Record<number, Meaning>> = {
  301: REGION, 302: REGION, 307: REGION, 308: REGION,
  401: { kind: 'Denied', refresh: true },
  403: { kind: 'Denied', hint: 'the credentials may not do this' },
  404: MISSING,
  408: { kind: 'Timeout' },
  409: BUSY,
  412: { kind: 'Changed' },
  413: { kind: 'Limit', hint: 'the server does not take so many bytes in one request; make partSize smaller' },
  429: THROTTLED,
  501: { kind: 'Unsupported', hint: 'this server does not have that operation' },
  503: THROTTLED
}

function meaningOf(code: string, status: number): Meaning {
  return (Object.hasOwn(CODES, code) ? CODES[code] : undefined) ?? STATUSES[status] ?? (status >= 500 ? BUSY : { kind: 'Unsupported' })
}

/** What a reply to a read means. */
export function faultOfReply(reply: ReplyHead, body: string): S3Fault {
  const code = textOf(body, 'Code') ?? String(reply.status)
  // What stands in a "405" for the newest version of an object is a marker that it was deleted.
  const meaning = reply.header('x-amz-delete-marker') === 'true' ? { kind: 'NotFound' as const } : meaningOf(code, reply.status)
  const fault = { ...meaning, code, message: textOf(body, 'Message') ?? `HTTP ${reply.status}` }
  if (meaning !== REGION) return fault
  const region = reply.header('x-amz-bucket-region') ?? textOf(body, 'Region')
  return region === undefined ? fault : { ...fault, region, hint: `the bucket is in the region ${region}; set the region of the store` }
}

/** The text of the first element of that name; error replies are flat. */
function textOf(body: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1]
  return text?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity] ?? '')
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: '\'', amp: '&' }

/** As far as they are looked at, errors of the SDK. */
export interface SdkError {
  readonly name?: unknown
  readonly code?: unknown
  readonly Code?: unknown
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly attempts?: unknown }
  readonly $response?: { readonly statusCode?: unknown; readonly headers?: Readonly<Record<string, string>> }
}

/** The code that the service gave an error of the SDK; nothing for one that came from here. */
export function codeOf(error: unknown): string | undefined {
  if (statusOf(error) === undefined) return undefined
  const { name, Code } = error as SdkError
  // Replies to HEAD have no body to take a code from.
  return typeof Code === 'string' ? Code : typeof name === 'string' ? name : undefined
}

export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = (error ?? {}) as SdkError
  return [$metadata?.httpStatusCode, $response?.statusCode].find((status): status is number => typeof status === 'number')
}

/** The region that a service names when it was asked in the wrong one. */
export function regionIn(error: unknown): string | undefined {
  return (error as SdkError | null)?.$response?.headers?.['x-amz-bucket-region'] ?? (error as { Region?: string } | null)?.Region
}

/** True when the service refused the credentials because they are old. */
export function isExpired(error: unknown): boolean {
  return CODES[codeOf(error) ?? '']?.refresh === true && CODES[codeOf(error) ?? ''] !== REGION && codeOf(error) !== 'RequestTimeTooSkewed'
}

/** The error for something that went wrong in the SDK. A MillraceError stays what it is. */
export function errorOf(error: unknown, operation: string, uri: string): MillraceError {
  if (isMillraceError(error)) return error
  const status = statusOf(error)
  const code = codeOf(error)
  const { kind, hint } = status === undefined || code === undefined ? localMeaning(error) : writing(meaningOf(code, status))
  const attempts = (error as SdkError | null)?.$metadata?.attempts
  const context: ErrorContext = {
    uri, operation, cause: plain(error, code, status),
    ...(status === undefined ? {} : { status }),
    ...(typeof attempts === 'number' ? { attempts } : {})
  }
  // What is not XML, the SDK complains of; the status says more.
  const unread = /XML parse error|Deserialization error/.test(messageOf(error))
  const said = unread ? '' : messageOf(error)
  const what = status === undefined ? messageOf(error) : unread ? `the server answered with status ${status}` : `${code ?? ''} (HTTP ${status})${said === '' || said === code || said === 'UnknownError' ? '' : `: ${said}`}`
  return new MillraceError(kind, `${operation} ${uri}: ${what.replace(/\.$/, '')}${hint === undefined ? '' : `; ${hint}`}`, context)
}

/** Conditions of reads are about versions, those of writes are conditions. */
function writing(meaning: Meaning): Meaning {
  return meaning.kind === 'Changed' ? WRITES : meaning
}

const NETWORK = /^(E[A-Z]{4,}|UND_ERR_\w+|ERR_(TLS|SSL|SOCKET|STREAM|HTTP)\w*|.*CERT.*)$/

function localMeaning(error: unknown): { readonly kind: ErrorKind; readonly hint?: string | undefined } {
  const { name, code } = (error ?? {}) as SdkError
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') return { kind: 'Timeout', hint: CHECK_NETWORK }
  if (typeof name === 'string' && /Credentials|TokenProvider/.test(name)) {
    return { kind: 'Denied', hint: 'give credentials to the store or to the environment, or make it with { anonymous: true } for public data' }
  }
  if (/sigv4a/i.test(messageOf(error))) return { kind: 'MissingPackage', hint: 'install one of them, and import it once in your program' }
  if (typeof code === 'string' && NETWORK.test(code)) return { kind: 'Unavailable', hint: CHECK_NETWORK }
  if (/non-retryable|socket hang up|ECONN|network/i.test(messageOf(error))) return { kind: 'Unavailable', hint: CHECK_NETWORK }
  return { kind: name === 'InvalidBucketName' ? 'InvalidUri' : 'Unsupported' }
}

/** What may be kept as a cause: what the service said of a refused signature would give it away. */
function plain(error: unknown, code: string | undefined, status: number | undefined): unknown {
  if (status === undefined) return error
  return Object.assign(new Error(messageOf(error)), { name: code ?? 'Error' })
}
