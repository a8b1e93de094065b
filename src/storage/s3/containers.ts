import type { ListBucketsCommandOutput } from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError } from '../../errors.js'
import type { Containers } from '../../store.js'
import type { RemoteName } from '../remote/service.js'
import { invalidUri } from '../uri.js'
import { attempt } from './connection.js'
import type { ControlParts } from './control.js'
import { locateS3, uriOf } from './name.js'

export function s3Containers({ connection, send }: ControlParts): Containers {
  const { sdk } = connection
  return {
    async *list({ signal } = {}) {
      let token: string | undefined
      do {
        const command = new sdk.ListBucketsCommand(token === undefined ? {} : { ContinuationToken: token })
        const output = await attempt('list', 's3://', signal, () => connection.send<ListBucketsCommandOutput>(undefined, command, signal))
        for (const { Name } of output.Buckets ?? []) if (Name !== undefined) yield uriOf(Name, '')
        if (output.ContinuationToken === token) return
        token = output.ContinuationToken
      } while (token !== undefined)
    },

    async create(uri, { signal } = {}) {
      const bucket = bucketOf(uri, 'create')
      // In its oldest region S3 takes a second creation for a success.
      const isThere = await send(bucket, 'create', signal, new sdk.HeadBucketCommand({ Bucket: bucket.container })).then(() => true, (error: unknown) => {
        signal?.throwIfAborted()
        if (isMillraceError(error, 'NotFound')) return false
        throw error
      })
      if (isThere) throw new MillraceError('Precondition', `create ${bucket.uri}: it is there already`, { uri: bucket.uri, operation: 'create' })
      await send(bucket, 'create', signal, new sdk.CreateBucketCommand({ Bucket: bucket.container }))
    },

    async delete(uri, { signal } = {}) {
      const bucket = bucketOf(uri, 'delete')
      await send(bucket, 'delete', signal, new sdk.DeleteBucketCommand({ Bucket: bucket.container }))
    }
  }
}

function bucketOf(uri: string, operation: string): RemoteName {
  const name = locateS3(uri, operation, 'prefix')
  if (name.key !== '') throw invalidUri(uri, operation, 'write a bucket, like s3://bucket/')
  return name
}
