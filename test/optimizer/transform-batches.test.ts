import { describe, expect, test } from '@jest/globals'
import { equal } from '../../src/array/equal.js'
import { ndarray } from '../../src/array/ndarray.js'
import { Dataset } from '../../src/dataset.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { cast } from '../../src/transforms/cast.js'
import { normalize } from '../../src/transforms/normalize.js'
import { oneHot } from '../../src/transforms/one-hot.js'
import { toyFormat, toyStore } from '../table/toy-table.js'

const rows = Array.from({ length: 13 }, (_, i) => ({ image: ndarray(Uint8Array.from({ length: 6 }, (_, k) => i * 6 + k), [2, 3]), label: BigInt(i % 4) }))
const slices = Dataset.fromTensorSlices({ image: ndarray(Uint8Array.from({ length: 78 }, (_, k) => k), [13, 2, 3]), label: BigInt64Array.from({ length: 13 }, (_, i) => BigInt(i % 4)) })
const toFloat = normalize({ image: { scale: 1 / 255, mean: [0.1, 0.2, 0.3] } })
const runs = (dataset: Dataset<unknown>): string => dataset.explain().split('\n').slice(1).join('\n')

describe('declarative transforms below a batch', () => {
  test('are applied to whole batches', async () => {
    const dataset = Dataset.from(rows).map(toFloat).map(oneHot({ label: { depth: 4 } })).batch(4)
    expect(runs(dataset)).toContain('transform batches(normalize → oneHot)')
    const written = rows.map(row => oneHot({ label: { depth: 4 } })(toFloat(row)))
    expect(equal(await dataset.unbatch().toArray(), await Dataset.from(written).batch(4).unbatch().toArray())).toBe(true)
  })
  test('keep their place above functions of the user, generators and other dtypes for numbers', () => {
    const transformed = 'transform batches'
    expect(runs(Dataset.from(rows).map(row => row).map(toFloat).batch(4))).not.toContain(transformed)
    expect(runs(Dataset.from(() => rows).map(toFloat).batch(4))).not.toContain(transformed)
    expect(runs(Dataset.from(rows).map(toFloat).batch(4, { numbers: 'float64' }))).not.toContain(transformed)
    expect(runs(Dataset.from(rows).shuffle(5).repeat(2).prefetch(3).map(toFloat).batch(4))).toContain(transformed)
  })
  const bad = [...rows.slice(0, 6), { image: ndarray(new Uint8Array(4), [2, 2]), label: 1n }, ...rows.slice(6, 9), { image: 'none' as never, label: 2n }, ...rows.slice(9)]
  const variants: [string, () => Dataset<unknown>, () => Dataset<unknown>][] = [
    ['rows that are alike', () => Dataset.from(rows).map(toFloat).batch(4), () => Dataset.from(rows).prefetch(2).map(toFloat, { parallel: 3 }).prefetch(1).batch(4)],
    ['two transforms', () => slices.map(toFloat).map(cast({ image: 'float64' })).batch(5, { dropRemainder: true }), () => slices.map(toFloat, { parallel: 2 }).map(cast({ image: 'float64' })).batch(5, { dropRemainder: true })],
    ['rows that cannot be transformed', () => Dataset.from(bad).map(toFloat).batch(4), () => Dataset.from(bad).map(toFloat).prefetch(2).batch(4)],
    ['numbers, whose dtype stacking decides', () => Dataset.range(20).map(cast('float64')).batch(3), () => Dataset.range(20).prefetch(1).map(cast('float64')).batch(3)],
    ['shuffled and repeated rows', () => slices.shuffle(4).repeat(2).map(toFloat).batch(3), () => slices.shuffle(4).repeat(2).map(toFloat).prefetch(4).batch(3)]
  ]
  describe.each(variants)('with %s', (_, make, other) => {
    for (const check of operatorConformance({ make, same: [other] })) test(check.name, check.run)
  })
  describe('of tables', () => {
    let store: Awaited<ReturnType<typeof toyStore>>
    const make = (): Dataset<unknown> => Dataset.fromFiles<{ x: never }, unknown>('mem://toys/*.toy', { format: toyFormat() as never, store }).map(normalize({ x: { scale: 2 } })).batch(4)
    test('get stacked rows, and errors of the file leave the rows around them', async () => {
      store = await toyStore({ rows: 9 }, { rows: 8, blockRows: 2, bad: [3] })
      expect(runs(make())).toMatch(/stacked/)
      expect((await make().first()) as object).toMatchObject({ x: { dtype: 'float32', shape: [4, 3] }, z: { shape: [4] } })
    })
    for (const check of operatorConformance({ make: () => make() })) test(check.name, check.run)
  })
})
