/** Objects: reading with ranges and conditions, writing, copying, deleting. */
import type { Reply } from './faults.js'
import { decodePart } from './s3-fake-auth.js'
import type { RequestBody } from './s3-fake-body.js'
import { ALGORITHMS, checksum, checksumHeader, isAlgorithm, type Algorithm } from './s3-fake-checksums.js'
import { plainObject, type Bucket, type FakeObject } from './s3-fake-state.js'
import { element, S3Error, textOf, textsOf, xmlReply } from './s3-fake-xml.js'

/** A header by its name in lower case. */
export type Header = (name: string) => string | undefined

/** Headers that S3 keeps with an object and sends back. */
const KEPT = ['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires']

export function keptHeaders(names: readonly string[], header: Header): Record<string, string> {
  const kept: Record<string, string> = {}
  let size = 0
  for (const name of names) {
    const value = header(name)
    if (value === undefined) continue
    if (KEPT.includes(name)) kept[name] = value
    if (name.startsWith('x-amz-meta-')) {
      kept[name] = value
      size += name.length - 11 + value.length
    }
  }
  if (size > 2048) throw new S3Error(400, 'MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size.')
  // What is framed for the way only is not kept.
  const encoding = header('content-encoding')?.split(',').map((one) => one.trim()).filter((one) => one !== 'aws-chunked').join(',')
  if (encoding !== undefined && encoding !== '') kept['content-encoding'] = encoding
  return { 'content-type': 'binary/octet-stream', ...kept }
}

/** Conditions of reads, in the order of RFC 9110 section 13.2.2. */
export function checkRead(object: FakeObject, header: Header, prefix = ''): void {
  const seconds = Math.floor(object.modified / 1000) * 1000
  const failed = (condition: string): never => {
    throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', { Condition: condition })
  }
  const ifMatch = header(`${prefix}if-match`)
  const unmodified = header(`${prefix}if-unmodified-since`)
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object.etag, true)) failed('If-Match')
  } else if (unmodified !== undefined && seconds > Date.parse(unmodified)) failed('If-Unmodified-Since')
  const ifNoneMatch = header(`${prefix}if-none-match`)
  const modified = header(`${prefix}if-modified-since`)
  const same = ifNoneMatch !== undefined ? matches(ifNoneMatch, object.etag, false) : modified !== undefined && seconds <= Date.parse(modified)
  if (!same) return
  if (prefix !== '') failed(ifNoneMatch === undefined ? 'If-Modified-Since' : 'If-None-Match')
  throw new S3Error(304, 'NotModified', '', {}, { etag: object.etag, 'last-modified': new Date(object.modified).toUTCString() })
}

function matches(condition: string, etag: string, strong: boolean): boolean {
  if (condition.trim() === '*') return true
  const bare = (text: string): string => text.trim().replace(/^W\//, '').replace(/^"|"$/g, '')
  return condition.split(',').some((one) => !(strong && one.trim().startsWith('W/')) && bare(one) === bare(etag))
}

/** Conditions of writes: only where nothing is, or only over one version. */
export function checkWrite(existing: FakeObject | undefined, header: Header): void {
  const none = header('if-none-match')
  if (none !== undefined && none !== '*') throw new S3Error(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented', { Header: 'If-None-Match' })
  if (none === '*' && existing !== undefined) throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', { Condition: 'If-None-Match' })
  const match = header('if-match')
  if (match === undefined) return
  if (existing === undefined) throw noSuchKey('')
  if (!matches(match, existing.etag, true)) throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', { Condition: 'If-Match' })
}

export function noSuchKey(key: string): S3Error {
  return new S3Error(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key })
}

export function headersOf(object: FakeObject): Record<string, string> {
  return { ...object.headers, etag: object.etag, 'last-modified': new Date(object.modified).toUTCString(), 'accept-ranges': 'bytes' }
}

export function getObject(object: FakeObject, header: Header, query: (name: string) => string | undefined, contentRangeOn416: boolean): Reply {
  checkRead(object, header)
  const headers = headersOf(object)
  for (const name of [...KEPT, 'content-encoding']) {
    const value = query(`response-${name}`)
    if (value !== undefined) headers[name] = value
  }
  const size = object.bytes.length
  const wholeParts = object.parts ?? [size]
  const partNumber = query('partNumber')
  const asked = header('range')
  let range: readonly [number, number] | undefined
  if (partNumber !== undefined) {
    if (asked !== undefined) throw new S3Error(400, 'InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
    const number = Number(partNumber)
    const length = wholeParts[number - 1]
    if (length === undefined) throw new S3Error(416, 'InvalidPartNumber', 'The requested partnumber is not satisfiable', { PartNumberRequested: partNumber, ActualPartCount: String(wholeParts.length) })
    const start = wholeParts.slice(0, number - 1).reduce((sum, one) => sum + one, 0)
    range = [start, start + length]
    if (object.parts !== undefined) headers['x-amz-mp-parts-count'] = String(wholeParts.length)
  } else {
    range = parseRange(asked, size, contentRangeOn416)
  }
  if (range === undefined && header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    // S3 makes a CRC64NVME for objects that came without any checksum.
    const sum = object.checksum ?? { algorithm: 'CRC64NVME' as const, value: checksum('CRC64NVME', object.bytes), type: 'FULL_OBJECT' as const }
    headers[checksumHeader(sum.algorithm)] = sum.value
    headers['x-amz-checksum-type'] = sum.type
  }
  if (range === undefined || size === 0) return { status: 200, headers: { ...headers, 'content-length': String(size) }, body: object.bytes, whole: object.bytes }
  const [start, end] = range
  headers['content-range'] = `bytes ${start}-${end - 1}/${size}`
  headers['content-length'] = String(end - start)
  return { status: 206, headers, body: object.bytes.subarray(start, end), whole: object.bytes, start }
}

/** One range of bytes. What is not understood, and more than one range, is as if nothing had been asked. */
export function parseRange(text: string | undefined, size: number, contentRangeOn416 = true): readonly [start: number, end: number] | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(text?.trim() ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable', { RangeRequested: text ?? '', ActualObjectSize: String(size) },
      contentRangeOn416 ? { 'content-range': `bytes */${size}` } : {})
  }
  return [start, end]
}

