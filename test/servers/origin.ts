/**
 * An HTTP server with objects whose bytes are known, which speaks the dialects of S3, Azure, GCS and the plain web, and lies
 * as it is told to. It asks nobody who they are: what is tested is what is made of its replies.
 *
 * | path | dialect |
 * |---|---|
 * | `/devstoreaccount1/container/key` | Azure |
 * | `/storage/v1/b/container/o/key?alt=media` | GCS, the JSON API |
 * | `/plain/container/key` | HTTP |
 * | `/container/key` | S3 |
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { crc32 } from 'node:zlib'
import { deliver, faultOf, twist, type Fault, type Faults, type Reply } from './faults.js'
import { listen, type Listener } from './listen.js'
import { base64Of32, crc32c, md5 } from './s3-fake-checksums.js'
import { seededBytes } from './seeded.js'

export const DIALECTS = ['s3', 'azure', 'gcs', 'http'] as const
export type Dialect = (typeof DIALECTS)[number]

/** A request as the log keeps it. */
export interface OriginRequest {
  /** Counts all requests, from 0. */
  readonly number: number
  readonly method: string
  readonly dialect: Dialect
  /** `container/key` */
  readonly object: string
  /** How often this object was asked for before. */
  readonly nth: number
  /** The range that was asked for, as it was written. */
  readonly range: string | undefined
  /** The version that it has to be. */
  readonly pinned: string | undefined
  /** Which connection it came on, from 0. */
  readonly connection: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** What went wrong, and what was replied; 0 when nothing was. */
  fault: Faults
  status: number
}

/** What goes wrong with which request. */
export type OriginPlan = (number: number, request: OriginRequest) => Faults

export interface OriginOptions {
  /** Objects by `container/key`: their bytes, or how many there are of them. */
  readonly objects?: Readonly<Record<string, number | Uint8Array>>
  readonly plan?: OriginPlan
  /** Idle connections are closed after so many milliseconds. @default 5000 */
  readonly idle?: number
  /** @default any that is free */
  readonly port?: number
}

export interface Origin {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  readonly log: OriginRequest[]
  readonly connections: Listener['connections']
  /** Those for one object. */
  logOf(object: string): readonly OriginRequest[]
  /** What is right now. */
  bytes(object: string): Uint8Array
  /** What was right, from the first version on. */
  history(object: string): readonly Uint8Array[]
  /** Adds an object, or writes a new version of it. */
  put(object: string, content: number | Uint8Array): void
  setPlan(plan: OriginPlan | undefined): void
  close(): Promise<void>
}

interface Version {
  readonly number: number
  readonly bytes: Uint8Array
  /** Computed once, when they are asked for. */
  sums: { readonly md5: string; readonly crc32: string; readonly crc32c: string } | undefined
}

export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const objects = new Map<string, Version>()
  const histories = new Map<string, Uint8Array[]>()
  const logs = new Map<string, OriginRequest[]>()
  const log: OriginRequest[] = []
  let plan = options.plan

  function put(object: string, content: number | Uint8Array): void {
    const number = (objects.get(object)?.number ?? 0) + 1
    const bytes = typeof content === 'number' ? seededBytes(seedOf(object) + number, content) : content
    objects.set(object, { number, bytes, sums: undefined })
    histories.set(object, [...(histories.get(object) ?? []), bytes])
  }
  for (const [object, content] of Object.entries(options.objects ?? {})) put(object, content)

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry = readRequest(request)
    log.push(entry)
    logs.set(entry.object, logs.get(entry.object) ?? [])
    logs.get(entry.object)?.push(entry)
    const fault = entry.fault = plan?.(entry.number, entry)
    request.resume()
    const version = objects.get(entry.object)
    if (faultOf(fault, 'replace') !== undefined && version !== undefined) put(entry.object, version.bytes.length)
    const status = faultOf(fault, 'status')
    const reply = status === undefined ? replyTo(entry, objects.get(entry.object), fault) : statusReply(entry, status)
    entry.status = reply.status
    deliver(response, twist(reply, fault), fault, listener.timers)
  }

  function readRequest(request: IncomingMessage): OriginRequest {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const [path = '', query = ''] = (request.url ?? '/').split('?')
    const { dialect, object } = locate(path)
    return {
      number: log.length, method: request.method ?? '', dialect, object, nth: logs.get(object)?.length ?? 0, path, headers,
      range: headers['x-ms-range'] ?? headers['range'],
      pinned: dialect === 'gcs' ? new URLSearchParams(query).get('ifGenerationMatch') ?? undefined : headers['if-match'],
      connection: listener.connectionOf(request), fault: undefined, status: 0
    }
  }

  const listener = await listen(serve, options.idle, options.port)
  return {
    url: listener.url, port: listener.port, log, connections: listener.connections, put,
    bytes: (object) => objects.get(object)?.bytes ?? new Uint8Array(),
    logOf: (object) => logs.get(object) ?? [],
    history: (object) => histories.get(object) ?? [],
    setPlan: (next) => { plan = next },
    close: () => listener.close()
  }
}

