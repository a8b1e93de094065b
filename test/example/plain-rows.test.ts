import { describe, expect, test } from '@jest/globals'
import { encodeExample, exampleBatch, fixedLen, int64List, varLen, type ExampleSpec } from '../../src/example/index.js'
import { takeRecordMemory } from '../../src/kernels/record-memory.js'
import { generate, randomOf } from './generate.js'

const memory = takeRecordMemory(1 << 20)
if (memory === null) throw new Error('this machine has no kernel')
const { bytes } = memory

/** The records, one behind the other in the memory that has the kernel, each with `gap` bytes that belong to no record behind it. */
function inMemory(records: readonly Uint8Array[], gap = 3): Uint8Array[] {
  let at = 0
  return records.map((record) => {
    bytes.set(record, at)
    bytes.fill(0x0a, at + record.length, at + record.length + gap)
    const view = bytes.subarray(at, at + record.length)
    at += record.length + gap
    return view
  })
}

/** What becomes of the records: batches of `size`, and errors in their places. `runs` counts rows that were decoded in runs. */
function outcome(spec: ExampleSpec, size: number, records: readonly Uint8Array[], counts = { runs: 0 }): string {
  const batch = exampleBatch(spec, size)
  const out: unknown[] = []
  for (let at = 0; at < records.length;) {
    const run = batch.addRun(records, at, Math.min(records.length, at + size - batch.rows), at)
    counts.runs += run
    at += run
    if (run === 0) {
      try {
        batch.add(records[at] as Uint8Array, undefined, undefined, at)
      } catch (error) {
        out.push({ ...(error as Error), message: (error as Error).message })
      }
      at++
    }
    if (batch.rows === size || at === records.length) out.push(batch.finish())
  }
  return JSON.stringify(out, (_, one: unknown) => typeof one === 'bigint' ? String(one) : ArrayBuffer.isView(one) ? [one.constructor.name, Array.from(one as Float32Array, String)] : one)
}

/** Decodes the records with and without the kernel: both must come to the same. Returns how many rows came in runs. */
function compare(spec: ExampleSpec, size: number, records: readonly Uint8Array[]): number {
  const counts = { runs: 0 }
  const expected = outcome(spec, size, records)
  const found = outcome(spec, size, inMemory(records), counts)
  if (found !== expected) expect(found).toBe(expected)
  return counts.runs
}

const spec = {
  x: fixedLen([5], 'float32'), image: fixedLen([3, 3], 'uint8', { from: 'bytes' }), large: fixedLen([1200], 'int16', { from: 'bytes' }),
  label: fixedLen([], 'int64'), pair: fixedLen([2], 'int64')
}
const record = (i: number): Uint8Array => encodeExample({
  x: new Float32Array(5).fill(i / 3), image: new Uint8Array(9).fill(i), large: new Uint8Array(2400).fill(i),
  label: BigInt(i) - 4n, pair: [2n ** 63n - 1n, BigInt(1000 * i)], other: 'unread'
})

