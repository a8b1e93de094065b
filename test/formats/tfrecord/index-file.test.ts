import { describe, expect, test } from '@jest/globals'
import { gzipSync, deflateSync } from 'node:zlib'
import { frameTable, lengthList } from '../../../formats/tfrecord/frame-table.js'
import { encodeIndex, readIndex } from '../../../formats/tfrecord/index-layout.js'
import { encodeRecord, tfrecord, type TfrecordOptions } from '../../../formats/tfrecord/index.js'
import { INDEX_ENDINGS } from '../../../formats/tfrecord/index-file.js'
import { indexTfrecord, scanFrames, type IndexTfrecordOptions } from '../../../formats/tfrecord/index-writer.js'
import { isMillraceError, type ByteSource, type FormatReader, type MillraceError } from '../../../src/format.js'
import { Dataset, memoryStore, writeTfrecord, writeTfrecordIndex, type MemoryStore } from '../../../src/index.js'
import { operatorConformance } from '../../../src/testing/operator.js'
import { FUZZ, flipped, measured } from '../shared/support.js'
import { concat, fixture, generator, hex, memorySource, memoryWriter, pseudoRandom, readAll, type MemorySource } from './support.js'

const NAMES = ['records.tfrecord', 'like-zlib.tfrecord', 'examples.tfrecord', 'empty.tfrecord', 'ours.tfrecord']
const RECORDS = [0, 5, 5, 1, 0, 60, 13, 13].map((length, i) => pseudoRandom(length, i))
const PLAIN = concat(RECORDS.map(encodeRecord))
const OFFSETS = RECORDS.reduce((all, record) => [...all, (all.at(-1) ?? 0) + record.length + 16], [0])
const { signal } = new AbortController()

type Form = 'millrace' | 'dali'
const FORMS: readonly Form[] = ['millrace', 'dali']

/** A source of a certain version. */
const versioned = (bytes: Uint8Array, version: string, uri?: string): MemorySource => Object.assign(memorySource(bytes, uri), { version })

async function indexOf(source: ByteSource, format: Form, options: IndexTfrecordOptions = {}): Promise<Uint8Array> {
  const writer = memoryWriter()
  const { records } = await indexTfrecord(source, async ending => {
    expect(ending).toBe(INDEX_ENDINGS[format])
    return writer
  }, { format, ...options })
  expect([writer.state, typeof records]).toEqual(['finalized', 'number'])
  return concat(writer.writes)
}

/** Opens a file with what lies beside it. */
async function openWith(source: ByteSource, beside: { readonly [ending: string]: Uint8Array }, options: TfrecordOptions = {}): Promise<FormatReader<Uint8Array>> {
  const context = {
    signal,
    beside: async (ending: string) => (beside[ending] === undefined ? null : memorySource(beside[ending], `${source.uri}${ending}`))
  }
  return (await tfrecord.open(source, options, context)) as FormatReader<Uint8Array>
}

const besideOf = (form: Form, bytes: Uint8Array): Record<string, Uint8Array> => ({ [INDEX_ENDINGS[form]]: bytes })

