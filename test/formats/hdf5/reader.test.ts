import { describe, expect, test } from '@jest/globals'
import { EXPECTED, fixture, generator, named, openBytes, plain, readRows } from './support.js'

describe.each(Object.keys(EXPECTED))('%s', name => {
  const expected = EXPECTED[name]!
  for (const [path, { rows, columns }] of Object.entries(expected)) {
    test(`${path} has the values that h5py reads, at once and in pieces`, async () => {
      const file = await openBytes(fixture(name))
      const dataset = await file.dataset(path)
      const table = dataset.table()
      expect(table.rows).toBe(rows)
      if (Object.keys(columns).length === 0) return
      const whole = named(await readRows(table))
      expect(Object.keys(whole)).toEqual(Object.keys(columns))
      for (const [column, { dtype, shape, data, strings }] of Object.entries(columns)) {
        const values = whole[column]!
        expect(values.dtype).toBe(dtype)
        expect(values.shape).toEqual(dataset.shape?.length === 0 ? [1, ...shape] : shape)
        expect(plain(values)).toEqual(data ?? strings)
      }
      // Pieces of any length, wherever chunks begin, some of them at the same time.
      const random = generator(rows)
      const fresh = (await (await openBytes(fixture(name), { cacheBytes: random(200) })).dataset(path)).table()
      for (let start = 0; start < rows;) {
        const count = Math.min(rows - start, 1 + random(Math.max(3, rows >> 3)))
        const [piece, again] = (await Promise.all([readRows(fresh, start, count), readRows(fresh, start, count)])).map(named)
        for (const [column, values] of Object.entries(piece!)) {
          const per = values.data.length / count
          expect(values.data).toEqual(whole[column]!.data.slice(start * per, (start + count) * per))
          expect(again![column]!.data).toEqual(values.data)
        }
        start += count
      }
    })
  }
})