describe('decoding runs of records where they lie', () => {
  test('gives the rows that decoding one by one gives, all in runs', () => {
    for (const size of [1, 7, 40]) expect(compare(spec, size, Array.from({ length: 50 }, (_, i) => record(i)))).toBe(50)
  })

  test('features may come in any order', () => {
    const turned = encodeExample({ pair: [1n, 2n], label: 3n, large: new Uint8Array(2400), other: [1, 2], image: new Uint8Array(9), x: [1, 2, 3, 4, 5] })
    expect(compare(spec, 3, [record(1), turned, record(2), turned])).toBe(4)
  })

  test('rows that are larger than what is put together at once', () => {
    const wide = { a: fixedLen([500], 'float32'), b: fixedLen([1000], 'int64'), c: fixedLen([6000], 'float64', { from: 'bytes' }) }
    const records = Array.from({ length: 30 }, (_, i) => encodeExample({ a: new Float32Array(500).fill(i), b: new BigInt64Array(1000).fill(BigInt(i - 15)), c: new Uint8Array(48000).fill(i) }))
    expect(compare(wide, 16, records.slice(0, 16))).toBe(16)
    const huge = { b: fixedLen([9000], 'int64') }
    expect(compare(huge, 2, [encodeExample({ b: new BigInt64Array(9000).fill(-1n) })])).toBe(0)
  })

  test('a record that is not plain is decoded by itself, and those around it in runs', () => {
    const odd = [
      new Uint8Array(0),
      encodeExample({ ...{ x: [1, 2, 3, 4, 5] }, label: 1n }),
      encodeExample({ x: [1, 2, 3, 4], image: new Uint8Array(9), large: new Uint8Array(2400), label: 1n, pair: [1n, 2n] }),
      encodeExample({ x: [1, 2, 3, 4, 5], image: new Uint8Array(8), large: new Uint8Array(2400), label: 1n, pair: [1n, 2n] }),
      encodeExample({ x: [1, 2, 3, 4, 5], image: new Uint8Array(9), large: new Uint8Array(2400), label: 1n, pair: [1n, 2n, 3n] }),
      encodeExample({ x: int64List([1, 2, 3, 4, 5]), image: new Uint8Array(9), large: new Uint8Array(2400), label: 1n, pair: [1n, 2n] }),
      // Two messages in a row are merged: the same features twice, of which the last count.
      Uint8Array.of(...record(5), ...record(6))
    ]
    for (const one of odd) {
      const runs = compare(spec, 4, [record(1), record(2), one, ...Array.from({ length: 20 }, (_, i) => record(i))])
      expect(runs).toBeGreaterThanOrEqual(2)
      expect(runs).toBeLessThan(23)
    }
  })

  test('files in which no record is plain are tried less and less often', () => {
    const optional = { x: fixedLen([2], 'float32', { defaultValue: 0 }), y: fixedLen([], 'int64', { defaultValue: 1n }) }
    expect(compare(optional, 32, Array.from({ length: 500 }, () => encodeExample({ y: 2n })))).toBe(0)
    expect(compare(optional, 32, Array.from({ length: 500 }, (_, i) => encodeExample(i < 250 ? { y: 2n } : { x: [1, 2], y: 3n })))).toBeGreaterThan(100)
  })

  test('records that lie elsewhere, and batches with other features, are for the other way', () => {
    expect(exampleBatch(spec, 4).addRun([record(1)], 0, 1)).toBe(0)
    const batch = exampleBatch(spec, 4)
    const [mine] = inMemory([record(1)])
    expect(batch.addRun([mine, record(2), mine], 0, 3)).toBe(1)
    expect(() => batch.addRun([mine, mine, mine, mine], 0, 4)).toThrow(RangeError)
    for (const other of [varLen('int64'), fixedLen([], 'int32'), fixedLen([], 'string'), fixedLen([2], 'float64', { from: 'float' })]) {
      const mixed = exampleBatch({ label: other, pair: fixedLen([2], 'int64') }, 2)
      expect(mixed.addRun([mine], 0, 1)).toBe(0)
    }
    expect(exampleBatch({}, 2).addRun([mine], 0, 1)).toBe(0)
  })

  test('two batches in the making may share a memory', () => {
    const records = inMemory([record(1), record(2), record(3), record(4)])
    const [first, second] = [exampleBatch(spec, 4), exampleBatch({ label: spec.label }, 4)]
    for (const at of [0, 2]) {
      expect(first.addRun(records, at, at + 2)).toBe(2)
      expect(second.addRun(records, at, at + 2)).toBe(2)
    }
    expect(first.finish().label.data).toEqual(new BigInt64Array([-3n, -2n, -1n, 0n]))
    expect(second.finish().label.data).toEqual(new BigInt64Array([-3n, -2n, -1n, 0n]))
  })

  test('random specs and records', () => {
    let runs = 0
    for (let seed = 0; seed < 80; seed++) {
      const random = randomOf(seed)
      const { spec, record } = generate(random)
      const records = Array.from({ length: 8 }, record)
      const rows = 1 + Math.floor(random() * 6)
      compare(spec, rows, records)
      const fixed = Object.entries(spec).filter(([, { kind, dtype, from }]) => kind === 'fixedLen' && dtype !== 'bytes' && dtype !== 'string' && (from === 'bytes' || dtype === 'float32' || dtype === 'int64'))
      if (fixed.length > 0) runs += compare(Object.fromEntries(fixed), rows, records)
    }
    expect(runs).toBeGreaterThan(100)
  })
})

describe('damaged records', () => {
  const small = { x: fixedLen([3], 'float32'), label: fixedLen([], 'int64'), raw: fixedLen([4], 'uint8', { from: 'bytes' }), pair: fixedLen([2], 'int64', { defaultValue: 7n }) }
  const good = encodeExample({ x: [1, 2, 3], label: -300n, raw: new Uint8Array([9, 8, 7, 6]), pair: [1n, 2n ** 40n], more: 'x' })
  const cases = Number(process.env['MILLRACE_FUZZ'] ?? 1)
  const among = (one: Uint8Array): Uint8Array[] => [good, one, good]

  test('are what they are without the kernel: cut off at any byte', () => {
    for (let end = 0; end < good.length; end++) compare(small, 3, among(good.subarray(0, end)))
  })

  test('every byte with every value', () => {
    for (let at = 0; at < good.length; at++) {
      for (let value = at % 7; value < 256; value += cases > 1 ? 1 : 7) compare(small, 3, among(good.with(at, value)))
    }
  })

  test('several bytes at once, and bytes put in or left out', () => {
    const random = randomOf(9)
    const hostile = [0x0a, 0x12, 0x1a, 0x80, 0xff, 0x7f, 0, 1, good.length - 2]
    for (let i = 0; i < 1500 * cases; i++) {
      let bytes = good.slice()
      for (let k = 1 + Math.floor(random() * 4); k > 0; k--) {
        const at = Math.floor(random() * bytes.length)
        const byte = hostile[Math.floor(random() * hostile.length)] as number
        if (random() < 0.6) bytes[at] = byte
        else bytes = Uint8Array.of(...bytes.subarray(0, at), ...(random() < 0.5 ? [byte] : []), ...bytes.subarray(at + 1))
      }
      compare(small, 3, among(bytes))
    }
  })

  test('lengths of five and more bytes', () => {
    for (const length of [[0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], new Array<number>(11).fill(0x80)]) {
      compare(small, 3, among(Uint8Array.of(0x0a, ...length, ...good.subarray(2))))
    }
    // The same length in more bytes than it needs is none of the damages.
    const rest = good.length - 2
    expect(good[1]).toBe(rest)
    expect(compare(small, 3, among(Uint8Array.of(0x0a, rest | 0x80, 0x80, 0x00, ...good.subarray(2))))).toBe(3)
  })
})
