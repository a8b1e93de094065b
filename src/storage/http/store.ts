/** Objects that a web server has. */
import type { MaybePromise } from '../../types.js'
import { checkStoreOptions, resolveTuning, type StoreTuning } from '../config.js'
import { remoteStore, type RemoteStore } from '../remote/remote-store.js'
import { systemSurroundings } from '../remote/surroundings.js'
import { locateHttp, type HttpName } from './name.js'
import { checkHeaders, httpReads, requestWriter } from './reads.js'
import { followingRedirects } from './redirects.js'
import { httpStat } from './stat.js'
import { environment } from '../../util/environment.js'

/** Options of {@link httpStore}. */
export interface HttpStoreOptions extends StoreTuning {
  /**
   * Headers for every request, such as `authorization`; or a function that gives them, which is called before each request and once more after a
   * 401. They are secrets: no error shows them, and a redirect to another origin does not get them. @default {}
   */
  readonly headers?: Readonly<Record<string, string>> | (() => MaybePromise<Readonly<Record<string, string>>>) | undefined
}

/**
 * Makes a store for `https://` and `http://`, which can only be read. Any server will do: one with range requests serves ranges, one without
 * them serves objects that are read whole, with `get`, and those that are not larger than `firstRange`.
 *
 * The query of a URL is taken for a secret, as in presigned URLs: it is sent, and is in no error and not in the URI of what is opened. The same
 * goes for `user:password@`, which is sent as Basic authorization.
 *
 * Redirects are followed, up to five in a row, but not from https to http.
 *
 * ```ts
 * const store = httpStore({ headers: { authorization: 'Bearer abc' } })
 * ```
 *
 * @throws TypeError, RangeError for wrong options
 */
export function httpStore(options: HttpStoreOptions = {}): RemoteStore {
  checkStoreOptions('httpStore', options, ['headers'])
  const { headers = {}, pool, ranges, adaptive } = options
  if (typeof headers !== 'function') checkHeaders(headers)
  const tuning: StoreTuning = { pool, ranges, adaptive }
  const { ranges: settings } = resolveTuning(tuning, environment())
  const write = requestWriter(headers)
  const renewable = typeof headers === 'function'
  return remoteStore({
    scheme: 'https',
    capabilities: { write: false, list: false, idealRange: 8 << 20, idealRequests: 16 },
    locate: locateHttp,
    reader: transport => httpReads(write, renewable, followingRedirects(transport)),
    stat: (name, request, transport) => httpStat(name as HttpName, write, renewable, followingRedirects(transport), settings, systemSurroundings, request)
  }, tuning)
}
