import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import type { ObjectMeta } from '../../../src/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { startS3Fake, type S3Fake, type S3FakeOptions } from '../../servers/s3-fake.js'
import { bytesOf, failureOf, listOf, patternOf, storeWith, textOf } from './kit.js'

jest.setTimeout(30_000)

const MiB = 1 << 20
const open: { close(): Promise<void> }[] = []
afterEach(async () => { for (const each of open.splice(0).reverse()) await each.close() })

async function fakeOf(options: S3FakeOptions = {}): Promise<S3Fake> {
  const fake = await startS3Fake({ buckets: ['b', 'other'], ...options })
  open.push(fake)
  return fake
}

function storeOf(...args: Parameters<typeof storeWith>): RemoteStore {
  const store = storeWith(...args)
  open.push(store)
  return store
}

const operations = (fake: S3Fake): string[] => fake.log.map(({ operation }) => operation)
const count = (fake: S3Fake, operation: string): number => operations(fake).filter(each => each === operation).length

describe('an upload in parts', () => {
  test('has a checksum of every part and of the whole, and is compared when it is read', async () => {
    const fake = await fakeOf()
    for (const [checksum, header] of [['crc32', 'x-amz-checksum-crc32'], ['crc32c', 'x-amz-checksum-crc32c']] as const) {
      const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB, checksum })
      const bytes = patternOf(12 * MiB + 1)
      fake.log.length = 0
      const meta = await store.put('s3://b/large', bytes)
      expect(meta.version).toMatch(/^"[0-9a-f]{32}-3"$/)
      const parts = fake.log.filter(({ operation }) => operation === 'UploadPart')
      expect(parts).toHaveLength(3)
      for (const { headers } of parts) expect(headers[header]).toMatch(/^[\w+/]{6}==$/)
      expect((await store.stat('s3://b/large')).checksums).toEqual({ [checksum]: expect.stringMatching(/^[\w+/]{6}==$/) })
      const { bytes: read, verified } = await store.get('s3://b/large', { verify: true })
      expect([verified, Buffer.compare(read, bytes)]).toEqual([true, 0])
    }
  })

  test('sends no checksum when none is wanted', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB, checksum: 'none' })
    await store.put('s3://b/large', patternOf(6 * MiB))
    await store.put('s3://b/small', patternOf(6))
    for (const { headers } of fake.log) expect(Object.keys(headers).filter(name => name.startsWith('x-amz-checksum') || name.startsWith('x-amz-sdk-checksum'))).toEqual([])
  })

  test('has parts of partSize, and no more than uploadConcurrency at once', async () => {
    const fake = await fakeOf()
    let underWay = 0
    let most = 0
    fake.setFault(({ operation }) => {
      if (operation === 'UploadPart') most = Math.max(most, ++underWay)
      if (operation === 'UploadPart') setImmediate(() => underWay--)
      return operation === 'UploadPart' ? { kind: 'late', by: 20 } : undefined
    })
    const store = storeOf({ endpoint: fake.url, partSize: 6 * MiB, uploadConcurrency: 1 })
    await store.put('s3://b/large', patternOf(20 * MiB))
    expect(fake.log.filter(({ operation }) => operation === 'UploadPart').map(({ headers }) => Number(headers['content-length']))).toEqual([6, 6, 6, 2].map(size => size * MiB))
    expect(most).toBe(1)
  })

  test('that is aborted, by the writer or by a signal, leaves no upload', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB })
    const writer = await store.createWriter('s3://b/w')
    await writer.write(patternOf(11 * MiB))
    await writer.abort()
    const controller = new AbortController()
    const second = await store.createWriter('s3://b/w', { signal: controller.signal })
    await second.write(patternOf(11 * MiB))
    controller.abort(new Error('stop'))
    await second.abort()
    expect([fake.uploads('b'), fake.keys('b'), count(fake, 'CreateMultipartUpload'), count(fake, 'AbortMultipartUpload')]).toEqual([0, [], 2, 2])
    expect((await failureOf(store.put('s3://b/p', patternOf(11 * MiB), { signal: AbortSignal.abort(new Error('before')) }))).message).toBe('before')
    expect(count(fake, 'CreateMultipartUpload')).toBe(2)
  })

  test.each(['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'])('that is open when the store is closed is aborted, and what waits is Closed: during %s', async operation => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB })
    const arrived = new Promise<void>(resolve => fake.setFault(request => {
      if (request.operation !== operation) return undefined
      resolve()
      return { kind: 'late', by: 100 }
    }))
    const writer = await store.createWriter('s3://b/w')
    const writing = failureOf(writer.write(patternOf(11 * MiB)).then(() => writer.finalize()))
    await arrived
    await store.close()
    expect(await writing).toMatchObject({ kind: 'Closed', uri: 's3://b/w' })
    expect(fake.uploads('b')).toBe(0)
    expect(await failureOf(store.stat('s3://b/w'))).toMatchObject({ kind: 'Closed' })
  })

  test('that nobody works on when the store is closed is aborted too', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB })
    const writer = await store.createWriter('s3://b/w')
    await writer.write(patternOf(16 * MiB))
    await store.close()
    expect([count(fake, 'CreateMultipartUpload'), fake.uploads('b')]).toEqual([1, 0])
    expect(await failureOf(writer.finalize())).toMatchObject({ kind: 'Closed' })
    for (let i = 0; i < 1000 && fake.connections.open > 0; i++) await new Promise(resolve => setImmediate(resolve)) // until the server has heard of it
    expect(fake.connections.open).toBe(0)
  })

  test('one part of which fails for good is aborted; one that fails for a moment is sent again', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB })
    fake.setFault(({ operation, query }) => (operation === 'UploadPart' && query['partNumber'] === '2' ? { kind: 'status', status: 403, code: 'AccessDenied' } : undefined))
    expect(await failureOf(store.put('s3://b/p', patternOf(16 * MiB)))).toMatchObject({ kind: 'Denied', uri: 's3://b/p' })
    expect([fake.uploads('b'), fake.keys('b')]).toEqual([0, []])
    let failures = 1
    fake.setFault(({ operation }) => (operation === 'UploadPart' && failures-- > 0 ? { kind: 'status', status: 500, code: 'InternalError' } : undefined))
    expect((await store.put('s3://b/p', patternOf(16 * MiB))).size).toBe(16 * MiB)
  })

  test('whose condition does not hold in the end is aborted', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB })
    const writer = await store.createWriter('s3://b/w', { ifAbsent: true })
    await writer.write(patternOf(6 * MiB))
    await store.put('s3://b/w', bytesOf('first'))
    expect(await failureOf(writer.finalize())).toMatchObject({ kind: 'Precondition', uri: 's3://b/w' })
    expect([fake.uploads('b'), await textOf(store, 's3://b/w')]).toEqual([0, 'first'])
    expect(await failureOf(store.put('s3://b/none', bytesOf('x'), { ifVersion: '"0"' }))).toMatchObject({ kind: 'Precondition' })
    expect(await failureOf(store.put('s3://nobucket/none', bytesOf('x'), { ifVersion: '"0"' }))).toMatchObject({ kind: 'NotFound' })
  })
})

