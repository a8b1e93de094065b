import { describe, expect, test } from '@jest/globals'
import { gzipSync, deflateSync } from 'node:zlib'
import { encodeRecord, type TfrecordOptions } from '../../../formats/tfrecord/index.js'
import { concat, fixture, fixtureJson, hex, memorySource, open, pseudoRandom, readAll } from './support.js'

const expected = fixtureJson<{
  readonly files: readonly { readonly file: string; readonly compression: 'none' | 'gzip' | 'zlib'; readonly records: string }[]
  readonly records: Readonly<Record<string, readonly string[]>>
}>('expected.json')

function expectedHex(name: string): string[] {
  if (name === 'twice') return [...expectedHex('records'), ...expectedHex('records')]
  return (expected.records[name] ?? []).map((text) => Buffer.from(text, 'base64').toString('hex'))
}

const PLAIN = fixture('records.tfrecord')
const RECORDS = expectedHex('records')
const OFFSETS = RECORDS.reduce((all, record) => [...all, (all.at(-1) ?? 0) + record.length / 2 + 16], [0])

describe('files written by TensorFlow', () => {
  for (const { file, compression, records } of expected.files) {
    test(`${file} has the records that TensorFlow reads from it`, async () => {
      for (const options of [{}, { compression }, { verify: false }, { readBytes: 100 }] satisfies TfrecordOptions[]) {
        for (const transient of [false, true]) {
          const outcome = await readAll(memorySource(fixture(file)), { ...options, transient })
          expect(outcome.error).toBeUndefined()
          expect(hex(outcome.records)).toEqual(expectedHex(records))
        }
      }
    })
  }

  test('are read where Node\'s zlib is not at hand', async () => {
    const host = process as { getBuiltinModule?: unknown }
    const builtin = host.getBuiltinModule
    host.getBuiltinModule = undefined
    try {
      for (const { file, records } of expected.files) {
        const outcome = await readAll(memorySource(fixture(file)), { readBytes: 1000 })
        expect([file, outcome.error, hex(outcome.records)]).toEqual([file, undefined, expectedHex(records)])
      }
      const cut = await readAll(memorySource(fixture('records.gz.tfrecord').subarray(0, -1000)), { readBytes: 1000 })
      expect(cut.error).toMatchObject({ name: 'MillraceError', kind: 'Truncated' })
      const flipped = fixture('records.zlib.tfrecord')
      flipped[flipped.length - 1]! ^= 1
      expect((await readAll(memorySource(flipped))).error).toMatchObject({ name: 'MillraceError', kind: 'Corrupt' })
    } finally {
      host.getBuiltinModule = builtin
    }
  })
})

describe('blocks', () => {
  test('of any size give the same records, wherever they are cut', async () => {
    for (let readBytes = 16; readBytes <= 600; readBytes += readBytes < 130 ? 1 : 13) {
      for (const transient of [false, true]) {
        const outcome = await readAll(memorySource(PLAIN), { readBytes, transient, compression: readBytes % 2 ? 'none' : 'auto' })
        expect([readBytes, outcome.error, hex(outcome.records)]).toEqual([readBytes, undefined, RECORDS])
      }
    }
  })

  test('of compressed files of any size give the same records', async () => {
    for (const file of ['records.gz.tfrecord', 'records.zlib.tfrecord']) {
      for (const readBytes of [16, 17, 29, 64, 100, 333, 1024, 5000]) {
        for (const transient of [false, true]) {
          const outcome = await readAll(memorySource(fixture(file)), { readBytes, transient })
          expect([readBytes, outcome.error, hex(outcome.records)]).toEqual([readBytes, undefined, RECORDS])
        }
      }
    }
  })

  test('are read once each, in order, and never more than two ahead', async () => {
    const source = memorySource(PLAIN)
    await readAll(source, { readBytes: 500 })
    expect(source.ranges).toEqual(Array.from({ length: 12 }, (_, i) => [i * 500, Math.min(500, PLAIN.length - i * 500)]))
    expect(source.mostUnderWay).toBe(2)
  })

  test('are taken once each when records are many blocks long, so that copying stays linear', async () => {
    const large = pseudoRandom(100_000, 5)
    const bytes = concat([new Uint8Array(3), large, large.subarray(1), new Uint8Array(0)].map(encodeRecord))
    for (const [data, transient] of [[bytes, false], [bytes, true], [gzipSync(bytes), true]] as const) {
      const source = memorySource(data)
      const outcome = await readAll(source, { readBytes: 64, transient })
      expect(outcome.records.map((r) => r.length)).toEqual([3, 100_000, 99_999, 0])
      expect(Buffer.compare(outcome.records[1]!, large)).toBe(0)
      expect(Buffer.compare(outcome.records[2]!, large.subarray(1))).toBe(0)
      expect(source.ranges.reduce((sum, [, n]) => sum + n, 0)).toBe(data.length)
    }
  })

  test('are read before they are needed: two are under way while a chunk is in use', async () => {
    const source = memorySource(PLAIN)
    const { signal } = new AbortController()
    const reader = await open(source, { readBytes: 500 }, signal)
    const chunks = reader.read(0, { signal })[Symbol.asyncIterator]()
    expect(source.ranges.length).toBe(0)
    await chunks.next()
    expect(source.ranges.length).toBe(3)
    await chunks.next()
    expect(source.ranges.length).toBeLessThanOrEqual(5)
    await chunks.return?.(undefined)
    expect(source.underWay).toBe(0)
  })
})

