import { afterEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeDatasets } from '../../../formats/hdf5/write/write-datasets.js'
import { hdf5Writer } from '../../../formats/hdf5/write/writer.js'
import type { DType, NdArray, ObjectWriter } from '../../../src/format.js'
import { memoryStore } from '../../../src/storage/memory.js'
import { closeTables, fixtureBytes, openFallback, shown, writtenFile, type Dataset } from './h5wasm-support.js'
import { generator, named, openBytes, readRows } from './support.js'

afterEach(closeTables)

const checked = JSON.parse(readFileSync(new URL('../../fixtures/hdf5/checked.json', import.meta.url), 'utf8')) as {
  readonly readBy: string
  readonly sha256: string
  readonly attributes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly datasets: Readonly<Record<string, Dataset & { readonly maxShape: readonly (number | null)[] }>>
}
/** Values that h5py gives as something else. */
const BFLOAT16 = /\/bfloat16$/

const rowsOf = (shape: readonly number[], of: (i: number) => number = i => i): NdArray<'int32'> =>
  ({ dtype: 'int32', shape, data: Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => of(i)) })

async function values(bytes: Uint8Array, path: string): Promise<Dataset['columns']> {
  return shown(await readRows((await (await openBytes(bytes)).dataset(path)).table()))
}

describe(`what ${checked.readBy} read of ours.h5`, () => {
  const bytes = fixtureBytes('ours.h5')

  test('is of the file that is here', () => {
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(checked.sha256)
  })

  test('is what our own reader reads of it', async () => {
    const file = await openBytes(bytes)
    for (const [path, { columns, chunkShape, filters, maxShape }] of Object.entries(checked.datasets)) {
      const dataset = await file.dataset(path)
      expect(dataset.chunkShape).toEqual(chunkShape)
      expect(dataset.filters.map(({ id }) => id)).toEqual(filters ?? [])
      expect(dataset.maxShape ?? dataset.shape).toEqual(maxShape)
      if (!BFLOAT16.test(path)) expect([path, shown(await readRows(dataset.table()))]).toEqual([path, columns])
    }
    expect((await file.dataset('/train/images')).attributes).toEqual({ ...checked.attributes['/train/images'], seed: 2n ** 40n })
    expect((await file.inspect()).attributes).toEqual(checked.attributes['/'])
  })

  test('is what h5wasm reads of it, and bfloat16 keeps its bits', async () => {
    const paths = Object.keys(checked.datasets).filter(path => path.startsWith('/dtypes/'))
    const table = await openFallback(bytes, Object.fromEntries(paths.map(path => [path, path])))
    const columns = shown(await readRows(table))
    for (const path of paths) {
      if (BFLOAT16.test(path)) expect(columns[path]).toEqual({ dtype: 'bfloat16', shape: [3], base64: Buffer.from(Uint16Array.of(0x3f80, 0xc000, 1).buffer).toString('base64') })
      else expect([path, columns[path]]).toEqual([path, checked.datasets[path]!.columns['']])
    }
    for (const path of ['/train/images', '/tiles', '/texts', '/many-chunks', '/no-rows']) {
      expect([path, shown(await readRows(await openFallback(bytes, path)))]).toEqual([path, checked.datasets[path]!.columns])
      await closeTables()
    }
  })
})

