import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { equal } from '../../src/array/equal.js'
import { stack } from '../../src/array/stack.js'
import { DTYPES } from '../../src/array/dtype.js'
import {
  cast, crop, decodeImage, decodeRaw, dropKeys, flip, isTransform, normalize, oneHot, padTo, parseTensor, randomCrop, randomFlip, renameKeys, reshape, selectKeys, type Transform
} from '../../src/transforms.js'
import { scalar } from '../../src/index.js'
import { arrayOf } from '../array/arbitrary.js'
import type { DType } from '../../src/types.js'
import { call } from './support.js'

const RUNS = 200 * Number(process.env['MILLRACE_FUZZ'] ?? 1)
const numeric = DTYPES.filter((dtype): dtype is Exclude<DType, 'string'> => dtype !== 'string')

/** What the rows of a batch become: stacked before, and after; `undefined` for what throws. */
function bothWays(transform: Transform, rows: readonly unknown[]): { readonly rowwise: unknown; readonly batched: unknown } {
  let rowwise: unknown
  try {
    rowwise = stack(rows.map(row => call(transform, row)))
  } catch {}
  let batch: unknown
  try {
    batch = stack(rows)
  } catch {}
  return { rowwise, batched: batch === undefined ? undefined : transform.batched?.(batch, rows[0]) }
}

/** Where the batched form does anything, it does what the rows do; the number of times that it did. */
function check(transforms: fc.Arbitrary<Transform>, rows: fc.Arbitrary<readonly unknown[]>): number {
  let done = 0
  fc.assert(fc.property(transforms, rows, (transform, list) => {
    const { rowwise, batched } = bothWays(transform, list)
    if (batched === undefined) return
    done++
    if (!equal(batched, rowwise)) throw new Error(`${JSON.stringify(transform.transform)} of ${show(list)}: ${show(batched)}, not ${show(rowwise)}`)
    // Without a row it may only refuse more.
    const blind = transform.batched?.(stack(list))
    if (blind !== undefined && !equal(blind, rowwise)) throw new Error(`without a row: ${show(blind)}, not ${show(rowwise)}`)
  }), { numRuns: RUNS, seed: 5 })
  return done
}

const show = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : ArrayBuffer.isView(part) ? Array.from(part as never, String) : part))

/** One to four rows of one dtype and shape, or of plain scalars. */
const rowsOf = (dtype: DType, shape: readonly number[]): fc.Arbitrary<unknown[]> => fc.array(arrayOf(dtype, shape), { minLength: 1, maxLength: 4 })
const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 })
const plain = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> => fc.array(value, { minLength: 1, maxLength: 4 })
const plainRows = fc.oneof(
  plain(fc.oneof(fc.integer(), fc.float(), fc.double())), plain(fc.boolean()), plain(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n })), plain(fc.string()),
  plain(fc.uint8Array({ maxLength: 4 })), plain(fc.float32Array({ minLength: 3, maxLength: 3, noNaN: true }))
)

/** Transforms for any array, by what their specs are made of. */
const shapeChanging = fc.oneof(
  shapes.map(shape => reshape(shape)),
  fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }).map(shape => reshape([...shape, -1])),
  fc.constantFrom('horizontal' as const, 'vertical' as const, 'both' as const).map(direction => flip(direction)),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.nat(2), fc.boolean()).map(([height, width, top, middle]) => crop({ height, width, ...(!middle && { top }) })),
  fc.tuple(fc.array(fc.integer({ min: -1, max: 4 }), { maxLength: 4 }), fc.constantFrom(0, 1, true, 2n, 'x', 0.5)).map(([shape, value]) => padTo({ shape, value }))
)
const normalizing = fc.constantFrom<Transform>(normalize({}), normalize({ scale: 1 / 255 }), normalize({ mean: [1, 2, 3], std: [0.5, 1, 2] }), normalize({ scale: -3, bias: [0.1], std: [7] }))
const oneHots = fc.constantFrom<Transform>(
  oneHot({ depth: 3 }), oneHot({ depth: 128, dtype: 'int64' }), oneHot({ depth: 2, outOfRange: 'zeros', on: 2, off: -1, dtype: 'float16' }), oneHot({ depth: 2, outOfRange: 'zeros', dtype: 'bool' })
)
const casts = fc.constantFrom(...numeric).map(dtype => cast(dtype))

