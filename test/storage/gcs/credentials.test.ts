import { afterEach, describe, expect, test } from '@jest/globals'
import { createServer } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ANONYMOUS, authorization, tokenIdentity } from '../../../src/storage/gcs/authorization.js'
import { gcsStore, type GcsStoreOptions } from '../../../src/storage/gcs/store.js'
import { isMillraceError } from '../../../src/errors.js'
import { startGcsFake, type GcsFake, type GcsFakeOptions } from '../../servers/gcs-fake.js'

const FAST = { ranges: { backoffBase: 1, throttleBase: 1, backoffCap: 2 } }
const BYTES = new Uint8Array([1, 2, 3])
const NEVER = new AbortController().signal

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(options: GcsFakeOptions = {}): Promise<GcsFake> {
  const fake = await startGcsFake({ buckets: ['data'], ...options })
  disposals.push(() => fake.close())
  fake.put('data', 'a', BYTES)
  return fake
}

function open(options: GcsStoreOptions): ReturnType<typeof gcsStore> {
  const store = gcsStore({ ...FAST, ...options })
  disposals.push(() => store.close())
  return store
}

async function errorOf(call: Promise<unknown>): Promise<Error> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as Error)
}

describe('tokens', () => {
  /** Gives tokens t1, t2 … that last so long, by a clock that stands still. */
  function source(life: number): { asked: number, forced: boolean[], now: number, fail: Error | undefined, renew(forced: boolean): Promise<{ headers: Record<string, string>, expires: number }>, projectId(): Promise<undefined> } {
    return {
      asked: 0, forced: [], now: 1e12, fail: undefined,
      async renew(forced) {
        this.forced.push(forced)
        if (this.fail !== undefined) throw this.fail
        return { headers: { authorization: `Bearer t${++this.asked}` }, expires: this.now + life }
      },
      projectId: () => Promise.resolve(undefined)
    }
  }
  const make = (life: number): { from: ReturnType<typeof source>, who: ReturnType<typeof authorization> } => {
    const from = source(life)
    return { from, who: authorization({ renew: forced => from.renew(forced), projectId: from.projectId }, () => from.now) }
  }

  test('are kept until five minutes before they end, as plain values', async () => {
    const { from, who } = make(3_600_000)
    expect(who.headers(NEVER)).toBeInstanceOf(Promise)
    await who.headers(NEVER)
    from.now += 3_299_000
    expect(who.headers(NEVER)).toEqual({ authorization: 'Bearer t1' })
    from.now += 2000
    expect(await who.headers(NEVER)).toEqual({ authorization: 'Bearer t2' })
    expect(from.forced).toEqual([false, false])
  })

  test('that last less than ten minutes are kept for half of that', async () => {
    const { from, who } = make(60_000)
    await who.headers(NEVER)
    from.now += 29_000
    expect(who.headers(NEVER)).toEqual({ authorization: 'Bearer t1' })
    from.now += 2000
    expect(await who.headers(NEVER)).toEqual({ authorization: 'Bearer t2' })
  })

  test('are asked for once, however many wait', async () => {
    const { from, who } = make(3_600_000)
    const all = await Promise.all(Array.from({ length: 20 }, () => who.headers(NEVER)))
    expect([from.asked, new Set(all).size]).toEqual([1, 1])
    from.now += 10_000
    await Promise.all(Array.from({ length: 20 }, () => who.refresh(NEVER)))
    expect([from.asked, from.forced]).toEqual([2, [false, true]])
  })

  test('are not got anew for those who were refused with the one before', async () => {
    const { from, who } = make(3_600_000)
    await who.headers(NEVER)
    await who.refresh(NEVER)
    await who.refresh(NEVER)
    expect(from.asked).toBe(2)
    from.now += 6000
    await who.refresh(NEVER)
    expect(from.asked).toBe(3)
  })

  test('that can be used still are used when no new ones can be had, and it is tried again later', async () => {
    const { from, who } = make(3_600_000)
    await who.headers(NEVER)
    from.now += 3_400_000
    from.fail = Object.assign(new Error('getaddrinfo EAI_AGAIN metadata'), { code: 'EAI_AGAIN' })
    expect(await who.headers(NEVER)).toEqual({ authorization: 'Bearer t1' })
    expect(who.headers(NEVER)).toEqual({ authorization: 'Bearer t1' })
    expect(from.forced).toHaveLength(2)
    from.now += 300_000
    expect(await errorOf(Promise.resolve(who.headers(NEVER)))).toMatchObject({ kind: 'Unavailable', retryable: true })
    from.fail = new Error('invalid_grant')
    expect(await errorOf(Promise.resolve(who.headers(NEVER)))).toMatchObject({ kind: 'Denied', message: expect.stringContaining('gcloud auth application-default login') })
  })

  test('may be waited for no longer than the signal lasts', async () => {
    const who = authorization({ renew: () => new Promise(() => undefined), projectId: () => Promise.resolve(undefined) })
    const controller = new AbortController()
    const reason = new Error('stop')
    const waiting = errorOf(Promise.resolve(who.headers(controller.signal)))
    controller.abort(reason)
    expect(await waiting).toBe(reason)
  })

  test('with blanks are refused, and not shown', async () => {
    const error = await errorOf(tokenIdentity('se cret').renew(false))
    expect(error.message).not.toContain('cret')
  })
})

