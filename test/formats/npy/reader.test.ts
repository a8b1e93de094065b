import { describe, expect, test } from '@jest/globals'
import { inspectNpy, npy } from '../../../formats/npy/index.js'
import type { NpyOptions } from '../../../formats/npy/options.js'
import { isMillraceError, type TableReader } from '../../../src/format.js'
import { fixture, fixtureJson, fixtureNames, memorySource, notedColumns, open, readStacked, type NotedColumn } from './support.js'

interface Expected {
  readonly shape: readonly number[]
  readonly columns: readonly NotedColumn[]
  readonly options?: NpyOptions
  readonly units?: readonly (string | null)[]
  readonly error?: string
}

const { files } = fixtureJson<{ readonly files: { readonly [name: string]: Expected } }>('npy/expected.json')
const names = fixtureNames('npy', '.npy').filter((name) => !name.startsWith('ours-'))
const readable = names.filter((name) => files[name]?.error === undefined)

function expectedOf(name: string): Expected {
  const expected = files[name]
  if (expected === undefined) throw new Error(`nothing is expected of ${name}`)
  return expected
}

async function rowsOf(reader: TableReader, from?: number): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const { elements } of reader.read(0, { from, signal: new AbortController().signal })) rows.push(...elements)
  return rows
}

test('every fixture is expected to be something, and the other way round', () => {
  expect(names).toEqual(Object.keys(files).sort())
})

describe('rows, stacked, are what NumPy reads', () => {
  test.each(readable)('%s', async (name) => {
    const { shape, columns, options = {} } = expectedOf(name)
    const rank0 = shape.length === 0
    const rows = shape[0] ?? 1
    for (const fortranBytes of [1, 40, 32 << 20]) {
      const reader = await open(npy, memorySource(fixture(`npy/${name}.npy`)), { ...options, fortranBytes })
      expect(reader.fragments).toEqual([{ count: rows }])
      const { parts, error } = await readStacked(reader, rows + 1)
      expect(error).toBeUndefined()
      expect(parts.length).toBe(rows === 0 ? 0 : 1)
      if (rows === 0) continue
      expect(notedColumns(parts[0]!.stacked)).toEqual(columns.map((column) => ({ ...column, shape: rank0 ? [1, ...column.shape] : column.shape })))
    }
  })
})

describe('the whole array as one element is what NumPy reads', () => {
  test.each(readable)('%s', async (name) => {
    const { columns, options = {} } = expectedOf(name)
    const reader = await open(npy, memorySource(fixture(`npy/${name}.npy`)), { ...options, element: 'file' })
    expect(reader.fragments).toEqual([{ count: 1 }])
    const { parts } = await readStacked(reader, 2)
    expect(notedColumns(parts[0]!.stacked)).toEqual(columns.map((column) => ({ ...column, shape: [1, ...column.shape] })))
  })
})

describe('rows by ordinal, and those behind any of them, are those of a reading in order', () => {
  test.each(readable)('%s', async (name) => {
    const { shape, options = {} } = expectedOf(name)
    const reader = await open(npy, memorySource(fixture(`npy/${name}.npy`)), { ...options, fortranBytes: 40 })
    const rows = await rowsOf(reader)
    expect(rows.length).toBe(shape[0] ?? 1)
    const ordinals = rows.map((_, i) => (i * 7 + 3) % rows.length)
    expect(await reader.get!(0, ordinals, { signal: new AbortController().signal })).toEqual(ordinals.map((i) => rows[i]))
    for (let from = 0; from <= rows.length; from++) expect(await rowsOf(reader, from)).toEqual(rows.slice(from))
  })
})

describe('what cannot be read is refused when the file is opened', () => {
  test.each(names.filter((name) => files[name]?.error !== undefined))('%s', async (name) => {
    const source = memorySource(fixture(`npy/${name}.npy`))
    const error: unknown = await open(npy, source, {}).then(() => undefined, (reason: unknown) => reason)
    if (!isMillraceError(error)) throw new Error(`not a typed error: ${String(error)}`)
    expect(error.kind).toBe(expectedOf(name).error)
    expect(error.uri).toBe(source.uri)
    expect(typeof error.offset).toBe('number')
    expect(error.message).toMatch(/^mem:\/\/bucket\/file, byte \d+: /)
  })

  test('an object array is refused with the way to save it without pickle', async () => {
    await expect(open(npy, memorySource(fixture('npy/object.npy')), {})).rejects.toThrow(/pickled Python objects.*array\.astype/)
  })

  test('text that is no UTF-8 names the option that reads it, and the byte', async () => {
    const reader = await open(npy, memorySource(fixture('npy/bytes-latin1.npy')), {})
    const { error } = await readStacked(reader, 9)
    expect(error).toMatchObject({ kind: 'Corrupt', offset: 128, message: expect.stringContaining("strings: 'latin1'") })
  })
})

describe('inspectNpy', () => {
  test.each(readable)('tells what is in %s', async (name) => {
    const { shape, columns, units, options } = expectedOf(name)
    if (options?.strings === 'bytes') return
    const source = memorySource(fixture(`npy/${name}.npy`))
    const info = await inspectNpy(source)
    expect(info.columns.map((column) => ({ name: column.name, dtype: column.dtype, shape: [...info.shape, ...column.shape] })))
      .toEqual(columns.map((column) => ({ name: column.name, dtype: column.dtype, shape: column.shape })))
    if (name !== 'tuple-dtype') expect(info.shape).toEqual(shape)
    expect(info.columns.map(({ unit }) => unit ?? null)).toEqual(units ?? columns.map(() => null))
    expect(info.dataOffset + info.dataBytes).toBe(source.byteLength)
    expect(info.header).toContain('shape')
  })
})

describe('reading', () => {
  test('asks for the header, and then for each range once', async () => {
    const source = memorySource(fixture('npy/i8-be.npy'))
    const reader = await open(npy, source, {})
    await readStacked(reader, 5)
    expect(source.ranges).toEqual([[0, 368], [128, 240]])
    source.ranges.length = 0
    await reader.get!(0, [3], { signal: new AbortController().signal })
    expect(source.ranges.length).toBe(1)
  })

  test('asks for the rest of a header that is longer than the first read', async () => {
    const source = memorySource(fixture('npy/version2-long.npy'))
    await open(npy, source, {})
    expect(source.ranges.length).toBe(2)
    expect(source.ranges[0]).toEqual([0, 1024])
  })

  test('transposes an array in Fortran order with one pass over the file where the block is the whole array', async () => {
    const source = memorySource(fixture('npy/f4-le-fortran.npy'))
    await readStacked(await open(npy, source, {}), 5)
    expect(source.ranges).toEqual([[0, 248], [128, 120]])
  })
})
