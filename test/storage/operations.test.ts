import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { directStore } from '../../src/storage/direct.js'
import { fileStore } from '../../src/storage/file.js'
import { memoryStore } from '../../src/storage/memory.js'
import { operationsOf, type Progress } from '../../src/storage/operations.js'
import type { ByteSource, Store } from '../../src/store.js'

let top = ''
let serial = 0

beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), 'millrace-operations-'))
})

afterAll(() => rm(top, { recursive: true, force: true }))

/** A store that has nothing that it need not have. */
function bare(): Store {
  const { scheme, capabilities, open, stat, list, put, createWriter, delete: remove } = memoryStore()
  return { scheme, capabilities, open, stat, list, put, createWriter, delete: remove }
}

const noStore = operationsOf(() => { throw new Error('no store should be looked up') })
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Bytes that tell their place. */
function counted(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8)
  return bytes
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

interface Place {
  readonly store: Store
  readonly at: (name: string) => string
}

const PLACES: readonly (readonly [string, () => Promise<Place>])[] = [
  ['memory', async () => ({ store: memoryStore(), at: name => `mem://${name}` })],
  ['a store with what is required only', async () => ({ store: bare(), at: name => `mem://${name}` })],
  ['files by path', async () => {
    const directory = join(top, String(serial++))
    return { store: fileStore(), at: name => `${directory}/${name}` }
  }],
  ['files by URI', async () => {
    const directory = join(top, String(serial++))
    return { store: fileStore(), at: name => `file://${directory}/${name}` }
  }]
]

