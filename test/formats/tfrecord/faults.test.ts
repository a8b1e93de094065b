import { describe, expect, test } from '@jest/globals'
import { deflateSync, gzipSync } from 'node:zlib'
import { crc32c, isMillraceError, type MillraceError } from '../../../src/format.js'
import { encodeRecord, resumeAfter } from '../../../formats/tfrecord/index.js'
import { concat, generator, hex, memorySource, pseudoRandom, readAll, type Outcome, type ReadAll } from './support.js'

/** Small, with empty records, equal neighbours and one that is longer than a small block. */
const RECORDS = [0, 5, 5, 1, 0, 60, 13, 13].map((length, i) => pseudoRandom(length, i))
const PLAIN = concat(RECORDS.map(encodeRecord))
const OFFSETS = RECORDS.reduce((all, record) => [...all, (all.at(-1) ?? 0) + record.length + 16], [0])
const recordAt = (offset: number): number => OFFSETS.findLastIndex((begin) => begin <= offset)

/** A header with the right checksum, or `check` in its place. */
function header(low: number, high = 0, check?: number): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, low, true)
  view.setUint32(4, high, true)
  const crc = crc32c(bytes, 0, 8)
  view.setUint32(8, check ?? (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, true)
  return bytes
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >>> 3] = (copy[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

function fault(outcome: Outcome): MillraceError {
  if (!isMillraceError(outcome.error)) throw new Error(`not a typed error: ${String(outcome.error)}`)
  expect(outcome.error.uri).toBe('mem://bucket/file')
  expect(typeof outcome.error.offset).toBe('number')
  expect(outcome.error.message).toMatch(/mem:\/\/bucket\/file.*byte \d+/)
  return outcome.error
}

/** Reads, counting the bytes of every array that is made meanwhile by length. */
async function measured(
  bytes: Uint8Array, options: ReadAll
): Promise<Outcome & { readonly allocated: number; readonly requested: number }> {
  const source = memorySource(bytes)
  const Real = globalThis.Uint8Array
  let allocated = 0
  globalThis.Uint8Array = new Proxy(Real, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === 'number') allocated += args[0]
      return Reflect.construct(target, args, newTarget) as object
    }
  })
  try {
    const outcome = await readAll(source, options)
    expect(source.underWay).toBe(0)
    return { ...outcome, allocated, requested: source.ranges.reduce((sum, [, n]) => sum + n, 0) }
  } finally {
    globalThis.Uint8Array = Real
  }
}

const SIZES = [16, 33, 64, 1024]

describe('a file that was cut off', () => {
  test('at any byte gives the records before, then Truncated at the record that is not whole', async () => {
    for (let length = 0; length < PLAIN.length; length++) {
      for (const [i, readBytes] of SIZES.entries()) {
        const options = { readBytes, verify: i !== 1, compression: 'none', transient: i === 2 } as const
        const outcome = await readAll(memorySource(PLAIN.subarray(0, length)), options)
        const whole = OFFSETS.includes(length) ? OFFSETS.indexOf(length) : recordAt(length)
        expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, whole)))
        if (OFFSETS.includes(length)) expect(outcome.error).toBeUndefined()
        else expect(fault(outcome)).toMatchObject({ kind: 'Truncated', offset: OFFSETS[whole], record: whole })
      }
    }
  })

  test('and is compressed gives the records that are left, then Truncated', async () => {
    for (const data of [gzipSync(PLAIN), deflateSync(PLAIN)]) {
      for (let length = 1; length < data.length; length++) {
        const outcome = await readAll(memorySource(data.subarray(0, length)), { readBytes: SIZES[length % 4]! })
        expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, outcome.records.length)))
        // One byte is not enough to see that it is compressed.
        expect(fault(outcome).kind).toBe('Truncated')
      }
      const nearlyAll = await readAll(memorySource(data.subarray(0, -1)))
      expect(hex(nearlyAll.records)).toEqual(hex(RECORDS))
      expect(fault(nearlyAll).offset).toBe(PLAIN.length)
    }
  })
})

