import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { Dataset } from '../../../src/dataset.js'
import { isMillraceError, type MillraceError } from '../../../src/errors.js'
import { azureStore } from '../../../src/storage/azure/store.js'
import type { RemoteStore } from '../../../src/storage/remote/remote-store.js'
import { inParallel } from '../../../src/util/parallel.js'
import { FIRST, SECOND, containerName, startAzurite, type Azurite } from './azurite.js'
import { accountSas } from './sas.js'

let azurite: Azurite
let store: RemoteStore
/** `az://account/container/` */
let root: string
beforeAll(async () => {
  azurite = await startAzurite()
  store = azureStore(azurite.options())
  root = `az://${FIRST.account}/${containerName()}/`
  await store.containers?.create(root)
}, 60_000)
afterAll(async () => {
  await store.close()
  await azurite.stop()
})

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = async (from: RemoteStore, uri: string): Promise<string> => new TextDecoder().decode((await from.get(uri)).bytes)

/** What it rejects with, of which nothing that is shown may hold a secret. */
async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const [outcome] = await Promise.allSettled([promise])
  if (outcome.status === 'fulfilled' || !isMillraceError(outcome.reason)) throw new Error(`expected a MillraceError, got ${inspect(outcome)}`)
  const shown = inspect(outcome.reason, { depth: 20, showHidden: true }) + JSON.stringify(outcome.reason)
  for (const secret of [FIRST.key, SECOND.key, 'sig=', 'SharedKey ']) expect(shown.replaceAll('sig=…', '')).not.toContain(secret)
  return outcome.reason
}

/** The service through the SDK, as somebody else would use it. */
function sdk(account = FIRST): BlobServiceClient {
  return new BlobServiceClient(azurite.options(account).endpoint, new StorageSharedKeyCredential(account.account, account.key))
}

const box = (): string => root.split('/')[3] ?? ''

describe('credentials', () => {
  test('that are wrong are Denied, for reading and for the rest', async () => {
    const uri = `${root}denied`
    await store.put(uri, bytesOf('x'))
    const wrong = azureStore({ ...azurite.options(), key: Buffer.from('wrong').toString('base64') })
    for (const call of [() => wrong.get(uri), () => wrong.open(uri), () => wrong.stat(uri), () => wrong.put(uri, bytesOf('y')), () => wrong.delete(uri), () => wrong.list(root)[Symbol.asyncIterator]().next()]) {
      const error = await failure(call())
      expect([error.kind, error.status, error.retryable]).toEqual(['Denied', 403, false])
    }
    const [result] = await wrong.deleteMany?.([uri]) ?? []
    expect(isMillraceError(result?.error, 'Denied')).toBe(true)
    await wrong.close()
    expect(await textOf(store, uri)).toBe('x')
  })

  test('may be a signature, until it ends, and for what it allows', async () => {
    const uri = `${root}signed`
    await store.put(uri, bytesOf('signed'))
    const { endpoint, account } = azurite.options()
    const good = azureStore({ endpoint, account, sas: accountSas(FIRST, 'rl') })
    expect(await textOf(good, uri)).toBe('signed')
    expect((await failure(good.put(uri, bytesOf('y')))).kind).toBe('Denied')
    await good.close()

    const ended = azureStore({ endpoint, account, sas: accountSas(FIRST, 'rl', -5) })
    for (const call of [() => ended.get(uri), () => ended.stat(uri)]) expect((await failure(call())).kind).toBe('Denied')
    await ended.close()
  })

  test('may be a signature in a URI, which is used and never shown', async () => {
    const key = 'in a uri?.txt'
    await store.put(`${root}${key}`, bytesOf('by its uri'))
    const { endpoint, account } = azurite.options()
    const anonymous = azureStore({ endpoint, account, anonymous: true })
    const uri = `${endpoint}/${box()}/${encodeURIComponent(key)}?${accountSas(FIRST, 'r')}`
    expect(await textOf(anonymous, uri)).toBe('by its uri')
    const { uri: told, ...meta } = await anonymous.stat(uri)
    expect([told, meta.size]).toEqual([`${root}${key}`, 10])
    const source = await anonymous.open(uri)
    expect(source.uri).toBe(`${root}${key}`)
    await source.close()
    expect((await failure(anonymous.put(uri, bytesOf('no')))).kind).toBe('Denied')
    expect((await failure(anonymous.get(uri.replace(/sig=[^&]*/, 'sig=bad')))).kind).toBe('Denied')
    // Nothing of it is kept for others.
    expect(['Denied', 'NotFound']).toContain((await failure(anonymous.get(`${root}${key}`))).kind)
    await anonymous.close()
  })

  test('may be a connection string', async () => {
    await store.put(`${root}connected`, bytesOf('c'))
    const { endpoint, account, key } = azurite.options()
    for (const secret of [`AccountKey=${key}`, `SharedAccessSignature=${accountSas(FIRST)}`]) {
      const connected = azureStore({ connectionString: `DefaultEndpointsProtocol=http;AccountName=${account};${secret};BlobEndpoint=${endpoint};` })
      expect(await textOf(connected, `${root}connected`)).toBe('c')
      expect((await connected.stat(`${root}connected`)).size).toBe(1)
      await connected.close()
    }
  })

  test('of two accounts are used side by side', async () => {
    const other = azureStore(azurite.options(SECOND))
    const [mine, theirs] = [`${root}same`, `az://${SECOND.account}/${box()}/same`]
    await other.containers?.create(theirs.replace(/same$/, ''))
    await Promise.all([store.put(mine, bytesOf('mine')), other.put(theirs, bytesOf('theirs'))])
    expect(await Promise.all([textOf(store, mine), textOf(other, theirs)])).toEqual(['mine', 'theirs'])
    expect((await failure(store.get(theirs))).kind).toBe('InvalidUri')
    expect((await failure(other.stat(mine))).message).toContain('this store is for the account millrace2')
    await other.close()
  })

  test('are not in the error when nobody answers', async () => {
    const nobody = azureStore({ endpoint: 'http://127.0.0.1:9/devstoreaccount1', sas: accountSas(FIRST), ranges: { maxAttempts: 1 } })
    expect((await failure(nobody.get(`${root}a`))).kind).toBe('Unavailable')
    await nobody.close()
  })

  test('of no account: which containers?', async () => {
    const any = azureStore({ anonymous: true })
    expect((await failure(any.containers?.list()[Symbol.asyncIterator]().next() as Promise<unknown>)).message).toContain('of which account?')
    await any.close()
  })
})

