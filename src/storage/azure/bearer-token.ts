import { MillraceError, messageOf } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import { abortable } from '../../util/abort.js'
import type { AzureAccessToken, AzureTokenCredential } from './credentials.js'

/** The access token of a credential, fetched once for all who need it. */
export interface BearerToken {
  /** The token; a plain value when there is one that lasts. */
  get(signal: AbortSignal): MaybePromise<string>
  /** Fetches another one: the service refused this. Calls while one is on its way share it. */
  renew(signal: AbortSignal, tenantId?: string): Promise<void>
}

const SCOPE = 'https://storage.azure.com/.default'
/** A token that ends sooner than this is replaced before it is used. */
const MARGIN_MS = 5 * 60_000
/** All who were refused with the old token ask for a new one; those who come a little late have it already. */
const JUST_NOW_MS = 10_000

export function bearerToken(credential: AzureTokenCredential, now: () => number = Date.now): BearerToken {
  let current: { readonly token: string; readonly until: number } | undefined
  let fetching: Promise<string> | undefined
  let renewed = -Infinity
  let tenant: string | undefined

  function fetch(): Promise<string> {
    return fetching ??= ask(credential, tenant).then(({ token, expiresOnTimestamp }) => {
      const left = expiresOnTimestamp - now()
      current = { token, until: expiresOnTimestamp - Math.min(MARGIN_MS, left / 2) }
      return token
    }).finally(() => { fetching = undefined })
  }

  return {
    get(signal) {
      if (current !== undefined && now() < current.until) return current.token
      return abortable(fetch(), signal)
    },
    async renew(signal, tenantId) {
      if (fetching === undefined) {
        if (now() - renewed < JUST_NOW_MS) return
        tenant = tenantId ?? tenant
        current = undefined
      }
      await abortable(fetch(), signal)
      renewed = now()
    }
  }
}

async function ask(credential: AzureTokenCredential, tenantId: string | undefined): Promise<AzureAccessToken> {
  let token: AzureAccessToken | null
  try {
    token = await credential.getToken(SCOPE, tenantId === undefined ? {} : { tenantId })
  } catch (error) {
    const [first] = messageOf(error).split('\n')
    throw new MillraceError('Denied', `no access token for Azure Storage: ${first}; sign in (az login), or give azureStore a key, sas or credential`, { operation: 'getToken' })
  }
  if (typeof token?.token === 'string') return token
  throw new MillraceError('Denied', 'no access token for Azure Storage: the credential gave none; sign in (az login), or give azureStore a key or sas', { operation: 'getToken' })
}
