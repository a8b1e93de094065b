import { afterAll, describe, expect, test } from '@jest/globals'
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDiskCache, type DiskCacheOptions } from '../../../src/storage/file-cache.js'
import { writeEntry } from '../../../src/storage/file-cache-entry.js'
import { cached, type CachedStore, type CacheOptions } from '../../../src/storage/layers/cache.js'
import { memoryStore } from '../../../src/storage/memory.js'
import type { ObjectMeta } from '../../../src/store.js'
import { mulberry } from './random.js'
import { gate, pattern, readObject, readRange, same, scripted, type ScriptedStore } from './scripted-store.js'

const KB = 1024
const A = 'mem://a'
const made: string[] = []
const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-cache-'))
  made.push(path)
  return path
}
afterAll(() => Promise.all(made.map(path => rm(path, { recursive: true, force: true }))))

interface Setting {
  readonly inner: ScriptedStore
  readonly directory: string
  readonly bytes: Uint8Array
  readonly meta: ObjectMeta
  /** A cache that has nothing in memory, as after a restart. */
  fresh(options?: CacheOptions): CachedStore
}

async function setUp(size: number): Promise<Setting> {
  const inner = scripted(memoryStore(), { whole: true })
  const bytes = pattern(size, 1)
  const meta = await inner.put(A, bytes)
  inner.calls.length = 0
  const directory = await folder()
  // Closing a cache closes the store below it; the memory store has nothing to close.
  return { inner, directory, bytes, meta, fresh: options => cached(inner, { blockSize: 4 * KB, directory, ...options }) }
}

