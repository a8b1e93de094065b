import type { SigningCredentials } from './sigv4.js'

/** Credentials, and until when they are good. */
export interface S3Credentials extends SigningCredentials {
  readonly expiration?: Date | undefined
}

/** Where credentials come from. `forceRefresh`: those that were given last were refused. */
export type CredentialSource = (options?: { readonly forceRefresh?: boolean }) => Promise<S3Credentials>

export interface CredentialCache {
  /** A plain value while those that are there are good. */
  get(): S3Credentials | Promise<S3Credentials>
  /** New ones, after a service has refused these. Does nothing when that was done a moment ago. */
  refresh(): Promise<void>
}

/** They are renewed so long before they expire, in milliseconds. */
const BEFORE_EXPIRY = 300_000
/** When they could not be renewed and are good still, it is tried again after this. */
const AGAIN = 10_000
/** Requests with the old credentials may be refused after new ones have come; these are not refused for that. */
const JUST_REFRESHED = 1000

/**
 * Keeps credentials until five minutes before they expire (those that last less long, for half of their time), asks once however many wait, and never keeps
 * a failure.
 */
export function cachedCredentials(source: CredentialSource, now: () => number): CredentialCache {
  let current: S3Credentials | undefined
  let renewAt = -Infinity
  let refreshedAt = -Infinity
  let asking: Promise<S3Credentials> | undefined
  let forcing: Promise<S3Credentials> | undefined

  async function ask(forceRefresh: boolean): Promise<S3Credentials> {
    const got = await source({ forceRefresh })
    const begin = now()
    const end = got.expiration?.getTime() ?? Infinity
    renewAt = end === Infinity ? Infinity : Math.max(end - BEFORE_EXPIRY, begin + (end - begin) / 2)
    return current = got
  }

  async function renew(): Promise<S3Credentials> {
    try {
      return await ask(false)
    } catch (error) {
      if (current === undefined || now() >= (current.expiration?.getTime() ?? Infinity)) throw error
      renewAt = now() + AGAIN
      return current
    }
  }

  return {
    get() {
      if (current !== undefined && now() < renewAt) return current
      return asking ??= renew().finally(() => { asking = undefined })
    },
    async refresh() {
      if (now() - refreshedAt < JUST_REFRESHED) return
      await (forcing ??= ask(true).finally(() => {
        forcing = undefined
        refreshedAt = now()
      }))
    }
  }
}