describe('a listing', () => {
  test('of a million keys comes page by page, in order, in constant memory', async () => {
    const key = (index: number): string => `data/${String(index).padStart(9, '0')}`
    const fake = await fakeOf({ virtual: { many: { count: 1_000_000, key } } })
    const store = storeOf({ endpoint: fake.url })
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    let last = ''
    let seen = 0
    let pages = 0
    let least = Infinity
    let most = 0
    for await (const page of store.list('s3://many/data/000')) {
      seen += page.length
      if (page[0] === undefined || page[0].uri <= last) throw new Error(`the listing is out of order at ${seen}`)
      last = (page.at(-1) as ObjectMeta).uri
      fake.log.length = 0 // the server's own memory
      if (++pages % 200 !== 0) continue
      gc()
      const { heapUsed } = process.memoryUsage()
      least = Math.min(least, heapUsed)
      most = Math.max(most, heapUsed)
    }
    expect([seen, pages, last]).toEqual([1_000_000, 1000, `s3://many/${key(999_999)}`])
    expect((most - least) / MiB).toBeLessThan(100) // a million of them would be more than 300 MiB
  }, 180_000)

  test('tells sizes, versions and times as stat does, and leaves marks of directories out', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    for (const key of ['dir/', 'dir/a', 'dir/sub/', 'dir/sub/b']) fake.put('b', key, bytesOf(key))
    const listed = await listOf(store.list('s3://b/'))
    expect(listed.map(({ uri }) => uri)).toEqual(['s3://b/dir/a', 's3://b/dir/sub/b'])
    for (const meta of listed) expect(await store.stat(meta.uri)).toMatchObject({ ...meta, modified: Math.floor((meta.modified ?? 0) / 1000) * 1000 })
    const pages = []
    for await (const page of store.listDirectory?.('s3://b/dir/') ?? []) pages.push({ ...page, objects: page.objects.map(({ uri }) => uri) })
    expect(pages).toEqual([{ objects: ['s3://b/dir/a'], prefixes: ['s3://b/dir/sub/'] }])
  })

  test('ends with an error when the server turns in a circle, or says no word of how it goes on', async () => {
    const page = (token: string): string => `<ListBucketResult><IsTruncated>true</IsTruncated>${token}<Contents><Key>k</Key><Size>1</Size><ETag>"e"</ETag></Contents></ListBucketResult>`
    for (const token of ['<NextContinuationToken>same</NextContinuationToken>', '']) {
      const store = await scripted(() => page(token))
      expect(await failureOf(listOf(store.list('s3://b/')))).toMatchObject({ kind: 'Corrupt', uri: 's3://b/' })
    }
  })

  test('is put in order inside a page, and is an error when pages are not in order', async () => {
    const contents = (keys: string[]): string => keys.map(key => `<Contents><Key>${key}</Key><Size>1</Size><ETag>e</ETag></Contents>`).join('')
    const one = await scripted(() => `<ListBucketResult><IsTruncated>false</IsTruncated>${contents(['b', 'B', 'a'])}</ListBucketResult>`)
    const listed = await listOf(one.list('s3://b/'))
    expect(listed.map(({ uri, version }) => [uri, version])).toEqual([['s3://b/B', '"e"'], ['s3://b/a', '"e"'], ['s3://b/b', '"e"']])
    const two = await scripted(url => (url.includes('continuation-token')
      ? `<ListBucketResult><IsTruncated>false</IsTruncated>${contents(['b', 'c'])}</ListBucketResult>`
      : `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>${contents(['a', 'b'])}</ListBucketResult>`))
    const error = await failureOf(listOf(two.list('s3://b/')))
    expect(error).toMatchObject({ kind: 'Corrupt' })
    expect(error.message).toContain('"s3://b/b"')
  })

  test('a page of which is cut off is asked for again', async () => {
    const whole = '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size><ETag>"e"</ETag></Contents><Contents><Key>b</Key><Size>1</Size><ETag>"e"</ETag></Contents></ListBucketResult>'
    for (const length of [whole.indexOf('<Contents><Key>b'), whole.length - 3]) {
      let times = 0
      const store = await scripted(() => (times++ === 0 ? whole.slice(0, length) : whole))
      expect((await listOf(store.list('s3://b/'))).map(({ uri }) => uri)).toEqual(['s3://b/a', 's3://b/b'])
      expect(times).toBe(2)
    }
  })

  test('of a directory bucket is sorted here, and asks for what ends in a slash', async () => {
    const bucket = 'data--use1-az4--x-s3'
    const asked: string[] = []
    const store = await scripted(url => {
      if (url.includes('session')) {
        return '<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>a</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>'
      }
      asked.push(new URL(url, 'http://x').searchParams.get('prefix') ?? '')
      const next = url.includes('continuation-token') ? '' : '<NextContinuationToken>t</NextContinuationToken>'
      const keys = next === '' ? ['d/a', 'd/x1'] : ['d/x2', 'd/x0']
      return `<ListBucketResult><IsTruncated>${next !== ''}</IsTruncated>${next}${keys.map(key => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`).join('')}</ListBucketResult>`
    })
    expect((await listOf(store.list(`s3://${bucket}/d/x`))).map(({ uri }) => uri)).toEqual(['0', '1', '2'].map(n => `s3://${bucket}/d/x${n}`))
    expect(asked).toEqual(['d/', 'd/'])
  })
})