describe('elements', () => {
  test('are views of the buffer that was read into', async () => {
    const { signal } = new AbortController()
    const reader = await open(memorySource(PLAIN), {}, signal)
    for await (const { elements } of reader.read(0, { signal })) {
      expect(elements.length).toBe(RECORDS.length)
      expect(new Set(elements.map((e) => e.buffer)).size).toBe(1)
    }
  })

  test('stay as they are for good when the read is not transient', async () => {
    const { signal } = new AbortController()
    const reader = await open(memorySource(PLAIN), { readBytes: 50 }, signal)
    const all: Uint8Array[] = []
    for await (const { elements } of reader.read(0, { signal })) all.push(...elements)
    expect(hex(all)).toEqual(RECORDS)
  })

  test('of a transient read stay until the chunk after the next is asked for, in a bounded number of buffers', async () => {
    // Large ones, each a chunk of its own, come alone and in runs.
    const records = Array.from({ length: 400 }, (_, i) => pseudoRandom(i % 7 === 0 || i % 40 < 5 ? 900 + i : 20 + (i % 50), i))
    const bytes = concat(records.map(encodeRecord))
    for (const data of [bytes, deflateSync(bytes)]) {
      const { signal } = new AbortController()
      const reader = await open(memorySource(data), { readBytes: 512 }, signal)
      const buffers = new Set<unknown>()
      let before: readonly Uint8Array[] = []
      let seen = 0
      for await (const { elements } of reader.read(0, { signal, transient: true })) {
        expect(hex(before)).toEqual(hex(records.slice(seen - before.length, seen)))
        expect(hex(elements)).toEqual(hex(records.slice(seen, seen + elements.length)))
        seen += elements.length
        before = elements
        for (const element of elements) buffers.add(element.buffer)
      }
      expect(seen).toBe(records.length)
      // Four blocks, and two for records larger than a block, which grow with the records.
      expect(buffers.size).toBeLessThan(120)
    }
  })
})

describe('resuming', () => {
  test('at the offset of any record gives that record and all behind it', async () => {
    for (const [i, from] of OFFSETS.entries()) {
      const outcome = await readAll(memorySource(PLAIN), { from, readBytes: 300 })
      expect([outcome.error, hex(outcome.records)]).toEqual([undefined, RECORDS.slice(i)])
    }
  })

  test('of a compressed file counts in decompressed bytes', async () => {
    for (const file of ['records.gz.tfrecord', 'records.zlib.tfrecord']) {
      for (const [i, from] of OFFSETS.entries()) {
        const outcome = await readAll(memorySource(fixture(file)), { from, readBytes: 300 + i })
        expect([outcome.error, hex(outcome.records)]).toEqual([undefined, RECORDS.slice(i)])
      }
    }
  })

  test('at the `next` of any chunk goes on there', async () => {
    const { positions } = await readAll(memorySource(PLAIN), { readBytes: 40 })
    expect(positions.length).toBeGreaterThan(10)
    for (const [next, count] of positions) {
      const outcome = await readAll(memorySource(PLAIN), { from: JSON.parse(JSON.stringify(next)), readBytes: 64 })
      expect(hex(outcome.records)).toEqual(RECORDS.slice(count))
    }
  })

  test('reads nothing before the place, beside 12 bytes when the compression is to be found out', async () => {
    const auto = memorySource(PLAIN)
    await readAll(auto, { from: OFFSETS[20]! })
    expect(auto.ranges).toEqual([[0, 12], [OFFSETS[20], PLAIN.length - OFFSETS[20]!]])
    const plain = memorySource(PLAIN)
    await readAll(plain, { from: OFFSETS[20]!, compression: 'none' })
    expect(plain.ranges).toEqual([[OFFSETS[20], PLAIN.length - OFFSETS[20]!]])
  })

  test('at a place that the file does not have is a Checkpoint error', async () => {
    for (const from of [-1, 1.5, '0', null, [], PLAIN.length + 1]) {
      const { error } = await readAll(memorySource(PLAIN), { from })
      if (from === null) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ name: 'MillraceError', kind: 'Checkpoint', uri: 'mem://bucket/file' })
    }
    for (const file of ['records.gz.tfrecord', 'empty.tfrecord', 'empty.gz.tfrecord']) {
      expect((await readAll(memorySource(fixture(file)), { from: PLAIN.length + 1 })).error).toMatchObject({ kind: 'Checkpoint' })
    }
  })
})

