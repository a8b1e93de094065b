import { describe, expect, test } from '@jest/globals'
import { cachedCredentials, type CredentialCache, type S3Credentials } from '../../../src/storage/s3/credentials.js'

const HOUR = 3_600_000
const MINUTE = 60_000

interface World {
  now: number
  lasting: number | undefined
  broken: boolean
  readonly asked: boolean[]
  readonly cache: CredentialCache
}

/** Credentials that are numbered, and a clock that stands. */
function world(): World {
  const asked: boolean[] = []
  const it: World = {
    now: 1_000_000, lasting: HOUR, broken: false, asked,
    cache: cachedCredentials(async ({ forceRefresh = false } = {}): Promise<S3Credentials> => {
      asked.push(forceRefresh)
      await Promise.resolve()
      if (it.broken) throw new Error('nobody answers')
      return { accessKeyId: `key${asked.length}`, secretAccessKey: 's', ...(it.lasting === undefined ? {} : { expiration: new Date(it.now + it.lasting) }) }
    }, () => it.now)
  }
  return it
}

const idOf = async (it: World): Promise<string> => (await it.cache.get()).accessKeyId

describe('credentials', () => {
  test('are asked for once, however many wait, and are a plain value afterwards', async () => {
    const it = world()
    expect(await Promise.all([idOf(it), idOf(it), idOf(it)])).toEqual(['key1', 'key1', 'key1'])
    expect(it.cache.get()).toMatchObject({ accessKeyId: 'key1' })
    expect(it.asked).toEqual([false])
  })

  test('are kept until five minutes before they expire', async () => {
    const it = world()
    await idOf(it)
    it.now += 55 * MINUTE - 1
    expect(await idOf(it)).toBe('key1')
    it.now += 1
    expect(await idOf(it)).toBe('key2')
    it.now += 30 * MINUTE
    expect(await idOf(it)).toBe('key2')
  })

  test('that last less than ten minutes are kept for half of their time', async () => {
    const it = world()
    it.lasting = 4 * MINUTE
    await idOf(it)
    it.now += 2 * MINUTE - 1
    expect(await idOf(it)).toBe('key1')
    it.now += 1
    expect(await idOf(it)).toBe('key2')
  })

  test('that do not expire are kept for ever', async () => {
    const it = world()
    it.lasting = undefined
    await idOf(it)
    it.now += 1000 * HOUR
    expect(await idOf(it)).toBe('key1')
  })

  test('that cannot be renewed are used while they are good, and it is tried again after a while; then the failure is told', async () => {
    const it = world()
    await idOf(it)
    it.broken = true
    it.now += 56 * MINUTE
    expect([await idOf(it), await idOf(it), it.asked.length]).toEqual(['key1', 'key1', 2])
    it.now += 10_000
    expect([await idOf(it), it.asked.length]).toEqual(['key1', 3])
    it.now += 4 * MINUTE
    await expect(idOf(it)).rejects.toThrow('nobody answers')
    it.broken = false
    expect(await idOf(it)).toBe('key5') // a failure is not kept
  })

  test('that were refused are asked for anew, once for all that were refused at that time', async () => {
    const it = world()
    await idOf(it)
    await Promise.all([it.cache.refresh(), it.cache.refresh()])
    expect(await idOf(it)).toBe('key2')
    await it.cache.refresh() // a request with the old ones that was on its way
    expect(it.asked).toEqual([false, true])
    it.now += 1000
    await it.cache.refresh()
    expect(await idOf(it)).toBe('key3')
    expect(it.asked).toEqual([false, true, true])
  })
})
