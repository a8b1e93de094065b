import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { deflateSync, gzipSync } from 'node:zlib'
import { fixedLengthRecords, type FixedLengthOptions } from '../../../formats/fixed-length/index.js'
import { isMillraceError, type FormatReader } from '../../../src/format.js'
import { Dataset, memoryStore } from '../../../src/index.js'
import { operatorConformance } from '../../../src/testing/operator.js'
import { FUZZ, flipped, hexOf, measured, readAll, type Outcome } from '../shared/support.js'
import { alone, concat, generator, memorySource, pseudoRandom, type MemorySource } from '../tfrecord/support.js'

const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../fixtures/fixed-length/${name}`, import.meta.url)))
const expected = JSON.parse(new TextDecoder().decode(fixture('expected.json'))) as {
  readonly files: readonly { readonly file: string; readonly options: FixedLengthOptions; readonly records: readonly string[]; readonly error: string | null }[]
}
const { signal } = new AbortController()
const openSource = async (source: MemorySource, options: FixedLengthOptions): Promise<FormatReader<Uint8Array>> =>
  (await fixedLengthRecords.open(source, options, alone())) as FormatReader<Uint8Array>
const open = (bytes: Uint8Array, options: FixedLengthOptions): Promise<FormatReader<Uint8Array>> => openSource(memorySource(bytes), options)

/** Opens and reads; an error of either is the outcome. */
async function read(bytes: Uint8Array, options: FixedLengthOptions, more: Parameters<typeof readAll>[2] = {}): Promise<Outcome<string>> {
  try {
    return await readAll(await open(bytes, options), hexOf, more)
  } catch (error) {
    return { elements: [], positions: [], error }
  }
}

describe('files that tf.data has read', () => {
  for (const { file, options, records, error } of expected.files) {
    test(`${file} has the records that TensorFlow reads from it${error === null ? '' : `, and is an error where it gives ${error}`}`, async () => {
      for (const readBytes of [1, 12, 25, 100, 2 ** 20]) {
        for (const transient of [false, true]) {
          const outcome = await read(fixture(file), { ...options, readBytes }, { transient })
          expect([outcome.elements, outcome.error === undefined]).toEqual([records, error === null])
          if (error !== null) expect(outcome.error).toMatchObject({ kind: 'Truncated', uri: 'mem://bucket/file', message: expect.stringMatching(/cut off, or .*Bytes/) })
        }
      }
    })
  }

  test('are read where Node\'s zlib is not at hand', async () => {
    const host = process as { getBuiltinModule?: unknown }
    const builtin = host.getBuiltinModule
    host.getBuiltinModule = undefined
    try {
      for (const { file, options, records, error } of expected.files) {
        const outcome = await read(fixture(file), options)
        expect([file, outcome.elements, outcome.error === undefined]).toEqual([file, records, error === null])
      }
      expect((await read(fixture('framed.bin.gz').subarray(0, -20), expected.files[2]!.options)).error).toMatchObject({ kind: 'Truncated' })
      expect((await read(flipped(fixture('framed.bin.zlib'), 441 * 8 - 1), expected.files[3]!.options)).error).toMatchObject({ kind: 'Corrupt' })
    } finally {
      host.getBuiltinModule = builtin
    }
  })

  test('go on at every record', async () => {
    for (const { file, options, records, error } of expected.files) {
      if (error !== null) continue
      for (let from = 0; from <= records.length; from++) {
        const outcome = await read(fixture(file), { ...options, readBytes: 30 }, { from })
        expect([file, from, outcome.error, outcome.elements]).toEqual([file, from, undefined, records.slice(from)])
        for (const [next, count] of outcome.positions) expect(next).toBe(from + count)
      }
      for (const from of [records.length + 1, records.length + 5, -1, 0.5, '1', null]) {
        expect((await read(fixture(file), options, { from })).error).toMatchObject({ kind: 'Checkpoint' })
      }
    }
  })

  test('have by ordinal what they have in order, when they are not compressed', async () => {
    const random = generator(3)
    for (const { file, options, records, error } of expected.files) {
      if (error !== null) continue
      const reader = await open(fixture(file), options)
      if (options.compression !== 'none') {
        expect([reader.fragments, reader.get]).toEqual([[{}], undefined])
        continue
      }
      expect(reader.fragments).toEqual([{ count: records.length }])
      const ordinals = Array.from({ length: records.length === 0 ? 0 : 100 }, () => random(records.length))
      expect((await reader.get?.(0, ordinals, { signal }))?.map(hexOf)).toEqual(ordinals.map(i => records[i]))
    }
  })
})

describe('blocks', () => {
  const data = pseudoRandom(10_000, 1)

  test('are whole records, read once each, in order, three at a time', async () => {
    const source = memorySource(data)
    const reader = await openSource(source, { recordBytes: 100, readBytes: 1050 })
    await readAll(reader, () => 0)
    expect(source.ranges).toEqual(Array.from({ length: 10 }, (_, i) => [i * 1000, 1000]))
    expect(source.mostUnderWay).toBe(3)
  })

  test('take turns in four buffers when the records are used up before the next chunk, and not otherwise', async () => {
    for (const transient of [true, false]) {
      const reader = await open(data, { recordBytes: 100, readBytes: 1000 })
      const { elements } = await readAll(reader, record => record.buffer, { transient })
      expect(new Set(elements).size).toBe(transient ? 4 : 10)
    }
  })

  test('are not read behind the end of the iteration, and an early end waits for what is under way', async () => {
    const source = memorySource(data)
    const reader = await openSource(source, { recordBytes: 100, readBytes: 1000 })
    for await (const { elements } of reader.read(0, { signal })) {
      expect(elements.length).toBe(10)
      break
    }
    expect([source.underWay, source.ranges.length]).toEqual([0, 4])
  })

  test('an abort ends the reads under way, and is what comes out', async () => {
    for (const compression of ['none', 'gzip'] as const) {
      const source = memorySource(compression === 'gzip' ? gzipSync(data) : data)
      const controller = new AbortController()
      const reader = await openSource(source, { recordBytes: 100, readBytes: 1000, compression })
      source.gate = new Promise(() => undefined)
      const outcome = readAll(reader, hexOf, { signal: controller.signal })
      controller.abort(new Error('enough'))
      expect((await outcome).error).toMatchObject({ message: 'enough' })
      expect(source.underWay).toBe(0)
    }
  })

  test('an error of the store comes behind the records before it', async () => {
    const source = memorySource(data)
    source.failure = { read: 4, error: new Error('the disk is gone') }
    const { elements, error } = await readAll(await openSource(source, { recordBytes: 100, readBytes: 1000 }), hexOf)
    expect(elements.length).toBe(40)
    expect(error).toMatchObject({ message: 'the disk is gone' })
    expect(source.underWay).toBe(0)
  })
})

describe('a dataset of such files', () => {
  const bodies = [0, 7, 1, 12].map((count, i) => pseudoRandom(count * 10, i + 1))
  const records = bodies.flatMap(body => Array.from({ length: body.length / 10 }, (_, i) => hexOf(body.subarray(i * 10, i * 10 + 10))))
  const files = async (wrap: (body: Uint8Array) => Uint8Array): Promise<ReturnType<typeof memoryStore>> => {
    const store = memoryStore()
    for (const [i, body] of bodies.entries()) await store.put(`mem://d/${i}`, wrap(concat([new Uint8Array(3), body, new Uint8Array(2)])))
    return store
  }
  const dataset = (store: ReturnType<typeof memoryStore>, more: Partial<FixedLengthOptions> = {}): Dataset<Uint8Array> =>
    Dataset.fromFiles<Uint8Array, FixedLengthOptions>('mem://d/*', { format: fixedLengthRecords, options: { recordBytes: 10, headerBytes: 3, footerBytes: 2, ...more }, store })

  test('resumes at every record, whatever the size of the reads', async () => {
    const store = await files(data => data)
    for (const { run } of operatorConformance({ make: () => dataset(store), same: [() => dataset(store, { readBytes: 1 }), () => dataset(store, { readBytes: 35 })] })) await run()
    const compressed = await files(data => gzipSync(data))
    const compression = 'gzip'
    for (const { run } of operatorConformance({ make: () => dataset(compressed, { compression }), same: [() => dataset(compressed, { compression, readBytes: 25 })] })) await run()
  })

  test('has shards that are disjoint and complete, and shuffles that lose nothing', async () => {
    const store = await files(data => data)
    const all = dataset(store)
    const shards = await Promise.all([0, 1, 2].map(i => all.shard(3, i).toArray()))
    expect(shards.map(shard => shard.map(hexOf))).toEqual([0, 1, 2].map(i => records.filter((_, at) => at % 3 === i)))
    expect((await all.shuffle(100, { seed: 1 }).toArray()).map(hexOf).sort()).toEqual([...records].sort())
    expect((await all.skip(5).take(9).toArray()).map(hexOf)).toEqual(records.slice(5, 14))
  })
})

