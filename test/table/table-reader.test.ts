import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { equal } from '../../src/array/equal.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { toyFormat, toyRow, toyStore, type Toy, type ToyOptions } from './toy-table.js'

const ROW = 3 * 4 + 4 + 4 + 32
const valueOf = (element: unknown): number => -(element as { z: number }).z
const values = (elements: readonly unknown[]): number[] => elements.map(valueOf)
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

async function toys(files: readonly Toy[], options: ToyOptions = {}) {
  const store = await toyStore(...files)
  const format = toyFormat()
  return { format, make: (more: ToyOptions = options) => Dataset.fromFiles<unknown, ToyOptions | undefined>('mem://toys/*.toy', { format, store, options: more }) }
}

/** Elements, and errors as their texts. */
async function events(dataset: Dataset<unknown>): Promise<unknown[]> {
  const iterator = dataset.iterator({ seed: 3, epoch: 0 })
  const out: unknown[] = []
  for (;;) {
    try {
      const step = await iterator.next()
      if (step.done === true) return out
      out.push(step.value)
    } catch (error) {
      out.push((error as Error).message)
    }
  }
}

const CASES: readonly { name: string; files: readonly Toy[]; options: ToyOptions }[] = [
  { name: 'rows that cost what their bytes cost', files: [{ rows: 7 }, { rows: 0 }, { rows: 12 }], options: { readBytes: 3 * ROW } },
  { name: 'one row per read', files: [{ rows: 5 }], options: { readBytes: 1 } },
  { name: 'blocks of 4 rows', files: [{ rows: 10, blockRows: 4 }, { rows: 3, blockRows: 4 }], options: { readBytes: 1, cacheBytes: 5 * ROW } },
  { name: 'several blocks of 2 rows in a read', files: [{ rows: 11, blockRows: 2 }], options: { readBytes: 5 * ROW } },
  { name: 'a stream', files: [{ rows: 9, blockRows: 2, sequential: true }, { rows: 4, blockRows: 2, sequential: true }], options: { readBytes: 4 * ROW } },
  { name: 'bad rows', files: [{ rows: 9, blockRows: 2, bad: [3] }, { rows: 6, blockRows: 3, bad: [0, 5] }], options: { readBytes: 6 * ROW } }
]

describe.each(CASES)('a table of $name', ({ files, options }) => {
  const variants: [string, (dataset: Dataset<unknown>) => Dataset<unknown>][] = [
    ['rows', dataset => dataset],
    ['batches', dataset => dataset.batch(4)],
    ['batches without the remainder', dataset => dataset.batch(3, { dropRemainder: true })],
    ['skipped rows', dataset => dataset.skip(5)],
    ['batches of a part', dataset => dataset.skip(2).take(9).batch(2)],
    ['a shard', dataset => dataset.shard(3, 1)],
    ['a shard of a part', dataset => dataset.skip(1).shard(2, 0).take(4)],
    ['shuffled', dataset => dataset.shuffle()],
    ['shuffled parts', dataset => dataset.skip(3).shuffle({ seed: 5 })],
    ['repeated batches', dataset => dataset.repeat(2).batch(4)],
    ['mapped', dataset => dataset.map(valueOf)]
  ]
  for (const [name, over] of variants) {
    describe(name, () => {
      // Where rows are lost, selections by ordinal lose other rows than selections of what came.
      const selects = /shard|skip|part|shuffled/.test(name) && files.some(({ bad }) => bad !== undefined)
      const plan = async () => (await toys(files, options)).make
      let make: Awaited<ReturnType<typeof plan>> | undefined
      const dataset = (): Dataset<unknown> => over((make as NonNullable<typeof make>)(options))
      const other = (): Dataset<unknown> => over((make as NonNullable<typeof make>)({ ...options, cacheBytes: 1 << 20 }))
      test('is made', async () => {
        make = await plan()
      })
      for (const check of operatorConformance({ make: dataset, same: [other] })) {
        if (selects && check.name.includes('as written')) continue
        test(check.name, check.run)
      }
    })
  }
})