describe('versions and checksums', () => {
  test('put, writer, copy, stat, both listings, open and get tell the same version and time', async () => {
    const uri = `${root}versions/a`
    const put = await store.put(uri, bytesOf('abc'))
    expect(put.version).toMatch(/^0x[0-9A-F]+$/)
    const { modified, ...core } = put
    const { modified: time, size, version, uri: told } = await store.stat(uri)
    expect({ uri: told, size, version }).toEqual(core)
    expect(time).toBe(modified)
    expect((await store.list(uri)[Symbol.asyncIterator]().next()).value).toEqual([put])
    expect((await store.listDirectory?.(`${root}versions/`)[Symbol.asyncIterator]().next())?.value).toEqual({ objects: [put], prefixes: [] })
    expect((await store.get(uri)).meta).toEqual(core)
    const source = await store.open(uri)
    expect(source.version).toBe(version)
    await source.close()
  })

  test('another version is Changed, of what was opened and of what was known', async () => {
    const uri = `${root}changes`
    const known = await store.put(uri, bytesOf('one'))
    await store.put(uri, bytesOf('two'))
    expect((await failure(store.get(uri, { known }))).kind).toBe('Changed')
    const source = await store.open(uri, { known })
    expect((await failure(source.read(0, new Uint8Array(3)))).kind).toBe('Changed')
    await source.close()
  })

  test('the MD5 is kept of what was put and of what was written in parts, and compared', async () => {
    const parts = azureStore({ ...azurite.options(), partSize: 64 << 10, uploadConcurrency: 3 })
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 31 >> 3)
    const md5 = createHash('md5').update(bytes).digest('base64')
    await parts.put(`${root}md5/put`, bytes)
    const writer = await parts.createWriter(`${root}md5/written`)
    for (let at = 0; at < bytes.length; at += 70_000) await writer.write(bytes.subarray(at, at + 70_000))
    await writer.finalize()
    for (const name of ['put', 'written']) {
      const uri = `${root}md5/${name}`
      expect((await parts.stat(uri)).checksums).toEqual({ md5 })
      const { bytes: read, verified } = await parts.get(uri, { verify: true })
      expect(Buffer.compare(read, bytes)).toBe(0)
      expect(verified).toBe(true)
    }
    await parts.close()
  })

  test('a blob that is not what its MD5 says is Corrupt, when that is compared', async () => {
    const uri = `${root}corrupt`
    await store.put(uri, bytesOf('good'))
    await sdk().getContainerClient(box()).getBlobClient('corrupt').setHTTPHeaders({ blobContentMD5: createHash('md5').update('bad').digest() })
    expect((await failure(store.get(uri, { verify: true }))).kind).toBe('Corrupt')
    expect(await textOf(store, uri)).toBe('good')
  })

  test('with the MD5 of every range, ranges are of 4 MiB and say so', async () => {
    const checking = azureStore({ ...azurite.options(), rangeMd5: true })
    const config = Object.fromEntries(checking.explainConfig().map(({ name, value }) => [name, value]))
    expect([config['chunkSize'], config['minSplitSize']]).toEqual([4 << 20, 4 << 20])
    const bytes = Uint8Array.from({ length: (9 << 20) + 5 }, (_, i) => i >> 7)
    const meta = await checking.put(`${root}ranges`, bytes)
    const source = await checking.open(`${root}ranges`, { known: meta })
    const into = new Uint8Array(bytes.length - 3)
    await source.read(3, into)
    expect(Buffer.compare(into, bytes.subarray(3))).toBe(0)
    await source.close()
    await checking.close()
  })
})

