import { afterEach, describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isMillraceError, MillraceError } from '../../../src/errors.js'
import type { ByteSource } from '../../../src/format.js'
import { BIG_ROWS, bigFile, closeTables, EXPECTED, fixtureBytes, isBig, openFallback, rowsOf, shown } from './h5wasm-support.js'
import { columnsFor, generator, memorySource, readRows } from './support.js'

afterEach(closeTables)

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The bytes with some of them changed. */
function patched(name: string, patches: Readonly<Record<number, number>>): Uint8Array {
  const bytes = fixtureBytes(name)
  for (const [at, value] of Object.entries(patches)) bytes[Number(at)] = value
  return bytes
}

/** The chunk of a dataset with a byte turned round in its middle. */
function withBadChunk(path: string, chunk: number): Uint8Array {
  const [offset, size] = EXPECTED['filters.h5']![path]!.chunks![chunk]!
  const bytes = fixtureBytes('filters.h5')
  bytes[offset + (size >> 1)]! ^= 0xff
  return bytes
}

describe('what h5wasm cannot read is an error', () => {
  test('that says what it is, and never garbage', async () => {
    const types = fixtureBytes('types.h5')
    await expect(openFallback(types, '/sequences')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('sequence of variable length') })
    await expect(openFallback(types, '/references')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('reference') })
    const groups = fixtureBytes('groups.h5')
    await expect(openFallback(groups, '/elsewhere')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('another file') })
    await expect(openFallback(groups, '/virtual')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('other files') })
    await expect(openFallback(groups, '/dangling')).rejects.toMatchObject({ kind: 'NotFound' })
    await expect(openFallback(groups, '/data/nothing')).rejects.toMatchObject({ kind: 'NotFound', uri: 'mem://bucket/file.h5' })
    await expect(openFallback(groups, '/data/train')).rejects.toMatchObject({ kind: 'NotFound', message: expect.stringContaining('a group') })
    await expect(openFallback(groups, '/circle')).rejects.toMatchObject({ kind: 'Corrupt', message: expect.stringContaining('too many links') })
    await expect(openFallback(groups, { x: '/data/train/x', s: '/data/train/short' })).rejects.toMatchObject({ kind: 'Mismatch', keyPath: 's' })
    await expect(openFallback(fixtureBytes('filters.h5'), '/gzip', { maxChunkBytes: 100 })).rejects.toMatchObject({ kind: 'Limit' })
  })

  test('for a filter that nobody has, with its number and what to do', async () => {
    // The filter of '/lzf', 32000, gets a number that is not taken.
    const bytes = fixtureBytes('filters.h5')
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < bytes.length - 4; at += 2) if (view.getUint16(at, true) === 32000 && view.getUint16(at + 2, true) === 8) view.setUint16(at, 32999, true)
    await expect(openFallback(bytes, '/lzf')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringMatching(/filter 32999 \(lzf\).*h5wasm-plugins >=/) })
  })

  test('for Blosc with zlib inside, which the plug-in cannot undo', async () => {
    await expect(openFallback(fixtureBytes('filters.h5'), '/blosc-zlib')).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringContaining('zlib inside') })
  })
})

describe('a damaged chunk', () => {
  test.each(['/fletcher32', '/gzip-shuffle-fletcher32', '/lzf-shuffle-fletcher32'])('of %s is found by its checksum, and the others are still read', async path => {
    const dataset = EXPECTED['filters.h5']![path]!
    const [column] = Object.values(dataset.columns)
    const table = await openFallback(withBadChunk(path, 2), path)
    const perRow = dataset.chunkShape![1] === 7 ? 1 : 2
    const bad = Math.floor(2 / perRow) * 10
    const columns = columnsFor(table.spec, rowsOf(dataset))
    const { signal } = new AbortController()
    for (let row = 0; row < rowsOf(dataset); row += 10) {
      const read = table.read(row, Math.min(10, rowsOf(dataset) - row), columns, row, { signal })
      if (row === bad) await expect(read).rejects.toMatchObject({ kind: 'Corrupt', uri: 'mem://bucket/file.h5', message: expect.stringContaining(`rows ${bad} to ${bad + 9} of ${path}`) })
      else await read
    }
    const rowBytes = 7 * 4
    const values = Buffer.from(shown(columns)['']!.base64!, 'base64')
    const right = Buffer.from(column!.base64!, 'base64')
    values.fill(0, bad * rowBytes, (bad + 10) * rowBytes)
    right.fill(0, bad * rowBytes, (bad + 10) * rowBytes)
    expect(values.equals(right)).toBe(true)
  })

  test('fails as often as it is read, also when the stack of the C library would be full', async () => {
    const table = await openFallback(withBadChunk('/fletcher32', 0), '/fletcher32')
    const columns = columnsFor(table.spec, 10)
    const { signal } = new AbortController()
    for (let i = 0; i < 200; i++) await expect(table.read(0, 10, columns, 0, { signal })).rejects.toMatchObject({ kind: 'Corrupt' })
    await table.read(10, 10, columns, 0, { signal })
    const right = Buffer.from(EXPECTED['filters.h5']!['/fletcher32']!.columns['']!.base64!, 'base64')
    expect(Buffer.from(shown(columns)['']!.base64!, 'base64').equals(right.subarray(280, 560))).toBe(true)
  })

  test('in compressed data gives an error or the right values', async () => {
    const random = generator(3)
    for (const path of ['/gzip', '/lzf', '/zstd', '/blosc-zstd-bitshuffle', '/bitshuffle-lz4', '/bz2']) {
      const [offset, size] = EXPECTED['filters.h5']![path]!.chunks![1]!
      const bytes = fixtureBytes('filters.h5')
      bytes.fill(random(256), offset + random(size >> 1), offset + size)
      const table = await openFallback(bytes, path)
      try {
        const values = shown(await readRows(table))['']!
        expect(values.shape).toEqual([44, 7]) // Without a checksum what decompresses is taken for right.
      } catch (error) {
        expect([path, error]).toEqual([path, expect.objectContaining({ kind: 'Corrupt' })])
      }
    }
  })
})

