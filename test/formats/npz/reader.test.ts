import { describe, expect, test } from '@jest/globals'
import { inspectNpz, npz } from '../../../formats/npz/index.js'
import type { NpzOptions } from '../../../formats/npz/options.js'
import { isMillraceError, type NdArray, type TableReader } from '../../../src/format.js'
import { fixture, fixtureJson, fixtureNames, memorySource, notedColumns, open, readStacked, type NotedColumn } from '../npy/support.js'
import { npyFile, zipFile } from './support.js'

interface Expected {
  /** Nothing when the arrays are not of one length. */
  readonly rows?: number | null
  readonly columns: readonly NotedColumn[]
  readonly error?: string
}

const { files } = fixtureJson<{ readonly files: { readonly [name: string]: Expected } }>('npz/expected.json')
const names = fixtureNames('npz', '.npz').filter((name) => !name.startsWith('ours-'))
const readable = names.filter((name) => files[name]?.error === undefined)
const inRows = readable.filter((name) => typeof files[name]?.rows === 'number')
const { signal } = new AbortController()
const SLOPE = Float64Array.from({ length: 1_000_000 }, (_, i) => i >>> 6)
const COUNT = Int16Array.from({ length: 1_000_000 }, (_, i) => i)
/** Two arrays, of which one comes out of zlib in more pieces than the other. */
const LONG = zipFile([
  { name: 'a.npy', data: npyFile('<f8', [1_000_000], SLOPE), method: 8 },
  { name: 'b.npy', data: npyFile('<i2', [1_000_000], COUNT), method: 8 }
])

function expectedOf(name: string): Expected {
  const expected = files[name]
  if (expected === undefined) throw new Error(`nothing is expected of ${name}`)
  return expected
}

const openFixture = (name: string, options: NpzOptions = {}): Promise<TableReader> => open(npz, memorySource(fixture(`npz/${name}.npz`)), options)

async function rowsOf(reader: TableReader, from?: number): Promise<unknown[]> {
  const rows: unknown[] = []
  for await (const { elements } of reader.read(0, { from, signal })) rows.push(...elements)
  return rows
}

/** The error that opening ends with. */
async function refusal(bytes: Uint8Array, options: NpzOptions = {}): Promise<unknown> {
  const reader = await open(npz, memorySource(bytes), options).catch((error: unknown) => error)
  return reader
}

test('every fixture is expected to be something, and the other way round', () => {
  expect(names).toEqual(Object.keys(files).sort())
})

describe('rows across the arrays, stacked, are what NumPy reads', () => {
  test.each(inRows)('%s', async (name) => {
    const { rows, columns } = expectedOf(name)
    const reader = await openFixture(name)
    expect(reader.fragments).toEqual([{ count: rows }])
    const { parts, error } = await readStacked(reader, (rows as number) + 1)
    expect(error).toBeUndefined()
    expect(parts.length).toBe(rows === 0 ? 0 : 1)
    const scalars = columns.every(({ shape }) => shape.length === 0)
    if (rows !== 0) expect(notedColumns(parts[0]!.stacked)).toEqual(columns.map((column) => (scalars ? { ...column, shape: [1] } : column)))
    await reader.close?.()
  })
})

describe('the whole file as one element is what NumPy reads', () => {
  test.each(readable)('%s', async (name) => {
    const reader = await openFixture(name, { element: 'file' })
    expect(reader.fragments).toEqual([{ count: 1 }])
    for (let pass = 0; pass < 2; pass++) {
      const { parts, error } = await readStacked(reader, 2)
      expect(error).toBeUndefined()
      expect(notedColumns(parts[0]!.stacked)).toEqual(expectedOf(name).columns.map((column) => ({ ...column, shape: [1, ...column.shape] })))
    }
    await reader.close?.()
  })
})

describe('rows behind any row are those of a reading in order, whatever was read before', () => {
  test.each(inRows)('%s', async (name) => {
    const reader = await openFixture(name)
    const rows = await rowsOf(reader)
    const order = rows.map((_, i) => (i * 7 + 3) % rows.length)
    for (const from of [...order.slice(0, 60), rows.length]) expect(await rowsOf(reader, from)).toEqual(rows.slice(from))
    expect(await reader.get?.(0, order, { signal })).toEqual(order.map((i) => rows[i]))
    await reader.close?.()
  })

  test('a stream that is many pieces long', async () => {
    const reader = await open(npz, memorySource(LONG), {})
    for (const from of [0, 999_999, 500_000, 0, 123_456]) {
      const { parts } = await readStacked(reader, 1_000_000, from)
      const { a, b } = parts[0]?.stacked as { readonly [key: string]: NdArray<'float64' | 'int16'> }
      expect(Buffer.from(a!.data.buffer).equals(Buffer.from(SLOPE.buffer, 8 * from))).toBe(true)
      expect(Buffer.from(b!.data.buffer).equals(Buffer.from(COUNT.buffer, 2 * from))).toBe(true)
    }
    await reader.close?.()
  })
})

