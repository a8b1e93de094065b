/** Everything of S3 but reading, through the official SDK. */
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { ObjectStat } from '../../store.js'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import { attempt, type Connection } from './connection.js'
import { s3Containers } from './containers.js'
import { s3Copy } from './copy.js'
import { s3Delete } from './delete.js'
import { s3Listing } from './list.js'
import { isWhole, quoted } from './reader.js'
import { s3Upload } from './upload.js'

/** How objects are written. */
export interface S3WriteSettings {
  readonly partSize: number
  readonly uploadConcurrency: number
  /** What is computed of every request with bytes, for the service to compare. */
  readonly checksum: 'CRC32' | 'CRC32C' | undefined
  /** Larger objects are copied in parts. */
  readonly copyWhole: number
  /** Bytes of such a part. */
  readonly copyPart: number
  readonly requesterPays: boolean
}

/** Sends commands about an object, with what all of them carry, and makes MillraceErrors of failures. */
export type Send = <Output>(name: RemoteName, operation: string, signal: AbortSignal | undefined, command: object) => Promise<Output>

export function s3Control(connection: Connection, settings: S3WriteSettings): ServiceControl {
  const { sdk } = connection
  const send: Send = (name, operation, signal, command) =>
    attempt(operation, name.uri, signal, () => connection.send(name.container, command, signal))

  async function head(name: RemoteName, operation: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput> {
    return send(name, operation, signal, new sdk.HeadObjectCommand({
      Bucket: name.container, Key: name.key, ChecksumMode: 'ENABLED', ...(settings.requesterPays ? { RequestPayer: 'requester' } : {})
    }))
  }
  const stat: ServiceControl['stat'] = async (name, { signal }) => statOf(name, await head(name, 'stat', signal))
  const parts = { connection, settings, send, head }

  return {
    stat,
    ...s3Listing(parts),
    ...s3Upload(parts),
    ...s3Delete(parts),
    ...s3Copy(parts),
    containers: s3Containers(parts),
    async close() {
      connection.close()
    }
  }
}

/** What the operations are made of. */
export interface ControlParts {
  readonly connection: Connection
  readonly settings: S3WriteSettings
  readonly send: Send
  readonly head: (name: RemoteName, operation: string, signal: AbortSignal | undefined) => Promise<HeadObjectCommandOutput>
}

const CHECKSUMS = { ChecksumCRC32: 'crc32', ChecksumCRC32C: 'crc32c', ChecksumCRC64NVME: 'crc64nvme', ChecksumSHA1: 'sha1', ChecksumSHA256: 'sha256' } as const

const MORE = {
  VersionId: 'versionId', StorageClass: 'storageClass', CacheControl: 'cacheControl', ContentEncoding: 'contentEncoding', ContentDisposition: 'contentDisposition',
  ContentLanguage: 'contentLanguage', ServerSideEncryption: 'serverSideEncryption', Restore: 'restore', ArchiveStatus: 'archiveStatus', Expiration: 'expiration',
  ReplicationStatus: 'replicationStatus', ExpiresString: 'expires', PartsCount: 'partsCount', TagCount: 'tagCount'
} as const

export function statOf({ uri }: RemoteName, output: HeadObjectCommandOutput): ObjectStat {
  const checksums = isWhole(output.ChecksumType)
    ? pick(output, CHECKSUMS, value => !value.includes('-'))
    : {}
  const more = pick(output, MORE)
  return {
    uri,
    size: output.ContentLength ?? 0,
    version: quoted(output.ETag ?? ''),
    ...(output.LastModified === undefined ? {} : { modified: output.LastModified.getTime() }),
    ...(output.ContentType === undefined ? {} : { contentType: output.ContentType }),
    ...(isEmpty(output.Metadata) ? {} : { metadata: output.Metadata }),
    ...(isEmpty(checksums) ? {} : { checksums }),
    ...(isEmpty(more) ? {} : { more })
  }
}

function pick<Name extends keyof HeadObjectCommandOutput>(output: HeadObjectCommandOutput, names: Readonly<Partial<Record<Name, string>>>, take = (_value: string): boolean => true): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const [name, own] of Object.entries(names) as [Name, string][]) {
    const value = output[name]
    if ((typeof value === 'string' || typeof value === 'number') && take(String(value))) picked[own] = String(value)
  }
  return picked
}

function isEmpty<T extends object>(value: T | undefined): value is undefined {
  return value === undefined || Object.keys(value).length === 0
}