describe('rows', () => {
  test('come back whatever the batches, chunks, tiles and filters', async () => {
    const random = generator(5)
    for (let i = 0; i < 60; i++) {
      const rowShape = Array.from({ length: random(3) }, () => 1 + random(6))
      const rows = random(60)
      const chunks = random(2) === 0 ? 1 + random(20) : [1 + random(20), ...rowShape.map(() => 1 + random(7))]
      const options = { dtype: 'int32', rowShape, chunks, compression: random(10), shuffle: random(2) === 0 } as const
      const whole = rowsOf([rows, ...rowShape], () => random(1000) - 500)
      const bytes = await writtenFile(async writer => {
        const dataset = writer.dataset('/x', options)
        const per = rowShape.reduce((a, b) => a * b, 1)
        for (let row = 0; row < rows;) {
          const count = Math.min(rows - row, random(25))
          const data = whole.data.slice(row * per, (row + count) * per)
          const appended = dataset.append({ dtype: 'int32', shape: [count, ...rowShape], data })
          if (random(2) === 0) {
            await appended
            data.fill(-1) // is ours again
          }
          row += count
        }
      })
      expect([options, await values(bytes, '/x')]).toEqual([options, shown(whole)])
    }
  })

  test('in more chunks than two levels of a tree hold are all found', async () => {
    const rows = 64 * 64 + 70
    const bytes = await writtenFile(async writer => writer.dataset('/x', { chunks: 1 }).append(rowsOf([rows])))
    expect(await values(bytes, '/x')).toEqual(shown(rowsOf([rows])))
    expect(shown(await readRows(await openFallback(bytes, '/x')))).toEqual(shown(rowsOf([rows])))
  })

  test('of several datasets may come in any order, and texts of any length', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => 'x'.repeat((i * 37) % 4200))
    const write = (memoryBytes: number): Promise<Uint8Array> => writtenFile(async writer => {
      const [a, b] = [writer.dataset('/texts', { chunks: 50, compression: 1 }), writer.dataset('/numbers', { chunks: 7, compression: 1 })]
      const pending: Promise<void>[] = []
      for (let i = 0; i < 300; i += 10) {
        pending.push(a.append({ dtype: 'string', shape: [10], data: texts.slice(i, i + 10) }), b.append(rowsOf([10], k => i + k)))
      }
      await Promise.all(pending)
    }, { memoryBytes })
    const bytes = await write(2 ** 26)
    expect(await values(bytes, '/texts')).toEqual({ '': { dtype: 'string', shape: [300], texts } })
    expect(await values(bytes, '/numbers')).toEqual(shown(rowsOf([300])))
    // A part of the file in a temporary file, or all of it, makes no difference.
    for (const memoryBytes of [0, 100_000]) {
      const spooled = await write(memoryBytes)
      expect(await values(spooled, '/texts')).toEqual(await values(bytes, '/texts'))
      expect(await values(spooled, '/numbers')).toEqual(await values(bytes, '/numbers'))
    }
  })

  test('that are few make a small chunk, and none at all make none', async () => {
    const bytes = await writtenFile(async writer => {
      await writer.dataset('/few').append(rowsOf([3, 2]))
      writer.dataset('/none', { dtype: 'string', rowShape: [] })
      writer.dataset('/none-whole', { dtype: 'string', rowShape: [2], chunks: false })
    })
    const file = await openBytes(bytes)
    expect((await file.dataset('/few')).chunkShape).toEqual([3, 2])
    expect((await file.dataset('/none')).shape).toEqual([0])
    expect((await file.dataset('/none-whole')).shape).toEqual([0, 2])
    expect(bytes.length).toBeLessThan(6000)
  })
})