describe('rows', () => {
  test('are what was written, and all of them', async () => {
    const { make } = await toys([{ rows: 7 }, { rows: 5, blockRows: 2 }], { readBytes: 2 * ROW })
    const rows = await make().toArray()
    expect(rows.every((row, i) => equal(row, toyRow(i)))).toBe(true)
    expect(rows).toHaveLength(12)
  })
  test('that follow a bad block come, and so do those before it', async () => {
    const { make } = await toys([{ rows: 9, blockRows: 2, bad: [3] }, { rows: 4, blockRows: 2 }], { readBytes: 100 * ROW })
    const found = await events(make())
    expect(found.map(event => (typeof event === 'string' ? event : valueOf(event)))).toEqual([0, 1, 'row 3 is bad', ...[4, 5, 6, 7, 8, 9, 10, 11, 12]])
  })
  test('of a bad block do not stop a batch from being filled', async () => {
    const { make } = await toys([{ rows: 9, blockRows: 2, bad: [3] }], { readBytes: 100 * ROW })
    const [error, first, second] = await events(make().batch(4)) as [string, { z: { data: Float32Array } }, { z: { data: Float32Array } }]
    expect(error).toContain('row 3 is bad')
    expect([...first.z.data].map(Math.abs)).toEqual([0, 1, 4, 5])
    expect([...second.z.data].map(Math.abs)).toEqual([6, 7, 8])
  })
})

describe('batches', () => {
  test('come stacked from the reader, and are those of the plan without rules', async () => {
    const { make } = await toys([{ rows: 10 }, { rows: 3 }], { readBytes: 4 * ROW })
    const batches = make().batch(4)
    expect(batches.explain()).toContain('stacked')
    expect(make().map(x => x).batch(4).explain()).not.toContain('stacked')
    const plain = await make().map(x => x).batch(4).toArray()
    expect(equal(await batches.toArray(), plain)).toBe(true)
  })
  test('are arrays of their own', async () => {
    const { make } = await toys([{ rows: 8 }], { readBytes: 100 * ROW })
    const [a, b] = (await make().batch(4).toArray()) as { x: { data: Float32Array } }[]
    expect(a?.x.data.buffer).not.toBe(b?.x.data.buffer)
    expect(a?.x.data.byteLength).toBe(a?.x.data.buffer.byteLength)
  })
  test('of another dtype for numbers are made row by row', async () => {
    const { make } = await toys([{ rows: 4 }])
    const dataset = make().batch(4, { numbers: 'int32' })
    expect(dataset.explain()).not.toContain('stacked')
    expect(await dataset.first()).toMatchObject({ z: { dtype: 'int32' } })
  })
})

