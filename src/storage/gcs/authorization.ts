import { MillraceError, isMillraceError, messageOf } from '../../errors.js'
import type { MaybePromise } from '../../types.js'
import { abortable } from '../../util/abort.js'
import type { ServiceFault } from '../remote/service.js'

/** A bearer token (OAuth 2.0), and when it ends to be one, in milliseconds since 1970. */
export interface GcsAccessToken {
  readonly token: string
  readonly expires?: number | undefined
}

/** Who asks. */
export interface Authorization {
  /** Headers that say so. A plain value while the token that is there can be used. */
  headers(signal: AbortSignal): MaybePromise<Readonly<Record<string, string>>>
  /** Whether new credentials can be had at all. */
  readonly renewable: boolean
  /** Gets new credentials, whatever the old ones say of themselves. Those who ask at the same time share them. */
  refresh(signal: AbortSignal): Promise<void>
  /** The project of the credentials, if they have one. */
  projectId(): Promise<string | undefined>
}

/** What can be made of credentials: headers, and when they end. */
export interface Identity {
  /** `forced` when the headers that it gave last were refused. */
  renew(forced: boolean): Promise<{ readonly headers: Readonly<Record<string, string>>, readonly expires: number }>
  projectId(): Promise<string | undefined>
}

/** Nobody in particular. */
export const ANONYMOUS: Authorization = {
  headers: () => NO_HEADERS,
  renewable: false,
  refresh: () => Promise.resolve(),
  projectId: () => Promise.resolve(undefined)
}
const NO_HEADERS = Object.freeze({})

/** Headers are renewed so long before they end, or when half of their time is over if they have less. */
const EARLY = 300_000
/** When they could not be renewed and can be used still, it is tried again after this. */
const AGAIN = 10_000
/** Those who were refused with the headers before these ones come later than the one who got these. */
const FRESH = 5000

interface Current {
  readonly headers: Readonly<Record<string, string>>
  /** When they came, when they are to be renewed, and when they end. */
  readonly since: number
  readonly until: number
  readonly expires: number
}

/** Keeps headers until shortly before they end, and gets new ones once for all who ask meanwhile. */
export function authorization({ renew, projectId }: Identity, now: () => number = Date.now): Authorization {
  let current: Current | undefined
  /** Whether the current headers came in the place of others, so that a refusal may be of those. */
  let replaced = false
  let renewing: Promise<Readonly<Record<string, string>>> | undefined

  function renewed(forced: boolean): Promise<Readonly<Record<string, string>>> {
    return renewing ??= get(forced).finally(() => { renewing = undefined })
  }

  async function get(forced: boolean): Promise<Readonly<Record<string, string>>> {
    try {
      const { headers, expires } = await renew(forced)
      replaced = current !== undefined
      current = { headers, expires, since: now(), until: expires - Math.min(EARLY, (expires - now()) / 2) }
      return headers
    } catch (error) {
      // Who provides them may be away for a moment, which is why they are renewed early.
      if (!forced && current !== undefined && now() < current.expires) {
        current = { ...current, until: Math.min(current.expires, now() + AGAIN) }
        return current.headers
      }
      throw credentialError(error)
    }
  }

  return {
    renewable: true,
    headers(signal) {
      if (current !== undefined && now() < current.until) return current.headers
      return abortable(renewed(false), signal)
    },
    async refresh(signal) {
      if (replaced && current !== undefined && now() - current.since < FRESH) return
      await abortable(renewed(true), signal)
    },
    projectId
  }
}

/** Credentials that are a token, or a function that gets one. A token without an end is used until it is refused. */
export function tokenIdentity(given: string | (() => MaybePromise<string | GcsAccessToken>)): Identity {
  return {
    async renew() {
      const got = await (typeof given === 'string' ? given : given())
      const { token, expires = Infinity }: GcsAccessToken = typeof got === 'string' ? { token: got } : got
      return { headers: bearer(token), expires }
    },
    projectId: () => Promise.resolve(undefined)
  }
}

function bearer(token: unknown): Readonly<Record<string, string>> {
  // A wrong character here would be told in an error of the HTTP client, with the token.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new TypeError('accessToken gave no token: it must be a string without blanks')
  return { authorization: `Bearer ${token}` }
}

/** What is wrong when there are no credentials. The error underneath may hold a request with secrets; only its text is kept. */
function credentialError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  const { code, status, response } = (error ?? {}) as { code?: unknown, status?: unknown, response?: { status?: unknown } }
  const answered = Number(response?.status ?? status ?? code)
  const passing = answered >= 500 || answered === 429 || (typeof code === 'string' && /^E[A-Z_]+$|TIMEOUT/.test(code) && code !== 'ENOENT' && code !== 'EACCES')
  const message = messageOf(error).split('\n')[0] ?? ''
  const cause = new Error(message)
  if (passing) return new MillraceError('Unavailable', `no access token could be had now: ${message}`, { operation: 'authorize', cause })
  return new MillraceError('Denied',
    `no access token could be had: ${message}. Pass keyFilename or credentials, set GOOGLE_APPLICATION_CREDENTIALS, run `
    + '`gcloud auth application-default login`, or pass anonymous: true for public objects', { operation: 'authorize', cause })
}

/** The same error, which now tells the object that could not be asked for. */
export function atObject(error: unknown, uri: string, operation: string, attempts?: number): unknown {
  if (!isMillraceError(error)) return error // the reason of a signal
  return new MillraceError(error.kind, `${operation} ${uri}: ${error.message}`, { uri, operation, ...(attempts === undefined ? {} : { attempts }), cause: error.cause })
}

/** What a refusal means for those who asked as nobody in particular: credentials are missing, and there are none to renew. */
export function hinted(fault: ServiceFault, status: number, { renewable }: Authorization): ServiceFault {
  if (renewable || (status !== 401 && status !== 403)) return fault
  return { ...fault, refresh: false, hint: 'this was asked without credentials' }
}
