/**
 * Signature Version 4 as the server checks it, from the AWS General Reference. Nothing is taken from the library: two
 * that were written apart have to agree.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { S3Error } from './s3-fake-xml.js'

/** Somebody who may do everything. */
export interface FakeCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** With it, the key is temporary and works only together with the token. */
  readonly sessionToken?: string | undefined
  /** Milliseconds since 1970, after which the token is `ExpiredToken`. */
  readonly expires?: number | undefined
}

/** What a good signature proves. */
export interface Proof {
  readonly credentials: FakeCredentials
  readonly region: string
  /** What the request says of its body: a hash, or how it is framed. */
  readonly payload: string
  /** For bodies whose chunks are signed. */
  readonly chunks: ChunkSigner
}

export interface ChunkSigner {
  /** The signature that the next chunk has to have. */
  next(bytes: Uint8Array): string
  /** The signature that the trailing headers have to have. */
  trailer(text: string): string
}

export interface AuthSettings {
  readonly credentials: () => readonly FakeCredentials[]
  readonly region: string
  /** The region that a request for this bucket has to be signed for. */
  readonly regionOf: (bucket: string | undefined) => string
  readonly now: () => number
}

const SKEW = 15 * 60_000
const EMPTY = sha256('')

/** What a request asks for, decoded but not normalised: `/a/../b` is a key with dots in it. */
export interface Target {
  /** As it was sent. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
}

export function readTarget(url: string): Target {
  const at = url.indexOf('?')
  const query: (readonly [string, string])[] = []
  for (const part of at < 0 ? [] : url.slice(at + 1).split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    query.push(equals < 0 ? [decodePart(part), ''] : [decodePart(part.slice(0, equals)), decodePart(part.slice(equals + 1))])
  }
  return { path: at < 0 ? url : url.slice(0, at), query }
}

export function queryOf(target: Target, name: string): string | undefined {
  return target.query.find(([one]) => one === name)?.[1]
}

/** @returns nothing for requests without any signature */
export function authenticate(request: IncomingMessage, target: Target, bucket: string | undefined, settings: AuthSettings): Proof | undefined {
  const header = request.headers.authorization
  if (queryOf(target, 'X-Amz-Signature') !== undefined || queryOf(target, 'X-Amz-Algorithm') !== undefined) {
    if (header !== undefined) throw new S3Error(400, 'InvalidArgument', 'Only one auth mechanism allowed')
    return byQuery(request, target, bucket, settings)
  }
  if (header === undefined) return undefined
  const match = /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(header)
  if (match === null) throw new S3Error(400, 'AuthorizationHeaderMalformed', 'The authorization header is malformed.')
  const [, credential = '', signed = '', signature = ''] = match
  const date = single(request, 'x-amz-date')
  if (date === undefined) throw new S3Error(403, 'AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  const payload = single(request, 'x-amz-content-sha256')
  if (payload === undefined) throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  const scope = readScope(credential, date, bucket, settings, 'AuthorizationHeaderMalformed')
  const when = readDate(date)
  if (Math.abs(when - settings.now()) > SKEW) {
    throw new S3Error(403, 'RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.', {
      RequestTime: date, ServerTime: new Date(settings.now()).toISOString(), MaxAllowedSkewMilliseconds: String(SKEW)
    })
  }
  checkToken(scope.credentials, single(request, 'x-amz-security-token'), settings)
  const canonical = canonicalRequest(request, target, signed, payload, false)
  verify(canonical, date, scope, signature)
  return { credentials: scope.credentials, region: scope.region, payload, chunks: chunkSigner(scope, date, signature) }
}

function byQuery(request: IncomingMessage, target: Target, bucket: string | undefined, settings: AuthSettings): Proof {
  const get = (name: string): string => {
    const value = queryOf(target, name)
    if (value === undefined) throw new S3Error(400, 'AuthorizationQueryParametersError', `Query-string authentication version 4 requires the ${name} parameter.`)
    return value
  }
  if (get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') throw new S3Error(400, 'AuthorizationQueryParametersError', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  const date = get('X-Amz-Date')
  const lifetime = Number(get('X-Amz-Expires'))
  if (!Number.isInteger(lifetime) || lifetime < 0 || lifetime > 604_800) {
    throw new S3Error(400, 'AuthorizationQueryParametersError', 'X-Amz-Expires must be between 0 and 604800 seconds')
  }
  const scope = readScope(get('X-Amz-Credential'), date, bucket, settings, 'AuthorizationQueryParametersError')
  const when = readDate(date)
  if (settings.now() > when + lifetime * 1000) throw new S3Error(403, 'AccessDenied', 'Request has expired', { Expires: new Date(when + lifetime * 1000).toISOString() })
  if (when > settings.now() + SKEW) throw new S3Error(403, 'AccessDenied', 'Request is not valid yet')
  checkToken(scope.credentials, queryOf(target, 'X-Amz-Security-Token'), settings)
  const payload = queryOf(target, 'X-Amz-Content-Sha256') ?? single(request, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD'
  const signature = get('X-Amz-Signature')
  verify(canonicalRequest(request, target, get('X-Amz-SignedHeaders'), payload, true), date, scope, signature)
  return { credentials: scope.credentials, region: scope.region, payload, chunks: chunkSigner(scope, date, signature) }
}

interface Scope {
  readonly credentials: FakeCredentials
  readonly day: string
  readonly region: string
  readonly key: Buffer
}

function readScope(credential: string, date: string, bucket: string | undefined, settings: AuthSettings, malformed: string): Scope {
  const parts = credential.split('/')
  const [terminator, service, region = '', day = ''] = parts.slice(-4).reverse()
  const id = parts.slice(0, -4).join('/')
  if (terminator !== 'aws4_request' || service !== 's3' || !/^\d{8}$/.test(day)) throw new S3Error(400, malformed, 'The credential scope is malformed.')
  if (day !== date.slice(0, 8)) throw new S3Error(400, malformed, `Invalid credential date. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.`)
  const expected = settings.regionOf(bucket)
  if (region !== expected) {
    if (expected !== settings.region) {
      throw new S3Error(301, 'PermanentRedirect', 'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
        { Bucket: bucket ?? '', Endpoint: `${bucket}.s3.${expected}.amazonaws.com` }, { 'x-amz-bucket-region': expected })
    }
    throw new S3Error(400, malformed, `The authorization header is malformed; the region '${region}' is wrong; expecting '${expected}'`, { Region: expected }, { 'x-amz-bucket-region': expected })
  }
  const credentials = settings.credentials().find((one) => one.accessKeyId === id)
  if (credentials === undefined) throw new S3Error(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', { AWSAccessKeyId: id })
  const key = hmac(hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, day), region), 's3'), 'aws4_request')
  return { credentials, day, region, key }
}

function checkToken(credentials: FakeCredentials, token: string | undefined, settings: AuthSettings): void {
  if (credentials.sessionToken !== token) {
    if (token === undefined) throw new S3Error(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', { AWSAccessKeyId: credentials.accessKeyId })
    throw new S3Error(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.')
  }
  if (credentials.expires !== undefined && settings.now() >= credentials.expires) throw new S3Error(400, 'ExpiredToken', 'The provided token has expired.')
}

function canonicalRequest(request: IncomingMessage, target: Target, signed: string, payload: string, query: boolean): string {
  const names = signed.split(';')
  const has = new Set(names)
  if (!has.has('host')) throw new S3Error(403, 'AccessDenied', 'There were headers present in the request which were not signed', { HeadersNotSigned: 'host' })
  const missing = Object.keys(request.headers).filter((name) => name.startsWith('x-amz-') && !has.has(name) && !(query && name === 'x-amz-content-sha256'))
  if (missing.length > 0) throw new S3Error(403, 'AccessDenied', 'There were headers present in the request which were not signed', { HeadersNotSigned: missing.join(', ') })
  if (names.join(';') !== [...names].sort().join(';') || names.some((name) => name !== name.toLowerCase())) {
    throw new S3Error(400, 'AuthorizationHeaderMalformed', 'SignedHeaders must be sorted and in lower case.')
  }
  const headers = names.map((name) => `${name}:${(single(request, name) ?? '').trim().replace(/ +/g, ' ')}\n`).join('')
  const pairs = target.query.filter(([name]) => name !== 'X-Amz-Signature').map(([name, value]) => [encode(name), encode(value)] as const)
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
  const path = target.path.split('/').map((part) => encode(decodePart(part))).join('/')
  return [request.method, path, pairs.map(([name, value]) => `${name}=${value}`).join('&'), headers, signed, payload].join('\n')
}

function verify(canonical: string, date: string, scope: Scope, signature: string): void {
  const text = ['AWS4-HMAC-SHA256', date, `${scope.day}/${scope.region}/s3/aws4_request`, sha256(canonical)].join('\n')
  const right = hmac(scope.key, text)
  const given = Buffer.from(signature, 'hex')
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    throw new S3Error(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      { AWSAccessKeyId: scope.credentials.accessKeyId, StringToSign: text, CanonicalRequest: canonical })
  }
}

function chunkSigner(scope: Scope, date: string, seed: string): ChunkSigner {
  let previous = seed
  const sign = (kind: string, hashes: string[]): string => {
    previous = hmac(scope.key, [kind, date, `${scope.day}/${scope.region}/s3/aws4_request`, previous, ...hashes].join('\n')).toString('hex')
    return previous
  }
  return {
    next: (bytes) => sign('AWS4-HMAC-SHA256-PAYLOAD', [EMPTY, sha256(bytes)]),
    trailer: (text) => sign('AWS4-HMAC-SHA256-TRAILER', [sha256(text)])
  }
}

export function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new S3Error(400, 'InvalidURI', "Couldn't parse the specified URI.")
  }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function readDate(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (match === null) throw new S3Error(403, 'AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  const [, year, month, day, hour, minute, second] = match.map(Number)
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second)
}

function single(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
