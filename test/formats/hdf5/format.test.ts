import { describe, expect, test } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { Dataset } from '../../../src/index.js'
import type { FormatReader } from '../../../src/format.js'
import { hdf5, resolveHdf5Options, type Hdf5Options } from '../../../formats/hdf5/index.js'
import { fixture, memorySource, named, openBytes, readRows, type CountingSource } from './support.js'

const BYTES = fixture('mixed')
const { signal } = new AbortController()
const context = { signal, beside: async () => null }
const open = (options: Hdf5Options, source: CountingSource = memorySource(BYTES)): Promise<FormatReader<unknown>> => hdf5.open(source, options, context)

async function rowsOf(reader: FormatReader<unknown>, from?: number): Promise<unknown[]> {
  const rows: unknown[] = []
  try {
    for await (const { elements } of reader.read(0, { signal, ...(from === undefined ? {} : { from }) })) rows.push(...elements)
  } finally {
    await reader.close?.()
  }
  return rows
}

describe('rows', () => {
  test('of one dataset are its values', async () => {
    expect(await rowsOf(await open({ datasets: '/ids' }))).toHaveLength(40)
    expect((await rowsOf(await open({ datasets: 'ys' })))[0]).toMatchObject({ dtype: 'uint16', shape: [] })
    expect((await rowsOf(await open({ datasets: '/points' })))[3]).toMatchObject({ x: { dtype: 'int32', shape: [] } })
  })

  test('of several datasets are objects, with the members of compounds under their key', async () => {
    const rows = await rowsOf(await open({ datasets: { xs: '/xs', ys: '/ys', at: '/points' } }))
    expect(Object.keys(rows[0] as object)).toEqual(['xs', 'ys', 'at.x', 'at.y'])
    expect(rows).toHaveLength(40)
    const alone = await rowsOf(await open({ datasets: '/xs' }))
    expect(rows.map(row => (row as { xs: unknown }).xs)).toEqual(alone)
  })

  test('resume anywhere', async () => {
    const options = { datasets: { xs: '/xs', ys: '/ys' } }
    const all = await rowsOf(await open(options))
    for (let from = 0; from <= 40; from++) expect(await rowsOf(await open(options), from)).toEqual(all.slice(from))
  })

  test('by ordinal are those in order', async () => {
    const options = { datasets: { xs: '/xs', ids: '/ids', ys: '/ys' } }
    const all = await rowsOf(await open(options))
    const reader = await open(options)
    const ordinals = [39, 0, 17, 17, 15, 16, 7, 38, 3]
    expect(await reader.get!(0, ordinals, { signal })).toEqual(ordinals.map(i => all[i]))
  })

  test('come through Dataset.hdf5, in batches', async () => {
    const path = fileURLToPath(new URL('../../fixtures/hdf5/layout/mixed.h5', import.meta.url))
    const batches: unknown[] = []
    for await (const batch of Dataset.hdf5(path, { xs: '/xs', ys: '/ys' }).batch(16)) batches.push(batch)
    expect(batches).toMatchObject([{ xs: { shape: [16, 3, 2] }, ys: { shape: [16] } }, { xs: { shape: [16, 3, 2] } }, { xs: { shape: [8, 3, 2] } }])
  })

  test('of datasets of unequal length are a Mismatch that says which', async () => {
    await expect(open({ datasets: { xs: '/xs', ys: '/short' } })).rejects.toMatchObject({
      kind: 'Mismatch', keyPath: 'ys', message: expect.stringContaining("'ys' has 39 rows and 'xs' has 40")
    })
  })
})

