/** The official SDK, set up once: credentials, regions, endpoints, and clients for what is not reading. */
import type { GetObjectCommandInput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { isMillraceError, MillraceError, messageOf } from '../../errors.js'
import { sharedController } from '../../util/abort.js'
import { closedError } from '../checks.js'
import type { HttpRequest } from '../remote/http.js'
import { signalWatch } from '../remote/signals.js'
import { cachedCredentials, type CredentialCache, type S3Credentials } from './credentials.js'
import { errorOf, isExpired, regionIn, statusOf } from './faults.js'
import { encodeQuery, uriOf } from './name.js'

/** What is used of the package. */
export type Sdk = typeof import('@aws-sdk/client-s3')
type Command = Parameters<S3Client['send']>[0]
type AwsCredentialIdentity = Awaited<ReturnType<S3Client['config']['credentials']>>

/** Where the objects of a bucket are. */
export interface BucketEndpoint {
  /** `https://host:port`, without a slash at the end. */
  readonly origin: string
  /** As the header has it. */
  readonly host: string
  /** What stands before the slash and the key: empty, or `/bucket`. */
  readonly base: string
  /** How requests are to be signed: `sigv4`, `sigv4a`, `sigv4-s3express`. */
  readonly scheme: string
  /** The name and region of the service in signatures. */
  readonly service: string
  readonly region: string
}

export interface ConnectionOptions {
  /** Of the SDK's clients. */
  readonly config: S3ClientConfig
  readonly anonymous: boolean
  readonly load: () => Promise<Sdk>
  readonly now: () => number
}

export interface Connection {
  readonly sdk: Sdk
  /** Absent when nothing is signed. */
  readonly credentials: CredentialCache | undefined
  /** Milliseconds since 1970, as the service has it. */
  now(): number
  /** Sets the clock after the `Date` of a reply. */
  correctClock(date: string | undefined): void
  /** Remembers where a bucket is. False when that was known. */
  correctRegion(bucket: string, region: string): boolean
  endpoint(bucket: string): Promise<BucketEndpoint>
  /** A request for an object, written and signed by the SDK. */
  signed(input: GetObjectCommandInput, signal: AbortSignal): Promise<HttpRequest>
  /**
   * Carries out a command. The SDK retries what may pass; here the region of the bucket and expired credentials are set right, once.
   * @throws what the SDK throws, or the reason of the signal; see {@link attempt}
   */
  send<Output>(bucket: string | undefined, command: object, signal: AbortSignal | undefined): Promise<Output>
  /** The same for what has to be brought to an end when the store is closed. */
  sendUntied<Output>(bucket: string | undefined, command: object, signal: AbortSignal | undefined): Promise<Output>
  /** Closing waits for this. */
  hold<T>(run: () => Promise<T>): Promise<T>
  /** Closing calls this, unless the function that it returns was called before. */
  keep(end: () => Promise<void>): () => void
  /** Ends what is under way with `Closed`, and uploads that were not completed. */
  close(): Promise<void>
}

/** @throws MillraceError `MissingPackage` */
export async function connect({ config, anonymous, load, now }: ConnectionOptions): Promise<Connection> {
  const sdk = await loadSdk(load)
  const base = new sdk.S3Client({ ...config, ...(anonymous ? ANONYMOUS : {}) })
  const home = await base.config.region().catch(() => 'us-east-1') // a bucket elsewhere says so
  const chain = base.config.credentials as (options?: { forceRefresh?: boolean }) => Promise<S3Credentials>
  const credentials = anonymous ? undefined : cachedCredentials(options => chain(options), now)
  const regions = new Map<string, string>()
  const clients = new Map<string, S3Client>()
  const waiting = signalWatch()
  const closing = sharedController()
  const held = new Set<Promise<unknown>>()
  const uploads = new Set<() => Promise<void>>()
  let clock = 0
  let sdkClock: number | undefined // which looks at a clock of its own
  base.destroy() // it has opened nothing

  function clientFor(bucket: string | undefined): S3Client {
    const region = (bucket === undefined ? undefined : regions.get(bucket)) ?? home
    let client = clients.get(region)
    if (client === undefined) {
      client = new sdk.S3Client({ ...config, region, ...(credentials === undefined ? ANONYMOUS : { credentials: shared(credentials) }) })
      if (sdkClock !== undefined) client.config.systemClockOffset = sdkClock
      clients.set(region, client)
    }
    return client
  }

  async function endpoint(bucket: string): Promise<BucketEndpoint> {
    const command = new sdk.GetObjectCommand({ Bucket: bucket, Key: PROBE })
    let found: BucketEndpoint | undefined
    command.middlewareStack.add((_, context) => async args => {
      found = endpointIn(args.request, context as never)
      return { response: {}, output: { $metadata: {} } }
    }, { step: 'serialize', priority: 'low', name: 'millraceEndpoint' })
    await clientFor(bucket).send(command)
    if (found === undefined) throw internal(bucket)
    return found
  }

  async function once<Output>(bucket: string | undefined, command: object, signal: AbortSignal | undefined): Promise<Output> {
    try {
      return await (clientFor(bucket).send(command as Command, signal === undefined ? {} : { abortSignal: signal }) as Promise<unknown>) as Output
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      throw error
    }
  }

  async function sendUntied<Output>(bucket: string | undefined, command: object, signal: AbortSignal | undefined): Promise<Output> {
    try {
      return await once(bucket, command, signal)
    } catch (error) {
      const region = regionIn(error)
      const moved = bucket !== undefined && region !== undefined && MOVED.has(statusOf(error) ?? 0) && correctRegion(bucket, region)
      if (!moved && !(credentials !== undefined && isExpired(error))) throw error
      if (!moved) await credentials?.refresh()
      return await once(bucket, command, signal)
    }
  }

  async function send<Output>(bucket: string | undefined, command: object, signal: AbortSignal | undefined): Promise<Output> {
    if (closing.signal.aborted) throw closing.signal.reason
    const controller = new AbortController()
    if (signal?.aborted === true) throw signal.reason
    if (signal !== undefined) waiting.add(signal, controller)
    waiting.add(closing.signal, controller)
    try {
      return await sendUntied(bucket, command, controller.signal)
    } finally {
      if (signal !== undefined) waiting.remove(signal, controller)
      waiting.remove(closing.signal, controller)
    }
  }

  /** An upload that is begun while the store is closed is known here before it is looked for. */
  async function hold<T>(run: () => Promise<T>): Promise<T> {
    const running = run()
    held.add(running)
    try {
      return await running
    } finally {
      held.delete(running)
    }
  }

  async function close(): Promise<void> {
    closing.abort(new MillraceError('Closed', 'the store was closed'))
    while (held.size > 0 || uploads.size > 0) {
      await Promise.allSettled(held)
      const open = [...uploads]
      uploads.clear()
      await Promise.allSettled(open.map(end => end()))
    }
    for (const client of clients.values()) client.destroy()
  }

  function correctRegion(bucket: string, region: string): boolean {
    if ((regions.get(bucket) ?? home) === region) return false
    regions.set(bucket, region)
    return true
  }

  return {
    sdk, credentials, endpoint, send, sendUntied, correctRegion,
    now: () => now() + clock,
    correctClock(date) {
      const told = Date.parse(date ?? '')
      if (Number.isNaN(told)) return
      clock = told - now()
      sdkClock = told - Date.now()
      for (const client of clients.values()) client.config.systemClockOffset = sdkClock
    },
    async signed(input, signal) {
      const command = new sdk.GetObjectCommand(input)
      let signed: SdkRequest | undefined
      command.middlewareStack.add(() => async args => {
        signed = args.request as SdkRequest
        return { response: {}, output: { $metadata: {} } }
      }, { step: 'deserialize', priority: 'high', name: 'millraceSigned' })
      await clientFor(input.Bucket).send(command, { abortSignal: signal })
      if (signed === undefined) throw internal(input.Bucket)
      return {
        method: 'GET',
        origin: originOf(signed),
        path: signed.path + queryOf(signed),
        headers: Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value]))
      }
    },
    hold, close,
    keep(end) {
      uploads.add(end)
      return () => void uploads.delete(end)
    }
  }
}

