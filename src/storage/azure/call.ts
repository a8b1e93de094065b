import { MillraceError, isMillraceError, messageOf } from '../../errors.js'
import { closedError } from '../checks.js'
import { azureFault, withoutSignatures } from './faults.js'

/** Makes one request through the SDK: with the signal that ends it, and its errors as this library has them. */
export type AzureCall = <T>(where: Where, signal: AbortSignal | undefined, request: (abortSignal: AbortSignal) => Promise<T>, bytes?: number) => Promise<T>

export interface Where {
  readonly uri: string
  readonly operation: string
}

/** With all retries; longer by what the bytes take. The SDK itself has no limit. */
const DEADLINE_MS = 180_000
const SLOWEST = 64 << 10 // bytes per second

/** `closing` ends everything that is under way. */
export function azureCalls(closing: AbortSignal): AzureCall {
  return async (where, signal, request, bytes = 0) => {
    signal?.throwIfAborted()
    if (closing.aborted) throw closing.reason
    const controller = new AbortController()
    const end = (): void => controller.abort()
    const deadline = DEADLINE_MS + bytes / SLOWEST * 1000
    let late = false
    const timer = setTimeout(() => {
      late = true
      end()
    }, deadline)
    signal?.addEventListener('abort', end, { once: true })
    closing.addEventListener('abort', end, { once: true })
    try {
      return await request(controller.signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (closing.aborted) throw closedError(where.uri, where.operation, 'the store was closed')
      if (late) throw new MillraceError('Timeout', `${where.operation} ${where.uri}: it took longer than ${Math.round(deadline / 1000)} s; check the network`, where)
      throw azureError(where, error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      closing.removeEventListener('abort', end)
    }
  }
}

/** Codes of system calls that the SDK passes on. */
const NETWORK = /^(E[A-Z_]+|REQUEST_SEND_ERROR|PARSE_ERROR|CERT_\w+|\w*CERT\w*)$/

/**
 * What the SDK threw, as a MillraceError. The error of the SDK is not its cause: it holds the request, with its signature.
 */
export function azureError({ uri, operation }: Where, error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  const { statusCode: status, code, name, response } = error as Partial<RestErrorLike>
  const text = withoutSignatures(messageOf(error))
  if (status === undefined) {
    const network = typeof code === 'string' && NETWORK.test(code)
    const kind = network ? (code === 'ETIMEDOUT' ? 'Timeout' : 'Unavailable') : name === 'CredentialUnavailableError' || name === 'AggregateAuthenticationError' || name === 'AuthenticationError' ? 'Denied' : 'Internal'
    return new MillraceError(kind, `${operation} ${uri}: ${text}${network ? ` (${code}); check the endpoint and the network` : ''}`, { uri, operation })
  }
  const header = (named: string): string | undefined => response?.headers?.get(named)
  const fault = azureFault({ status, code: header('x-ms-error-code') ?? (/^\w+$/.test(String(code)) ? code : undefined), message: messageIn(response) ?? text, body: response?.bodyAsText ?? '', date: header('date') })
  const said = fault.message === '' || fault.message === fault.code ? fault.code : `${fault.message.replace(/\.$/, '')} (${fault.code})`
  return new MillraceError(fault.kind, `${operation} ${uri}: ${said}${fault.hint === undefined ? '' : `; ${fault.hint}`}`, { uri, operation, status })
}

/** The status of a failure of the SDK. */
export function statusOf(error: unknown): number | undefined {
  return (error as Partial<RestErrorLike> | null | undefined)?.statusCode
}

/** RestError of the SDK, as far as it is looked at. */
interface RestErrorLike {
  readonly name: string
  readonly code: string
  readonly statusCode: number
  readonly response: {
    readonly headers?: { get(name: string): string | undefined }
    readonly bodyAsText?: string | null
  }
}

function messageIn(response: RestErrorLike['response'] | undefined): string | undefined {
  return /<Message>([^<]*)/.exec(response?.bodyAsText ?? '')?.[1]
}
