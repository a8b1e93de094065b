import { describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { parse } from 'npyjs'
import { inspectNpy, npy } from '../../../formats/npy/index.js'
import { writeNpyTo, type NpyWriteOptions, type Rows } from '../../../formats/npy/writer.js'
import type { Writable } from '../../../formats/npy/encode.js'
import type { Columns, NdArray, ObjectWriter } from '../../../src/format.js'
import { fixture, fixtureJson, fixtureNames, isArray, memorySource, memoryWriter, noted, open, readStacked, type NotedColumn } from './support.js'

async function written(source: Writable | Rows, options: NpyWriteOptions = {}): Promise<Uint8Array> {
  const writer = memoryWriter()
  await writeNpyTo(writer, source, options)
  expect(writer.state).toBe('finalized')
  return writer.bytes()
}

async function refusal(source: unknown, options: NpyWriteOptions = {}): Promise<unknown> {
  const writer = memoryWriter()
  const error: unknown = await writeNpyTo(writer, source as Writable, options).then(() => undefined, (reason: unknown) => reason)
  expect(writer.state).toBe('aborted')
  return error
}

/** The only array of a file, whole. */
async function arrayOf(bytes: Uint8Array): Promise<NdArray> {
  const { parts } = await readStacked(await open(npy, memorySource(bytes), { element: 'file' }), 1)
  const { stacked } = parts[0] as { readonly stacked: Columns }
  if (!isArray(stacked)) throw new Error('the array has fields')
  return { ...stacked, shape: stacked.shape.slice(1) }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const { files } = fixtureJson<{ readonly files: { readonly [name: string]: { readonly sha256: string; readonly columns: readonly NotedColumn[] } } }>('npy/checked.json')

describe('an array that was read from a file of NumPy is written as the same file', () => {
  // Those of the dtypes that are written, by np.save itself.
  const names = fixtureNames('npy', '.npy').filter((name) => /^([biufc]\d+-le|rank\d|no-rows|no-columns|rank0-text|unicode|no-rows-text|rank5|ours-.*)$/.test(name))
  test.each(names)('%s', async (name) => {
    const bytes = fixture(`npy/${name}.npy`)
    // NumPy notes for such an array that it is in Fortran order, which with one axis means nothing.
    expect((await inspectNpy(memorySource(bytes))).fortranOrder).toBe(false)
    const array = await arrayOf(bytes)
    // A width that no string fills is not to be seen in the strings.
    if (name !== 'no-rows-text') expect(Buffer.from(await written(array)).equals(bytes)).toBe(true)
    expect(noted('', await arrayOf(await written(array)))).toEqual(noted('', array))
  })
})

describe('what we write is what NumPy reads', () => {
  const ours = Object.keys(files).filter((name) => name.endsWith('.npy'))
  test.each(ours)('%s', async (name) => {
    const bytes = fixture(`npy/${name}`)
    expect(sha256(bytes)).toBe(files[name]?.sha256)
    const array = await arrayOf(bytes)
    expect([noted('', array)]).toEqual(files[name]?.columns)
    expect(sha256(await written(array))).toBe(files[name]?.sha256)
  })

  test.each(ours.filter((name) => !/string|words|text|uint64|bool|float16|complex/.test(name)))('%s, npyjs too', async (name) => {
    const bytes = fixture(`npy/${name}`)
    const array = await arrayOf(bytes)
    const theirs = parse(bytes.slice().buffer)
    expect(theirs.shape).toEqual(array.shape)
    expect(noted('', { ...array, data: theirs.data as NdArray['data'] })).toEqual(noted('', array))
  })
})

describe('what npyjs reads right is what we read', () => {
  const names = fixtureNames('npy', '.npy').filter((name) => /^([iuf][1248]|c\d+)-le$/.test(name) && name !== 'f2-le')
  test.each(names)('%s', async (name) => {
    const bytes = fixture(`npy/${name}.npy`)
    const array = await arrayOf(bytes)
    const theirs = parse(bytes.slice().buffer)
    expect(noted('', { ...array, data: theirs.data as NdArray['data'] })).toEqual(noted('', array))
  })
})

describe('rows', () => {
  const rows = [1, 2, 3].map((x) => ({ dtype: 'int16', shape: [2], data: new Int16Array([x, -x]) }) as const)
  async function* later<T>(items: readonly T[]): AsyncGenerator<T> {
    for (const item of items) yield Promise.resolve(item)
  }

  test('become one array, whether their number is known or not', async () => {
    const expected = await written({ dtype: 'int16', shape: [3, 2], data: new Int16Array([1, -1, 2, -2, 3, -3]) })
    for (const source of [rows, later(rows)]) {
      expect(await written(source)).toEqual(expected)
    }
    expect(await written(rows, { rows: 3 })).toEqual(expected)
    expect(await written(later(rows), { rows: 3 })).toEqual(expected)
  })

  test('are written as they come when their number is known', async () => {
    const writer = memoryWriter()
    let written = 0
    async function* large(): AsyncGenerator<Float32Array> {
      for (let i = 0; i < 20; i++) {
        written = Math.max(written, writer.writes.length)
        yield new Float32Array(100_000).fill(i)
      }
    }
    const { shape, dtype } = await writeNpyTo(writer, large(), { rows: 20 })
    expect({ shape, dtype }).toEqual({ shape: [20, 100_000], dtype: 'float32' })
    expect(written).toBeGreaterThan(4)
    expect((await arrayOf(writer.bytes())).data[1_999_999]).toBe(19)
  })

  test('may be plain values: numbers are float32 unless `numbers` says otherwise', async () => {
    expect(await arrayOf(await written([1, 2.5]))).toEqual({ dtype: 'float32', shape: [2], data: new Float32Array([1, 2.5]) })
    expect(await arrayOf(await written([1, 2], { numbers: 'int32' }))).toEqual({ dtype: 'int32', shape: [2], data: new Int32Array([1, 2]) })
    expect(await arrayOf(await written([true, false]))).toEqual({ dtype: 'bool', shape: [2], data: new Uint8Array([1, 0]) })
    expect(await arrayOf(await written([5n]))).toEqual({ dtype: 'int64', shape: [1], data: new BigInt64Array([5n]) })
    expect(await arrayOf(await written(['a', '😀b'], { rows: 2 }))).toEqual({ dtype: 'string', shape: [2], data: ['a', '😀b'] })
    expect(await arrayOf(await written([new Uint8Array([1, 2]), new Uint8Array([3, 4])]))).toEqual({ dtype: 'uint8', shape: [2, 2], data: new Uint8Array([1, 2, 3, 4]) })
    expect(await refusal([0.5, 16_777_217])).toMatchObject({ kind: 'Lossy' })
  })

  test('that are not what the first ones were are an error, and nothing is written', async () => {
    expect(await refusal([new Float32Array(2), new Float32Array(3)])).toMatchObject({ kind: 'Mismatch' })
    const wide = { dtype: 'float64', shape: [200_000], data: new Float64Array(200_000) } as const
    expect(await refusal([wide, new Float32Array(3)])).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('row 1 is float32 [3], the rows before it are float64 [200000]') })
    expect(await refusal([{ x: 1 }])).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('writeNpz') })
    expect(await refusal([])).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('[0, …]') })
  })

  test('that are not as many as was said are an error', async () => {
    expect(await refusal(rows, { rows: 2 })).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('2 rows and there are more') })
    expect(await refusal(rows, { rows: 4 })).toMatchObject({ kind: 'Mismatch', message: expect.stringContaining('4 rows and there are 3') })
    expect(await refusal(later(['a']), { rows: 2 })).toMatchObject({ kind: 'Mismatch' })
  })
})

