import { MillraceError } from '../../errors.js'

/** What of a request is signed. */
export interface SignedParts {
  readonly method: string
  /** As it is sent, without the query. */
  readonly path: string
  /** The query, without `?`, encoded. */
  readonly query?: string | undefined
  /** Names in lower case, `x-ms-date` among them. */
  readonly headers: Readonly<Record<string, string>>
}

/** Makes the value of the header `authorization`. */
export type SharedKeySigner = (parts: SignedParts) => string

/** The headers whose values stand in the string to sign by themselves, in this order. */
const STANDARD = [
  'content-encoding', 'content-language', 'content-length', 'content-md5', 'content-type', 'date',
  'if-modified-since', 'if-match', 'if-none-match', 'if-unmodified-since', 'range'
]

/**
 * Signs requests with the key of an account: the scheme SharedKey of the Blob service, "Authorize with Shared Key" of its reference, as of
 * version 2015-02-21. The key is in base64.
 */
export function sharedKeySigner(account: string, key: string): SharedKeySigner {
  const crypto = nodeCrypto()
  const secret = crypto.createSecretKey(key, 'base64')
  return parts => `SharedKey ${account}:${crypto.createHmac('sha256', secret).update(stringToSign(account, parts), 'utf8').digest('base64')}`
}

/** What the signature is of. */
export function stringToSign(account: string, { method, path, query = '', headers }: SignedParts): string {
  const standard = STANDARD.map(name => (name === 'content-length' && headers[name] === '0' ? '' : headers[name] ?? ''))
  const own = Object.keys(headers).filter(name => name.startsWith('x-ms-')).sort().map(name => `${name}:${(headers[name] ?? '').trimStart()}\n`)
  const parameters = query.split('&').filter(pair => pair !== '').map(pair => {
    const at = pair.indexOf('=')
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
    return [decodeURIComponent(name).toLowerCase(), decodeURIComponent(value)] as const
  })
  const resource = [`/${account}${path}`, ...parameters.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}:${value}`)]
  return `${[method, ...standard].join('\n')}\n${own.join('')}${resource.join('\n')}`
}

interface Crypto {
  createSecretKey(key: string, encoding: 'base64'): object
  createHmac(algorithm: 'sha256', key: object): { update(text: string, encoding: 'utf8'): { digest(encoding: 'base64'): string } }
}

function nodeCrypto(): Crypto {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined // without an import: this is loaded anywhere
  const crypto = host?.getBuiltinModule?.('node:crypto') as Crypto | undefined
  if (crypto === undefined) throw new MillraceError('Unsupported', 'signing with the key of a storage account needs Node; use a shared access signature', { operation: 'sign' })
  return crypto
}
