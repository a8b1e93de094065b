import { afterAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '../../../src/errors.js'
import { fileStore } from '../../../src/storage/file.js'
import { cached, type CachedStore, type CacheOptions } from '../../../src/storage/layers/cache.js'
import { memoryStore } from '../../../src/storage/memory.js'
import type { ObjectMeta } from '../../../src/store.js'
import { storeConformance } from '../../../src/testing/store.js'
import { mulberry } from './random.js'
import { gate, pattern, readObject, readRange, same, scripted, settled, untilAborted, type ScriptedStore } from './scripted-store.js'

const KB = 1024
const A = 'mem://a'
const folders: string[] = []
const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-cache-'))
  folders.push(path)
  return path
}
afterAll(() => Promise.all(folders.map(path => rm(path, { recursive: true, force: true }))))

/** A cache of 4 KB blocks over a store of which every call is noted. */
async function setUp(size: number, options: CacheOptions = {}, whole = false): Promise<{ inner: ScriptedStore; store: CachedStore; bytes: Uint8Array; meta: ObjectMeta }> {
  const inner = scripted(memoryStore(), { endpoint: 'host:1', whole })
  const bytes = pattern(size, 1)
  const meta = await inner.put(A, bytes)
  inner.calls.length = 0
  return { inner, store: cached(inner, { blockSize: 4 * KB, ...options }), bytes, meta }
}

describe('conformance', () => {
  const sizes: Record<string, CacheOptions> = { 'default blocks': {}, 'hardly any memory': { blockSize: 1000, memoryBytes: 3000 } }
  for (const [name, options] of Object.entries(sizes)) {
    describe(`memory, ${name}`, () => {
      for (const { name: title, run } of storeConformance(() => ({ store: cached(memoryStore(), options), prefix: 'mem://t/', lacks: ['verify'] }))) test(title, run)
    })
  }
  describe('files, kept on a disk', () => {
    for (const { name, run } of storeConformance(async () => {
      const root = await folder()
      const store = cached(fileStore({ root }), { directory: await folder(), memoryBytes: 0, blockSize: 10_000 })
      return { store, prefix: 'some/dir/', lacks: ['metadata', 'contentType', 'verify'], hierarchical: true, dispose: () => store.close() }
    })) test(name, run)
  })
})

