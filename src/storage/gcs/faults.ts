import type { ErrorKind } from '../../errors.js'
import type { ServiceFault } from '../remote/service.js'

const PAYER = { kind: 'Denied', hint: 'pass the option userProject' } as const

/**
 * What replies of the JSON API with an error mean (https://cloud.google.com/storage/docs/json_api/v1/status-codes): first by the reason in
 * the body, since 403 also says that there are too many requests, and 400 that nobody pays; then by the status.
 */
const REASONS: { readonly [reason: string]: Omit<ServiceFault, 'code' | 'message'> } = {
  rateLimitExceeded: { kind: 'Throttled' },
  userRateLimitExceeded: { kind: 'Throttled' },
  quotaExceeded: { kind: 'Throttled', hint: 'a quota of the project is used up; raise it, or read less at a time' },
  dailyLimitExceeded: { kind: 'Throttled', retryable: false, hint: 'a quota of the project is used up for today' },
  UserProjectMissing: PAYER,
  userProjectAccessDenied: { kind: 'Denied', hint: 'who asks may not let the project of userProject pay (serviceusage.services.use)' },
  insufficientPermissions: { kind: 'Denied', hint: 'the token was made for fewer scopes than this needs' },
  sslRequired: { kind: 'Denied', hint: 'write https:// in the endpoint' }
}

const STATUSES: { readonly [status: number]: Omit<ServiceFault, 'code' | 'message'> } = {
  401: { kind: 'Denied', refresh: true },
  403: { kind: 'Denied', hint: 'who asks may not do this: reading needs storage.objects.get on this bucket, listing storage.objects.list, writing storage.objects.create and delete' },
  404: { kind: 'NotFound', hint: 'check the URI, and whether the object was deleted' },
  408: { kind: 'Timeout' },
  409: { kind: 'Precondition' },
  410: { kind: 'NotFound' },
  412: { kind: 'Precondition' },
  429: { kind: 'Throttled' }
}

export function gcsFault(status: number, body: string): ServiceFault {
  const { code = String(status), message = '' } = errorIn(body)
  if (/requester pays/i.test(message)) return { ...PAYER, code, message }
  const known = CHECKSUM.test(message) && status < 500 ? DAMAGED : REASONS[code] ?? STATUSES[status] ?? { kind: kindOf(status) }
  return { ...known, code, message: message === '' ? `HTTP ${status}` : message }
}

/** "Provided CRC32C "…" doesn't match calculated CRC32C "…"." */
const CHECKSUM = /\b(?:crc32c|md5)\b.*(?:match|validation failed)/i
const DAMAGED = { kind: 'Corrupt', retryable: true, hint: 'the bytes were damaged on their way to the service' } as const

function kindOf(status: number): ErrorKind {
  if (status === 501 || status === 505) return 'Unsupported'
  return status >= 500 ? 'Unavailable' : 'Denied'
}

/** Longer messages are cut. */
const LONGEST_MESSAGE = 300

/** Errors come as JSON; some of the front end as XML, others as text for people, which tells nothing that the status does not. */
function errorIn(body: string): { readonly code?: string | undefined, readonly message?: string | undefined } {
  const xml = /<Code>([^<]*)<\/Code>(?:[\s\S]*?<Message>([^<]*)<\/Message>)?/.exec(body)
  if (xml !== null) return { code: xml[1], message: xml[2]?.slice(0, LONGEST_MESSAGE) }
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown, errors?: readonly { reason?: unknown }[] } }
    const reason = error?.errors?.[0]?.reason
    return {
      code: typeof reason === 'string' && reason !== '' ? reason : undefined,
      message: typeof error?.message === 'string' ? error.message.slice(0, LONGEST_MESSAGE) : undefined
    }
  } catch {
    return {}
  }
}
