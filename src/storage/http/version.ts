import type { ReplyHead } from '../remote/http.js'

/**
 * The version of an object that a reply tells of, for what servers tell:
 *
 * - a strong ETag: itself. Two objects with the same one have the same bytes;
 * - no ETag, or a weak one, but a Last-Modified: that and the size. An object that is replaced within the same second by one of the same
 *   size cannot be told from the one before;
 * - neither: none. Then a read that breaks begins anew, and only another size shows that an object has changed.
 */
export function versionOfReply(reply: ReplyHead): string | undefined {
  const etag = reply.header('etag')
  if (etag !== undefined && etag !== '' && !etag.startsWith('W/')) return etag
  const modified = reply.header('last-modified')
  const size = sizeOfReply(reply)
  return modified === undefined || size === undefined || Number.isNaN(Date.parse(modified)) ? undefined : `${modified}, ${size} bytes`
}

/** The header that has a server refuse to send another version (412). */
export function pinOf(version: string | undefined): Readonly<Record<string, string>> {
  if (version === undefined) return {}
  const modified = /^(.+), \d+ bytes$/.exec(version)?.[1]
  return modified === undefined ? { 'if-match': version } : { 'if-unmodified-since': modified }
}

/** Size of the whole object, in bytes. */
export function sizeOfReply(reply: ReplyHead): number | undefined {
  const text = reply.status === 206 || reply.status === 416
    ? /\/(\d+)$/.exec(reply.header('content-range') ?? '')?.[1]
    : reply.header('content-length')
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}