describe('keys', () => {
  test('choose arrays, in their order', async () => {
    const [row] = await rowsOf(await openFixture('stored', { keys: ['labels', 'half'] }))
    expect(Object.keys(row as object)).toEqual(['labels', 'half'])
  })

  test('give arrays other names', async () => {
    const [row] = await rowsOf(await openFixture('deflated', { keys: { xs: 'images', ys: 'labels', again: 'labels' } }))
    expect(Object.keys(row as object)).toEqual(['xs', 'ys', 'again'])
    expect((row as { readonly ys: unknown }).ys).toBe(-25n)
  })

  test('may be names of members', async () => {
    expect(await rowsOf(await openFixture('one', { keys: ['x.npy'] }))).toHaveLength(3)
  })

  test('that are not in the file are an error that says what is', async () => {
    await expect(openFixture('stored', { keys: ['label'] })).rejects.toMatchObject({
      kind: 'NotFound', keyPath: 'label', message: 'mem://bucket/file: there is no array "label" in it; there is images, labels, weights, names, half'
    })
  })

  test('of something else than an array are an error', async () => {
    await expect(openFixture('others', { keys: ['readme.txt'] })).rejects.toMatchObject({ kind: 'Corrupt', keyPath: 'readme.txt' })
  })

  test('of arrays with different first axes are an error that names both', async () => {
    await expect(openFixture('uneven')).rejects.toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('x has 3 rows and y has 4 rows') })
    await expect(openFixture('uneven', { keys: ['x', 'step'] })).rejects.toThrow('x has 3 rows and step has no axis')
    expect(await rowsOf(await openFixture('uneven', { keys: ['y'] }))).toHaveLength(4)
  })

  test('that make two columns of one name are an error', async () => {
    await expect(openFixture('mixed-stored', { keys: { rec: 'rec', 'rec.x': 'images' } })).rejects.toMatchObject({ kind: 'Mismatch', keyPath: 'rec.x' })
  })
})

describe('what cannot be read is refused when the file is opened', () => {
  test.each(names.filter((name) => files[name]?.error !== undefined))('%s', async (name) => {
    const error = await refusal(fixture(`npz/${name}.npz`))
    if (!isMillraceError(error)) throw new Error(`not a typed error: ${String(error)}`)
    expect(error).toMatchObject({ kind: expectedOf(name).error, uri: 'mem://bucket/file' })
    expect(typeof error.offset).toBe('number')
  })
})

