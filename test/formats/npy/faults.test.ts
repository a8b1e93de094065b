import { describe, expect, test } from '@jest/globals'
import { npy } from '../../../formats/npy/index.js'
import { FACTOR, flipped, outcomeOf, SLOW } from './fuzz.js'
import { fixture, generator } from './support.js'

const FILES = ['f4-le-fortran', 'struct-packed', 'unicode', 'no-padding', 'rank0-be', 'dict-dtype', 'i8-be'].map((name) => ({ name, bytes: fixture(`npy/${name}.npy`) }))

/** A file with that text in its header. */
function withHeader(text: string, data = new Uint8Array(24), length = text.length): Uint8Array {
  const header = Buffer.from(text, 'latin1')
  return new Uint8Array(Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 0xff, length >>> 8]), header, data]))
}

const header = (shape: string, descr = "'<f4'", order = 'False'): string => `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}}`

describe('a file that was cut off', () => {
  test('at any byte is Truncated, with its length as offset', async () => {
    for (const { bytes } of FILES) {
      for (let length = 0; length < bytes.length; length++) {
        const { rows, error } = await outcomeOf(npy, bytes.subarray(0, length), {})
        expect({ rows, kind: error?.kind, offset: error?.offset }).toEqual({ rows: 0, kind: 'Truncated', offset: length })
      }
    }
  }, SLOW)

  test('or has something behind its end is not read', async () => {
    for (const { bytes } of FILES) {
      const { rows, error } = await outcomeOf(npy, new Uint8Array([...bytes, 0]), {})
      expect(rows).toBe(0)
      expect(error).toMatchObject({ kind: 'Corrupt', offset: bytes.length })
    }
  })
})

describe('one wrong bit', () => {
  test.each(FILES)('anywhere in $name gives rows or a typed error, in bounded memory', async ({ bytes }) => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const options = bit % 3 === 0 ? { element: 'file', strings: 'latin1' } as const : {}
      const { allocated } = await outcomeOf(npy, flipped(bytes, bit), options)
      if (allocated > 30_000) throw new Error(`bit ${bit}: ${allocated} bytes were taken`)
    }
  }, SLOW)

  test('in the data is all that differs', async () => {
    const bytes = fixture('npy/i8-be.npy')
    const right = (await outcomeOf(npy, bytes, {})).columns[0]?.base64 ?? ''
    for (let bit = 128 * 8; bit < bytes.length * 8; bit++) {
      const found = Buffer.from((await outcomeOf(npy, flipped(bytes, bit), {})).columns[0]?.base64 ?? '', 'base64')
      const differs = Buffer.from(right, 'base64').map((byte, i) => byte ^ (found[i] ?? 0))
      expect(differs.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)).toBe(1)
    }
  }, SLOW)
})

