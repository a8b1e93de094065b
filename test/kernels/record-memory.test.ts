import { describe, expect, test } from '@jest/globals'
import { encodeRecord, scan } from '../../formats/tfrecord/framing.js'
import { crc32cTwin } from '../../src/kernels/crc32c-twin.js'
import { recordMemoryOf, takeRecordMemory, type RecordMemory } from '../../src/kernels/record-memory.js'
import { randomOf } from '../example/generate.js'

function take(byteLength: number): RecordMemory {
  const memory = takeRecordMemory(byteLength)
  if (memory === null) throw new Error('this machine has no kernel')
  return memory
}

const memory = take(4 << 20)

/** Fills with bytes that look random, quickly. */
function fill(bytes: Uint8Array, seed: number): Uint8Array {
  let state = seed | 1
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** A file of records of these lengths. */
function fileOf(lengths: readonly number[], seed: number): Uint8Array {
  const records = lengths.map((length, i) => encodeRecord(fill(new Uint8Array(length), seed + i)))
  const file = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const record of records) {
    file.set(record, at)
    at += record.length
  }
  return file
}

/** Scans a file at `at` in the memory, and with the plain scan: both must find the same. Returns what they found. */
function compare(file: Uint8Array, at: number, verify = true, maxLength = 2 ** 30, from = 0): ReturnType<typeof scan> {
  const block = memory.bytes.subarray(at, at + file.length + 7)
  block.set(file)
  const expected = scan(file, from, file.length, verify, maxLength)
  const found = memory.scan(block, from, file.length, verify, maxLength)
  if (found.end !== expected.end || found.stop !== expected.stop || found.records.length !== expected.records.length) {
    throw new Error(`found ${found.records.length} records to ${found.end}, ${found.stop}; expected ${expected.records.length} to ${expected.end}, ${expected.stop}`)
  }
  expected.records.forEach(({ byteOffset, length }, i) => {
    const record = found.records[i] as Uint8Array
    if (record.byteOffset !== block.byteOffset + byteOffset || record.length !== length || record.buffer !== memory.bytes.buffer) throw new Error(`record ${i} is elsewhere`)
  })
  return expected
}

describe('the kernel of TFRecord files', () => {
  test('computes the CRC-32C of its twin, at any length and any alignment', () => {
    const { bytes, kernel } = memory
    fill(bytes.subarray(0, 300_000), 1)
    const check = (at: number, length: number): void => {
      const crc = ~kernel.crc(bytes.byteOffset + at, length) >>> 0
      if (crc !== crc32cTwin(bytes, at, at + length)) throw new Error(`CRC of ${length} bytes at ${at}`)
    }
    for (let length = 0; length < 2000; length++) check(length % 67, length)
    for (let length = 2000; length < 200_000; length += 661) check(length % 67, length)
    for (let length = 24_500; length < 24_700; length += 3) check(length % 64, length)
    expect(crc32cTwin(bytes, 0, 3)).not.toBe(0)
  })

  test('finds the records that the plain scan finds', () => {
    const random = randomOf(3)
    for (let seed = 0; seed < 60; seed++) {
      const most = [20, 300, 2000, 40_000][seed % 4] as number
      const lengths = Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * most))
      const file = fileOf(lengths, seed)
      expect(compare(file, seed).records).toHaveLength(lengths.length)
      compare(file.subarray(0, Math.floor(random() * file.length)), seed)
      compare(file, seed, false)
      compare(file, seed, true, Math.floor(most / 2))
    }
  })

  test('finds more records than its table holds', () => {
    for (const count of [2047, 2048, 2049, 5000]) {
      const file = fileOf(new Array<number>(count).fill(1), count)
      expect(compare(file, 0)).toMatchObject({ end: file.length, stop: 'incomplete' })
    }
  })

  test('finds no flipped bit good, and the records before it', () => {
    const file = fileOf([40, 700, 40, 13_000, 0, 26_000], 5)
    const random = randomOf(4)
    for (let i = 0; i < 3000; i++) {
      const bit = i < 56 * 8 ? i : Math.floor(random() * file.length * 8)
      file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(compare(file, i % 61).records.length).toBeLessThan(6)
      if (i % 10 === 0) compare(file, i % 61, false)
      file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7))
    }
  })

  test('stays inside its bytes whatever they say', () => {
    const random = randomOf(5)
    for (let i = 0; i < 2000; i++) {
      const garbage = fill(new Uint8Array(Math.floor(random() * 64)), i)
      if (i % 2 === 0) garbage.fill(0, 2, 8)
      compare(garbage, i % 16, i % 3 === 0, i % 5 === 0 ? 2 ** 31 - 17 : 1000, Math.floor(random() * garbage.length))
    }
  })

  test('refuses bytes that lie elsewhere', () => {
    expect(() => memory.scan(new Uint8Array(20), 0, 20, true, 100)).toThrow(RangeError)
    expect(recordMemoryOf(new Uint8Array(20))).toBeUndefined()
    expect(recordMemoryOf('text')).toBeUndefined()
    expect(recordMemoryOf(memory.bytes.subarray(3))).toBe(memory)
  })

  test('memory that was given back is used for the next file, and one that is in use never is', () => {
    const first = take(1000)
    expect(take(1000)).not.toBe(first)
    first.free()
    expect(take(1000)).toBe(first)
    first.free()
    expect(take(first.bytes.length + 1)).not.toBe(first)
  })
})
