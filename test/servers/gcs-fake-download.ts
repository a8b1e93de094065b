/** Downloads of the GCS fake: `alt=media`. */
import { gunzipSync } from 'node:zlib'
import type { Reply } from './faults.js'
import { GcsError, base64Crc32c, base64Md5, type FakeObject } from './gcs-fake-model.js'

/** The reply to a request for the bytes of an object. */
export function mediaReply(object: FakeObject, headers: Readonly<Record<string, string | string[] | undefined>>): Reply {
  const { bytes, generation, fields, created } = object
  const encoding = fields['contentEncoding']
  const common: Record<string, string> = {
    'content-type': String(fields['contentType'] ?? 'application/octet-stream'),
    etag: Buffer.from(generation).toString('base64'),
    'last-modified': created.toUTCString(),
    'x-goog-generation': generation,
    'x-goog-metageneration': '1',
    'x-goog-storage-class': 'STANDARD',
    'x-goog-hash': `crc32c=${base64Crc32c(bytes)},md5=${base64Md5(bytes)}`,
    'x-goog-stored-content-encoding': typeof encoding === 'string' ? encoding : 'identity',
    'x-goog-stored-content-length': String(bytes.length)
  }
  if (encoding === 'gzip' && !/\bgzip\b/.test(String(headers['accept-encoding'] ?? ''))) {
    // Decompressive transcoding: of unknown length, and without ranges (https://cloud.google.com/storage/docs/transcoding).
    return { status: 200, headers: { ...common, warning: '214 UploadServer gunzipped', vary: 'Accept-Encoding' }, body: gunzipSync(bytes) }
  }
  if (typeof encoding === 'string') common['content-encoding'] = encoding
  const range = rangeOf(String(headers['range'] ?? ''), bytes.length)
  if (range === undefined) return { status: 200, headers: { ...common, 'content-length': String(bytes.length) }, body: bytes, whole: bytes }
  const [first, last] = range
  const body = bytes.subarray(first, last + 1)
  return {
    status: 206, body, whole: bytes, start: first,
    headers: { ...common, 'content-length': String(body.length), 'content-range': `bytes ${first}-${last}/${bytes.length}` }
  }
}

/** RFC 9110, 14.1.2: one range; what is no range, or several, is as if it were not there. */
function rangeOf(header: string, size: number): readonly [first: number, last: number] | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? []
  if (from === '' && to === '') return undefined
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== '' && to !== '' && Number(to) < first) return undefined
  if (first >= size) {
    throw new GcsError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable', { 'content-range': `bytes */${size}` })
  }
  return [first, last]
}