describe('hostile headers', () => {
  test.each([
    ['a shape that is too large for the file', header('(1000000, 1000000)'), 'Truncated'],
    ['a shape that no number holds', header('(9007199254740991, 9007199254740991)'), 'Corrupt'],
    ['such a shape of an array without values', header('(0, 9007199254740991, 9007199254740991)'), 'Corrupt'],
    ['a length that no number holds', header(`(${'9'.repeat(30)},)`), 'Corrupt'],
    ['a negative length', header('(-6,)'), 'Corrupt'],
    ['a list for a shape', header('[6]'), 'Corrupt'],
    ['a number for a shape', header('6'), 'Corrupt'],
    ['a fraction for a length', header('(6.0,)'), 'Corrupt'],
    ['True for a length', header('(True,)'), 'Corrupt'],
    ['65 axes', header(`(6,${'1,'.repeat(64)})`), 'Corrupt'],
    ['many rows of nothing', header('(1000000000000, 0)'), 'Limit'],
    ['many strings of nothing', header('(1000000000000,)', "'<U0'"), 'Limit'],
    ['many strings of nothing in each item', header('(6,)', "[('a', '<f4'), ('s', '|S0', (1000000, 1000))]"), 'Limit'],
    ['items that are too large', header('(0,)', "'|V2147483648'"), 'Corrupt'],
    ['items whose size no number holds', header('(0,)', "[('a', '<f8', (2147483647, 2147483647))]"), 'Corrupt'],
    ['an endless nest', `${'['.repeat(60_000)}`, 'Corrupt'],
    ['a nest of dtypes', header('(6,)', `${"[('a', ".repeat(30)}'<f4'${')]'.repeat(30)}`), 'ok'],
    ['fields on top of each other', header('(3,)', "{'names': ['a', 'b'], 'formats': ['<f8', '<f8'], 'offsets': [0, 4], 'itemsize': 12}"), 'Unsupported'],
    ['a field outside of the item', header('(6,)', "{'names': ['a'], 'formats': ['<f8'], 'offsets': [0], 'itemsize': 4}"), 'Corrupt'],
    ['a field before the item', header('(6,)', "{'names': ['a'], 'formats': ['<f4'], 'offsets': [-4], 'itemsize': 4}"), 'Corrupt'],
    ['two fields of one name', header('(3,)', "[('a', '<f4'), ('a', '<f4')]"), 'Unsupported'],
    ['two fields of one name in the end', header('(3,)', "[('a.b', '<f4'), ('a', [('b', '<f4')])]"), 'Unsupported'],
    ['a field without a name', header('(6,)', "[('', '<f4')]"), 'Unsupported'],
    ['many fields, and data for none of them', header('(0,)', `[${Array.from({ length: 4000 }, (_, i) => `('${i}','|b1')`).join()}]`), 'Corrupt'],
    ['an unknown dtype', header('(6,)', "'<q4'"), 'Unsupported'],
    ['a dtype that is a number', header('(6,)', '4'), 'Corrupt'],
    ['a dtype that is None', header('(6,)', 'None'), 'Corrupt'],
    ['an order that is none', header('(6,)', "'<f4'", '0'), 'Corrupt'],
    ['a key twice', "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", 'Corrupt'],
    ['a key more', "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}", 'Corrupt'],
    ['a key less', "{'descr': '<f4', 'shape': (6,)}", 'Corrupt'],
    ['code', "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').system('true'),)}", 'Corrupt'],
    ['something behind the dict', `${header('(6,)')} ; 1`, 'Corrupt'],
    ['no end of a string', "{'descr': '<f4", 'Corrupt'],
    ['no dict', "('<f4', False, (6,))", 'Corrupt'],
    ['nothing', '', 'Corrupt']
  ])('%s', async (_, text, kind) => {
    for (const element of ['row', 'file'] as const) {
      const { error, allocated } = await outcomeOf(npy, withHeader(text.slice(0, 65_535)), { element })
      expect(error?.kind ?? 'ok').toBe(kind)
      expect(allocated).toBeLessThan(200_000)
    }
  })

  test('a header longer than the file is Truncated; one of 16 MiB and more is Limit', async () => {
    expect((await outcomeOf(npy, withHeader(header('(6,)'), new Uint8Array(24), 60_000), {})).error?.kind).toBe('Truncated')
    const long = new Uint8Array(2 ** 24 + 100)
    long.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 1, 0, 0, 1])
    const { error, allocated } = await outcomeOf(npy, long, {})
    expect(error).toMatchObject({ kind: 'Limit', offset: 8 })
    expect(allocated).toBeLessThan(10_000)
  })

  test('a file of another kind is told by what it is', async () => {
    for (const [head, text] of [[[0x1f, 0x8b, 8], 'gzip'], [[0x50, 0x4b, 3, 4], 'NPZ'], [[0x80, 4, 0x95], 'pickle'], [[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x58, 1, 0], 'Restore']] as const) {
      const { error } = await outcomeOf(npy, new Uint8Array([...head, 0, 0, 0, 0, 0, 0]), {})
      expect(error).toMatchObject({ kind: 'Corrupt', offset: 0, message: expect.stringContaining(text) })
    }
  })
})

describe('garbage', () => {
  test('is Corrupt at byte 0', async () => {
    const random = generator(2026)
    for (let i = 0; i < 2000 * FACTOR; i++) {
      const bytes = Uint8Array.from({ length: 1 + random(100) }, (_, k) => (k === 0 ? random(0x90) : random(256)))
      const { error } = await outcomeOf(npy, bytes, {})
      if (error?.kind !== 'Corrupt' || error.offset !== 0) throw new Error(`case ${i}`, { cause: error })
    }
  }, SLOW)

  test('in the header gives rows or a typed error, in bounded memory', async () => {
    const random = generator(7)
    const words = ["'", '(', ')', '[', ']', '{', '}', ',', ':', ' ', '9', '0', '1', '-', "'<f4'", "'|O'", "'>U3'", "'|S0'", "('a', '<f8')", 'True', 'False', 'None', '(0,)', '(2, 3)', '\\', 'L']
    for (let i = 0; i < 5000 * FACTOR; i++) {
      let text = header('(2, 3)', i % 2 === 0 ? "'<f4'" : "[('a', '<f2'), ('b', '|u1', (2,))]")
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const at = random(text.length)
        text = text.slice(0, at) + (words[random(words.length)] as string) + text.slice(at + random(4))
      }
      const { allocated } = await outcomeOf(npy, withHeader(text), { element: i % 3 === 0 ? 'file' : 'row' })
      if (allocated > 30_000) throw new Error(`case ${i}: ${text} took ${allocated} bytes`)
    }
  })
})

test('strings that are no characters of Unicode are Corrupt at their byte', async () => {
  const bytes = withHeader(header('(3,)', "'<U2'"), new Uint8Array(new Uint32Array([65, 66, 67, 0x110000, 0, 0]).buffer))
  const { error } = await outcomeOf(npy, bytes, {})
  expect(error).toMatchObject({ kind: 'Corrupt', offset: bytes.length - 24 + 8 })
})
