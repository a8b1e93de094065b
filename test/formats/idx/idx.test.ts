import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { detect } from '../../../formats/idx/detect.js'
import { idx, type IdxOptions } from '../../../formats/idx/index.js'
import { isMillraceError, type DType, type NdArray, type TableReader } from '../../../src/format.js'
import { Dataset, memoryStore } from '../../../src/index.js'
import { operatorConformance } from '../../../src/testing/operator.js'
import { FUZZ, flipped, measured, readAll, type Outcome } from '../shared/support.js'
import { alone, concat, generator, memorySource, pseudoRandom, type MemorySource } from '../tfrecord/support.js'

const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../fixtures/idx/${name}`, import.meta.url)))
const expected = JSON.parse(new TextDecoder().decode(fixture('expected.json'))) as {
  readonly files: readonly { readonly file: string; readonly dtype: DType; readonly shape: readonly number[]; readonly values: readonly number[] }[]
}
const { signal } = new AbortController()
const open = async (source: MemorySource, options: IdxOptions = {}): Promise<TableReader> => (await idx.open(source, options, alone())) as TableReader

/** The values of a row, which may be a plain number. */
function valuesOf(row: unknown): number[] {
  return typeof row === 'number' ? [row] : Array.from((row as NdArray).data as Float64Array)
}

/** Opens and reads; an error of either is the outcome. */
async function read(bytes: Uint8Array, options: IdxOptions = {}, more: Parameters<typeof readAll>[2] = {}): Promise<Outcome<number[]>> {
  try {
    return await readAll(await open(memorySource(bytes), options), valuesOf, more)
  } catch (error) {
    return { elements: [], positions: [], error }
  }
}

function rowsOf(values: readonly number[], shape: readonly number[]): number[][] {
  const size = shape.slice(1).reduce((a, b) => a * b, 1)
  return Array.from({ length: shape[0] ?? 0 }, (_, i) => values.slice(i * size, (i + 1) * size))
}

/** The bytes of an IDX file. */
function idxFile(code: number, shape: readonly number[], data: Uint8Array): Uint8Array {
  const head = new Uint8Array(4 + 4 * shape.length)
  head.set([0, 0, code, shape.length])
  shape.forEach((length, axis) => new DataView(head.buffer).setUint32(4 + 4 * axis, length))
  return concat([head, data])
}

describe('files written by idx2numpy', () => {
  for (const { file, dtype, shape, values } of expected.files) {
    test(`${file} has the values that were written`, async () => {
      const rows = rowsOf(values, shape)
      for (const readBytes of [1, 50, 200, 2 ** 20]) {
        for (const transient of [false, true]) {
          const outcome = await read(fixture(file), { readBytes }, { transient })
          expect([outcome.error, outcome.elements]).toEqual([undefined, rows])
        }
      }
      const reader = await open(memorySource(fixture(file)))
      const first = (await reader.stacked(0, { signal }).next(2))?.stacked as NdArray
      expect([first.dtype, first.shape, Array.from(first.data as Uint8Array)]).toEqual([dtype, [2, ...shape.slice(1)], rows.slice(0, 2).flat()])
    })
  }

  test('have by ordinal what they have in order, when they are not compressed', async () => {
    const random = generator(9)
    for (const { file, shape, values } of expected.files) {
      const reader = await open(memorySource(fixture(file)))
      expect(reader.fragments).toEqual([{ count: shape[0] }])
      if (file.endsWith('.gz')) {
        expect(reader.get).toBe(undefined)
        continue
      }
      const rows = rowsOf(values, shape)
      const ordinals = Array.from({ length: 50 }, () => random(rows.length))
      expect((await reader.get?.(0, ordinals, { signal }))?.map(valuesOf)).toEqual(ordinals.map(i => rows[i]))
    }
  })

  test('go on at every row', async () => {
    for (const { file, shape, values } of expected.files) {
      for (let from = 0; from <= (shape[0] ?? 0); from += shape.length === 3 ? 7 : 1) {
        const outcome = await read(fixture(file), { readBytes: 150 }, { from })
        expect([outcome.error, outcome.elements]).toEqual([undefined, rowsOf(values, shape).slice(from)])
      }
    }
  })

  test('are told by their first bytes and their size', () => {
    for (const { file } of expected.files) expect(detect(fixture(file), fixture(file).length)).toBe(!file.endsWith('.gz'))
    const data = fixture('int16-3.idx')
    expect(detect(data, data.length + 1)).toBe(false)
    expect(detect(data.subarray(0, 15), data.length)).toBe(false)
    expect(detect(new Uint8Array(4), 4)).toBe(false)
    expect(detect(idxFile(8, [5, 0], new Uint8Array(0)), 12)).toBe(false)
    expect(detect(idxFile(8, [], new Uint8Array(1)), 5)).toBe(false)
  })
})

describe('datasets of them', () => {
  const store = memoryStore()
  const dataset = (uri: string, options: IdxOptions = {}): Dataset<NdArray> => Dataset.fromFiles<NdArray, IdxOptions>(uri, { format: idx as never, options, store })
  const images = expected.files.find(({ file }) => file === 'images-idx3-ubyte')!
  const labels = expected.files.find(({ file }) => file === 'labels-idx1-ubyte')!

  test('pair images with labels by zip, and batch', async () => {
    for (const name of ['images-idx3-ubyte', 'images-idx3-ubyte.gz', 'labels-idx1-ubyte', 'labels-idx1-ubyte.gz']) await store.put(`mem://${name}`, fixture(name))
    for (const ending of ['', '.gz']) {
      const pairs = Dataset.zip({ xs: dataset(`mem://images-idx3-ubyte${ending}`), ys: dataset(`mem://labels-idx1-ubyte${ending}`) })
      const batches = await pairs.batch(25).toArray() as unknown as { readonly xs: NdArray; readonly ys: NdArray }[]
      expect(batches.map(({ xs, ys }) => [xs.dtype, xs.shape, ys.dtype, ys.shape])).toEqual([25, 25, 10].map(rows => ['uint8', [rows, 8, 8], 'uint8', [rows]]))
      expect(batches.flatMap(({ xs }) => [...(xs.data as Uint8Array)])).toEqual(images.values)
      expect(batches.flatMap(({ ys }) => [...(ys.data as Uint8Array)])).toEqual(labels.values)
    }
  })

  test('resume at every row, whatever the size of the reads', async () => {
    await store.put('mem://small', idxFile(0x0b, [13, 3], pseudoRandom(78, 1)))
    for (const { run } of operatorConformance({ make: () => dataset('mem://small'), same: [() => dataset('mem://small', { readBytes: 7 })] })) await run()
    await store.put('mem://small.gz', gzipSync(idxFile(0x0b, [13, 3], pseudoRandom(78, 1))))
    for (const { run } of operatorConformance({ make: () => dataset('mem://small.gz'), same: [() => dataset('mem://small.gz', { readBytes: 7 })] })) await run()
  })

  test('have shards that are disjoint and complete, and shuffles that lose nothing', async () => {
    const rows = rowsOf(labels.values, labels.shape).flat()
    for (const uri of ['mem://labels-idx1-ubyte', 'mem://labels-idx1-ubyte.gz']) {
      const all = dataset(uri)
      const shards = await Promise.all([0, 1, 2].map(i => all.shard(3, i).toArray()))
      expect(shards.map(shard => shard.flatMap(valuesOf))).toEqual([0, 1, 2].map(i => rows.filter((_, at) => at % 3 === i)))
      expect((await all.shuffle(60, { seed: 4 }).toArray()).flatMap(valuesOf).sort()).toEqual([...rows].sort())
    }
  })
})

