import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { chmod, link, lstat, mkdir, mkdtemp, open, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { moveFile, pathLock } from '../../src/storage/file-commit.js'
import { copyOpened } from '../../src/storage/file-copy.js'
import { openRegular } from '../../src/storage/file-source.js'
import { fileStore } from '../../src/storage/file.js'
import type { Store } from '../../src/store.js'

const store = fileStore()
const { copy, rename: renameObject, listDirectory, get, deleteMany } = store as Required<Store>
let top = ''
let serial = 0

/** A directory for one test. */
async function fresh(): Promise<string> {
  const directory = join(top, String(serial++))
  await mkdir(directory)
  return directory
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const openFiles = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0)

beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), 'millrace-files-'))
})

afterAll(() => rm(top, { recursive: true, force: true }))

describe('a file that is overwritten in place while it is read', () => {
  test('is noticed by a reader that never comes to its end, within a fraction of a second', async () => {
    const path = join(await fresh(), 'f')
    const size = 1 << 20
    await writeFile(path, new Uint8Array(size).fill(1))
    await utimes(path, 1, 1)
    const source = await store.open(path)
    const into = new Uint8Array(512)
    let place = 1
    const readSome = async (): Promise<void> => {
      place = (place * 48_271) % 2_147_483_647
      await source.read(place % (size - 1024), into)
    }
    for (let i = 0; i < 200; i++) await readSome()
    const handle = await open(path, 'r+')
    await handle.write(new Uint8Array(size).fill(2))
    await handle.close()
    const begun = performance.now()
    const reading = (async () => { while (performance.now() - begun < 20_000) await readSome() })()
    await expect(reading).rejects.toMatchObject({ kind: 'Changed', uri: path, operation: 'read', offset: expect.any(Number) })
    await source.close()
  })

  test('is asked about now and then only', async () => {
    const path = join(await fresh(), 'f')
    await writeFile(path, new Uint8Array(10_000))
    const source = await store.open(path)
    const into = new Uint8Array(100)
    const begun = performance.now()
    await utimes(path, 5, 5) // the version is another from now on
    let reads = 0
    const reading = (async () => { while (performance.now() - begun < 20_000) { await source.read(0, into); reads++ } })()
    await expect(reading).rejects.toMatchObject({ kind: 'Changed' })
    expect(performance.now() - begun).toBeGreaterThan(200)
    expect(reads).toBeGreaterThan(10)
    await source.close()
  })
})

