/** Google Cloud Storage. */
import { MillraceError } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import { checkInteger } from '../../util/check.js'
import { checkStoreOptions, resolveTuning, type StoreTuning } from '../config.js'
import { remoteStore, type RemoteStore } from '../remote/remote-store.js'
import type { RemoteService, ServiceControl } from '../remote/service.js'
import { systemSurroundings } from '../remote/surroundings.js'
import { gcsApi } from './api.js'
import { ANONYMOUS, authorization, tokenIdentity, type Authorization, type GcsAccessToken } from './authorization.js'
import { gcsControl } from './control.js'
import { gcsEndpoint, type GcsEndpoint } from './endpoint.js'
import { locateGcs } from './name.js'
import { gcsReads } from './reads.js'
import { sdkIdentity } from './sdk-identity.js'
import { PART_UNIT } from './upload.js'
import { loadUndici } from './undici.js'
import { environment } from '../../util/environment.js'

export type { GcsAccessToken } from './authorization.js'

/** Options of {@link gcsStore}. At most one of `keyFilename`, `credentials`, `accessToken` and `anonymous: true`. */
export interface GcsStoreOptions extends StoreTuning {
  /**
   * Where the JSON API is: that of an emulator, or a private or regional one of Google.
   * @default the environment's `STORAGE_EMULATOR_HOST`, else `https://storage.googleapis.com`
   */
  readonly endpoint?: string | undefined
  /** A file with credentials in JSON, as the console gives it for a service account. @default Application Default Credentials */
  readonly keyFilename?: string | undefined
  /** What stands in such a file. */
  readonly credentials?: Readonly<Record<string, unknown>> | undefined
  /** A bearer token, or a function that gets one; it is called again before the token expires, and when it is refused. */
  readonly accessToken?: string | (() => MaybePromise<string | GcsAccessToken>) | undefined
  /** Send no credentials: for public objects. @default false for Google's endpoints, true for others when no credentials are given */
  readonly anonymous?: boolean | undefined
  /** The project that buckets are made in and listed of. @default that of `GOOGLE_CLOUD_PROJECT`, or of the credentials */
  readonly projectId?: string | undefined
  /** The project that pays, for buckets where the requester does. */
  readonly userProject?: string | undefined
  /** The domain of the cloud, for others than the public one. @default 'googleapis.com' */
  readonly universeDomain?: string | undefined
  /** Bytes of a part of what a writer sends, a multiple of 256 KiB. A writer keeps two in memory. @default 8 MiB */
  readonly partSize?: number | undefined
}

/**
 * Makes a store for `gs://bucket/object`. Objects are read and written through the JSON API; credentials come from
 * `@google-cloud/storage`, an optional package that only those need who need credentials.
 *
 * The version of an object is its generation: reads ask for it (`ifGenerationMatch`), and get the error `Changed` and never other bytes.
 * Names are taken exactly as they are. Objects that are stored with `contentEncoding: gzip` are read as they are stored.
 *
 * ```ts
 * const store = gcsStore({ anonymous: true, pool: { maxInflight: 64 } })
 * ```
 *
 * @throws TypeError, RangeError for wrong options
 */
export function gcsStore(options: GcsStoreOptions = {}): RemoteStore {
  checkGcsOptions(options)
  const { pool, ranges, adaptive } = options
  const tuning: StoreTuning = { pool, ranges, adaptive }
  return remoteStore(gcsService(options, tuning, environment()), tuning)
}

function gcsService(options: GcsStoreOptions, tuning: StoreTuning, env: Environment): RemoteService {
  const { userProject, partSize = 8 << 20, universeDomain = 'googleapis.com' } = options
  const endpoint = gcsEndpoint(options.endpoint, env['STORAGE_EMULATOR_HOST'], universeDomain)
  const who = authorizationOf(options, endpoint)

  async function projectId(): Promise<string> {
    const project = options.projectId ?? env['GOOGLE_CLOUD_PROJECT'] ?? env['GCLOUD_PROJECT'] ?? await who.projectId()
    if (project !== undefined) return project
    throw new MillraceError('Denied', 'gs://: buckets belong to a project, and none is known; pass the option projectId, or set GOOGLE_CLOUD_PROJECT')
  }

  async function control(): Promise<ServiceControl> {
    const undici = await loadUndici()
    const settings = { ...resolveTuning(tuning, env).ranges, silence: SILENCE }
    const api = gcsApi(undici, endpoint, who, userProject, settings, systemSurroundings)
    return gcsControl(api, { partSize, pageSize: PAGE, projectId })
  }

  return {
    scheme: 'gs',
    capabilities: { write: true, list: true, idealRange: 8 << 20, idealRequests: 64 },
    locate: locateGcs,
    reader: () => gcsReads(endpoint, who, userProject),
    control
  }
}

/** Objects in a page of a listing: as many as GCS gives. */
const PAGE = 1000
/** Milliseconds: copies of large objects are answered after half a minute. */
const SILENCE = 60_000

type Environment = Readonly<Record<string, string | undefined>>

function authorizationOf(options: GcsStoreOptions, { google }: GcsEndpoint): Authorization {
  const { keyFilename, credentials, accessToken, projectId, universeDomain } = options
  if (accessToken !== undefined) return authorization(tokenIdentity(accessToken))
  const given = keyFilename !== undefined || credentials !== undefined
  if (options.anonymous ?? !(given || google)) return ANONYMOUS
  return authorization(sdkIdentity({ keyFilename, credentials, projectId, universeDomain }))
}

const TEXTS = ['endpoint', 'keyFilename', 'projectId', 'userProject', 'universeDomain'] as const
const KNOWN = [...TEXTS, 'credentials', 'accessToken', 'anonymous', 'partSize']

function checkGcsOptions(options: GcsStoreOptions): void {
  checkStoreOptions('gcsStore', options, KNOWN)
  for (const name of TEXTS) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new TypeError(`gcsStore: ${name} must be a string that is not empty`)
  }
  const { anonymous, credentials, accessToken } = options as Readonly<Record<string, unknown>>
  if (anonymous !== undefined && typeof anonymous !== 'boolean') throw new TypeError('gcsStore: anonymous must be true or false')
  if (credentials !== undefined && (typeof credentials !== 'object' || credentials === null)) throw new TypeError('gcsStore: credentials must be an object')
  if (accessToken !== undefined && typeof accessToken !== 'function' && (typeof accessToken !== 'string' || accessToken === '')) {
    throw new TypeError('gcsStore: accessToken must be a string that is not empty, or a function')
  }
  const given = (['keyFilename', 'credentials', 'accessToken', 'anonymous'] as const).filter(name => options[name] !== undefined && options[name] !== false)
  if (given.length > 1) throw new TypeError(`gcsStore: give one of ${given.join(' and ')}, not both`)
  if (options.partSize !== undefined && checkInteger('gcsStore', 'partSize', options.partSize, PART_UNIT) % PART_UNIT !== 0) {
    throw new RangeError(`gcsStore: partSize must be a multiple of 256 KiB (${PART_UNIT}), got ${options.partSize}`)
  }
}
