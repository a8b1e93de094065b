import { MillraceError } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import type { HttpRequest, ReplyHead } from '../remote/http.js'
import type { RangeAsk, ReadService, RemoteName } from '../remote/service.js'
import type { Account } from './accounts.js'
import { azureFault, skewOf } from './faults.js'
import { pathOf } from './name.js'

/** Of the protocol. Everything that reading needs is in it, and emulators know it. */
const VERSION = '2023-11-03'
/** Of longer ranges the service makes no MD5. */
export const LONGEST_MD5_RANGE = 4 << 20
export const RANGE_MD5 = 'x-ms-range-get-content-md5'

/** Reading blobs: "Get Blob" of the reference. The version of a blob is its ETag, without the quotes. */
export function azureReadService(accountFor: (name: RemoteName) => MaybePromise<Account>, rangeMd5: boolean): ReadService {
  /** Per account: how far the clock of the service is ahead of this one. */
  const skews = new Map<string, number>()

  function request(account: Account, name: RemoteName, range: RangeAsk | undefined, version: string | undefined, signal: AbortSignal): MaybePromise<HttpRequest> {
    const { origin, access } = account
    const path = `${account.path}${pathOf(name)}`
    const headers: Record<string, string> = { 'x-ms-version': VERSION }
    const { first = 0, last } = range ?? {}
    if (first > 0 || last !== undefined) {
      headers['x-ms-range'] = `bytes=${first}-${last ?? ''}`
      if (rangeMd5 && last !== undefined && last - first < LONGEST_MD5_RANGE) headers[RANGE_MD5] = 'true'
    }
    if (version !== undefined) headers['if-match'] = `"${version}"`

    switch (access.kind) {
      case 'anonymous': return { method: 'GET', origin, path, headers }
      case 'sas': return { method: 'GET', origin, path: `${path}?${access.sas}`, headers }
      case 'key': {
        headers['x-ms-date'] = new Date(Date.now() + (skews.get(account.name) ?? 0)).toUTCString()
        headers['authorization'] = access.sign({ method: 'GET', path, headers })
        return { method: 'GET', origin, path, headers }
      }
      case 'token': {
        if (!origin.startsWith('https://')) {
          throw new MillraceError('Denied', `read ${name.uri}: access tokens are sent over https only, not to ${origin}`, { uri: name.uri, operation: 'read' })
        }
        const token = access.token.get(signal)
        const withToken = (text: string): HttpRequest => ({ method: 'GET', origin, path, headers: { ...headers, authorization: `Bearer ${text}` } })
        return typeof token === 'string' ? withToken(token) : token.then(withToken)
      }
    }
  }

  return {
    scheme: 'az',
    request(name, range, version, signal) {
      const account = accountFor(name)
      return 'then' in account ? account.then(found => request(found, name, range, version, signal)) : request(account, name, range, version, signal)
    },
    versionHeader: 'etag',
    versionOf: reply => versionOfEtag(reply.header('etag')),
    checksumsOf(reply) {
      // With a range, content-md5 is that of the range.
      const md5 = reply.header('x-ms-blob-content-md5') ?? (reply.status === 200 ? reply.header('content-md5') : undefined)
      return md5 === undefined ? {} : { md5 }
    },
    faultOf(reply, body) {
      const fault = azureFault({
        status: reply.status,
        code: reply.header('x-ms-error-code') ?? /<Code>([^<]*)/.exec(body)?.[1],
        message: /<Message>([^<]*)/.exec(body)?.[1] ?? '',
        body,
        date: reply.header('date')
      })
      // The only condition of a read is the version.
      return fault.kind === 'Precondition' && reply.status === 412 ? { ...fault, kind: 'Changed' } : fault
    },
    async refresh(_, reply, name, signal) {
      const account = await accountFor(name)
      if (account.access.kind === 'token') await account.access.token.renew(signal, tenantOf(reply))
      if (account.access.kind === 'key') skews.set(account.name, skewOf(reply.header('date')))
    }
  }
}

/** The ETag without its quotes, which headers have and listings have not; nothing for a weak one. */
export function versionOfEtag(etag: string | undefined): string | undefined {
  return etag === undefined || etag === '' || etag.startsWith('W/') ? undefined : etag.replace(/^"(.*)"$/s, '$1')
}

/** The directory that the service wants the token from, which need not be the one where somebody signed in. */
function tenantOf(reply: ReplyHead): string | undefined {
  return /authorization_uri="?https:\/\/[^/"\s]+\/([\w.-]+)/i.exec(reply.header('www-authenticate') ?? '')?.[1]
}
