import { afterEach, describe, expect, test } from '@jest/globals'
import type { Hdf5File } from '../../../formats/hdf5/index.js'
import type { Table } from '../../../src/format.js'
import { closeTables, EXPECTED, fixtureBytes, openFallback, rowsOf, shown, type Dataset } from './h5wasm-support.js'
import { columnsFor, EXPECTED as LAYOUTS, fixture, isLeaf, named, openBytes, readRows } from './support.js'

afterEach(closeTables)

/** Its plug-in needs a function that h5wasm does not have; the error is tested elsewhere. */
const UNREADABLE = '/blosc-zlib'

/** Datasets with the same number of rows, which are read by one thread. */
function groups(datasets: Readonly<Record<string, Dataset>>): (readonly [rows: number, paths: readonly string[]])[] {
  const byRows = new Map<number, string[]>()
  for (const [path, dataset] of Object.entries(datasets)) {
    if (path !== UNREADABLE) byRows.set(rowsOf(dataset), [...(byRows.get(rowsOf(dataset)) ?? []), path])
  }
  return [...byRows]
}

/** The columns of one key. */
function under(key: string, columns: Dataset['columns']): Dataset['columns'] {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => name === key || name.startsWith(`${key}.`)).map(([name, column]) => [name.slice(key.length + 1), column]))
}

/** What our own reader makes of it, if it reads it. */
async function ownTable(file: Hdf5File, path: string): Promise<Table | undefined> {
  try {
    return (await file.dataset(path)).table()
  } catch (error) {
    expect(error).toMatchObject({ kind: 'Unsupported' })
    return undefined
  }
}

describe.each(Object.entries(EXPECTED))('h5wasm reads from %s', (name, datasets) => {
  test.each(groups(datasets))('the values that h5py reads and our own reader too, of datasets with %d rows: %j', async (rows, paths) => {
    const table = await openFallback(fixtureBytes(name), Object.fromEntries(paths.map(path => [path, path])))
    expect(table.rows).toBe(rows)
    const columns = shown(await readRows(table))
    for (const path of paths) expect([path, under(path, columns)]).toEqual([path, datasets[path]!.columns])

    const file = await openBytes(fixtureBytes(name))
    for (const path of paths) {
      const own = await ownTable(file, path)
      if (own === undefined) continue
      expect(own.rows).toBe(rows)
      expect([path, shown(await readRows(own))]).toEqual([path, datasets[path]!.columns])
      for (const [column, leaf] of isLeaf(own.spec) ? [['', own.spec] as const] : Object.entries(own.spec)) {
        expect((table.spec as Record<string, unknown>)[column === '' ? path : `${path}.${column}`]).toEqual(leaf)
      }
    }
  })
})

describe('h5wasm reads from the files of all layouts', () => {
  /** The other files hold the same in other versions; all of them are read when more fuzzing is asked for. */
  const some = ['layouts-v110', 'filters-latest', 'types-latest', 'user-block', 'user-block-old']
  const names = process.env['MILLRACE_FUZZ'] === undefined ? some : Object.keys(LAYOUTS)

  test.each(names)('the values that our own reader reads from %s', async name => {
    const byRows = new Map<number, string[]>()
    for (const [path, { rows }] of Object.entries(LAYOUTS[name]!)) byRows.set(rows, [...(byRows.get(rows) ?? []), path])
    const file = await openBytes(fixture(name))
    for (const paths of byRows.values()) {
      const table = await openFallback(fixture(name), Object.fromEntries(paths.map(path => [path, path])))
      const columns = shown(await readRows(table))
      for (const path of paths) {
        const own = (await file.dataset(path)).table()
        expect([path, under(path, columns)]).toEqual([path, shown(await readRows(own))])
        expect(table.rows).toBe(own.rows)
      }
      await closeTables()
    }
  }, 60_000)
})

describe('h5wasm', () => {
  test('reads a single dataset without a key, and a compound as its members', async () => {
    const bytes = fixtureBytes('types.h5')
    const [bool, nested] = await Promise.all([openFallback(bytes, 'bool'), openFallback(bytes, '/nested')])
    expect(bool.spec).toEqual({ dtype: 'bool', shape: [3] })
    expect(shown(await readRows(bool))).toEqual(EXPECTED['types.h5']!['/bool']!.columns)
    expect(Object.keys(nested.spec)).toEqual(['inner.x', 'inner.flag', 'z', 'name', 'grid', 'pairs.x', 'pairs.flag'])
    expect(nested.blockRows).toBe(3)
    expect(shown(await readRows(nested))).toEqual(EXPECTED['types.h5']!['/nested']!.columns)
  })

  test('reads in blocks that suit the chunks of all datasets, and any rows that are asked for', async () => {
    const table = await openFallback(fixtureBytes('groups.h5'), { y: '/data/train/y', coarse: '/data/train/coarse', x: '/data/train/x' })
    expect(table.blockRows).toBe(6)
    const columns = columnsFor(table.spec, 4)
    await Promise.all([0, 1, 2, 3].map(row => table.read(row, 1, columns, row, { signal: new AbortController().signal })))
    const { x, y } = named(columns)
    expect([...x!.data as Float32Array]).toEqual(Array.from({ length: 12 }, (_, i) => i))
    expect([...y!.data as Uint8Array]).toEqual([0, 1, 2, 3])
  })

  test('keeps its place among other rows of the columns', async () => {
    const table = await openFallback(fixtureBytes('groups.h5'), '/data/train/x')
    const columns = columnsFor(table.spec, 5)
    await table.read(1, 2, columns, 2, { signal: new AbortController().signal })
    expect([...(named(columns)['']!.data as Float32Array).subarray(6, 12)]).toEqual([3, 4, 5, 6, 7, 8])
    await expect(table.read(3, 2, columns, 0, { signal: new AbortController().signal })).rejects.toThrow(RangeError)
  })
})