describe('an index', () => {
  test('in the form of DALI is, byte for byte, what tfrecord2idx writes', async () => {
    for (const name of NAMES) expect(Buffer.from(await indexOf(memorySource(fixture(name)), 'dali'))).toEqual(Buffer.from(fixture(`${name}.idx`)))
  })

  test('in our own form is, byte for byte, what its layout says', async () => {
    for (const name of NAMES) {
      expect(Buffer.from(await indexOf(versioned(fixture(name), 'version-1'), 'millrace'))).toEqual(Buffer.from(fixture(`${name}.mrindex`)))
    }
  })

  test('gives a file a length, access by ordinal and the offsets of its records', async () => {
    for (const name of NAMES) {
      const all = await readAll(memorySource(fixture(name)))
      for (const form of FORMS) {
        const reader = await openWith(memorySource(fixture(name)), besideOf(form, fixture(`${name}${INDEX_ENDINGS[form]}`)))
        expect(reader.fragments).toEqual([{ count: all.records.length }])
        const ordinals = [...all.records.keys(), ...[...all.records.keys()].reverse()]
        expect(hex(await reader.get!(0, ordinals, { signal }))).toEqual(hex(ordinals.map(i => all.records[i]!)))
        for (const ordinal of all.records.keys()) {
          const chunk = await reader.read(0, { from: reader.seek!(0, ordinal), signal })[Symbol.asyncIterator]().next()
          expect(hex([chunk.value!.elements[0]!])).toEqual(hex([all.records[ordinal]!]))
        }
      }
    }
  })

  test('of any number and size of records tells where they are', async () => {
    const random = generator(2)
    for (let round = 0; round < 60; round++) {
      const records = Array.from({ length: random(70) }, (_, i) => pseudoRandom(round % 3 === 0 && i === 7 ? 70_000 : random(round % 2 === 0 ? 40 : 400), i))
      const source = memorySource(concat(records.map(encodeRecord)))
      const table = await scanFrames(source, round % 2 === 0, signal)
      const offsets = records.reduce((all, record) => [...all, (all.at(-1) ?? 0) + record.length + 16], [0])
      expect([table.count, table.byteLength, Array.from(table.lengths)]).toEqual([records.length, source.byteLength, records.map(record => record.length)])
      expect(offsets.map((_, i) => table.offsetAt(i))).toEqual(offsets)
      const form = FORMS[round % 2]!
      const reader = await openWith(source, besideOf(form, await indexOf(source, form)))
      const ordinals = records.length === 0 ? [] : Array.from({ length: 30 }, () => random(records.length))
      expect(hex(await reader.get!(0, ordinals, { signal }))).toEqual(hex(ordinals.map(i => records[i]!)))
    }
  })

  test('of our own takes as few bytes per length as the longest record needs', async () => {
    for (const [longest, width] of [[255, 1], [256, 2], [65_536, 4], [2 ** 32 - 1, 4], [2 ** 32, 8], [2 ** 40, 8]] as const) {
      const list = lengthList()
      for (let i = 0; i < 3000; i++) list.push(i === 2500 ? longest : i % 200)
      const table = frameTable(list.lengths())
      const file = { byteLength: table.byteLength, headCrc: 1, tailCrc: 2, version: 'grüße' }
      const bytes = encodeIndex(table, file)
      const { header, lengths } = await readIndex(memorySource(bytes), signal)
      expect([header.width, header.count, Array.from(lengths)]).toEqual([width, 3000, Array.from(table.lengths)])
      expect(header).toMatchObject(file)
      expect(table.offsetAt(3000)).toBe(table.byteLength)
      expect(table.offsetAt(2501) - table.offsetAt(2500)).toBe(longest + 16)
    }
  })

  test('may be text as Windows writes it, and without a line feed at the end', async () => {
    const text = new TextDecoder().decode(fixture('records.tfrecord.idx'))
    for (const other of [text.replaceAll('\n', '\r\n'), text.trimEnd(), text.replaceAll(' ', '\t'), `${text}\n\n`]) {
      const reader = await openWith(memorySource(fixture('records.tfrecord')), besideOf('dali', new TextEncoder().encode(other)))
      expect(reader.fragments[0]?.count).toBe(25)
    }
  })

  test('of our own comes before that of DALI', async () => {
    const reader = await openWith(memorySource(PLAIN), { '.mrindex': await indexOf(memorySource(PLAIN), 'millrace'), '.idx': new TextEncoder().encode('nonsense') })
    expect(reader.fragments[0]?.count).toBe(RECORDS.length)
  })

  test('is not looked for with index: false, nor for files that are said to be compressed', async () => {
    const nonsense = { '.mrindex': pseudoRandom(50, 1), '.idx': pseudoRandom(50, 1) }
    expect((await openWith(memorySource(PLAIN), nonsense, { index: false })).fragments).toEqual([{}])
    expect((await openWith(memorySource(gzipSync(PLAIN)), nonsense, { compression: 'gzip' })).fragments).toEqual([{}])
    expect((await openWith(memorySource(gzipSync(PLAIN)), nonsense)).fragments).toEqual([{}])
    const reader = await openWith(memorySource(PLAIN), {})
    expect([reader.fragments, reader.get, reader.seek]).toEqual([[{}], undefined, undefined])
  })

  test('that is asked for has to be there, and the file must not be compressed', async () => {
    await expect(openWith(memorySource(PLAIN), {}, { index: true })).rejects.toMatchObject({ kind: 'NotFound', message: expect.stringMatching(/file\.mrindex nor .*file\.idx.*writeTfrecordIndex/) })
    for (const [options, data] of [[{ compression: 'gzip' }, gzipSync(PLAIN)], [{}, gzipSync(PLAIN)], [{}, deflateSync(PLAIN)]] as const) {
      await expect(openWith(memorySource(data), {}, { ...options, index: true })).rejects.toMatchObject({ kind: 'Unsupported', message: expect.stringMatching(/compressed/) })
      await expect(indexOf(memorySource(data), 'dali')).rejects.toMatchObject({ kind: 'Unsupported' })
    }
    for (const index of ['yes', 1, null]) await expect(openWith(memorySource(PLAIN), {}, { index } as never)).rejects.toThrow(TypeError)
  })
})

