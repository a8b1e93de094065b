import { describe, expect, test } from '@jest/globals'
import { npz } from '../../../formats/npz/index.js'
import type { NpzOptions } from '../../../formats/npz/options.js'
import { FACTOR, flipped, outcomeOf, SLOW, type Outcome } from '../npy/fuzz.js'
import { fixture, generator } from '../npy/support.js'
import { npyFile, zipFile } from './support.js'

const A = npyFile('<i2', [4, 3], Int16Array.from({ length: 12 }, (_, i) => i * 1000))
const B = npyFile('<f8', [4], Float64Array.from([1, 2, 0.5, -1]))
const STORED = zipFile([{ name: 'a.npy', data: A, method: 0 }, { name: 'b.npy', data: B, method: 0 }])
const MIXED = zipFile([{ name: 'a.npy', data: A, method: 8 }, { name: 'b.npy', data: B, method: 0 }])
const FILE: NpzOptions = { element: 'file', keys: ['a', 'b'] }
const ROWS: NpzOptions = { keys: ['a', 'b'] }
/** What small arrays may take: heads, tails, and the buffers of a stream. */
const MOST_ALLOCATED = 150_000

async function right(bytes: Uint8Array, options: NpzOptions): Promise<string> {
  const { columns, error } = await outcomeOf(npz, bytes, options)
  if (error !== undefined) throw error
  return JSON.stringify(columns)
}

/** Whole files are checked to the last bit: they are right, or there is an error. */
function checkWhole(outcome: Outcome, expected: string, what: string): boolean {
  if (outcome.allocated > MOST_ALLOCATED) throw new Error(`${what}: ${outcome.allocated} bytes were taken`)
  if (outcome.error === undefined && JSON.stringify(outcome.columns) !== expected) throw new Error(`${what} gives ${JSON.stringify(outcome.columns)}`)
  return outcome.error !== undefined
}

describe('a file that was cut off', () => {
  test('at any byte is a typed error', async () => {
    for (const bytes of [STORED, MIXED, fixture('npz/zip64.npz')]) {
      for (let length = 0; length < bytes.length; length++) {
        const { rows, error } = await outcomeOf(npz, bytes.subarray(0, length), {})
        expect(rows).toBe(0)
        expect(['Truncated', 'Corrupt']).toContain(error?.kind)
      }
    }
  }, SLOW)

  test('or has something before its beginning or behind its end is an error', async () => {
    for (const [before, behind] of [[1, 0], [0, 1], [100, 0], [0, 100]] as const) {
      const { error } = await outcomeOf(npz, new Uint8Array([...new Uint8Array(before), ...STORED, ...new Uint8Array(behind)]), {})
      expect(['Truncated', 'Corrupt']).toContain(error?.kind)
    }
  })
})

describe('one wrong bit', () => {
  test.each([['stored', STORED], ['deflated and stored', MIXED]] as const)('anywhere in %s arrays that are read whole is found, or means nothing', async (_, bytes) => {
    const expected = await right(bytes, FILE)
    let found = 0
    // Decompressing takes a thread for each case.
    const step = bytes === MIXED && FACTOR === 1 ? 3 : 1
    for (let bit = 0; bit < bytes.length * 8; bit += step) found += Number(checkWhole(await outcomeOf(npz, flipped(bytes, bit), FILE), expected, `bit ${bit}`))
    expect(found).toBeGreaterThan(bytes.length * 5 / step)
  }, SLOW)

  test.each(['deflated', 'zip64-deflated'])('anywhere in %s.npz gives rows or typed errors', async (name) => {
    const bytes = fixture(`npz/${name}.npz`)
    const random = generator(3)
    for (let i = 0; i < 100 * FACTOR; i++) {
      const bit = random(bytes.length * 8)
      const { allocated } = await outcomeOf(npz, flipped(bytes, bit), {})
      if (allocated > 2_000_000) throw new Error(`bit ${bit}: ${allocated} bytes were taken`)
    }
  }, SLOW)

  test('anywhere in an archive that is read in rows gives rows or a typed error', async () => {
    for (let bit = 0; bit < STORED.length * 8; bit += 2) {
      const { rows, error, allocated } = await outcomeOf(npz, flipped(STORED, bit), ROWS)
      if (allocated > MOST_ALLOCATED || (rows === 0 && error === undefined)) throw new Error(`bit ${bit}: ${allocated} bytes were taken`)
    }
  }, SLOW)

  test('in a directory with zip64 records is found, or means nothing', async () => {
    const bytes = fixture('npz/zip64.npz')
    const expected = await right(bytes, { element: 'file', keys: ['a', 'b'] })
    const directory = Buffer.from(bytes).indexOf('PK\x01\x02', 0, 'latin1')
    for (let bit = directory * 8; bit < bytes.length * 8; bit++) checkWhole(await outcomeOf(npz, flipped(bytes, bit), FILE), expected, `bit ${bit}`)
  }, SLOW)
})