/**
 * What `run` resolves to; its failures as MillraceErrors.
 * @throws MillraceError, or the reason of the signal
 */
export async function attempt<T>(operation: string, uri: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    signal?.throwIfAborted()
    if (isMillraceError(error, 'Closed') && error.uri === undefined) throw closedError(uri, operation, 'the store was closed')
    throw errorOf(error, operation, uri)
  }
}

async function loadSdk(load: () => Promise<Sdk>): Promise<Sdk> {
  try {
    return await load()
  } catch (cause) {
    throw new MillraceError('MissingPackage', `s3:// needs the AWS SDK: npm install "@aws-sdk/client-s3@>=3.729.0". ${messageOf(cause)}`, { cause })
  }
}

/** Requests go out as they are. */
const ANONYMOUS: S3ClientConfig = {
  credentials: () => Promise.resolve({ accessKeyId: '', secretAccessKey: '' }),
  signer: { sign: request => Promise.resolve(request) }
}

/** Credentials for the SDK's own clients, which keep none of their own then: a refresh here is one there. */
function shared(cache: CredentialCache): NonNullable<S3ClientConfig['credentials']> {
  return Object.assign(async () => cache.get() as Promise<AwsCredentialIdentity>, { memoized: true })
}

/** Replies that may name the region of the bucket. Those to HEAD have no body that says what is wrong. */
const MOVED: ReadonlySet<number> = new Set([301, 307, 308, 400, 403])

/** A key that is encoded as itself. */
const PROBE = 'k'

/** Requests as the SDK has them. */
interface SdkRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>> | undefined
  readonly headers: Readonly<Record<string, string>>
}

interface AuthScheme { readonly name?: string; readonly signingName?: string; readonly signingRegion?: string }
interface ProbeContext { readonly endpointV2?: { readonly properties?: { readonly authSchemes?: readonly AuthScheme[] } } }

function endpointIn(request: unknown, context: ProbeContext): BucketEndpoint {
  const target = request as SdkRequest
  const schemes = context.endpointV2?.properties?.authSchemes ?? []
  const scheme = schemes.find(({ name }) => name === 'sigv4') ?? schemes[0] ?? {}
  const origin = originOf(target)
  return {
    origin,
    host: origin.slice(origin.indexOf('//') + 2),
    base: target.path.slice(0, -`/${PROBE}`.length),
    scheme: scheme.name ?? 'sigv4',
    service: scheme.signingName ?? 's3',
    region: scheme.signingRegion ?? ''
  }
}

function internal(bucket = ''): MillraceError {
  return new MillraceError('Internal', `read ${uriOf(bucket, '')}: the AWS SDK wrote no request`, { uri: uriOf(bucket, '') })
}

function originOf({ protocol, hostname, port }: SdkRequest): string {
  const usual = port === undefined || (protocol === 'https:' && port === 443) || (protocol === 'http:' && port === 80)
  return `${protocol}//${hostname}${usual ? '' : `:${port}`}`
}

function queryOf({ query = {} }: SdkRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => (Array.isArray(value) ? value as readonly string[] : [value as string | null]).map(each => (
    each === null ? encodeQuery(name) : `${encodeQuery(name)}=${encodeQuery(each)}`)))
  return pairs.length === 0 ? '' : `?${pairs.sort().join('&')}`
}
