import { describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { encodeRecord, tfrecordWriter, type TfrecordWriterOptions } from '../../../formats/tfrecord/index.js'
import {
  concat, fixture, fixtureJson, hex, memorySource, memoryWriter, pseudoRandom, readAll, type MemoryWriter
} from './support.js'

const expected = fixtureJson<{ readonly records: { readonly records: readonly string[] } }>('expected.json')
const checked = fixtureJson<{
  readonly readBy: string
  readonly files: readonly {
    readonly file: string
    readonly sha256: string
    readonly records: readonly { readonly length: number; readonly sha256: string }[]
  }[]
}>('checked.json')
const RECORDS = expected.records.records.map((text) => new Uint8Array(Buffer.from(text, 'base64')))
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function written(records: readonly Uint8Array[], options?: TfrecordWriterOptions): Promise<MemoryWriter> {
  const target = memoryWriter()
  const writer = tfrecordWriter(target, options)
  for (const record of records) await writer.write(record)
  await writer.finalize()
  return target
}

describe('encodeRecord', () => {
  test('gives, one after the other, the bytes that TensorFlow writes', () => {
    expect(Buffer.compare(concat(RECORDS.map(encodeRecord)), fixture('records.tfrecord'))).toBe(0)
  })

  test('refuses what is not bytes', () => {
    for (const record of [new Float32Array(2), [1, 2], 'text', undefined, new Uint8Array(2).buffer]) {
      expect(() => encodeRecord(record as unknown as Uint8Array)).toThrow(TypeError)
    }
    expect(encodeRecord(Buffer.from('x')).length).toBe(17)
  })
})

describe('a written file', () => {
  test('has, byte for byte, what TensorFlow writes and what TensorFlow has read', async () => {
    const bytes = concat((await written(RECORDS)).writes)
    expect(Buffer.compare(bytes, fixture('records.tfrecord'))).toBe(0)
    expect(sha256(bytes)).toBe(checked.files[0]?.sha256)
  })

  for (const { file, sha256: digest, records } of checked.files) {
    test(`${file} was read by ${checked.readBy} as we read it`, async () => {
      const bytes = fixture(file)
      expect(sha256(bytes)).toBe(digest)
      const outcome = await readAll(memorySource(bytes))
      expect(outcome.error).toBeUndefined()
      expect(outcome.records.map((record) => ({ length: record.length, sha256: sha256(record) }))).toEqual(records)
    })
  }

  test('is read back, compressed or not, with records of every size around that of the buffer', async () => {
    const buffer = 2 ** 20
    const sizes = [0, 10, buffer - 60, 2, 1, buffer - 16, buffer - 15, buffer, 3 * buffer, 0, 500, buffer - 17, 0]
    const records = sizes.map((size, i) => pseudoRandom(size, i))
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      const target = await written(records, { compression })
      expect(target.state).toBe('finalized')
      expect(target.mostUnderWay).toBe(1)
      const outcome = await readAll(memorySource(concat(target.writes)))
      expect(outcome.error).toBeUndefined()
      expect(outcome.records.map(sha256)).toEqual(records.map(sha256))
    }
  })

  test('without records is empty, or an empty compressed stream', async () => {
    expect((await written([])).writes).toEqual([])
    for (const compression of ['gzip', 'zlib'] as const) {
      const bytes = concat((await written([], { compression })).writes)
      expect(bytes.length).toBeGreaterThan(0)
      expect(await readAll(memorySource(bytes))).toEqual({ records: [], positions: [], error: undefined })
    }
  })

  test('keeps the order of writes that are not awaited', async () => {
    const records = Array.from({ length: 300 }, (_, i) => pseudoRandom(i % 50 === 0 ? 1_200_000 : 20_000 - i, i))
    const target = memoryWriter()
    const writer = tfrecordWriter(target)
    const writes = records.map((record) => writer.write(record))
    await writer.finalize()
    await Promise.all(writes)
    expect(sha256(concat(target.writes))).toBe(sha256(concat(records.map(encodeRecord))))
  })

  test('goes out in writes of about 1 MiB, one at a time', async () => {
    const target = await written(Array.from({ length: 5000 }, (_, i) => pseudoRandom(1000, i)))
    expect(target.writes.length).toBe(5)
    expect(target.mostUnderWay).toBe(1)
  })

  test('does not change with records that are reused after their write', async () => {
    const record = new Uint8Array(3000)
    const target = memoryWriter()
    const writer = tfrecordWriter(target, { compression: 'gzip' })
    for (let i = 0; i < 1000; i++) await writer.write(record.fill(i))
    await writer.write(new Uint8Array(2_000_000).fill(9))
    await writer.finalize()
    const { records } = await readAll(memorySource(concat(target.writes)))
    expect(records.slice(0, 1000).every((r, i) => r.every((byte) => byte === (i & 255)))).toBe(true)
    expect(records[1000]?.every((byte) => byte === 9)).toBe(true)
  })
})