describe('a file that is cut off', () => {
  test('at any byte is Truncated, before h5wasm is asked', async () => {
    const whole = fixtureBytes('groups.h5')
    for (let length = 0; length < whole.length; length += length < 256 ? 1 : 16) {
      await openFallback(whole.subarray(0, length), '/data/train/x').then(
        () => { throw new Error(`opened with ${length} bytes`) },
        error => expect([length, error.kind]).toEqual([length, length === 0 ? 'Corrupt' : 'Truncated'])
      )
    }
  })

  test('is noticed by HDF5 as well, and zeros are not made up, when the stated size is a lie', async () => {
    const whole = fixtureBytes('filters.h5')
    const [offset] = EXPECTED['filters.h5']!['/zstd']!.chunks![1]!
    const cut = whole.slice(0, offset + 5)
    new DataView(cut.buffer).setBigUint64(40, BigInt(cut.length), true) // the end of the file, in a superblock of version 0
    const outcome = await openFallback(cut, '/zstd').then(readRows).then(() => 'read', error => error.kind as string)
    expect(['Truncated', 'Corrupt']).toContain(outcome)
  })
})

describe('damaged metadata', () => {
  test('give a typed error or rows of the right form, and never a hang', async () => {
    const random = generator(11)
    const whole = fixtureBytes('groups.h5')
    for (let i = 0; i < 6; i++) {
      const bytes = patched('groups.h5', { [96 + random(whole.length - 96)]: random(256), [96 + random(3000)]: random(256) })
      try {
        const table = await openFallback(bytes, { x: '/data/train/x', y: '/data/train/y' })
        await readRows(table)
      } catch (error) {
        expect([i, isMillraceError(error) ? 'typed' : error]).toEqual([i, 'typed'])
      }
      await closeTables()
    }
  })
})

describe('the store', () => {
  test('has its own errors passed on, and is asked again by the next read', async () => {
    const good = memorySource(await bigFile())
    let fail = false
    const source: ByteSource = {
      ...good,
      async read(offset, into, options) {
        if (fail) throw new MillraceError('Unavailable', 'the disk is gone')
        return good.read(offset, into, options)
      }
    }
    const table = await openFallback(source, '/x')
    fail = true
    const columns = columnsFor(table.spec, BIG_ROWS)
    const { signal } = new AbortController()
    await expect(table.read(0, BIG_ROWS, columns, 0, { signal })).rejects.toMatchObject({ kind: 'Unavailable', message: 'the disk is gone' })
    fail = false
    await table.read(0, BIG_ROWS, columns, 0, { signal })
    expect(isBig(columns)).toBe(true)
    fail = true
    await expect(openFallback(source, '/x')).rejects.toMatchObject({ kind: 'Unavailable', message: 'the disk is gone' })
  })
})

describe('without the packages', () => {
  test('an error says which one to install', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-h5wasm-'))
    try {
      await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true, filter: path => !/\.(map|d\.ts)$/.test(path) })
      await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
      await writeFile(join(folder, 'run.js'), `
        import { readFileSync } from 'node:fs'
        import { openFallbackTable } from './dist/formats/hdf5/h5wasm/fallback.js'
        const bytes = readFileSync(process.argv[2])
        const source = { uri: 'mem://x.h5', byteLength: bytes.length, version: '1', read: async (at, into) => { into.set(bytes.subarray(at, at + into.length)) }, close: async () => {} }
        const options = { signal: new AbortController().signal, cacheBytes: 1e6, maxChunkBytes: 1e6 }
        try {
          await openFallbackTable(source, '/zstd', options)
        } catch ({ kind, message }) {
          console.log(JSON.stringify({ kind, message }))
        }
      `)
      const run = async (): Promise<unknown> => JSON.parse((await promisify(execFile)(process.execPath, [join(folder, 'run.js'), join(ROOT, 'test/fixtures/hdf5/filters.h5')], { env: {} })).stdout)
      expect(await run()).toEqual({ kind: 'MissingPackage', message: expect.stringMatching(/npm install "h5wasm@>=0\.10\.0"/) })
      await mkdir(join(folder, 'node_modules'))
      await symlink(join(ROOT, 'node_modules/h5wasm'), join(folder, 'node_modules/h5wasm'))
      expect(await run()).toEqual({ kind: 'Unsupported', message: expect.stringMatching(/filter 32015 \(.*\).*npm install "h5wasm-plugins@>=0\.2\.0"/) })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
