import type { ErrorKind } from '../../errors.js'
import type { ReplyHead } from '../remote/http.js'
import type { ServiceFault } from '../remote/service.js'
import { refusedRedirect } from './redirects.js'

const KINDS: { readonly [status: number]: ErrorKind } = {
  404: 'NotFound', 410: 'NotFound', 408: 'Timeout', 412: 'Changed', 421: 'Unavailable', 425: 'Unavailable', 429: 'Throttled', 501: 'Unsupported', 505: 'Unsupported'
}

/** What a reply with an error means. `renewable`: headers come from a function, which may know better ones. */
export function httpFault(reply: ReplyHead, body: string, renewable: boolean): ServiceFault {
  const { status } = reply
  const { code, message } = saidIn(body)
  return {
    kind: KINDS[status] ?? (status < 400 ? 'Unsupported' : status < 500 ? 'Denied' : 'Unavailable'),
    code,
    message: refusedRedirect(reply) ?? (message === '' ? `the server answered with status ${status}` : message),
    hint: hintOf(status),
    refresh: status === 401 && renewable
  }
}

function hintOf(status: number): string | undefined {
  if (status === 401) return 'give user and password in the URL, or the option headers'
  if (status === 403) return 'check what may be read; a presigned URL may have expired'
  if (status === 404 || status === 410) return 'check the URL'
  return status < 400 ? 'use the address of the object itself' : undefined
}

/**
 * Code and message of the error documents of object stores. Nothing else is repeated: such documents show what was signed, and
 * pages for people show what was asked for.
 */
function saidIn(body: string): { readonly code: string, readonly message: string } {
  const xml = /<Error[\s>][\s\S]*?<Code>([\w.-]{1,100})<\/Code>(?:[\s\S]*?<Message>([^<]{1,300})<\/Message>)?/.exec(body)
  return { code: xml?.[1] ?? '', message: withoutUrls(xml?.[2] ?? '') }
}

function withoutUrls(text: string): string {
  return text.replace(/[a-z][a-z0-9+.-]*:\/\/\S+|\S*[?&][\w-]+=\S*/gi, '…').split('\n')[0]?.trim() ?? ''
}
