/** Everything of S3 but reading, through the official SDK. */
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { RemoteName, ServiceControl } from '../remote/service.js'
import { attempt, type Connection } from './connection.js'
import { s3Containers } from './containers.js'
import { s3Copy } from './copy.js'
import { s3Delete } from './delete.js'
import { s3Listing } from './list.js'
import { statOf } from './stat.js'
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
    const payer = settings.requesterPays ? { RequestPayer: 'requester' as const } : {}
    return send(name, operation, signal, new sdk.HeadObjectCommand({ Bucket: name.container, Key: name.key, ChecksumMode: 'ENABLED', ...payer }))
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
    close: () => connection.close()
  }
}

/** What the operations are made of. */
export interface ControlParts {
  readonly connection: Connection
  readonly settings: S3WriteSettings
  readonly send: Send
  readonly head: (name: RemoteName, operation: string, signal: AbortSignal | undefined) => Promise<HeadObjectCommandOutput>
}