describe('deleting many', () => {
  test('is one request for a thousand, with a result for each in their order, those that fail included', async () => {
    const fake = await fakeOf({ refuseDelete: key => (key.startsWith('keep') ? { code: 'AccessDenied', message: 'it is locked' } : undefined) })
    const store = storeOf({ endpoint: fake.url })
    const keys = ['keep/1', ...Array.from({ length: 2100 }, (_, i) => `n${i}`), 'keep/2', 'missing']
    for (const key of keys.slice(0, -1)) fake.put('b', key, bytesOf(key))
    fake.put('other', 'n0', bytesOf('x'))
    const uris = [...keys.map(key => `s3://b/${key}`), 's3://other/n0', 's3://b/n1']
    const results = await store.deleteMany?.(uris) ?? []
    expect(results.map(({ uri }) => uri)).toEqual(uris)
    expect(results.filter(({ error }) => error !== undefined).map(({ uri, error }) => [uri, (error as { kind: string }).kind, (error as { uri: string }).uri])).toEqual([
      ['s3://b/keep/1', 'Denied', 's3://b/keep/1'], ['s3://b/keep/2', 'Denied', 's3://b/keep/2']
    ])
    expect(operations(fake)).toEqual(Array(4).fill('DeleteObjects'))
    expect([fake.keys('b'), fake.keys('other')]).toEqual([['keep/1', 'keep/2'], []])
  })

  test('does one by one what XML cannot say, and everything where the server has no such request', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    const keys = ['a', 'tab\tb', 'c\u0001', '\uffff', '<&>"']
    for (const key of keys) fake.put('b', key, bytesOf('x'))
    fake.setFault(({ operation }) => (operation === 'DeleteObjects' ? { kind: 'status', status: 501, code: 'NotImplemented' } : undefined))
    expect(await store.deleteMany?.(keys.map(key => `s3://b/${key}`))).toEqual(keys.map(key => ({ uri: `s3://b/${key}` })))
    expect(fake.keys('b')).toEqual([])
    expect([count(fake, 'DeleteObjects'), count(fake, 'DeleteObject')]).toEqual([1, 5])
  })

  test('tells each what went wrong with all', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    const results = await store.deleteMany?.(['s3://nobucket/a', 's3://b/a', 's3://nobucket/b']) ?? []
    expect(results.map(({ error }) => (error as { kind?: string } | undefined)?.kind)).toEqual(['NotFound', undefined, 'NotFound'])
    expect((results[2]?.error as { uri: string }).uri).toBe('s3://nobucket/b')
    expect((await failureOf(store.deleteMany?.(['s3://b/a'], { signal: AbortSignal.abort(new Error('stop')) }) ?? Promise.resolve())).message).toBe('stop')
  })
})