describe('compressed files', () => {
  const shape = [3000, 100]
  const data = pseudoRandom(300_000, 3)
  const file = gzipSync(idxFile(8, shape, data))
  const bytesOf = (rows: readonly number[][]): Buffer => Buffer.from(rows.flat())

  test('are decompressed once for one pass, whatever the reads', async () => {
    const source = memorySource(file)
    const reader = await open(source, { readBytes: 5000 })
    const before = source.ranges.length
    const { elements, error } = await readAll(reader, valuesOf)
    expect([elements.length, error]).toEqual([3000, undefined])
    expect(source.ranges.slice(before).reduce((sum, [, size]) => sum + size, 0)).toBe(file.length)
    await reader.close?.()
  })

  test('can be read by two iterations at once', async () => {
    const reader = await open(memorySource(file), { readBytes: 70_000 })
    const [a, b] = await Promise.all([readAll(reader, valuesOf), readAll(reader, valuesOf, { from: 1000 })])
    expect([a.error, b.error, a.elements.length]).toEqual([undefined, undefined, 3000])
    expect(bytesOf(b.elements).equals(data.subarray(100_000))).toBe(true)
    expect(bytesOf(a.elements).equals(data)).toBe(true)
    await reader.close?.()
  })

  test('that are damaged lose no more than one read of the rows before, and one error is told', async () => {
    const damaged = flipped(file, (file.length - 6) * 8) // the checksum
    const { elements, error } = await read(damaged)
    expect(error).toMatchObject({ kind: 'Corrupt', uri: 'mem://bucket/file', next: 3000 })
    expect(elements.length).toBeGreaterThanOrEqual(3000 - 2 * 655)
    expect(bytesOf(elements).equals(data.subarray(0, elements.length * 100))).toBe(true)
    const cut = await read(file.subarray(0, file.length / 2), { readBytes: 20_000 })
    expect(cut.error).toMatchObject({ kind: 'Truncated', next: 3000 })
    expect(cut.elements.length).toBeGreaterThan(500)
    expect(bytesOf(cut.elements).equals(data.subarray(0, cut.elements.length * 100))).toBe(true)

    const store = memoryStore()
    await store.put('mem://x.gz', damaged)
    const iterator = Dataset.fromFiles<NdArray>('mem://x.gz', { format: idx as never, store }).iterator()
    let [rows, errors] = [0, 0]
    for (let done = false; !done;) {
      await iterator.next().then(step => {
        if (step.done === true) done = true
        else rows++
      }, () => errors++)
    }
    expect([rows, errors]).toEqual([elements.length, 1])
  })

  test('with fewer or more data than their header says are errors', async () => {
    const small = pseudoRandom(100, 1)
    expect((await read(gzipSync(idxFile(8, [11, 10], small)))).error).toMatchObject({ kind: 'Truncated' })
    expect((await read(gzipSync(idxFile(8, [9, 10], small)))).error).toMatchObject({ kind: 'Corrupt' })
    expect((await read(gzipSync(idxFile(8, [10, 10], small)))).elements.flat()).toEqual([...small])
    expect((await read(concat([gzipSync(idxFile(8, [10, 10], small)), small]))).error).toMatchObject({ kind: 'Corrupt' })
  })

  test('are compressed or not when the option says so', async () => {
    const plain = idxFile(8, [3], new Uint8Array(3))
    expect((await read(gzipSync(plain), { compression: 'none' })).error).toMatchObject({ kind: 'Corrupt', message: expect.stringMatching(/no IDX file/) })
    expect((await read(plain, { compression: 'gzip' })).error).toMatchObject({ kind: 'Corrupt', message: expect.stringMatching(/compression: 'none'/) })
    expect((await read(gzipSync(plain), { compression: 'gzip' })).elements.length).toBe(3)
  })
})

