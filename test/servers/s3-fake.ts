/**
 * A strict S3: what the real one refuses, this refuses. It checks signatures, checksums, conditions and limits, with code
 * of its own. Written after the API reference of Amazon S3.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { deliver, faultOf, twist, type Faults, type Reply } from './faults.js'
import { authenticate, decodePart, queryOf, readTarget, type AuthSettings, type FakeCredentials, type Proof, type Target } from './s3-fake-auth.js'
import { openBody, readBody, type RequestBody } from './s3-fake-body.js'
import { listBuckets, listObjectsV1, listObjectsV2, listParts, listUploads } from './s3-fake-list.js'
import { listen, type Listener } from './listen.js'
import { completeUpload, copyPart, createUpload, putPart, uploadOf } from './s3-fake-multipart.js'
import { copyObject, copySource, deleteObjects, getObject, noSuchKey, putObject, type DeleteRefusal } from './s3-fake-objects.js'
import { makeBucket, makeVirtualBucket, plainObject, type Bucket, type FakeObject, type VirtualBucket } from './s3-fake-state.js'
import { errorReply, S3Error, textOf, xmlReply } from './s3-fake-xml.js'

export type { FakeCredentials } from './s3-fake-auth.js'
export type { FakeObject, VirtualBucket } from './s3-fake-state.js'

export interface S3FakeOptions {
  /** @default one: `test` with the secret `testsecret` */
  readonly credentials?: readonly FakeCredentials[]
  /** @default 'us-east-1' */
  readonly region?: string
  /** Buckets that are there from the beginning. */
  readonly buckets?: readonly string[]
  /** Regions of buckets that are not where the server is. */
  readonly regions?: Readonly<Record<string, string>>
  /** Buckets that everybody may read and list without a signature. */
  readonly publicBuckets?: readonly string[]
  /** Buckets with very many keys, which are made up when they are asked for. */
  readonly virtual?: Readonly<Record<string, VirtualBucket>>
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number
  /** Parts but the last may not be smaller. @default 5 MiB */
  readonly minPartSize?: number
  /** How long a connection may do nothing, in milliseconds. @default 5000 */
  readonly keepAlive?: number
  /** Whether a range that cannot be had tells the size in a header, and not only in the text of the error. @default true */
  readonly contentRangeOn416?: boolean
  /** Keys that cannot be deleted, and why. */
  readonly refuseDelete?: (key: string, bucket: string) => DeleteRefusal | undefined
  /** What goes wrong with a reply. Asked for each request, before it is carried out; `number` counts from 0. */
  readonly fault?: (request: FakeRequest, number: number) => Faults
}

/** A request as the log keeps it. */
export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly bucket: string | undefined
  readonly key: string | undefined
  /** The name in the API: `GetObject`, `ListObjectsV2`, …; `Unknown` if there is none. */
  readonly operation: string
  /** Which connection it came on, from 0. */
  readonly connection: number
  /** Of the reply; 0 while there is none. */
  status: number
}

export interface S3Fake {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  readonly region: string
  /** The first of those that it knows. */
  readonly credentials: FakeCredentials
  /** All requests, in the order in which they came. */
  readonly log: FakeRequest[]
  readonly connections: Listener['connections']
  createBucket(name: string): void
  /** Writes past the API. */
  put(bucket: string, key: string, bytes: Uint8Array, headers?: Readonly<Record<string, string>>): FakeObject
  /** Reads past the API. */
  object(bucket: string, key: string): FakeObject | undefined
  keys(bucket: string): string[]
  /** Uploads in parts that nobody completed or aborted. */
  uploads(bucket: string): number
  /** From now on these are the credentials that are known. */
  setCredentials(credentials: readonly FakeCredentials[]): void
  /** From now on this goes wrong. */
  setFault(fault: S3FakeOptions['fault']): void
  close(): Promise<void>
}

const SUBRESOURCES = new Set(['acl', 'attributes', 'cors', 'delete', 'encryption', 'legal-hold', 'lifecycle', 'location', 'logging', 'notification', 'object-lock',
  'partNumber', 'policy', 'replication', 'restore', 'retention', 'select', 'tagging', 'torrent', 'uploadId', 'uploads', 'versionId', 'versioning', 'versions', 'website'])