describe('a copy', () => {
  test('of any name, to any name, keeps bytes, type and metadata', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    const names = ['a b', 'a+b', 'p%2Fq', '?versionId=x', '#', '../x', '//', 'é', '\u{1f600}', '\u0001', '\\', '"', 'a&b=c']
    for (const [i, name] of names.entries()) {
      const [from, to] = [`s3://b/${name}`, `s3://other/${names[(i + 1) % names.length]}`]
      await store.put(from, bytesOf(`bytes of ${name}`), { contentType: 'text/x-test', metadata: { n: String(i) } })
      const meta = await store.copy?.(from, to)
      expect(meta).toEqual({ uri: to, size: bytesOf(`bytes of ${name}`).byteLength, version: (await store.stat(to)).version })
      expect(await textOf(store, to)).toBe(`bytes of ${name}`)
      expect(await store.stat(to)).toMatchObject({ contentType: 'text/x-test', metadata: { n: String(i) } })
    }
  })

  test('may be given another type and other metadata, and keeps what it is not given', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    await store.put('s3://b/a', bytesOf('x'), { contentType: 'text/plain', metadata: { color: 'red' } })
    await store.copy?.('s3://b/a', 's3://b/c', { contentType: 'text/html' })
    expect(await store.stat('s3://b/c')).toMatchObject({ contentType: 'text/html', metadata: { color: 'red' } })
    await store.copy?.('s3://b/a', 's3://b/a', { metadata: { color: 'blue' } })
    expect(await store.stat('s3://b/a')).toMatchObject({ contentType: 'text/plain', metadata: { color: 'blue' } })
    const before = await store.stat('s3://b/a')
    expect(await store.copy?.('s3://b/a', 's3://b/a')).toEqual({ uri: before.uri, size: before.size, version: before.version })
  })

  test('of something large is made in parts, of one version', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url, partSize: 5 * MiB }, { copyWhole: 8 * MiB, copyPart: 5 * MiB })
    const bytes = patternOf(12 * MiB + 3)
    await store.put('s3://b/a b', bytes, { contentType: 'text/x-test', metadata: { n: '1' } })
    const meta = await store.copy?.('s3://b/a b', 's3://b/copy')
    expect(meta).toMatchObject({ size: bytes.byteLength, version: (await store.stat('s3://b/copy')).version })
    expect(Buffer.compare((await store.get('s3://b/copy')).bytes, bytes)).toBe(0)
    expect(await store.stat('s3://b/copy')).toMatchObject({ contentType: 'text/x-test', metadata: { n: '1' } })
    expect(count(fake, 'UploadPartCopy')).toBe(3)

    fake.setFault(({ operation, query }) => {
      if (operation === 'UploadPartCopy' && query['partNumber'] === '2') fake.put('b', 'a b', patternOf(12 * MiB))
      return undefined
    })
    expect(await failureOf(store.copy?.('s3://b/a b', 's3://b/mixed') ?? Promise.resolve())).toMatchObject({ kind: 'Changed', uri: 's3://b/a b' })
    expect([fake.uploads('b'), fake.object('b', 'mixed')]).toEqual([0, undefined])
  })

  test('of what is not there is NotFound, and of what changes meanwhile Changed', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    expect(await failureOf(store.copy?.('s3://b/none', 's3://b/x') ?? Promise.resolve())).toMatchObject({ kind: 'NotFound', uri: 's3://b/none' })
    await store.put('s3://b/a', bytesOf('one'))
    fake.setFault(({ operation }) => {
      if (operation === 'CopyObject') fake.put('b', 'a', bytesOf('two'))
      return undefined
    })
    expect(await failureOf(store.copy?.('s3://b/a', 's3://b/x') ?? Promise.resolve())).toMatchObject({ kind: 'Changed', uri: 's3://b/a' })
    expect(fake.object('b', 'x')).toBeUndefined()
  })
})