describe('what is no array', () => {
  test('is refused', async () => {
    const odd: readonly unknown[] = [
      null, 5, {}, { dtype: 'float32', shape: [2], data: new Float64Array(2) }, { dtype: 'float32', shape: [2], data: new Float32Array(3) },
      { dtype: 'float', shape: [2], data: new Float32Array(2) }, { dtype: 'float32', shape: [-1], data: new Float32Array(0) }, { dtype: 'complex64', shape: [2], data: new Float32Array(2) },
      { dtype: 'bfloat16', shape: [1], data: new Uint16Array(1) }, new DataView(new ArrayBuffer(8))
    ]
    for (const source of odd) expect(await refusal(source)).toMatchObject({ name: 'TypeError' })
  })

  test('or cannot be held by a string of NumPy is refused', async () => {
    expect(await refusal({ dtype: 'string', shape: [2], data: ['a', 'b\0'] })).toMatchObject({ kind: 'Lossy', index: 1 })
  })
})

describe('when something fails', () => {
  test('the object writer is aborted and the error passed on', async () => {
    for (const failAt of [0, 1]) {
      const writer = memoryWriter()
      writer.failAt = failAt
      await expect(writeNpyTo(writer, new Float32Array(5))).rejects.toThrow('the disk is full')
      expect(writer.state).toBe('aborted')
    }
  })

  test('or is aborted, too', async () => {
    expect(await refusal(new Float32Array(5), { signal: AbortSignal.abort(new Error('enough')) })).toMatchObject({ message: 'enough' })
  })

  test('an iterable that throws ends it', async () => {
    const failing = (function* () { yield 1; throw new Error('no more') })()
    expect(await refusal(failing)).toMatchObject({ message: 'no more' })
  })
})

test('an object writer that keeps nothing but the bytes it is given gets them in order', async () => {
  const order: number[] = []
  const writer: ObjectWriter = {
    async write(bytes) { order.push(bytes.length) },
    async finalize() { return { uri: 'x', size: 0, version: '' } },
    async abort() {}
  }
  await writeNpyTo(writer, new Float64Array(2 ** 20))
  expect(order).toEqual([128, 2 ** 22, 2 ** 22])
})
