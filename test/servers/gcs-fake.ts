/**
 * A strict stand-in for the JSON API of Google Cloud Storage, in memory: what it does not know it refuses. Compared by hand with Google's own
 * storage-testbench and with fake-gcs-server, under the tests of `test/storage/gcs`: `docs/stores/gcs.md` says what differs.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { deliver, makeTimers, twist, type Fault, type Reply } from './faults.js'
import { mediaReply } from './gcs-fake-download.js'
import { GcsError, WRITABLE, checkConditions, fakeModel, selectFields, type FakeModel, type FakeObject } from './gcs-fake-model.js'
import { fakeUploads, type Uploads } from './gcs-fake-upload.js'

/** A request that came. */
export interface GcsFakeRequest {
  readonly method: string
  /** What it is for: `media`, `stat`, `list`, `upload`, `rewrite`, `delete`, `bucket`. */
  readonly kind: string
  readonly bucket: string
  /** The object, decoded. */
  readonly name: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Set when it was answered. */
  status: number
}

export interface GcsFakeOptions {
  /** Buckets that are there. */
  readonly buckets?: readonly string[]
  /** Judges bearer tokens (`''` when there is none). Everybody may do everything without it. */
  readonly token?: (token: string) => 'good' | 'bad' | 'forbidden'
  /** Buckets of which the requester pays. */
  readonly requesterPays?: readonly string[]
  /** Entries of a page of a listing, at most. @default 1000 */
  readonly pageSize?: number
  /** Bytes that one call of `rewriteTo` copies. @default all */
  readonly rewriteBytes?: number
  /** How many bytes of a chunk of a resumable upload are kept. @default all */
  readonly persists?: (bytes: number) => number
  /** What becomes of the body of a request on its way here. */
  readonly damage?: (request: GcsFakeRequest, body: Buffer) => Buffer
  /** What goes wrong with this request. Called after it was logged, before anything is done. */
  readonly fault?: (request: GcsFakeRequest) => Fault | undefined
}

export interface GcsFake {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly requests: readonly GcsFakeRequest[]
  readonly uploads: Pick<Uploads, 'open' | 'cancelled' | 'held'>
  /** Writes an object without a request. */
  put(bucket: string, name: string, bytes: Uint8Array, fields?: Readonly<Record<string, unknown>>): FakeObject
  /** The names in a bucket. */
  names(bucket: string): string[]
  object(bucket: string, name: string): FakeObject | undefined
  /** Connections that are open. */
  connections(): number
  close(): Promise<void>
}