describe('stopping', () => {
  test('by return() aborts the reads under way and waits for them', async () => {
    for (const data of [PLAIN, fixture('records.gz.tfrecord')]) {
      const source = memorySource(data)
      const { signal } = new AbortController()
      const reader = await open(source, { readBytes: 500 }, signal)
      const chunks = reader.read(0, { signal })[Symbol.asyncIterator]()
      await chunks.next()
      source.gate = new Promise(() => undefined)
      await chunks.next()
      expect(source.underWay).toBeGreaterThan(0)
      const reads = source.ranges.length
      await chunks.return?.(undefined)
      expect(source.underWay).toBe(0)
      expect(source.ranges.length).toBe(reads)
      expect(await chunks.next()).toEqual({ done: true, value: undefined })
    }
  })

  test('by the signal rejects with its reason, and leaves no read under way', async () => {
    for (const data of [PLAIN, fixture('records.gz.tfrecord')]) {
      for (const before of [0, 1, 3]) {
        const source = memorySource(data)
        const controller = new AbortController()
        const reader = await open(source, { readBytes: 500 }, controller.signal)
        const chunks = reader.read(0, { signal: controller.signal })[Symbol.asyncIterator]()
        for (let i = 0; i < before; i++) await chunks.next()
        source.gate = new Promise(() => undefined)
        const reason = new Error('enough')
        const rest = (async () => {
          for (;;) if ((await chunks.next()).done === true) return 'end'
        })()
        queueMicrotask(() => controller.abort(reason))
        await expect(rest).rejects.toBe(reason)
        expect(source.underWay).toBe(0)
      }
    }
  })

  test('before the first chunk reads nothing', async () => {
    const source = memorySource(PLAIN)
    const { signal } = new AbortController()
    const reader = await open(source, {}, signal)
    await reader.read(0, { signal })[Symbol.asyncIterator]().return?.(undefined)
    expect(source.ranges).toEqual([])
  })

  test('on an error of the source delivers what was read before, and passes the error on', async () => {
    for (const data of [PLAIN, gzipSync(PLAIN, { level: 0 })]) {
      const source = memorySource(data)
      source.failure = { read: 7, error: new Error('the cable is out') }
      const { records, error } = await readAll(source, { readBytes: 500 })
      expect(error).toBe(source.failure.error)
      // What the first 3500 bytes hold whole, whatever the frame of the compression takes.
      expect(hex(records)).toEqual(RECORDS.slice(0, records.length))
      expect(records.length).toBe(OFFSETS.filter((offset) => offset > 0 && offset <= 3500 - (data === PLAIN ? 0 : 20)).length)
      expect(source.underWay).toBe(0)
    }
  })
})

describe('arguments', () => {
  test('that are none are refused by open', async () => {
    const bad: readonly unknown[] = [
      { compression: 'bzip2' }, { verify: 1 }, { readBytes: 15 }, { readBytes: 1.5 },
      { maxRecordBytes: -1 }, { maxRecordBytes: 2 ** 31 }
    ]
    for (const options of bad) {
      await expect(open(memorySource(PLAIN), options as TfrecordOptions))
        .rejects.toThrow(/must be/)
    }
  })

  test('a fragment other than the first is refused', async () => {
    const { signal } = new AbortController()
    const reader = await open(memorySource(PLAIN), {}, signal)
    expect(reader.fragments).toEqual([{}])
    expect(() => reader.read(1, { signal })).toThrow(RangeError)
  })
})