describe('conditions', () => {
  test('among processes one creates the file', async () => {
    const path = join(await fresh(), 'f')
    const script = join(await fresh(), 'child.mjs')
    // The same three system calls as the store makes, in another process that knows nothing of this one.
    await writeFile(script, `
      import { link, unlink, writeFile } from 'node:fs/promises'
      const [path, mine] = process.argv.slice(2)
      await writeFile(path + mine, mine)
      process.send('ready')
      process.once('message', async () => {
        const won = await link(path + mine, path).then(() => true, () => false)
        await unlink(path + mine)
        process.send(won, () => process.disconnect())
      })`)
    const children = ['x', 'y'].map(name => fork(script, [path, name]))
    await Promise.all(children.map(child => once(child, 'message')))
    const told = children.map(async child => { const [won] = await once(child, 'message') as [boolean]; await once(child, 'exit'); return won })
    for (const child of children) child.send('go')
    const mine = await store.put(path, bytesOf('mine'), { ifAbsent: true }).then(() => true, (error: { kind?: string }) => { expect(error.kind).toBe('Precondition'); return false })
    expect([mine, ...(await Promise.all(told))].filter(won => won)).toHaveLength(1)
    expect(readdirSync(join(path, '..'))).toEqual(['f'])
  })

  test('among writers of one store hold exactly', async () => {
    const path = join(await fresh(), 'counter')
    let { version } = await store.put(path, bytesOf('0'))
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, (_, i) => store.put(path, bytesOf(`${round}-${i}`), { ifVersion: version })))
      const won = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(won).toHaveLength(1)
      expect((await store.stat(path)).version).toBe(won[0]?.version)
      version = won[0]?.version ?? ''
    }
    expect(readdirSync(join(path, '..'))).toEqual(['counter'])
  })

  test('that cannot be kept by the file system are Unsupported', async () => {
    const directory = await fresh()
    const from = join(directory, 'from')
    await writeFile(from, 'x')
    await mkdir(join(directory, 'dir'))
    // Directories cannot be linked anywhere, and systems say so as those without hard links do.
    await expect(moveFile('some/file', 'put', join(directory, 'dir'), join(directory, 'to'), { ifAbsent: true })).rejects.toMatchObject({
      kind: 'Unsupported', uri: 'some/file', message: expect.stringContaining('hard links') })
    await expect(moveFile('some/file', 'put', join(directory, 'none'), join(directory, 'to'), { ifAbsent: true })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('are kept in the order of the calls, and a failure does not hold up the next', async () => {
    const lock = pathLock()
    const seen: number[] = []
    const step = (i: number, fail = false) => async (): Promise<number> => {
      for (let k = 0; k < 5 - i; k++) await Promise.resolve()
      seen.push(i)
      if (fail) throw new Error(`step ${i}`)
      return i
    }
    const outcomes = await Promise.allSettled([lock('a', step(0)), lock('a', step(1, true)), lock('a', step(2)), lock('b', step(9))])
    expect(seen.filter(i => i < 9)).toEqual([0, 1, 2])
    expect(outcomes.map(outcome => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  })
})

describe('what files do not keep', () => {
  test('metadata are refused by everything that writes; a media type is left out', async () => {
    const directory = await fresh()
    await store.put(`${directory}/a`, bytesOf('x'), { contentType: 'text/plain', metadata: {} })
    const metadata = { k: 'v' }
    for (const call of [() => store.put(`${directory}/b`, bytesOf('x'), { metadata }), () => store.createWriter(`${directory}/b`, { metadata }),
      () => copy(`${directory}/a`, `${directory}/b`, { metadata }), () => renameObject(`${directory}/a`, `${directory}/b`, { metadata })]) {
      await expect(call()).rejects.toMatchObject({ kind: 'Unsupported', uri: `${directory}/b`, message: expect.stringContaining('metadata') })
    }
    expect(readdirSync(directory)).toEqual(['a'])
    expect((await store.stat(`${directory}/a`)).contentType).toBeUndefined()
  })

  test('what they do keep is told', async () => {
    const path = join(await fresh(), 'f')
    await store.put(path, bytesOf('grist'))
    await chmod(path, 0o640)
    await utimes(path, 1000, 1234.5)
    await link(path, `${path}-too`)
    const { uid, gid } = statSync(path)
    expect(await store.stat(path)).toMatchObject({ size: 5, modified: 1_234_500, more: { mode: '0640', uid: String(uid), gid: String(gid), links: '2' } })
  })
})

describe('copies', () => {
  test('are whole or not there, keep what may be done with a file, and follow links', async () => {
    const directory = await fresh()
    await writeFile(`${directory}/f`, 'grist')
    await chmod(`${directory}/f`, 0o555)
    await symlink('f', `${directory}/link`)
    const meta = await copy(`file://${directory}/link`, `${directory}/new/deep/g`)
    expect(meta).toMatchObject({ uri: `${directory}/new/deep/g`, size: 5 })
    expect((await lstat(`${directory}/new/deep/g`)).isFile()).toBe(true)
    expect((await stat(`${directory}/new/deep/g`)).mode & 0o777).toBe(0o555)
    expect(readdirSync(`${directory}/new/deep`)).toEqual(['g'])
    await copy(`${directory}/f`, `${directory}/link`)
    expect((await lstat(`${directory}/link`)).isFile()).toBe(true)
  })

  test('of what is no file, to where no file can be, and from or to outside of the root fail without a trace', async () => {
    const directory = await fresh()
    const inside = join(directory, 'in')
    await mkdir(join(inside, 'dir'), { recursive: true })
    await writeFile(join(directory, 'secret'), 'secret')
    await writeFile(join(inside, 'f'), 'x')
    await symlink('../secret', join(inside, 'link'))
    await symlink('..', join(inside, 'up'))
    execFileSync('mkfifo', [join(inside, 'fifo')])
    const rooted = fileStore({ root: inside }) as Required<Store>
    const before = openFiles()
    for (const operation of ['copy', 'rename'] as const) {
      for (const [from, to, kind] of [['dir', 'x', 'Unsupported'], ['fifo', 'x', 'Unsupported'], ['f', 'dir', 'Unsupported'], ['f', 'f/x', 'Unsupported'],
        ['none', 'x', 'NotFound'], ['link', 'x', 'Denied'], ['../secret', 'x', 'Denied'], ['up/secret', 'x', 'Denied'], ['f', '../x', 'Denied'],
        ['f', 'up/x', 'Denied'], ['f', 'dir/', 'InvalidUri']] as const) {
        await expect(rooted[operation](from, to)).rejects.toMatchObject({ kind, operation })
      }
    }
    expect(openFiles()).toBe(before)
    expect(readdirSync(inside).sort()).toEqual(['dir', 'f', 'fifo', 'link', 'up'])
    expect(readdirSync(directory).sort()).toEqual(['in', 'secret'])
    expect(readdirSync(join(inside, 'dir'))).toEqual([])
  })

  test('of a file that changes meanwhile are Changed, and leave nothing', async () => {
    const directory = await fresh()
    const path = `${directory}/f`
    await writeFile(path, 'grist')
    const before = openFiles()
    const file = await openRegular(path, path, 0, async () => undefined, undefined)
    await writeFile(path, 'grist and more')
    let committed = false
    const copying = copyOpened(file, path, `${directory}/g`, undefined, async () => { committed = true })
    await expect(copying).rejects.toMatchObject({ kind: 'Changed', operation: 'copy', uri: path })
    expect([committed, openFiles(), readdirSync(directory)]).toEqual([false, before, ['f']])
  })

  test('do not even open a device outside of the root', async () => {
    const directory = await fresh()
    await symlink('/dev/zero', `${directory}/device`)
    const rooted = fileStore({ root: directory }) as Required<Store>
    await expect(rooted.copy('device', 'x')).rejects.toMatchObject({ kind: 'Denied' })
  })

  test('that are aborted leave nothing', async () => {
    const directory = await fresh()
    await writeFile(`${directory}/f`, new Uint8Array(1 << 20))
    const controller = new AbortController()
    const reason = new Error('enough')
    const copying = copy(`${directory}/f`, `${directory}/g`, { signal: controller.signal })
    controller.abort(reason)
    await expect(copying).rejects.toBe(reason)
    expect(readdirSync(directory)).toEqual(['f'])
  })
})

describe('renaming', () => {
  test('moves the file itself, and needs no space', async () => {
    const directory = await fresh()
    await writeFile(`${directory}/f`, 'grist')
    const { ino } = statSync(`${directory}/f`)
    await renameObject(`file://${directory}/f`, `${directory}/new/g`)
    expect(statSync(`${directory}/new/g`).ino).toBe(ino)
    await writeFile(`${directory}/h`, 'other')
    await renameObject(`${directory}/new/g`, `${directory}/h`)
    expect(statSync(`${directory}/h`).ino).toBe(ino)
    expect(readdirSync(`${directory}/new`)).toEqual([])
  })

  test('of two names of one file leaves the new one', async () => {
    const directory = await fresh()
    await writeFile(`${directory}/f`, 'grist')
    await link(`${directory}/f`, `${directory}/g`)
    await expect(renameObject(`${directory}/f`, `${directory}/g`, { ifAbsent: true })).rejects.toMatchObject({ kind: 'Precondition' })
    await renameObject(`${directory}/f`, `${directory}/g`)
    expect(readdirSync(directory)).toEqual(['g'])
    await symlink('.', `${directory}/here`)
    await renameObject(`${directory}/g`, `${directory}/here/g`)
    expect(await readFile(`${directory}/g`, 'utf8')).toBe('grist')
  })

  test('of a link moves what it means, so that it means the same elsewhere', async () => {
    const directory = await fresh()
    await mkdir(`${directory}/sub`)
    await writeFile(`${directory}/f`, 'grist')
    await symlink('f', `${directory}/link`)
    await renameObject(`${directory}/link`, `${directory}/sub/g`)
    expect(await readFile(`${directory}/sub/g`, 'utf8')).toBe('grist')
    expect(readdirSync(directory).sort()).toEqual(['f', 'sub'])
  })

  test('goes from one device to another by copying', async () => {
    const directory = await fresh()
    const elsewhere = existsSync('/dev/shm') ? await mkdtemp('/dev/shm/millrace-files-') : await fresh()
    try {
      await writeFile(`${elsewhere}/f`, 'grist')
      expect((await renameObject(`${elsewhere}/f`, `${directory}/g`)).size).toBe(5)
      expect([readdirSync(elsewhere), await readFile(`${directory}/g`, 'utf8')]).toEqual([[], 'grist'])
    } finally {
      await rm(elsewhere, { recursive: true })
    }
  })
})

describe('directories', () => {
  test('are listed when there is a file somewhere below them, through links too, and not around in circles', async () => {
    const directory = await fresh()
    await mkdir(`${directory}/empty/deep/er`, { recursive: true })
    await mkdir(`${directory}/full/deep/er`, { recursive: true })
    await mkdir(`${directory}/being-written`)
    await writeFile(`${directory}/full/deep/er/f`, 'x')
    await writeFile(`${directory}/being-written/.millrace-0123456789abcdef.tmp`, 'x')
    for (const name of ['self', 'again']) await symlink('.', `${directory}/empty/${name}`) // 2⁴⁰ ways down, if one went round
    await symlink('full/deep', `${directory}/link`)
    await symlink('nowhere', `${directory}/dangling`)
    for (let i = 0; i < 1001; i++) await writeFile(`${directory}/full/${String(i).padStart(4, '0')}`, '')
    const found: string[] = []
    for await (const page of listDirectory(`${directory}/`)) found.push(...page.prefixes, ...page.objects.map(meta => meta.uri))
    expect(found).toEqual([`${directory}/full/`, `${directory}/link/`])
    const sizes: number[] = []
    for await (const page of listDirectory(`file://${directory}/full/`)) sizes.push(page.objects.length, page.prefixes.length)
    expect(sizes).toEqual([1000, 0, 1, 1])
    for await (const page of listDirectory(`${directory}/none/`)) expect(page).toBe('no page')
  })
})

describe('whole files', () => {
  test('that are replaced before they are opened are Changed, and nothing stays open', async () => {
    const directory = await fresh()
    const known = await store.put(`${directory}/f`, bytesOf('grist'))
    await writeFile(`${directory}/g`, 'GRIST')
    await rename(`${directory}/g`, `${directory}/f`)
    const before = openFiles()
    for (const operation of ['open', 'get'] as const) {
      await expect(store[operation]?.(`${directory}/f`, { known })).rejects.toMatchObject({ kind: 'Changed', operation, uri: `${directory}/f` })
    }
    await expect(get(`${directory}/f`, { maxBytes: 3 })).rejects.toMatchObject({ kind: 'Limit' })
    expect((await get(`${directory}/f`, { maxBytes: 5 })).bytes).toEqual(bytesOf('GRIST'))
    expect(openFiles()).toBe(before)
  })

  test('are deleted side by side, each with its own outcome', async () => {
    const directory = await fresh()
    await mkdir(`${directory}/dir`)
    for (let i = 0; i < 40; i++) await writeFile(`${directory}/${i}`, '')
    const uris = [...Array.from({ length: 40 }, (_, i) => `${directory}/${i}`), `${directory}/dir`, `${directory}/none/x`]
    const results = await deleteMany(uris)
    expect(results.map(result => result.uri)).toEqual(uris)
    expect(results.flatMap((result, i) => (result.error === undefined ? [] : [i]))).toEqual([40])
    expect(readdirSync(directory)).toEqual(['dir'])
  })
})

test('options of the file store are checked', () => {
  expect(() => fileStore({ rot: '/data' } as object)).toThrow(TypeError)
})
