/** What gives access tokens of Microsoft Entra ID: `DefaultAzureCredential` of `@azure/identity`, and everything like it. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[], options?: { readonly abortSignal?: AbortSignal; readonly tenantId?: string }): Promise<AzureAccessToken | null>
}

export interface AzureAccessToken {
  readonly token: string
  /** When it ends, in milliseconds since 1970. */
  readonly expiresOnTimestamp: number
}

/** How requests are authorised. */
export type AzureCredentials =
  | { readonly kind: 'key'; readonly key: string }
  /** A query, without `?`. */
  | { readonly kind: 'sas'; readonly sas: string }
  | { readonly kind: 'token'; readonly credential: AzureTokenCredential }
  | { readonly kind: 'anonymous' }

/** @throws TypeError for what is no base64. */
export function checkKey(what: string, key: string): string {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key) || key.length % 4 !== 0) throw new TypeError(`${what} must be the key of an account, in base64`)
  return key
}

/** @throws TypeError for what has no signature. */
export function checkSas(what: string, sas: string): string {
  const query = sas.replace(/^\?/, '')
  if (!/(^|&)sig=[^&]/.test(query) || /[\s#]/.test(query)) throw new TypeError(`${what} must be a shared access signature: a query with sig=…`)
  return query
}

/** @throws TypeError for what is no address of a server. It is not shown: people paste signatures with it. */
export function checkEndpoint(endpoint: string): string {
  const fault = new TypeError('azureStore: endpoint must be like https://host or http://host:port/account, without user, query and fragment')
  let url: URL
  try {
    url = new URL(endpoint)
  } catch {
    throw fault
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || /[?#]/.test(endpoint)) throw fault
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** `https://account.blob.…`, or `http://host/account`. */
export function accountOfEndpoint(endpoint: string): string | undefined {
  const { hostname, pathname } = new URL(endpoint)
  const path = pathname.replace(/\/+$/, '')
  return path === '' ? /^([a-z0-9-]+)\.blob\./.exec(hostname)?.[1] : path.slice(path.lastIndexOf('/') + 1)
}