/** Starts a server on a free port of the loopback. */
export async function startS3Fake(options: S3FakeOptions = {}): Promise<S3Fake> {
  const { region = 'us-east-1', now = Date.now, minPartSize = 5 << 20, contentRangeOn416 = true } = options
  const secret = randomUUID()
  const buckets = new Map<string, Bucket>()
  const log: FakeRequest[] = []
  let credentials: readonly FakeCredentials[] = options.credentials ?? [{ accessKeyId: 'test', secretAccessKey: 'testsecret' }]
  let plan = options.fault
  let served = 0

  const regionOf = (bucket: string | undefined): string => (bucket === undefined ? undefined : buckets.get(bucket)?.region ?? options.regions?.[bucket]) ?? region
  const auth: AuthSettings = { credentials: () => credentials, region, regionOf, now }
  const create = (name: string): void => void buckets.set(name, makeBucket(name, options.regions?.[name] ?? region, now()))
  for (const name of options.buckets ?? []) create(name)
  for (const [name, virtual] of Object.entries(options.virtual ?? {})) buckets.set(name, makeVirtualBucket(name, region, now(), virtual))

  const bucketOf = (name: string | undefined): Bucket => {
    const bucket = buckets.get(name ?? '')
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: name ?? '' })
    return bucket
  }

  interface Job {
    readonly request: IncomingMessage
    readonly target: Target
    readonly bucket: string | undefined
    readonly key: string | undefined
    readonly operation: string
  }

  async function answer({ request, target, bucket: bucketName, key = '', operation }: Job): Promise<Reply> {
    const query = (name: string): string | undefined => queryOf(target, name)
    const header = (name: string): string | undefined => {
      const value = request.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
    const raw = await readBody(request)
    const proof = authenticate(request, target, bucketName, auth)
    admit(proof, request, bucketName, operation)
    const body = (): RequestBody => {
      if (request.headers['content-length'] === undefined && header('x-amz-decoded-content-length') === undefined) {
        throw new S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.')
      }
      return openBody(request, raw, proof)
    }
    const names = Object.keys(request.headers)
    if (Buffer.byteLength(key) > 1024) throw new S3Error(400, 'KeyTooLongError', 'Your key is too long', { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: '1024' })
    if (header('x-amz-expected-bucket-owner') !== undefined && header('x-amz-expected-bucket-owner') !== 'owner') throw new S3Error(403, 'AccessDenied', 'Access Denied')
    switch (operation) {
      case 'ListBuckets': return listBuckets([...buckets.values()], query)
      case 'CreateBucket': return createBucket(bucketName ?? '', body())
      case 'DeleteBucket': {
        if (!bucketOf(bucketName).isEmpty()) throw new S3Error(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty', { BucketName: bucketName ?? '' })
        buckets.delete(bucketName ?? '')
        return empty(204)
      }
      case 'HeadBucket': return empty(200, { 'x-amz-bucket-region': bucketOf(bucketName).region })
      case 'GetBucketLocation': {
        const place = bucketOf(bucketName).region
        return xmlReply('LocationConstraint', place === 'us-east-1' ? '' : place)
      }
      case 'ListObjects': return listObjectsV1(bucketOf(bucketName), query)
      case 'ListObjectsV2': return listObjectsV2(bucketOf(bucketName), query, secret)
      case 'ListMultipartUploads': return listUploads(bucketOf(bucketName), query)
      case 'DeleteObjects': return deleteObjects(bucketOf(bucketName), body(), (one) => options.refuseDelete?.(one, bucketName ?? ''))
      case 'GetObject':
      case 'HeadObject': {
        const object = bucketOf(bucketName).get(key)
        if (object === undefined) throw noSuchKey(key)
        const reply = getObject(object, header, query, contentRangeOn416)
        reply.headers['x-amz-version-id'] ??= 'null'
        return reply
      }
      case 'PutObject': return putObject(bucketOf(bucketName), key, body(), names, header, now())
      case 'CopyObject': return copyObject(bucketOf(bucketName), key, copySource(header, bucketOf), names, header, now())
      case 'DeleteObject': {
        const bucket = bucketOf(bucketName)
        const refusal = options.refuseDelete?.(key, bucketName ?? '')
        if (refusal !== undefined) throw new S3Error(403, refusal.code, refusal.message)
        bucket.delete(key)
        return empty(204)
      }
      case 'CreateMultipartUpload': return createUpload(bucketOf(bucketName), key, names, header, now())
      case 'UploadPart': return putPart(uploadOf(bucketOf(bucketName), key, query('uploadId')), query('partNumber'), body())
      case 'UploadPartCopy': return copyPart(uploadOf(bucketOf(bucketName), key, query('uploadId')), query('partNumber'), copySource(header, bucketOf), header, now())
      case 'ListParts': return listParts(bucketOf(bucketName), uploadOf(bucketOf(bucketName), key, query('uploadId')))
      case 'CompleteMultipartUpload':
        return completeUpload(bucketOf(bucketName), uploadOf(bucketOf(bucketName), key, query('uploadId')), openBody(request, raw, proof), header, minPartSize, now())
      case 'AbortMultipartUpload': {
        const bucket = bucketOf(bucketName)
        bucket.uploads.delete(uploadOf(bucket, key, query('uploadId')).id)
        return empty(204)
      }
      default: throw new S3Error(501, 'NotImplemented', 'A header or query you provided implies functionality that is not implemented')
    }
  }

  function admit(proof: Proof | undefined, request: IncomingMessage, bucket: string | undefined, operation: string): void {
    if (proof !== undefined) return
    const reads = ['GetObject', 'HeadObject', 'ListObjects', 'ListObjectsV2', 'HeadBucket'].includes(operation)
    if (!reads || bucket === undefined || options.publicBuckets?.includes(bucket) !== true) throw new S3Error(403, 'AccessDenied', 'Access Denied')
    if (request.headers['x-amz-security-token'] !== undefined) throw new S3Error(403, 'AccessDenied', 'Access Denied')
  }

  function createBucket(name: string, body: RequestBody): Reply {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || name.includes('..') || /^\d+\.\d+\.\d+\.\d+$/.test(name)) throw new S3Error(400, 'InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name })
    if (buckets.has(name)) throw new S3Error(409, 'BucketAlreadyOwnedByYou', 'Your previous request to create the named bucket succeeded and you already own it.', { BucketName: name })
    const place = textOf(body.bytes.toString(), 'LocationConstraint')
    if (place !== undefined && place !== region) throw new S3Error(400, 'IllegalLocationConstraintException', `The ${place} location constraint is incompatible for the region specific endpoint this request was sent to.`)
    create(name)
    return empty(200, { location: `/${name}` })
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = (served++).toString(16).padStart(16, '0')
    let entry: FakeRequest | undefined
    let fault: Faults
    let reply: Reply
    try {
      const job = readJob(request)
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      entry = {
        method: request.method ?? '', path: job.target.path, query: Object.fromEntries(job.target.query), headers, bucket: job.bucket, key: job.key,
        operation: job.operation, connection: listener.connectionOf(request), status: 0
      }
      log.push(entry)
      fault = plan?.(entry, log.length - 1)
      const status = faultOf(fault, 'status')
      if (status !== undefined) throw new S3Error(status.status, status.code ?? codeOf(status.status), 'This is what the test wanted.', {}, status.headers)
      if (faultOf(fault, 'replace') !== undefined && job.key !== undefined) {
        const old = bucketOf(job.bucket).get(job.key)
        if (old !== undefined) bucketOf(job.bucket).put(plainObject(job.key, other(old.bytes), old.headers, now()))
      }
      reply = await answer(job)
    } catch (error) {
      const refusal = error instanceof S3Error ? error : new S3Error(500, 'InternalError', String(error instanceof Error ? error.stack : error))
      reply = errorReply(refusal, id, request.url ?? '')
    }
    if (entry !== undefined) entry.status = reply.status
    if (reply.status === 304) reply = { ...reply, body: new Uint8Array(), headers: Object.fromEntries(Object.entries(reply.headers).filter(([name]) => !name.startsWith('content-'))) }
    if (faultOf(fault, 'noVersion') !== undefined) delete reply.headers['etag']
    if (faultOf(fault, 'weakVersion') !== undefined) reply.headers['etag'] = `W/${reply.headers['etag']}`
    reply.headers = { date: new Date(now()).toUTCString(), server: 'AmazonS3', connection: 'keep-alive', 'x-amz-request-id': id, 'x-amz-id-2': id, ...reply.headers }
    deliver(response, twist(reply, fault), fault, listener.timers)
  }

  const listener = await listen(serve, options.keepAlive)

  return {
    url: listener.url, port: listener.port, region, log, connections: listener.connections,
    get credentials() { return credentials[0] ?? { accessKeyId: '', secretAccessKey: '' } },
    createBucket: create,
    put(bucket, key, bytes, headers = {}) {
      const object = plainObject(key, bytes, { 'content-type': 'binary/octet-stream', ...headers }, now())
      bucketOf(bucket).put(object)
      return object
    },
    object: (bucket, key) => bucketOf(bucket).get(key),
    keys: (name) => {
      const bucket = bucketOf(name)
      return Array.from({ length: bucket.length }, (_, index) => bucket.keyAt(index))
    },
    uploads: (bucket) => bucketOf(bucket).uploads.size,
    setCredentials: (some) => { credentials = some },
    setFault: (fault) => { plan = fault },
    close: () => listener.close()
  }
}

function readJob(request: IncomingMessage): { request: IncomingMessage; target: Target; bucket: string | undefined; key: string | undefined; operation: string } {
  const target = readTarget(request.url ?? '/')
  const host = /^(.+)\.localhost(?::\d+)?$/.exec(request.headers.host ?? '')?.[1]
  const path = decodePart(target.path).slice(1)
  const at = path.indexOf('/')
  const bucket = host ?? (path === '' ? undefined : at < 0 ? path : path.slice(0, at))
  const rest = host === undefined ? (at < 0 ? '' : path.slice(at + 1)) : path
  const key = rest === '' ? undefined : rest
  return { request, target, bucket, key, operation: operationOf(request, target, bucket, key) }
}

function operationOf(request: IncomingMessage, target: Target, bucket: string | undefined, key: string | undefined): string {
  const asked = target.query.map(([name]) => name).filter((name) => SUBRESOURCES.has(name)).sort().join('&')
  const method = request.method ?? ''
  const copies = request.headers['x-amz-copy-source'] !== undefined
  if (bucket === undefined) return method === 'GET' ? 'ListBuckets' : 'Unknown'
  if (key === undefined) {
    switch (`${method} ${asked}`) {
      case 'GET ': return queryOf(target, 'list-type') === '2' ? 'ListObjectsV2' : 'ListObjects'
      case 'GET location': return 'GetBucketLocation'
      case 'GET uploads': return 'ListMultipartUploads'
      case 'HEAD ': return 'HeadBucket'
      case 'PUT ': return 'CreateBucket'
      case 'DELETE ': return 'DeleteBucket'
      case 'POST delete': return 'DeleteObjects'
      default: return 'Unknown'
    }
  }
  switch (`${method} ${asked}`) {
    case 'GET ': case 'GET partNumber': return 'GetObject'
    case 'HEAD ': case 'HEAD partNumber': return 'HeadObject'
    case 'PUT ': return copies ? 'CopyObject' : 'PutObject'
    case 'DELETE ': return 'DeleteObject'
    case 'POST uploads': return 'CreateMultipartUpload'
    case 'PUT partNumber&uploadId': return copies ? 'UploadPartCopy' : 'UploadPart'
    case 'GET uploadId': return 'ListParts'
    case 'POST uploadId': return 'CompleteMultipartUpload'
    case 'DELETE uploadId': return 'AbortMultipartUpload'
    default: return 'Unknown'
  }
}

function codeOf(status: number): string {
  return { 301: 'PermanentRedirect', 400: 'ExpiredToken', 401: 'Unauthorized', 403: 'AccessDenied', 404: 'NoSuchKey', 412: 'PreconditionFailed', 416: 'InvalidRange',
    429: 'TooManyRequests', 500: 'InternalError', 502: 'BadGateway', 503: 'SlowDown', 504: 'GatewayTimeout' }[status] ?? 'Whatever'
}

/** As long, and different in every byte. */
function other(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff)
}

function empty(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { ...(status === 204 ? {} : { 'content-length': '0' }), ...headers }, body: new Uint8Array() }
}
