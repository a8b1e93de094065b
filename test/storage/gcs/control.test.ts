import { afterEach, describe, expect, test } from '@jest/globals'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { MillraceError } from '../../../src/errors.js'
import { DEFAULT_RANGES } from '../../../src/storage/config.js'
import { gcsApi } from '../../../src/storage/gcs/api.js'
import { ANONYMOUS } from '../../../src/storage/gcs/authorization.js'
import { gcsEndpoint } from '../../../src/storage/gcs/endpoint.js'
import { gcsStore, type GcsStoreOptions } from '../../../src/storage/gcs/store.js'
import { systemSurroundings } from '../../../src/storage/remote/surroundings.js'
import { loadUndici } from '../../../src/storage/gcs/undici.js'
import type { Fault } from '../../servers/faults.js'
import { startGcsFake, type GcsFake, type GcsFakeOptions, type GcsFakeRequest } from '../../servers/gcs-fake.js'
import { seededBytes } from '../../servers/seeded.js'

const BYTES = seededBytes(1, 1000)
const BUSY: Fault = { kind: 'status', status: 503 }

const disposals: (() => unknown)[] = []
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose()
})

async function server(options: GcsFakeOptions = {}): Promise<GcsFake> {
  const fake = await startGcsFake({ buckets: ['data'], ...options })
  disposals.push(() => fake.close())
  return fake
}

function open(fake: GcsFake, options: GcsStoreOptions = {}): Required<ReturnType<typeof gcsStore>> {
  const store = gcsStore({ endpoint: fake.url, projectId: 'demo', ranges: { backoffBase: 1, throttleBase: 1, backoffCap: 2, maxAttempts: 4 }, ...options })
  disposals.push(() => store.close())
  return store as Required<ReturnType<typeof gcsStore>>
}

async function errorOf(call: Promise<unknown>): Promise<MillraceError> {
  return call.then(() => { throw new Error('expected a rejection') }, (error: unknown) => error as MillraceError)
}

async function urisIn(pages: AsyncIterable<readonly { uri: string }[]>): Promise<string[]> {
  const uris: string[] = []
  for await (const page of pages) uris.push(...page.map(({ uri }) => uri))
  return uris
}

/** The first so many requests of a kind go wrong. */
function first(count: number, kind: string, fault: Fault): (request: GcsFakeRequest) => Fault | undefined {
  let left = count
  return request => (request.kind === kind && left-- > 0 ? fault : undefined)
}