describe('buckets', () => {
  test('are listed, made once, and deleted when they are empty', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    const all = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const uri of store.containers?.list() ?? []) found.push(uri)
      return found
    }
    await store.containers?.create('s3://third/')
    expect(await all()).toEqual(['s3://b/', 's3://other/', 's3://third/'])
    expect(await failureOf(store.containers?.create('s3://third/') ?? Promise.resolve())).toMatchObject({ kind: 'Precondition', uri: 's3://third/' })
    await store.put('s3://third/k', bytesOf('x'))
    expect(await failureOf(store.containers?.delete('s3://third/') ?? Promise.resolve())).toMatchObject({ kind: 'Precondition' })
    await store.delete('s3://third/k')
    await store.containers?.delete('s3://third')
    expect(await failureOf(store.containers?.delete('s3://third/') ?? Promise.resolve())).toMatchObject({ kind: 'NotFound' })
    expect(await failureOf(store.containers?.create('s3://b/k') ?? Promise.resolve())).toMatchObject({ kind: 'InvalidUri' })
  })

  test('that are not there are NotFound, also where a missing object would be none', async () => {
    const fake = await fakeOf()
    const store = storeOf({ endpoint: fake.url })
    for (const call of [() => store.delete('s3://nobucket/k'), () => store.put('s3://nobucket/k', bytesOf('x')), () => listOf(store.list('s3://nobucket/'))]) {
      expect(await failureOf(call())).toMatchObject({ kind: 'NotFound' })
    }
  })
})

test('what fails for a moment is tried again, what does not answer is told with its URI', async () => {
  const fake = await fakeOf()
  const store = storeOf({ endpoint: fake.url })
  let failures = 2
  fake.setFault(() => (failures-- > 0 ? { kind: 'status', status: 503, code: 'SlowDown' } : undefined))
  expect((await store.put('s3://b/k', bytesOf('x'))).size).toBe(1)
  expect(fake.log).toHaveLength(3)
  fake.setFault(() => ({ kind: 'silence' }))
  const silent = storeOf({ endpoint: fake.url, ranges: { idleTimeout: 20 } })
  expect(await failureOf(silent.stat('s3://b/k'))).toMatchObject({ kind: 'Timeout', uri: 's3://b/k', operation: 'stat', attempts: 5 })
  const nobody = storeOf({ endpoint: 'http://127.0.0.1:1' })
  expect(await failureOf(nobody.stat('s3://b/k'))).toMatchObject({ kind: 'Unavailable', uri: 's3://b/k', operation: 'stat', attempts: 5 })
})

/** A store whose server gives these answers. */
async function scripted(answer: (url: string) => string): Promise<RemoteStore> {
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => void response.end(answer(request.url ?? '')))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => new Promise(resolve => { server.close(() => resolve()).closeAllConnections() }) })
  return storeOf({ endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}` })
}