describe('hits', () => {
  test('what was read is not fetched again, and opening asks for the version only', async () => {
    const { inner, store, bytes } = await setUp(10 * KB)
    expect(same(await readObject(store, A), bytes)).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['open', 'read', 'close'])
    inner.calls.length = 0
    expect(same(await readObject(store, A, 5000, 9000), bytes.subarray(5000, 9000))).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['stat'])
    expect(store.stats()).toMatchObject({ hits: 2, misses: 3, hitBytes: 4000, fetchedBytes: 10 * KB, checks: 2, memory: { blocks: 3, evictions: 0 } })
  })

  test('with a known version, a hit needs no request at all, neither by open nor by get', async () => {
    const { inner, store, bytes, meta } = await setUp(10 * KB)
    await readObject(store, A)
    inner.calls.length = 0
    const source = await store.open(A, { known: meta })
    expect(source).toMatchObject({ uri: A, byteLength: 10 * KB, version: meta.version })
    expect(same(await readRange(source, 0, 10 * KB), bytes)).toBe(true)
    await source.close()
    expect(same((await store.get(A, { known: meta })).bytes, bytes)).toBe(true)
    expect(inner.calls).toEqual([])
  })

  test('with a known version nothing is opened before something is missing, and then once for all', async () => {
    const { inner, store, bytes, meta } = await setUp(40 * KB)
    const sources = await Promise.all([store.open(A, { known: meta }), store.open(A, { known: meta })])
    expect(inner.calls).toEqual([])
    const parts = await Promise.all(sources.map((source, i) => readRange(source, i * 20 * KB, i * 20 * KB + 5000)))
    parts.forEach((part, i) => expect(same(part, bytes.subarray(i * 20 * KB, i * 20 * KB + 5000))).toBe(true))
    expect(inner.named('open')).toHaveLength(1)
    await sources[0]?.close()
    expect(inner.named('close')).toHaveLength(0)
    await sources[1]?.close()
    expect(inner.named('close')).toHaveLength(1)
  })

  test('neighbouring blocks that are missing are one read, around those that are there', async () => {
    const { inner, store, bytes } = await setUp(40 * KB)
    const source = await store.open(A)
    await readRange(source, 16 * KB, 16 * KB + 1)
    inner.calls.length = 0
    expect(same(await readRange(source, 1, 39 * KB), bytes.subarray(1, 39 * KB))).toBe(true)
    expect(inner.named('read').map(({ offset, length }) => [offset, length])).toEqual([[0, 16 * KB], [20 * KB, 20 * KB]])
    await source.close()
  })

  test('one fetch is not longer than the range that the store likes best', async () => {
    const inner = Object.assign(scripted(memoryStore()), {})
    Object.defineProperty(inner, 'capabilities', { value: { write: true, list: true, idealRange: 9 * KB, idealRequests: 2 } })
    await inner.put(A, pattern(40 * KB, 1))
    const store = cached(inner, { blockSize: 4 * KB })
    let [most, now] = [0, 0]
    inner.before = async call => {
      if (call.name !== 'read') return
      most = Math.max(most, ++now)
      await settled()
      now--
    }
    expect(same(await readObject(store, A), pattern(40 * KB, 1))).toBe(true)
    expect(inner.named('read').map(({ length }) => length)).toEqual([8 * KB, 8 * KB, 8 * KB, 8 * KB, 8 * KB])
    expect(most).toBe(2)
  })

  test('random ranges of random objects are right, whatever fits', async () => {
    const random = mulberry(7)
    const inner = memoryStore()
    const objects = Array.from({ length: 8 }, (_, i) => pattern(1 + Math.floor(random() * 30_000), i))
    for (const [i, bytes] of objects.entries()) await inner.put(`mem://${i}`, bytes)
    const store = cached(inner, { blockSize: 1000, memoryBytes: 40_000 })
    const sources = await Promise.all(objects.map((_, i) => store.open(`mem://${i}`)))
    await Promise.all(Array.from({ length: 2000 }, async () => {
      const i = Math.floor(random() * objects.length)
      const bytes = objects[i] as Uint8Array
      const from = Math.floor(random() * bytes.length)
      const to = from + Math.floor(random() * (bytes.length - from + 1))
      const into = new Uint8Array(to - from + 20).fill(0xee)
      await sources[i]?.read(from, into.subarray(10, -10))
      if (!same(into.subarray(10, -10), bytes.subarray(from, to))) throw new Error(`object ${i}, ${from} to ${to}`)
      if (!into.every((byte, k) => (k >= 10 && k < into.length - 10) || byte === 0xee)) throw new Error('bytes beside the target')
    }))
    const { memory } = store.stats()
    expect(memory.bytes).toBeLessThanOrEqual(40_000)
    expect(memory.evictions).toBeGreaterThan(0)
  })
})

