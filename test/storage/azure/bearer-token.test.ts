import { describe, expect, test } from '@jest/globals'
import { isMillraceError } from '../../../src/errors.js'
import { bearerToken } from '../../../src/storage/azure/bearer-token.js'

const MINUTE = 60_000
const { signal } = new AbortController()

/** A credential whose tokens last an hour, unless told otherwise, and a clock. */
function setUp({ lasts = 60 * MINUTE }: { lasts?: number } = {}) {
  const clock = { time: 1_000_000 }
  const asked: (string | undefined)[] = []
  let hold: Promise<void> | undefined
  const token = bearerToken({
    async getToken(_, options) {
      asked.push(options?.tenantId)
      const number = asked.length
      await hold
      return { token: `token ${number}`, expiresOnTimestamp: clock.time + lasts }
    }
  }, () => clock.time)
  return { token, clock, asked, holdUntil: (promise: Promise<void>) => { hold = promise } }
}

describe('an access token', () => {
  test('is fetched once, and given at once as long as it lasts', async () => {
    const { token, clock, asked } = setUp()
    expect(await Promise.all([token.get(signal), token.get(signal), token.get(signal)])).toEqual(['token 1', 'token 1', 'token 1'])
    clock.time += 54 * MINUTE
    expect(token.get(signal)).toBe('token 1')
    clock.time += 2 * MINUTE
    expect(await token.get(signal)).toBe('token 2')
    expect(asked.length).toBe(2)
  })

  test('that lasts for less than the margin is used for half of its time', async () => {
    const { token, clock } = setUp({ lasts: 2 * MINUTE })
    await token.get(signal)
    clock.time += MINUTE - 1
    expect(token.get(signal)).toBe('token 1')
    clock.time += 1
    expect(await token.get(signal)).toBe('token 2')
  })

  test('that was refused is fetched anew, once for all who were refused', async () => {
    const { token, clock, asked } = setUp()
    await token.get(signal)
    await Promise.all([token.renew(signal), token.renew(signal), token.renew(signal)])
    await token.renew(signal)
    expect(token.get(signal)).toBe('token 2')
    clock.time += MINUTE
    await token.renew(signal, 'another-tenant')
    expect(token.get(signal)).toBe('token 3')
    expect(asked).toEqual([undefined, undefined, 'another-tenant'])
  })

  test('comes for the others when one of those who wait gives up', async () => {
    const { token, holdUntil } = setUp()
    let go: () => void = () => undefined
    holdUntil(new Promise(resolve => { go = resolve }))
    const giver = new AbortController()
    const [given, kept] = [token.get(giver.signal), token.get(signal)]
    const reason = new Error('no longer')
    giver.abort(reason)
    await expect(Promise.resolve(given)).rejects.toBe(reason)
    go()
    expect(await kept).toBe('token 1')
  })

  test('that cannot be had is Denied, says why, and is asked for again the next time', async () => {
    let fails = true
    const token = bearerToken({
      getToken: async () => {
        if (fails) throw new Error('please sign in\nand a long list of what was tried')
        return { token: 'good', expiresOnTimestamp: Infinity }
      }
    })
    const error = await Promise.resolve(token.get(signal)).then(() => undefined, (reason: unknown) => reason)
    expect(isMillraceError(error, 'Denied')).toBe(true)
    expect((error as Error).message).toBe('no access token for Azure Storage: please sign in; sign in (az login), or give azureStore a key, sas or credential')
    fails = false
    expect(await token.get(signal)).toBe('good')
    const none = bearerToken({ getToken: () => Promise.resolve(null) })
    await expect(Promise.resolve(none.get(signal))).rejects.toThrow('the credential gave none')
  })
})