/** The files of blocks below a directory. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name)).sort()
}

async function bytesIn(directory: string): Promise<number> {
  const sizes = await Promise.all((await filesIn(directory)).map(async path => Math.ceil((await lstat(path)).size / 4096) * 4096))
  return sizes.reduce((sum, size) => sum + size, 0)
}

describe('after a restart', () => {
  test('what is on the disk needs no request when the version is known, and one when it is not', async () => {
    const { inner, fresh, bytes, meta } = await setUp(10 * KB)
    const first = fresh()
    await readObject(first, A)
    await first.close()
    inner.calls.length = 0

    const second = fresh()
    const source = await second.open(A, { known: meta })
    expect(same(await readRange(source, 100, 10 * KB), bytes.subarray(100))).toBe(true)
    await source.close()
    expect(inner.calls).toEqual([])
    expect(second.stats()).toMatchObject({ diskHits: 3, misses: 0, hits: 0 })
    await second.close()

    const third = fresh()
    expect(same(await readObject(third, A), bytes)).toBe(true)
    expect(inner.calls.map(call => call.name)).toEqual(['stat'])
    await third.close()
  })

  test('a new version is fetched', async () => {
    const { inner, fresh } = await setUp(10 * KB)
    const first = fresh()
    await readObject(first, A)
    await first.close()
    await inner.put(A, pattern(10 * KB, 2))
    const second = fresh()
    expect(same(await readObject(second, A), pattern(10 * KB, 2))).toBe(true)
    await second.close()
  })

  test('what was verified stays verified', async () => {
    const { fresh, meta } = await setUp(10 * KB)
    const first = fresh()
    expect((await first.get(A)).verified).toBe(true)
    await first.close()
    const second = fresh()
    expect((await second.get(A, { known: meta })).verified).toBe(true)
    expect(second.stats().misses).toBe(0)
    await second.close()
  })

  test('another namespace or block size is another cache', async () => {
    const { inner, fresh, meta } = await setUp(10 * KB)
    const first = fresh()
    await first.get(A, { known: meta })
    await first.close()
    for (const options of [{ namespace: 'b' }, { blockSize: 8 * KB }]) {
      const second = fresh(options)
      await second.get(A, { known: meta })
      expect(second.stats().diskHits).toBe(0)
      await second.close()
    }
    expect(inner.named('get')).toHaveLength(3)
  })

  test('the disk is enough: without memory every read comes from it', async () => {
    const { inner, fresh, bytes, meta } = await setUp(10 * KB)
    const store = fresh({ memoryBytes: 0 })
    const source = await store.open(A, { known: meta })
    for (let i = 0; i < 3; i++) expect(same(await readRange(source, 0, 10 * KB), bytes)).toBe(true)
    expect(inner.named('read')).toHaveLength(1)
    expect(store.stats()).toMatchObject({ hits: 0, diskHits: 6, misses: 3, memory: { blocks: 0 } })
    await source.close()
    await store.close()
  })
})

describe('damaged files', () => {
  test('a flipped bit anywhere, a cut, an addition: each is a miss, and the file is replaced', async () => {
    const { inner, directory, fresh, bytes, meta } = await setUp(700)
    const first = fresh()
    await first.get(A, { known: meta })
    await first.close()
    const [path = ''] = await filesIn(directory)
    const good = await readFile(path)
    expect(good).toHaveLength(764)
    const damage: Buffer[] = [Buffer.alloc(0), good.subarray(0, 63), good.subarray(0, 64), good.subarray(0, 763), Buffer.concat([good, Buffer.from([0])]), Buffer.alloc(764)]
    for (let at = 0; at < 764; at += at < 64 ? 1 : 37) {
      const flipped = Buffer.from(good)
      flipped[at] = (flipped[at] as number) ^ (1 << at % 8)
      damage.push(flipped)
    }
    for (const content of damage) {
      await writeFile(path, content)
      inner.calls.length = 0
      const store = fresh()
      // The last four bytes of the head mean nothing.
      const harmless = content.length === 764 && content.subarray(0, 60).equals(good.subarray(0, 60)) && content.subarray(64).equals(good.subarray(64))
      expect(same((await store.get(A, { known: meta })).bytes, bytes)).toBe(true)
      await store.close()
      expect(store.stats()).toMatchObject(harmless ? { diskHits: 1, misses: 0 } : { diskHits: 0, misses: 1, disk: { damaged: 1, written: 1 } })
      if (!harmless) expect((await readFile(path)).equals(good)).toBe(true)
    }
  })

  test('a block in the place of another is not taken for it', async () => {
    const { directory, fresh, bytes, meta } = await setUp(8 * KB)
    const first = fresh()
    await first.get(A, { known: meta })
    await first.close()
    const [one = '', two = ''] = await filesIn(directory)
    await writeFile(one, await readFile(two))
    const second = fresh()
    expect(same((await second.get(A, { known: meta })).bytes, bytes)).toBe(true)
    await second.close()
    expect(second.stats().disk).toMatchObject({ damaged: 1 })
  })

  test('nor is one of another object, or of another version', async () => {
    const { inner, directory, fresh, bytes, meta } = await setUp(700)
    const first = fresh()
    await first.get(A, { known: meta })
    await first.close()
    const [path = ''] = await filesIn(directory)
    const changed = await inner.put(A, pattern(700, 2))
    const elsewhere = cached(inner, { blockSize: 4 * KB, directory: await folder() })
    await elsewhere.get(A, { known: changed })
    await elsewhere.close()
    const [other = ''] = await filesIn(made.at(-1) as string)
    await inner.put(A, bytes)
    await writeFile(path, await readFile(other))
    const second = fresh()
    await expect(second.get(A, { known: meta })).rejects.toMatchObject({ kind: 'Changed' }) // that version can be had nowhere else
    await second.close()
    expect(second.stats().disk).toMatchObject({ damaged: 1 })
  })

  test('links and directories in the place of a file are misses, and links are not followed', async () => {
    const { directory, fresh, bytes, meta } = await setUp(700)
    const first = fresh()
    await first.get(A, { known: meta })
    await first.close()
    const [path = ''] = await filesIn(directory)
    const elsewhere = join(await folder(), 'elsewhere')
    await writeFile(elsewhere, await readFile(path))
    await rm(path)
    for (const make of [() => symlink(elsewhere, path), () => mkdir(path)]) {
      await make()
      const store = fresh()
      expect(same((await store.get(A, { known: meta })).bytes, bytes)).toBe(true)
      expect(store.stats()).toMatchObject({ diskHits: 0, misses: 1 })
      await store.close()
      await rm(path, { recursive: true })
    }
    expect(await readFile(elsewhere)).toHaveLength(764)
  })
})

describe('the directory', () => {
  test('has names that are hashes, whatever the URIs are, and is closed to others', async () => {
    const inner = memoryStore()
    const directory = await folder()
    const store = cached(inner, { directory })
    for (const name of ['../../../etc/passwd', 'a/b', '..', 'x'.repeat(5000), 'ü\n\t', '%2e%2e%2f']) {
      await inner.put(`mem://${name}`, pattern(100, 1))
      await readObject(store, `mem://${name}`)
    }
    await store.close()
    const entries = await readdir(join(directory, 'millrace-cache-1'), { recursive: true })
    expect(entries.length).toBeGreaterThan(6)
    for (const name of entries) expect(name).toMatch(/^[0-9a-f]{2}([/\\][0-9a-f]{32}-[0-9a-f]{16}-0)?$/)
    if (process.platform !== 'win32') {
      for (const [path, mode] of [['.', 0o700], [entries.find(name => name.length === 2) ?? '', 0o700], [entries.find(name => name.length > 2) ?? '', 0o600]] as const) {
        expect((await lstat(join(directory, 'millrace-cache-1', path))).mode & 0o777).toBe(mode)
      }
    }
  })

  test('is refused when others may write to it, or when it is a link', async () => {
    const { fresh, directory } = await setUp(100)
    const root = join(directory, 'millrace-cache-1')
    await mkdir(root)
    if (process.platform !== 'win32') {
      await chmod(root, 0o777)
      await expect(fresh().open(A)).rejects.toMatchObject({ kind: 'Denied', uri: root })
    }
    await rm(root, { recursive: true })
    await symlink(await folder(), root)
    await expect(fresh().open(A)).rejects.toMatchObject({ kind: 'Denied' })
    await rm(root)
    await writeFile(root, '')
    await expect(fresh().open(A)).rejects.toMatchObject({ name: 'MillraceError' })
    await rm(root)
    const store = fresh()
    await readObject(store, A)
    await store.close()
  })

  test('may be shared: two caches at once, and each finds what the other has', async () => {
    const random = mulberry(11)
    const { fresh, bytes, meta, directory } = await setUp(60 * KB)
    const stores = [fresh({ memoryBytes: 0 }), fresh({ memoryBytes: 0 })]
    await Promise.all(stores.flatMap(store => Array.from({ length: 60 }, async () => {
      const source = await store.open(A, { known: meta })
      const from = Math.floor(random() * 50 * KB)
      const part = await readRange(source, from, from + 9 * KB)
      expect(same(part, bytes.subarray(from, from + 9 * KB))).toBe(true)
      await source.close()
    })))
    await Promise.all(stores.map(store => store.close()))
    expect(stores.map(store => store.stats().disk?.damaged)).toEqual([0, 0])
    const third = fresh()
    await third.get(A, { known: meta })
    expect(third.stats()).toMatchObject({ diskHits: 15, misses: 0 })
    await third.close()
    expect(await filesIn(directory)).toHaveLength(15)
  })

  test('is emptied by clear, and of an object by writing and deleting it', async () => {
    const { directory, fresh, inner } = await setUp(10 * KB)
    await inner.put('mem://b', pattern(100, 2))
    const store = fresh()
    const fill = async (): Promise<void> => {
      await readObject(store, A)
      await readObject(store, 'mem://b')
      await store.clear()
      await readObject(store, A)
      await readObject(store, 'mem://b')
      await writtenTo(store)
    }
    await fill()
    expect(await filesIn(directory)).toHaveLength(4)
    await store.put(A, pattern(100, 3))
    expect(await filesIn(directory)).toHaveLength(1)
    await store.delete('mem://b')
    expect(await filesIn(directory)).toHaveLength(0)
    await inner.put('mem://b', pattern(100, 2))
    await fill()
    await store.clear()
    expect(await filesIn(directory)).toHaveLength(0)
    await store.close()
  })
})

/** Waits until all blocks are on the disk. */
async function writtenTo(store: CachedStore): Promise<void> {
  const started = performance.now()
  while ((store.stats().disk?.written ?? 0) + (store.stats().disk?.skipped ?? 0) < store.stats().misses) {
    if (performance.now() - started > 10_000) throw new Error(`not written: ${JSON.stringify(store.stats())}`)
    await new Promise<void>(resolve => setImmediate(resolve))
  }
}

