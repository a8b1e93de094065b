import { MillraceError } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import { invalidUri } from '../uri.js'
import { bearerToken, type BearerToken } from './bearer-token.js'
import { parseConnectionString, type ConnectionString } from './connection-string.js'
import { checkKey, checkSas, type AzureCredentials, type AzureTokenCredential } from './credentials.js'
import type { AzureSetting } from './options.js'
import { sharedKeySigner, type SharedKeySigner } from './shared-key.js'

/** A storage account, and how it is asked. */
export interface Account {
  readonly name: string
  /** Without a slash at the end. */
  readonly endpoint: string
  /** `https://host:port` of the endpoint. */
  readonly origin: string
  /** The path of the endpoint: empty, or `/account`. */
  readonly path: string
  readonly access: Access
}

/** How requests to an account are authorised. */
export type Access =
  | { readonly kind: 'key'; readonly key: string; readonly sign: SharedKeySigner }
  | { readonly kind: 'sas'; readonly sas: string }
  | { readonly kind: 'token'; readonly credential: AzureTokenCredential; readonly token: BearerToken }
  | { readonly kind: 'anonymous' }

/** The accounts that a store serves. */
export interface Accounts {
  /** The account that is meant where none is named; nothing when neither options nor environment say one. */
  main(): string | undefined
  /**
   * A plain value when it was found before.
   * @throws MillraceError `InvalidUri` for an account that the store is not for, `Denied` or `MissingPackage` when there are no credentials
   */
  find(name: string, uri: string, operation: string): MaybePromise<Account>
  /** The account with a shared access signature that came with a URI. */
  withSas(name: string, sas: string, uri: string, operation: string): Account
}

/** Where credentials come from when none are given. */
export interface AzureSurroundings {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** `@azure/identity`. */
  readonly loadIdentity: () => Promise<unknown>
}

interface Identity {
  readonly DefaultAzureCredential: new () => AzureTokenCredential
}

export function azureAccounts(setting: AzureSetting, { variables, loadIdentity }: AzureSurroundings): Accounts {
  const fromEnvironment = environmentSetting(setting.credentials === undefined ? variables : {})
  const own = setting.account
  const found = new Map<string, Account>()
  const finding = new Map<string, Promise<Account>>()
  let fallback: Promise<Access> | undefined

  function check(name: string, uri: string, operation: string): void {
    if (own !== undefined && name !== own) {
      throw invalidUri(uri, operation, `this store is for the account ${own}; make another one, with azureStore({ account: '${name}', … }), and pass it with the option store`)
    }
  }

  function account(name: string, endpoint: string, access: Access): Account {
    const { origin, pathname } = new URL(endpoint)
    return { name, endpoint, origin, path: pathname.replace(/\/+$/, ''), access }
  }

  async function make(name: string): Promise<Account> {
    const inEnvironment = fromEnvironment.find(name)
    const endpoint = setting.endpoint ?? inEnvironment?.endpoint ?? publicEndpoint(name)
    const credentials = setting.credentials ?? inEnvironment?.credentials
    return account(name, endpoint, credentials === undefined ? await defaultAccess() : accessOf(name, credentials))
  }

  /** One credential for all accounts. A failure to load it is not kept: what is missing may be there the next time. */
  function defaultAccess(): Promise<Access> {
    return fallback ??= loadDefault().catch((error: unknown) => {
      fallback = undefined
      throw error
    })
  }

  async function loadDefault(): Promise<Access> {
    let identity: Partial<Identity>
    try {
      identity = await loadIdentity() as Partial<Identity>
    } catch (cause) {
      throw new MillraceError('MissingPackage',
        'there are no credentials for Azure Storage: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; '
        + 'give azureStore a key, sas, connectionString, credential or { anonymous: true }; '
        + 'or, to sign in with DefaultAzureCredential, run: npm install @azure/identity@">=4.0.0"', { operation: 'sign', cause })
    }
    if (identity.DefaultAzureCredential === undefined) {
      throw new MillraceError('MissingPackage', '@azure/identity has no DefaultAzureCredential; run: npm install @azure/identity@">=4.0.0"', { operation: 'sign' })
    }
    return accessOf('', { kind: 'token', credential: new identity.DefaultAzureCredential() })
  }

  return {
    main: () => own ?? fromEnvironment.account(),
    find(name, uri, operation) {
      check(name, uri, operation)
      const ready = found.get(name)
      if (ready !== undefined) return ready
      const under = finding.get(name)
      if (under !== undefined) return under
      const made = make(name)
      finding.set(name, made)
      return made.then(account => {
        found.set(name, account)
        return account
      }).finally(() => finding.delete(name))
    },
    withSas(name, sas, uri, operation) {
      check(name, uri, operation)
      return account(name, setting.endpoint ?? publicEndpoint(name), { kind: 'sas', sas })
    }
  }
}

function publicEndpoint(name: string): string {
  return `https://${name}.blob.core.windows.net`
}

function accessOf(name: string, credentials: AzureCredentials): Access {
  switch (credentials.kind) {
    case 'key': return { kind: 'key', key: credentials.key, sign: sharedKeySigner(name, credentials.key) }
    case 'token': return { ...credentials, token: bearerToken(credentials.credential) }
    default: return credentials
  }
}

interface EnvironmentSetting {
  account(): string | undefined
  find(name: string): { readonly endpoint: string; readonly credentials: AzureCredentials } | undefined
}

/** What the environment says, when the store is made. What is wrong in it is told when it is needed. */
function environmentSetting(variables: AzureSurroundings['variables']): EnvironmentSetting {
  const text = variables['AZURE_STORAGE_CONNECTION_STRING']
  const [account, key, sas] = [variables['AZURE_STORAGE_ACCOUNT'], variables['AZURE_STORAGE_KEY'], variables['AZURE_STORAGE_SAS_TOKEN']]
  if (text) {
    const parse = (): ConnectionString => inEnvironment(() => parseConnectionString(text, 'AZURE_STORAGE_CONNECTION_STRING'))
    return {
      account: () => parse().account,
      find(name) {
        const parsed = parse()
        return parsed.account === name ? parsed : undefined
      }
    }
  }
  return {
    account: () => account || undefined,
    find(name) {
      if (!key && !sas) return undefined
      if (!account) {
        throw new MillraceError('Denied', `${key ? 'AZURE_STORAGE_KEY' : 'AZURE_STORAGE_SAS_TOKEN'} is set, but not whose it is: set AZURE_STORAGE_ACCOUNT too`, { operation: 'sign' })
      }
      if (account !== name) return undefined
      const credentials = inEnvironment((): AzureCredentials => (key
        ? { kind: 'key', key: checkKey('AZURE_STORAGE_KEY', key) }
        : { kind: 'sas', sas: checkSas('AZURE_STORAGE_SAS_TOKEN', sas ?? '') }))
      return { endpoint: publicEndpoint(name), credentials }
    }
  }
}

function inEnvironment<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new MillraceError('Denied', (error as Error).message, { operation: 'sign' })
  }
}
