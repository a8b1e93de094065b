import { afterEach, describe, expect, test } from '@jest/globals'
import { gzipSync } from 'node:zlib'
import { gcsFault } from '../../../src/storage/gcs/faults.js'
import { gcsEndpoint } from '../../../src/storage/gcs/endpoint.js'
import { locateGcs } from '../../../src/storage/gcs/name.js'
import { gcsStore, type GcsStoreOptions } from '../../../src/storage/gcs/store.js'
import { startGcsFake, type GcsFake, type GcsFakeOptions } from '../../servers/gcs-fake.js'
import { seededBytes } from '../../servers/seeded.js'

const FAST = { backoffBase: 1, throttleBase: 1, backoffCap: 2 }

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(options: GcsFakeOptions = {}): Promise<GcsFake> {
  const fake = await startGcsFake({ buckets: ['data'], ...options })
  disposals.push(() => fake.close())
  return fake
}

function open(options: GcsStoreOptions): ReturnType<typeof gcsStore> {
  const store = gcsStore({ ...options, ranges: { ...FAST, ...options.ranges } })
  disposals.push(() => store.close())
  return store
}

async function errorOf(call: Promise<unknown>): Promise<Error> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as Error)
}

describe('reads', () => {
  test('ask for ranges of the generation that was opened', async () => {
    const fake = await server()
    const bytes = seededBytes(1, 3 << 20)
    const { generation } = fake.put('data', 'a', bytes)
    const store = open({ endpoint: fake.url, ranges: { firstRange: 64 << 10, readAhead: 0 } })
    const source = await store.open('gs://data/a')
    const into = new Uint8Array(100_000)
    await source.read(2_000_000, into)
    await source.close()
    expect(Buffer.from(into).equals(bytes.subarray(2_000_000, 2_100_000))).toBe(true)
    expect([source.byteLength, source.version]).toEqual([bytes.length, generation])
    const [first, second] = fake.requests
    expect([first?.query.get('ifGenerationMatch'), first?.headers['range'], first?.headers['accept-encoding']]).toEqual([null, 'bytes=0-65535', 'gzip'])
    expect(second?.query.get('ifGenerationMatch')).toBe(generation)
  })

  test('of an object that was replaced end with Changed', async () => {
    const fake = await server()
    fake.put('data', 'a', seededBytes(1, 500_000))
    const store = open({ endpoint: fake.url, ranges: { firstRange: 1000, readAhead: 0 } })
    const source = await store.open('gs://data/a')
    fake.put('data', 'a', seededBytes(2, 500_000))
    expect(await errorOf(source.read(400_000, new Uint8Array(1000)))).toMatchObject({ kind: 'Changed', uri: 'gs://data/a' })
    await source.close()
    expect(fake.requests.at(-1)?.status).toBe(412)
  })

  test('of an object that is replaced in mid-body end with Changed, also when the condition is ignored', async () => {
    let fault = false
    const fake = await server({ fault: ({ kind, query }) => {
      if (kind !== 'media' || !fault) return undefined
      fault = false
      fake.put('data', 'a', seededBytes(2, 500_000))
      query.delete('ifGenerationMatch') // as fake-gcs-server does
      return undefined
    } })
    fake.put('data', 'a', seededBytes(1, 500_000))
    const store = open({ endpoint: fake.url, ranges: { firstRange: 1000, readAhead: 0 } })
    const source = await store.open('gs://data/a')
    fault = true
    const into = new Uint8Array(1000)
    expect(await errorOf(source.read(400_000, into))).toMatchObject({ kind: 'Changed' })
    expect(into.every(byte => byte === 0)).toBe(true)
    await source.close()
  })

  test('compare whole objects with their crc32c', async () => {
    let flips = 0
    const fake = await server({ fault: ({ kind }) => (kind === 'media' && flips-- > 0 ? { kind: 'flip' } : undefined) })
    const bytes = seededBytes(3, 300_000)
    fake.put('data', 'a', bytes)
    const store = open({ endpoint: fake.url })
    flips = 1
    const good = await store.get('gs://data/a', { verify: true })
    expect([good.verified, Buffer.from(good.bytes).equals(bytes)]).toEqual([true, true])
    flips = 10
    expect(await errorOf(store.get('gs://data/a', { verify: true }))).toMatchObject({ kind: 'Corrupt', uri: 'gs://data/a' })
  })

  test('bring compressed objects as they are stored, in ranges too', async () => {
    const fake = await server()
    const stored = gzipSync(seededBytes(4, 200_000))
    fake.put('data', 'a.gz', stored, { contentEncoding: 'gzip', contentType: 'text/plain' })
    const store = open({ endpoint: fake.url, ranges: { firstRange: 1000, readAhead: 0 } })
    const { bytes, verified } = await store.get('gs://data/a.gz', { verify: true })
    expect([Buffer.from(bytes).equals(stored), verified]).toEqual([true, true])
    const source = await store.open('gs://data/a.gz')
    const into = new Uint8Array(500)
    await source.read(50_000, into)
    await source.close()
    expect([source.byteLength, Buffer.from(into).equals(stored.subarray(50_000, 50_500))]).toEqual([stored.length, true])
  })

  test('refuse bytes that were encoded on the way', async () => {
    const fake = await server({ fault: ({ kind }) => (kind === 'media' ? { kind: 'encoded' } : undefined) })
    fake.put('data', 'a', seededBytes(1, 1000))
    expect(await errorOf(open({ endpoint: fake.url }).get('gs://data/a'))).toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('identity') })
  })

  test('of odd names go to the objects of these names', async () => {
    const fake = await server()
    const names = ['sp ace', 'plus+a', 'pct%20x', 'pct%2Fx', 'ü/日本/😀.bin', 'q\'u"ote', 'a&b<c>', 'trail/', '/lead', '//dbl//slash', 'dot/./x', 'dd/../x', '../esc', './x',
      'back\\slash', 'hash#q?x=y', 'tab\tx', 'a=b;c:d@,$!*()', '{{projectId}}/x', '~', '%', 'x'.repeat(1024), '😀'.repeat(256), ':colon', '.well-known/x']
    for (const [i, name] of names.entries()) fake.put('data', name, new Uint8Array([i]))
    const store = open({ endpoint: fake.url })
    for (const [i, name] of names.entries()) {
      expect([...(await store.get(`gs://data/${name}`)).bytes]).toEqual([i])
      expect((await store.stat(`gs://data/${name}`)).uri).toBe(`gs://data/${name}`)
      for await (const page of store.list(`gs://data/${name}`)) expect(page.map(({ uri }) => uri)).toContain(`gs://data/${name}`)
    }
    expect(new Set(fake.requests.filter(({ kind }) => kind === 'media').map(({ name }) => name))).toEqual(new Set(names))
  })
})