describe('the size', () => {
  test('stays within bounds: what was not used for longest goes first', async () => {
    const { inner, directory, fresh } = await setUp(100)
    const limit = 40 * 4 * KB // each file takes 4 KB
    const metas: ObjectMeta[] = []
    for (let i = 0; i < 60; i++) metas.push(await inner.put(`mem://${i}`, pattern(2000, i)))
    const first = fresh({ diskBytes: limit })
    for (const meta of metas.slice(0, 36)) await first.get(meta.uri, { known: meta })
    await first.close()
    expect(await filesIn(directory)).toHaveLength(36)
    // As if all had been there for a day; then the first ten are used.
    for (const path of await filesIn(directory)) await utimes(path, Date.now() / 1000 - 86_400, Date.now() / 1000 - 86_400)
    const second = fresh({ diskBytes: limit })
    for (const meta of metas.slice(0, 10)) await second.get(meta.uri, { known: meta })
    expect(second.stats().diskHits).toBe(10)
    for (const meta of metas.slice(36)) await second.get(meta.uri, { known: meta })
    await second.close()
    expect(await bytesIn(directory)).toBeLessThanOrEqual(limit)
    expect(second.stats().disk).toMatchObject({ skipped: 0, errors: 0, written: 24 })
    expect(second.stats().disk?.evictions).toBeGreaterThanOrEqual(20)

    const third = fresh({ diskBytes: limit })
    for (const meta of [...metas.slice(0, 10), ...metas.slice(36)]) await third.get(meta.uri, { known: meta })
    expect(third.stats()).toMatchObject({ diskHits: 34, misses: 0 })
    await third.close()
  })

  test('leaves free what is to be left free', async () => {
    const { directory, fresh, bytes } = await setUp(10 * KB)
    const store = fresh({ keepFreeBytes: 2 ** 52 })
    expect(same(await readObject(store, A), bytes)).toBe(true)
    await store.close()
    expect(await filesIn(directory)).toHaveLength(0)
    expect(store.stats().disk).toMatchObject({ written: 0, skipped: 3, errors: 0 })
  })

  test('a block that is larger than everything is not kept', async () => {
    const { directory, fresh, bytes } = await setUp(10 * KB)
    const store = fresh({ diskBytes: 4 * KB })
    expect(same(await readObject(store, A), bytes)).toBe(true)
    await store.close()
    expect(await filesIn(directory)).toHaveLength(1) // the last, short one
    expect(store.stats().disk).toMatchObject({ written: 1, skipped: 2 })
  })

  test('temporary files of writers that were killed are deleted, those at work are not', async () => {
    const { directory, fresh } = await setUp(10 * KB)
    const root = join(directory, 'millrace-cache-1')
    await mkdir(root, { mode: 0o700 })
    const [old, young] = [join(root, '.tmp-0123456789abcdef'), join(root, '.tmp-fedcba9876543210')]
    for (const path of [old, young]) await writeFile(path, 'x')
    await utimes(old, Date.now() / 1000 - 7200, Date.now() / 1000 - 7200)
    const store = fresh()
    await readObject(store, A)
    await store.close()
    const left = (await readdir(root)).filter(name => name.startsWith('.tmp-'))
    expect(left).toEqual(['.tmp-fedcba9876543210'])
  })
})