describe('checksums', () => {
  const rows = Float64Array.from({ length: 1_100_000 }, (_, i) => i >>> 6)
  const damaged = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = bytes.slice()
    copy[at] = (copy[at] as number) ^ 1
    return copy
  }

  test('of a deflated array are checked when its end is reached; going on fails without decompressing again', async () => {
    const whole = zipFile([{ name: 'a.npy', data: npyFile('<f8', [rows.length], rows), method: 8, crcError: true }])
    const source = memorySource(whole)
    const reader = await open(npz, source, {})
    const { parts, error } = await readStacked(reader, 100_000)
    const count = parts.reduce((sum, part) => sum + part.rows, 0)
    expect(count).toBe(8 * 2 ** 17)
    expect(error).toMatchObject({ kind: 'Corrupt', offset: rows.byteLength + 128, message: expect.stringContaining('checksum') })
    source.ranges.length = 0
    expect((await readStacked(reader, 100_000, rows.length - 1)).error).toMatchObject({ kind: 'Corrupt' })
    expect(source.ranges).toEqual([])
    expect((await readStacked(reader, 10, 5)).parts[0]?.rows).toBe(10)
    await reader.close?.()
  })

  test('of a deflated array of up to 2 MiB are checked before the first row is given', async () => {
    const bytes = zipFile([{ name: 'a.npy', data: npyFile('<f8', [100_000], rows.subarray(0, 100_000)), method: 8, crcError: true }])
    const { parts, error } = await readStacked(await open(npz, memorySource(bytes), {}), 10)
    expect(parts).toEqual([])
    expect(error).toMatchObject({ kind: 'Corrupt', message: expect.stringContaining('checksum') })
  })

  test('of a small stored array beside another are checked before the first row is given', async () => {
    const a = npyFile('<f8', [1000], rows.subarray(0, 1000))
    const bytes = zipFile([{ name: 'a.npy', data: a, method: 0 }, { name: 'b.npy', data: a, method: 0, crcError: true }])
    const { parts, error } = await readStacked(await open(npz, memorySource(bytes), {}), 10)
    expect(parts).toEqual([])
    expect(error).toMatchObject({ kind: 'Corrupt', keyPath: 'b.npy', next: 1000 })
  })

  test('of a stored array are checked when the file is one element, and not when rows are read', async () => {
    const whole = damaged(zipFile([{ name: 'a.npy', data: npyFile('<f8', [rows.length], rows), method: 0 }]), 5000)
    expect((await readStacked(await open(npz, memorySource(whole), { element: 'file' }), 1)).error).toMatchObject({ kind: 'Corrupt', offset: 35 })
    expect((await readStacked(await open(npz, memorySource(whole), {}), rows.length)).error).toBeUndefined()
  })

  test('of arrays without data are checked when the file is opened', async () => {
    for (const method of [0, 8]) {
      const bytes = zipFile([{ name: 'a.npy', data: npyFile('<f8', [0, 3], new Float64Array(0)), method, crcError: true }])
      expect(await refusal(bytes)).toMatchObject({ kind: 'Corrupt', message: expect.stringContaining('checksum') })
    }
  })
})

describe('limits', () => {
  const zeros = npyFile('<f8', [1000, 1000], new Float64Array(1e6))
  const bomb = zipFile([{ name: 'a.npy', data: zeros, method: 8 }, { name: 'b.npy', data: zeros, method: 8 }])

  test('maxInflatedBytes bounds all deflated arrays that are read', async () => {
    expect(await refusal(bomb, { maxInflatedBytes: 12e6 })).toMatchObject({ kind: 'Limit', keyPath: 'b.npy' })
    const reader = await open(npz, memorySource(bomb), { maxInflatedBytes: 12e6, keys: ['a'] })
    expect(reader.fragments).toEqual([{ count: 1000 }])
    await reader.close?.()
  })

  test('maxRowBytes bounds what one row takes, or the whole file as one element', async () => {
    expect(await refusal(bomb, { maxRowBytes: 15_999 })).toMatchObject({ kind: 'Limit' })
    expect(await refusal(bomb, { maxRowBytes: 15_999_999, element: 'file' })).toMatchObject({ kind: 'Limit' })
    for (const options of [{ maxRowBytes: 16_000 }, { maxRowBytes: 16_000_000, element: 'file' }] as const) await (await open(npz, memorySource(bomb), options)).close?.()
  })

  test('maxRowBytes bounds deflated arrays in Fortran order, which have to be kept whole', async () => {
    await expect(openFixture('mixed-deflated', { keys: ['f'], maxRowBytes: 5599 })).rejects.toMatchObject({ kind: 'Limit', message: expect.stringContaining('ascontiguousarray') })
    const reader = await openFixture('mixed-deflated', { keys: ['f'], maxRowBytes: 5600 })
    expect(await reader.get?.(0, [49, 0], { signal })).toHaveLength(2)
    await reader.close?.()
  })

  test('more decompressed bytes than deflate can make of the compressed ones are refused before memory is taken', async () => {
    const bytes = zipFile([{ name: 'a.npy', data: zeros, method: 8, claim: 2 ** 40 }])
    expect(await refusal(bytes, { maxInflatedBytes: 2 ** 50, maxRowBytes: 2 ** 50 })).toMatchObject({ kind: 'Corrupt' })
  })

  test('members that share bytes are refused', async () => {
    const bytes = zipFile([{ name: 'a.npy', data: zeros, method: 8 }, { name: 'b.npy', data: zeros, method: 8, sharesWithFirst: true }])
    expect(await refusal(bytes)).toMatchObject({ kind: 'Corrupt' })
  })
})