export async function startGcsFake(options: GcsFakeOptions = {}): Promise<GcsFake> {
  const model = fakeModel()
  for (const bucket of options.buckets ?? []) model.buckets.set(bucket, new Map())
  const uploads = fakeUploads(model, options.persists ?? (bytes => bytes))
  const requests: GcsFakeRequest[] = []
  const sockets = new Set<Socket>()
  const timers = makeTimers()

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => answer(request, response, Buffer.concat(chunks)))
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://fake')
    const logged = { ...routeOf(request.url ?? '/'), method: request.method ?? 'GET', query: url.searchParams, headers: request.headers, status: 0 }
    if (logged.kind === 'object') logged.kind = logged.method === 'DELETE' ? 'delete' : logged.query.get('alt') === 'media' ? 'media' : 'stat'
    requests.push(logged)
    const fault = options.fault?.(logged)
    const reply = fault?.kind === 'status' ? statusReply(fault) : replyTo(logged, options.damage?.(logged, body) ?? body, `http://${request.headers.host ?? ''}`)
    logged.status = reply.status
    deliver(response, twist(reply, fault), fault, timers)
  }

  function replyTo(request: GcsFakeRequest, body: Buffer, self: string): Reply {
    try {
      checkWho(request, options)
      return route({ model, uploads, options }, request, body, self)
    } catch (error) {
      if (error instanceof GcsError) return errorReply(error)
      return errorReply(new GcsError(500, 'backendError', `the fake has failed: ${String(error)}`))
    }
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    uploads,
    put: (bucket, name, bytes, fields = {}) => model.write(bucket, name, bytes, fields, new URLSearchParams()),
    names: bucket => [...model.bucket(bucket).keys()],
    object: (bucket, name) => model.buckets.get(bucket)?.get(name),
    connections: () => sockets.size,
    close: () => new Promise<void>(resolve => {
      timers.clear()
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  }
}

interface Fake {
  readonly model: FakeModel
  readonly uploads: Uploads
  readonly options: GcsFakeOptions
}

interface Route { kind: string, bucket: string, name: string, to?: { readonly bucket: string, readonly name: string } }

/** Names are whatever one part of the path decodes to; a slash that is not encoded makes another path of it. */
function routeOf(url: string): Route {
  const parts = url.replace(/\?.*$/s, '').split('/').slice(1)
  const [bucket = '', name = ''] = [decodeURIComponent(parts[3] ?? ''), decodeURIComponent(parts[5] ?? '')]
  const path = parts.map((part, i) => (i === 3 || i === 5 || i === 8 || i === 10 ? '*' : part)).join('/')
  switch (path) {
    case 'storage/v1/b': return { kind: 'buckets', bucket: '', name: '' }
    case 'storage/v1/b/*': return { kind: 'bucket', bucket, name: '' }
    case 'storage/v1/b/*/o': return { kind: 'list', bucket, name: '' }
    case 'storage/v1/b/*/o/*': return { kind: 'object', bucket, name }
    case 'storage/v1/b/*/o/*/rewriteTo/b/*/o/*':
    case 'storage/v1/b/*/o/*/copyTo/b/*/o/*':
      return { kind: path.includes('rewriteTo') ? 'rewrite' : 'copy', bucket, name, to: { bucket: decodeURIComponent(parts[8] ?? ''), name: decodeURIComponent(parts[10] ?? '') } }
    default: {
      const [, uploading] = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(`/${parts.join('/')}`) ?? []
      return uploading === undefined ? { kind: 'unknown', bucket: '', name: '' } : { kind: 'upload', bucket: decodeURIComponent(uploading), name: '' }
    }
  }
}

const ALWAYS = ['alt', 'fields', 'prettyPrint', 'userProject', 'projection', 'key', 'quotaUser']
const MATCH = ['ifGenerationMatch', 'ifGenerationNotMatch', 'ifMetagenerationMatch', 'ifMetagenerationNotMatch']
/** Parameters of the methods. Others are refused: a misspelt condition would be none. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  buckets: ['project', 'maxResults', 'pageToken', 'prefix', 'predefinedAcl', 'predefinedDefaultObjectAcl'],
  bucket: ['ifMetagenerationMatch'],
  list: ['prefix', 'delimiter', 'maxResults', 'pageToken', 'startOffset', 'endOffset', 'versions', 'includeTrailingDelimiter'],
  media: ['generation', ...MATCH], stat: ['generation', ...MATCH], delete: ['generation', ...MATCH],
  upload: ['uploadType', 'name', 'upload_id', 'predefinedAcl', 'contentEncoding', ...MATCH],
  rewrite: ['rewriteToken', 'maxBytesRewrittenPerCall', 'ifSourceGenerationMatch', 'ifSourceGenerationNotMatch', 'sourceGeneration', ...MATCH],
  copy: ['ifSourceGenerationMatch', 'ifSourceGenerationNotMatch', 'sourceGeneration', ...MATCH]
}

function checkWho({ headers, kind, bucket, query }: GcsFakeRequest, { token, requesterPays = [] }: GcsFakeOptions): void {
  const known = PARAMETERS[kind]
  if (known === undefined) throw new GcsError(404, 'notFound', 'Not Found')
  const strange = [...query.keys()].find(name => !ALWAYS.includes(name) && !known.includes(name))
  if (strange !== undefined) throw new GcsError(400, 'invalidParameter', `Unknown parameter ${strange}`)
  // The address of a resumable upload is a secret that says enough.
  if (token !== undefined && query.get('upload_id') === null) {
    const given = /^Bearer (.+)$/.exec(headers['authorization'] as string)?.[1] ?? ''
    const judged = token(given)
    if (judged === 'bad') {
      if (given === '') throw new GcsError(401, 'required', 'Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.')
      throw new GcsError(401, 'authError', 'Invalid Credentials', { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' })
    }
    if (judged === 'forbidden') throw new GcsError(403, 'forbidden', 'someone@example.com does not have storage.objects.get access to the Google Cloud Storage object.')
  }
  if (requesterPays.includes(bucket) && query.get('userProject') === null && query.get('upload_id') === null) {
    throw new GcsError(400, 'required', 'Bucket is a requester pays bucket but no user project provided.')
  }
}

function route({ model, uploads, options }: Fake, request: GcsFakeRequest & Route, body: Buffer, self: string): Reply {
  const { kind, method, bucket, name, query, headers } = request
  const json = (value: unknown): Reply => jsonReply(200, selectFields(value, query.get('fields')))
  switch (`${method} ${kind}`) {
    case 'GET media': {
      const object = model.find(bucket, name, query)
      checkConditions(object, query, 'read')
      return mediaReply(object, headers)
    }
    case 'GET stat': {
      const object = model.find(bucket, name, query)
      checkConditions(object, query, 'read')
      return json(model.resource(object))
    }
    case 'DELETE delete': {
      checkConditions(model.find(bucket, name, query), query, 'write')
      model.bucket(bucket).delete(name)
      return { status: 204, headers: {}, body: new Uint8Array(0) }
    }
    case 'GET list': return json(listObjects(model, bucket, query, options.pageSize ?? 1000))
    case 'POST rewrite': return json(rewrite(model, request, body, options.rewriteBytes ?? Infinity))
    case 'POST copy': {
      const { resource } = rewrite(model, request, body, Infinity)
      return json(resource)
    }
    case 'POST upload': case 'PUT upload': case 'DELETE upload': {
      const { status, headers: told = {}, object } = uploads.handle({ method, bucket, query, headers, body, url: `${self}/upload/storage/v1/b/${bucket}/o` })
      if (object !== undefined) return jsonReply(status, selectFields(model.resource(object), query.get('fields')), told)
      return { status, headers: { ...told, 'content-length': '0' }, body: new Uint8Array(0) }
    }
    default: return buckets(model, request, body, options.pageSize ?? 1000)
  }
}

function buckets(model: FakeModel, { kind, method, bucket, query }: GcsFakeRequest, body: Buffer, pageSize: number): Reply {
  const resource = (name: string): unknown => ({ kind: 'storage#bucket', id: name, name, metageneration: '1', location: 'US', storageClass: 'STANDARD' })
  if (kind === 'buckets' && query.get('project') === null) throw new GcsError(400, 'required', 'Required parameter: project')
  switch (`${method} ${kind}`) {
    case 'GET buckets': {
      const all = [...model.buckets.keys()].sort().filter(name => name > (query.get('pageToken') ?? '') && name.startsWith(query.get('prefix') ?? ''))
      const page = all.slice(0, Math.min(pageSize, Number(query.get('maxResults') ?? 1000)))
      return jsonReply(200, selectFields({ kind: 'storage#buckets', items: page.map(resource), ...(page.length < all.length ? { nextPageToken: page.at(-1) } : {}) }, query.get('fields')))
    }
    case 'POST buckets': {
      const { name } = JSON.parse(body.toString()) as { name: string }
      if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/.test(name)) throw new GcsError(400, 'invalid', `Invalid bucket name: '${name}'`)
      if (model.buckets.has(name)) throw new GcsError(409, 'conflict', 'Your previous request to create the named bucket succeeded and you already own it.')
      model.buckets.set(name, new Map())
      return jsonReply(200, resource(name))
    }
    case 'GET bucket':
      model.bucket(bucket)
      return jsonReply(200, resource(bucket))
    case 'DELETE bucket':
      if (model.bucket(bucket).size > 0) throw new GcsError(409, 'conflict', 'The bucket you tried to delete is not empty.')
      model.buckets.delete(bucket)
      return { status: 204, headers: {}, body: new Uint8Array(0) }
    default: throw new GcsError(405, 'httpMethodNotAllowed', 'Method not allowed')
  }
}

function listObjects(model: FakeModel, bucket: string, query: URLSearchParams, pageSize: number): unknown {
  const [prefix, delimiter, start, end] = ['prefix', 'delimiter', 'startOffset', 'endOffset'].map(name => query.get(name) ?? '') as [string, string, string, string]
  const bound = JSON.stringify([bucket, prefix, delimiter])
  const after = tokenIn(query.get('pageToken'), bound)
  const most = Math.min(pageSize, Number(query.get('maxResults') ?? 1000))
  const entries = new Map<string, FakeObject | undefined>()
  for (const [name, object] of [...model.bucket(bucket)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (!name.startsWith(prefix) || Buffer.compare(Buffer.from(name), Buffer.from(start)) < 0) continue
    if (end !== '' && Buffer.compare(Buffer.from(name), Buffer.from(end)) >= 0) continue
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    if (cut < 0) entries.set(name, object)
    else entries.set(name.slice(0, cut + delimiter.length), undefined)
  }
  const left = [...entries].filter(([name]) => after === undefined || Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0)
  const page = left.slice(0, most)
  const items = page.flatMap(([, object]) => (object === undefined ? [] : [model.resource(object)]))
  const prefixes = page.flatMap(([name, object]) => (object === undefined ? [name] : []))
  return {
    kind: 'storage#objects',
    ...(items.length > 0 ? { items } : {}),
    ...(prefixes.length > 0 ? { prefixes } : {}),
    ...(page.length < left.length ? { nextPageToken: Buffer.from(JSON.stringify([bound, page.at(-1)?.[0]])).toString('base64') } : {})
  }
}

/** A token is good for the listing that it was given for, and no other. */
function tokenIn(token: string | null, bound: string): string | undefined {
  if (token === null) return undefined
  try {
    const [own, after] = JSON.parse(Buffer.from(token, 'base64').toString()) as [string, string]
    if (own === bound) return after
  } catch {}
  throw new GcsError(400, 'invalid', 'Invalid page token')
}

function rewrite(model: FakeModel, request: GcsFakeRequest & Route, body: Buffer, perCall: number): Record<string, unknown> {
  const { bucket, name, query, to = { bucket: '', name: '' } } = request
  const source = model.find(bucket, name, new URLSearchParams(query.has('sourceGeneration') ? { generation: query.get('sourceGeneration') ?? '' } : {}))
  checkConditions(source, query, 'write', 'Source')
  checkConditions(model.bucket(to.bucket).get(to.name), query, 'write')
  const bound = `${bucket}/${name}/${source.generation}>${to.bucket}/${to.name}`
  const token = query.get('rewriteToken')
  const [own, before] = token === null ? [bound, 0] : JSON.parse(Buffer.from(token, 'base64').toString()) as [string, number]
  if (own !== bound) throw new GcsError(400, 'invalid', 'The rewrite token is of another copy.')
  const done = Math.min(source.bytes.length, before + perCall)
  const common = { kind: 'storage#rewriteResponse', totalBytesRewritten: String(done), objectSize: String(source.bytes.length) }
  if (done < source.bytes.length) return { ...common, done: false, rewriteToken: Buffer.from(JSON.stringify([bound, done])).toString('base64') }
  const told = body.length === 0 ? {} : JSON.parse(body.toString()) as Record<string, unknown>
  // The SDK sends `token` from the second call on. What is no field of an object says nothing of the copy.
  const known = Object.fromEntries(Object.entries(told).filter(([field]) => WRITABLE.has(field)))
  const fields = Object.keys(known).length === 0 ? source.fields : known
  return { ...common, done: true, resource: model.resource(model.write(to.bucket, to.name, source.bytes, fields, query)) }
}

function jsonReply(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  const body = Buffer.from(JSON.stringify(value))
  return { status, headers: { ...headers, 'content-type': 'application/json; charset=UTF-8', 'content-length': String(body.length) }, body }
}

function errorReply({ status, reason, message, headers }: GcsError): Reply {
  if (status === 304) return { status, headers: {}, body: new Uint8Array(0) }
  return jsonReply(status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } }, headers)
}

function statusReply({ status, code, headers = {} }: Extract<Fault, { kind: 'status' }>): Reply {
  const reply = errorReply(new GcsError(status, code ?? (status === 429 ? 'rateLimitExceeded' : status >= 500 ? 'backendError' : 'other'), 'A fault that was asked for.'))
  return { ...reply, headers: { ...reply.headers, ...headers } }
}