describe('one wrong bit', () => {
  test('anywhere is found, behind all the records before it', async () => {
    for (let bit = 0; bit < PLAIN.length * 8; bit++) {
      const compression = bit % 5 === 0 ? 'none' : 'auto'
      const options = { readBytes: SIZES[bit % 4]!, transient: bit % 3 === 0, compression } as const
      const outcome = await readAll(memorySource(flipped(PLAIN, bit)), options)
      const bad = recordAt(bit >>> 3)
      const error = fault(outcome)
      expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, bad)))
      expect(error).toMatchObject({ kind: 'Corrupt', offset: OFFSETS[bad], record: bad })
      const inHeader = (bit >>> 3) - OFFSETS[bad]! < 12
      const message = inHeader ? /checksum of its length.*Nothing behind it can be read/ : /checksum of its data.*`next`/
      expect(error.message).toMatch(message)
      // Behind wrong data the records go on; behind a wrong length nobody knows where.
      expect(resumeAfter(error)).toBe(inHeader ? undefined : OFFSETS[bad + 1])
    }
  })

  test('in the data leaves the records behind it readable', async () => {
    for (const bad of RECORDS.keys()) {
      const damaged = flipped(PLAIN, (OFFSETS[bad + 1]! - 1) * 8)
      const files = [[damaged, 16], [damaged, 1024], [gzipSync(damaged), 64], [deflateSync(damaged), 1024]] as const
      for (const [data, readBytes] of files) {
        const before = await readAll(memorySource(data), { readBytes })
        const { next } = fault(before) as MillraceError & { readonly next: number }
        const behind = await readAll(memorySource(data), { readBytes, from: next })
        expect(behind.error).toBeUndefined()
        expect(hex([...before.records, ...behind.records])).toEqual(hex(RECORDS.filter((_, i) => i !== bad)))
      }
    }
  })

  test('anywhere in a compressed file gives the right records, or some of them and an error', async () => {
    let found = 0
    for (const data of [gzipSync(PLAIN), deflateSync(PLAIN)]) {
      for (let bit = 0; bit < data.length * 8; bit++) {
        const outcome = await measured(flipped(data, bit), { readBytes: SIZES[bit % 4]! })
        expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, outcome.records.length)))
        if (outcome.error === undefined) expect(outcome.records.length).toBe(RECORDS.length)
        else found += fault(outcome) === undefined ? 0 : 1
        expect(outcome.allocated).toBeLessThan(20_000)
      }
    }
    expect(found).toBeGreaterThan(2000)
  })

  test('without verify gives records or an error, in bounded memory', async () => {
    for (let bit = 0; bit < PLAIN.length * 8; bit++) {
      const outcome = await measured(flipped(PLAIN, bit), { readBytes: SIZES[bit % 4]!, verify: false, compression: 'none' })
      if (outcome.error !== undefined) fault(outcome)
      expect(outcome.allocated).toBeLessThan(10_000)
    }
  })
})

describe('an absurd length', () => {
  const lengths: readonly (readonly [low: number, high: number])[] = [
    [PLAIN.length, 0], [2 ** 20, 0], [2 ** 30 + 1, 0], [2 ** 31 - 17, 0], [2 ** 31 - 1, 0],
    [2 ** 31, 0], [2 ** 32 - 1, 0], [2 ** 32 - 12, 0], [0, 1], [5, 1], [2 ** 32 - 1, 2 ** 32 - 1], [0, 2 ** 31], [5, 2 ** 21]
  ]

  test('with the right checksum is Truncated before memory is taken for it', async () => {
    for (const [low, high] of lengths) {
      for (const readBytes of SIZES) {
        for (const verify of [true, false]) {
          const data = concat([PLAIN, header(low, high), PLAIN])
          const outcome = await measured(data, { readBytes, verify, compression: 'none', transient: verify })
          expect(hex(outcome.records)).toEqual(hex(RECORDS))
          expect(fault(outcome)).toMatchObject({ kind: 'Truncated', offset: PLAIN.length, record: RECORDS.length })
          expect(outcome.allocated).toBeLessThan(10_000)
          expect(outcome.requested).toBeLessThanOrEqual(data.length)
        }
      }
    }
  })

  test('with a wrong checksum is Corrupt', async () => {
    for (const [low, high] of lengths) {
      for (const verify of [true, false]) {
        const data = concat([PLAIN, header(low, high, 12345), PLAIN])
        const outcome = await measured(data, { readBytes: 64, verify, compression: 'none' })
        expect(hex(outcome.records)).toEqual(hex(RECORDS))
        expect(fault(outcome)).toMatchObject({ kind: 'Corrupt', offset: PLAIN.length, record: RECORDS.length })
        expect(outcome.allocated).toBeLessThan(10_000)
      }
    }
  })

  test('in a compressed file takes no more memory than there are data', async () => {
    for (const [low, high] of lengths) {
      for (const compress of [gzipSync, deflateSync]) {
        const outcome = await measured(compress(concat([PLAIN, header(low, high), PLAIN])), { readBytes: 64 })
        expect(hex(outcome.records)).toEqual(hex(RECORDS))
        expect(['Truncated', 'Limit']).toContain(fault(outcome).kind)
        expect(outcome.allocated).toBeLessThan(10_000)
      }
    }
  })

  test('above maxRecordBytes is a Limit error that says where to go on', async () => {
    for (const data of [PLAIN, gzipSync(PLAIN)]) {
      const outcome = await readAll(memorySource(data), { maxRecordBytes: 59 })
      expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, 5)))
      const error = fault(outcome)
      expect(error).toMatchObject({ kind: 'Limit', offset: OFFSETS[5], record: 5 })
      expect(error.message).toMatch(/60 bytes.*maxRecordBytes, 59/)
      const rest = await readAll(memorySource(data), { maxRecordBytes: 59, from: resumeAfter(error)! })
      expect(hex(rest.records)).toEqual(hex(RECORDS.slice(6)))
      expect((await readAll(memorySource(data), { maxRecordBytes: 60 })).error).toBeUndefined()
    }
  })
})

