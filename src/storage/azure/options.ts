import { checkInteger } from '../../util/check.js'
import { checkStoreOptions, type StoreTuning } from '../config.js'
import { parseConnectionString } from './connection-string.js'
import { accountOfEndpoint, checkEndpoint, checkKey, checkSas, type AzureCredentials, type AzureTokenCredential } from './credentials.js'

/** Options of {@link azureStore}. At most one of `key`, `sas`, `connectionString`, `credential` and `anonymous`. */
export interface AzureStoreOptions extends StoreTuning {
  /**
   * The storage account. A store with an account serves no other; one without serves all that its credentials open.
   * @default the account of `connectionString` or `endpoint`; the environment's `AZURE_STORAGE_ACCOUNT` for its key
   */
  readonly account?: string | undefined
  /** The key of the account, in base64. */
  readonly key?: string | undefined
  /** A shared access signature: a query with `sig=`, with or without the `?`. */
  readonly sas?: string | undefined
  /** As the portal shows it, with `AccountKey` or `SharedAccessSignature`. `UseDevelopmentStorage=true` is the emulator on this machine. */
  readonly connectionString?: string | undefined
  /** Gives access tokens. @default `DefaultAzureCredential`, when there is nothing else and `@azure/identity` is installed */
  readonly credential?: AzureTokenCredential | undefined
  /** Send no credentials: for containers with public access. @default false */
  readonly anonymous?: boolean | undefined
  /** Where the blob service of the account is: `https://host` or, for emulators, `http://host:port/account`. @default `https://<account>.blob.core.windows.net` */
  readonly endpoint?: string | undefined
  /**
   * Have the service send the MD5 of every range, and compare it. It does so for ranges of up to 4 MiB: `chunkSize` and `minSplitSize`
   * are 4 MiB then, unless you give them. @default false
   */
  readonly rangeMd5?: boolean | undefined
  /** Bytes of a part of an upload, from 64 KiB on. A writer needs memory for `uploadConcurrency + 1` of them. @default 16 MiB */
  readonly partSize?: number | undefined
  /** Parts of one upload that are under way. @default 4 */
  readonly uploadConcurrency?: number | undefined
  /** Blobs in one page of a listing, 5000 at most. @default 5000 */
  readonly pageSize?: number | undefined
}

/** What the options say, checked. */
export interface AzureSetting {
  readonly account: string | undefined
  /** Without a slash at the end. */
  readonly endpoint: string | undefined
  readonly credentials: AzureCredentials | undefined
  readonly rangeMd5: boolean
  readonly control: AzureControlSetting
}

export interface AzureControlSetting {
  readonly pageSize: number
  readonly partSize: number
  readonly uploadConcurrency: number
}

/** What the service sends in one page. */
const LARGEST_PAGE = 5000
const KNOWN = ['account', 'key', 'sas', 'connectionString', 'credential', 'anonymous', 'endpoint', 'rangeMd5', 'partSize', 'uploadConcurrency', 'pageSize']
const CREDENTIALS = ['key', 'sas', 'connectionString', 'credential', 'anonymous'] as const

/** @throws TypeError for options that are unknown, of another type, or contradict each other. Secrets are in no message. */
export function checkAzureOptions(options: AzureStoreOptions): AzureSetting {
  checkStoreOptions('azureStore', options, KNOWN)
  for (const name of ['account', 'key', 'sas', 'connectionString', 'endpoint'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new TypeError(`azureStore: ${name} must be a string that is not empty`)
  }
  for (const name of ['anonymous', 'rangeMd5'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`azureStore: ${name} must be true or false`)
  }
  if (options.credential !== undefined && typeof (options.credential as Partial<AzureTokenCredential> | null)?.getToken !== 'function') {
    throw new TypeError('azureStore: credential must have a method getToken, as DefaultAzureCredential of @azure/identity has')
  }
  const given = CREDENTIALS.filter(name => options[name] !== undefined && options[name] !== false)
  if (given.length > 1) throw new TypeError(`azureStore: give one of ${given.join(' and ')}, not both`)

  const { rangeMd5 = false, partSize = 16 << 20, uploadConcurrency = 4, pageSize = LARGEST_PAGE } = options
  checkInteger('azureStore', 'partSize', partSize, 64 << 10)
  checkInteger('azureStore', 'uploadConcurrency', uploadConcurrency, 1)
  if (checkInteger('azureStore', 'pageSize', pageSize, 1) > LARGEST_PAGE) throw new RangeError(`azureStore: pageSize must be ${LARGEST_PAGE} at most, got ${pageSize}`)
  const setting = { ...fromParts(options), rangeMd5, control: { partSize, uploadConcurrency, pageSize } }
  const { credentials } = setting
  if ((credentials?.kind === 'key' || credentials?.kind === 'sas') && setting.account === undefined) {
    throw new TypeError(`azureStore: say whose ${credentials.kind} it is: give account`)
  }
  return setting
}

function fromParts(options: AzureStoreOptions): Pick<AzureSetting, 'account' | 'endpoint' | 'credentials'> {
  const parsed = options.connectionString === undefined ? undefined : parseConnectionString(options.connectionString)
  const endpoint = options.endpoint === undefined ? parsed?.endpoint : checkEndpoint(options.endpoint)
  const account = options.account ?? parsed?.account ?? (endpoint === undefined ? undefined : accountOfEndpoint(endpoint))
  if (endpoint !== undefined && account === undefined) throw new TypeError('azureStore: say whose endpoint it is: give account')
  if (parsed !== undefined && parsed.account !== account) throw new TypeError(`azureStore: account is ${account}, but connectionString is of ${parsed.account}`)
  return { account, endpoint, credentials: parsed?.credentials ?? credentialsOf(options) }
}

function credentialsOf({ key, sas, credential, anonymous }: AzureStoreOptions): AzureCredentials | undefined {
  if (key !== undefined) return { kind: 'key', key: checkKey('azureStore: key', key) }
  if (sas !== undefined) return { kind: 'sas', sas: checkSas('azureStore: sas', sas) }
  if (credential !== undefined) return { kind: 'token', credential }
  return anonymous === true ? { kind: 'anonymous' } : undefined
}
