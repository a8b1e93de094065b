import { checkInteger } from '../../util/check.js'
import { checkStoreOptions, DEFAULT_POOL, DEFAULT_RANGES, type StoreTuning } from '../config.js'

/** Keys, and a token with those that are lent for a while. */
export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** When they stop being good. Those of a function are asked for again before. */
  readonly expiration?: Date | undefined
}

/** Options of {@link s3Store}. What is not given comes from the environment and the configuration files of AWS, as the AWS SDK reads them. */
export interface S3StoreOptions extends StoreTuning {
  /** @default `AWS_REGION`, or that of the profile, or `us-east-1`; a bucket that is elsewhere is found all the same */
  readonly region?: string | undefined
  /** Where a server with the S3 API is: `https://host`, `http://localhost:9000`. @default `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or Amazon */
  readonly endpoint?: string | undefined
  /** Write `endpoint/bucket/key` instead of `bucket.endpoint/key`. @default true for endpoints that are not Amazon's, false for those that are */
  readonly forcePathStyle?: boolean | undefined
  /**
   * Keys, or a function that gives them, such as one of `@aws-sdk/credential-providers`. It is called once, and again before they
   * expire and when they are refused. `'anonymous'` sends none: for public data.
   * @default the chain of the AWS SDK: environment, profile, SSO, web identity, container, instance
   */
  readonly credentials?: 'anonymous' | S3Keys | ((options?: { readonly forceRefresh?: boolean }) => Promise<S3Keys>) | undefined
  /** The same as `credentials: 'anonymous'`. @default false */
  readonly anonymous?: boolean | undefined
  /** The profile in the configuration files. @default `AWS_PROFILE`, or `default` */
  readonly profile?: string | undefined
  /** Endpoints of Amazon that have IPv6 addresses too. @default `AWS_USE_DUALSTACK_ENDPOINT`, or false */
  readonly dualstack?: boolean | undefined
  /** Endpoints of Amazon with validated cryptography (FIPS 140). @default `AWS_USE_FIPS_ENDPOINT`, or false */
  readonly fips?: boolean | undefined
  /** The endpoint for buckets with transfer acceleration. @default false */
  readonly accelerate?: boolean | undefined
  /** Agree to pay for requests to buckets whose owner does not. @default false */
  readonly requesterPays?: boolean | undefined
  /**
   * Who signs requests for bytes: `own` signs here, in a few microseconds; `sdk` has the AWS SDK write and sign each request, ten to twenty
   * times as slow, but with all kinds of signatures; `auto` signs here where that will do. @default 'auto'
   */
  readonly signing?: 'auto' | 'own' | 'sdk' | undefined
  /** What is computed of bytes that are written, so that the service notices damage, and keeps it to be compared when they are read. @default 'crc32' */
  readonly checksum?: 'crc32' | 'crc32c' | 'none' | undefined
  /** Bytes of a part of an upload, from 5 MiB on. A writer needs memory for `uploadConcurrency + 1` of them. @default 16 MiB */
  readonly partSize?: number | undefined
  /** Parts of one upload that are under way. @default 4 */
  readonly uploadConcurrency?: number | undefined
}

/** What the options say, checked. */
export interface S3Setting {
  /** The configuration of the SDK's client. Its types stay out of here: they are declared by a package that may not be there. */
  readonly config: Readonly<Record<string, unknown>>
  readonly anonymous: boolean
  readonly signing: 'auto' | 'own' | 'sdk'
  readonly checksum: 'CRC32' | 'CRC32C' | undefined
  readonly requesterPays: boolean
  readonly partSize: number
  readonly uploadConcurrency: number
}

const TEXTS = ['region', 'endpoint', 'profile'] as const
const SWITCHES = ['forcePathStyle', 'anonymous', 'dualstack', 'fips', 'accelerate', 'requesterPays'] as const
const KNOWN = [...TEXTS, ...SWITCHES, 'credentials', 'signing', 'checksum', 'partSize', 'uploadConcurrency']
const ELSEWHERE = { accessKeyId: 'credentials', secretAccessKey: 'credentials', sessionToken: 'credentials' }
const SMALLEST_PART = 5 << 20
const LARGEST_PART = 5 * 2 ** 30
/** Requests that are not reads wait so much longer than `idleTimeout` for a sign of life: completing a large upload takes its time. */
const CONTROL_PATIENCE = 6
/** One request and up to four retries. */
const CONTROL_ATTEMPTS = 5

