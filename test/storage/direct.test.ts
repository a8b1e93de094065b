import { existsSync, readdirSync, statfsSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ALIGNMENT, blockPool } from '../../src/storage/direct-pool.js'
import { directOpener, type DirectReading } from '../../src/storage/direct-source.js'
import { directStore } from '../../src/storage/direct.js'
import { readFd } from '../../src/storage/file-source.js'
import { expandPattern } from '../../src/storage/patterns.js'

const TMPFS = 0x01021994
let top = ''
/** Whether the directory of the tests can be read with O_DIRECT: nearly always, but not in every container. */
let able = false
/** A directory that cannot, if there is one. */
const unable = existsSync('/dev/shm') && statfsSync('/dev/shm').type === TMPFS ? '/dev/shm' : undefined

beforeAll(async () => {
  for (const base of [tmpdir(), process.cwd()]) {
    if (able) break
    if (top !== '') await rm(top, { recursive: true })
    top = await mkdtemp(join(base, 'millrace-direct-'))
    const store = directStore()
    await store.put(`${top}/probe`, new Uint8Array(10))
    able = await store.get?.(`${top}/probe`).then(() => true, () => false) ?? false
    await store.close()
  }
})

afterAll(() => rm(top, { recursive: true, force: true }))

const openFiles = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0)

function counted(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8) + (i >> 16)
  return bytes
}

/** A reading with a small pool, and what it asked the system for. */
function watched(options: Partial<DirectReading> = {}): { opener: ReturnType<typeof directOpener>; asked: (readonly [inPool: boolean, length: number, position: number])[]; most: () => number } {
  const pool = blockPool(8192, 3)
  const asked: (readonly [boolean, number, number])[] = []
  let [now, most] = [0, 0]
  const opener = directOpener({
    fallback: 'refuse', requests: 4, pool: () => pool, closed: () => false, onBuffered: () => undefined,
    async read(fd, into, at, length, position) {
      asked.push([into.buffer === pool.memory.buffer, length, position])
      most = Math.max(most, ++now)
      try {
        return await readFd(fd, into, at, length, position)
      } finally {
        now--
      }
    },
    ...options
  })
  return { opener, asked, most: () => most }
}

const anything = async (): Promise<void> => undefined