describe('a disk that fails', () => {
  const open = async (options: Partial<DiskCacheOptions>) => {
    const directory = await folder()
    return { directory, tier: await openDiskCache({ directory, diskBytes: 2 ** 30, keepFreeBytes: 0, namespace: '', pendingBytes: 64 << 20, ...options }) }
  }

  test('when it is full, nothing is written for a while and no file stays behind; then it is tried again', async () => {
    let time = 0
    let full = true
    let writes = 0
    const { directory, tier } = await open({
      now: () => time,
      async write(path, entry, bytes) {
        writes++
        await writeEntry(path, entry, bytes)
        if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })
      }
    })
    const object = tier.object(A, '1', 10, 4096)
    const block = pattern(10, 1)
    tier.write(object, 0, block, false)
    await tier.close()
    expect(await filesIn(directory)).toEqual([])
    expect(tier.stats()).toMatchObject({ errors: 1, written: 0 })
    tier.write(object, 0, block, false)
    await tier.close()
    expect(writes).toBe(1)
    expect(tier.stats()).toMatchObject({ skipped: 1 })
    full = false
    time = 60_000
    tier.write(object, 0, block, false)
    await tier.close()
    expect(tier.stats()).toMatchObject({ written: 1 })
    const into = new Uint8Array(10)
    expect(await tier.read(object, 0, into)).toEqual({ verified: false })
    expect(same(into, block)).toBe(true)
  })

  test('when it is slow, blocks are readable before they are written, and too many are left out', async () => {
    const { opened, open: goOn } = gate()
    const { tier } = await open({ write: async (path, entry, bytes) => { await opened; await writeEntry(path, entry, bytes) } })
    const object = tier.object(A, '1', 200 << 20, 16 << 20)
    const block = new Uint8Array(16 << 20).fill(7)
    for (let i = 0; i < 6; i++) tier.write(object, i, block, true)
    expect(tier.stats().skipped).toBe(2)
    const into = new Uint8Array(16 << 20)
    expect(await tier.read(object, 3, into)).toEqual({ verified: true })
    expect(into[12345]).toBe(7)
    expect(await tier.has(A)).toBe(true)
    expect(await tier.read(object, 5, into)).toBe(undefined)
    goOn()
    await tier.close()
    expect(tier.stats()).toMatchObject({ written: 4, skipped: 2 })
  })

  test('when the directory is taken away, reads go on', async () => {
    const { directory, fresh, bytes, meta } = await setUp(10 * KB)
    const store = fresh({ memoryBytes: 0 })
    await store.get(A, { known: meta })
    await writtenTo(store)
    await rm(directory, { recursive: true })
    expect(same((await store.get(A, { known: meta })).bytes, bytes)).toBe(true)
    await store.put(A, bytes)
    await store.close()
  })

  test('a file that was cut while it was written is not taken', async () => {
    const { directory, tier } = await open({})
    const object = tier.object(A, '1', 10_000, 10_000)
    tier.write(object, 0, pattern(10_000, 1), false)
    await tier.close()
    const [path = ''] = await filesIn(directory)
    await truncate(path, 5000)
    await truncate(path, 10_064) // as large as it should be, with zeros
    expect(await tier.read(object, 0, new Uint8Array(10_000))).toBe(undefined)
    expect(await filesIn(directory)).toEqual([])
    expect(tier.stats()).toMatchObject({ damaged: 1 })
  })
})