describe('versions', () => {
  test('a replaced object is seen by the next open, and an open source never mixes two', async () => {
    const { inner, store, bytes } = await setUp(20 * KB)
    const before = await store.open(A)
    await readRange(before, 0, 4 * KB)
    const fresh = pattern(20 * KB, 2)
    await inner.put(A, fresh) // behind the back of the cache
    expect(same(await readObject(store, A), fresh)).toBe(true)
    expect(same(await readRange(before, 0, 20 * KB), bytes)).toBe(true) // the memory store keeps what is open
    await before.close()
  })

  test('what is missing of a known version that is gone is Changed, never another version, also over stores that do not look', async () => {
    const { inner, store, bytes, meta } = await setUp(20 * KB)
    const source = await store.open(A, { known: meta })
    await readRange(source, 0, 4 * KB)
    await source.close()
    await inner.put(A, pattern(20 * KB, 2))
    const again = await store.open(A, { known: meta })
    expect(same(await readRange(again, 0, 4 * KB), bytes.subarray(0, 4 * KB))).toBe(true)
    await expect(readRange(again, 0, 8 * KB)).rejects.toMatchObject({ kind: 'Changed', uri: A })
    await expect(store.get(A, { known: meta })).rejects.toMatchObject({ kind: 'Changed' })
    await again.close()
  })

  test('a store that does not look at what is known cannot bring another version in', async () => {
    const { inner, meta } = await setUp(8 * KB, {}, true)
    const get = inner.get as NonNullable<typeof inner.get>
    const careless = cached({ ...inner, open: (uri, { known: _, ...rest } = {}) => inner.open(uri, rest), get: (uri, { known: _, ...rest } = {}) => get(uri, rest) }, { blockSize: 4 * KB })
    await inner.put(A, pattern(8 * KB, 2))
    const source = await careless.open(A, { known: meta })
    await expect(readRange(source, 0, 10)).rejects.toMatchObject({ kind: 'Changed', uri: A })
    await expect(careless.get(A, { known: meta })).rejects.toMatchObject({ kind: 'Changed', uri: A })
    await source.close()
    expect(careless.stats().memory.blocks).toBe(0)
    expect(inner.named('open')).toHaveLength(inner.named('close').length)
  })

  test('a known version under another name is for the store to judge', async () => {
    const { inner, store, meta } = await setUp(100)
    await inner.put('mem://b', pattern(200, 3))
    await expect(store.open('mem://b', { known: meta })).rejects.toMatchObject({ kind: 'Changed', uri: 'mem://b' })
    await expect(store.get('mem://b', { known: meta })).rejects.toMatchObject({ kind: 'Changed', uri: 'mem://b' })
  })

  test('objects of which no version is told are not kept', async () => {
    const { inner } = await setUp(100)
    const open = inner.open
    const store = cached({ ...inner, open: async (uri, options) => ({ ...await open(uri, options), version: '' }) })
    await readObject(store, A)
    await readObject(store, A)
    expect(inner.named('read')).toHaveLength(2)
    expect(store.stats().memory.blocks).toBe(0)
  })

  test('writing and deleting through the cache drops what is kept, also when it fails', async () => {
    const { inner, store, bytes } = await setUp(100)
    const blocksAfter = async (change: () => Promise<unknown>): Promise<number> => {
      await readObject(store, A).catch(() => undefined)
      await change().catch(() => undefined)
      return store.stats().memory.blocks
    }
    expect(await blocksAfter(() => store.put(A, bytes))).toBe(0)
    expect(await blocksAfter(async () => (await store.createWriter(A)).abort())).toBe(1)
    inner.before = call => { if (call.name === 'put') throw new Error('down') }
    expect(await blocksAfter(() => store.put(A, bytes))).toBe(0)
    expect(await blocksAfter(async () => (await store.createWriter(A)).finalize())).toBe(0)
    await inner.createWriter(A).then(async writer => writer.write(bytes).then(() => writer.finalize()))
    expect(await blocksAfter(() => store.delete(A))).toBe(0)
    await expect(store.open(A)).rejects.toMatchObject({ kind: 'NotFound', operation: 'open' })
  })

  test('copy, rename and deleteMany drop what they change', async () => {
    const plain = memoryStore()
    const inner = {
      ...plain,
      copy: async (_: string, to: string) => plain.put(to, pattern(10, 5)),
      rename: async (_: string, to: string) => plain.put(to, pattern(10, 5)),
      deleteMany: async (uris: readonly string[]) => uris.map(uri => ({ uri }))
    }
    const store = cached(inner)
    for (const name of ['a', 'b', 'c']) await store.put(`mem://${name}`, pattern(10, 1))
    const blocksAfter = async (change: () => Promise<unknown>): Promise<number> => {
      for (const name of ['a', 'b', 'c']) await readObject(store, `mem://${name}`)
      await change()
      return store.stats().memory.blocks
    }
    expect(await blocksAfter(async () => store.copy?.('mem://a', 'mem://b'))).toBe(2)
    expect(await blocksAfter(async () => store.rename?.('mem://a', 'mem://b'))).toBe(1)
    expect(await blocksAfter(async () => store.deleteMany?.(['mem://a', 'mem://c']))).toBe(1)
  })

  test('a deleted object is NotFound, with the operation, though something of it was kept', async () => {
    const { inner, store } = await setUp(100)
    await readObject(store, A)
    await inner.delete(A)
    await expect(store.open(A)).rejects.toMatchObject({ kind: 'NotFound', operation: 'open' })
    expect(store.stats().memory.blocks).toBe(0)
  })
})