describe('names that cannot be', () => {
  test.each([
    'gs://', 'gs:///x', 'gs://UPPER/x', 'gs://ab/x', 'gs://bucket', 'gs://bucket/', 'gs://bucket/.', 'gs://bucket/..', 'gs://bucket/a\nb', 'gs://bucket/a\rb',
    'gs://bucket/.well-known/acme-challenge/x', `gs://bucket/${'x'.repeat(1025)}`, `gs://bucket/${'é'.repeat(513)}`, 'gs://bucket/\0', 'gs://bucket/\ud800',
    's3://bucket/x', 'bucket/x', 'gs://-bucket/x', 'gs://buc%20ket/x', 'gs://user@bucket/x'
  ])('%j is InvalidUri, before anything is sent', async uri => {
    const store = open({ endpoint: 'http://127.0.0.1:1' })
    expect(await errorOf(store.get(uri))).toMatchObject({ kind: 'InvalidUri' })
  })

  test('prefixes may be empty, and may be what names may not', () => {
    for (const [uri, key] of [['gs://bucket', ''], ['gs://bucket/', ''], ['gs://bucket/.', '.'], ['GS://bucket/a', 'a']] as const) {
      expect(locateGcs(uri, 'list', 'prefix')).toEqual({ uri: `gs://bucket/${key}`, container: 'bucket', key })
    }
  })
})