describe.each(PLACES)('in %s', (_, make) => {
  /** The operations, with that store for all URIs. */
  async function kit(): Promise<Place & ReturnType<typeof operationsOf>> {
    const place = await make()
    return { ...place, ...operationsOf(() => place.store) }
  }

  test('an object is written, told of, fetched and removed', async () => {
    const { at, put, stat, exists, get, remove } = await kit()
    expect(await exists(at('a'))).toBe(false)
    const meta = await put(at('a'), bytesOf('grist'))
    expect(meta).toMatchObject({ uri: at('a'), size: 5 })
    expect(await exists(at('a'))).toBe(true)
    expect(await stat(at('a'))).toMatchObject({ uri: at('a'), size: 5, version: meta.version })
    const object = await get(at('a'))
    expect([textOf(object.bytes), object.meta.version, object.verified]).toEqual(['grist', meta.version, false])
    await expect(get(at('a'), { maxBytes: 4 })).rejects.toMatchObject({ kind: 'Limit' })
    await remove(at('a'))
    await remove(at('a'))
    await expect(get(at('a'))).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('get fills memory of the caller', async () => {
    const { at, put, get } = await kit()
    await put(at('a'), bytesOf('grist'))
    const memory = new Uint8Array(100)
    const { bytes } = await get(at('a'), { allocate: length => memory.subarray(7, 7 + length) })
    expect([bytes.buffer === memory.buffer, bytes.byteOffset, textOf(memory.subarray(7, 12))]).toEqual([true, 7, 'grist'])
    await expect(get(at('a'), { allocate: () => new Uint8Array(4) })).rejects.toThrow(RangeError)
  })

  test('a range is what was asked for, or all that follows', async () => {
    const { at, put, getRange } = await kit()
    await put(at('a'), bytesOf('0123456789'))
    expect(textOf(await getRange(at('a'), 3, 4))).toBe('3456')
    expect(textOf(await getRange(at('a'), 7))).toBe('789')
    expect(textOf(await getRange(at('a'), 10))).toBe('')
    await expect(getRange(at('a'), 8, 3)).rejects.toMatchObject({ kind: 'OutOfRange' })
    await expect(getRange(at('a'), 11)).rejects.toMatchObject({ kind: 'OutOfRange' })
    await expect(getRange(at('a'), -1)).rejects.toThrow(RangeError)
    await expect(getRange(at('a'), 0, 1.5)).rejects.toThrow(RangeError)
  })

  test('ranges come in their order, and close ones in one read', async () => {
    const { at, store, put, getRanges } = await kit()
    await put(at('a'), counted(10_000))
    let reads = 0
    const counting: Store = { ...store, open: async (uri, options) => {
      const source = await store.open(uri, options)
      return { ...source, read: (...args: Parameters<ByteSource['read']>) => { reads++; return source.read(...args) } }
    } }
    const ranges = [{ offset: 9000, length: 10 }, { offset: 0, length: 5 }, { offset: 20, length: 0 }, { offset: 100, length: 50 }]
    const found = await getRanges(at('a'), ranges, { store: counting, gap: 200 })
    expect(found).toEqual(ranges.map(({ offset, length }) => counted(10_000).subarray(offset, offset + length)))
    expect(reads).toBe(2)
    await expect(getRanges(at('a'), [{ offset: 9999, length: 2 }])).rejects.toMatchObject({ kind: 'OutOfRange' })
  })

  test('a stream has the bytes in order, from anywhere to anywhere, in chunks', async () => {
    const { at, put, readStream } = await kit()
    const bytes = counted(10_007)
    await put(at('a'), bytes)
    for (const options of [{}, { chunkSize: 1000 }, { chunkSize: 1000, ahead: 0 }, { chunkSize: 10_007 }, { start: 500, end: 9001, chunkSize: 333, ahead: 7 }, { start: 10_007 }]) {
      const chunks = await all(readStream(at('a'), options))
      const { start = 0, end = 10_007, chunkSize = 1 << 20 } = options as { start?: number; end?: number; chunkSize?: number }
      expect(Buffer.concat(chunks).equals(Buffer.from(bytes.subarray(start, end)))).toBe(true)
      expect(chunks).toHaveLength(Math.ceil((end - start) / chunkSize))
    }
    await expect(all(readStream(at('a'), { end: 10_008 }))).rejects.toMatchObject({ kind: 'OutOfRange' })
    await expect(all(readStream(at('a'), { chunkSize: 0 }))).rejects.toThrow(RangeError)
  })

  test('a stream goes on where it broke, at the version that it had, or not at all', async () => {
    const { at, put, stat, readStream } = await kit()
    const bytes = counted(5000)
    await put(at('a'), bytes)
    const known = await stat(at('a'))
    const parts: Uint8Array[] = []
    for await (const chunk of readStream(at('a'), { chunkSize: 1000, known })) {
      parts.push(chunk)
      if (parts.length === 2) break
    }
    parts.push(...(await all(readStream(at('a'), { chunkSize: 700, start: 2000, known }))))
    expect(Buffer.concat(parts).equals(Buffer.from(bytes))).toBe(true)
    await put(at('a'), bytes.slice().fill(1))
    await expect(all(readStream(at('a'), { start: 2000, known }))).rejects.toMatchObject({ kind: 'Changed' })
  })

  test('a listing gives objects one by one, and that of a directory stops at the next slash', async () => {
    const { at, put, list, listDirectory } = await kit()
    for (const name of ['b/1', 'a', 'b/2/x', 'c', 'd/e/f']) await put(at(name), bytesOf(name))
    const found = await all(list(at('')))
    expect(found.map(meta => [meta.uri, meta.size])).toEqual([['a', 1], ['b/1', 3], ['b/2/x', 5], ['c', 1], ['d/e/f', 5]].map(([name, size]) => [at(name as string), size]))
    expect((await all(list(at('b/')))).map(meta => meta.uri)).toEqual([at('b/1'), at('b/2/x')])
    const pages = await all(listDirectory(at('')))
    expect(pages.flatMap(page => page.objects.map(meta => meta.uri))).toEqual([at('a'), at('c')])
    expect(pages.flatMap(page => page.prefixes)).toEqual([at('b/'), at('d/')])
  })

  test('many are removed with a result for each', async () => {
    const { at, put, list, removeMany } = await kit()
    for (const name of ['a', 'b', 'c']) await put(at(name), bytesOf(name))
    const uris = ['c', 'nothing', 'a'].map(at)
    expect(await removeMany(uris)).toEqual(uris.map(uri => ({ uri })))
    expect((await all(list(at('')))).map(meta => meta.uri)).toEqual([at('b')])
    expect(await removeMany([])).toEqual([])
    const [bad, good] = await removeMany([`${at('x')}\0`, at('b')])
    expect([(bad?.error as { kind?: unknown }).kind, good]).toEqual(['InvalidUri', { uri: at('b') }])
  })

  test('a prefix is removed, and nothing beside it', async () => {
    const { at, put, list, removePrefix } = await kit()
    for (const name of ['p/1', 'p/2/3', 'pq', 'q']) await put(at(name), bytesOf(name))
    const seen: Progress[] = []
    expect(await removePrefix(at('p/'), { onProgress: progress => seen.push(progress) })).toEqual({ objects: 2, bytes: 8 })
    expect(seen.at(-1)).toEqual({ objects: 2, bytes: 8 })
    expect((await all(list(at('')))).map(meta => meta.uri)).toEqual([at('pq'), at('q')])
    expect(await removePrefix(at('nothing/'))).toEqual({ objects: 0, bytes: 0 })
    await expect(removePrefix('')).rejects.toThrow(RangeError)
  })

  test('what could not be removed is told at the end, when everything else is gone', async () => {
    const { at, store, put, list, removePrefix } = await kit()
    for (let i = 0; i < 10; i++) await put(at(`p/${i}`), bytesOf('x'))
    const { deleteMany: _, ...rest } = store
    const failing: Store = { ...rest, delete: async (uri, options) => {
      if (/[37]$/.test(uri)) throw new Error('not this one')
      return store.delete(uri, options)
    } }
    const error = await removePrefix(at('p/'), { store: failing }).then(() => undefined, (reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'Unavailable', operation: 'removePrefix', uri: at('p/'), message: expect.stringContaining('2 failed, 8 objects were deleted') })
    expect((error as { cause: AggregateError }).cause.errors).toHaveLength(2)
    expect((await all(list(at('')))).map(meta => meta.uri)).toEqual([at('p/3'), at('p/7')])
  })

  test('a copy has the bytes, and the original stays', async () => {
    const { at, store, put, get, copy } = await kit()
    for (const size of [0, 5, 9_000_000]) {
      await put(at('a'), counted(size))
      const { meta, how } = await copy(at('a'), at('deep/b'))
      expect([meta.uri, meta.size, how]).toEqual([at('deep/b'), size, store.copy === undefined ? 'streamed' : 'server'])
      for (const name of ['a', 'deep/b']) expect(Buffer.compare((await get(at(name))).bytes, counted(size))).toBe(0)
    }
    await expect(copy(at('a'), at('deep/b'), { ifAbsent: true })).rejects.toMatchObject({ kind: 'Precondition' })
    await expect(copy(at('nothing'), at('c'))).rejects.toMatchObject({ kind: 'NotFound', uri: at('nothing') })
  })

  test('a renamed object has the new name only, and renaming it to itself changes nothing', async () => {
    const { at, store, put, get, list, rename } = await kit()
    await put(at('a'), counted(3000))
    const { meta, how } = await rename(at('a'), at('b'))
    expect([meta.uri, how]).toEqual([at('b'), store.rename === undefined ? 'streamed' : 'renamed'])
    expect((await rename(at('b'), at('b'))).meta.uri).toBe(at('b'))
    expect((await all(list(at('')))).map(each => each.uri)).toEqual([at('b')])
    expect(Buffer.compare((await get(at('b'))).bytes, counted(3000))).toBe(0)
    await expect(rename(at('a'), at('c'))).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('a writer shows its object when it is finalized', async () => {
    const { at, createWriter, exists, get } = await kit()
    const writer = await createWriter(at('w'))
    await writer.write(bytesOf('gri'))
    await writer.write(bytesOf('st'))
    expect(await exists(at('w'))).toBe(false)
    await writer.finalize()
    expect(textOf((await get(at('w'))).bytes)).toBe('grist')
  })

  test('containers are Unsupported where there are none', async () => {
    const { at, createContainer, removeContainer, listContainers } = await kit()
    for (const call of [() => createContainer(at('x/')), () => removeContainer(at('x/')), () => all(listContainers(at('')))]) {
      await expect(call()).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('no buckets or containers') })
    }
  })

  test('an aborted signal ends everything with its reason', async () => {
    const { at, ...operations } = await kit()
    await operations.put(at('p/a'), bytesOf('x'))
    const reason = new Error('enough')
    const options = { signal: AbortSignal.abort(reason) }
    const { get, getRange, getRanges, readStream, put, createWriter, list, listDirectory, stat, exists, remove, removeMany, removePrefix, copy, rename, copyPrefix } = operations
    for (const call of [() => get(at('p/a'), options), () => getRange(at('p/a'), 0, 1, options), () => getRanges(at('p/a'), [], options),
      () => all(readStream(at('p/a'), options)), () => put(at('p/b'), bytesOf('y'), options), () => createWriter(at('p/b'), options),
      () => all(list(at(''), options)), () => all(listDirectory(at(''), options)), () => stat(at('p/a'), options), () => exists(at('p/a'), options),
      () => remove(at('p/a'), options), () => removeMany([at('p/a')], options), () => removePrefix(at('p/'), options),
      () => copy(at('p/a'), at('p/b'), options), () => rename(at('p/a'), at('p/b'), options), () => copyPrefix(at('p/'), at('q/'), options)]) {
      await expect(call()).rejects.toBe(reason)
    }
    expect((await all(list(at('')))).map(meta => meta.uri)).toEqual([at('p/a')])
  })

  test('a directory goes up below a prefix and comes down again', async () => {
    const { at, put, list, upload, download } = await kit()
    const [here, there] = [join(top, String(serial++)), join(top, String(serial++), 'new')]
    const files: Record<string, Uint8Array> = { 'a b%20.txt': bytesOf('one'), 'deep/er/ü': counted(5_000_000), 'deep/empty': new Uint8Array(0) }
    for (const [name, bytes] of Object.entries(files)) {
      await mkdir(join(here, name, '..'), { recursive: true })
      await writeFile(join(here, name), bytes)
    }
    const seen: Progress[] = []
    expect(await upload(here, at('up'), { onProgress: progress => seen.push(progress) })).toEqual({ objects: 3, bytes: 5_000_003 })
    expect(seen).toHaveLength(3)
    expect((await all(list(at('up/')))).map(meta => meta.size)).toEqual([3, 0, 5_000_000])
    await put(at('upper'), bytesOf('not below'))
    expect(await download(at('up/'), there, { concurrency: 2 })).toEqual({ objects: 3, bytes: 5_000_003 })
    for (const [name, bytes] of Object.entries(files)) expect(Buffer.compare(await readFile(join(there, name)), bytes)).toBe(0)
    expect(readdirSync(there, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())).toHaveLength(3)
  })

  test('what is there may be left alone', async () => {
    const { at, put, get, copyPrefix } = await kit()
    for (const name of ['from/1', 'from/2', 'to/2']) await put(at(name), bytesOf(name))
    expect(await copyPrefix(at('from/'), at('to'), { ifAbsent: true })).toEqual({ objects: 1, bytes: 6 })
    expect(textOf((await get(at('to/1'))).bytes)).toBe('from/1')
    expect(textOf((await get(at('to/2'))).bytes)).toBe('to/2')
    expect(await copyPrefix(at('from/'), at('to/'))).toEqual({ objects: 2, bytes: 12 })
    expect(textOf((await get(at('to/2'))).bytes)).toBe('from/2')
  })
})

describe('between stores', () => {
  test('a copy goes through here, with type and metadata, or without', async () => {
    const [one, two] = [memoryStore(), memoryStore()]
    const { copy, copyPrefix } = noStore
    await one.put('mem://a', counted(10), { contentType: 'image/x-test', metadata: { k: 'v' } })
    expect(await copy('mem://a', 'mem://a', { store: one, toStore: two })).toMatchObject({ how: 'streamed', meta: { size: 10 } })
    expect(await two.stat('mem://a')).toMatchObject({ contentType: 'image/x-test', metadata: { k: 'v' } })
    await copy('mem://a', 'mem://b', { store: one, toStore: two, keepMetadata: false })
    expect(await two.stat('mem://b')).toMatchObject({ contentType: 'application/octet-stream', metadata: {} })
    await copy('mem://a', 'mem://c', { store: one, keepMetadata: false })
    expect(await one.stat('mem://c')).toMatchObject({ contentType: 'application/octet-stream', metadata: {} })
    await copy('mem://a', 'mem://d', { store: one, toStore: two, metadata: { other: '1' } })
    expect(await two.stat('mem://d')).toMatchObject({ contentType: 'image/x-test', metadata: { other: '1' } })
    await copyPrefix('mem://a', 'mem://many', { store: one, toStore: two })
    expect((await two.stat('mem://many/a')).metadata).toEqual({ k: 'v' })
    await copyPrefix('mem://a', 'mem://few', { store: one, toStore: two, keepMetadata: false })
    expect((await two.stat('mem://few/a')).metadata).toEqual({})
  })

  test('metadata that the other store cannot keep is Unsupported, not lost in silence', async () => {
    const [store, toStore] = [memoryStore(), fileStore()]
    await store.put('mem://a', counted(10), { metadata: { k: 'v' } })
    const to = join(top, `metadata-${serial++}`)
    await expect(noStore.copy('mem://a', to, { store, toStore })).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('metadata') })
    expect((await noStore.copy('mem://a', to, { store, toStore, keepMetadata: false })).meta.size).toBe(10)
  })

  test('what a store refuses to copy by itself goes through here', async () => {
    const store = memoryStore()
    await store.put('mem://a', counted(10))
    const { MillraceError } = await import('../../src/errors.js')
    const shy: Store = { ...store, copy: async () => { throw new MillraceError('Unsupported', 'not between these') } }
    expect(await noStore.copy('mem://a', 'mem://b', { store: shy })).toMatchObject({ how: 'streamed' })
    const broken: Store = { ...store, copy: async () => { throw new MillraceError('Denied', 'no') } }
    await expect(noStore.copy('mem://a', 'mem://c', { store: broken })).rejects.toMatchObject({ kind: 'Denied' })
  })

  test('an object that is replaced while it is copied is Changed, and nothing is left of the copy', async () => {
    const [store, toStore] = [fileStore(), memoryStore()]
    const from = join(top, `growing-${serial++}`)
    await writeFile(from, counted(9_000_000))
    const changing: Store = { ...toStore, createWriter: async (uri, options) => {
      const writer = await toStore.createWriter(uri, options)
      return { ...writer, write: async (bytes) => { await writer.write(bytes); await writeFile(from, counted(9_000_001)) } }
    } }
    await expect(noStore.copy(from, 'mem://x', { store, toStore: changing })).rejects.toMatchObject({ kind: 'Changed' })
    expect(toStore.byteLength).toBe(0)
  })

  test('a copy that fails half-way leaves nothing of the file that it was writing', async () => {
    const store = memoryStore()
    await store.put('mem://a', counted(9_000_000))
    const failing: Store = { ...store, open: async (uri, options) => {
      const source = await store.open(uri, options)
      return { ...source, read: async (offset, ...rest) => { if (offset > 5_000_000) throw new Error('broken'); return source.read(offset, ...rest) } }
    } }
    const directory = join(top, String(serial++))
    await expect(noStore.copy('mem://a', join(directory, 'x'), { store: failing, toStore: fileStore() })).rejects.toThrow('broken')
    expect(readdirSync(directory)).toEqual([])
  })

  test('a rename removes the original only when the copy is what the original still is', async () => {
    const [one, two] = [bare(), memoryStore()]
    await one.put('mem://a', counted(100))
    const changing: Store = { ...two, put: async (...args) => { await one.put('mem://a', counted(200)); return two.put(...args) } }
    await expect(noStore.rename('mem://a', 'mem://b', { store: one, toStore: changing })).rejects.toMatchObject({ kind: 'Changed', uri: 'mem://a' })
    expect((await one.stat('mem://a')).size).toBe(200)
    const lying: Store = { ...two, put: async (...args) => ({ ...(await two.put(...args)), size: 7 }) }
    await expect(noStore.rename('mem://a', 'mem://c', { store: one, toStore: lying })).rejects.toMatchObject({ kind: 'Corrupt' })
    await expect(noStore.rename('mem://a', 'mem://a', { store: one, toStore: two })).rejects.toMatchObject({ kind: 'Unsupported' })
    expect((await noStore.rename('mem://a', 'mem://d', { store: one, toStore: two })).meta.size).toBe(200)
    await expect(one.stat('mem://a')).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('a file that has two names by path and by URI is not lost when it is renamed to itself', async () => {
    const path = join(top, `twice-${serial++}`)
    await writeFile(path, 'grist')
    const { rename } = operationsOf(() => fileStore())
    await expect(rename(path, `file://${path}`)).rejects.toMatchObject({ kind: 'Changed' })
    await rename(path, `file://${path}`, { store: fileStore() })
    expect(await readFile(path, 'utf8')).toBe('grist')
  })

  test('direct:// files come down and go up like others', async () => {
    const directory = join(top, String(serial++))
    const store = directStore({ fallback: 'buffered' })
    await store.put(`direct://${directory}/x/a%20b`, counted(70_000))
    expect(await noStore.download(`direct://${directory}/x/`, `${directory}/y`, { store })).toEqual({ objects: 1, bytes: 70_000 })
    expect(Buffer.compare(await readFile(`${directory}/y/a b`), counted(70_000))).toBe(0)
    await store.close()
  })
})

describe('streams', () => {
  test('read no farther ahead than they are told, and end their reads when they are left', async () => {
    const store = memoryStore()
    await store.put('mem://a', counted(10_000))
    const offsets: number[] = []
    const signals: (AbortSignal | undefined)[] = []
    let closed = 0
    const watched: Store = { ...store, open: async (uri, options) => {
      const source = await store.open(uri, options)
      return {
        ...source,
        read: (offset, into, request) => { offsets.push(offset); signals.push(request?.signal); return source.read(offset, into, request) },
        close: () => { closed++; return source.close() }
      }
    } }
    for await (const chunk of noStore.readStream('mem://a', { store: watched, chunkSize: 100, ahead: 3 })) {
      expect(chunk).toHaveLength(100)
      if (offsets.length > 5) break
    }
    expect(offsets).toEqual([0, 100, 200, 300, 400, 500])
    expect(signals.every(signal => signal?.aborted === true)).toBe(true)
    expect(closed).toBe(1)
  })

  test('give what came before a failure, then the failure', async () => {
    const store = memoryStore()
    await store.put('mem://a', counted(1000))
    const failing: Store = { ...store, open: async (uri, options) => {
      const source = await store.open(uri, options)
      return { ...source, read: async (offset, ...rest) => { if (offset === 300) throw new Error('broken'); return source.read(offset, ...rest) } }
    } }
    const chunks: Uint8Array[] = []
    const reading = (async () => { for await (const chunk of noStore.readStream('mem://a', { store: failing, chunkSize: 100, ahead: 8 })) chunks.push(chunk) })()
    await expect(reading).rejects.toThrow('broken')
    expect(chunks).toHaveLength(3)
  })

  test.each([[100, 6, 7], [100, 1, 3], [12 << 20, 64, 3], [6 << 20, 64, 6]])('of chunks of %i read ahead what a store wants that wants %i, in bounded memory', async (idealRange, idealRequests, expected) => {
    const store = memoryStore()
    await store.put('mem://a', new Uint8Array(10 * idealRange))
    let reads = 0
    const wide: Store = { ...store, capabilities: { ...store.capabilities, idealRange, idealRequests }, open: async (uri, options) => {
      const source = await store.open(uri, options)
      return { ...source, read: (...args: Parameters<ByteSource['read']>) => { reads++; return source.read(...args) } }
    } }
    for await (const chunk of noStore.readStream('mem://a', { store: wide })) if (chunk.length > 0) break
    expect(reads).toBe(expected)
  })
})

describe('existence', () => {
  test('is denied by NotFound only', async () => {
    const { MillraceError } = await import('../../src/errors.js')
    for (const kind of ['Denied', 'Unavailable', 'Timeout'] as const) {
      const store: Store = { ...memoryStore(), stat: async () => { throw new MillraceError(kind, 'no') } }
      await expect(noStore.exists('mem://a', { store })).rejects.toMatchObject({ kind })
    }
  })
})

describe('downloads', () => {
  test('write nothing outside of their directory, whatever the objects are called', async () => {
    const store = memoryStore()
    const directory = join(top, String(serial++), 'inside')
    for (const name of ['../out', 'a/../../out', '/out', 'a//out', './out', '..', 'link/out', 'good']) await store.put(`mem://p/${name}`, bytesOf(name))
    await mkdir(directory, { recursive: true })
    await symlink(top, join(directory, 'link'))
    const error = await noStore.download('mem://p/', directory, { store }).then(() => undefined, (reason: unknown) => reason)
    const kinds = (error as { cause: AggregateError }).cause.errors.map((each: { kind: string }) => each.kind).sort()
    expect(kinds).toEqual(['Denied', 'InvalidUri', 'InvalidUri', 'InvalidUri', 'InvalidUri', 'InvalidUri', 'InvalidUri'])
    expect(error).toMatchObject({ operation: 'download', message: expect.stringContaining('7 failed, 1 objects were copied') })
    expect(await readFile(join(directory, 'good'), 'utf8')).toBe('good')
    expect(existsSync(join(top, 'out')) || existsSync(join(directory, '..', 'out'))).toBe(false)
    expect(readdirSync(directory).sort()).toEqual(['good', 'link'])
  })

  test('leave out the marks of directories, and name files from behind the last slash of the prefix', async () => {
    const store = memoryStore()
    for (const name of ['d/part-1', 'd/part-2', 'd/part-x/', 'd/other']) await store.put(`mem://${name}`, bytesOf(name))
    const directory = join(top, String(serial++))
    expect(await noStore.download('mem://d/part', directory, { store })).toEqual({ objects: 2, bytes: 16 })
    expect(readdirSync(directory).sort()).toEqual(['part-1', 'part-2'])
  })

  test('stop when very much fails', async () => {
    const store = memoryStore()
    for (let i = 0; i < 300; i++) await store.put(`mem://p/${i}`, bytesOf('x'))
    let tries = 0
    const broken: Store = { ...store, get: async () => { tries++; throw new Error('no') } }
    await expect(noStore.download('mem://p/', join(top, String(serial++)), { store: broken, concurrency: 1 })).rejects.toMatchObject({
      message: expect.stringContaining('no more were tried') })
    expect(tries).toBe(100)
  })

  test('do not fetch what is not wanted, and keep to what was listed', async () => {
    const store = memoryStore()
    const directory = join(top, String(serial++))
    await store.put('mem://p/a', bytesOf('old'))
    await store.put('mem://p/b', bytesOf('x'))
    const listed = { ...store, async *list() { yield [{ ...(await store.stat('mem://p/a')), version: 'another' }, await store.stat('mem://p/b')] } }
    await expect(noStore.download('mem://p/', directory, { store: listed })).rejects.toMatchObject({ kind: 'Changed' })
    let fetched = 0
    const counting: Store = { ...store, get: async (uri, options) => { fetched++; return store.get?.(uri, options) as never } }
    expect(await noStore.download('mem://p/', directory, { store: counting, ifAbsent: true })).toEqual({ objects: 1, bytes: 3 })
    expect(fetched).toBe(1)
  })

  test('run side by side as many as they are told', async () => {
    const store = memoryStore()
    for (let i = 0; i < 20; i++) await store.put(`mem://p/${i}`, bytesOf('x'))
    for (const concurrency of [1, 5]) {
      let [now, most] = [0, 0]
      const counting: Store = { ...store, get: async (uri, options) => {
        most = Math.max(most, ++now)
        for (let i = 0; i < 20; i++) await Promise.resolve()
        now--
        return store.get?.(uri, options) as never
      } }
      await noStore.copyPrefix('mem://p/', 'mem://q/', { store: counting, toStore: memoryStore(), concurrency })
      expect(most).toBe(concurrency)
    }
    await expect(noStore.copyPrefix('mem://p/', 'mem://q/', { store, concurrency: 0 })).rejects.toThrow(RangeError)
  })

  test('want a directory to upload', async () => {
    const store = memoryStore()
    await expect(noStore.upload(join(top, 'not-there'), 'mem://x', { store })).rejects.toMatchObject({ kind: 'NotFound' })
    await writeFile(join(top, 'a-file'), 'x')
    await expect(noStore.upload(join(top, 'a-file'), 'mem://x', { store })).rejects.toMatchObject({ kind: 'Unsupported' })
  })
})

describe('containers', () => {
  test('go to the store that has them', async () => {
    const names = new Set<string>()
    const store: Store = { ...memoryStore(), containers: {
      async *list() { yield* names },
      async create(uri) { names.add(uri) },
      async delete(uri) { names.delete(uri) }
    } }
    const { createContainer, removeContainer, listContainers } = operationsOf(() => store)
    await createContainer('mem://one/')
    await createContainer('mem://two/')
    await removeContainer('mem://one/')
    expect(await all(listContainers('mem://'))).toEqual(['mem://two/'])
  })
})

describe('arguments that cannot be', () => {
  test('options that nobody knows are TypeErrors, and nothing is done', async () => {
    const store = memoryStore()
    await store.put('mem://a', bytesOf('old'))
    await store.put('mem://b', bytesOf('new'))
    const wrong = { store, ifAbsen: true }
    await expect(noStore.copy('mem://b', 'mem://a', wrong)).rejects.toMatchObject({ name: 'TypeError', message: "copy: unknown option 'ifAbsen'; did you mean 'ifAbsent'?" })
    await expect(noStore.put('mem://a', bytesOf('new'), wrong)).rejects.toThrow(TypeError)
    expect(textOf((await noStore.get('mem://a', { store })).bytes)).toBe('old')
    const misspelt = { store, chunksize: 3 }
    await expect(all(noStore.readStream('mem://a', misspelt))).rejects.toThrow("readStream: unknown option 'chunksize'; did you mean 'chunkSize'?")
    const elsewhere = { store, toStore: store }
    await expect(noStore.get('mem://a', elsewhere)).rejects.toThrow('it belongs to copy, rename and copyPrefix')
  })

  test('what is no store is told', async () => {
    await expect(noStore.get('mem://a', { store: 's3' as unknown as Store })).rejects.toThrow('get: store must be a store, such as s3Store({ … }) makes, got string')
    await expect(noStore.copy('mem://a', 'mem://b', { store: memoryStore(), toStore: {} as Store })).rejects.toThrow('copy: toStore must be a store')
  })

  test.each(PLACES)('strings and other arrays are not written as something else: %s', async (_, place) => {
    const { store, at } = await place()
    await store.put(at('x'), bytesOf('old'))
    for (const [value, message] of [['new', 'new TextEncoder()'], [new Float32Array(2), 'new Uint8Array(array.buffer'], [new ArrayBuffer(2), 'new Uint8Array(buffer)'], [[1, 2], 'got Array'], [7, 'got Number']] as const) {
      const bytes = value as unknown as Uint8Array
      await expect(noStore.put(at('x'), bytes, { store })).rejects.toThrow(message)
      const writer = await noStore.createWriter(at('x'), { store })
      await expect(writer.write(bytes)).rejects.toThrow(TypeError)
      await writer.abort()
    }
    await store.put(at('y'), Buffer.from('a Buffer is one'))
    expect(textOf((await noStore.get(at('x'), { store })).bytes)).toBe('old')
    expect((await store.stat(at('y'))).size).toBe(15)
  })
})