describe('writeDatasets', () => {
  const store = memoryStore()

  test('writes arrays in one piece, and iterables in chunks', async () => {
    const batches = async function* (): AsyncGenerator<NdArray> {
      yield rowsOf([3, 2])
      yield rowsOf([2, 2])
    }
    const result = await writeDatasets(await store.createWriter('mem://a.h5'), {
      '/whole': { data: rowsOf([4]), attributes: { unit: 'mm' } },
      '/packed': { data: rowsOf([4]), compression: 'gzip' },
      'group/batches': { data: batches() },
      'group/list': { data: [rowsOf([1]), rowsOf([0]), rowsOf([2])], chunks: 2 }
    }, { attributes: { group: { version: 3 } } })
    expect(result).toMatchObject({ file: { uri: 'mem://a.h5' }, rows: { '/whole': 4, '/packed': 4, 'group/batches': 5, 'group/list': 3 } })
    const bytes = new Uint8Array(result.file.size)
    await (await store.open('mem://a.h5')).read(0, bytes)
    const file = await openBytes(bytes)
    const layouts = await Promise.all(['/whole', '/packed', '/group/batches', '/group/list'].map(async path => (await file.dataset(path)).layout))
    expect(layouts).toEqual(['contiguous', 'chunked', 'chunked', 'chunked'])
    expect((await file.dataset('/whole')).attributes).toEqual({ unit: 'mm' })
    expect((await file.inspect()).members.find(({ path }) => path === '/group')).toMatchObject({ attributes: { version: 3 } })
    expect([...named(await readRows((await file.dataset('/group/batches')).table()))['']!.data as Int32Array]).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3])
  })

  test('leaves nothing behind when the rows fail, do not fit, or are given up', async () => {
    const failing = function* (): Generator<NdArray> {
      yield rowsOf([3])
      throw new Error('no more')
    }
    const write = async (data: Iterable<NdArray>, signal?: AbortSignal): Promise<unknown> => writeDatasets(await store.createWriter('mem://b.h5'), { '/x': { data, compression: 'gzip' } }, { signal })
    await expect(write(failing())).rejects.toThrow('no more')
    await expect(write([rowsOf([3]), rowsOf([3, 1])])).rejects.toMatchObject({ kind: 'Mismatch', index: 3 })
    await expect(write([rowsOf([3]), { dtype: 'float32', shape: [1], data: new Float32Array(1) }])).rejects.toMatchObject({ kind: 'Mismatch' })
    await expect(write([{ dtype: 'int32', shape: [4], data: new Int32Array(3) }])).rejects.toMatchObject({ kind: 'Mismatch' })
    await expect(write([])).rejects.toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('rowShape') })
    await expect(write([rowsOf([3])], AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop')
    await expect(store.stat('mem://b.h5')).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('passes on what the store throws', async () => {
    let aborted = 0
    const full: ObjectWriter = {
      async write() { throw new Error('the disk is full') },
      async finalize() { throw new Error('not reached') },
      async abort() { aborted++ }
    }
    await expect(writeDatasets(full, { '/x': { data: rowsOf([3]) } })).rejects.toThrow('the disk is full')
    expect(aborted).toBe(1)
  })
})

describe('wrong arguments', () => {
  test('throw at the call', async () => {
    const writer = hdf5Writer(await memoryStore().createWriter('mem://c.h5'))
    writer.dataset('/a/b')
    const faults: [string, object | undefined][] = [
      ['/a/b', undefined], ['a//b', undefined], ['/a', undefined], ['/a/b/c', undefined], ['/', undefined], ['/..', undefined],
      ['/x', { compression: 10 }], ['/x', { compression: 'lzma' }], ['/x', { chunks: 0 }], ['/x', { chunks: [1.5] }], ['/x', { dtype: 'int24' }],
      ['/x', { rowShape: [-1] }], ['/x', { chunks: false, compression: 1 }]
    ]
    for (const [path, options] of faults) expect(() => writer.dataset(path, options as never)).toThrow(RangeError)
    expect(() => writer.dataset('/x', { shuffle: 'yes' as never })).toThrow(TypeError)
    expect(() => hdf5Writer({} as ObjectWriter, { memoryBytes: -1 })).toThrow(RangeError)
    await writer.abort()
    expect(() => writer.dataset('/y')).toThrow('finished')
    await expect(writer.finalize()).rejects.toMatchObject({ kind: 'Closed' })
  })

  test('of attributes are told when the file is finished', async () => {
    const write = (value: unknown): Promise<Uint8Array> => writtenFile(async writer => writer.group('/', { value: value as never }))
    await expect(write({ a: 1 })).rejects.toThrow(TypeError)
    await expect(write({ dtype: 'float64' satisfies DType, shape: [9000], data: new Float64Array(9000) })).rejects.toMatchObject({ kind: 'Limit' })
  })
})
