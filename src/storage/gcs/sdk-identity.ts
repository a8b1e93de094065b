import { MillraceError, messageOf } from '../../errors.js'
import type { Identity } from './authorization.js'

const PACKAGE = '@google-cloud/storage'
const RANGE = '>=7.14.0'

/** Which credentials, in the words of the SDK. Those of the environment when none are given. */
export interface SdkCredentials {
  readonly keyFilename?: string | undefined
  readonly credentials?: Readonly<Record<string, unknown>> | undefined
  readonly projectId?: string | undefined
  readonly universeDomain?: string | undefined
}

/** The part of the SDK that is used: it finds credentials and makes tokens of them. */
interface Sdk {
  readonly Storage: new (options: Readonly<Record<string, unknown>>) => { readonly authClient: GoogleAuth }
}

interface GoogleAuth {
  getClient(): Promise<AuthClient>
  getProjectId(): Promise<string>
}

interface AuthClient {
  /** A plain object, or `Headers` in later versions. */
  getRequestHeaders(url?: string): Promise<object>
  readonly credentials?: { readonly access_token?: unknown, readonly expiry_date?: unknown } | undefined
  setCredentials?(credentials: object): void
}

/** Used so long when the SDK does not say how long a token can be used; the SDK has its own, and knows. */
const UNKNOWN_LIFE = 60_000

/**
 * Credentials of the official SDK: service accounts, Application Default Credentials with all that belongs to them (metadata server,
 * workload identity, impersonation, users), and the header for the project that pays for quotas.
 * @throws MillraceError `MissingPackage`, on first use
 */
export function sdkIdentity(given: SdkCredentials): Identity {
  let loading: Promise<GoogleAuth> | undefined
  const auth = (): Promise<GoogleAuth> => (loading ??= load(given).catch((error: unknown) => {
    loading = undefined
    throw error
  }))

  return {
    async renew(forced) {
      const client = await (await auth()).getClient()
      // The SDK renews by itself what is about to end.
      if (forced && client.credentials !== undefined) client.setCredentials?.({ ...client.credentials, expiry_date: 1 })
      const headers = Object.fromEntries(new Headers(await client.getRequestHeaders() as Record<string, string>))
      const { access_token: token, expiry_date: expiry } = client.credentials ?? {}
      const told = typeof expiry === 'number' && expiry > 1 && headers['authorization'] === `Bearer ${String(token)}`
      return { headers, expires: told ? expiry : Date.now() + UNKNOWN_LIFE }
    },
    async projectId() {
      try {
        return await (await auth()).getProjectId()
      } catch (error) {
        if ((error as { kind?: unknown }).kind === 'MissingPackage') throw error
        return undefined // whoever needs one says what to do
      }
    }
  }
}

async function load(given: SdkCredentials): Promise<GoogleAuth> {
  let sdk: Sdk
  try {
    // One cast at the border: the types above are those of the SDK, cut down to what is used.
    sdk = await import('@google-cloud/storage') as unknown as Sdk
  } catch (error) {
    throw new MillraceError('MissingPackage',
      `${PACKAGE} is needed for the credentials of gs://, and could not be loaded (${messageOf(error)}): npm install "${PACKAGE}@${RANGE}"; `
      + 'or pass accessToken, or anonymous: true', { cause: error })
  }
  return new sdk.Storage(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))).authClient
}
