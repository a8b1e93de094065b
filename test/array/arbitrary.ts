import fc from 'fast-check'
import { DTYPES, allocate, widthOf } from '../../src/array/dtype.js'
import { sizeOf } from '../../src/array/ndarray.js'
import type { DType } from '../../src/types.js'

/** One structure, and a function that makes elements of it. */
interface Maker {
  readonly make: fc.Arbitrary<unknown>
}

const float = fc.oneof(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), fc.float())

/** An NdArray of that dtype and shape, with any values. */
export function arrayOf(dtype: DType, shape: readonly number[]): fc.Arbitrary<unknown> {
  const size = sizeOf(shape) * widthOf(dtype)
  const value: fc.Arbitrary<unknown> =
    dtype === 'string' ? fc.string()
    : dtype === 'int64' || dtype === 'uint64' ? fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
    : dtype === 'bool' ? fc.integer({ min: 0, max: 1 })
    : dtype.startsWith('float') || dtype.startsWith('complex') ? fc.float() : fc.integer({ min: 0, max: 127 })
  return fc.array(value, { minLength: size, maxLength: size }).map((values) => {
    const data = allocate(dtype, size) as unknown as unknown[]
    for (let i = 0; i < size; i++) data[i] = values[i]
    return { dtype, shape, data }
  })
}

function raggedOf(dtype: DType, levels: number): fc.Arbitrary<unknown> {
  const rows = fc.array(fc.nat(3), { maxLength: 4 })
  return fc.tuple(fc.array(rows, { minLength: levels, maxLength: levels }), fc.nat(4)).map(([lengths, values]) => {
    let count = levels === 0 ? values : (lengths[0]?.length ?? 0)
    const rowSplits = lengths.map((pattern) => {
      const splits = new Int32Array(count + 1)
      for (let i = 0; i < count; i++) splits[i + 1] = (splits[i] ?? 0) + (pattern[i % Math.max(1, pattern.length)] ?? 0)
      count = splits[count] ?? 0
      return splits
    })
    const data = allocate(dtype, count * widthOf(dtype)) as unknown as unknown[]
    for (let i = 0; i < data.length; i++) data[i] = dtype === 'string' ? String(i) : dtype.endsWith('int64') ? BigInt(i) : i
    return { dtype, data, rowSplits }
  })
}

const dtypes = fc.constantFrom(...DTYPES)

const leaf: fc.Arbitrary<Maker> = fc.oneof(
  fc.constantFrom<Maker>(
    { make: float }, { make: fc.boolean() }, { make: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }, { make: fc.string() }, { make: fc.uint8Array({ maxLength: 4 }) }
  ),
  fc.tuple(dtypes, fc.array(fc.nat(3), { maxLength: 3 })).map(([dtype, shape]) => ({ make: arrayOf(dtype, shape) })),
  fc.tuple(dtypes, fc.nat(2)).map(([dtype, levels]) => ({ make: raggedOf(dtype, levels) }))
)

const maker: fc.Arbitrary<Maker> = fc.letrec<{ nest: Maker }>((tie) => ({
  nest: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('nest'), { minLength: 1, maxLength: 3 }).map((items) => ({ make: fc.tuple(...items.map((item) => item.make)) })),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), tie('nest'), { minKeys: 1, maxKeys: 3, noNullPrototype: true }).map((members) => ({
      make: fc.record(Object.fromEntries(Object.entries(members).map(([key, member]) => [key, member.make])))
    }))
  )
})).nest

/** One to four elements of one structure, with any leaves. */
export function elements(): fc.Arbitrary<unknown[]> {
  return maker.chain(({ make }) => fc.array(make, { minLength: 1, maxLength: 4 }))
}
