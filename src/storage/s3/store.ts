import { remoteStore, type RemoteStore } from '../remote/remote-store.js'
import { checkS3Options, type S3StoreOptions } from './options.js'
import { s3Service } from './service.js'
import { environment } from '../../util/environment.js'

export type { S3Keys, S3StoreOptions } from './options.js'

/**
 * Makes a store for `s3://bucket/key`: Amazon S3, and servers that speak its language, such as MinIO, Ceph, R2 and Spaces. The key is
 * everything behind the slash, as it is: nothing in it is decoded. Stores with other options may be used side by side.
 *
 * It needs the package `@aws-sdk/client-s3`, which is loaded when the store is first used.
 *
 * @throws TypeError for options that are unknown, of another type, or contradict each other; RangeError for sizes that are out of range
 */
export function s3Store(options: S3StoreOptions = {}): RemoteStore {
  const setting = checkS3Options(options, environment())
  const { pool, ranges, adaptive } = options
  return remoteStore(s3Service(setting), { pool, ranges, adaptive })
}