describe('a batch is what its rows become, stacked', () => {
  test.each(DTYPES)('of %s arrays', dtype => {
    const arrays = shapes.chain(shape => rowsOf(dtype, shape))
    const counts = [check(shapeChanging, arrays), check(casts, arrays), check(normalizing, arrays), check(oneHots, arrays)]
    const real = !dtype.startsWith('complex') && dtype !== 'string'
    expect(counts[0]).toBeGreaterThan(RUNS / 10)
    if (dtype !== 'string') expect(counts[1]).toBeGreaterThan(RUNS / 10)
    if (real) expect(counts[2]).toBeGreaterThan(RUNS / 10)
    if (real && dtype !== 'bool') expect(counts[3]).toBeGreaterThan(0)
  })

  test('of plain scalars, bytes and typed arrays', () => {
    for (const transforms of [shapeChanging, casts, normalizing, oneHots]) expect(check(transforms, plainRows)).toBeGreaterThan(0)
  })

  test('of objects, key by key', () => {
    const rows = fc.array(fc.record({ x: arrayOf('uint8', [2, 3, 3]), y: fc.bigInt({ min: 0n, max: 9n }), z: fc.float(), raw: fc.uint8Array(), more: fc.record({ w: fc.boolean() }) }), { minLength: 1, maxLength: 4 })
    const transforms = fc.constantFrom<Transform>(
      cast({ x: 'float32', y: 'int32', more: { w: 'float32' } }), cast({ z: 'float64' }), cast({ z: 'float32' }), normalize({ x: { mean: [1, 2, 3] }, z: { scale: 2 } }),
      oneHot({ y: { depth: 10 } }), reshape({ x: [-1], y: [1] }), flip({ x: 'both' }), crop({ x: { height: 1, width: 2 } }), padTo({ x: { shape: [3, -1, 4], value: 7 } }),
      selectKeys(['raw', 'x']), dropKeys(['more']), renameKeys({ x: 'y', y: 'x' }), cast({ none: 'float32' }), cast({ raw: 'float32' }), selectKeys(['none'])
    )
    expect(check(transforms, rows)).toBeGreaterThan(RUNS / 2)
  })
})

describe('a batch is left alone', () => {
  test('where stacking has rounded plain numbers', () => {
    const [batch, rows] = [stack([0.1, 0.2]), [0.1, 0.2]]
    expect(cast('float64').batched?.(batch, rows[0])).toBeUndefined()
    expect(cast('float64').batched?.(batch)).toBeUndefined()
    expect(cast('float64').batched?.(stack([scalar(0.5, 'float32')]), scalar(0.5, 'float32'))).toEqual({ dtype: 'float64', shape: [1], data: Float64Array.of(0.5) })
    expect(cast('float32').batched?.(batch, 0.1)).toEqual(batch)
    expect(cast('float64').batched?.(stack([1n, 2n]))).toEqual({ dtype: 'float64', shape: [2], data: Float64Array.of(1, 2) })
  })

  test('where a row would be refused', () => {
    expect(oneHot({ depth: 2 }).batched?.(stack([1n, 2n]), 1n)).toBeUndefined()
    expect(flip('both').batched?.(stack([1, 2]), 1)).toBeUndefined()
    expect(normalize({ mean: [1, 2] }).batched?.(stack([1, 2]), 1)).toBeUndefined()
    expect(dropKeys(['a']).batched?.(stack([{ b: 1 }]), { b: 1 })).toBeUndefined()
  })

  test('by transforms for which every row is a case of its own', () => {
    const own = [randomCrop({ height: 1, width: 1 }), randomFlip(), decodeImage(), decodeRaw({ dtype: 'uint8' }), parseTensor()]
    for (const transform of own) expect([isTransform(transform), transform.batched]).toEqual([true, undefined])
  })
})
