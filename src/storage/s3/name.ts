import { checkCharacters, invalidUri, schemeOf } from '../uri.js'
import type { RemoteName } from '../remote/service.js'

/** S3's limit, in bytes of UTF-8. */
const LONGEST_KEY = 1024
/** Access points are named by what Amazon calls an ARN, which has a slash in it. */
const ARN = /^(arn:[^/\s]+:(?:accesspoint|outpost\/[^/\s]+\/accesspoint)\/[^/\s]+)(?:\/|$)/
/** What servers with the S3 API take for names of buckets; Amazon itself takes less. */
const BUCKET = /^[^\s/@?#%\\]{1,255}$/

/**
 * Takes `s3://bucket/key` apart. The key is what stands behind the first slash, as it is: nothing is decoded and nothing normalised, so that
 * `%20`, `..`, `//`, `?` and `#` are characters like any other. In the place of the bucket may stand the ARN of an access point.
 *
 * @throws MillraceError `InvalidUri`
 */
export function locateS3(uri: string, operation: string, what: 'object' | 'prefix'): RemoteName {
  checkCharacters(uri, operation)
  if (schemeOf(uri) !== 's3') throw invalidUri(uri, operation, 'the S3 store serves s3://bucket/key only')
  const rest = uri.slice('s3://'.length)
  const slash = rest.indexOf('/')
  const container = ARN.exec(rest)?.[1] ?? (slash < 0 ? rest : rest.slice(0, slash))
  const key = rest.slice(container.length + 1)
  if (container === '') throw invalidUri(uri, operation, 'write the bucket behind s3://')
  if (!BUCKET.test(container) && !ARN.test(container)) throw invalidUri(uri, operation, 'what stands behind s3:// is no name of a bucket; credentials go into the options of the store')
  if (key === '' && what === 'object') throw invalidUri(uri, operation, 'write a key behind the bucket')
  if (utf8Length(key) > LONGEST_KEY) throw invalidUri(uri, operation, `the key has ${utf8Length(key)} bytes, and S3 takes ${LONGEST_KEY}`)
  return { uri: uriOf(container, key), container, key }
}

export function uriOf(container: string, key: string): string {
  return `s3://${container}/${key}`
}

/** A key in the path of a request: every byte encoded but `A-Z a-z 0-9 - . _ ~ /`, as signatures want it. */
export function encodeKey(key: string): string {
  if (/^[\w.~/-]*$/.test(key)) return key
  return encodeURIComponent(key).replace(/%2F/g, '/').replace(/[!'()*]/g, percent)
}

/** The same for a name or value in a query, where the slash is encoded too. */
export function encodeQuery(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, percent)
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

function utf8Length(text: string): number {
  return text.length * 3 <= LONGEST_KEY ? text.length : new TextEncoder().encode(text).byteLength
}
