/** Listings: objects in both versions of the API, buckets, uploads and parts. */
import { createHmac } from 'node:crypto'
import type { Reply } from './faults.js'
import { compareKeys, firstWhere, type Bucket, type Entry, type FakeUpload } from './s3-fake-state.js'
import { element, escapeXml, S3Error, xmlReply } from './s3-fake-xml.js'

type Query = (name: string) => string | undefined

interface Page {
  readonly entries: readonly Entry[]
  readonly prefixes: readonly string[]
  /** Where the next page goes on; absent when this was the last. */
  readonly next: Place | undefined
}

/** Behind this key, or behind all keys with this prefix. */
interface Place {
  readonly after: string
  readonly group: boolean
}

function page(bucket: Bucket, prefix: string, delimiter: string, from: Place | undefined, max: number): Page {
  const entries: Entry[] = []
  const prefixes: string[] = []
  const beyond = (key: string, place: Place): boolean => compareKeys(key, place.after) > 0 && !(place.group && key.startsWith(place.after))
  let index = firstWhere(bucket, 0, (key) => compareKeys(key, prefix) >= 0 && (from === undefined || beyond(key, from)))
  let last: Place | undefined
  for (; index < bucket.length; ) {
    const key = bucket.keyAt(index)
    if (!key.startsWith(prefix)) break
    const entry = bucket.entryAt(index)
    if (entry === undefined) {
      index++
      continue
    }
    if (entries.length + prefixes.length === max) return { entries, prefixes, next: max === 0 ? undefined : last }
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (at < 0) {
      entries.push(entry)
      last = { after: key, group: false }
      index++
    } else {
      const group = key.slice(0, at + delimiter.length)
      prefixes.push(group)
      last = { after: group, group: true }
      index = firstWhere(bucket, index, (one) => !one.startsWith(group) && compareKeys(one, group) > 0)
    }
  }
  return { entries, prefixes, next: undefined }
}

