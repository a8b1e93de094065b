/** Uploads of the GCS fake: simple, multipart and resumable (https://cloud.google.com/storage/docs/uploads-downloads). */
import { randomBytes } from 'node:crypto'
import { GcsError, checkConditions, checkHashes, type FakeModel, type FakeObject } from './gcs-fake-model.js'

export interface UploadRequest {
  readonly method: string
  readonly bucket: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** `http://host:port/upload/storage/v1/b/<bucket>/o` */
  readonly url: string
}

export interface UploadReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly object?: FakeObject
}

export interface Uploads {
  /** Resumable uploads that were begun, and neither finished nor cancelled. */
  open(): number
  /** Those that were cancelled. */
  cancelled(): number
  /** Bytes that open uploads hold. */
  held(): number
  handle(request: UploadRequest): UploadReply
}

interface Session {
  readonly bucket: string
  readonly name: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly query: URLSearchParams
  readonly announced: number | undefined
  bytes: Buffer
  object?: FakeObject
}

const UNIT = 256 << 10

/** `persists`: how many of the bytes of a chunk are kept; the rest has to be sent again. */
export function fakeUploads(model: FakeModel, persists: (bytes: number) => number): Uploads {
  const sessions = new Map<string, Session>()
  let cancelled = 0
  const running = (): Session[] => [...sessions.values()].filter(session => session.object === undefined)

  function simple({ bucket, query, headers, body }: UploadRequest): UploadReply {
    return { status: 200, object: model.write(bucket, query.get('name') ?? '', body, { contentType: headers['content-type'] ?? 'application/octet-stream' }, query) }
  }

  function multipart({ bucket, query, headers, body }: UploadRequest): UploadReply {
    const { fields, bytes, type } = parseMultipart(String(headers['content-type'] ?? ''), body)
    const name = query.get('name') ?? fields['name']
    if (typeof name !== 'string') throw new GcsError(400, 'required', 'Required: name')
    return { status: 200, object: model.write(bucket, name, bytes, { contentType: type, ...fields }, query) }
  }

  function begin({ bucket, query, headers, body, url }: UploadRequest): UploadReply {
    model.bucket(bucket)
    const fields = body.length === 0 ? {} : parseJson(body.toString())
    const name = query.get('name') ?? fields['name']
    if (typeof name !== 'string') throw new GcsError(400, 'required', 'Required: name')
    checkConditions(model.bucket(bucket).get(name), query, 'write')
    const announced = headers['x-upload-content-length']
    const id = randomBytes(32).toString('base64url')
    sessions.set(id, {
      bucket, name, query, bytes: Buffer.alloc(0), announced: announced === undefined ? undefined : Number(announced),
      fields: { contentType: headers['x-upload-content-type'] ?? 'application/octet-stream', ...fields }
    })
    return { status: 200, headers: { location: `${url}?uploadType=resumable&upload_id=${id}`, 'x-guploader-uploadid': id } }
  }

  function proceed(session: Session, { headers, body }: UploadRequest): UploadReply {
    if (session.object !== undefined) return { status: 200, object: session.object }
    const range = String(headers['content-range'] ?? `bytes 0-${body.length - 1}/${body.length}`)
    const [, first, last, size] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(range) ?? []
    if (size === undefined) throw new GcsError(400, 'badRequest', `Failed to parse Content-Range header: ${range}`)
    const total = size === '*' ? undefined : Number(size)
    if (total !== undefined && session.announced !== undefined && total !== session.announced) throw new GcsError(400, 'invalid', 'The total is not the one that was announced.')
    if (first === undefined && body.length > 0) throw new GcsError(400, 'badRequest', 'A status query has no body.')
    if (first !== undefined) take(session, Number(first), Number(last), total, body)
    if (total === undefined || session.bytes.length < total) return incomplete(session)
    if (session.bytes.length > total) throw new GcsError(400, 'invalid', `There are ${session.bytes.length} bytes, and ${total} were announced.`)
    const hashes = Object.fromEntries([...String(headers['x-goog-hash'] ?? '').matchAll(/(crc32c|md5)=([^,]+)/g)].map(([, name, value]) => [name, value]))
    checkHashes(session.bytes, hashes['crc32c'], hashes['md5'])
    session.object = model.write(session.bucket, session.name, session.bytes, session.fields, session.query)
    session.bytes = Buffer.alloc(0)
    return { status: 200, object: session.object }
  }

  /** Keeps what follows the bytes that are there. Of a chunk that is not the end, whole units only. */
  function take(session: Session, first: number, last: number, total: number | undefined, body: Buffer): void {
    if (last - first + 1 !== body.length) throw new GcsError(400, 'badRequest', `Content-Range says ${last - first + 1} bytes, and ${body.length} came.`)
    const skipped = session.bytes.length - first
    if (skipped < 0 || skipped > body.length) return
    const fresh = body.subarray(skipped)
    const isEnd = total !== undefined && last + 1 === total
    const kept = Math.min(fresh.length, persists(fresh.length))
    const count = isEnd && kept === fresh.length ? kept : kept - (session.bytes.length + kept) % UNIT
    session.bytes = Buffer.concat([session.bytes, fresh.subarray(0, Math.max(0, count))])
  }

  function incomplete({ bytes }: Session): UploadReply {
    return { status: 308, headers: bytes.length === 0 ? {} : { range: `bytes=0-${bytes.length - 1}` } }
  }

  return {
    open: () => running().length,
    cancelled: () => cancelled,
    held: () => running().reduce((sum, { bytes }) => sum + bytes.length, 0),
    handle(request) {
      const { method, query } = request
      const id = query.get('upload_id')
      if (id !== null) {
        const session = sessions.get(id)
        if (session === undefined) throw new GcsError(404, 'notFound', 'No such upload')
        if (method === 'PUT') return proceed(session, request)
        if (method !== 'DELETE') throw new GcsError(405, 'httpMethodNotAllowed', 'Method not allowed')
        if (session.object !== undefined) return { status: 200 }
        sessions.delete(id)
        cancelled++
        return { status: 499 }
      }
      if (method !== 'POST') throw new GcsError(405, 'httpMethodNotAllowed', 'Method not allowed')
      switch (query.get('uploadType')) {
        case 'media': return simple(request)
        case 'multipart': return multipart(request)
        case 'resumable': return begin(request)
        default: throw new GcsError(400, 'invalid', 'uploadType must be media, multipart or resumable')
      }
    }
  }
}