describe('trustFor', () => {
  const clocked = async (trustFor: number) => {
    const inner = scripted(memoryStore())
    await inner.put(A, pattern(100, 1))
    inner.calls.length = 0
    const clock = { time: 0, now: () => clock.time }
    return { inner, clock, store: cached(inner, { trustFor }, clock) }
  }

  test('so long, opening asks nothing', async () => {
    const { inner, clock, store } = await clocked(1000)
    await readObject(store, A)
    inner.calls.length = 0
    clock.time = 999
    await readObject(store, A)
    expect(inner.calls).toEqual([])
    clock.time = 1000
    await readObject(store, A)
    expect(inner.calls.map(call => call.name)).toEqual(['stat'])
  })

  test('what was written through the cache is trusted, and seen at once', async () => {
    const { inner, store } = await clocked(Infinity)
    await readObject(store, A)
    await store.put(A, pattern(100, 2))
    inner.calls.length = 0
    expect(same(await readObject(store, A), pattern(100, 2))).toBe(true)
    expect(inner.named('stat')).toEqual([])
    await store.delete(A)
    await expect(store.open(A)).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('an answer that comes while the object is written is not trusted', async () => {
    const { inner, store } = await clocked(Infinity)
    const { opened, open } = gate()
    // The store answers with what was there when it was asked.
    inner.before = () => undefined
    const asking = inner.open
    const slow = cached({ ...inner, open: async (uri, options) => {
      const source = await asking(uri, options)
      await opened
      return source
    } }, { trustFor: Infinity })
    const early = slow.open(A)
    await settled()
    await slow.put(A, pattern(100, 2))
    open()
    await (await early).close()
    expect(same(await readObject(slow, A), pattern(100, 2))).toBe(true)
    await store.close()
  })

  test('nor is one that comes while the object is deleted', async () => {
    const { inner, store } = await clocked(Infinity)
    const { opened, open } = gate()
    inner.before = call => call.name === 'delete' ? opened : undefined
    const deleting = store.delete(A)
    await settled()
    expect(await readObject(store, A)).toHaveLength(100) // it is still there
    open()
    await deleting
    await expect(store.open(A)).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('what turns out to be gone is trusted no longer', async () => {
    const { inner, store } = await clocked(Infinity)
    const source = await store.open(A)
    await source.close()
    await inner.delete(A)
    await expect(readObject(store, A)).rejects.toMatchObject({ kind: 'NotFound' })
    await inner.put(A, pattern(50, 4))
    expect(same(await readObject(store, A), pattern(50, 4))).toBe(true)
  })
})

describe('get', () => {
  test('an object of which nothing is known is one get, and then kept', async () => {
    const { inner, store, bytes } = await setUp(10 * KB, {}, true)
    const got = await store.get(A)
    expect(same(got.bytes, bytes)).toBe(true)
    expect(got.verified).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['get'])
    got.bytes.fill(0) // they are the caller's
    const again = await store.get(A)
    expect(same(again.bytes, bytes)).toBe(true)
    expect(again.verified).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['get', 'stat'])
  })

  test('concurrent gets of a known version share one', async () => {
    const { inner, store, bytes, meta } = await setUp(10 * KB, {}, true)
    const all = await Promise.all(Array.from({ length: 20 }, () => store.get(A, { known: meta })))
    expect(inner.calls.map(call => call.name)).toEqual(['get'])
    expect(new Set(all.map(got => got.bytes.buffer)).size).toBe(20)
    for (const got of all) expect(same(got.bytes, bytes) && got.verified).toBe(true)
  })

  test('what is there in part is completed in ranges, and is then not called verified', async () => {
    const { inner, store, bytes, meta } = await setUp(10 * KB, {}, true)
    const source = await store.open(A)
    await readRange(source, 0, 1)
    await source.close()
    const got = await store.get(A, { known: meta })
    expect(same(got.bytes, bytes)).toBe(true)
    expect(got.verified).toBe(false)
    expect(inner.named('get')).toHaveLength(0)
    const checked = await store.get(A, { known: meta, verify: true })
    expect(checked.verified).toBe(true)
    expect(inner.named('get')).toHaveLength(1)
  })

  test('works over a store without get', async () => {
    const { inner, store, bytes } = await setUp(10 * KB)
    expect(same((await store.get(A)).bytes, bytes)).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['open', 'read', 'close'])
  })

  test('refuses more than maxBytes, and fills the memory that it is given', async () => {
    const { store, bytes, meta } = await setUp(10 * KB)
    await expect(store.get(A, { maxBytes: 10 * KB - 1, known: meta })).rejects.toMatchObject({ kind: 'Limit', uri: A })
    const memory = new Uint8Array(11 * KB)
    const got = await store.get(A, { maxBytes: 10 * KB, allocate: () => memory })
    expect(got.bytes.buffer).toBe(memory.buffer)
    expect(same(got.bytes, bytes)).toBe(true)
    await expect(store.get(A, { allocate: () => new Uint8Array(3) })).rejects.toThrow(RangeError)
  })

  test('an empty object is no bytes', async () => {
    const { store, inner } = await setUp(0)
    expect((await store.get(A)).bytes).toHaveLength(0)
    expect(inner.named('read')).toHaveLength(0)
  })
})

describe('many at once', () => {
  test('readers of one block share one fetch', async () => {
    const { inner, store, bytes, meta } = await setUp(4 * KB)
    const source = await store.open(A, { known: meta })
    const parts = await Promise.all(Array.from({ length: 100 }, (_, i) => readRange(source, i, i + 50)))
    parts.forEach((part, i) => expect(same(part, bytes.subarray(i, i + 50))).toBe(true))
    expect(inner.named('read')).toHaveLength(1)
    expect(store.stats()).toMatchObject({ misses: 1, shared: 99 })
    await source.close()
  })

  test('one who gives up does not disturb the others', async () => {
    const { inner, store, bytes, meta } = await setUp(4 * KB)
    const { opened, open } = gate()
    inner.before = call => call.name === 'read' ? opened : undefined
    const source = await store.open(A, { known: meta })
    const controllers = Array.from({ length: 10 }, () => new AbortController())
    const reads = controllers.map(({ signal }) => readRange(source, 0, 100, signal))
    const stay = readRange(source, 50, 100)
    await settled()
    controllers.forEach((controller, i) => controller.abort(new Error(`stop ${i}`)))
    for (const [i, read] of reads.entries()) await expect(read).rejects.toThrow(`stop ${i}`)
    open()
    expect(same(await stay, bytes.subarray(50, 100))).toBe(true)
    expect(inner.named('read')).toHaveLength(1)
    await source.close()
  })

  test('the fetch is called off when the last one gives up, and the next reader begins a new one', async () => {
    const { inner, store, bytes, meta } = await setUp(4 * KB)
    let aborted = 0
    let begun = 0
    const { opened, open } = gate()
    inner.before = (call, signal) => call.name === 'read' && begun++ === 0 ? untilAborted(signal).catch(() => { aborted++; return opened }) : undefined
    const source = await store.open(A, { known: meta })
    const controllers = [new AbortController(), new AbortController()]
    const into = controllers.map(() => new Uint8Array(100))
    const reads = controllers.map(({ signal }, i) => source.read(0, into[i] as Uint8Array, { signal }))
    await settled()
    controllers[0]?.abort(new Error('first'))
    await expect(reads[0]).rejects.toThrow('first')
    expect(aborted).toBe(0)
    controllers[1]?.abort(new Error('second'))
    await expect(reads[1]).rejects.toThrow('second')
    expect(aborted).toBe(1)
    expect(same(await readRange(source, 0, 100), bytes.subarray(0, 100))).toBe(true) // though the first has not ended yet
    open()
    expect(into.every(memory => memory.every(byte => byte === 0))).toBe(true)
    await source.close()
  })

  test('a failure is told to those who wait, and not kept', async () => {
    const { inner, store, bytes, meta } = await setUp(40 * KB)
    const source = await store.open(A, { known: meta })
    inner.before = call => { if (call.name === 'read') throw new MillraceError('Unavailable', 'down') }
    const failed = await Promise.allSettled([readRange(source, 0, 100), readRange(source, 10, 20), readRange(source, 0, 40 * KB)])
    for (const result of failed) expect(result).toMatchObject({ status: 'rejected', reason: { kind: 'Unavailable' } })
    inner.before = () => undefined
    expect(same(await readRange(source, 0, 40 * KB), bytes)).toBe(true)
    await source.close()
  })

  test('a failure to open is not kept either', async () => {
    const { inner, store, bytes, meta } = await setUp(100)
    const source = await store.open(A, { known: meta })
    inner.before = call => { if (call.name === 'open') throw new MillraceError('Unavailable', 'down') }
    await expect(readRange(source, 0, 100)).rejects.toMatchObject({ kind: 'Unavailable' })
    inner.before = () => undefined
    expect(same(await readRange(source, 0, 100), bytes)).toBe(true)
    await source.close()
  })

  test('a read that fails in one place calls off the others, and writes nothing more', async () => {
    const inner = scripted(memoryStore())
    Object.defineProperty(inner, 'capabilities', { value: { write: true, list: true, idealRange: 4 * KB, idealRequests: 4 } })
    const meta = await inner.put(A, pattern(40 * KB, 1))
    const store = cached(inner, { blockSize: 4 * KB })
    let calledOff = 0
    inner.before = (call, signal) => {
      if (call.name !== 'read') return undefined
      if (call.offset === 4 * KB) throw new MillraceError('Unavailable', 'down')
      return untilAborted(signal).finally(() => calledOff++)
    }
    const source = await store.open(A, { known: meta })
    const into = new Uint8Array(40 * KB)
    await expect(source.read(0, into)).rejects.toMatchObject({ kind: 'Unavailable' })
    await source.close()
    expect(calledOff).toBe(3)
    expect(into.every(byte => byte === 0)).toBe(true)
    expect(inner.named('read')).toHaveLength(4)
  })

  test('nothing is written into the memory of a reader that has failed, whatever arrives when', async () => {
    for (let ticks = 0; ticks < 25; ticks++) {
      const { inner, store, meta } = await setUp(8 * KB)
      const capable = cached({ ...inner, capabilities: { ...inner.capabilities, idealRange: 4 * KB } }, { blockSize: 4 * KB })
      const { opened, open } = gate()
      inner.before = async call => {
        if (call.name !== 'read') return
        await opened
        if (call.offset === 0) throw new MillraceError('Unavailable', 'down')
        for (let i = 0; i < ticks; i++) await undefined
      }
      const source = await capable.open(A, { known: meta })
      const into = new Uint8Array(8 * KB)
      const after = source.read(0, into).catch(() => into.slice())
      await settled()
      open()
      const whenItFailed = await after as Uint8Array
      await settled()
      expect(same(into, whenItFailed)).toBe(true)
      await source.close()
      await store.close()
    }
  })

  test('bytes that come after everybody has left are not kept for nobody', async () => {
    const { inner, meta } = await setUp(4 * KB)
    const { opened, open } = gate()
    // A source that hears neither of signals nor of being closed.
    const deaf = cached({
      ...inner,
      open: async (uri, options) => ({ ...await inner.open(uri, options), read: async (_: number, into: Uint8Array) => { await opened; into.fill(1) }, close: async () => undefined })
    }, { blockSize: 4 * KB })
    const controller = new AbortController()
    const source = await deaf.open(A, { known: meta })
    const reading = readRange(source, 0, 10, controller.signal)
    await settled()
    controller.abort(new Error('stop'))
    await expect(reading).rejects.toThrow('stop')
    await source.close()
    open()
    await settled()
    expect(deaf.stats().memory).toMatchObject({ bytes: 0, blocks: 0 })
  })

  test('a block that is thrown out while others wait for it reaches them all the same', async () => {
    const { inner, store, bytes, meta } = await setUp(40 * KB, { memoryBytes: 5 * KB })
    const source = await store.open(A, { known: meta })
    const reads = Array.from({ length: 30 }, (_, i) => readRange(source, (i % 10) * 4 * KB, (i % 10) * 4 * KB + 4 * KB))
    for (const [i, part] of (await Promise.all(reads)).entries()) expect(same(part, bytes.subarray((i % 10) * 4 * KB, (i % 10 + 1) * 4 * KB))).toBe(true)
    expect(same(await readRange(source, 0, 40 * KB), bytes)).toBe(true)
    expect(store.stats().memory).toMatchObject({ blocks: 1 })
    expect(inner.named('open')).toHaveLength(1)
    await source.close()
  })

  test.each(['in memory', 'on a disk too'])('many readers with random aborts: right bytes or the own reason, and nothing stays, %s', async where => {
    const random = mulberry(3)
    const disk = where === 'in memory' ? {} : { directory: await folder(), diskBytes: 60 * KB }
    const { inner, store, bytes, meta } = await setUp(100 * KB, { memoryBytes: 30 * KB, ...disk })
    inner.before = () => (random() < 0.5 ? settled() : undefined)
    const outcomes = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
      const controller = new AbortController()
      const reason = new Error(String(i))
      const source = await store.open(A, { known: meta })
      const from = Math.floor(random() * 90 * KB)
      const to = from + 1 + Math.floor(random() * 10 * KB)
      const reading = readRange(source, from, to, controller.signal)
      if (random() < 0.5) setImmediate(() => controller.abort(reason))
      try {
        return same(await reading, bytes.subarray(from, to)) ? 'right' : 'wrong'
      } catch (error) {
        return error === reason ? 'aborted' : `failed: ${String(error)}`
      } finally {
        await source.close()
      }
    }))
    expect(new Set(outcomes)).toEqual(new Set(['right', 'aborted']))
    await store.close()
    expect(inner.named('open')).toHaveLength(inner.named('close').length)
  })
})