describe('access by ordinal', () => {
  test('shuffles hold nothing and visit every row once', async () => {
    const { make, format } = await toys([{ rows: 30 }, { rows: 20, blockRows: 7 }, { rows: 0 }])
    const shuffled = values(await make().shuffle({ seed: 1 }).toArray())
    expect([...shuffled].sort((a, b) => a - b)).toEqual(upTo(50))
    expect(shuffled).not.toEqual(upTo(50))
    expect(values(await make().shuffle({ seed: 1 }).take(7).toArray())).toEqual(shuffled.slice(0, 7))
    expect(format.asked.open).toBe(0)
  })
  test('is kept through map, zip, enumerate, concatenate and selections', async () => {
    const { make } = await toys([{ rows: 12 }])
    const dataset = Dataset.zip([make().map(valueOf), make().skip(2).enumerate()]).concatenate(Dataset.zip([make().map(valueOf), make().enumerate()]).take(3))
    const sorted = (await dataset.shuffle({ seed: 2 }).toArray()).map(([a, [i, b]]) => `${a} ${i} ${valueOf(b)}`).sort()
    expect(sorted).toEqual((await dataset.toArray()).map(([a, [i, b]]) => `${a} ${i} ${valueOf(b)}`).sort())
  })
  test('decodes a block once for all of its rows, while it is kept', async () => {
    const { make, format } = await toys([{ rows: 64, blockRows: 16 }])
    await make().shuffle().toArray()
    expect(format.asked.reads).toHaveLength(4)
  })
  test('joins neighbours to one range, and leaves out what is far away', async () => {
    const { make, format } = await toys([{ rows: 4000 }])
    expect(values(await make().shard(1000, 7).toArray())).toEqual([7, 1007, 2007, 3007])
    expect(format.asked.reads.reduce((sum, { count }) => sum + count, 0)).toBe(4)
  })
  test('reads whole blocks once it is plain that all is wanted, and no more than fits into the cache', async () => {
    const { make, format } = await toys([{ rows: 4000 }])
    await make().shuffle().batch(50).toArray()
    expect(format.asked.reads.length).toBeLessThan(300)
    const files = await toys([{ rows: 3, blockRows: 2 }, { rows: 5 }, { rows: 9, blockRows: 4 }])
    expect(values(await files.make().shuffle().toArray()).sort((a, b) => a - b)).toEqual(upTo(17))
  })
  test('is not there for a stream, which is shuffled in a buffer', async () => {
    const { make } = await toys([{ rows: 9, sequential: true, blockRows: 3 }])
    expect(values(await make().shuffle({ seed: 1 }).toArray()).sort((a, b) => a - b)).toEqual(upTo(9))
  })
  test('of a file that is broken is an error, and then the end', async () => {
    const { make } = await toys([{ rows: 3 }])
    const store = await toyStore({ rows: 3 })
    await store.put('mem://toys/1.toy', new Uint8Array([1, 2]))
    const dataset = Dataset.fromFiles('mem://toys/*.toy', { format: toyFormat(), store })
    expect(await events(dataset.shuffle())).toEqual([expect.stringContaining('JSON')])
    expect(values(await make().shuffle().toArray())).toHaveLength(3)
  })
})

describe('selections', () => {
  test('read nothing of what is passed over', async () => {
    const { make, format } = await toys([{ rows: 1000 }, { rows: 1000 }, { rows: 1000 }], { readBytes: 10 * ROW })
    expect(values(await make().skip(2100).take(5).toArray())).toEqual([2100, 2101, 2102, 2103, 2104])
    expect(format.asked.reads.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(50)
  })
  test.each([[2, 1], [3, 1], [7, 1], [2, 4], [5, 4]])('into %i shards are disjoint and complete (blocks of %i rows)', async (shards, blockRows) => {
    const { make } = await toys([{ rows: 23, blockRows }, { rows: 0 }, { rows: 1 }, { rows: 16, blockRows }])
    const all: number[] = []
    for (let k = 0; k < shards; k++) {
      const part = values(await make().shard(shards, k).toArray())
      expect(part).toEqual(upTo(40).filter(value => value % shards === k))
      all.push(...part)
    }
    expect(all.sort((a, b) => a - b)).toEqual(upTo(40))
  })
  test('pass over bad rows by their ordinals', async () => {
    const { make } = await toys([{ rows: 12, blockRows: 2, bad: [5] }])
    expect((await events(make().shard(2, 1))).map(event => (typeof event === 'string' ? event : valueOf(event)))).toEqual([1, 3, 'row 5 is bad', 7, 9, 11])
    expect((await events(make().shard(2, 0))).map(event => (typeof event === 'string' ? event : valueOf(event)))).toEqual([0, 2, 'row 5 is bad', 6, 8, 10])
  })
})

test('a checkpoint behind the rows of the file is refused', async () => {
  const { make } = await toys([{ rows: 20 }])
  const iterator = make().iterator()
  await iterator.next()
  const from = iterator.checkpoint()
  await iterator.close()
  const state = JSON.parse(JSON.stringify(from)) as { state: { self: { from?: number } } }
  state.state.self.from = 21
  await expect(make().toArray({ from: state as never })).rejects.toMatchObject({ kind: 'Checkpoint' })
})
