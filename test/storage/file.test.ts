import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { fileError } from '../../src/storage/file-errors.js'
import { fileStore } from '../../src/storage/file.js'
import type { Store } from '../../src/store.js'

const store = fileStore()
let top = ''
let serial = 0

/** A directory for one test. */
async function fresh(): Promise<string> {
  const directory = join(top, String(serial++))
  await mkdir(directory)
  return directory
}

async function names(from: Store, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const page of from.list(prefix)) found.push(...page.map((meta) => meta.uri.slice(prefix.length)))
  return found
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const openFiles = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0)

beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), 'millrace-file-'))
})

afterAll(() => rm(top, { recursive: true, force: true }))

describe('what can be opened', () => {
  test('a FIFO, a socket, a device and a directory are refused at once, by open and by stat', async () => {
    const directory = await fresh()
    const fifo = join(directory, 'fifo')
    execFileSync('mkfifo', [fifo])
    const socket = join(directory, 'socket')
    const server = createServer().listen(socket).unref()
    await once(server, 'listening')
    for (const [path, what] of [[fifo, 'FIFO'], [socket, 'socket'], ['/dev/zero', 'device'], [directory, 'directory']] as const) {
      for (const operation of ['open', 'stat'] as const) {
        await expect(store[operation](path)).rejects.toMatchObject({
          kind: 'Unsupported', uri: path, operation, message: expect.stringContaining(what) })
      }
    }
    expect(await names(store, `${directory}/`)).toEqual([])
    server.close()
    await once(server, 'close')
  })

  test('a name that says that it is a directory is an InvalidUri', async () => {
    for (const uri of ['', 'dir/', '/', '.', 'a/..', 'file:///tmp/']) {
      await expect(store.open(uri)).rejects.toMatchObject({ kind: 'InvalidUri' })
      await expect(store.put(uri, bytesOf('x'))).rejects.toMatchObject({ kind: 'InvalidUri' })
    }
  })

  test('a file URI is decoded once and has one canonical form; a plain path is never decoded', async () => {
    const directory = await fresh()
    await writeFile(join(directory, 'a b%20*.txt'), 'found')
    const canonical = `file://${directory}/a%20b%2520%2A.txt`
    for (const uri of [canonical, `FILE://localhost${directory}//./a b%2520*.txt`, `file://${directory}/%61%20b%2520%2a.txt`]) {
      const source = await store.open(uri)
      expect([source.uri, source.byteLength]).toEqual([canonical, 5])
      await source.close()
    }
    expect((await store.stat(`${directory}/a b%20*.txt`)).uri).toBe(`${directory}/a b%20*.txt`)
    await expect(store.stat(`${directory}/a%20b%2520*.txt`)).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('a file URI with "..", NUL, an encoded slash, another host, a query, or bad encoding is an InvalidUri', async () => {
    const bad = ['file:///a/../b', 'file:///a/%2e%2E/b', 'file:///a%00b', 'file:///a%2fb', 'file://host/a', 'file:///a?b',
      'file:///a#b', 'file:///a%', 'file:///a%ff', 'file://a', 'file:/a', 's3://b/k']
    for (const uri of bad) await expect(store.open(uri)).rejects.toMatchObject({ kind: 'InvalidUri', operation: 'open' })
  })

  test('a part of the path that is a file is NotFound for readers and Unsupported for writers', async () => {
    const directory = await fresh()
    await writeFile(join(directory, 'f'), 'x')
    await expect(store.open(`${directory}/f/g`)).rejects.toMatchObject({ kind: 'NotFound', cause: { code: 'ENOTDIR' } })
    await expect(store.put(`${directory}/f/g`, bytesOf('x'))).rejects.toMatchObject({ kind: 'Unsupported' })
    await store.delete(`${directory}/f/g`)
    await expect(store.open(`${directory}/${'n'.repeat(300)}`)).rejects.toMatchObject({ kind: 'InvalidUri' })
  })
})

describe('files that change while they are open', () => {
  test.each([
    ['truncated', (path: string) => truncate(path, 100)],
    ['truncated and grown again', async (path: string) => { await truncate(path, 0); await truncate(path, 10_000) }],
    ['appended to', (path: string) => appendFile(path, 'more')],
    ['overwritten with as many bytes', async (path: string) => {
      await writeFile(path, new Uint8Array(10_000).fill(2))
      await utimes(path, 1, 1)
    }]
  ])('a file that was %s is Changed, not a mixture', async (_, change) => {
    const path = join(await fresh(), 'f')
    await writeFile(path, new Uint8Array(10_000).fill(1))
    const source = await store.open(path)
    await change(path)
    await expect(source.read(0, new Uint8Array(10_000))).rejects.toMatchObject({
      kind: 'Changed', uri: path, operation: 'read', retryable: false })
    await source.close()
  })

  test('a file that is replaced by renaming, or deleted, goes on being read as it was', async () => {
    const directory = await fresh()
    const path = join(directory, 'f')
    await writeFile(path, 'old content')
    await writeFile(join(directory, 'g'), 'NEW CONTENT!')
    const source = await store.open(path)
    const version = (await store.stat(path)).version
    await rename(join(directory, 'g'), path)
    const into = new Uint8Array(11)
    await source.read(0, into)
    expect(new TextDecoder().decode(into)).toBe('old content')
    expect(source.version).toBe(version)
    expect((await store.stat(path)).version).not.toBe(version)
    await rm(path)
    await source.read(0, into)
    await source.close()
  })

  test('a file that ends before its size is a ShortRead, never zeros', async () => {
    // Files of sysfs say that they have a page and end after a line.
    const candidates = ['/sys/kernel/mm/transparent_hugepage/enabled', '/sys/devices/system/cpu/online']
    const path = candidates.find((each) => existsSync(each))
    const size = path === undefined ? 0 : statSync(path).size
    if (path === undefined || size === 0) return
    const source = await store.open(path)
    await expect(source.read(0, new Uint8Array(size))).rejects.toMatchObject({ kind: 'ShortRead', retryable: true, uri: path })
    await source.close()
  })
})

describe('reading', () => {
  test('an abort ends a long read between system calls with the reason, and nothing is written afterwards', async () => {
    const path = join(await fresh(), 'big')
    await writeFile(path, '')
    await truncate(path, 80 << 20)
    const source = await store.open(path)
    const into = new Uint8Array(80 << 20).fill(7)
    const controller = new AbortController()
    const reason = new Error('enough')
    const reading = source.read(0, into, { signal: controller.signal })
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    expect(into[0]).toBe(0)
    expect(into.indexOf(7)).toBeLessThan(64 << 20)
    await source.close()
    expect(into.at(-1)).toBe(7)
  })

  test('memory of WebAssembly and shared memory is filled in place', async () => {
    const path = join(await fresh(), 'f')
    await writeFile(path, 'abcdef')
    const source = await store.open(path)
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
    await source.read(2, new Uint8Array(memory.buffer, 10, 3))
    expect([...new Uint8Array(memory.buffer, 9, 5)]).toEqual([0, 99, 100, 101, 0])
    await source.close()
  })
})

describe('a store with a root', () => {
  async function house(): Promise<{ inside: string; outside: string; rooted: Store }> {
    const directory = await fresh()
    const inside = join(directory, 'root')
    const outside = join(directory, 'root-beside')
    await mkdir(join(inside, 'dir'), { recursive: true })
    await mkdir(outside)
    await writeFile(join(outside, 'secret'), 'secret')
    await writeFile(join(inside, 'dir', 'mine'), 'mine')
    await symlink(join(outside, 'secret'), join(inside, 'link-to-file'))
    await symlink(outside, join(inside, 'link-to-dir'))
    await symlink('dir', join(inside, 'link-inside'))
    return { inside, outside, rooted: fileStore({ root: inside }) }
  }

  test('opens nothing outside, by any name', async () => {
    const { inside, outside, rooted } = await house()
    const attempts = ['../root-beside/secret', 'dir/../../root-beside/secret', `${outside}/secret`, `file://${outside}/secret`,
      'link-to-file', 'link-to-dir/secret', `${inside}/link-to-file`, `file://${inside}/link-to-dir/secret`]
    for (const uri of attempts) {
      for (const operation of ['open', 'stat'] as const) {
        await expect(rooted[operation](uri)).rejects.toMatchObject({
          kind: 'Denied', operation, message: expect.stringContaining('outside the root') })
      }
    }
    for (const uri of ['dir/mine', 'link-inside/mine', `${inside}/dir/mine`, `file://${inside}/dir/mine`, 'dir/../dir/mine']) {
      expect((await rooted.stat(uri)).size).toBe(4)
      await (await rooted.open(uri)).close()
    }
  })

  test('does not even open a device outside', async () => {
    const { inside, rooted } = await house()
    await symlink('/dev/zero', join(inside, 'device'))
    await expect(rooted.open('device')).rejects.toMatchObject({ kind: 'Denied' })
  })

  test('is not fooled by a file that turns into a link while it is opened', async () => {
    const { inside, outside, rooted } = await house()
    let busy = true
    const flipping = (async () => {
      for (let i = 0; busy; i++) {
        if (i % 2 === 0) await symlink(join(outside, 'secret'), join(inside, 'next'))
        else await writeFile(join(inside, 'next'), 'mine!!')
        await rename(join(inside, 'next'), join(inside, 'flip'))
      }
    })()
    const outcomes = new Set<unknown>()
    try {
      // On a busy machine it takes a while until an open falls between two changes.
      for (let i = 0; i < 400 || (i < 20_000 && !outcomes.has('mine!!')); i++) {
        const source = await rooted.open('flip').catch((error: unknown) => void outcomes.add((error as { kind?: unknown }).kind))
        if (source === undefined) continue
        const into = new Uint8Array(6)
        await source.read(0, into)
        await source.close()
        outcomes.add(new TextDecoder().decode(into))
      }
    } finally {
      busy = false
      await flipping
    }
    expect(outcomes).toContain('mine!!')
    for (const outcome of outcomes) expect(['mine!!', 'Denied', 'NotFound']).toContain(outcome)
  })

  test('writes and deletes nothing outside', async () => {
    const { outside, rooted } = await house()
    for (const uri of ['../root-beside/x', `${outside}/x`, 'link-to-dir/x', 'link-to-dir/new/deep/x', '../new/x']) {
      await expect(rooted.put(uri, bytesOf('x'))).rejects.toMatchObject({ kind: 'Denied' })
      await expect(rooted.createWriter(uri)).rejects.toMatchObject({ kind: 'Denied' })
    }
    await expect(rooted.delete('link-to-dir/secret')).rejects.toMatchObject({ kind: 'Denied' })
    await expect(rooted.delete('../root-beside/secret')).rejects.toMatchObject({ kind: 'Denied' })
    await rooted.put('link-to-file', bytesOf('replaced the link'))
    expect(readdirSync(outside)).toEqual(['secret'])
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret')
    expect((await rooted.stat('link-to-file')).size).toBe(17)
  })

  test('lists nothing outside', async () => {
    const { outside, rooted } = await house()
    expect(await names(rooted, '')).toEqual(['dir/mine', 'link-inside/mine'])
    await expect(names(rooted, '../')).rejects.toMatchObject({ kind: 'Denied' })
    await expect(names(rooted, `${outside}/`)).rejects.toMatchObject({ kind: 'Denied' })
    await expect(names(rooted, 'link-to-dir/')).rejects.toMatchObject({ kind: 'Denied' })
  })

  test('may itself be reached through a link', async () => {
    const { inside } = await house()
    await symlink(inside, `${inside}-link`)
    const rooted = fileStore({ root: `${inside}-link/` })
    expect((await rooted.stat('dir/mine')).size).toBe(4)
    expect((await rooted.stat(`${inside}/dir/mine`)).size).toBe(4)
    expect(await names(rooted, 'dir/')).toEqual(['mine'])
  })
})

describe('writing', () => {
  test('a put whose rename fails leaves what was there, and no temporary file', async () => {
    const directory = await fresh()
    await mkdir(join(directory, 'target', 'full'), { recursive: true })
    await expect(store.put(`${directory}/target`, bytesOf('x'))).rejects.toMatchObject({
      kind: 'Unsupported', cause: { syscall: 'rename' } })
    expect(readdirSync(directory)).toEqual(['target'])
  })

  test('a writer whose rename fails leaves no temporary file and stays failed', async () => {
    const directory = await fresh()
    const writer = await store.createWriter(`${directory}/w`)
    await writer.write(bytesOf('x'))
    await mkdir(join(directory, 'w'))
    await expect(writer.finalize()).rejects.toMatchObject({ kind: 'Unsupported', operation: 'finalize', uri: `${directory}/w` })
    expect(readdirSync(directory)).toEqual(['w'])
    await expect(writer.finalize()).rejects.toMatchObject({ kind: 'Closed' })
    await writer.abort()
  })

  test('what is being written is not listed, and is in the directory of the target', async () => {
    const directory = await fresh()
    const writer = await store.createWriter(`${directory}/w`)
    expect(readdirSync(directory)).toEqual([expect.stringMatching(/^\.millrace-[0-9a-f]{16}\.tmp$/)])
    expect(await names(store, `${directory}/`)).toEqual([])
    await writer.abort()
    expect(readdirSync(directory)).toEqual([])
  })

  test('an aborted signal removes the temporary file without further calls', async () => {
    const directory = await fresh()
    const controller = new AbortController()
    const before = openFiles()
    const writer = await store.createWriter(`${directory}/w`, { signal: controller.signal })
    const writing = writer.write(new Uint8Array(1 << 20))
    controller.abort(new Error('stop'))
    await writing.catch(() => undefined)
    for (let i = 0; i < 10_000 && readdirSync(directory).length > 0; i++) await setImmediate()
    expect(readdirSync(directory)).toEqual([])
    expect(openFiles()).toBe(before)
  })

  test('bytes arrive in the order of the calls, small and large, awaited or not', async () => {
    const path = join(await fresh(), 'new', 'directories', 'w')
    const writer = await store.createWriter(path)
    const sizes = [1, 5, 300_000, 262_144, 0, 262_143, 1, 1, 100_000, 100_000, 100_000]
    const parts = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
    await Promise.all(parts.map((part) => writer.write(part)))
    expect((await writer.finalize()).size).toBe(sizes.reduce((a, b) => a + b))
    expect(Buffer.compare(await readFile(path), Buffer.concat(parts))).toBe(0)
  })
})

describe('listing', () => {
  test('comes in pages of a thousand, in byte order, and can be left in the middle', async () => {
    const directory = await fresh()
    const expected: string[] = []
    for (let i = 0; i < 2500; i++) {
      const name = `${i % 3 === 0 ? 'd/' : ''}${i}`
      if (i === 0) await mkdir(join(directory, 'd'))
      await writeFile(join(directory, name), '')
      expected.push(name)
    }
    const sizes: number[] = []
    const found: string[] = []
    for await (const page of store.list(`${directory}/`)) {
      sizes.push(page.length)
      found.push(...page.map((meta) => meta.uri.slice(directory.length + 1)))
    }
    expect(sizes).toEqual([1000, 1000, 500])
    expect(found).toEqual(expected.sort())
    const before = openFiles()
    for await (const page of store.list(`${directory}/`)) if (page.length > 0) break
    const controller = new AbortController()
    const reason = new Error('stop')
    const reading = (async () => {
      for await (const page of store.list(`${directory}/`, { signal: controller.signal })) {
        if (page.length > 0) controller.abort(reason)
      }
    })()
    await expect(reading).rejects.toBe(reason)
    expect(openFiles()).toBe(before)
  })

  test('follows links, but not around in circles, and leaves out links to nowhere', async () => {
    const directory = await fresh()
    await mkdir(join(directory, 'a', 'b'), { recursive: true })
    await writeFile(join(directory, 'a', 'b', 'f'), '')
    await symlink('../..', join(directory, 'a', 'b', 'up'))
    await symlink('a', join(directory, 'same'))
    await symlink('self', join(directory, 'self'))
    await symlink('nowhere', join(directory, 'dangling'))
    await symlink('a/b/f', join(directory, 'file'))
    expect(await names(store, `${directory}/`)).toEqual(['a/b/f', 'file', 'same/b/f'])
  })

  test('takes a prefix of a file URI that ends anywhere, also inside an encoded character', async () => {
    const directory = await fresh()
    for (const name of ['a b', 'a!b', 'aé', 'a']) await writeFile(join(directory, name), '')
    const prefix = `file://${directory}/`
    const all = ['a', 'a!b', 'a%20b', 'a%C3%A9']
    expect(await names(store, prefix)).toEqual(all)
    const beginning = async (stub: string): Promise<string[]> => (await names(store, prefix + stub)).map((rest) => stub + rest)
    for (const stub of ['a%', 'a%2', 'a%20', 'a%C3', 'a%C3%', 'a!', 'b']) {
      expect(await beginning(stub)).toEqual(all.filter((name) => name.startsWith(stub)))
    }
    expect(await names(store, `${prefix}%61%20`)).toHaveLength(1)
  })

  test('a file whose name is no UTF-8 is an error, not left out', async () => {
    const directory = await fresh()
    const raw = Buffer.concat([Buffer.from(`${directory}/x`), Buffer.from([0xff])])
    await writeFile(raw, '').catch(() => undefined)
    if (readdirSync(directory).length === 0) return
    await expect(names(store, `${directory}/`)).rejects.toMatchObject({ kind: 'Unsupported' })
  })

  test('what is not there, or is a file, has nothing below it', async () => {
    const directory = await fresh()
    await writeFile(join(directory, 'f'), '')
    expect(await names(store, `${directory}/none/x`)).toEqual([])
    expect(await names(store, `${directory}/f/`)).toEqual([])
    expect(await names(store, `${directory}/f`)).toEqual([''])
  })
})

describe('errors', () => {
  test('every system error has a kind, the code, the cause and a text that says what to do', () => {
    const kinds = {
      ENOENT: 'NotFound', EACCES: 'Denied', EPERM: 'Denied', EROFS: 'Denied', EISDIR: 'Unsupported', EMFILE: 'Unavailable',
      ENFILE: 'Unavailable', EIO: 'Unavailable', ENOSPC: 'Limit', ELOOP: 'InvalidUri', ESTALE: 'Changed',
      EWHATEVER: 'Unavailable' }
    for (const [code, kind] of Object.entries(kinds)) {
      const cause = Object.assign(new Error(`${code}: system text`), { code, syscall: 'open', errno: -1 })
      expect(fileError(cause, 'open', 'some/file')).toMatchObject({
        name: 'MillraceError', kind, cause, uri: 'some/file', operation: 'open',
        message: expect.stringMatching(new RegExp(`^open some/file: .+ \\(${code}\\)$`)) })
    }
    const other = new Error('not of the system')
    expect(fileError(other, 'open', 'f')).toBe(other)
  })

  test('nothing stays open, whatever failed', async () => {
    const directory = await fresh()
    const path = join(directory, 'f')
    await writeFile(path, new Uint8Array(1000))
    const rooted = fileStore({ root: directory })
    await symlink('/dev/zero', join(directory, 'out'))
    const before = openFiles()
    for (let i = 0; i < 30; i++) {
      const source = await store.open(path)
      const pending = source.read(0, new Uint8Array(1000))
      await source.close()
      await pending
      await expect(store.open(directory)).rejects.toThrow()
      await expect(store.open('/dev/zero')).rejects.toThrow()
      await expect(rooted.open('out')).rejects.toThrow()
      await expect(store.open(`${directory}/none`)).rejects.toThrow()
      await expect(store.open(path, { signal: AbortSignal.abort() })).rejects.toThrow()
      await expect(store.put(`${path}/x`, bytesOf('x'))).rejects.toThrow()
      await store.put(`${directory}/p`, bytesOf('x'))
      await (await store.createWriter(`${directory}/w`)).abort()
      const racing = new AbortController()
      const opening = store.open(path, { signal: racing.signal })
      racing.abort()
      await expect(opening).rejects.toThrow()
      await names(rooted, '')
    }
    expect(openFiles()).toBe(before)
    expect(readdirSync(directory).sort()).toEqual(['f', 'out', 'p'])
  })
})
