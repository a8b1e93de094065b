import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { checkFormat, formatFor, formatParams, openUri, resolveStore, schemes } from '../src/resolve.js'
import { defaultMemoryStore, memoryStore } from '../src/storage/memory.js'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-resolve-'))
  await writeFile(join(directory, 'f'), 'abc')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('resolveStore', () => {
  test('plain paths, file and mem have a store', async () => {
    for (const uri of ['x', '/x', './x', 'C:\\x', 'C:/x', 'file:///x', 'FILE:///x']) {
      expect((await resolveStore(uri)).scheme).toBe('file')
    }
    expect(await resolveStore('mem://x')).toBe(defaultMemoryStore)
    expect(schemes()).toEqual(['az', 'direct', 'file', 'gs', 'http', 'https', 'mem', 's3'])
  })

  test('another scheme is Unsupported, says what there is and that a store can be passed, and shows no secret', async () => {
    const uris = ['hdfs://b/k', 'ftp://u:p@h/x?sig=1', 'constructor://x']
    for (const uri of uris) {
      const error = await resolveStore(uri).then(() => undefined, (reason: unknown) => reason)
      expect(error).toMatchObject({
        kind: 'Unsupported', message: expect.stringMatching(/file:\/\/, .*mem:\/\/, s3:\/\/.*\{ store \}/) })
      expect(String((error as Error).message)).not.toMatch(/sig|u:p/)
    }
  })
})

describe('openUri', () => {
  test('opens by the scheme, or with the store that comes along', async () => {
    const mine = memoryStore()
    await mine.put('mem://mine', new Uint8Array(7))
    const url = pathToFileURL(join(directory, 'f')).href
    for (const [target, size] of [[`${directory}/f`, 3], [url, 3], [{ store: mine, uri: 'mem://mine' }, 7]] as const) {
      const source = await openUri(target)
      expect(source.byteLength).toBe(size)
      await source.close()
    }
    await expect(openUri('mem://mine')).rejects.toMatchObject({ kind: 'NotFound' })
    const reason = new Error('stop')
    await expect(openUri(`${directory}/f`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('formats', () => {
  const NAMES = ['fixedLengthRecords', 'hdf5', 'idx', 'npy', 'npz', 'raw', 'tfrecord']
  test.each(NAMES)('are loaded by name, and the table says of %s what the format says of itself', async name => {
    const params = formatParams(name)
    const format = await params.format(undefined as never, undefined as never)
    expect(params).toMatchObject({ formatName: format.name, tabular: format.tabular ?? false, elementsPerFile: format.elementsPerFile })
    for (const extension of format.extensions) expect(formatFor(`a.${extension}`)).toBe(name)
    expect(await formatParams(format).format(undefined as never, undefined as never)).toBe(format)
  })
  test('that are none are told at the call', () => {
    for (const name of ['none', 'toString']) expect(() => checkFormat(name)).toThrow(RangeError)
    expect(() => checkFormat('none')).toThrow(NAMES.join(', '))
    expect(() => checkFormat({})).toThrow(TypeError)
    checkFormat('auto')
  })

  test('are told by the end of the name, through compression and shard numbers', () => {
    const yes = ['a.tfrecord', 'dir.x/A.TFRECORDS', 's3://b/a.tfrecord?versionId=1', 'a.tfrecord.gz', 'a.tfrecord-00000-of-00016',
      'a.tfrecord-00000-of-00016.gz', 'a.tfrecord.gz-00000-of-00016', 'C:\\d\\a.tfrecord']
    for (const name of yes) expect([name, formatFor(name)]).toEqual([name, 'tfrecord'])
    for (const name of ['tfrecord', 'a.tfrecord/x', 'a.tfrecord.bak', 'a.gz', '', 'x.toString']) {
      expect([name, formatFor(name)]).toEqual([name, undefined])
    }
  })
})

test('the bridge and the memory store import nothing of Node, so that a browser can load them', async () => {
  const storage = ['memory', 'uri', 'checks', 'patterns', 'glob', 'braces'].map((name) => `storage/${name}`)
  const files = ['resolve', 'testing/store', ...storage]
  for (const file of files) {
    const text = await readFile(new URL(`../src/${file}.ts`, import.meta.url), 'utf8')
    expect(text).not.toMatch(/^import .*from '(node:|\.\/storage\/file)/m)
  }
})

describe('spellings', () => {
  test('of other systems are told how they are written here', async () => {
    await expect(resolveStore('s3a://bucket/key')).rejects.toThrow('s3a:// is written s3:// here')
    await expect(resolveStore('abfss://c@account.dfs.core.windows.net/x')).rejects.toThrow('abfss:// is written az:// here')
  })

  test('of public Azure data go to a plain GET unless there is something to sign with', async () => {
    const url = 'https://account.blob.core.windows.net/c/b'
    const before = process.env['AZURE_STORAGE_ACCOUNT']
    delete process.env['AZURE_STORAGE_ACCOUNT']
    expect((await resolveStore(url)).scheme).toBe('https')
    expect((await resolveStore(`${url}?sv=1&sig=abc`)).scheme).toBe('az')
    process.env['AZURE_STORAGE_ACCOUNT'] = 'account'
    expect((await resolveStore(url)).scheme).toBe('az')
    if (before === undefined) delete process.env['AZURE_STORAGE_ACCOUNT']
    else process.env['AZURE_STORAGE_ACCOUNT'] = before
  })
})
