import { remoteStore, type RemoteStore } from '../remote/remote-store.js'
import type { RemoteName } from '../remote/service.js'
import { azureAccounts, type Account, type AzureSurroundings } from './accounts.js'
import { azureControl } from './control.js'
import { checkAzureOptions, type AzureStoreOptions } from './options.js'
import { LONGEST_MD5_RANGE, azureReadService } from './reader.js'
import { accountOf, parseAzureUri } from './name.js'
import { md5Hash } from './write.js'
import { rangeMd5Transport } from './range-md5.js'
import { environment } from '../../util/environment.js'

export type { AzureStoreOptions } from './options.js'
export type { AzureAccessToken, AzureTokenCredential } from './credentials.js'

/**
 * Makes a store for Azure Blob Storage. It serves `az://account/container/blob`, names taken as they are, and
 * `https://account.blob.core.windows.net/container/blob`, percent-encoded, with a shared access signature if there is one.
 *
 * Credentials are those of the options; else those of the environment, in this order: `AZURE_STORAGE_CONNECTION_STRING`,
 * `AZURE_STORAGE_KEY` or `AZURE_STORAGE_SAS_TOKEN` for the account `AZURE_STORAGE_ACCOUNT`; else `DefaultAzureCredential` of the
 * package `@azure/identity`. Reading needs no package, all the rest `@azure/storage-blob`, which is loaded when it is first needed.
 *
 * ```ts
 * const store = azureStore({ account: 'mydata', sas: 'sv=2023-11-03&sp=rl&sig=abc' })
 * ```
 *
 * @throws TypeError for options that are unknown or contradict each other
 */
export function azureStore(options: AzureStoreOptions = {}): RemoteStore {
  return makeAzureStore(options, {
    variables: environment(),
    loadIdentity: () => import(IDENTITY)
  })
}

/** A name that compilers and bundlers do not look for: the package is optional. */
const IDENTITY: string = '@azure/identity'

export function makeAzureStore(options: AzureStoreOptions, surroundings: AzureSurroundings): RemoteStore {
  const setting = checkAzureOptions(options)
  const { rangeMd5 } = setting
  const { pool, ranges, adaptive } = options
  const accounts = azureAccounts(setting, surroundings)
  const endpoint = setting.endpoint === undefined || setting.account === undefined ? undefined : { url: setting.endpoint, account: setting.account }
  /** Accounts with the signatures that came in URIs. They are not kept in names, which are shown. */
  const signed = new WeakMap<RemoteName, Account>()
  const accountFor = (name: RemoteName): ReturnType<typeof accounts.find> => signed.get(name) ?? accounts.find(accountOf(name), name.uri, 'open')

  return remoteStore({
    scheme: 'az',
    capabilities: { write: true, list: true, idealRange: 8 << 20, idealRequests: 16 },
    locate(uri, operation, what) {
      const { name, sas } = parseAzureUri(uri, operation, what, endpoint)
      if (sas !== undefined) signed.set(name, accounts.withSas(accountOf(name), sas, name.uri, operation))
      return name
    },
    reader(transport) {
      const service = azureReadService(accountFor, rangeMd5)
      if (!rangeMd5) return service
      const md5 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...md5Hash().update(bytes).digest()))
      return { ...service, transport: rangeMd5Transport(transport, md5) }
    },
    control: () => azureControl(accounts, accountFor, setting.control)
  }, { pool, ranges: rangeMd5 ? { chunkSize: LONGEST_MD5_RANGE, minSplitSize: LONGEST_MD5_RANGE, ...ranges } : ranges, adaptive })
}