describe('listings', () => {
  test('of 2,500 objects come in three pages, in order, with four fields of each', async () => {
    const fake = await server()
    const names = Array.from({ length: 2500 }, (_, i) => `list/${i % 3 === 0 ? 'é' : 'p'}${i % 10}/${i}`)
    for (const name of names) fake.put('data', name, new Uint8Array(name.length), { metadata: { long: 'x'.repeat(100) } })
    fake.put('data', 'lisp', BYTES)
    const store = open(fake)
    const pages: number[] = []
    const found = new Map<string, number>()
    for await (const page of store.list('gs://data/list')) {
      pages.push(page.length)
      for (const { uri, size } of page) found.set(uri, size)
    }
    expect(pages).toEqual([1000, 1000, 500])
    const sorted = names.map(name => `gs://data/${name}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([...found.keys()]).toEqual(sorted)
    expect([...found.values()].reduce((a, b) => a + b)).toBe(names.reduce((sum, { length }) => sum + length, 0))
    expect(fake.requests).toHaveLength(3)
    expect(fake.requests.map(({ query }) => query.get('fields'))).toEqual(Array(3).fill('items(name,size,generation,timeCreated),nextPageToken'))
  })

  test('have what is needed to open an object without asking', async () => {
    const fake = await server()
    fake.put('data', 'a', BYTES)
    const store = open(fake)
    const { uri, size, version, modified } = (await store.stat('gs://data/a'))
    for await (const page of store.list('gs://data/')) expect(page).toEqual([{ uri, size, version, modified }])
    expect(Math.abs((modified ?? 0) - Date.now())).toBeLessThan(60_000)
  })

  test('of directories go over pages too', async () => {
    const fake = await server({ pageSize: 7 })
    for (let i = 0; i < 30; i++) fake.put('data', `d/${i % 2 === 0 ? `sub${i}/` : ''}${i}`, BYTES)
    const objects: string[] = []
    const prefixes: string[] = []
    for await (const page of open(fake).listDirectory('gs://data/d/')) {
      objects.push(...page.objects.map(({ uri }) => uri))
      prefixes.push(...page.prefixes)
    }
    expect([objects.length, new Set(objects).size, prefixes.length, new Set(prefixes).size]).toEqual([15, 15, 15, 15])
    expect(prefixes).toContain('gs://data/d/sub10/')
  })

  test.each([
    ['the same token again', { '': { nextPageToken: 'x' }, x: { items: ['a'], nextPageToken: 'y' }, y: { items: ['b'], nextPageToken: 'y' } }, ['a', 'b']],
    ['the first page again', { '': { items: ['a', 'b'], nextPageToken: 'x' }, x: { items: [], nextPageToken: 'y' }, y: { items: ['c'], nextPageToken: 'z' }, z: { items: ['a', 'b'], nextPageToken: 'x' } }, ['a', 'b', 'c']],
    ['a name twice', { '': { items: ['a', 'a'] } }, []],
    ['no order', { '': { items: ['b', 'a'] } }, []]
  ] as const)('pass over empty pages, and do not go round in circles: %s', async (_, replies: Readonly<Record<string, { items?: readonly string[], nextPageToken?: string }>>, seen) => {
    const odd = createServer((request, response) => {
      const { items, ...rest } = replies[new URL(request.url ?? '', 'http://x').searchParams.get('pageToken') ?? ''] ?? {}
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ ...rest, items: items?.map(name => ({ name, size: '1', generation: '5' })) }))
    })
    await new Promise<void>(resolve => odd.listen(0, '127.0.0.1', resolve))
    disposals.push(() => {
      odd.closeAllConnections()
      odd.close()
    })
    const store = gcsStore({ endpoint: `http://127.0.0.1:${(odd.address() as AddressInfo).port}` })
    disposals.push(() => store.close())
    const found: string[] = []
    const error = await errorOf((async () => {
      for await (const page of store.list('gs://data/')) {
        expect(page.length).toBeGreaterThan(0)
        found.push(...page.map(({ uri }) => uri.slice('gs://data/'.length)))
      }
    })())
    expect(error).toMatchObject({ kind: 'Unavailable', message: expect.stringContaining('circles') })
    expect(found).toEqual(seen)
  })

  test('of a bucket that is not there are NotFound', async () => {
    const store = open(await server())
    expect(await errorOf(urisIn(store.list('gs://nowhere/')))).toMatchObject({ kind: 'NotFound', uri: 'gs://nowhere/', operation: 'list' })
  })

  test('end when the signal is aborted between pages', async () => {
    const fake = await server({ pageSize: 2 })
    for (let i = 0; i < 10; i++) fake.put('data', `n${i}`, BYTES)
    const controller = new AbortController()
    const reason = new Error('stop')
    const error = await errorOf((async () => {
      for await (const page of open(fake).list('gs://data/', { signal: controller.signal })) {
        expect(page).toHaveLength(2)
        controller.abort(reason)
      }
    })())
    expect([error, fake.requests.length]).toEqual([reason, 1])
  })
})

describe('what was said of an object', () => {
  test('is told', async () => {
    const fake = await server()
    fake.put('data', 'a', BYTES, { contentType: 'image/png', metadata: { label: '7' }, cacheControl: 'no-store', contentEncoding: 'x' })
    const stat = await open(fake).stat('gs://data/a')
    expect(stat).toMatchObject({
      uri: 'gs://data/a', size: 1000, contentType: 'image/png', metadata: { label: '7' },
      checksums: { crc32c: expect.stringMatching(/^.{6}==$/), md5: expect.stringMatching(/^.{22}==$/) },
      more: { storageClass: 'STANDARD', cacheControl: 'no-store', contentEncoding: 'x', metageneration: '1' }
    })
    expect(stat.version).toBe(fake.object('data', 'a')?.generation)
  })
})

describe('deleting many', () => {
  test('gives a result for each, and goes on after failures', async () => {
    const fake = await server({ fault: ({ kind, name }) => (kind === 'delete' && name === 'n7' ? { kind: 'status', status: 403, code: 'forbidden' } : undefined) })
    const uris = Array.from({ length: 100 }, (_, i) => `gs://data/n${i}`)
    for (const uri of uris) fake.put('data', uri.slice('gs://data/'.length), BYTES)
    const results = await open(fake).deleteMany([...uris, 'gs://data/never', 'gs://data/..', 'gs://nowhere/x'])
    expect(results.map(({ uri }) => uri)).toEqual([...uris, 'gs://data/never', 'gs://data/..', 'gs://nowhere/x'])
    expect(results.flatMap(({ error }, i) => (error === undefined ? [] : [[i, (error as MillraceError).kind]]))).toEqual([[7, 'Denied'], [101, 'InvalidUri']])
    expect(fake.names('data')).toEqual(['n7'])
  })
})

describe('copies', () => {
  test('take as many calls as GCS wants, and keep what was said of the original', async () => {
    const fake = await server({ rewriteBytes: 300 })
    fake.put('data', 'a', BYTES, { contentType: 'x/y', metadata: { k: 'v' }, cacheControl: 'no-store' })
    const store = open(fake)
    const meta = await store.copy('gs://data/a', 'gs://data/b/ü')
    expect(meta).toMatchObject({ uri: 'gs://data/b/ü', size: 1000, version: fake.object('data', 'b/ü')?.generation })
    expect(fake.requests.map(({ kind }) => kind)).toEqual(Array(4).fill('rewrite'))
    expect(fake.object('data', 'b/ü')?.fields).toEqual({ contentType: 'x/y', metadata: { k: 'v' }, cacheControl: 'no-store' })
    await store.copy('gs://data/a', 'gs://data/c', { metadata: { other: '1' } })
    expect(fake.object('data', 'c')?.fields).toEqual({ contentType: 'x/y', metadata: { other: '1' }, cacheControl: 'no-store' })
  })

  test('hold to conditions on where they go', async () => {
    const fake = await server()
    const { generation } = fake.put('data', 'b', BYTES)
    fake.put('data', 'a', BYTES)
    const store = open(fake)
    expect(await errorOf(store.copy('gs://data/a', 'gs://data/b', { ifAbsent: true }))).toMatchObject({ kind: 'Precondition' })
    expect((await store.copy('gs://data/a', 'gs://data/b', { ifVersion: generation })).version).not.toBe(generation)
    expect(await errorOf(store.copy('gs://data/a', 'gs://data/b', { ifVersion: 'W/"x"' }))).toMatchObject({ kind: 'Precondition' })
    expect(await errorOf(store.copy('gs://data/never', 'gs://data/b'))).toMatchObject({ kind: 'NotFound' })
  })
})

describe('buckets', () => {
  test('are listed over pages, made once, and deleted when they are empty', async () => {
    const fake = await server({ pageSize: 2, buckets: ['bucket1', 'bucket2', 'bucket3', 'bucket4', 'bucket5'] })
    const store = open(fake)
    const containers = store.containers!
    const listed: string[] = []
    for await (const uri of containers.list()) listed.push(uri)
    expect(listed).toEqual(['gs://bucket1/', 'gs://bucket2/', 'gs://bucket3/', 'gs://bucket4/', 'gs://bucket5/'])
    expect(new Set(fake.requests.map(({ query }) => query.get('project')))).toEqual(new Set(['demo']))
    await containers.create('gs://another-one')
    expect(await errorOf(containers.create('gs://another-one/'))).toMatchObject({ kind: 'Precondition' })
    await store.put('gs://another-one/x', BYTES)
    expect(await errorOf(containers.delete('gs://another-one/'))).toMatchObject({ kind: 'Precondition' })
    expect(await errorOf(containers.delete('gs://never-made/'))).toMatchObject({ kind: 'NotFound' })
    expect(await errorOf(containers.delete('gs://bucket1/object'))).toMatchObject({ kind: 'InvalidUri' })
    await containers.delete('gs://bucket1/')
    expect(await errorOf(containers.create('gs://x'))).toMatchObject({ kind: 'InvalidUri' })
  })

  test('need a project', async () => {
    const fake = await server()
    const saved = ['GOOGLE_CLOUD_PROJECT', 'GCLOUD_PROJECT'].map(name => [name, process.env[name]] as const)
    for (const [name] of saved) delete process.env[name]
    disposals.push(() => {
      for (const [name, value] of saved) if (value !== undefined) process.env[name] = value
    })
    expect(await errorOf(open(fake, { projectId: undefined }).containers!.create('gs://made'))).toMatchObject({ message: expect.stringContaining('projectId') })
  })
})

describe('retries', () => {
  test('of what may be done twice happen until it is answered, or too often', async () => {
    for (const fault of [BUSY, { kind: 'rst0' }, { kind: 'fin0' }, { kind: 'status', status: 429 }, { kind: 'garbage' }, { kind: 'finBody' }, { kind: 'rstBody' }] as Fault[]) {
      const fake = await server({ fault: first(3, 'stat', fault) })
      fake.put('data', 'a', BYTES)
      const store = open(fake)
      expect((await store.stat('gs://data/a')).size).toBe(1000)
      expect(fake.requests).toHaveLength(4)
    }
    const fake = await server({ fault: first(99, 'stat', BUSY) })
    expect(await errorOf(open(fake).stat('gs://data/a'))).toMatchObject({ kind: 'Unavailable', attempts: 4, status: 503, operation: 'stat', retryable: true })
    expect(fake.requests).toHaveLength(4)
  })

  test('of half a listing are whole listings', async () => {
    const fake = await server({ fault: first(1, 'list', { kind: 'closeCut' }) })
    for (let i = 0; i < 10; i++) fake.put('data', `n${i}`, BYTES)
    expect(await urisIn(open(fake).list('gs://data/'))).toHaveLength(10)
  })

  test('of a write on a condition do not happen when nobody knows what came of it', async () => {
    for (const fault of [BUSY, { kind: 'rst0' }] as Fault[]) {
      const fake = await server({ fault: first(1, 'upload', fault) })
      const store = open(fake)
      expect(await errorOf(store.put('gs://data/a', BYTES, { ifAbsent: true }))).toMatchObject({ kind: 'Unavailable' })
      expect(fake.requests).toHaveLength(1)
      await store.put('gs://data/b', BYTES)
    }
    const fake = await server({ fault: first(2, 'upload', { kind: 'status', status: 429 }) })
    expect((await open(fake).put('gs://data/a', BYTES, { ifAbsent: true })).size).toBe(1000)
  })

  test('wait as long as the service asks for', async () => {
    const fake = await server({ fault: first(1, 'stat', { kind: 'status', status: 503, headers: { 'retry-after': '3600' } }) })
    fake.put('data', 'a', BYTES)
    expect(await errorOf(open(fake).stat('gs://data/a'))).toMatchObject({ kind: 'Unavailable' })
    expect(fake.requests).toHaveLength(1)
  })

  test('end with the deadline', async () => {
    const fake = await server({ fault: first(99, 'stat', BUSY) })
    const store = open(fake, { ranges: { deadline: 1000, backoffBase: 900, backoffCap: 15_000, maxAttempts: 8 } })
    expect(await errorOf(store.stat('gs://data/a'))).toMatchObject({ kind: 'Unavailable' })
    expect(fake.requests.length).toBeLessThan(8)
  })

  test('happen when no reply comes for too long', async () => {
    const fake = await server({ fault: first(1, 'stat', { kind: 'silence' }) })
    const silent = await server({ fault: () => ({ kind: 'silence' }) })
    const undici = await loadUndici()
    const ask = (url: string, repeatable: boolean): Promise<MillraceError> => {
      const settings = { ...DEFAULT_RANGES, backoffBase: 1, silence: 50 }
      const api = gcsApi(undici, gcsEndpoint(url, undefined, 'googleapis.com'), ANONYMOUS, undefined, settings, systemSurroundings)
      disposals.push(() => api.close())
      return errorOf(api.call({ uri: 'gs://data/a', operation: 'stat' }, { method: 'GET', path: '/storage/v1/b/data/o/a', repeatable }, undefined))
    }
    expect(await ask(fake.url, true)).toMatchObject({ kind: 'NotFound', attempts: 2 })
    expect(await ask(silent.url, false)).toMatchObject({ kind: 'Timeout', message: expect.stringContaining('may have been done or not') })
  })

  test('without a server end with Unavailable', async () => {
    const fake = await server()
    const store = open(fake)
    await fake.close()
    expect(await errorOf(store.put('gs://data/a', BYTES))).toMatchObject({ kind: 'Unavailable', attempts: 4, uri: 'gs://data/a' })
  })
})

describe('stopping', () => {
  const CALLS: readonly (readonly [string, (store: Required<ReturnType<typeof gcsStore>>, signal: AbortSignal | undefined) => Promise<unknown>])[] = [
    ['stat', (store, signal) => store.stat('gs://data/a', { signal })],
    ['list', (store, signal) => urisIn(store.list('gs://data/', { signal }))],
    ['put', (store, signal) => store.put('gs://data/b', BYTES, { signal })],
    ['delete', (store, signal) => store.delete('gs://data/a', { signal })],
    ['deleteMany', (store, signal) => store.deleteMany(['gs://data/a', 'gs://data/b'], { signal })],
    ['copy', (store, signal) => store.copy('gs://data/a', 'gs://data/b', { signal })]
  ]

  test.each(CALLS)('%s ends at once when its signal is aborted, with the connection', async (_, call) => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const fake = await server({ fault: () => {
      setImmediate(() => controller.abort(reason))
      return { kind: 'silence' }
    } })
    expect(await errorOf(call(open(fake), controller.signal))).toBe(reason)
    for (let i = 0; i < 100 && fake.connections() > 0; i++) await new Promise(resolve => setImmediate(resolve))
    expect(fake.connections()).toBe(0)
  })

  test.each(CALLS)('%s ends with Closed when the store is closed, and no connection is left', async (name, call) => {
    let arrived: (() => void) | undefined
    const asked = new Promise<void>(resolve => { arrived = resolve })
    const fake = await server({ fault: () => {
      arrived?.()
      return { kind: 'silence' }
    } })
    const store = open(fake)
    const ending = call(store, undefined).then(results => (results as readonly { error?: unknown }[])[0]?.error, (error: unknown) => error)
    await asked
    await store.close()
    expect(await ending).toMatchObject({ kind: 'Closed' })
    expect(await errorOf(call(store, undefined).then(results => Promise.reject((results as readonly { error?: unknown }[])[0]?.error as Error)))).toMatchObject({ kind: 'Closed' })
    for (let i = 0; i < 100 && fake.connections() > 0; i++) await new Promise(resolve => setImmediate(resolve))
    expect([name, fake.connections()]).toEqual([name, 0])
  })
})