/**
 * @param env Variables of the environment, of which only the endpoint is looked at here.
 * @throws TypeError, RangeError. Secrets are in no message.
 */
export function checkS3Options(options: S3StoreOptions, env: Readonly<Record<string, string | undefined>>): S3Setting {
  checkStoreOptions('s3Store', options, KNOWN, ELSEWHERE)
  for (const name of TEXTS) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new TypeError(`s3Store: ${name} must be a string that is not empty`)
  }
  for (const name of SWITCHES) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`s3Store: ${name} must be true or false`)
  }
  const { signing = 'auto', checksum = 'crc32', partSize = 16 << 20, uploadConcurrency = 4, requesterPays = false } = options
  checkOneOf('signing', signing, ['auto', 'own', 'sdk'])
  checkOneOf('checksum', checksum, ['crc32', 'crc32c', 'none'])
  checkInteger('s3Store', 'partSize', partSize, SMALLEST_PART)
  if (partSize > LARGEST_PART) throw new RangeError(`s3Store: partSize must be at most 5 GiB, got ${partSize}`)
  checkInteger('s3Store', 'uploadConcurrency', uploadConcurrency, 1)
  const anonymous = isAnonymous(options)
  return {
    config: clientConfig(options, env), anonymous, signing, partSize, uploadConcurrency, requesterPays,
    checksum: checksum === 'none' ? undefined : ({ crc32: 'CRC32', crc32c: 'CRC32C' } as const)[checksum]
  }
}

function clientConfig(options: S3StoreOptions, env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, unknown>> {
  const { region, profile, endpoint, credentials, dualstack, fips, accelerate, pool, ranges } = options
  checkEndpoint(endpoint)
  const sockets = { keepAlive: true, maxSockets: pool?.poolSize ?? DEFAULT_POOL.poolSize }
  return {
    forcePathStyle: options.forcePathStyle ?? isForeign(endpoint ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']),
    maxAttempts: CONTROL_ATTEMPTS,
    // Parts are small, and sent again if need be: to ask first costs a round trip each, and not all servers answer.
    expectContinueHeader: false,
    // Nothing but what is asked for: bytes are checked by those who read them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: ranges?.connectTimeout ?? DEFAULT_RANGES.connectTimeout,
      socketTimeout: CONTROL_PATIENCE * (ranges?.idleTimeout ?? DEFAULT_RANGES.idleTimeout),
      httpAgent: sockets, httpsAgent: sockets, logger: SILENT
    },
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(dualstack === undefined ? {} : { useDualstackEndpoint: dualstack }),
    ...(fips === undefined ? {} : { useFipsEndpoint: fips }),
    ...(accelerate === undefined ? {} : { useAccelerateEndpoint: accelerate }),
    // Keys that are undefined are absent keys to the SDK.
    ...(credentials === undefined || credentials === 'anonymous' ? {} : { credentials })
  }
}

const nothing = (): void => undefined
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing }

function isAnonymous({ credentials, anonymous }: S3StoreOptions): boolean {
  const given: unknown = credentials
  if (anonymous === true && given !== undefined && given !== 'anonymous') throw new TypeError('s3Store: give credentials or anonymous, not both')
  if (given === undefined || given === 'anonymous') return given === 'anonymous' || anonymous === true
  const { accessKeyId, secretAccessKey } = (given ?? {}) as Partial<S3Keys>
  const isKeys = typeof given === 'object' && given !== null && [accessKeyId, secretAccessKey].every(value => typeof value === 'string' && value !== '')
  if (typeof given !== 'function' && !isKeys) {
    throw new TypeError('s3Store: credentials must be \'anonymous\', { accessKeyId, secretAccessKey, … }, or a function that gives these')
  }
  return false
}

function checkEndpoint(endpoint: string | undefined): void {
  if (endpoint === undefined) return
  let url: URL
  try {
    url = new URL(endpoint)
  } catch {
    throw new TypeError('s3Store: endpoint must be a URL like https://s3.example.org or http://localhost:9000')
  }
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`s3Store: endpoint must begin with https:// or http://, got ${url.protocol}//`)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('s3Store: endpoint must have neither a user, nor a query, nor a fragment; credentials go into the option credentials')
  }
}

function isForeign(endpoint: string | undefined): boolean {
  return endpoint !== undefined && !/^https?:\/\/([^/]*\.)?amazonaws\.com(\.cn)?(?=[:/]|$)/i.test(endpoint)
}

function checkOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new TypeError(`s3Store: ${name} must be one of ${allowed.join(', ')}, got ${String(value)}`)
}