describe('the end', () => {
  test('closing ends what is under way with Closed, and everything afterwards', async () => {
    const { inner, store, meta } = await setUp(100)
    inner.before = (call, signal) => call.name === 'read' ? untilAborted(signal) : undefined
    const source = await store.open(A, { known: meta })
    const reading = readRange(source, 0, 10)
    const failed = expect(reading).rejects.toMatchObject({ kind: 'Closed' })
    await settled()
    await store.close()
    await failed
    for (const call of [() => store.open(A), () => store.get(A), () => store.stat(A), () => store.put(A, new Uint8Array(1)), () => store.delete(A), () => source.read(0, new Uint8Array(1)), () => store.clear()]) {
      await expect(call()).rejects.toMatchObject({ kind: 'Closed' })
    }
    await source.close()
    await store.close()
    expect(inner.named('open')).toHaveLength(inner.named('close').length)
  })

  test('clearing forgets everything, and open sources go on', async () => {
    const { inner, store, bytes } = await setUp(10 * KB)
    const source = await store.open(A)
    await readRange(source, 0, 10 * KB)
    await store.clear()
    expect(store.stats().memory).toMatchObject({ bytes: 0, blocks: 0 })
    inner.calls.length = 0
    expect(same(await readRange(source, 0, 10 * KB), bytes)).toBe(true)
    expect(inner.named('read')).toHaveLength(1)
    await source.close()
  })

  test('requests are told to the one who caused them', async () => {
    const { store, meta } = await setUp(100)
    const traces = Array.from({ length: 3 }, () => ({ requests: 0, retries: 0, endpoint: undefined }))
    const source = await store.open(A, { known: meta })
    await Promise.all(traces.slice(0, 2).map(trace => source.read(0, new Uint8Array(10), { trace })))
    await source.read(0, new Uint8Array(10), { trace: traces[2] })
    expect(traces.map(trace => trace.requests).sort()).toEqual([0, 0, 2]) // open and read
    expect(traces.map(trace => trace.endpoint).filter(endpoint => endpoint !== undefined)).toEqual(['host:1'])
    await source.close()
  })
})

test('options are checked at the call', () => {
  const make = (options: object) => () => cached(memoryStore(), options)
  expect(make({ memorybytes: 1 })).toThrow(TypeError)
  for (const options of [{ blockSize: 0 }, { blockSize: 1.5 }, { memoryBytes: -1 }, { memoryBytes: 100 }, { trustFor: -1 }, { trustFor: Number.NaN }, { directory: '.', diskBytes: 0 }, { directory: '.', keepFreeBytes: -1 }]) expect(make(options)).toThrow(RangeError)
  for (const options of [{ diskBytes: 1 }, { keepFreeBytes: 1 }, { namespace: 'x' }, { directory: '' }, { directory: 'a\0b' }, { directory: '.', namespace: 1 }]) expect(make(options)).toThrow(TypeError)
  expect(make({ memoryBytes: 0, directory: '.' })).not.toThrow()
})
