import { describe, expect, test } from '@jest/globals'
import { fixture, memorySource, openBytes, readRows } from './support.js'

const WHOLE = fixture('fuzz-unchecked')
const text = Buffer.from(WHOLE.buffer)
/** Where a structure begins: the `nth` with these letters. */
const at = (letters: string, nth = 0): number => {
  let found = text.indexOf(letters)
  for (let i = 0; i < nth; i++) found = text.indexOf(letters, found + 1)
  if (found < 0) throw new Error(`no ${letters}`)
  return found
}
const isTree = (type: number) => (offset: number): boolean => WHOLE[offset + 4] === type
const trees = [...text.toString('latin1').matchAll(/TREE/g)].map(match => match.index)
const groupTree = trees.find(isTree(0))!
const chunkTree = trees.find(isTree(1))!

function patched(...changes: readonly (readonly [offset: number, value: number | bigint, bytes: 1 | 2 | 4 | 8])[]): Uint8Array {
  const bytes = WHOLE.slice()
  const view = new DataView(bytes.buffer)
  for (const [offset, value, size] of changes) {
    if (size === 8) view.setBigUint64(offset, BigInt(value), true)
    else if (size === 4) view.setUint32(offset, Number(value), true)
    else if (size === 2) view.setUint16(offset, Number(value), true)
    else view.setUint8(offset, Number(value))
  }
  return bytes
}

/** What reading a dataset ends with, and how many bytes were asked for. */
async function outcome(bytes: Uint8Array, path: string): Promise<{ readonly error: unknown; readonly requested: number }> {
  const source = memorySource(bytes)
  const error: unknown = await (async () => {
    const { table } = await (await openBytes(source, { maxChunkBytes: 2 ** 20 })).dataset(path)
    await readRows(table(), 0, Math.min(100, table().rows))
  })().then(() => undefined, (caught: unknown) => caught)
  return { error, requested: source.ranges.reduce((sum, [, length]) => sum + length, 0) }
}

const END = BigInt(WHOLE.length)
const cases: readonly (readonly [what: string, bytes: Uint8Array, path: string, kind: string | RegExp])[] = [
  ['an end of the file behind its end', patched([40, END + 1n, 8]), '/plain', 'Truncated'],
  ['an end of the file that is no number', patched([40, 2n ** 63n, 8]), '/plain', 'Corrupt'],
  ['a root group behind the end', patched([64, END * 2n, 8]), '/plain', 'Corrupt'],
  ['a root group at no address', patched([64, 2n ** 64n - 1n, 8]), '/plain', 'Corrupt'],
  ['addresses of 3 bytes', patched([13, 3, 1]), '/plain', 'Corrupt'],
  ['a version to come', patched([8, 4, 1]), '/plain', 'Unsupported'],
  ['a driver information block', patched([48, 96n, 8]), '/plain', 'Unsupported'],
  ['a node of a group of 65535 entries', patched([groupTree + 6, 65535, 2]), '/plain', /Truncated|Corrupt/],
  ['a node of a group that is its own child', patched([groupTree + 5, 1, 1], [groupTree + 32, BigInt(groupTree), 8]), '/plain', 'Corrupt'],
  ['a table of 65535 symbols', patched([at('SNOD') + 6, 65535, 2]), '/plain', /Truncated|Corrupt/],
  ['names in a heap of 2^40 bytes', patched([at('HEAP') + 8, 2n ** 40n, 8]), '/plain', 'Truncated'],
  ['names in a heap of 2^63 bytes', patched([at('HEAP') + 8, 2n ** 63n, 8]), '/plain', 'Corrupt'],
  ['a chunk index of 65535 entries', patched([chunkTree + 6, 65535, 2]), '/g/gzip', 'Truncated'],
  ['a chunk index that is its own child', patched([chunkTree + 5, 1, 1], [chunkTree + 24 + 32, BigInt(chunkTree), 8]), '/g/gzip', 'Corrupt'],
  ['a chunk index of 255 levels', patched([chunkTree + 5, 255, 1]), '/g/gzip', 'Corrupt'],
  ['a chunk of 2^32 - 1 bytes', patched([chunkTree + 24, 2 ** 32 - 1, 4]), '/g/gzip', 'Corrupt'],
  ['a chunk of no bytes', patched([chunkTree + 24, 0, 4]), '/g/gzip', 'Corrupt'],
  ['a chunk behind the end', patched([chunkTree + 24 + 32, END, 8]), '/g/gzip', 'Truncated'],
  ['a chunk beside its place', patched([chunkTree + 24 + 8, 1n, 8]), '/g/gzip', 'Corrupt'],
  ['a chunk outside the dataset', patched([chunkTree + 24 + 16, 300n, 8]), '/g/gzip', 'Corrupt'],
  ['a chunk that is there twice', patched([chunkTree + 24 + 40 + 16, 0n, 8]), '/g/gzip', 'Corrupt'],
  ['a heap collection of 2^40 bytes', patched([at('GCOL') + 8, 2n ** 40n, 8]), '/g/texts', 'Truncated'],
  ['an object in a heap collection that is larger than it', patched([at('GCOL') + 16 + 8, 2n ** 20n, 8]), '/g/texts', 'Corrupt'],
  ['an object in a heap collection that is missing', patched([at('GCOL') + 16, 77, 2]), '/g/texts', 'Corrupt'],
  ['an object in a heap collection that is too short', patched([at('GCOL') + 16 + 8, 1n, 8]), '/g/texts', 'Corrupt']
]

describe('a header that speaks of', () => {
  test.each(cases)('%s is a typed error, and little is read', async (_, bytes, path, kind) => {
    const { error, requested } = await outcome(bytes, path)
    expect(error).toMatchObject({ name: 'MillraceError', kind: expect.stringMatching(kind), uri: 'mem://bucket/file.h5', offset: expect.any(Number) })
    expect(requested).toBeLessThan(2 * WHOLE.length)
  })

  test('nothing out of the way is read', async () => {
    for (const path of ['/plain', '/g/gzip', '/g/texts', '/points', '/soft']) expect(await outcome(WHOLE, path)).toMatchObject({ error: undefined })
  })
})