/** Everything as S3 encodes it under `encoding-type=url`: a blank is a plus sign, a slash stays. */
function urlEncode(text: string): string {
  if (/^[\w./*~-]*$/.test(text)) return text
  return encodeURIComponent(text).replace(/%20/g, '+').replace(/%2F/g, '/').replace(/[!'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function maxOf(text: string | undefined): number {
  if (text === undefined) return 1000
  if (!/^\d+$/.test(text)) throw new S3Error(400, 'InvalidArgument', 'Provided max-keys not an integer or within integer range', { ArgumentName: 'max-keys', ArgumentValue: text })
  return Math.min(Number(text), 1000)
}

function encoder(query: Query): { write: (text: string) => string; type: string | undefined } {
  const type = query('encoding-type')
  if (type !== undefined && type !== 'url') throw new S3Error(400, 'InvalidArgument', 'Invalid Encoding Method specified in Request', { ArgumentName: 'encoding-type', ArgumentValue: type })
  return { write: type === 'url' ? urlEncode : (text) => text, type }
}

function contents(found: Page, write: (text: string) => string): string {
  // Listings of millions of keys spend their time here.
  let written = NaN
  let date = ''
  const objects = found.entries.map(({ key, size, etag, modified, checksum }) => {
    if (modified !== written) date = new Date(written = modified).toISOString()
    const kind = checksum === undefined ? '' : `${element('ChecksumAlgorithm', checksum.algorithm)}${element('ChecksumType', checksum.type)}`
    return `<Contents><Key>${escapeXml(write(key))}</Key><LastModified>${date}</LastModified><ETag>${escapeXml(etag)}</ETag>${kind}<Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  })
  return objects.join('') + found.prefixes.map((prefix) => `<CommonPrefixes>${element('Prefix', write(prefix))}</CommonPrefixes>`).join('')
}

/** A token works for the listing that it came from, and for no other. */
export function listObjectsV2(bucket: Bucket, query: Query, secret: string): Reply {
  const { write, type } = encoder(query)
  const prefix = query('prefix') ?? ''
  const delimiter = query('delimiter') ?? ''
  const max = maxOf(query('max-keys'))
  const token = query('continuation-token')
  const startAfter = query('start-after')
  const seal = (place: string): string => createHmac('sha256', secret).update(JSON.stringify([bucket.name, prefix, delimiter, place])).digest('base64')
  let from: Place | undefined = startAfter === undefined ? undefined : { after: startAfter, group: false }
  if (token !== undefined) {
    const [place = '', mark] = Buffer.from(token, 'base64').toString().split('\n')
    if (mark !== seal(place)) throw new S3Error(400, 'InvalidArgument', 'The continuation token provided is incorrect', { ArgumentName: 'continuation-token' })
    from = JSON.parse(place) as Place
  }
  const found = page(bucket, prefix, delimiter, from, max)
  const next = found.next && JSON.stringify(found.next)
  return xmlReply('ListBucketResult', [
    element('Name', bucket.name), element('Prefix', write(prefix)), element('StartAfter', startAfter && write(startAfter)),
    element('ContinuationToken', token), element('NextContinuationToken', next && Buffer.from(`${next}\n${seal(next)}`).toString('base64')),
    element('KeyCount', found.entries.length + found.prefixes.length), element('MaxKeys', max), delimiter === '' ? '' : element('Delimiter', write(delimiter)),
    element('EncodingType', type), element('IsTruncated', found.next !== undefined), contents(found, write)
  ].join(''))
}

export function listObjectsV1(bucket: Bucket, query: Query): Reply {
  const { write, type } = encoder(query)
  const prefix = query('prefix') ?? ''
  const delimiter = query('delimiter') ?? ''
  const max = maxOf(query('max-keys'))
  const marker = query('marker') ?? ''
  const from = marker === '' ? undefined : { after: marker, group: delimiter !== '' && marker.endsWith(delimiter) && marker.startsWith(prefix) && marker !== prefix }
  const found = page(bucket, prefix, delimiter, from, max)
  return xmlReply('ListBucketResult', [
    element('Name', bucket.name), element('Prefix', write(prefix)), element('Marker', write(marker)),
    delimiter === '' ? '' : element('NextMarker', found.next && write(found.next.after)),
    element('MaxKeys', max), delimiter === '' ? '' : element('Delimiter', write(delimiter)), element('EncodingType', type),
    element('IsTruncated', found.next !== undefined), contents(found, write)
  ].join(''))
}

export function listBuckets(buckets: readonly Bucket[], query: Query): Reply {
  const prefix = query('prefix') ?? ''
  const max = query('max-buckets') === undefined ? 10_000 : Number(query('max-buckets'))
  const token = query('continuation-token')
  const after = token === undefined ? '' : Buffer.from(token, 'base64').toString()
  const all = buckets.filter(({ name }) => name.startsWith(prefix) && name > after).sort((a, b) => compareKeys(a.name, b.name))
  const some = all.slice(0, max)
  const inside = some.map((one) => `<Bucket>${element('Name', one.name)}${element('CreationDate', new Date(one.created).toISOString())}${element('BucketRegion', one.region)}</Bucket>`)
  const next = all.length > some.length ? Buffer.from(some.at(-1)?.name ?? '').toString('base64') : undefined
  return xmlReply('ListAllMyBucketsResult', `<Owner><ID>owner</ID></Owner><Buckets>${inside.join('')}</Buckets>${element('ContinuationToken', next)}${element('Prefix', query('prefix'))}`)
}

export function listUploads(bucket: Bucket, query: Query): Reply {
  const prefix = query('prefix') ?? ''
  const uploads = [...bucket.uploads.values()].filter(({ key }) => key.startsWith(prefix)).sort((a, b) => compareKeys(a.key, b.key) || a.started - b.started)
  const inside = uploads.map((one) => `<Upload>${element('Key', one.key)}${element('UploadId', one.id)}${element('Initiated', new Date(one.started).toISOString())}</Upload>`)
  return xmlReply('ListMultipartUploadsResult', `${element('Bucket', bucket.name)}${element('MaxUploads', 1000)}${element('IsTruncated', false)}${inside.join('')}`)
}

export function listParts(bucket: Bucket, upload: FakeUpload): Reply {
  const inside = [...upload.parts].sort(([a], [b]) => a - b).map(([number, part]) => {
    const sum = part.checksum === undefined ? '' : element(`Checksum${part.checksum.algorithm}`, part.checksum.value)
    return `<Part>${element('PartNumber', number)}${element('ETag', part.etag)}${element('Size', part.bytes.length)}${sum}</Part>`
  })
  return xmlReply('ListPartsResult', `${element('Bucket', bucket.name)}${element('Key', upload.key)}${element('UploadId', upload.id)}${element('IsTruncated', false)}${inside.join('')}`)
}
