import type { RemoteService } from '../remote/service.js'
import { connect, type Connection, type Sdk } from './connection.js'
import { s3Control } from './control.js'
import { locateS3 } from './name.js'
import type { S3Setting } from './options.js'
import { s3ReadService } from './reader.js'

/** What tests put something else for. */
export interface S3Surroundings {
  /** @default imports `@aws-sdk/client-s3` */
  readonly load?: () => Promise<Sdk>
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number
  /** Larger objects are copied in parts. @default 5 GiB, more than which S3 does not copy at once */
  readonly copyWhole?: number
  /** Bytes of such a part. @default 512 MiB */
  readonly copyPart?: number
}

/** S3 as a service: the SDK is loaded, and asked for credentials, when something is first read or done. */
export function s3Service(setting: S3Setting, { load = () => import('@aws-sdk/client-s3'), now = Date.now, copyWhole = 5 * 2 ** 30, copyPart = 512 << 20 }: S3Surroundings = {}): RemoteService {
  let connecting: Promise<Connection> | undefined

  /** Once; a failure is not kept. */
  function connection(): Promise<Connection> {
    return connecting ??= connect({ config: setting.config, anonymous: setting.anonymous, load, now }).catch((error: unknown) => {
      connecting = undefined
      throw error
    })
  }

  return {
    scheme: 's3',
    capabilities: { write: true, list: true, idealRange: 8 << 20, idealRequests: 64 },
    locate: locateS3,
    reader: async () => s3ReadService(await connection(), setting),
    control: async () => s3Control(await connection(), { ...setting, copyWhole, copyPart })
  }
}
