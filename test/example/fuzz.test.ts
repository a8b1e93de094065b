import { describe, expect, test } from '@jest/globals'
import { isMillraceError } from '../../src/errors.js'
import {
  compileExampleParser, compileSequenceExampleParser, encodeExample, encodeSequenceExample, exampleBatch, fixedLen, ragged, varLen
} from '../../src/example/index.js'
import { randomOf } from './generate.js'

const spec = {
  image: fixedLen([4, 4], 'uint8', { from: 'bytes' }), label: fixedLen([], 'int64', { defaultValue: -1n }), small: varLen('int8'),
  floats: fixedLen([3], 'float32', { defaultValue: 0 }), wide: varLen('float64', { from: 'float' }), tokens: ragged('int32'),
  words: ragged('string'), blob: varLen('bytes'), text: fixedLen([], 'string', { defaultValue: '' })
}
const record = encodeExample({
  image: new Uint8Array(16).fill(200), label: -5n, small: new Int8Array([1, -1]), floats: [1, 2, 3], wide: [0.5],
  tokens: new Int32Array([1, 300, 70000]), words: ['to', 'the', 'mill'], blob: ['x', 'yz'], text: 'grün', unread: [1n, 2n]
})
const sequenceSpec = {
  context: { id: fixedLen([], 'int64', { defaultValue: 0n }) },
  sequence: { x: fixedLen([2], 'float32', { allowMissing: true }), t: ragged('int32'), w: ragged('string'), b: varLen('bytes') }
}
const sequence = encodeSequenceExample({
  context: { id: 3n }, sequence: { x: [[1, 2], [3, 4]], t: [[1n], [], [500n, 2n]], w: [['a', 'bc'], ['d']], b: [['q'], ['r', 's']] }
})

const parse = compileExampleParser(spec)
const parseSequence = compileSequenceExampleParser(sequenceSpec)
const batch = exampleBatch(spec, 2)

/** What a leaf holds, as text: enough to tell two results apart. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => typeof one === 'bigint' ? String(one) : ArrayBuffer.isView(one) ? Array.from(one as Float32Array, String) : one)
}

/** Runs all decoders on the bytes: each gives data or a typed error, and batch and element agree. Returns how many gave data. */
function survive(bytes: Uint8Array): number {
  let data = 0
  const attempt = (run: () => unknown): string | null => {
    try {
      const result = run()
      data++
      return text(result)
    } catch (error) {
      if (!isMillraceError(error) || !['Corrupt', 'Mismatch', 'Lossy'].includes(error.kind)) throw error
      if (error.kind === 'Corrupt') {
        if (!(error.offset !== undefined && error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`offset ${error.offset} of ${bytes.length}`, { cause: error })
      }
      return null
    }
  }
  const element = attempt(() => parse(bytes))
  const row = attempt(() => {
    batch.add(bytes)
    return batch.finish()
  })
  if ((element === null) !== (row === null)) throw new Error(`element ${element}, batch ${row}`)
  attempt(() => parseSequence(bytes))
  return data
}

/** A copy in memory of its own, so that a read beyond its end would find nothing. */
const exactly = (bytes: Uint8Array): Uint8Array => bytes.slice()

describe('damaged input', () => {
  test('the records are good before they are damaged', () => {
    expect(survive(record)).toBeGreaterThanOrEqual(2)
    expect(parse(record).label).toBe(-5n)
    expect(parseSequence(sequence).sequence.t.data).toEqual(new Int32Array([1, 500, 2]))
  })

  test('a record that is cut off at any byte is a typed error', () => {
    for (const whole of [record, sequence]) {
      for (let length = 0; length < whole.length; length++) survive(exactly(whole.subarray(0, length)))
    }
    for (let length = 1; length < record.length; length++) {
      expect(() => parse(exactly(record.subarray(0, length)))).toThrow(expect.objectContaining({ kind: 'Corrupt' }))
    }
  })

  test('any flipped bit gives data or a typed error', () => {
    let data = 0
    for (const whole of [record, sequence]) {
      for (let bit = 0; bit < 8 * whole.length; bit++) {
        const bytes = exactly(whole)
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
        data += survive(bytes)
      }
    }
    expect(data).toBeGreaterThan(100)
  })

  test('lengths far beyond the record are typed errors, at every place of a length', () => {
    const lengths = ['ffffffff07', 'ffffffff0f', '8080808010', 'ffffffffffffffff7f', 'ffffffffffffffffff01', 'ffffffffffffffffffff01', '80'.repeat(10)]
      .map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
    for (const whole of [record, sequence]) {
      for (let at = 0; at < whole.length; at++) {
        for (const length of lengths) {
          const bytes = exactly(whole)
          bytes.set(length.subarray(0, whole.length - at), at)
          survive(bytes)
          survive(Uint8Array.from([...whole.subarray(0, at), ...length, ...whole.subarray(at + 1)]))
        }
      }
    }
  })

  test('20,000 records of noise, splices and shuffled pieces give data or typed errors, in bounded memory', () => {
    const random = randomOf(7)
    const below = (n: number): number => Math.floor(random() * n)
    const before = process.memoryUsage().arrayBuffers
    let data = 0
    for (let i = 0; i < 20_000; i++) {
      const source = random() < 0.7 ? record : sequence
      const bytes = exactly(source)
      switch (below(4)) {
        case 0: // noise
          survive(Uint8Array.from({ length: below(64) }, () => below(256)))
          continue
        case 1: // noise made of the bytes that mean most
          survive(Uint8Array.from({ length: below(64) }, () => [10, 18, 26, 8, 13, 0, 1, 2, 4, 11, 12, 128, 255][below(13)] as number))
          continue
        case 2: // a few bytes replaced
          for (let k = 1 + below(4); k > 0; k--) bytes[below(bytes.length)] = below(256)
          break
        default: // one part copied over another
          bytes.copyWithin(below(bytes.length), below(bytes.length), below(bytes.length))
      }
      data += survive(bytes)
    }
    expect(data).toBeGreaterThan(1000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200e6)
  })

  test('deep groups and many small pieces take time in proportion to their length', () => {
    const groups = new Uint8Array(200_000).fill(0x73)
    expect(() => parse(groups)).toThrow(expect.objectContaining({ kind: 'Corrupt' }))
    // An entry whose value comes in 20,000 pieces, and 20,000 entries of that kind with two each.
    const varint = (n: number): number[] => n > 127 ? [(n & 127) | 128, ...varint(n >> 7)] : [n]
    const field = (tag: number, content: number[]): number[] => [tag, ...varint(content.length)].concat(content)
    const piece = field(18, field(26, field(10, [1])))
    const key = field(10, [...new TextEncoder().encode('tokens')])
    const many = field(10, field(10, key.concat(Array.from({ length: 20_000 }, () => piece).flat())))
    const entries = field(10, Array.from({ length: 20_000 }, () => field(10, [...key, ...piece, ...piece])).flat())
    const parseTokens = compileExampleParser({ tokens: ragged('int32') })
    const started = performance.now()
    expect(parseTokens(Uint8Array.from(many)).tokens.data.length).toBe(20_000)
    expect(parseTokens(Uint8Array.from(entries)).tokens.data.length).toBe(2)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