describe('a writer', () => {
  test('passes on the error of its target, from then on, and can be aborted', async () => {
    for (const compression of ['none', 'gzip'] as const) {
      for (const size of [100_000, 3_000_000]) {
        const target = memoryWriter()
        target.failAt = 1
        const writer = tfrecordWriter(target, { compression })
        const writing = (async () => {
          for (let i = 0; i < 100; i++) await writer.write(pseudoRandom(size, i))
        })()
        await expect(writing).rejects.toThrow('the disk is full')
        await expect(writer.write(new Uint8Array(1))).rejects.toThrow('the disk is full')
        await expect(writer.finalize()).rejects.toThrow('the disk is full')
        await writer.abort()
        expect(target.state).toBe('aborted')
      }
    }
  })

  test('that fails in the last write does not finalize', async () => {
    for (const compression of ['none', 'zlib'] as const) {
      const target = memoryWriter()
      target.failAt = 0
      const writer = tfrecordWriter(target, { compression })
      await writer.write(new Uint8Array(10))
      await expect(writer.finalize()).rejects.toThrow('the disk is full')
      expect(target.state).toBe('open')
      await writer.abort()
      expect(target.state).toBe('aborted')
    }
  })

  test('that is aborted leaves nothing, at any moment', async () => {
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      for (const count of [0, 1, 30]) {
        const target = memoryWriter()
        const writer = tfrecordWriter(target, { compression })
        const writes = Array.from({ length: count }, (_, i) => writer.write(pseudoRandom(200_000, i)))
        await writer.abort()
        await Promise.allSettled(writes)
        expect(target.state).toBe('aborted')
        await writer.abort()
        await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ kind: 'Closed' })
        await expect(writer.finalize()).rejects.toMatchObject({ kind: 'Closed' })
      }
    }
  })

  test('that is finalized takes no more, and abort does nothing to the file', async () => {
    const target = memoryWriter()
    const writer = tfrecordWriter(target)
    await writer.write(new Uint8Array(4))
    expect((await writer.finalize()).size).toBe(20)
    await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ name: 'MillraceError', kind: 'Closed' })
    await expect(writer.finalize()).rejects.toMatchObject({ kind: 'Closed' })
    await writer.abort()
    expect(target.state).toBe('finalized')
    expect(hex((await readAll(memorySource(concat(target.writes)))).records)).toEqual(['00000000'])
  })

  test('refuses wrong arguments', async () => {
    expect(() => tfrecordWriter(memoryWriter(), { compression: 'auto' as 'none' })).toThrow(RangeError)
    await expect(tfrecordWriter(memoryWriter()).write(new Uint16Array(3) as unknown as Uint8Array)).rejects.toThrow(TypeError)
  })

  test('works where Node\'s zlib is not at hand', async () => {
    const host = process as { getBuiltinModule?: unknown }
    const builtin = host.getBuiltinModule
    host.getBuiltinModule = undefined
    try {
      for (const compression of ['gzip', 'zlib'] as const) {
        const target = await written(RECORDS, { compression })
        expect(hex((await readAll(memorySource(concat(target.writes)))).records)).toEqual(hex(RECORDS))
        const aborted = memoryWriter()
        const writer = tfrecordWriter(aborted, { compression })
        await writer.write(new Uint8Array(5))
        await writer.abort()
        expect(aborted.state).toBe('aborted')
      }
    } finally {
      host.getBuiltinModule = builtin
    }
  })
})