describe('what is kept with a blob', () => {
  test('type, metadata and what else the service says', async () => {
    const uri = `${root}kept`
    await store.put(uri, bytesOf('abc'), { contentType: 'text/x-test', metadata: { who: 'me', odd_1: 'a=b; c,d "e"' } })
    await sdk().getContainerClient(box()).getBlobClient('kept').setHTTPHeaders({ blobContentType: 'text/x-test', blobCacheControl: 'no-cache', blobContentEncoding: 'gzip' })
    expect(await store.stat(uri)).toMatchObject({
      contentType: 'text/x-test', metadata: { who: 'me', odd_1: 'a=b; c,d "e"' }, more: { blobType: 'BlockBlob', cacheControl: 'no-cache', contentEncoding: 'gzip' }
    })
    // An encoding that was given to the blob is nothing that happens on the way.
    expect(await textOf(store, uri)).toBe('abc')
  })

  test.each([{ 'a-b': 'x' }, { Upper: 'x' }, { '1a': 'x' }, { a: ' x' }, { a: 'é' }, { a: 'x\n' }])('metadata that would come back as something else are refused: %j', async metadata => {
    for (const call of [() => store.put(`${root}m`, bytesOf('x'), { metadata }), () => store.createWriter(`${root}m`, { metadata }), () => store.copy?.(`${root}kept`, `${root}m`, { metadata })]) {
      expect((await failure(Promise.resolve(call()))).kind).toBe('Unsupported')
    }
    expect((await failure(store.stat(`${root}m`))).kind).toBe('NotFound')
  })
})

describe('copies', () => {
  test('keep type, metadata and checksum, or have others', async () => {
    const [from, to] = [`${root}copy/from ü?`, `${root}copy/to`]
    await store.put(from, bytesOf('to be copied'), { contentType: 'text/x-test', metadata: { who: 'me' } })
    const meta = await store.copy?.(from, to)
    const { contentType, metadata, checksums, version, size } = await store.stat(to)
    expect({ contentType, metadata, version, size }).toEqual({ contentType: 'text/x-test', metadata: { who: 'me' }, version: meta?.version, size: 12 })
    expect(checksums).toEqual((await store.stat(from)).checksums)
    await store.copy?.(from, to, { contentType: 'text/other', metadata: { who: 'you' } })
    expect(await store.stat(to)).toMatchObject({ contentType: 'text/other', metadata: { who: 'you' }, checksums: checksums ?? {} })
    expect(await textOf(store, to)).toBe('to be copied')
  })

  test('work with a signature', async () => {
    const { endpoint, account } = azurite.options()
    const signed = azureStore({ endpoint, account, sas: accountSas(FIRST) })
    await signed.put(`${root}copy/sas`, bytesOf('s'))
    await signed.copy?.(`${root}copy/sas`, `${root}copy/sas2`)
    expect(await textOf(store, `${root}copy/sas2`)).toBe('s')
    await signed.close()
  })
})