describe('faults', () => {
  const json = (reason: string, message = 'm'): string => JSON.stringify({ error: { code: 0, message, errors: [{ reason, message }] } })
  test.each([
    [400, json('invalid'), 'Denied', undefined], [401, json('authError'), 'Denied', true], [403, json('forbidden'), 'Denied', undefined],
    [403, json('rateLimitExceeded'), 'Throttled', undefined], [403, json('userRateLimitExceeded'), 'Throttled', undefined], [403, json('quotaExceeded'), 'Throttled', undefined],
    [404, json('notFound'), 'NotFound', undefined], [408, '', 'Timeout', undefined], [409, json('conflict'), 'Precondition', undefined],
    [410, '', 'NotFound', undefined], [412, json('conditionNotMet'), 'Precondition', undefined], [429, json('rateLimitExceeded'), 'Throttled', undefined],
    [429, '', 'Throttled', undefined], [500, json('backendError'), 'Unavailable', undefined], [501, '', 'Unsupported', undefined], [502, '<html>Bad Gateway</html>', 'Unavailable', undefined],
    [503, json('backendError'), 'Unavailable', undefined], [504, '', 'Unavailable', undefined],
    [400, json('required', 'Bucket is a requester pays bucket but no user project provided.'), 'Denied', undefined],
    [400, json('invalid', 'Provided CRC32C "a" doesn\'t match calculated CRC32C "b".'), 'Corrupt', undefined],
    [403, '<?xml version="1.0"?><Error><Code>UserProjectMissing</Code><Message>Who pays?</Message></Error>', 'Denied', undefined]
  ] as const)('%i %s', (status, body, kind, refresh) => {
    const fault = gcsFault(status, body)
    expect([fault.kind, fault.refresh]).toEqual([kind, refresh])
    expect(fault.message).not.toMatch(/<|\{/)
  })

  test('a limit for the day is not asked again for', () => {
    expect(gcsFault(403, json('dailyLimitExceeded'))).toMatchObject({ kind: 'Throttled', retryable: false })
  })

  test('reads are asked again for when the service is busy', async () => {
    let busy = 3
    const fake = await server({ fault: () => (busy-- > 0 ? { kind: 'status', status: [429, 503, 403][busy] ?? 500, code: 'rateLimitExceeded' } : undefined) })
    fake.put('data', 'a', seededBytes(1, 1000))
    expect((await open({ endpoint: fake.url }).get('gs://data/a')).bytes).toHaveLength(1000)
    expect(fake.requests.map(({ status }) => status)).toEqual([403, 503, 429, 206])
  })
})

describe('endpoints', () => {
  test('are the public one, one that is given, or that of the emulator', () => {
    const of = (endpoint?: string, emulator?: string, universe = 'googleapis.com'): unknown[] => Object.values(gcsEndpoint(endpoint, emulator, universe))
    expect(of()).toEqual(['https://storage.googleapis.com', '', true])
    expect(of(undefined, undefined, 'example.cloud')).toEqual(['https://storage.example.cloud', '', true])
    expect(of('https://storage.us-east1.rep.googleapis.com/')).toEqual(['https://storage.us-east1.rep.googleapis.com', '', true])
    expect(of('http://localhost:4443/base/')).toEqual(['http://localhost:4443', '/base', false])
    expect(of(undefined, 'localhost:9023')).toEqual(['http://localhost:9023', '', false])
    expect(of(undefined, 'https://emulator')).toEqual(['https://emulator', '', false])
    expect(of('http://mine:1', 'http://emulator:2')).toEqual(['http://mine:1', '', false])
    expect(() => of(undefined, 'http://a b')).toThrow(/STORAGE_EMULATOR_HOST/)
  })

  test('of two stores stand side by side, whatever the environment says', async () => {
    const [one, two] = [await server(), await server()]
    one.put('data', 'a', new Uint8Array([1]))
    two.put('data', 'a', new Uint8Array([2]))
    const before = process.env['STORAGE_EMULATOR_HOST']
    process.env['STORAGE_EMULATOR_HOST'] = one.url
    disposals.push(() => {
      if (before === undefined) delete process.env['STORAGE_EMULATOR_HOST']
      else process.env['STORAGE_EMULATOR_HOST'] = before
    })
    const stores = [open({}), open({ endpoint: two.url })]
    expect(await Promise.all(stores.map(async store => (await store.get('gs://data/a')).bytes[0]))).toEqual([1, 2])
    await Promise.all(stores.map((store, i) => store.put('gs://data/b', new Uint8Array([i]))))
    expect([one.object('data', 'b')?.bytes[0], two.object('data', 'b')?.bytes[0]]).toEqual([0, 1])
  })
})