function locate(path: string): { dialect: Dialect; object: string } {
  const gcs = /^\/(?:download\/)?storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/.exec(path)
  if (gcs !== null) return { dialect: 'gcs', object: `${decodeURIComponent(gcs[1] ?? '')}/${decodeURIComponent(gcs[2] ?? '')}` }
  const decoded = decodeURIComponent(path)
  if (decoded.startsWith('/devstoreaccount1/')) return { dialect: 'azure', object: decoded.slice(18) }
  if (decoded.startsWith('/plain/')) return { dialect: 'http', object: decoded.slice(7) }
  return { dialect: 's3', object: decoded.slice(1) }
}

function replyTo(request: OriginRequest, current: Version | undefined, fault: Faults): Reply {
  if (current === undefined) return statusReply(request, { kind: 'status', status: 404 })
  const { dialect, pinned } = request
  // A liar does not look at conditions.
  const lies = faultOf(fault, 'otherVersion') !== undefined
  const version = lies ? { number: current.number + 1, bytes: current.bytes.map((byte) => byte ^ 0xff), sums: undefined } : current
  if (!lies && pinned !== undefined && pinned !== '*' && pinned !== nameOf(version, dialect)) return statusReply(request, { kind: 'status', status: 412 })
  const { bytes } = version
  const headers = headersOf(request, version)
  if (faultOf(fault, 'noVersion') !== undefined) for (const name of ['etag', 'x-goog-generation', 'last-modified']) delete headers[name]
  if (faultOf(fault, 'weakVersion') !== undefined && headers['etag'] !== undefined) headers['etag'] = `W/${headers['etag']}`
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.range ?? '')
  // The web may ignore ranges that it does not understand; here they are a mistake of the client.
  if (match === null && request.range !== undefined) return statusReply(request, { kind: 'status', status: 400 })
  if (match === null) return { status: 200, headers: { ...headers, 'content-length': String(bytes.length) }, body: bytes, whole: bytes }
  const start = Number(match[1])
  const end = Math.min(bytes.length, match[2] === '' ? bytes.length : Number(match[2]) + 1)
  if (start >= bytes.length) return statusReply(request, { kind: 'status', status: 416, headers: { 'content-range': `bytes */${bytes.length}` } })
  const body = bytes.subarray(start, end)
  return { status: 206, headers: { ...headers, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': String(body.length) }, body, whole: bytes, start }
}

function nameOf(version: Version, dialect: Dialect): string {
  return dialect === 'gcs' ? String(1_700_000_000_000_000 + version.number) : `"version-${version.number}"`
}

function headersOf({ dialect, headers, range }: OriginRequest, version: Version): Record<string, string> {
  const common = {
    'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', etag: `"version-${version.number}"`,
    'last-modified': new Date(1_600_000_000_000 + version.number * 1000).toUTCString()
  }
  switch (dialect) {
    case 's3': {
      const wants = headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED' && range === undefined
      return { ...common, 'x-amz-request-id': 'r', ...(wants ? { 'x-amz-checksum-crc32': sumsOf(version).crc32, 'x-amz-checksum-type': 'FULL_OBJECT' } : {}) }
    }
    case 'azure': {
      const sum = sumsOf(version).md5
      return {
        ...common, 'x-ms-version': '2024-11-04', 'x-ms-request-id': 'r', 'x-ms-blob-type': 'BlockBlob', 'x-ms-server-encrypted': 'true',
        ...(range === undefined ? { 'content-md5': sum } : { 'x-ms-blob-content-md5': sum, ...rangeMd5(headers, range, version.bytes) })
      }
    }
    case 'gcs': {
      const sums = sumsOf(version)
      return {
        ...common, etag: `CAE${version.number}`, 'x-goog-generation': nameOf(version, 'gcs'), 'x-goog-metageneration': '1', 'x-goog-stored-content-encoding': 'identity',
        'x-goog-stored-content-length': String(version.bytes.length), 'x-goog-hash': `crc32c=${sums.crc32c},md5=${sums.md5}`
      }
    }
    case 'http': return common
  }
}

/** The MD5 of a range, for those who ask for it. */
function rangeMd5(headers: OriginRequest['headers'], range: string, bytes: Uint8Array): Record<string, string> {
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? []
  if (headers['x-ms-range-get-content-md5'] !== 'true') return {}
  return { 'content-md5': md5(bytes.subarray(Number(first), last === '' ? bytes.length : Number(last) + 1)).toString('base64') }
}

function sumsOf(version: Version): NonNullable<Version['sums']> {
  return version.sums ??= {
    md5: md5(version.bytes).toString('base64'), crc32: base64Of32(crc32(version.bytes) >>> 0), crc32c: base64Of32(crc32c(version.bytes))
  }
}

/** How each dialect says what a status means. */
const CODES: Readonly<Record<number, Readonly<Record<Dialect, string>>>> = {
  301: { s3: 'PermanentRedirect', azure: 'Moved', gcs: 'movedPermanently', http: 'Moved' },
  400: { s3: 'ExpiredToken', azure: 'InvalidHeaderValue', gcs: 'invalid', http: 'Bad Request' },
  401: { s3: 'Unauthorized', azure: 'InvalidAuthenticationInfo', gcs: 'authError', http: 'Unauthorized' },
  403: { s3: 'AccessDenied', azure: 'AuthorizationFailure', gcs: 'forbidden', http: 'Forbidden' },
  404: { s3: 'NoSuchKey', azure: 'BlobNotFound', gcs: 'notFound', http: 'Not Found' },
  412: { s3: 'PreconditionFailed', azure: 'ConditionNotMet', gcs: 'conditionNotMet', http: 'Precondition Failed' },
  416: { s3: 'InvalidRange', azure: 'InvalidRange', gcs: 'requestedRangeNotSatisfiable', http: 'Range Not Satisfiable' },
  429: { s3: 'TooManyRequests', azure: 'TooManyRequests', gcs: 'rateLimitExceeded', http: 'Too Many Requests' },
  500: { s3: 'InternalError', azure: 'InternalError', gcs: 'backendError', http: 'Internal Server Error' },
  502: { s3: 'BadGateway', azure: 'BadGateway', gcs: 'badGateway', http: 'Bad Gateway' },
  503: { s3: 'SlowDown', azure: 'ServerBusy', gcs: 'backendError', http: 'Service Unavailable' },
  504: { s3: 'GatewayTimeout', azure: 'OperationTimedOut', gcs: 'gatewayTimeout', http: 'Gateway Timeout' }
}

function statusReply({ dialect }: OriginRequest, { status, code, headers }: Extract<Fault, { kind: 'status' }>): Reply {
  if (status === 304 || status === 204) return { status, headers: { ...headers }, body: new Uint8Array() }
  const name = code ?? CODES[status]?.[dialect] ?? 'Whatever'
  const message = 'This is what the test wanted.'
  const text = dialect === 'gcs'
    ? JSON.stringify({ error: { code: status, message, errors: [{ domain: 'global', reason: name, message }] } })
    : dialect === 'http' ? `<html><body><h1>${status} ${name}</h1></body></html>` : `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${name}</Code><Message>${message}</Message></Error>`
  const body = Buffer.from(text)
  return {
    status, body,
    headers: {
      'content-type': dialect === 'gcs' ? 'application/json' : dialect === 'http' ? 'text/html' : 'application/xml', 'content-length': String(body.length),
      date: new Date().toUTCString(), ...(dialect === 'azure' ? { 'x-ms-error-code': name, 'x-ms-request-id': 'r', 'x-ms-version': '2024-11-04' } : {}), ...headers
    }
  }
}

function seedOf(name: string): number {
  return crc32(name) >>> 0
}