describe('reading past the page cache', () => {
  test('gives any range of a file of any size', async () => {
    const store = directStore({ blockSize: 8192, memoryBytes: 16_384, fallback: able ? 'refuse' : 'buffered' })
    for (const size of [0, 1, 4095, 4096, 4097, 8192, 100_003]) {
      const bytes = counted(size)
      await store.put(`${top}/f`, bytes)
      const source = await store.open(`${top}/f`)
      expect(source.byteLength).toBe(size)
      for (const [from, to] of [[0, size], [0, 1], [size - 1, size], [1, size - 1], [4096, size], [4095, 4097], [8191, 50_001]] as const) {
        if (from < 0 || to > size || from > to) continue
        const around = new Uint8Array(to - from + 20).fill(0xee)
        await source.read(from, around.subarray(10, -10))
        expect(Buffer.compare(around.subarray(10, -10), bytes.subarray(from, to))).toBe(0)
        expect([...around.subarray(0, 10), ...around.subarray(-10)].every(byte => byte === 0xee)).toBe(true)
      }
      await source.close()
    }
    expect(store.buffered > 0).toBe(!able)
    await store.close()
  })

  test('asks for whole pages only, several at a time and never more than the pool has blocks', async () => {
    if (!able) return
    await writeFile(`${top}/g`, counted(50_001))
    const { opener, asked, most } = watched()
    const source = await opener(`${top}/g`, `${top}/g`, anything, undefined)
    asked.length = 0
    const into = new Uint8Array(40_000)
    await source.read(5001, into)
    expect(Buffer.compare(into, counted(50_001).subarray(5001, 45_001))).toBe(0)
    expect(asked).toEqual([[true, 8192, 4096], [true, 8192, 12_288], [true, 8192, 20_480], [true, 8192, 28_672], [true, 8192, 36_864]])
    expect(most()).toBe(3)
    await Promise.all(Array.from({ length: 20 }, (_, i) => source.read(i * 100, new Uint8Array(30_000))))
    expect(most()).toBe(3)
    await source.close()
  })

  test('fills memory of WebAssembly without a copy where offsets agree, and the ends through the pool', async () => {
    if (!able) return
    const bytes = counted(50_001)
    await writeFile(`${top}/h`, bytes)
    const { opener, asked } = watched()
    const source = await opener(`${top}/h`, `${top}/h`, anything, undefined)
    for (const memory of [new WebAssembly.Memory({ initial: 2 }).buffer, new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }).buffer]) {
      asked.length = 0
      const into = new Uint8Array(memory, 4096 + 500, 30_000)
      await source.read(500, into)
      expect(Buffer.compare(into, bytes.subarray(500, 30_500))).toBe(0)
      expect([...asked].sort(([, , a], [, , b]) => a - b)).toEqual([[true, 4096, 0], [false, 8192, 4096], [false, 8192, 12_288], [false, 8192, 20_480], [true, 4096, 28_672]])
    }
    asked.length = 0
    await source.read(501, new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 500, 9000))
    expect(asked.every(([inPool]) => inPool)).toBe(true)
    await source.close()
  })

  test('finds out once that memory does not begin at a page', async () => {
    if (!able) return
    await writeFile(`${top}/i`, counted(70_000))
    let refused = 0
    const { opener } = watched({
      async read(fd, into, at, length, position) {
        // As the system does, also when the memory happens to be aligned.
        if (into.buffer === memory.buffer) {
          refused++
          throw Object.assign(new Error('EINVAL'), { code: 'EINVAL', syscall: 'read' })
        }
        return readFd(fd, into, at, length, position)
      },
      requests: 1
    })
    const memory = new Uint8Array(65_536)
    const source = await opener(`${top}/i`, `${top}/i`, anything, undefined)
    for (let i = 0; i < 3; i++) {
      memory.fill(0)
      await source.read(4096, memory)
      expect(Buffer.compare(memory, counted(70_000).subarray(4096, 69_632))).toBe(0)
    }
    expect(refused).toBe(1)
    await source.close()
  })

  test.each([
    ['truncated', (path: string) => truncate(path, 5000)],
    ['appended to', (path: string) => appendFile(path, 'more')],
    ['emptied', (path: string) => truncate(path, 0)]
  ])('a file that was %s is Changed, not a mixture', async (_, change) => {
    const store = directStore({ fallback: 'buffered', blockSize: 4096, memoryBytes: 8192 })
    await writeFile(`${top}/j`, counted(30_000))
    const source = await store.open(`direct://${top}/j`)
    await change(`${top}/j`)
    await expect(source.read(1000, new Uint8Array(29_000))).rejects.toMatchObject({ kind: 'Changed', uri: `direct://${top}/j` })
    await store.close()
  })

  test('a file that ends in the middle of a read is Changed, also for a read that would not have come to its end', async () => {
    const store = directStore({ fallback: 'buffered', blockSize: 4096, memoryBytes: 8192 })
    await writeFile(`${top}/n`, counted(30_000))
    for (const into of [new Uint8Array(12_288), new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 12_288)]) {
      const source = await store.open(`${top}/n`)
      await truncate(`${top}/n`, 9000)
      await expect(source.read(4096, into)).rejects.toMatchObject({ kind: 'Changed' })
      await writeFile(`${top}/n`, counted(30_000))
    }
    await store.close()
  })

  test('an abort ends a long read with the reason, when nothing writes into its memory any more', async () => {
    await writeFile(`${top}/k`, '')
    await truncate(`${top}/k`, 40 << 20)
    const store = directStore({ fallback: 'buffered' })
    const source = await store.open(`${top}/k`)
    const into = new Uint8Array(40 << 20).fill(7)
    const controller = new AbortController()
    const reason = new Error('enough')
    const reading = source.read(0, into, { signal: controller.signal })
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    const left = into.lastIndexOf(0)
    expect(left).toBeLessThan(20 << 20)
    await source.read(0, new Uint8Array(10_000))
    await store.close()
    expect(into.lastIndexOf(0)).toBe(left)
  })
})

