import { MillraceError } from '../../errors.js'
import { crc32cNext } from '../../kernels/crc32c.js'
import type { ObjectMeta, WriteOptions } from '../../store.js'
import { checkBytes } from '../checks.js'
import { base64OfWord } from '../remote/checksums.js'
import type { Upload, UploadService } from '../remote/multipart-writer.js'
import type { RemoteName } from '../remote/service.js'
import type { ApiPlace, ApiReply, GcsApi } from './api.js'
import { conditionOf, describe, jsonBody, metaOf, objectIn } from './resource.js'

/** Parts of a resumable upload are a multiple of this, but for the last. */
export const PART_UNIT = 256 << 10

/** Larger objects are written in parts: a connection that breaks costs a part, and not all. */
const ONE_REQUEST = 32 << 20
/** Bytes of the parts of those. They are not copied, so this is no memory. */
const LARGE_PART = 32 << 20

/** How objects are written. Every upload carries its CRC-32C, which GCS compares before the object is seen by anyone. */
export interface GcsUploads {
  put(name: RemoteName, bytes: Uint8Array, options: WriteOptions): Promise<ObjectMeta>
  /** For a writer. */
  service(name: RemoteName, options: WriteOptions): UploadService<void>
}

export function gcsUploads(api: GcsApi, partSize: number): GcsUploads {
  async function put(name: RemoteName, bytes: Uint8Array, options: WriteOptions): Promise<ObjectMeta> {
    const { signal } = options
    checkBytes('put', bytes)
    if (bytes.byteLength <= ONE_REQUEST) return putWhole(name, bytes, options, 'put', signal)
    const upload = await beginUpload(api, name, options, signal)
    try {
      for (let at = 0, number = 1; at < bytes.byteLength; at += LARGE_PART, number++) {
        await upload.part(number, bytes.subarray(at, at + LARGE_PART), signal ?? NEVER)
      }
      return await upload.complete([], signal ?? NEVER)
    } catch (error) {
      await upload.abort().catch(() => undefined) // the first error is the one to report
      throw error
    }
  }

  /** One request with what there is to say of the object, and its bytes (uploadType=multipart). */
  async function putWhole(name: RemoteName, bytes: Uint8Array, options: WriteOptions, operation: string, signal: AbortSignal | undefined): Promise<ObjectMeta> {
    const place = { uri: name.uri, operation }
    const condition = conditionOf(place, options)
    const description = describe(place, options)
    const boundary = `millrace-${crypto.randomUUID()}`
    const crc32c = base64OfWord(crc32cNext(0, bytes))
    const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify({ name: name.key, ...description, crc32c })}\r\n`
      + `--${boundary}\r\ncontent-type: ${description.contentType}\r\n\r\n`
    const { json } = await api.call(place, {
      method: 'POST',
      path: uploadPath(name),
      query: { uploadType: 'multipart', ...condition },
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [utf8(head), bytes, utf8(`\r\n--${boundary}--\r\n`)],
      // The same bytes again are the same object. With a condition, the second would find the first and fail.
      repeatable: condition.ifGenerationMatch === undefined
    }, signal)
    return metaOf(name.uri, objectIn(place, json))
  }

  return {
    put,
    service: (name, options) => {
      conditionOf({ uri: name.uri, operation: 'createWriter' }, options)
      describe({ operation: 'createWriter' }, options)
      return {
        partSize,
        concurrency: 1, // parts come one behind the other
        maxParts: Number.MAX_SAFE_INTEGER,
        put: (bytes, signal) => putWhole(name, bytes, options, 'finalize', signal),
        begin: signal => beginUpload(api, name, options, signal)
      }
    }
  }
}

const NEVER = new AbortController().signal

/**
 * A resumable upload (https://cloud.google.com/storage/docs/performing-resumable-uploads). After anything unclear the service is asked how
 * much it has, and gets the rest. Nothing is to be seen of it before the last part; the service forgets it when it is told to.
 */
async function beginUpload(api: GcsApi, name: RemoteName, options: WriteOptions, signal: AbortSignal | undefined): Promise<Upload<void>> {
  const place = { uri: name.uri, operation: 'write' }
  const description = describe(place, options)
  const { headers, body } = jsonBody(description)
  const begun = await api.call(place, {
    method: 'POST',
    path: uploadPath(name),
    query: { uploadType: 'resumable', name: name.key, ...conditionOf(place, options) },
    headers: { ...headers, 'x-upload-content-type': description.contentType },
    body,
    repeatable: true // an upload that nobody goes on with is forgotten
  }, signal)
  const url = begun.header('location')
  if (url === undefined || !/^https?:\/\//i.test(url)) throw new MillraceError('Unavailable', `write ${name.uri}: the service began no upload`, place)

  let sent = 0
  let crc = 0
  /** The end of a part that is no whole number of units: it goes with what follows, or is the end. */
  let rest = new Uint8Array(0)

  /** Sends bytes that begin at `sent`, until the service has them. The reply to the last of them is the object. */
  async function send(bytes: Uint8Array, total: number | undefined, at: ApiPlace, stop: AbortSignal): Promise<ApiReply | undefined> {
    const from = sent
    const end = from + bytes.byteLength
    for (let idle = 0; ;) {
      const reply = await sendOnce(bytes.subarray(sent - from), total, at, stop)
      if (reply.status !== 308) {
        if (total === undefined) throw lostUpload(at, 'it says that the object is complete before its end was sent')
        return reply
      }
      const has = persisted(reply)
      if (has < from || has > end) throw lostUpload(at, `it has ${has} bytes where ${sent} were sent and taken`)
      idle = has > sent ? 0 : idle + 1
      sent = has
      if (sent === end && total === undefined) return undefined
      if (idle > IDLE_REPLIES) throw lostUpload(at, `it has taken ${has} bytes, and takes no more`)
    }
  }

  async function sendOnce(bytes: Uint8Array, total: number | undefined, at: ApiPlace, stop: AbortSignal): Promise<ApiReply> {
    const last = sent + bytes.byteLength - 1
    const range = bytes.byteLength === 0 ? '*' : `${sent}-${last}`
    try {
      return await api.call(at, {
        method: 'PUT',
        path: url as string,
        headers: {
          'content-type': 'application/octet-stream',
          'content-range': `bytes ${range}/${total ?? '*'}`,
          ...(total === undefined ? {} : { 'x-goog-hash': `crc32c=${base64OfWord(crc)}` })
        },
        body: [bytes],
        accept: [308],
        repeatable: false // first it has to be asked what became of it
      }, stop)
    } catch (error) {
      if ((error as Partial<MillraceError>).retryable !== true) throw error
      return api.call(at, { method: 'PUT', path: url as string, headers: { 'content-range': `bytes */${total ?? '*'}` }, accept: [308], repeatable: true }, stop)
    }
  }

  return {
    async part(_number, bytes, stop) {
      crc = crc32cNext(crc, bytes)
      const whole = bytes.byteLength - bytes.byteLength % PART_UNIT
      if (rest.byteLength > 0) throw new MillraceError('Internal', `write ${name.uri}: a part behind the last one`, place)
      if (whole > 0) await send(bytes.subarray(0, whole), undefined, place, stop)
      rest = bytes.slice(whole)
    },

    async complete(_parts, stop) {
      const at = { uri: name.uri, operation: 'finalize' }
      const total = sent + rest.byteLength
      const object = objectIn(at, (await send(rest, total, at, stop))?.json)
      const told = object.fields['crc32c']
      if (object.size !== total || (typeof told === 'string' && told !== base64OfWord(crc))) {
        throw new MillraceError('Corrupt', `finalize ${name.uri}: the object that was written is not what was sent: ${object.size} of ${total} bytes; write it again`, at)
      }
      return metaOf(name.uri, object)
    },

    async abort() {
      // 499 is the answer to this; 404 and 410 say that there is no such upload, 2xx that it has come too late.
      await api.call({ uri: name.uri, operation: 'abort' }, { method: 'DELETE', path: url, accept: [499, 404, 410], repeatable: true }, undefined)
    }
  }
}

/** Replies in a row after which the service has not one byte more than before. */
const IDLE_REPLIES = 5

/** Bytes that the service has for good: `Range: bytes=0-524287`, or none. */
function persisted(reply: ApiReply): number {
  const last = /^bytes=0-(\d+)$/.exec(reply.header('range') ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}

function lostUpload({ uri, operation }: ApiPlace, why: string): MillraceError {
  return new MillraceError('Unavailable', `${operation} ${uri}: the service has lost the thread of the upload: ${why}; write the object again`, { uri, operation })
}

function uploadPath({ container }: RemoteName): string {
  return `/upload/storage/v1/b/${container}/o`
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