describe('headers', () => {
  const kinds: readonly (readonly [string, Uint8Array, string, number])[] = [
    ['of nothing', new Uint8Array(0), 'Truncated', 0],
    ['that end in the magic number', new Uint8Array([0, 0, 8]), 'Truncated', 3],
    ['that end in the axes', idxFile(8, [3, 4], new Uint8Array(0)).subarray(0, 9), 'Truncated', 9],
    ['of something else', new Uint8Array([0x89, 0x48, 0x44, 0x46]), 'Corrupt', 0],
    ['of an unknown type', idxFile(0x0a, [3], new Uint8Array(3)), 'Corrupt', 2],
    ['of rank 0', idxFile(8, [], new Uint8Array(1)), 'Unsupported', 3],
    ['of rows without values', idxFile(8, [2 ** 32 - 1, 0], new Uint8Array(0)), 'Unsupported', 4],
    ['that promise too much', idxFile(8, [4], new Uint8Array(3)), 'Truncated', 11],
    ['that promise too little', idxFile(8, [2], new Uint8Array(3)), 'Corrupt', 10],
    ['that promise more than can be', idxFile(8, new Array(255).fill(2 ** 32 - 1), new Uint8Array(3)), 'Truncated', 1027]
  ]
  for (const [what, bytes, kind, offset] of kinds) {
    test(`${what} are ${kind}`, async () => {
      const { error } = await read(bytes)
      expect(error).toMatchObject({ kind, offset, uri: 'mem://bucket/file' })
      expect((error as Error).message).toContain('mem://bucket/file')
    })
  }

  test('of no rows are a file of no rows', async () => {
    expect(await read(idxFile(8, [0], new Uint8Array(0)))).toEqual({ elements: [], positions: [], error: undefined })
    expect(await read(idxFile(13, [0, 28, 28], new Uint8Array(0)))).toEqual({ elements: [], positions: [], error: undefined })
    expect((await read(gzipSync(idxFile(8, [0, 5], new Uint8Array(0))))).error).toBe(undefined)
  })
})

