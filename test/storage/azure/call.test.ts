import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { azureCalls, azureError } from '../../../src/storage/azure/call.js'

const where = { uri: 'az://a/box/b', operation: 'stat' }
/** A request that ends when it is called off, as those of the SDK do. */
const endless = (signal: AbortSignal): Promise<never> => new Promise((_, reject) => {
  signal.addEventListener('abort', () => reject(Object.assign(new Error('The operation was aborted.'), { name: 'AbortError' })))
})

beforeEach(() => { jest.useFakeTimers() })
afterEach(() => { jest.useRealTimers() })

describe('a call of the SDK', () => {
  test('ends with its deadline, which is later for more bytes', async () => {
    const call = azureCalls(new AbortController().signal)
    for (const [bytes, seconds] of [[0, 180], [640 << 10, 190]] as const) {
      const outcome = call(where, undefined, endless, bytes).catch((error: unknown) => error)
      let ended = false
      outcome.then(() => { ended = true }, () => undefined)
      await jest.advanceTimersByTimeAsync(seconds * 1000 - 1)
      expect(ended).toBe(false)
      await jest.advanceTimersByTimeAsync(1)
      expect(await outcome).toMatchObject({ kind: 'Timeout', uri: where.uri, operation: 'stat' })
    }
  })

  test('ends with the reason of its signal, and with Closed when the store is closed', async () => {
    const [closing, caller] = [new AbortController(), new AbortController()]
    const call = azureCalls(closing.signal)
    const [first, second] = [call(where, caller.signal, endless), call(where, undefined, endless)].map(promise => promise.catch((error: unknown) => error))
    const reason = new Error('stop')
    caller.abort(reason)
    expect(await first).toBe(reason)
    closing.abort(new Error('closed'))
    expect(await second).toMatchObject({ kind: 'Closed' })
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('an error of the SDK', () => {
  const reply = (headers: Record<string, string>, bodyAsText = ''): object => ({ headers: { get: (name: string) => headers[name] }, bodyAsText })

  test('has a kind by its code, one line of what was said, and no secret', () => {
    const error = azureError(where, Object.assign(new Error('Server failed to authenticate. url=https://x/?sv=1&sig=secret\nRequestId:1'), {
      name: 'RestError', statusCode: 403, code: 'AuthenticationFailed', request: { url: 'https://x/?sig=secret' }, response: reply({ 'x-ms-error-code': 'AuthenticationFailed' })
    }))
    expect(error).toMatchObject({ kind: 'Denied', status: 403, uri: where.uri, operation: 'stat', message: 'stat az://a/box/b: Server failed to authenticate. url=https://x/?sv=1&sig=… (AuthenticationFailed)' })
    expect(error.cause).toBeUndefined()
  })

  test.each([
    [{ code: 'ECONNREFUSED' }, 'Unavailable'], [{ code: 'ETIMEDOUT' }, 'Timeout'], [{ code: 'REQUEST_SEND_ERROR' }, 'Unavailable'], [{ name: 'CredentialUnavailableError' }, 'Denied'],
    [{ statusCode: 503 }, 'Throttled'], [{ statusCode: 404 }, 'NotFound'], [{ statusCode: 412 }, 'Precondition'], [{ statusCode: 409, code: 'BlobAlreadyExists' }, 'Precondition'],
    [{ statusCode: 400, code: 'Md5Mismatch' }, 'Corrupt'], [{ statusCode: 413, code: 'RequestBodyTooLarge' }, 'Limit'], [{}, 'Internal']
  ])('%j is %s', (facts, kind) => {
    expect(azureError(where, Object.assign(new Error('said'), facts)).kind).toBe(kind)
  })

  test('of a clock far from the service says so', () => {
    const date = new Date(Date.now() - 30 * 60_000).toUTCString()
    expect(azureError(where, Object.assign(new Error('x'), { statusCode: 403, response: reply({ 'x-ms-error-code': 'AuthenticationFailed', date }) })).message).toContain('the clock of this machine is 30 minutes fast')
  })
})