describe('garbage', () => {
  /** Bytes cut out of one seeded run, with a share of zeros, which is what lengths are made of. */
  const noise = pseudoRandom(2 ** 20, 1).map((byte, i) => (i % 5 < 2 ? 0 : byte))
  const garbage = (length: number, random: (n: number) => number): Uint8Array => {
    const at = random(noise.length - length)
    return noise.slice(at, at + length)
  }

  test('is an error at byte 0, whatever it is', async () => {
    const random = generator(2026)
    for (let i = 0; i < 20_000; i++) {
      const bytes = garbage(1 + random(80), random)
      const options = { readBytes: 16 + random(100), compression: 'none', transient: i % 2 === 0 } as const
      const { records, error } = await readAll(memorySource(bytes), options)
      if (records.length > 0 || !isMillraceError(error) || error.offset !== 0) throw new Error(`case ${i}: ${String(error)}`)
    }
  })

  test('that begins like a compressed file is an error with an offset', async () => {
    const random = generator(7)
    for (let i = 0; i < 3000; i++) {
      const bytes = garbage(12 + random(80), random)
      bytes.set(i % 2 === 0 ? [0x1f, 0x8b, 8, 0] : [0x78, 0x9c])
      const { records, error } = await readAll(memorySource(bytes), { readBytes: 16 + random(100) })
      const right = records.length === 0 && isMillraceError(error) && error.offset !== undefined
      if (!right) throw new Error(`case ${i}: ${String(error)}`)
    }
  })

  test('over part of a file leaves the records before it, and never gives wrong ones', async () => {
    const random = generator(99)
    const whole = hex(RECORDS)
    for (let i = 0; i < 20_000; i++) {
      const bytes = PLAIN.slice()
      const begin = random(PLAIN.length)
      bytes.set(garbage(Math.min(PLAIN.length - begin, 1 + random(30)), random), begin)
      const options = { readBytes: 16 + random(200), transient: i % 2 === 0, compression: 'none' } as const
      const { records, error } = await readAll(memorySource(bytes), options)
      const right = records.length >= recordAt(begin) && hex(records).every((record, k) => record === whole[k])
      const complete = error === undefined && Buffer.compare(bytes, PLAIN) === 0
      if (!right || !(complete || isMillraceError(error))) throw new Error(`case ${i}: ${String(error)}`)
    }
  })

  test('without verify never hangs and takes bounded memory', async () => {
    const random = generator(5)
    for (let i = 0; i < 10_000; i++) {
      const bytes = garbage(random(300), random)
      const options = { readBytes: 16 + random(64), verify: false, compression: 'none' } as const
      const { error, requested, allocated } = await measured(bytes, options)
      const typed = error === undefined || isMillraceError(error)
      if (!typed || requested > bytes.length || allocated > 5000) throw new Error(`case ${i}: ${String(error)}`)
    }
  })

  test('behind the end of compressed data is Corrupt, after all records', async () => {
    for (const [data, behind] of [
      [gzipSync(PLAIN), 'garbage behind the end'], [deflateSync(PLAIN), 'garbage'],
      [gzipSync(PLAIN), '\0\0\0\0'], [deflateSync(PLAIN), '\0']
    ] as const) {
      for (const readBytes of [16, 100, data.length, 1024]) {
        const outcome = await readAll(memorySource(concat([data, new TextEncoder().encode(behind)])), { readBytes })
        expect(fault(outcome).kind).toBe('Corrupt')
        expect(hex(outcome.records)).toEqual(hex(RECORDS.slice(0, outcome.records.length)))
      }
    }
  })
})

describe('a compression that is not the one of the file', () => {
  test('is Corrupt, and the message says how the file was taken', async () => {
    const asGzip = await readAll(memorySource(PLAIN), { compression: 'gzip' })
    expect(fault(asGzip)).toMatchObject({ kind: 'Corrupt', offset: 0 })
    expect(fault(asGzip).message).toContain('(gzip)')
    const asPlain = await readAll(memorySource(gzipSync(PLAIN)), { compression: 'none' })
    expect(fault(asPlain)).toMatchObject({ kind: 'Corrupt', offset: 0 })
    const notZlib = await readAll(memorySource(concat([new Uint8Array([0x78, 0x9c]), pseudoRandom(50, 1)])))
    expect(fault(notZlib).message).toContain("compression: 'none'")
  })
})