describe('building an index', () => {
  test('of a file that was cut off is Truncated at the record that is not whole, and writes nothing', async () => {
    for (let length = 0; length < PLAIN.length; length++) {
      const whole = OFFSETS.findLastIndex(begin => begin <= length)
      for (const verifyData of [false, true]) {
        const building = scanFrames(memorySource(PLAIN.subarray(0, length)), verifyData, signal)
        if (OFFSETS[whole] === length) expect((await building).count).toBe(whole)
        else await expect(building).rejects.toMatchObject({ kind: 'Truncated', offset: OFFSETS[whole], record: whole })
      }
    }
    const writer = memoryWriter()
    await expect(indexTfrecord(memorySource(PLAIN.subarray(0, 100)), async () => writer)).rejects.toMatchObject({ kind: 'Truncated' })
    expect([writer.state, writer.writes]).toEqual(['open', []])
  })

  test('of a file with a wrong bit finds it in the lengths, and with verifyData in the data', async () => {
    for (let bit = 0; bit < PLAIN.length * 8; bit++) {
      const bad = OFFSETS.findLastIndex(begin => begin <= bit >>> 3)
      const inHeader = (bit >>> 3) - OFFSETS[bad]! < 12
      for (const verifyData of [false, true]) {
        const building = scanFrames(memorySource(flipped(PLAIN, bit)), verifyData, signal)
        if (inHeader || verifyData) await expect(building).rejects.toMatchObject({ kind: 'Corrupt', offset: OFFSETS[bad], record: bad })
        else expect((await building).count).toBe(RECORDS.length)
      }
    }
  })

  test('reads only the headers of records that are larger than a block', async () => {
    const record = new Uint8Array(5 * 2 ** 20)
    const source = memorySource(concat([record, record, record].map(encodeRecord)))
    expect((await scanFrames(source, false, signal)).count).toBe(3)
    expect(source.ranges.map(([, size]) => size)).toEqual([2 ** 22, 2 ** 12, 2 ** 12])
  })

  test('takes back what it wrote when writing fails, and ends when it is told to', async () => {
    const writer = memoryWriter()
    writer.failAt = 0
    await expect(indexTfrecord(memorySource(PLAIN), async () => writer)).rejects.toThrow('the disk is full')
    expect(writer.state).toBe('aborted')
    await expect(indexTfrecord(memorySource(PLAIN), async () => memoryWriter(), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

test('options of an index that are none are refused', async () => {
  for (const options of [{ format: 'other' }, { format: null }, { verifyData: 1 }]) {
    await expect(indexTfrecord(memorySource(PLAIN), async () => memoryWriter(), options as never)).rejects.toThrow(/must be/)
  }
})

describe('an index that does not fit', () => {
  const other = concat([RECORDS[5]!, ...RECORDS.slice(0, 5), ...RECORDS.slice(6)].map(encodeRecord)) // as long
  const longer = concat([PLAIN, encodeRecord(RECORDS[1]!)])

  test('because the file has another size is a Changed error that says what to do', async () => {
    for (const form of FORMS) {
      const index = await indexOf(memorySource(PLAIN), form)
      for (const data of [longer, PLAIN.subarray(0, OFFSETS[7]), new Uint8Array(0)]) {
        const error: MillraceError = await openWith(memorySource(data), besideOf(form, index)).then(() => undefined as never, error => error)
        expect([error.kind, error.uri]).toEqual(['Changed', `mem://bucket/file${INDEX_ENDINGS[form]}`])
        expect(error.message).toMatch(/not the index of mem:\/\/bucket\/file as it is now.*writeTfrecordIndex.*index: false/)
      }
    }
  })

  test('because the file begins or ends with other bytes is Changed, whatever its size; a mere copy of the file fits', async () => {
    const index = besideOf('millrace', await indexOf(versioned(PLAIN, 'a'), 'millrace'))
    await expect(openWith(versioned(other, 'b'), index)).rejects.toMatchObject({ kind: 'Changed', offset: 32 })
    await expect(openWith(versioned(flipped(PLAIN, PLAIN.length * 8 - 1), 'b'), index)).rejects.toMatchObject({ kind: 'Changed' })
    const copy = versioned(PLAIN, 'b')
    expect((await openWith(copy, index)).fragments[0]?.count).toBe(RECORDS.length)
    expect(copy.ranges.length).toBeGreaterThan(0)
    const same = versioned(PLAIN, 'a')
    await openWith(same, index, { compression: 'none' })
    expect(same.ranges).toEqual([])
  })

  test('and cannot be told from its size never gives a wrong record', async () => {
    const index = besideOf('dali', await indexOf(memorySource(PLAIN), 'dali'))
    const reader = await openWith(memorySource(other), index, { verify: false })
    const records = (await readAll(memorySource(other))).records.map(record => hex([record])[0])
    for (const ordinal of RECORDS.keys()) {
      const found = await reader.get!(0, [ordinal], { signal }).then(([record]) => hex([record!])[0], error => error)
      if (typeof found === 'string') expect(records).toContain(found)
      else expect(found).toMatchObject({ kind: ordinal === 0 ? 'Changed' : 'Corrupt', uri: 'mem://bucket/file', offset: OFFSETS[ordinal], record: ordinal, message: expect.stringMatching(/writeTfrecordIndex/) })
    }
  })

  test('because a record has another length is Changed at that record', async () => {
    // One of 60 bytes where there are two of 22.
    const data = concat([RECORDS[0]!, RECORDS[1]!, new Uint8Array(22), new Uint8Array(22)].map(encodeRecord))
    const text = '0 16\n16 21\n37 76\n'
    const reader = await openWith(memorySource(data), besideOf('dali', new TextEncoder().encode(text)))
    expect(hex(await reader.get!(0, [1, 0], { signal }))).toEqual(hex([RECORDS[1]!, RECORDS[0]!]))
    await expect(reader.get!(0, [2], { signal })).rejects.toMatchObject({ kind: 'Changed', offset: 37, record: 2, message: expect.stringMatching(/22 bytes of data.*index: false/) })
  })
})

describe('records by ordinal', () => {
  test('are verified: every wrong bit is found, at its record only', async () => {
    const index = besideOf('dali', await indexOf(memorySource(PLAIN), 'dali'))
    for (let bit = 0; bit < PLAIN.length * 8; bit++) {
      const reader = await openWith(memorySource(flipped(PLAIN, bit)), index, { compression: 'none' })
      const bad = OFFSETS.findLastIndex(begin => begin <= bit >>> 3)
      await expect(reader.get!(0, [...RECORDS.keys()], { signal })).rejects.toMatchObject({ kind: 'Corrupt', offset: OFFSETS[bad], record: bad })
      const others = [...RECORDS.keys()].filter(i => i !== bad)
      expect(hex(await reader.get!(0, others, { signal }))).toEqual(hex(others.map(i => RECORDS[i]!)))
    }
  })

  test('without verify are given as they are, when their length is right', async () => {
    const index = besideOf('dali', await indexOf(memorySource(PLAIN), 'dali'))
    const reader = await openWith(memorySource(flipped(PLAIN, (OFFSETS[6]! - 1) * 8)), index, { verify: false })
    expect(hex(await reader.get!(0, [5], { signal }))).toEqual(hex([RECORDS[5]!]))
  })

  test('above maxRecordBytes are a Limit error before they are read', async () => {
    const index = besideOf('dali', await indexOf(memorySource(PLAIN), 'dali'))
    const source = memorySource(PLAIN)
    const reader = await openWith(source, index, { maxRecordBytes: 59, compression: 'none' })
    await expect(reader.get!(0, [0, 5], { signal })).rejects.toMatchObject({ kind: 'Limit', offset: OFFSETS[5], record: 5 })
    expect(source.ranges).toEqual([])
  })

  test('are read together where they are neighbours', async () => {
    const source = memorySource(PLAIN)
    const reader = await openWith(source, besideOf('dali', await indexOf(memorySource(PLAIN), 'dali')), { compression: 'none' })
    await reader.get!(0, [6, 2, 4], { signal })
    expect(source.ranges).toEqual([[OFFSETS[2], OFFSETS[7]! - OFFSETS[2]!]])
  })
})

describe('a damaged index', () => {
  /** Opening must give the right table or a typed error that names the index; records must be right in any case. */
  async function check(form: Form, bytes: Uint8Array): Promise<unknown> {
    const { result, allocated } = await measured(async () => {
      try {
        const reader = await openWith(memorySource(PLAIN), besideOf(form, bytes))
        return { count: reader.fragments[0]?.count, records: hex(await reader.get!(0, [...RECORDS.keys()], { signal })) }
      } catch (error) {
        return error
      }
    })
    expect(allocated).toBeLessThan(20_000)
    if (isMillraceError(result)) expect(result).toMatchObject({ uri: `mem://bucket/file${INDEX_ENDINGS[form]}`, offset: expect.any(Number), message: expect.stringMatching(/index: false/) })
    else expect(result).toEqual({ count: RECORDS.length, records: hex(RECORDS) })
    return result
  }

  test('of our own is an error wherever it was cut off or has a wrong bit', async () => {
    const index = await indexOf(memorySource(PLAIN), 'millrace')
    for (let length = 0; length < index.length; length++) expect(await check('millrace', index.subarray(0, length))).toMatchObject({ kind: 'Truncated' })
    for (let bit = 0; bit < index.length * 8; bit++) expect((await check('millrace', flipped(index, bit)) as MillraceError).kind).toMatch(/Corrupt|Truncated|Unsupported/)
    expect(await check('millrace', concat([index, new Uint8Array(1)]))).toMatchObject({ kind: 'Corrupt' })
  })

  test('of our own with absurd numbers takes no memory on their word', async () => {
    const index = await indexOf(memorySource(PLAIN), 'millrace')
    const random = generator(6)
    for (let i = 0; i < 3000 * FUZZ; i++) {
      const bytes = index.slice()
      const view = new DataView(bytes.buffer)
      for (let k = 0; k <= random(3); k++) view.setUint32(8 + 4 * random(9), random(2) === 0 ? random(2 ** 32) : random(20), true)
      expect(isMillraceError(await check('millrace', bytes)) || Buffer.from(bytes).equals(index)).toBe(true)
    }
  })

  test('of DALI is an error or tells the truth, wherever it was cut off or has a wrong bit', async () => {
    const index = await indexOf(memorySource(PLAIN), 'dali')
    for (let length = 0; length < index.length - 1; length++) expect(await check('dali', index.subarray(0, length))).toMatchObject({ name: 'MillraceError' })
    for (let bit = 0; bit < index.length * 8; bit++) await check('dali', flipped(index, bit))
  })

  test('of either form made of anything is an error', async () => {
    const random = generator(4)
    const text = new TextEncoder().encode('0123456789 \n\t\r-x')
    for (let i = 0; i < 2000 * FUZZ; i++) {
      const bytes = pseudoRandom(1 + random(80), i & 255)
      expect(isMillraceError(await check('millrace', bytes))).toBe(true)
      expect(isMillraceError(await check('dali', bytes.map(byte => text[byte & 15]!)))).toBe(true)
    }
  })
})

describe('a dataset of files with indexes', () => {
  const FILES = [RECORDS, [], RECORDS.slice(3), Array.from({ length: 9 }, (_, i) => pseudoRandom(30, 40 + i))]
  const all = hex(FILES.flat())

  async function storeWith(form: Form | 'none'): Promise<MemoryStore> {
    const store = memoryStore()
    for (const [i, records] of FILES.entries()) {
      const uri = `mem://d/${i}.tfrecord`
      await store.put(uri, concat(records.map(encodeRecord)))
      if (form === 'none') continue
      const source = await store.open(uri)
      await indexTfrecord(source, ending => store.createWriter(uri + ending), { format: form })
      await source.close()
    }
    return store
  }
  const dataset = (store: MemoryStore, options: TfrecordOptions = {}): Dataset<Uint8Array> =>
    Dataset.fromFiles<Uint8Array, TfrecordOptions>('mem://d/*.tfrecord', { format: 'tfrecord', options, store })

  test('resumes at every record, with and without them', async () => {
    const [none, millrace, dali] = [await storeWith('none'), await storeWith('millrace'), await storeWith('dali')]
    const same = [() => dataset(dali, { readBytes: 16 }), () => dataset(none, { readBytes: 40 })]
    for (const { run } of operatorConformance({ make: () => dataset(millrace), same })) await run()
  })

  test('has shards that are disjoint and complete, and selections of it', async () => {
    for (const form of FORMS) {
      const ds = dataset(await storeWith(form))
      for (const n of [1, 2, 3, 7]) {
        const shards = await Promise.all(Array.from({ length: n }, (_, i) => ds.shard(n, i).toArray()))
        expect(shards.map(hex)).toEqual(shards.map((_, i) => all.filter((_, at) => at % n === i)))
      }
      expect(hex(await ds.skip(7).take(8).toArray())).toEqual(all.slice(7, 15))
    }
  })

  test('is shuffled as a whole without reading all of it first, and loses nothing', async () => {
    const ds = dataset(await storeWith('millrace')).shuffle(all.length, { seed: 3 })
    const shuffled = hex(await ds.toArray())
    expect([...shuffled].sort()).toEqual([...all].sort())
    expect(shuffled).not.toEqual(all)
    for (const { run } of operatorConformance({ make: () => ds })) await run()
  })
})

test('a pattern that means the indexes too reads the files alone', async () => {
  const store = memoryStore()
  for (const k of [0, 1]) await writeTfrecord(`mem://d/train-${k}`, [new Uint8Array([k]), new Uint8Array([k, k])], { store })
  for (const format of ['millrace', 'dali'] as const) expect(await writeTfrecordIndex('mem://d/train-*', { store, format })).toHaveLength(2)
  expect((await Dataset.tfrecord('mem://d/train-*', { store, index: true }).shuffle({ seed: 1 }).toArray()).map(({ length }) => length).sort()).toEqual([1, 1, 2, 2])
})
