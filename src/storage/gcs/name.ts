import type { RemoteName } from '../remote/service.js'
import { checkCharacters, invalidUri, schemeOf } from '../uri.js'

/** What GCS allows at most, in bytes of UTF-8. */
const LONGEST_NAME = 1024

/**
 * Takes `gs://bucket/object` apart. The name of the object is exactly what is written behind the bucket: nothing is decoded, `?` and `#`
 * are characters like others, and so are slashes in a row.
 * @throws MillraceError `InvalidUri` for what GCS does not allow, and for `.` and `..`, which cannot be written in a URL of its API
 */
export function locateGcs(uri: string, operation: string, what: 'object' | 'prefix'): RemoteName {
  checkCharacters(uri, operation)
  if (schemeOf(uri) !== 'gs') throw invalidUri(uri, operation, 'this store serves gs:// only')
  const path = uri.slice('gs://'.length)
  const slash = path.indexOf('/')
  const container = slash < 0 ? path : path.slice(0, slash)
  const key = slash < 0 ? '' : path.slice(slash + 1)
  const fault = bucketFault(container) ?? (what === 'object' ? nameFault(key) : prefixFault(key))
  if (fault !== undefined) throw invalidUri(uri, operation, fault)
  return { uri: `gs://${container}/${key}`, container, key }
}

/** https://cloud.google.com/storage/docs/buckets#naming, without the rules about the parts between dots. */
function bucketFault(bucket: string): string | undefined {
  if (bucket === '') return 'write gs://bucket/object'
  if (/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket)) return undefined
  return `${JSON.stringify(bucket)} is no name of a bucket: 3 to 222 of a-z, 0-9, "-", "_" and ".", a letter or digit at both ends`
}

/** https://cloud.google.com/storage/docs/objects#naming */
function nameFault(key: string): string | undefined {
  if (key === '') return 'name an object behind the bucket'
  if (key === '.' || key === '..') return 'the name of an object cannot be "." or ".."'
  if (key.startsWith('.well-known/acme-challenge/')) return 'names cannot begin with .well-known/acme-challenge/'
  return prefixFault(key)
}

function prefixFault(key: string): string | undefined {
  if (/[\r\n]/.test(key)) return 'names cannot contain line breaks'
  const length = new TextEncoder().encode(key).length
  return length > LONGEST_NAME ? `the name has ${length} bytes, and ${LONGEST_NAME} are allowed` : undefined
}
