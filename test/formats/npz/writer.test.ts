import { describe, expect, test } from '@jest/globals'
import { unzipSync } from 'fflate'
import { createHash } from 'node:crypto'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32, crc32Twin } from '../../../formats/npz/crc32.js'
import { npz } from '../../../formats/npz/index.js'
import { writeNpzTo, type NpzWriteOptions } from '../../../formats/npz/writer.js'
import { zipWriter } from '../../../formats/npz/zip-writer.js'
import type { Writable } from '../../../formats/npy/encode.js'
import { npyPieces } from '../../../formats/npy/writer.js'
import type { Columns, NdArray } from '../../../src/format.js'
import { fixture, fixtureJson, generator, isArray, memorySource, memoryWriter, notedColumns, open, readStacked, type NotedColumn } from '../npy/support.js'

async function written(arrays: { readonly [name: string]: Writable }, options: NpzWriteOptions = {}): Promise<Uint8Array> {
  const writer = memoryWriter()
  await writeNpzTo(writer, arrays, options)
  expect(writer.state).toBe('finalized')
  return writer.bytes()
}

async function arraysOf(bytes: Uint8Array): Promise<{ readonly [name: string]: NdArray }> {
  const { parts, error } = await readStacked(await open(npz, memorySource(bytes), { element: 'file' }), 1)
  expect(error).toBeUndefined()
  const stacked: Columns = parts[0]?.stacked ?? {}
  if (isArray(stacked)) throw new Error('an NPZ file is no array')
  return Object.fromEntries(Object.entries(stacked).map(([name, array]) => [name, { ...array, shape: array.shape.slice(1) }]))
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const { files } = fixtureJson<{ readonly files: { readonly [name: string]: { readonly sha256: string; readonly columns: readonly NotedColumn[] } } }>('npy/checked.json')

describe('what we write is what NumPy reads', () => {
  test.each(Object.keys(files).filter((name) => name.endsWith('.npz')))('%s', async (name) => {
    const bytes = fixture(`npz/${name}`)
    expect(sha256(bytes)).toBe(files[name]?.sha256)
    const arrays = await arraysOf(bytes)
    expect(notedColumns(arrays)).toEqual(files[name]?.columns)
    if (name.includes('zip64')) return
    const compression = name.includes('deflated') ? 'deflate' : 'none'
    const again = await written(arrays, { compression })
    // Versions of zlib compress differently.
    if (compression === 'none') expect(sha256(again)).toBe(files[name]?.sha256)
    expect(await arraysOf(again)).toEqual(arrays)
  })
})

describe('archives', () => {
  const random = generator(5)
  const arrays = {
    noise: Uint8Array.from({ length: 300_000 }, () => random(256)),
    zeros: new Float64Array(300_000),
    text: { dtype: 'string', shape: [2, 1], data: ['é😀', ''] },
    scalar: { dtype: 'bool', shape: [], data: new Uint8Array([1]) }
  } as const

  test.each(['none', 'deflate'] as const)('with compression %s are read by another library, the same each time', async (compression) => {
    const bytes = await written(arrays, { compression })
    expect(sha256(await written(arrays, { compression }))).toBe(sha256(bytes))
    const members = unzipSync(bytes)
    expect(Object.keys(members)).toEqual(['noise.npy', 'zeros.npy', 'text.npy', 'scalar.npy'])
    for (const [name, array] of Object.entries(await arraysOf(bytes))) {
      const pieces = Buffer.concat([...npyPieces(array).pieces()])
      expect(pieces.equals(members[`${name}.npy`] ?? new Uint8Array(0))).toBe(true)
      expect(pieces.length).toBe(npyPieces(array).byteLength)
    }
    if (compression === 'deflate') expect(bytes.length).toBeLessThan(310_000)
  })

  test.each(['none', 'deflate'] as const)('with compression %s that are zip64 are read', async (compression) => {
    for (const wideFrom of [1, 1000, 300_200, 2_400_000]) {
      const writer = memoryWriter()
      const zip = zipWriter(writer, wideFrom)
      for (const name of ['noise', 'zeros'] as const) {
        const data = arrays[name]
        await zip.add(`${name}.npy`, npyPieces({ dtype: name === 'noise' ? 'uint8' : 'float64', shape: [data.length], data }), compression, undefined)
      }
      await zip.end()
      const read = await arraysOf(writer.bytes())
      expect(Buffer.compare(Buffer.from(read['noise']?.data as Uint8Array), Buffer.from(arrays.noise))).toBe(0)
    }
  })
})

describe('what cannot be written', () => {
  test.each([
    ['an empty name', { '': new Uint8Array(1) }], ['half a character', { '\ud800': new Uint8Array(1) }], ['a NUL', { 'a\0b': new Uint8Array(1) }],
    ['no array', { a: 5 as unknown as Writable }], ['no array behind one', { a: new Uint8Array(1), b: [1, 2] as unknown as Writable }]
  ])('%s is refused before anything is written', async (_, arrays) => {
    const writer = memoryWriter()
    await expect(writeNpzTo(writer, arrays)).rejects.toMatchObject({ name: 'TypeError' })
    expect(writer.writes.length).toBe(0)
    expect(writer.state).toBe('aborted')
  })

  test('a compression that is none is refused', async () => {
    await expect(writeNpzTo(memoryWriter(), {}, { compression: 'gzip' as 'none' })).rejects.toThrow(/'none' or 'deflate'/)
  })
})

describe('when something fails', () => {
  const arrays = { a: new Float64Array(60_000).map((_, i) => Math.sin(i)) }

  test.each(['none', 'deflate'] as const)('at any write with compression %s, the object writer is aborted', async (compression) => {
    const counting = memoryWriter()
    await writeNpzTo(counting, arrays, { compression })
    for (let failAt = 0; failAt < counting.writes.length; failAt++) {
      const writer = memoryWriter()
      writer.failAt = failAt
      await expect(writeNpzTo(writer, arrays, { compression })).rejects.toThrow('the disk is full')
      expect(writer.state).toBe('aborted')
    }
  })

  test('or is aborted, too', async () => {
    for (const compression of ['none', 'deflate'] as const) {
      const controller = new AbortController()
      const writer = memoryWriter()
      const { write } = writer
      writer.write = async (bytes) => {
        controller.abort(new Error('enough'))
        await write(bytes)
      }
      await expect(writeNpzTo(writer, arrays, { compression, signal: controller.signal })).rejects.toThrow('enough')
      expect(writer.state).toBe('aborted')
    }
  })
})

test('the CRC-32 of the tables is that of zlib, at any length and from any value on', () => {
  const random = generator(9)
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, () => random(256))
    const before = random(2 ** 32)
    expect(crc32Twin(bytes, before)).toBe(zlibCrc32(bytes, before))
    expect(crc32(bytes.subarray(length >> 1), crc32(bytes.subarray(0, length >> 1)))).toBe(crc32Twin(bytes))
  }
})
