import { describe, expect, test } from '@jest/globals'
import { batchPool, release, releaseUnused, retain } from '../../src/array/pool.js'
import { stacker } from '../../src/array/stack.js'

const LARGE = 1 << 14

describe('a pool of batch memory', () => {
  test('gives fresh memory until something is released, and then that memory, dirty', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('float32', LARGE))
    expect(first).toEqual(new Float32Array(LARGE))
    first.fill(7)
    expect(pool.take('float32', LARGE).buffer).not.toBe(first.buffer)
    release(first)
    const second = pool.take('float32', LARGE)
    expect(second.buffer).toBe(first.buffer)
    expect(second).not.toBe(first)
    expect(second[LARGE - 1]).toBe(7)
    expect(pool.take('float32', LARGE).buffer).not.toBe(first.buffer)
  })

  test('memory of one dtype serves another, for up to twice the bytes that are needed', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('int64', LARGE))
    release(first)
    expect(pool.take('uint8', 4 * LARGE - 1).buffer).not.toBe(first.buffer)
    const second = pool.take('complex64', 2 * LARGE - 2)
    expect(second.buffer).toBe(first.buffer)
    expect(second.length).toBe(2 * LARGE - 2)
    expect(second).toBeInstanceOf(Float32Array)
  })

  test('of several the smallest that is large enough is taken', () => {
    const pool = batchPool()
    const [large, small] = [pool.lend(pool.take('uint8', 2 * LARGE)), pool.lend(pool.take('uint8', LARGE + 8))]
    release([small, large])
    expect(pool.take('uint8', LARGE).buffer).toBe(small.buffer)
    expect(pool.take('uint8', LARGE).buffer).toBe(large.buffer)
  })

  test('releasing twice gives the memory back once', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('uint8', LARGE))
    release(first)
    release(first)
    const second = pool.lend(pool.take('uint8', LARGE))
    release(first)
    expect(pool.take('uint8', LARGE).buffer).not.toBe(second.buffer)
  })

  test('slices, copies and foreign values are left alone', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('uint8', 2 * LARGE))
    const hostile: Record<string, unknown> = {}
    hostile['self'] = hostile
    for (const other of [first.subarray(1), first.slice(), new Uint8Array(first.buffer), new Uint8Array(LARGE), [1], 'text', null, undefined, 7n, hostile, new Map(), [['a']], () => 1]) {
      expect(() => { release(other) }).not.toThrow()
    }
    expect(pool.take('uint8', 2 * LARGE).buffer).not.toBe(first.buffer)
  })

  test('arrays are found wherever they are in the batch', () => {
    const pool = batchPool()
    const take = (): Uint8Array => pool.lend(pool.take('uint8', LARGE))
    const arrays = Array.from({ length: 4 }, take)
    const [a, b, c, d] = arrays as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    release({
      a: { dtype: 'uint8', shape: [LARGE], data: a },
      list: [{ dtype: 'string', shape: [1], data: ['x'] }, { dtype: 'uint8', data: b, rowSplits: [new Int32Array([0, LARGE])] }],
      nested: { c, d: [d] }
    })
    expect(new Set(Array.from({ length: 4 }, () => take().buffer))).toEqual(new Set(arrays.map(({ buffer }) => buffer)))
  })

  test('what was retained is not released', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('uint8', LARGE))
    retain({ first })
    release(first)
    expect(pool.take('uint8', LARGE).buffer).not.toBe(first.buffer)
  })

  test('after closing nothing is kept, and releasing does nothing', () => {
    const pool = batchPool()
    const [first, second] = [pool.lend(pool.take('uint8', LARGE)), pool.lend(pool.take('uint8', LARGE))]
    release(first)
    pool.close()
    release(second)
    const later = [pool.take('uint8', LARGE), pool.take('uint8', LARGE)]
    for (const { buffer } of later) expect([first.buffer, second.buffer]).not.toContain(buffer)
  })

  test('memory that was transferred away is not used', () => {
    const pool = batchPool()
    const first = pool.lend(pool.take('uint8', LARGE))
    structuredClone(first, { transfer: [first.buffer] })
    release(first)
    expect(pool.take('uint8', LARGE).length).toBe(LARGE)
  })

  test('it is bounded by arrays and by bytes; the oldest go first', () => {
    for (const pool of [batchPool({ arrays: 2 }), batchPool({ bytes: 2 * LARGE })]) {
      const arrays = Array.from({ length: 3 }, () => pool.lend(pool.take('uint8', LARGE)))
      arrays.forEach(release)
      const buffers = arrays.map(({ buffer }) => buffer)
      expect(Array.from({ length: 3 }, () => buffers.indexOf(pool.take('uint8', LARGE).buffer))).toEqual([2, 1, -1])
    }
  })

  test('small arrays are not pooled', () => {
    const pool = batchPool()
    const small = pool.lend(pool.take('uint8', LARGE - 1))
    release(small)
    expect(pool.take('uint8', LARGE - 1).buffer).not.toBe(small.buffer)
  })
})

describe('stacking with a pool', () => {
  const row = (i: number) => ({ x: new Float32Array(LARGE).fill(i), r: { dtype: 'int32' as const, data: new Int32Array(LARGE + i).fill(i), rowSplits: [] } })
  const rows = (first: number, count: number) => Array.from({ length: count }, (_, i) => row(first + i))

  test('batches in dirty memory are what fresh ones are', () => {
    const pool = batchPool()
    const [pooled, fresh] = [stacker({ pool }), stacker()]
    const buffers = new Set<ArrayBufferLike>()
    for (const [first, count] of [[1, 4], [5, 4], [0, 3], [7, 4], [9, 2]] as const) {
      const batch = pooled(rows(first, count))
      expect(batch).toEqual(fresh(rows(first, count)))
      for (const { data } of [batch.x, batch.r]) {
        buffers.add(data.buffer)
        data.fill(99)
      }
      release(batch)
    }
    expect(buffers.size).toBeLessThan(6)
  })

  test('nothing is used again that was not released', () => {
    const stack = stacker({ pool: batchPool() })
    const batches = Array.from({ length: 3 }, (_, i) => stack(rows(4 * i, 4)))
    expect(new Set(batches.flatMap(({ x, r }) => [x.data.buffer, r.data.buffer])).size).toBe(6)
    batches.forEach((batch, i) => { expect(batch.x.data[0]).toBe(4 * i) })
  })

  test('the bytes of elements are not of the batch, whatever they are the memory of', () => {
    const pool = batchPool()
    const stack = stacker({ pool })
    const held = stack([new Float32Array(LARGE), new Float32Array(LARGE)].map(x => ({ x: new Int8Array(x.buffer) }))).x
    const image = pool.lend(pool.take('uint8', LARGE)) // as one who kept a batch may call its data
    const batch = stack([{ image, x: held }])
    releaseUnused(batch, {})
    expect(pool.take('uint8', LARGE).buffer).not.toBe(image.buffer)
    expect(pool.take('int8', batch.x.data.length).buffer).toBe(batch.x.data.buffer)
  })
})