describe('damage', () => {
  const body = pseudoRandom(20 * 9, 5)
  const framed = concat([pseudoRandom(7, 1), body, pseudoRandom(3, 2)])
  const layout = { recordBytes: 9, headerBytes: 7, footerBytes: 3 } as const
  const whole = Array.from({ length: 20 }, (_, i) => hexOf(body.subarray(i * 9, i * 9 + 9)))

  test('a plain file that was cut off anywhere is Truncated, unless whole records are left', async () => {
    for (let length = 0; length < framed.length; length++) {
      const { elements, error } = await read(framed.subarray(0, length), layout)
      if (length >= 10 && (length - 10) % 9 === 0) expect([elements, error]).toEqual([whole.slice(0, (length - 10) / 9), undefined])
      else expect(error).toMatchObject({ kind: 'Truncated', uri: 'mem://bucket/file', offset: length < 10 ? length : 7 + Math.floor((length - 10) / 9) * 9 })
    }
  })

  test('a compressed file that was cut off or has a wrong bit gives the records before, then a typed error, in little memory', async () => {
    const random = generator(11)
    for (const [compression, data] of [['gzip', gzipSync(framed)], ['zlib', deflateSync(framed)]] as const) {
      const cases = [
        ...Array.from({ length: data.length - 1 }, (_, i) => data.subarray(0, i + 1)),
        ...Array.from({ length: data.length * 8 }, (_, bit) => flipped(data, bit)),
        ...Array.from({ length: 200 * FUZZ }, () => pseudoRandom(random(100) + 1, random(256)))
      ]
      for (const [i, bytes] of cases.entries()) {
        const { result: { elements, error }, allocated } = await measured(() => read(bytes, { ...layout, compression, readBytes: 1 + (i % 3) * 40 }))
        // Bits of the gzip header (its time, its name) change nothing.
        expect(elements).toEqual(whole.slice(0, elements.length))
        if (error === undefined) expect(elements.length).toBe(20)
        else expect([isMillraceError(error, 'Truncated') || isMillraceError(error, 'Corrupt'), typeof (error as { offset?: number }).offset]).toEqual([true, 'number'])
        expect(allocated).toBeLessThan(3_000_000)
      }
    }
  })

  test('random sizes and layouts of plain files are whole records or an error', async () => {
    const random = generator(5)
    for (let i = 0; i < 3000 * FUZZ; i++) {
      const data = pseudoRandom(random(200), i & 255)
      const options = { recordBytes: 1 + random(40), headerBytes: random(30), footerBytes: random(30), readBytes: 1 + random(60) }
      const { elements, error } = await read(data, options)
      const size = data.length - options.headerBytes - options.footerBytes
      if (size >= 0 && size % options.recordBytes === 0) expect([elements.join(''), error]).toEqual([hexOf(data.subarray(options.headerBytes, options.headerBytes + size)), undefined])
      else expect([elements, (error as { kind?: string }).kind]).toEqual([[], 'Truncated'])
    }
  })

  test('records that are longer than the file take no memory', async () => {
    for (const compression of ['none', 'gzip', 'zlib'] as const) {
      const data = { none: (bytes: Uint8Array) => bytes, gzip: gzipSync, zlib: deflateSync }[compression](framed)
      const { result, allocated } = await measured(() => read(data, { recordBytes: 2 ** 31 - 1, compression, readBytes: 2 ** 30 }))
      expect(result.error).toMatchObject({ kind: 'Truncated', offset: 0 })
      expect(allocated).toBeLessThan(5_000_000)
    }
  })
})

test('options that are none are refused', async () => {
  const cases: readonly unknown[] = [undefined, null, {}, { recordBytes: 0 }, { recordBytes: 1.5 }, { recordBytes: 2 ** 31 }, { recordBytes: '5' }, { recordBytes: 5, headerBytes: -1 },
    { recordBytes: 5, footerBytes: 2 ** 31 }, { recordBytes: 5, compression: 'auto' }, { recordBytes: 5, readBytes: 0 }]
  for (const options of cases) await expect(open(new Uint8Array(10), options as FixedLengthOptions)).rejects.toThrow(/must be/)
})