export function putObject(bucket: Bucket, key: string, body: RequestBody, names: readonly string[], header: Header, now: number): Reply {
  checkWrite(bucket.get(key), header)
  const [algorithm, value] = Object.entries(body.checksums)[0] ?? []
  const sum = algorithm !== undefined && value !== undefined ? { algorithm: algorithm as Algorithm, value, type: 'FULL_OBJECT' as const } : undefined
  const object = plainObject(key, body.bytes, keptHeaders(names, header), now, sum)
  bucket.put(object)
  return written(object)
}

/** What a write is answered with. */
function written(object: FakeObject): Reply {
  const headers: Record<string, string> = { etag: object.etag, 'content-length': '0' }
  if (object.checksum !== undefined) {
    headers[checksumHeader(object.checksum.algorithm)] = object.checksum.value
    headers['x-amz-checksum-type'] = object.checksum.type
  }
  return { status: 200, headers, body: new Uint8Array() }
}

/** The object that `x-amz-copy-source` names. */
export function copySource(header: Header, bucketOf: (name: string) => Bucket): FakeObject {
  const source = (header('x-amz-copy-source') ?? '').replace(/^\//, '')
  const [path = '', version] = source.split('?versionId=')
  if (version !== undefined && version !== 'null') throw new S3Error(400, 'InvalidArgument', 'Invalid version id specified')
  const decoded = decodePart(path)
  const at = decoded.indexOf('/')
  if (at <= 0) throw new S3Error(400, 'InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', { ArgumentName: 'x-amz-copy-source' })
  const object = bucketOf(decoded.slice(0, at)).get(decoded.slice(at + 1))
  if (object === undefined) throw noSuchKey(decoded.slice(at + 1))
  checkRead(object, header, 'x-amz-copy-source-')
  return object
}

export function copyObject(bucket: Bucket, key: string, source: FakeObject, names: readonly string[], header: Header, now: number): Reply {
  const directive = header('x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') throw new S3Error(400, 'InvalidArgument', 'Unknown metadata directive.', { ArgumentName: 'x-amz-metadata-directive' })
  if (bucket.get(key) === source && directive === 'COPY') {
    throw new S3Error(400, 'InvalidRequest', "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.")
  }
  if (source.bytes.length > 5 * 2 ** 30) throw new S3Error(400, 'InvalidRequest', 'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120')
  checkWrite(bucket.get(key), header)
  const wanted = header('x-amz-checksum-algorithm')?.toUpperCase() ?? source.checksum?.algorithm
  const sum = wanted !== undefined && isAlgorithm(wanted) ? { algorithm: wanted, value: checksum(wanted, source.bytes), type: 'FULL_OBJECT' as const } : undefined
  // The copy came in one piece, whatever the source did.
  const object = plainObject(key, source.bytes, directive === 'COPY' ? source.headers : keptHeaders(names, header), now, sum)
  bucket.put(object)
  const more = sum === undefined ? '' : element(`Checksum${sum.algorithm}`, sum.value)
  return xmlReply('CopyObjectResult', `${element('LastModified', new Date(now).toISOString())}${element('ETag', object.etag)}${more}`)
}

/** Why an object cannot be deleted. */
export interface DeleteRefusal {
  readonly code: string
  readonly message: string
}

export function deleteObjects(bucket: Bucket, body: RequestBody, refuse: (key: string) => DeleteRefusal | undefined): Reply {
  if (!body.proved) throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
  const xml = body.bytes.toString()
  const keys = textsOf(xml, 'Object').map((one) => textOf(one, 'Key'))
  if (!/<Delete[\s>]/.test(xml) || keys.length === 0 || keys.length > 1000 || keys.includes(undefined) || keys.includes('')) {
    throw new S3Error(400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema')
  }
  const quiet = textOf(xml, 'Quiet') === 'true'
  let inside = ''
  for (const key of keys) {
    if (key === undefined) continue
    const refusal = refuse(key)
    if (refusal === undefined) {
      bucket.delete(key)
      if (!quiet) inside += `<Deleted>${element('Key', key)}</Deleted>`
    } else {
      inside += `<Error>${element('Key', key)}${element('Code', refusal.code)}${element('Message', refusal.message)}</Error>`
    }
  }
  return xmlReply('DeleteResult', inside)
}

/** The checksum that a request asks to be made. */
export function algorithmOf(header: Header): Algorithm | undefined {
  const name = (header('x-amz-checksum-algorithm') ?? '').toUpperCase()
  if (name !== '' && !isAlgorithm(name)) throw new S3Error(400, 'InvalidRequest', `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${ALGORITHMS.join(', ')}]`)
  return isAlgorithm(name) ? name : undefined
}
