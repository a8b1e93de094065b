/**
 * URIs of objects: schemes, `file://` names, byte order. No I/O, nothing of Node.
 *
 * A local file has two kinds of name. A plain path is taken as it is, never decoded. A `file://` URI is percent-encoded
 * UTF-8 (RFC 8089); its canonical form is `file:///…` with every character encoded that means something in a URI or a
 * pattern. `direct://` URIs are written like `file://` ones.
 */
import { MillraceError } from '../errors.js'

/** The scheme in lower case, or `''` for a plain path. `C:\data` and `C:/data` are plain paths. */
export function schemeOf(uri: string): string {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(uri)?.[1]?.toLowerCase() ?? ''
}

/** How the name of one file or directory is written in a URI, and back. */
export interface NameCodec {
  encode(name: string): string
  decode(text: string): string
}

const PLAIN: NameCodec = { encode: (name) => name, decode: (text) => text }
const PERCENT: NameCodec = { encode: encodeName, decode: decodeURIComponent }

/** The codec for the names in a URI like this one: percent-encoding for `file://` and `direct://`, none for anything else. */
export function nameCodec(uri: string): NameCodec {
  return isPercentEncoded(uri) ? PERCENT : PLAIN
}

/** True for URIs of local files, whose names are percent-encoded. A plain path is no URI. */
export function isPercentEncoded(uri: string): boolean {
  const scheme = schemeOf(uri)
  return scheme === 'file' || scheme === 'direct'
}

/** A local file as it was named: the canonical URI (a plain path stays as it is) and the path for the system. */
export interface FileName {
  readonly uri: string
  readonly path: string
}

/** The schemes of local files. */
export type FileScheme = 'file' | 'direct'

/**
 * The path that a URI of that scheme or a plain path names. A trailing `/` is kept.
 * @throws MillraceError `InvalidUri`
 */
export function parseFileName(uri: string, operation: string, scheme: FileScheme = 'file'): FileName {
  checkCharacters(uri, operation)
  if (schemeOf(uri) === scheme) return parseFileUri(uri, operation, scheme)
  if (uri.slice(0, scheme.length + 1).toLowerCase() === `${scheme}:`) {
    throw invalidUri(uri, operation, `a ${scheme} URI begins with ${scheme}:/// (three slashes)`)
  }
  if (schemeOf(uri) !== '') throw invalidUri(uri, operation, `the ${scheme} store takes plain paths and ${scheme}:/// URIs`)
  return { uri, path: uri }
}

/** Refuses what no store can hold in a name. */
export function checkCharacters(uri: string, operation: string): void {
  if (typeof uri !== 'string') throw new TypeError(`${operation}: a URI must be a string, got ${typeof uri}`)
  if (uri.includes('\0')) throw invalidUri(uri, operation, 'it contains a NUL character')
  // With the u flag this category matches surrogates without a partner only. They have no UTF-8 form.
  if (/\p{Surrogate}/u.test(uri)) throw invalidUri(uri, operation, 'it contains half a surrogate pair')
}

/** The error for a URI that cannot name an object. */
export function invalidUri(uri: string, operation: string, why: string): MillraceError {
  const shown = withoutSecrets(uri)
  return new MillraceError('InvalidUri', `${operation} ${JSON.stringify(shown)}: not a usable URI: ${why}`,
    { uri: shown, operation })
}

/** The URI without user name, password, query and fragment, where its scheme may carry them. */
export function withoutSecrets(uri: string): string {
  const scheme = schemeOf(uri)
  if (scheme === '' || scheme === 'file' || scheme === 'direct' || scheme === 'mem') return uri
  return uri.replace(/[?#].*$/s, '').replace(/^([^:]+:\/\/)[^/]*@/, '$1')
}

/** Compares as UTF-8 bytes compare. (Code units differ from that where surrogate pairs meet U+E000 and above.) */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? rank(x) - rank(y) : x - y
  }
  return a.length - b.length
}

/** Puts surrogates, which stand for U+10000 and above, behind U+E000…U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}

function parseFileUri(uri: string, operation: string, scheme: FileScheme): FileName {
  const begin = `${scheme}://`.length
  const afterHost = uri.indexOf('/', begin)
  const host = uri.slice(begin, afterHost < 0 ? undefined : afterHost)
  if (afterHost < 0 || (host !== '' && host.toLowerCase() !== 'localhost')) {
    throw invalidUri(uri, operation, `write ${scheme}:///absolute/path; hosts other than localhost cannot be reached`)
  }
  if (/[?#]/.test(uri)) throw invalidUri(uri, operation, 'percent-encode ? as %3F and # as %23')
  const parts = uri.slice(afterHost + 1).split('/')
  const last = parts.length - 1
  const names = parts.map((part) => decodeName(part, uri, operation))
    .filter((name, i) => name !== '.' && (name !== '' || i === last))
  return { uri: `${scheme}:///${names.map(encodeName).join('/')}`, path: `/${names.join('/')}` }
}

function decodeName(part: string, uri: string, operation: string): string {
  let name: string
  try {
    name = decodeURIComponent(part)
  } catch (cause) {
    throw new MillraceError('InvalidUri',
      `${operation} ${JSON.stringify(uri)}: ${JSON.stringify(part)} is not percent-encoded UTF-8; write a literal % as %25`,
      { uri, operation, cause })
  }
  if (name === '..') throw invalidUri(uri, operation, '".." is not allowed in a URI of a file; name the directory itself')
  if (/[\0/]/.test(name)) throw invalidUri(uri, operation, 'a file name cannot contain NUL or an encoded slash')
  return name
}

function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/\*/g, '%2A').replace(/%(?:40|3A|2C|3D|2B|26|24|3B)/g, decodeURIComponent)
}
