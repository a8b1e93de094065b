import type { RemoteName } from '../remote/service.js'
import { checkCharacters, invalidUri } from '../uri.js'

/** A URL, taken apart. `container` is the origin, and `key` path and query as they are sent: never in an error. */
export interface HttpName extends RemoteName {
  /** What user and password in the URL amount to. */
  readonly authorization: string | undefined
}

/**
 * Takes an http or https URL apart. Path and query are sent as they are written: percent-encoding stays, `..` stays, and only what cannot
 * stand in a request at all (blanks, characters beyond ASCII) is encoded. The canonical URI has no user, password and query.
 * @throws MillraceError `InvalidUri`
 */
export function locateHttp(uri: string, operation: string): HttpName {
  checkCharacters(uri, operation)
  const parts = /^(https?):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/is.exec(uri)
  if (parts === null) throw invalidUri(uri, operation, 'this store serves http:// and https:// only')
  const [, scheme = '', authority = '', path = '', query = '', fragment] = parts
  if (fragment !== undefined) throw invalidUri(uri, operation, 'a fragment is never sent; if the # belongs to the name, write %23')
  const at = authority.lastIndexOf('@')
  const origin = originOf(scheme, authority.slice(at + 1))
  if (origin === undefined) throw invalidUri(uri, operation, 'the host is missing or is none')
  const target = encoded(path === '' ? '/' : path)
  return {
    uri: origin + target,
    container: origin,
    key: target + encoded(query),
    authorization: at < 0 ? undefined : basic(authority.slice(0, at), uri, operation)
  }
}

function originOf(scheme: string, host: string): string | undefined {
  try {
    const url = new URL(`${scheme}://${host}/`)
    return url.hostname === '' || url.pathname !== '/' ? undefined : url.origin
  } catch {
    return undefined
  }
}

function encoded(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, encodeURIComponent)
}

/** `user:password@` as the header that it means (RFC 7617). */
function basic(userinfo: string, uri: string, operation: string): string {
  let text: string
  try {
    text = decodeURIComponent(userinfo)
  } catch {
    throw invalidUri(uri, operation, 'user and password have to be percent-encoded; write a % as %25')
  }
  const bytes = new TextEncoder().encode(text.includes(':') ? text : `${text}:`)
  return `Basic ${btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))}`
}
