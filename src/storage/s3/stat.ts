import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { ObjectStat } from '../../store.js'
import type { RemoteName } from '../remote/service.js'
import { isWhole, quoted } from './reader.js'

const CHECKSUMS = {
  ChecksumCRC32: 'crc32', ChecksumCRC32C: 'crc32c', ChecksumCRC64NVME: 'crc64nvme', ChecksumSHA1: 'sha1', ChecksumSHA256: 'sha256'
}

const MORE = {
  VersionId: 'versionId', StorageClass: 'storageClass', CacheControl: 'cacheControl', ContentEncoding: 'contentEncoding',
  ContentDisposition: 'contentDisposition', ContentLanguage: 'contentLanguage', ServerSideEncryption: 'serverSideEncryption',
  Restore: 'restore', ArchiveStatus: 'archiveStatus', Expiration: 'expiration', ReplicationStatus: 'replicationStatus',
  ExpiresString: 'expires', PartsCount: 'partsCount', TagCount: 'tagCount'
}

/** All that S3 says of an object. */
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

/** What the service says, under the names that it has here. */
function pick(output: HeadObjectCommandOutput, names: Readonly<Record<string, string>>, take = (_value: string): boolean => true): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const [name, own] of Object.entries(names)) {
    const value: unknown = output[name as keyof HeadObjectCommandOutput]
    if ((typeof value === 'string' || typeof value === 'number') && take(String(value))) picked[own] = String(value)
  }
  return picked
}

function isEmpty<T extends object>(value: T | undefined): value is undefined {
  return value === undefined || Object.keys(value).length === 0
}
