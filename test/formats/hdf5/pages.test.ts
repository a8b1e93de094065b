import { describe, expect, test } from '@jest/globals'
import { fixture, memorySource, named, openBytes, readRows } from './support.js'

describe('an index of chunks in pages', () => {
  const cases = [
    ['/fixed', 3100, { 0: 1, 2100: 2, 2101: 3, 2102: 4, 3099: 5 }],
    ['/growing', 150000, { 3: 1, 4: 2, 300: 3, 131076: 4, 133000: 5, 149999: 6 }]
  ] as const

  test.each(cases)('%s is read where it was written, and is the fill value elsewhere', async (path, rows, written) => {
    const file = await openBytes(fixture('pages'))
    const table = (await file.dataset(path)).table()
    expect(table.rows).toBe(rows)
    const { data } = named(await readRows(table))['']!
    const expected = new Uint8Array(rows)
    for (const [at, value] of Object.entries(written)) expected[Number(at)] = value
    expect(Buffer.compare(data as Uint8Array, expected)).toBe(0)
  })

  test('is read no further than it is needed', async () => {
    const source = memorySource(fixture('pages'))
    const table = (await (await openBytes(source)).dataset('/fixed')).table()
    const before = source.ranges.length
    expect(named(await readRows(table, 2100, 2))['']?.data).toEqual(Uint8Array.of(2, 3))
    // The bytes of neighbours are read at once; metadata are here already.
    expect(source.ranges.length - before).toBeLessThanOrEqual(2)
  })
})
