import { check, core, equal, fails, many, oldOr, pattern, readAll, readRange, same, sameBytes, type StoreCase } from './store-kit.js'

/** What a store may do beside reading and writing, where it does it, and its end. */
export function operationCases(): readonly StoreCase[] {
  return CASES
}

const CASES: readonly StoreCase[] = [
  ['a copy has the bytes, the type and the metadata, and leaves the other as it was', async ({ store, uri, has, list }) => {
    if (store.copy === undefined) return
    const options = { ...(has('metadata') ? { metadata: { k: 'v' } } : {}), ...(has('contentType') ? { contentType: 'image/x-test' } : {}) }
    const from = await store.put(uri('from'), pattern(70_000, 50), options)
    const before = await store.put(uri('to/there'), pattern(10, 51))
    const to = await store.copy(uri('from'), uri('to/there'))
    same({ uri: to.uri, size: to.size }, { uri: uri('to/there'), size: 70_000 }, 'what copy tells')
    check(to.version !== before.version, 'the version is another')
    const stat = await store.stat(uri('to/there'))
    same(core(stat), core(to), 'stat of the copy')
    if (has('metadata')) same(stat.metadata, { k: 'v' }, 'metadata of the copy')
    if (has('contentType')) equal(stat.contentType, 'image/x-test', 'content type of the copy')
    sameBytes(await readAll(store, uri('to/there')), pattern(70_000, 50))
    same((await list()).map(core), [core(from), core(to)], 'list')
  }],

  ['a copy onto itself changes nothing', async ({ store, uri, has }) => {
    if (store.copy === undefined) return
    await store.put(uri('a'), pattern(5000, 52), has('metadata') ? { metadata: { k: 'v' } } : {})
    const meta = await store.copy(uri('a'), uri('a'))
    const stat = await store.stat(uri('a'))
    same(core(stat), core(meta), 'stat')
    if (has('metadata')) same(stat.metadata, { k: 'v' }, 'metadata')
    sameBytes(await readAll(store, uri('a')), pattern(5000, 52))
  }],

  ['a copy of nothing is NotFound, and leaves what is there', async ({ store, uri, list }) => {
    if (store.copy === undefined) return
    const old = await store.put(uri('to'), pattern(10, 53))
    const { copy } = store
    equal((await fails('NotFound', () => copy(uri('nothing'), uri('to')))).uri, uri('nothing'), 'uri in the error')
    same((await list()).map(core), [core(old)], 'list')
  }],

  ['a copy may be conditional', async ({ store, uri, has, fixture }) => {
    if (store.copy === undefined || fixture.lacks?.includes('conditional copy') === true) return
    const { copy } = store
    await store.put(uri('from'), pattern(20, 54))
    const old = await store.put(uri('to'), pattern(10, 55))
    if (has('ifAbsent')) {
      await fails('Precondition', () => copy(uri('from'), uri('to'), { ifAbsent: true }))
      same(core(await store.stat(uri('to'))), core(old), 'the object that was there')
      equal((await copy(uri('from'), uri('new'), { ifAbsent: true })).size, 20, 'size of the copy')
    }
    if (has('ifVersion')) {
      await fails('Precondition', () => copy(uri('from'), uri('to'), { ifVersion: 'another' }))
      same(core(await store.stat(uri('to'))), core(old), 'the object that was there')
      equal((await copy(uri('from'), uri('to'), { ifVersion: old.version })).size, 20, 'size of the copy')
    }
  }],

  ['a renamed object has the new name only', async ({ store, uri, list }) => {
    if (store.rename === undefined) return
    const { rename } = store
    await store.put(uri('a'), pattern(300, 56))
    await store.put(uri('deep/b'), pattern(400, 57))
    const meta = await rename(uri('a'), uri('deep/b'))
    same((await list()).map(core), [core(meta)], 'list')
    equal(meta.uri, uri('deep/b'), 'uri')
    sameBytes(await readAll(store, uri('deep/b')), pattern(300, 56))
    same(core(await rename(uri('deep/b'), uri('deep/b'))), core(await store.stat(uri('deep/b'))), 'what it is after renaming it to itself')
    equal((await fails('NotFound', () => rename(uri('a'), uri('c')))).uri, uri('a'), 'uri in the error')
    await store.put(uri('c'), pattern(1, 58))
    await fails('Precondition', () => rename(uri('deep/b'), uri('c'), { ifAbsent: true }))
    same((await list()).map((each) => each.uri), [uri('c'), uri('deep/b')], 'list')
  }],

  ['of many that are deleted each has a result, in order, also those that are not there and those that come twice', async ({ store, uri, list }) => {
    if (store.deleteMany === undefined) return
    await many(5, (i) => store.put(uri(`n${i}`), new Uint8Array(1)))
    const uris = ['n3', 'nothing', 'n1', 'n3', 'no/such'].map(uri)
    const results = await store.deleteMany(uris)
    same(results.map((result) => [result.uri, String(result.error)]), uris.map((each) => [each, 'undefined']), 'results')
    same((await list()).map((meta) => meta.uri), ['n0', 'n2', 'n4'].map(uri), 'list')
    same(await store.deleteMany([]), [], 'results for none')
  }],

  ['containers are made, listed, and deleted when they are empty', async ({ store, fixture: { container } }) => {
    const { containers } = store
    if (containers === undefined || container === undefined) return
    const all = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const uri of containers.list()) found.push(uri)
      return found
    }
    check(!(await all()).includes(container), `${container} is not there yet`)
    await containers.create(container)
    equal((await all()).filter((uri) => uri === container).length, 1, 'times that it is listed')
    await fails('Precondition', () => containers.create(container))
    await store.put(`${container}a`, new Uint8Array(1))
    await fails('Precondition', () => containers.delete(container))
    await store.delete(`${container}a`)
    await containers.delete(container)
    check(!(await all()).includes(container), 'it is no longer listed')
    await fails('NotFound', () => containers.delete(container))
    await fails('NotFound', () => store.put(`${container}a`, new Uint8Array(1)))
  }],

  ['a closed store is Closed', async ({ store, uri, prefix }) => {
    if (store.close === undefined) return
    const bytes = pattern(1 << 20, 59)
    await store.put(uri('a'), bytes)
    const source = await store.open(uri('a'))
    const reading = oldOr(['Closed'], readRange(source, 0, bytes.byteLength), bytes)
    await Promise.all([store.close(), store.close(), reading])
    await fails('Closed', () => source.read(0, new Uint8Array(1)))
    await source.close()
    const calls = [() => store.open(uri('a')), () => store.stat(uri('a')), () => store.put(uri('b'), bytes), () => store.createWriter(uri('b')),
      () => store.delete(uri('a')), async () => { for await (const page of store.list(prefix)) void page },
      ...(store.get === undefined ? [] : [async () => store.get?.(uri('a'))])]
    for (const call of calls) await fails('Closed', call)
    await store.close()
  }]
]