describe('reading', () => {
  test('stored rows reads the end, the headers, and then one range per array and block', async () => {
    const [x, y, label] = [new Float32Array(500_000), new Int8Array(1_000_000), new Uint8Array(500_000)]
    const source = memorySource(zipFile([
      { name: 'x.npy', data: npyFile('<f4', [500_000], x), method: 0 }, { name: 'y.npy', data: npyFile('|i1', [500_000, 2], y), method: 0 },
      { name: 'label.npy', data: npyFile('|u1', [500_000], label), method: 0 }
    ]))
    const reader = await open(npz, source, {})
    const lengths = (): number[] => source.ranges.splice(0).map(([, length]) => length)
    expect(lengths()).toEqual([8192, 547, 547, 551])
    await reader.get?.(0, [7], { signal })
    // The small array is read once, whole, with its checksum: first its header for that.
    expect(lengths()).toEqual([4, 2, 128, 500_000])
    await reader.get?.(0, [70, 71], { signal })
    expect(lengths()).toEqual([8, 4])
    await readStacked(reader, 500_000)
    expect(lengths().slice(0, 2)).toEqual([599_184, 299_592])
  })

  test('small deflated arrays are one block, which has access by ordinal; large ones have none', async () => {
    expect((await openFixture('deflated')).get).toBeDefined()
    const reader = await open(npz, memorySource(LONG), {})
    expect(reader.get).toBeUndefined()
    await reader.close?.()
  })

  test('opening does not decompress', async () => {
    const source = memorySource(LONG)
    await open(npz, source, {})
    expect(source.ranges.length).toBe(3)
    expect(source.ranges.reduce((sum, [, length]) => sum + length, 0)).toBeLessThan(10_000)
  })

  test('a comment at the end takes one more read', async () => {
    const source = memorySource(fixture('npz/comment.npz'))
    await open(npz, source, { keys: ['labels'] })
    expect(source.ranges.length).toBe(3)
  })

  test('is not misled by a comment that contains an end record', async () => {
    const end = new Uint8Array(22)
    end.set([0x50, 0x4b, 5, 6])
    const bytes = zipFile([{ name: 'a.npy', data: npyFile('|u1', [3], new Uint8Array([1, 2, 3])), method: 0 }], Buffer.concat([end, Buffer.from('behind')]))
    expect(await rowsOf(await open(npz, memorySource(bytes), {}))).toHaveLength(3)
  })

  test('an error of the store is passed on, and reading again succeeds', async () => {
    for (const bytes of [fixture('npz/stored.npz'), LONG]) {
      const source = memorySource(bytes)
      const reader = await open(npz, source, {})
      if (bytes === LONG) await reader.close?.() // So that it begins anew.
      const error = new Error('the network is gone')
      source.failure = { read: source.ranges.length, error }
      expect((await readStacked(reader, 100)).error).toBe(error)
      source.failure = undefined
      expect((await readStacked(reader, 100)).error).toBeUndefined()
      await reader.close?.()
      expect(source.underWay).toBe(0)
    }
  })

  test('ends when it is aborted, and leaves nothing running', async () => {
    const data = npyFile('<f8', [2_000_000], Float64Array.from({ length: 2_000_000 }, (_, i) => Math.sin(i)))
    const source = memorySource(zipFile([{ name: 'a.npy', data, method: 8 }]))
    const reader = await open(npz, source, {})
    const controller = new AbortController()
    const run = reader.stacked(0, { signal: controller.signal })
    await run.next(10)
    controller.abort(new Error('enough'))
    await expect((async () => { while (await run.next(1_000_000) !== null); })()).rejects.toThrow('enough')
    await run.close()
    await reader.close?.()
    expect(source.underWay).toBe(0)
  })
})

describe('inspectNpz', () => {
  test.each(readable)('tells what is in %s', async (name) => {
    const source = memorySource(fixture(`npz/${name}.npz`))
    const { arrays } = await inspectNpz(source)
    const columns = arrays.flatMap(({ key, info }) => (info?.columns ?? []).map((column) => ({
      name: column.name === '' ? key : `${key}.${column.name}`, dtype: column.dtype, shape: [...(info?.shape ?? []), ...column.shape]
    })))
    expect(columns).toEqual(expectedOf(name).columns.map(({ name: called, dtype, shape }) => ({ name: called, dtype, shape })))
    expect(source.underWay).toBe(0)
  })

  test('says why an array cannot be read', async () => {
    expect((await inspectNpz(memorySource(fixture('npz/object.npz')))).arrays).toMatchObject([{ key: 'a', compression: 'none', problem: expect.stringContaining('pickle') }])
  })
})
