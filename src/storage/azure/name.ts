/**
 * Names of blobs. `az://account/container/blob` is the canonical form; behind the container everything is the name of the blob, taken
 * as it is. `https://<account>.blob.core.windows.net/container/blob` is percent-encoded, and may carry a shared access signature.
 *
 * Names that the SDK or the service would change into others in silence are refused: with a valid signature, `a/../b` reads the blob `b`.
 */
import { checkCharacters, invalidUri, schemeOf } from '../uri.js'
import type { RemoteName } from '../remote/service.js'

/** A blob, and the shared access signature (a query without `?`) that its URI carried. */
export interface AzureName {
  readonly name: RemoteName
  readonly sas: string | undefined
}

/** An endpoint of its own, whose https URIs are understood too. */
export interface NamedEndpoint {
  readonly account: string
  /** Without a slash at the end. */
  readonly url: string
}

/** Characters that a name may have. The service counts them so, not bytes. */
const LONGEST_NAME = 1024
const ACCOUNT = /^[a-z0-9][a-z0-9-]{1,62}$/
const CONTAINER = /^(\$[a-z]{3,}|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*)$/
const PUBLIC_HOST = /^https:\/\/([a-z0-9-]+)\.blob\.core\.windows\.net(?::443)?\//i
/** The service allows no control characters; a listing in XML has no way to write the others. */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/

/**
 * Takes a URI apart and checks it.
 * @throws MillraceError `InvalidUri`
 */
export function parseAzureUri(uri: string, operation: string, what: 'object' | 'prefix', endpoint?: NamedEndpoint): AzureName {
  checkCharacters(uri, operation)
  const { account, path, sas } = schemeOf(uri) === 'az' ? plain(uri, operation) : fromUrl(uri, operation, endpoint)
  const slash = path.indexOf('/')
  const container = slash < 0 ? path : path.slice(0, slash)
  const key = slash < 0 ? '' : path.slice(slash + 1)
  if (!ACCOUNT.test(account)) throw invalidUri(uri, operation, `${JSON.stringify(account)} is not the name of a storage account: 3 to 24 lower case letters and digits`)
  if (!CONTAINER.test(container)) {
    throw invalidUri(uri, operation, container === ''
      ? 'write az://account/container/blob'
      : `${JSON.stringify(container)} is not the name of a container: 3 to 63 lower case letters, digits and single hyphens`)
  }
  const fault = what === 'object' ? faultOfKey(key) : faultOfPrefix(key)
  if (fault !== undefined) throw invalidUri(uri, operation, fault)
  return { name: { uri: uriOf(account, container, key), container, key }, sas }
}

/** The canonical URI of a blob, whatever its name. */
export function uriOf(account: string, container: string, key: string): string {
  return `az://${account}/${container}/${key}`
}

/** The account of a canonical URI. */
export function accountOf({ uri }: Pick<RemoteName, 'uri'>): string {
  return uri.slice('az://'.length, uri.indexOf('/', 'az://'.length))
}

/** A container and a blob as they stand in the path of a request, byte for byte as the SDK writes them. */
export function pathOf({ container, key }: Pick<RemoteName, 'container' | 'key'>): string {
  return `/${container}/${key.split('/').map(encodeURIComponent).join('/').replaceAll("'", '%27')}`
}

function faultOfKey(key: string): string | undefined {
  if (key === '') return 'write the name of a blob behind the container'
  if (key.includes('\\')) return 'the service takes a backslash for a slash'
  if (key.split('/').some(segment => segment.endsWith('.'))) {
    return 'a part of the name ends in a dot: the service and what is between drop it, or take "." and ".." for directories, and another blob is meant'
  }
  return faultOfPrefix(key)
}

function faultOfPrefix(key: string): string | undefined {
  if (FORBIDDEN.test(key)) return 'it contains a control character, which the service allows in no name'
  return key.length > LONGEST_NAME ? `the name has ${key.length} characters, more than ${LONGEST_NAME}` : undefined
}

interface Parts {
  readonly account: string
  /** Container and blob, decoded. */
  readonly path: string
  readonly sas: string | undefined
}

function plain(uri: string, operation: string): Parts {
  const rest = uri.slice('az://'.length)
  const slash = rest.indexOf('/')
  if (slash < 0) throw invalidUri(uri, operation, 'write az://account/container/blob')
  return { account: rest.slice(0, slash), path: rest.slice(slash + 1), sas: undefined }
}

function fromUrl(uri: string, operation: string, endpoint: NamedEndpoint | undefined): Parts {
  const [base, account] = endpoint !== undefined && uri.startsWith(`${endpoint.url}/`)
    ? [`${endpoint.url}/`, endpoint.account]
    : (PUBLIC_HOST.exec(uri) ?? [])
  if (base === undefined || account === undefined) {
    throw invalidUri(uri, operation, 'this store takes az://account/container/blob and https://account.blob.core.windows.net/container/blob')
  }
  if (uri.includes('#')) throw invalidUri(uri, operation, 'percent-encode # as %23')
  const [encoded = '', ...queries] = uri.slice(base.length).split('?')
  return { account: account.toLowerCase(), path: decode(encoded, uri, operation), sas: sasOf(queries.join('?'), uri, operation) }
}

function decode(path: string, uri: string, operation: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw invalidUri(uri, operation, 'it is not percent-encoded UTF-8; write a literal % as %25, or use az://')
  }
}

function sasOf(query: string, uri: string, operation: string): string | undefined {
  if (query === '') return undefined
  const names = query.split('&').map(pair => pair.replace(/=.*$/s, '').toLowerCase())
  if (names.includes('snapshot') || names.includes('versionid')) throw invalidUri(uri, operation, 'snapshots and old versions cannot be named; it reads the current blob')
  if (!names.includes('sig')) throw invalidUri(uri, operation, 'the query is no shared access signature; percent-encode ? as %3F, or use az://')
  return query
}