describe('a store', () => {
  test('sends the token of a function, gets another when it is refused, and asks again once', async () => {
    const fake = await server({ token: token => (token === 'second' ? 'good' : 'bad') })
    const tokens = ['first', 'second', 'third']
    const store = open({ endpoint: fake.url, accessToken: () => tokens.shift() ?? '' })
    expect((await store.get('gs://data/a')).bytes).toEqual(BYTES)
    expect(fake.requests.map(({ status, headers }) => [status, headers['authorization']])).toEqual([[401, 'Bearer first'], [206, 'Bearer second']])
    expect((await store.stat('gs://data/a')).size).toBe(3)
    expect(tokens).toEqual(['third'])
  })

  test('does the same for everything but reading', async () => {
    const fake = await server({ token: token => (token === 'second' ? 'good' : 'bad') })
    const tokens = ['first', 'second']
    const store = open({ endpoint: fake.url, accessToken: () => tokens.shift() ?? '' })
    await store.put('gs://data/b', BYTES)
    expect(fake.requests.map(({ status }) => status)).toEqual([401, 200])
  })

  test('tells, without the token, that it is refused for good', async () => {
    const fake = await server({ token: () => 'bad' })
    const store = open({ endpoint: fake.url, accessToken: () => 'very-secret-token' })
    for (const call of [() => store.get('gs://data/a'), () => store.stat('gs://data/a'), () => store.put('gs://data/b', BYTES)]) {
      const error = await errorOf(call())
      expect(error).toMatchObject({ kind: 'Denied', status: 401 })
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret')
    }
    expect(fake.requests).toHaveLength(6)
  })

  test('says what a forbidden request lacks, and does not ask twice', async () => {
    const fake = await server({ token: () => 'forbidden' })
    const store = open({ endpoint: fake.url, accessToken: 'known' })
    const error = await errorOf(store.get('gs://data/a'))
    expect(error).toMatchObject({ kind: 'Denied', status: 403, uri: 'gs://data/a', message: expect.stringContaining('storage.objects.get') })
    expect(fake.requests).toHaveLength(1)
  })

  test('that is anonymous sends nothing, and says so when that is not enough', async () => {
    const fake = await server({ token: token => (token === '' ? 'bad' : 'good') })
    const store = open({ endpoint: fake.url, anonymous: true })
    expect(await errorOf(store.get('gs://data/a'))).toMatchObject({ kind: 'Denied', message: expect.stringContaining('without credentials') })
    expect(await errorOf(store.stat('gs://data/a'))).toMatchObject({ kind: 'Denied', message: expect.stringContaining('without credentials') })
    expect(fake.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined, undefined])
    expect(ANONYMOUS.renewable).toBe(false)
  })

  test('says who pays', async () => {
    const fake = await server({ requesterPays: ['data'] })
    expect(await errorOf(open({ endpoint: fake.url }).get('gs://data/a'))).toMatchObject({ kind: 'Denied', message: expect.stringContaining('userProject') })
    const store = open({ endpoint: fake.url, userProject: 'mine', partSize: 256 << 10 })
    await store.get('gs://data/a')
    await store.put('gs://data/b', BYTES)
    const writer = await store.createWriter('gs://data/c')
    await writer.write(new Uint8Array(600_000))
    await writer.finalize()
    for await (const page of store.list('gs://data/')) expect(page).toHaveLength(3)
    await store.copy?.('gs://data/a', 'gs://data/d')
    await store.delete('gs://data/d')
    const asked = fake.requests.slice(1).filter(({ query }) => !query.has('upload_id'))
    expect(asked.length).toBeGreaterThan(5)
    expect(new Set(asked.map(({ query }) => query.get('userProject')))).toEqual(new Set(['mine']))
  })

  test('takes credentials of the SDK, and has it renew them', async () => {
    let issued = 0
    const fake = await server({ token: token => (token === 'sdk-2' ? 'good' : 'bad') })
    const exchange = createServer((_, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ access_token: `sdk-${++issued}`, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', token_type: 'Bearer', expires_in: 3600 }))
    })
    await new Promise<void>(resolve => exchange.listen(0, '127.0.0.1', resolve))
    const folder = await mkdtemp(join(tmpdir(), 'millrace-gcs-'))
    disposals.push(() => rm(folder, { recursive: true, force: true }), () => {
      exchange.closeAllConnections()
      exchange.close()
    })
    await writeFile(join(folder, 'subject'), 'a-subject-token')
    const credentials = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${(exchange.address() as AddressInfo).port}/token`,
      credential_source: { file: join(folder, 'subject') }
    }
    await writeFile(join(folder, 'credentials.json'), JSON.stringify(credentials))
    const store = open({ endpoint: fake.url, credentials })
    expect((await store.get('gs://data/a')).bytes).toEqual(BYTES)
    expect((await store.stat('gs://data/a')).size).toBe(3)
    expect([issued, fake.requests.map(({ status }) => status)]).toEqual([2, [401, 206, 200]])

    issued = 1
    const fromFile = open({ endpoint: fake.url, keyFilename: join(folder, 'credentials.json') })
    expect((await fromFile.get('gs://data/a')).bytes).toEqual(BYTES)
  })

  test('says what to do when there are no credentials', async () => {
    const fake = await server()
    const store = open({ endpoint: fake.url, keyFilename: join(tmpdir(), 'there-is-no-such-file.json') })
    for (const call of [() => store.get('gs://data/a'), () => store.put('gs://data/a', BYTES)]) {
      const error = await errorOf(call())
      expect(isMillraceError(error, 'Denied')).toBe(true)
      expect(error).toMatchObject({ uri: 'gs://data/a', message: expect.stringMatching(/ENOENT.*keyFilename/s) })
    }
    expect(fake.requests).toHaveLength(0)
  })
})

describe('options', () => {
  test.each([
    [{ partSize: 100 }, RangeError], [{ partSize: 300_000 }, RangeError], [{ endpoint: 'storage' }, TypeError], [{ endpoint: 'ftp://x' }, TypeError],
    [{ endpoint: 'http://user:secret@host' }, TypeError], [{ endpoint: '' }, TypeError], [{ anonymous: 'yes' }, TypeError], [{ credentials: 'x' }, TypeError],
    [{ accessToken: 1 }, TypeError], [{ accessToken: 'a', anonymous: true }, TypeError], [{ keyFilename: 'a', credentials: {} }, TypeError],
    [{ bucket: 'x' }, TypeError], [{ pool: { nothing: 1 } }, TypeError]
  ])('%j is refused at the call', (options, kind) => {
    const error = (() => {
      try {
        gcsStore(options as GcsStoreOptions)
      } catch (thrown) {
        return thrown as Error
      }
      throw new Error('expected it to be refused')
    })()
    expect(error.name).toBe(kind.name)
    expect(error.message).not.toContain('secret')
  })
})
