/** Reading objects of S3: how a request for bytes is written and signed, and what its reply means. */
import { MillraceError } from '../../errors.js'
import type { HttpRequest } from '../remote/http.js'
import type { RangeAsk, ReadService, RemoteName } from '../remote/service.js'
import { attempt, type BucketEndpoint, type Connection } from './connection.js'
import type { S3Credentials } from './credentials.js'
import { faultOfReply, type S3Fault } from './faults.js'
import { encodeKey } from './name.js'
import { canSign, createSigner, type Signer } from './sigv4.js'

export interface S3ReadOptions {
  readonly signing: 'auto' | 'own' | 'sdk'
  readonly requesterPays: boolean
}

/** A bucket whose endpoint is known. */
interface Bucket {
  readonly endpoint: BucketEndpoint
  /** Whether requests are signed here, or by the SDK. */
  readonly own: boolean
  /** Signers for these credentials: of requests that ask for checksums, and of those that do not. */
  signers: { readonly credentials: S3Credentials; readonly plain: Signer; readonly checksums: Signer } | undefined
}

/** Checksums of whole objects that replies tell, and what they are called here. */
const CHECKSUMS: readonly (readonly [header: string, algorithm: string])[] =
  ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'].map(algorithm => [`x-amz-checksum-${algorithm}`, algorithm])

export function s3ReadService(connection: Connection, { signing, requesterPays }: S3ReadOptions): ReadService {
  const buckets = new Map<string, Bucket>()
  const finding = new Map<string, Promise<Bucket>>()
  const payer: Record<string, string> = requesterPays ? { 'x-amz-request-payer': 'requester' } : {}
  const asksChecksums = { 'x-amz-checksum-mode': 'ENABLED' }

  /** Asked for once, however many wait; a failure is not kept. */
  function find({ container, uri }: RemoteName): Promise<Bucket> {
    let found = finding.get(container)
    if (found === undefined) {
      found = attempt('open', uri, undefined, async () => {
        const endpoint = await connection.endpoint(container)
        const plain = endpoint.scheme === 'sigv4' && canSign()
        if (signing === 'own' && !plain) {
          throw new MillraceError('Unsupported', `open ${uri}: its endpoint wants signatures of the kind ${endpoint.scheme}; make the store with { signing: 'auto' }`, { uri, operation: 'open' })
        }
        const bucket: Bucket = { endpoint, own: plain && signing !== 'sdk', signers: undefined }
        buckets.set(container, bucket)
        return bucket
      }).finally(() => finding.delete(container))
      finding.set(container, found)
    }
    return found
  }

  function signersOf(bucket: Bucket, credentials: S3Credentials): NonNullable<Bucket['signers']> {
    if (bucket.signers?.credentials === credentials) return bucket.signers
    const { host, region, service } = bucket.endpoint
    const scope = { credentials, region, service, host }
    return bucket.signers = {
      credentials,
      plain: createSigner({ ...scope, headers: payer }),
      checksums: createSigner({ ...scope, headers: { ...payer, ...asksChecksums } })
    }
  }

  function write(bucket: Bucket, credentials: S3Credentials | undefined, name: RemoteName, range: RangeAsk | undefined, version: string | undefined): HttpRequest {
    const { origin, host, base } = bucket.endpoint
    const path = `${base}/${encodeKey(name.key)}`
    let headers: Record<string, string>
    if (credentials === undefined) {
      headers = range === undefined ? { host, ...payer, ...asksChecksums } : { host, ...payer }
    } else {
      // The checksum of a range would be that of a part of the upload, if anything.
      const { plain, checksums } = signersOf(bucket, credentials)
      headers = (range === undefined ? checksums : plain).sign('GET', path, '', connection.now())
    }
    if (range !== undefined) headers['range'] = rangeHeader(range)
    if (version !== undefined) headers['if-match'] = version
    return { method: 'GET', origin, path, headers }
  }

  function writeWithSdk(name: RemoteName, range: RangeAsk | undefined, version: string | undefined, signal: AbortSignal): Promise<HttpRequest> {
    return attempt('read', name.uri, signal, () => connection.signed({
      Bucket: name.container,
      Key: name.key,
      ...(range === undefined ? { ChecksumMode: 'ENABLED' } : { Range: rangeHeader(range) }),
      ...(version === undefined ? {} : { IfMatch: version }),
      ...(requesterPays ? { RequestPayer: 'requester' } : {})
    }, signal))
  }

  return {
    scheme: 's3',

    request(name, range, version, signal) {
      const bucket = buckets.get(name.container)
      if (bucket === undefined) return find(name).then(() => this.request(name, range, version, signal))
      if (!bucket.own) return writeWithSdk(name, range, version, signal)
      const credentials = connection.credentials?.get()
      if (!isPromise(credentials)) return write(bucket, credentials, name, range, version)
      return attempt('read', name.uri, signal, async () => write(bucket, await credentials, name, range, version))
    },

    versionHeader: 'etag',

    versionOf(reply) {
      const tag = reply.header('etag')
      return tag === undefined || tag === '' || tag.startsWith('W/') ? undefined : quoted(tag)
    },

    checksumsOf(reply) {
      const found: Record<string, string> = {}
      // With a range, and for objects of parts, a checksum may be that of a part or of the checksums of parts.
      if (reply.status !== 200 || !isWhole(reply.header('x-amz-checksum-type'))) return found
      for (const [header, algorithm] of CHECKSUMS) {
        const value = reply.header(header)
        if (value !== undefined && !value.includes('-')) found[algorithm] = value
      }
      return found
    },

    faultOf: faultOfReply,

    async refresh(fault, reply, name, signal) {
      const region = (fault as S3Fault).region
      if (region !== undefined && connection.correctRegion(name.container, region)) {
        buckets.delete(name.container)
      } else if (fault.code === 'RequestTimeTooSkewed') {
        connection.correctClock(reply.header('date'))
      } else if (region === undefined) {
        await attempt('read', name.uri, signal, async () => connection.credentials?.refresh())
      }
    }
  }
}

/** Versions are compared as text, and not all servers write the quotes everywhere. */
export function quoted(tag: string): string {
  return tag.startsWith('"') || tag.startsWith('W/') ? tag : `"${tag}"`
}

/** True when a checksum is of the whole object; services that do not say mark those that are not. */
export function isWhole(type: string | undefined): boolean {
  return type === undefined || type === 'FULL_OBJECT'
}

function rangeHeader({ first, last }: RangeAsk): string {
  return `bytes=${first}-${last ?? ''}`
}

function isPromise(value: unknown): value is Promise<S3Credentials> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function'
}