describe('what is not read here', () => {
  const cases = [
    ['/scaled', /scaleoffset \(6\).*h5wasm-plugins/], ['/references', /a reference/], ['/ragged', /a sequence of variable length/], ['/virtual', /virtual/],
    ['/elsewhere', /in other files/]
  ] as const

  test.each(cases)('%s is Unsupported, and the message says why', async (path, message) => {
    await expect(open({ datasets: path, reader: 'own' })).rejects.toMatchObject({
      kind: 'Unsupported', uri: 'mem://bucket/file.h5', keyPath: path, message: expect.stringMatching(message), offset: expect.any(Number)
    })
    const { members } = await (await openBytes(BYTES)).inspect()
    expect(members).toContainEqual(expect.objectContaining(path === '/scaled' ? { kind: 'dataset', path, shape: [40] } : { kind: 'unsupported', path }))
  })

  test('comes from the fallback, side by side with the rest', async () => {
    const rows = await rowsOf(await open({ datasets: { ys: '/ys', scaled: '/scaled' } }))
    const own = await rowsOf(await open({ datasets: '/ys', reader: 'own' }))
    const scaled = rows.map(row => (row as { scaled: { data: Int32Array } }).scaled.data[0])
    expect(rows.map(row => (row as { ys: unknown }).ys)).toEqual(own)
    expect(scaled).toEqual(Array.from({ length: 40 }, (_, i) => i))
    expect(await rowsOf(await open({ datasets: '/scaled' }))).toHaveLength(40)
  })

  test('may be all of it', async () => {
    expect(await rowsOf(await open({ datasets: '/xs', reader: 'h5wasm' }))).toEqual(await rowsOf(await open({ datasets: '/xs', reader: 'own' })))
  })
})

describe('limits', () => {
  test('a row above maxChunkBytes is a Limit error before memory is taken', async () => {
    await expect(open({ datasets: '/wide' })).rejects.toMatchObject({ kind: 'Limit', message: expect.stringContaining('maxChunkBytes') })
    await expect(open({ datasets: '/xs', maxChunkBytes: 23 })).rejects.toMatchObject({ kind: 'Limit' })
  })

  test('a dataset of any number of rows costs nothing before they are read', async () => {
    const reader = await open({ datasets: '/endless' })
    expect(reader.fragments).toEqual([{ count: 2 ** 45 }])
    const rows = await reader.get!(0, [2 ** 45 - 1, 5], { signal })
    expect(rows.map(row => (row as { data: ArrayLike<number> }).data[0])).toEqual([7, 7])
  })

  test('a chunk is fetched and decoded once, however the ranges fall', async () => {
    const source = memorySource(BYTES)
    const table = (await (await openBytes(source)).dataset('/xs')).table()
    source.ranges.length = 0
    for (let row = 0; row < 40; row++) await readRows(table, row, 1)
    // 3 rows of chunks, 2 of them side by side.
    expect(source.ranges).toHaveLength(6)
    source.ranges.length = 0
    await Promise.all(Array.from({ length: 40 }, (_, row) => readRows(table, row, 1)))
    expect(source.ranges).toHaveLength(0)
  })

  test('neighbours in the file are fetched together', async () => {
    const source = memorySource(BYTES)
    const table = (await (await openBytes(source)).dataset('/xs')).table()
    source.ranges.length = 0
    await readRows(table)
    expect(source.ranges.length).toBeLessThanOrEqual(2)
  })

  test('an abort ends a read with its reason', async () => {
    const table = (await (await openBytes(BYTES)).dataset('/xs')).table()
    const reason = new Error('enough')
    const columns = await readRows(table)
    await expect(table.read(0, 40, columns, 0, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(named(await readRows(table))).toEqual(named(columns))
  })
})

describe('options', () => {
  test.each([
    [undefined, TypeError], [{}, TypeError], [{ datasets: '' }, RangeError], [{ datasets: '//' }, RangeError], [{ datasets: {} }, RangeError],
    [{ datasets: { xs: 5 } }, TypeError], [{ datasets: ['/x'] }, TypeError], [{ datasets: '/x', reader: 'hdf' }, RangeError],
    [{ datasets: '/x', cacheBytes: -1 }, RangeError], [{ datasets: '/x', cacheBytes: '5' }, TypeError], [{ datasets: '/x', maxChunkBytes: 0 }, RangeError]
  ])('%j are refused', (options, type) => {
    expect(() => resolveHdf5Options(options as unknown as Hdf5Options)).toThrow(type)
  })

  test('have defaults', () => {
    expect(resolveHdf5Options({ datasets: { xs: '/images' } })).toEqual({ datasets: { xs: '/images' }, reader: 'auto', cacheBytes: 2 ** 26, maxChunkBytes: 2 ** 30 })
  })
})
