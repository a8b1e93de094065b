import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { directStore } from '../../src/storage/direct.js'
import { fileStore } from '../../src/storage/file.js'
import { memoryStore } from '../../src/storage/memory.js'
import { nameCodec } from '../../src/storage/uri.js'
import type { Store } from '../../src/store.js'
import { storeConformance, type StoreFixture } from '../../src/testing/store.js'

async function fileFixture(style: 'path' | 'uri' | 'root' | 'relative' | 'direct'): Promise<StoreFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  const dispose = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const lacks = ['metadata', 'contentType', 'verify'] as const
  // Each is synced to the device, and how pages are made does not depend on how files are named.
  const crowd = style === 'path' ? 1050 : 60
  if (style === 'uri') {
    const prefix = `${pathToFileURL(directory).href}/`
    return { store: fileStore(), prefix, encode: (name) => nameCodec(prefix).encode(name), hierarchical: true, lacks, crowd, dispose }
  }
  if (style === 'direct') {
    const prefix = `${pathToFileURL(directory).href.replace('file:', 'direct:')}/`
    const store = directStore({ fallback: 'buffered', memoryBytes: 2 << 20 })
    return { store, prefix, encode: (name) => nameCodec(prefix).encode(name), hierarchical: true, lacks, crowd, dispose: async () => { await store.close(); await dispose() } }
  }
  if (style === 'relative') return { store: fileStore({ root: directory }), prefix: 'some/dir/', hierarchical: true, lacks, crowd, dispose }
  return { store: fileStore(style === 'root' ? { root: directory } : {}), prefix: `${directory}/`, hierarchical: true, lacks, crowd, dispose }
}

describe('mem://', () => {
  for (const { name, run } of storeConformance(() => ({ store: memoryStore(), prefix: 'mem://bucket/', lacks: ['verify'] }))) test(name, run)
})

for (const style of ['path', 'uri', 'root', 'relative', 'direct'] as const) {
  describe(`file, ${style}`, () => {
    for (const { name, run } of storeConformance(() => fileFixture(style))) test(name, run, 30_000)
  })
}

describe('the suite itself', () => {
  /** Stores that do one thing wrong, and the case that finds it. */
  const LIARS: readonly (readonly [what: string, found: string, lie: (honest: Required<Store>) => Partial<Store>])[] = [
    ['stat tells another size', 'put, stat, open and list tell the same', honest => ({ stat: async (uri) => ({ ...(await honest.stat(uri)), size: 1 }) })],
    ['what is known is not looked at', 'an object that is no longer what a listing told of is Changed', honest => ({ open: (uri, options) => honest.open(uri, { signal: options?.signal }) })],
    ['get takes no notice of maxBytes', 'get fills the memory that it is offered, and is refused when an object is too large', honest => ({ get: (uri, options) => honest.get(uri, { ...options, maxBytes: undefined }) })],
    ['get does not use the memory that it is offered', 'get fills the memory that it is offered, and is refused when an object is too large', honest => ({ get: (uri, options) => honest.get(uri, { ...options, allocate: undefined }) })],
    ['ifAbsent is ignored', 'a write that wants no object there writes only the first one', honest => ({ put: (uri, bytes, options) => honest.put(uri, bytes, { ...options, ifAbsent: undefined }) })],
    ['ifVersion is ignored', 'a write that wants a version writes only over that', honest => ({ put: (uri, bytes, options) => honest.put(uri, bytes, { ...options, ifVersion: undefined }) })],
    ['a writer ignores ifVersion', 'a write that wants a version writes only over that', honest => ({ createWriter: (uri, options) => honest.createWriter(uri, { ...options, ifVersion: undefined }) })],
    ['metadata are lost', 'metadata and the content type come back', honest => ({ createWriter: (uri, options) => honest.createWriter(uri, { ...options, metadata: undefined }) })],
    ['a copy loses metadata', 'a copy has the bytes, the type and the metadata, and leaves the other as it was', honest => ({ copy: (from, to, options) => honest.copy(from, to, { metadata: {}, ...options }) })],
    ['a copy is a rename', 'a copy has the bytes, the type and the metadata, and leaves the other as it was', honest => ({ copy: (from, to, options) => honest.rename(from, to, options) })],
    ['a rename is a copy', 'a renamed object has the new name only', honest => ({ rename: (from, to, options) => honest.copy(from, to, options) })],
    ['results are out of order', 'of many that are deleted each has a result, in order, also those that are not there and those that come twice', honest => ({ deleteMany: async (uris, options) => [...(await honest.deleteMany(uris, options))].reverse() })],
    ['only a page is deleted', 'a listing of more than a page has everything once, and many are deleted at once', honest => ({ deleteMany: async (uris, options) => { await honest.deleteMany(uris.slice(0, 1000), options); return uris.map(uri => ({ uri })) } })],
    ['only a page is listed', 'a listing of more than a page has everything once, and many are deleted at once', honest => ({ async *list(prefix, options) { for await (const page of honest.list(prefix, options)) { yield page; return } } })],
    ['prefixes come twice', 'a listing of a directory has objects and prefixes, each once', honest => ({ async *listDirectory(prefix, options) { for await (const page of honest.listDirectory(prefix, options)) yield { ...page, prefixes: [...page.prefixes, ...page.prefixes] } } })],
    ['names are decoded', 'names are taken as they are', honest => ({ put: (uri, bytes, options) => honest.put(uri.replaceAll('%20', ' '), bytes, options) })],
    ['an abort is not heard', 'an aborted signal rejects with its own reason and changes nothing', honest => ({ get: uri => honest.get(uri) })],
    ['it is used after it was closed', 'a closed store is Closed', () => ({ close: async () => undefined })],
    ['a writer shows what it has', 'a large object goes through a writer in pieces of any size', honest => ({ createWriter: async (uri, options) => { await honest.put(uri, new Uint8Array(0)); return honest.createWriter(uri, options) } })]
  ]

  test.each(LIARS)('finds a store of which %s', async (_, found, lie) => {
    const { run } = storeConformance(() => {
      const honest = memoryStore()
      return { store: { ...honest, ...lie(honest as unknown as Required<Store>) }, prefix: 'mem://x/', lacks: ['verify'] }
    }).find(each => each.name === found) as { run: () => Promise<void> }
    await expect(run()).rejects.toThrow()
  })

  test('leaves out what a service does not do, and calls dispose in any case', async () => {
    let disposed = 0
    const careless = memoryStore()
    const store: Store = { ...careless, put: (uri, bytes, options) => careless.put(uri, bytes, { ...options, ifAbsent: undefined, metadata: undefined }) }
    const cases = (lacks: StoreFixture['lacks'] = []): Promise<PromiseSettledResult<void>[]> => Promise.allSettled(
      storeConformance(() => ({ store, prefix: `mem://${disposed}/`, lacks, dispose: () => { disposed++ } })).filter(({ name }) => /^metadata|wants no object|many conditional/.test(name)).map(({ run }) => run()))
    expect((await cases(['ifAbsent', 'metadata'])).map(outcome => outcome.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    careless.clear()
    expect((await cases()).map(outcome => outcome.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(disposed).toBe(6)
  })
})