describe('where it cannot be', () => {
  test('the reason and what to do are said, or the page cache is used when that was asked for', async () => {
    if (unable === undefined) return
    const directory = await mkdtemp(join(unable, 'millrace-direct-'))
    try {
      const [refusing, lenient] = [directStore(), directStore({ fallback: 'buffered' })]
      const uri = `direct://${directory}/f`
      await refusing.put(uri, counted(10_000))
      // Newer kernels can: then there is nothing to refuse.
      const error = await refusing.open(uri).then(source => source.close(), (reason: unknown) => reason)
      if (error !== undefined) {
        expect(error).toMatchObject({ kind: 'Unsupported', uri, operation: 'open', message: expect.stringMatching(/tmpfs.*EINVAL.*file:\/\/.*fallback/) })
      }
      const source = await lenient.open(uri)
      const into = new Uint8Array(10_000)
      await source.read(0, into)
      expect(Buffer.compare(into, counted(10_000))).toBe(0)
      expect(lenient.buffered).toBe(error === undefined ? 0 : 1)
      await Promise.all([refusing.close(), lenient.close()])
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('a file system that opens files so and then does not read them is found out at once', async () => {
    if (!able) return
    await writeFile(`${top}/l`, counted(10_000))
    const before = openFiles()
    let buffered = 0
    const cannot = { read: async () => { throw Object.assign(new Error('EINVAL'), { code: 'EINVAL', syscall: 'read' }) }, onBuffered: () => { buffered++ } }
    await expect(watched(cannot).opener('direct:///l', `${top}/l`, anything, undefined)).rejects.toMatchObject({ kind: 'Unsupported', uri: 'direct:///l' })
    const source = await watched({ ...cannot, fallback: 'buffered' }).opener('direct:///l', `${top}/l`, anything, undefined)
    const into = new Uint8Array(10_000)
    await source.read(0, into)
    expect(Buffer.compare(into, counted(10_000))).toBe(0)
    expect(buffered).toBe(1)
    await source.close()
    const broken = { read: async () => { throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' }) } }
    await expect(watched(broken).opener('direct:///l', `${top}/l`, anything, undefined)).rejects.toMatchObject({ kind: 'Unavailable', cause: { code: 'EIO' } })
    expect(openFiles()).toBe(before)
  })
})

describe('a direct store', () => {
  test('names its objects direct://, in listings and patterns too', async () => {
    const store = directStore({ fallback: 'buffered' })
    const directory = `${top}/list`
    for (const name of ['a b', 'sub/ü', 'c']) await store.put(`${directory}/${name}`, counted(3))
    const uris: string[] = []
    for await (const page of store.list(`DIRECT://localhost${directory}/`)) uris.push(...page.map(meta => meta.uri))
    expect(uris).toEqual([`direct://${directory}/a%20b`, `direct://${directory}/c`, `direct://${directory}/sub/%C3%BC`])
    expect(await expandPattern(`direct://${directory}/*`, { storeFor: () => store })).toEqual(uris.slice(0, 2))
    expect((await store.stat(uris[0] ?? '')).size).toBe(3)
    await expect(store.open(`file://${directory}/c`)).rejects.toMatchObject({ kind: 'InvalidUri' })
    await expect(store.open(`direct://${directory}/../list/c`)).rejects.toMatchObject({ kind: 'InvalidUri' })
    await store.close()
  })

  test('with a root reads nothing outside', async () => {
    await mkdir(`${top}/bound`)
    await writeFile(`${top}/secret`, 'secret')
    await symlink('../secret', `${top}/bound/link`)
    const store = directStore({ root: `direct://${top}/bound`, fallback: 'buffered' })
    for (const uri of ['link', `direct://${top}/secret`, '../secret']) await expect(store.open(uri)).rejects.toMatchObject({ kind: 'Denied' })
    await store.put('in/f', counted(5000))
    expect((await store.get?.('in/f'))?.bytes).toEqual(counted(5000))
    await store.close()
  })

  test('checks its options', () => {
    for (const options of [{ blockSize: 5000 }, { blockSize: 0 }, { requests: 0 }, { memoryBytes: 4096 }, { fallback: 'maybe' as 'refuse' }]) {
      expect(() => directStore(options)).toThrow(RangeError)
    }
    expect(() => directStore({ blocksize: 4096 } as object)).toThrow(TypeError)
    expect(directStore({ blockSize: 8192, requests: 3 }).capabilities.idealRange).toBe(24_576)
  })

  test('that is closed has nothing open', async () => {
    const store = directStore({ fallback: 'buffered' })
    await writeFile(`${top}/m`, counted(100_000))
    const before = openFiles()
    const sources = await Promise.all(Array.from({ length: 5 }, () => store.open(`${top}/m`)))
    const reads = sources.map(source => source.read(0, new Uint8Array(100_000)).catch((error: unknown) => error))
    const opening = store.open(`${top}/m`).catch((error: unknown) => error)
    const writer = await store.createWriter(`${top}/w`)
    await store.close()
    await opening
    expect(openFiles()).toBeLessThanOrEqual(before + 1) // the writer, whose file is removed next
    for (const outcome of await Promise.all(reads)) if (outcome !== undefined) expect(outcome).toMatchObject({ kind: 'Closed' })
    await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ kind: 'Closed' })
    await writer.abort()
    expect(openFiles()).toBe(before)
    expect(readdirSync(top).filter(name => name.startsWith('.millrace') || name === 'w')).toEqual([])
  })
})

describe('the pool', () => {
  test('lends aligned blocks, first come first served, and never grows', async () => {
    const pool = blockPool(8192, 2)
    expect([ALIGNMENT, pool.memory.byteLength]).toEqual([4096, 65_536])
    const [a, b] = [pool.take(), pool.take()]
    const [c, d] = [pool.take(), pool.take()]
    expect([a, b].map(Number).sort()).toEqual([0, 1])
    const order: string[] = []
    const waiting = [Promise.resolve(c).then(() => order.push('c')), Promise.resolve(d).then(() => order.push('d'))]
    pool.give(b as number)
    expect(await c).toBe(b)
    pool.give(a as number)
    expect(await d).toBe(a)
    await Promise.all(waiting)
    expect(order).toEqual(['c', 'd'])
  })
})
