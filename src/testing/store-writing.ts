import type { ObjectMeta, WriteOptions } from '../store.js'
import { caught, check, core, equal, fails, oldOr, pattern, readAll, readRange, readWhole, same, sameBytes, using, type StoreCase } from './store-kit.js'

/** Writing and deleting one object. */
export function writingCases(): readonly StoreCase[] {
  return CASES
}

const CASES: readonly StoreCase[] = [
  ['deleting is idempotent', async ({ store, uri, list }) => {
    const bytes = pattern(5000, 7)
    await store.put(uri('a'), bytes)
    await using(store.open(uri('a')), async (source) => {
      await store.delete(uri('a'))
      await store.delete(uri('a'))
      await fails('NotFound', () => store.open(uri('a')))
      await fails('NotFound', () => store.stat(uri('a')))
      equal((await list()).length, 0, 'objects listed')
      await oldOr(['Changed', 'NotFound'], readRange(source, 0, 5000), bytes)
    })
  }],

  ['bytes belong to the caller again when put and write resolve', async ({ store, uri }) => {
    const bytes = pattern(3000, 8)
    const scratch = bytes.slice()
    await store.put(uri('a'), scratch)
    scratch.fill(0)
    const writer = await store.createWriter(uri('b'))
    for (let i = 0; i < 3; i++) {
      scratch.set(bytes)
      await writer.write(scratch.subarray(i * 1000, i * 1000 + 1000))
      scratch.fill(0)
    }
    await writer.finalize()
    for (const name of ['a', 'b']) {
      await using(store.open(uri(name)), async (source) => sameBytes(await readRange(source, 0, 3000), bytes))
    }
  }],

  ['a writer shows nothing before it is finalized', async ({ store, uri, list }) => {
    const bytes = pattern(700_000, 10)
    const writer = await store.createWriter(uri('dir/w'))
    for (const [from, to] of [[0, 1], [1, 1], [1, 600_000], [600_000, 700_000]] as const) {
      await writer.write(bytes.subarray(from, to))
      await fails('NotFound', () => store.stat(uri('dir/w')))
      equal((await list()).length, 0, 'objects listed')
    }
    const meta = await writer.finalize()
    same(core(meta), core(await store.stat(uri('dir/w'))), 'what finalize returned')
    await using(store.open(uri('dir/w')), async (source) => sameBytes(await readRange(source, 0, 700_000), bytes))
    await writer.abort()
    equal((await store.stat(uri('dir/w'))).size, 700_000, 'size after an abort that came too late')
    await fails('Closed', () => writer.write(bytes))
    await fails('Closed', () => writer.finalize())
  }],

  ['an aborted writer leaves nothing behind, and the old object as it was', async ({ store, uri, list }) => {
    const old = await store.put(uri('w'), pattern(10, 11))
    for (const name of ['w', 'new']) {
      const writer = await store.createWriter(uri(name))
      await writer.write(pattern(400_000, 12))
      await writer.abort()
      await writer.abort()
      await fails('Closed', () => writer.write(new Uint8Array(1)))
      await fails('Closed', () => writer.finalize())
    }
    same((await list()).map(core), [core(old)], 'objects listed')
  }],

  ['writers of the same name do not disturb each other: the last to finish wins', async ({ store, uri, list }) => {
    const [a, b] = [await store.createWriter(uri('w')), await store.createWriter(uri('w'))]
    await Promise.all([a.write(pattern(1000, 13)), b.write(pattern(2000, 14))])
    await b.finalize()
    await a.finalize()
    await using(store.open(uri('w')), async (source) => sameBytes(await readWhole(source), pattern(1000, 13)))
    equal((await list()).length, 1, 'objects listed')
  }],

  ['a writer whose signal is aborted fails with the reason and leaves nothing', async ({ store, uri, list }) => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const writer = await store.createWriter(uri('w'), { signal: controller.signal })
    await writer.write(pattern(500_000, 18))
    controller.abort(reason)
    check(await caught(() => writer.write(new Uint8Array(1))) === reason, 'write rejects with the reason')
    check(await caught(() => writer.finalize()) === reason, 'finalize rejects with the reason')
    await writer.abort()
    equal((await list()).length, 0, 'objects listed')
  }],

  ['a large object goes through a writer in pieces of any size', async ({ store, uri, list, fixture }) => {
    const part = fixture.partSize ?? 5 << 20
    const bytes = pattern(Math.max(12 << 20, 2 * part + part / 2) + 3, 30)
    const writer = await store.createWriter(uri('large'))
    const scratch = new Uint8Array(part + 1)
    for (let at = 0, i = 0; at < bytes.byteLength; i++) {
      const piece = scratch.subarray(0, Math.min([1_000_003, 1, part + 1, 0, 65_536][i % 5] ?? 1, bytes.byteLength - at))
      piece.set(bytes.subarray(at, at + piece.byteLength))
      await writer.write(piece)
      piece.fill(0)
      at += piece.byteLength
    }
    equal((await list()).length, 0, 'objects listed before the end')
    const meta = await writer.finalize()
    equal(meta.size, bytes.byteLength, 'size')
    same((await list()).map(core), [core(meta)], 'list')
    sameBytes(await readAll(store, uri('large')), bytes)
  }],

  ['a large object is put whole', async ({ store, uri, fixture }) => {
    const bytes = pattern(Math.max(12 << 20, 2 * (fixture.partSize ?? 0)) + 5, 31)
    equal((await store.put(uri('large'), bytes)).size, bytes.byteLength, 'size')
    sameBytes(await readAll(store, uri('large')), bytes)
  }],

  ['a large object that is aborted leaves nothing behind', async ({ store, uri, list, fixture }) => {
    const writer = await store.createWriter(uri('large'))
    const piece = pattern(1 << 20, 32)
    for (let at = 0; at < Math.max(12 << 20, 2 * (fixture.partSize ?? 0)); at += piece.byteLength) await writer.write(piece)
    await writer.abort()
    equal((await list()).length, 0, 'objects listed')
    await fails('NotFound', () => store.stat(uri('large')))
  }],

  ['metadata and the content type come back', async ({ store, uri, has }) => {
    const options: WriteOptions = {
      ...(has('metadata') ? { metadata: { color: 'dark red', n: '1', sign: 'a=b;c' } } : {}),
      ...(has('contentType') ? { contentType: 'image/x-test' } : {})
    }
    await store.put(uri('a'), pattern(10, 33), options)
    const writer = await store.createWriter(uri('b'), options)
    await writer.write(pattern(10, 33))
    await writer.finalize()
    for (const name of ['a', 'b']) {
      const stat = await store.stat(uri(name))
      if (has('metadata')) same(stat.metadata, options.metadata, `metadata of ${name}`)
      if (has('contentType')) equal(stat.contentType, options.contentType, `content type of ${name}`)
    }
    await store.put(uri('a'), pattern(10, 34))
    same((await store.stat(uri('a'))).metadata ?? {}, {}, 'metadata of an object that was replaced without')
  }],

  ['a write that wants no object there writes only the first one', async ({ store, uri, has, list }) => {
    if (!has('ifAbsent')) return
    const first = await store.put(uri('a'), pattern(100, 35), { ifAbsent: true })
    equal((await fails('Precondition', () => store.put(uri('a'), pattern(200, 36), { ifAbsent: true }))).uri, uri('a'), 'uri in the error')
    const late = await store.createWriter(uri('b'), { ifAbsent: true })
    await late.write(pattern(300, 37))
    const second = await store.put(uri('b'), pattern(400, 38))
    await fails('Precondition', () => late.finalize())
    await late.abort()
    await fails('Precondition', async () => {
      const writer = await store.createWriter(uri('a'), { ifAbsent: true })
      await writer.write(pattern(10, 39))
      await writer.finalize()
    })
    const timely = await store.createWriter(uri('c'), { ifAbsent: true })
    const third = await timely.finalize()
    same((await list()).map(core), [first, second, third].map(core), 'list')
    sameBytes(await readAll(store, uri('a')), pattern(100, 35))
  }],

  ['a write that wants a version writes only over that', async ({ store, uri, has, list }) => {
    if (!has('ifVersion')) return
    const one = await store.put(uri('a'), pattern(100, 40))
    const two = await store.put(uri('a'), pattern(200, 41), { ifVersion: one.version })
    check(one.version !== two.version, 'the version is another')
    await fails('Precondition', () => store.put(uri('a'), pattern(300, 42), { ifVersion: one.version }))
    await fails(['Precondition', 'NotFound'], () => store.put(uri('b'), pattern(300, 42), { ifVersion: one.version }))
    const writers = [await store.createWriter(uri('a'), { ifVersion: two.version }), await store.createWriter(uri('a'), { ifVersion: two.version })]
    for (const [i, writer] of writers.entries()) await writer.write(pattern(500 + i, 43))
    const three = await (writers[0] as (typeof writers)[0]).finalize()
    await fails('Precondition', async () => writers[1]?.finalize())
    await writers[1]?.abort()
    same((await list()).map(core), [core(three)], 'list')
    sameBytes(await readAll(store, uri('a')), pattern(500, 43))
  }],

  ['two conditions at once are a mistake', async ({ store, uri, list }) => {
    for (const call of [() => store.put(uri('a'), new Uint8Array(1), { ifAbsent: true, ifVersion: 'x' }),
      () => store.createWriter(uri('a'), { ifAbsent: true, ifVersion: 'x' })]) {
      equal((await caught(call)).name, 'TypeError', 'name of the error')
    }
    equal((await list()).length, 0, 'objects listed')
  }],

  ['of many conditional writes at once one wins', async ({ store, uri, has }) => {
    if (!has('ifAbsent')) return
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => store.put(uri('a'), pattern(100 + i, 44), { ifAbsent: true })))
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    equal(won.length, 1, 'writes that succeeded')
    for (const outcome of outcomes) if (outcome.status === 'rejected') await fails('Precondition', () => Promise.reject(outcome.reason))
    same(core(await store.stat(uri('a'))), core(won[0] as ObjectMeta), 'the object')
  }]
]