describe('garbage', () => {
  test('is a typed error', async () => {
    const random = generator(11)
    for (let i = 0; i < 1000 * FACTOR; i++) {
      const bytes = Uint8Array.from({ length: random(200) }, () => random(256))
      if (i % 2 === 0) bytes.set([0x50, 0x4b, 5, 6].slice(0, bytes.length), Math.max(0, bytes.length - 22))
      const { error } = await outcomeOf(npz, bytes, {})
      if (error === undefined) throw new Error(`case ${i}`)
    }
  }, SLOW)

  test('over part of a file is found when it is read whole', async () => {
    const random = generator(12)
    const expected = [await right(STORED, FILE), await right(MIXED, FILE)]
    const words = [[0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0x50, 0x4b, 1, 2], [0x50, 0x4b, 3, 4], [0x50, 0x4b, 6, 6], [0x50, 0x4b, 6, 7], [1, 0, 16, 0]]
    for (let i = 0; i < 3000 * FACTOR; i++) {
      const bytes = (i % 4 === 0 ? MIXED : STORED).slice()
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const word = random(2) === 0 ? words[random(words.length)] as number[] : [random(256)]
        bytes.set(word, random(bytes.length - word.length))
      }
      checkWhole(await outcomeOf(npz, bytes, FILE), expected[i % 4 === 0 ? 1 : 0] as string, `case ${i}`)
    }
  }, SLOW)
})

describe('hostile archives', () => {
  const end = (count: number, size: number, start: number): Uint8Array => {
    const bytes = new DataView(new ArrayBuffer(22))
    bytes.setUint32(0, 0x06054b50, true)
    bytes.setUint16(8, count, true)
    bytes.setUint16(10, count, true)
    bytes.setUint32(12, size, true)
    bytes.setUint32(16, start, true)
    return new Uint8Array(bytes.buffer)
  }

  test('with a directory that is larger than the file take no memory', async () => {
    for (const [count, size, start] of [[1, 0x7fffffff, 0], [65_000, 0, 0], [1, 0xfffffffe, 0xfffffffe], [0xffff, 0xffffffff, 0xffffffff]] as const) {
      const { error, allocated } = await outcomeOf(npz, end(count, size, start), {})
      expect(error?.kind).toBe('Corrupt')
      expect(allocated).toBeLessThan(1000)
    }
  })

  test('that are empty have no rows', async () => {
    expect(await outcomeOf(npz, end(0, 0, 0), {})).toMatchObject({ rows: 0, error: undefined })
    expect(await outcomeOf(npz, end(0, 0, 0), { element: 'file' })).toMatchObject({ rows: 0, error: undefined })
  })

  test('whose arrays say to be larger than their members are an error', async () => {
    for (const method of [0, 8]) {
      const data = A.slice()
      data.set(new TextEncoder().encode('9'), Buffer.from(A).indexOf('(4') + 1)
      const { error, allocated } = await outcomeOf(npz, zipFile([{ name: 'a.npy', data, method }]), {})
      expect(error?.kind).toBe('Truncated')
      expect(allocated).toBeLessThan(MOST_ALLOCATED)
    }
  })

  test('whose members are longer or shorter than the directory says are an error', async () => {
    for (const claim of [A.length + 10, A.length - 6]) {
      expect(await outcomeOf(npz, zipFile([{ name: 'a.npy', data: A, method: 8, claim }]), {})).toMatchObject({ rows: 0, error: { kind: 'Corrupt' } })
    }
    const longer = npyFile('<i2', [4, 3], new Int16Array(500))
    const { rows, error } = await outcomeOf(npz, zipFile([{ name: 'a.npy', data: longer, method: 8, claim: A.length }]), {})
    expect({ rows, kind: error?.kind }).toEqual({ rows: 0, kind: 'Corrupt' })
  })
})