describe('damage', () => {
  const data = idxFile(0x0c, [6, 2], pseudoRandom(48, 8))
  const rows = rowsOf([...new Int32Array(data.slice(12).reverse().buffer)].reverse(), [6, 2])

  /** The outcome must be rows, or a typed error, in little memory. */
  async function check(bytes: Uint8Array): Promise<Outcome<number[]>> {
    const { result, allocated } = await measured(() => read(bytes, { readBytes: 1 + (bytes.length % 50) }))
    expect(allocated).toBeLessThan(3_000_000)
    if (result.error === undefined) return result
    expect(isMillraceError(result.error)).toBe(true)
    expect(result.error).toMatchObject({ uri: 'mem://bucket/file', offset: expect.any(Number) })
    return result
  }

  test('of a plain file: cut anywhere it is Truncated', async () => {
    for (let length = 0; length < data.length; length++) expect((await check(data.subarray(0, length))).error).toMatchObject({ kind: 'Truncated' })
  })

  test('of a compressed file: cut anywhere it is Truncated, behind rows that are right', async () => {
    const packed = gzipSync(data)
    for (let length = 2; length < packed.length; length++) {
      const { elements, error } = await check(packed.subarray(0, length))
      expect(elements).toEqual(rows.slice(0, elements.length))
      expect(error).toMatchObject({ kind: 'Truncated' })
    }
  })

  test('of one bit is right rows, other values, or a typed error', async () => {
    for (let bit = 0; bit < data.length * 8; bit++) {
      const { elements, error } = await check(flipped(data, bit))
      // There is no checksum: in the data a wrong bit is a wrong value, and in the header it changes the size.
      if (bit >= 12 * 8) expect([elements.length, error]).toEqual([6, undefined])
      else if (error === undefined) expect(bit >>> 3).toBe(2) // a type of the same size
    }
    const packed = gzipSync(data)
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const { elements, error } = await check(flipped(packed, bit))
      if (bit >= 16) expect(elements).toEqual(rows.slice(0, elements.length))
      if (error === undefined) expect(elements.length).toBe(6)
    }
  })

  test('of any other sort is a typed error too', async () => {
    const random = generator(21)
    for (let i = 0; i < 6000 * FUZZ; i++) {
      const axes = Array.from({ length: 1 + random(4) }, () => (random(3) === 0 ? random(2 ** 32) : random(8)))
      const head = random(4) === 0 ? pseudoRandom(random(20), i & 255) : idxFile([8, 9, 11, 12, 13, 14, 1][random(7)]!, axes, pseudoRandom(random(64), i & 255))
      const { elements } = await check(i % 8 === 0 ? gzipSync(head) : head)
      expect(elements.length).toBeLessThan(70)
    }
  })
})

test('options that are none are refused', async () => {
  for (const options of [{ compression: 'zlib' }, { compression: null }, { readBytes: 0 }, { readBytes: 2 ** 31 }, { readBytes: '1' }]) {
    await expect(idx.open(memorySource(idxFile(8, [1], new Uint8Array(1))), options as IdxOptions, alone())).rejects.toThrow(RangeError)
  }
})