function parseMultipart(type: string, body: Buffer): { fields: Readonly<Record<string, unknown>>, bytes: Buffer, type: string } {
  const boundary = /^multipart\/related;\s*boundary="?([^";]+)"?$/i.exec(type)?.[1]
  if (boundary === undefined) throw new GcsError(400, 'badContent', 'Malformed multipart body: no boundary.')
  const opening = `--${boundary}\r\n`
  if (!body.subarray(0, opening.length).equals(Buffer.from(opening))) throw new GcsError(400, 'badContent', 'Malformed multipart body: it does not begin with its boundary.')
  const second = body.indexOf(`\r\n--${boundary}\r\n`)
  const end = body.lastIndexOf(`\r\n--${boundary}--`)
  if (second < 0 || end < second) throw new GcsError(400, 'badContent', 'Malformed multipart body: two parts are wanted.')
  const [description, content] = [partOf(body.subarray(opening.length, second)), partOf(body.subarray(second + opening.length + 2, end))]
  if (!/^application\/json\b/i.test(description.type)) throw new GcsError(400, 'badContent', 'The first part has to be JSON.')
  return { fields: parseJson(description.bytes.toString()), bytes: content.bytes, type: content.type }
}

function partOf(part: Buffer): { readonly type: string, readonly bytes: Buffer } {
  const blank = part.indexOf('\r\n\r\n')
  if (blank < 0) throw new GcsError(400, 'badContent', 'Malformed multipart body: a part without an empty line.')
  return { type: /^content-type:\s*(.*)$/im.exec(part.subarray(0, blank).toString())?.[1]?.trim() ?? '', bytes: part.subarray(blank + 4) }
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new GcsError(400, 'parseError', 'Parse Error')
  }
}
