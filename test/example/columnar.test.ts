import { describe, expect, test } from '@jest/globals'
import { allocate } from '../../src/array/dtype.js'
import { batchPool, release, type BatchPool } from '../../src/array/pool.js'
import { stack } from '../../src/array/stack.js'
import { encodeExample, exampleBatch, fixedLen, int64List, parseExample, ragged, varLen } from '../../src/example/index.js'
import { generate, randomOf } from './generate.js'

/** Arrays as plain data, so that views of longer arrays equal arrays of their length. */
function plain(value: unknown): unknown {
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return Array.from(value, String)
  if (ArrayBuffer.isView(value)) return [value.constructor.name, ...(value as Float32Array)].join()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
  return value
}

/** A pool of memory that has seen use. */
const dirty: BatchPool = { take: (dtype, length) => { const data = allocate(dtype, length); if (ArrayBuffer.isView(data)) new Uint8Array(data.buffer).fill(0xa5); return data }, lend: (data) => data, close: () => undefined }

describe('exampleBatch', () => {
  test('a batch is the stack of the records, for random specs and records', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = randomOf(seed)
      const { spec, record } = generate(random)
      const size = 1 + Math.floor(random() * 6)
      const numbers = random() < 0.5 ? 'float32' : 'float64'
      const batch = exampleBatch(spec, size, { numbers, bytes: random() < 0.5 ? 'copy' : 'view', ...(seed % 2 === 1 && { pool: dirty }) })
      for (const rows of [size, Math.max(1, size - 1), size]) {
        const records = Array.from({ length: rows }, record)
        for (const one of records) {
          // Now and then in the middle of a larger buffer, as a reader has it.
          const padded = new Uint8Array(one.length + 13)
          padded.set(one, 7)
          if (random() < 0.5) batch.add(one)
          else batch.add(padded, 7, 7 + one.length)
        }
        const stacked = stack(records.map((one) => parseExample(one, spec)), { numbers })
        expect([seed, plain(batch.finish())]).toEqual([seed, plain(stacked)])
      }
    }
  })

  test('every row lies in one array that was allocated for the whole batch', () => {
    const batch = exampleBatch({ x: fixedLen([2], 'float32'), y: fixedLen([], 'int64') }, 3)
    for (let i = 0; i < 2; i++) batch.add(encodeExample({ x: [i, i], y: BigInt(i) }))
    const { x, y } = batch.finish()
    expect(x).toEqual({ dtype: 'float32', shape: [2, 2], data: new Float32Array([0, 0, 1, 1]) })
    expect(x.data.buffer.byteLength).toBe(3 * 2 * 4)
    expect(y.data).toEqual(new BigInt64Array([0n, 1n]))
  })

  test('a batch that was handed out is not touched by the next one', () => {
    const batch = exampleBatch({ x: fixedLen([], 'float32'), b: fixedLen([], 'bytes') }, 1)
    const record = encodeExample({ x: 1, b: new Uint8Array([1, 2, 3]) })
    batch.add(record)
    const first = batch.finish()
    record.fill(0)
    batch.add(encodeExample({ x: 2, b: new Uint8Array([4]) }))
    batch.finish()
    expect(first.x.data).toEqual(new Float32Array([1]))
    expect(first.b).toEqual([new Uint8Array([1, 2, 3])])
  })

  test('memory comes from the pool, and goes out to be released', () => {
    const pool = batchPool()
    const batch = exampleBatch({ x: fixedLen([8192], 'float32', { defaultValue: 0 }) }, 2, { pool })
    batch.add(encodeExample({ x: new Float32Array(8192).fill(3) }))
    const first = batch.finish().x.data
    release(first)
    batch.add(encodeExample({ x: new Float32Array(8192).fill(4) }))
    batch.add(encodeExample({}))
    const { x } = batch.finish()
    expect(x.data.buffer === first.buffer).toBe(true)
    expect(x.data).toEqual(new Float32Array(16384).fill(4, 0, 8192))
  })

  test('a record that fails takes no row, and leaves nothing behind', () => {
    const spec = { v: varLen('float32'), r: ragged('string'), s: varLen('string'), b: varLen('bytes'), y: fixedLen([], 'int64') }
    const good = encodeExample({ v: [1], r: ['a', 'b'], s: 'x', b: ['q'], y: 1n })
    const bad = encodeExample({ v: [1, 2, 3], r: ['c', 'd', 'e'], s: ['x', 'y'], b: ['q', 'r'] })
    const batch = exampleBatch(spec, 4)
    const failing = (): void => { batch.add(bad) }
    expect(failing).toThrow(expect.objectContaining({ kind: 'Mismatch', keyPath: 'y', index: 0 }))
    expect(batch.rows).toBe(0)
    batch.add(good)
    expect(failing).toThrow(expect.objectContaining({ kind: 'Mismatch', keyPath: 'v', index: 1 }))
    batch.add(good)
    expect(plain(batch.finish())).toEqual(plain(stack([parseExample(good, spec), parseExample(good, spec)])))
  })

  test('rows of unequal length are the error that stacking them gives', () => {
    const spec = { v: varLen('int32') }
    const records = [[1], [2], [3, 4]].map((v) => encodeExample({ v: int64List(v) }))
    const text = (run: () => void): unknown => {
      try {
        return run()
      } catch (error) {
        return { ...(error as Error), message: (error as Error).message }
      }
    }
    const batched = text(() => {
      const batch = exampleBatch(spec, 3)
      records.forEach((record, i) => { batch.add(record, 0, record.length, 10 + i) })
    })
    const stacked = text(() => stack(records.map((record) => parseExample(record, spec)), {}, 10))
    expect(batched).toEqual(stacked)
    expect(batched).toMatchObject({ kind: 'Mismatch', keyPath: 'v', index: 12, message: expect.stringMatching(/\[2\].*\[1\]/) })
  })

  test('single numbers get the dtype that batch gives them, or are Lossy', () => {
    const spec = { n: fixedLen([], 'int32'), u: fixedLen([], 'uint64', { defaultValue: 1n }) }
    const floats = exampleBatch(spec, 2)
    floats.add(encodeExample({ n: 7n }))
    expect(() => { floats.add(encodeExample({ n: 16777217n })) })
      .toThrow(expect.objectContaining({ kind: 'Lossy', keyPath: 'n', index: 1 }))
    expect(floats.finish().n).toEqual({ dtype: 'float32', shape: [1], data: new Float32Array([7]) })
    const integers = exampleBatch(spec, 1, { numbers: 'int32' })
    integers.add(encodeExample({ n: 16777217n }))
    expect(integers.finish()).toEqual({
      n: { dtype: 'int32', shape: [1], data: new Int32Array([16777217]) }, u: { dtype: 'int64', shape: [1], data: new BigInt64Array([1n]) }
    })
  })

  test('an empty batch has the shape of its spec', () => {
    const batch = exampleBatch({ x: fixedLen([2], 'float32'), v: varLen('int8'), r: ragged('int64'), b: fixedLen([], 'bytes') }, 2).finish()
    expect(plain(batch)).toEqual({
      x: { dtype: 'float32', shape: [0, 2], data: 'Float32Array' }, v: { dtype: 'int8', shape: [0, 0], data: 'Int8Array' },
      r: { dtype: 'int64', data: [], rowSplits: ['Int32Array,0'] }, b: []
    })
  })

  test('wrong arguments are errors at the call', () => {
    expect(() => exampleBatch({}, 0)).toThrow(RangeError)
    expect(() => exampleBatch({}, 1, { numbers: 'bool' as 'int8' })).toThrow(TypeError)
    const batch = exampleBatch({}, 1)
    expect(() => { batch.add(new Uint8Array(3), 2, 4) }).toThrow(RangeError)
    batch.add(new Uint8Array(0))
    expect(() => { batch.add(new Uint8Array(0)) }).toThrow(RangeError)
  })
})