describe('listings', () => {
  test('in pages, and the end of many of them', async () => {
    const uris = Array.from({ length: 520 }, (_, i) => `${root}many/${String(i).padStart(4, '0')}`)
    await inParallel(uris, 16, uri => store.put(uri, new Uint8Array(1)))
    const list = async (from: RemoteStore, prefix: string): Promise<number[]> => {
      const [sizes, found]: [number[], string[]] = [[], []]
      for await (const page of from.list(prefix)) {
        sizes.push(page.length)
        found.push(...page.map(({ uri }) => uri))
      }
      expect(found).toEqual(uris.filter(uri => uri.startsWith(prefix)))
      return sizes
    }
    expect(await list(store, `${root}many/`)).toEqual([520])
    expect(await list(store, `${root}many/012`)).toEqual([10])
    const small = azureStore({ ...azurite.options(), pageSize: 200 })
    expect(await list(small, `${root}many/`)).toEqual([200, 200, 120])
    const directory: string[] = []
    for await (const { objects } of small.listDirectory?.(`${root}many/`) ?? []) directory.push(...objects.map(({ uri }) => uri))
    expect(directory).toEqual(uris)
    await small.close()

    const asked = [...uris.slice(0, 515), `${root}many/none`, `az://${FIRST.account}/no-such-container/a`, `${root}a/../b`]
    const results = await store.deleteMany?.(asked) ?? []
    expect(results.map(({ uri }) => uri)).toEqual(asked)
    expect(results.slice(0, 516).every(({ error }) => error === undefined)).toBe(true)
    expect(results.slice(516).map(({ error }) => (error as MillraceError).kind)).toEqual(['NotFound', 'InvalidUri'])
    expect(await store.list(`${root}many/`)[Symbol.asyncIterator]().next().then(({ value }) => (value as unknown[]).length)).toBe(5)
  }, 120_000)

  test('leave out what stands for a directory, snapshots, and blobs that are not there yet', async () => {
    const container = sdk().getContainerClient(box())
    await store.put(`${root}odd/dir/a`, bytesOf('a'))
    await container.getBlockBlobClient('odd/dir').upload('', 0, { metadata: { hdi_isfolder: 'true' } })
    await container.getBlobClient('odd/dir/a').createSnapshot()
    await container.getBlockBlobClient('odd/dir/uncommitted').stageBlock(btoa('1'), 'x', 1)
    await store.put(`${root}odd/dir-x`, bytesOf('b'))
    await store.put(`${root}odd/mark/`, new Uint8Array(0))
    const found: string[] = []
    for await (const page of store.list(`${root}odd/`)) found.push(...page.map(({ uri }) => uri))
    expect(found).toEqual([`${root}odd/dir-x`, `${root}odd/dir/a`])
    const error = await failure(store.delete(`${root}odd/dir/a`))
    expect([error.kind, error.message]).toEqual(['Precondition', expect.stringContaining('it has snapshots, which are not deleted with it')])
  })
})

describe('a dataset', () => {
  test('finds files by a pattern, and reads them', async () => {
    for (const name of ['a.bin', 'b.bin', 'c.txt']) await store.put(`${root}data/${name}`, bytesOf(name))
    expect(await Dataset.listFiles(`${root}data/{a,b}*.bin`, { store }).toArray()).toEqual([`${root}data/a.bin`, `${root}data/b.bin`])
    const read = await Dataset.fromFiles(`${root}data/*.bin`, { store, format: 'raw', options: { dtype: 'uint8', shape: [5] } }).toArray()
    expect(read.length).toBe(2)
  })
})

describe('a writer', () => {
  test('whose blob somebody else wrote meanwhile says so; nothing is half written', async () => {
    const parts = azureStore({ ...azurite.options(), partSize: 64 << 10 })
    const uri = `${root}contended`
    const writer = await parts.createWriter(uri)
    await writer.write(new Uint8Array(200_000).fill(1))
    await parts.put(uri, bytesOf('the other'))
    const [outcome] = await Promise.allSettled([writer.finalize()])
    // The service may drop the blocks of the first, or not.
    if (outcome.status === 'rejected') expect(isMillraceError(outcome.reason, 'Changed')).toBe(true)
    expect([9, 200_000]).toContain((await parts.stat(uri)).size)
    await parts.close()
  })

  test('that is aborted leaves nothing that can be seen', async () => {
    const parts = azureStore({ ...azurite.options(), partSize: 64 << 10 })
    const writer = await parts.createWriter(`${root}aborted`)
    await writer.write(new Uint8Array(300_000))
    await writer.abort()
    expect((await failure(parts.stat(`${root}aborted`))).kind).toBe('NotFound')
    expect((await parts.list(`${root}aborted`)[Symbol.asyncIterator]().next()).done).toBe(true)
    await parts.close()
  })
})

describe('errors', () => {
  test('name the blob and the operation, and what the service said', async () => {
    for (const [operation, call] of [['stat', () => store.stat(`${root}nothing`)], ['copy', () => store.copy?.(`${root}nothing`, `${root}x`)]] as const) {
      const error = await failure(Promise.resolve(call()))
      expect([error.kind, error.uri, error.operation, error.status]).toEqual(['NotFound', `${root}nothing`, operation, 404])
    }
    const missing = await failure(store.put(`az://${FIRST.account}/no-such-container/a`, bytesOf('x')))
    expect([missing.kind, missing.message]).toEqual(['NotFound', expect.stringContaining('ContainerNotFound')])
    const exists = await failure(store.containers?.create(root) ?? Promise.resolve())
    expect([exists.kind, exists.uri]).toEqual(['Precondition', root])
  })

  test('close ends what is under way', async () => {
    const closing = azureStore(azurite.options())
    const stat = failure(closing.stat(`${root}nothing`))
    await new Promise(resolve => setImmediate(resolve))
    await closing.close()
    expect(['Closed', 'NotFound']).toContain((await stat).kind)
    expect((await failure(closing.stat(`${root}nothing`))).kind).toBe('Closed')
  })
})
