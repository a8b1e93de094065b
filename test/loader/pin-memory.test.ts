import { describe, expect, test } from '@jest/globals'
import { ndarray } from '../../src/array/ndarray.js'
import { pinnedPool } from '../../src/array/pinned.js'
import { release } from '../../src/array/pool.js'
import { Dataset } from '../../src/dataset.js'
import { DataLoader } from '../../src/loader/data-loader.js'
import { collect } from './helpers.js'

const PAGE = 4096
const element = (i: number) => ({ x: ndarray(new Float32Array(100).fill(i)), y: i, name: `n${i}`, bytes: new Uint8Array([i]) })
const source = (length: number) => ({ length, get: element })

describe('pinMemory', () => {
  test('puts all arrays of a batch into one piece of memory of whole pages, each at the beginning of a page', async () => {
    for (const { x, y } of await collect(new DataLoader(source(10), { batchSize: 4, pinMemory: true }))) {
      expect(x.data.buffer).toBe(y.data.buffer)
      expect(x.data.buffer.byteLength % 65_536).toBe(0)
      expect([x.data.byteOffset % PAGE, y.data.byteOffset % PAGE]).toEqual([0, 0])
      expect(x.data.byteOffset).not.toBe(y.data.byteOffset)
    }
    const [plain] = await collect(new DataLoader(source(10), { batchSize: 4 }))
    expect(plain?.x.data.buffer.byteLength).toBe(1600)
  })

  test('changes no value', async () => {
    const plain = await collect(new DataLoader(source(10), { batchSize: 4 }))
    expect(await collect(new DataLoader(source(10), { batchSize: 4, pinMemory: true }))).toEqual(plain)
    expect(new DataLoader(source(10), { pinMemory: true }).dataset.fingerprint()).toBe(new DataLoader(source(10)).dataset.fingerprint())
  })

  test('uses memory again that was released, and never what was not', async () => {
    for (const released of [true, false]) {
      const memory = new Set<ArrayBufferLike>()
      const rows: number[] = []
      for await (const batch of new DataLoader(source(40), { batchSize: 4, pinMemory: true, prefetch: 0 })) {
        memory.add(batch.x.data.buffer)
        rows.push(...batch.y.data)
        if (released) release(batch)
      }
      expect(rows).toEqual(Array.from({ length: 40 }, (_, i) => i))
      expect(memory.size).toBe(released ? 1 : 10)
    }
  })

  test('waits for the last array of a batch before its memory is used again', async () => {
    const iterator = new DataLoader(source(40), { batchSize: 4, pinMemory: true, prefetch: 0 }).stream()
    const next = async () => {
      const { value } = await iterator.next()
      if (value === undefined) throw new Error('it ended')
      return value
    }
    const first = await next()
    release(first.x)
    release(first.x)
    const second = await next()
    expect(second.x.data.buffer).not.toBe(first.x.data.buffer)
    expect([...first.y.data]).toEqual([0, 1, 2, 3])
    release(first.y)
    expect((await next()).x.data.buffer).toBe(first.x.data.buffer)
    await iterator.close()
  })

  test('pins what collate makes, and elements without batches', async () => {
    const [batch] = await collect(new DataLoader([1, 2], { pinMemory: true, collate: rows => ({ own: Float64Array.from(rows), list: [new Int8Array(3)], none: null, texts: ['a'] }) }))
    expect(batch).toEqual({ own: Float64Array.of(1, 2), list: [new Int8Array(3)], none: null, texts: ['a'] })
    expect(batch?.own.buffer.byteLength).toBe(65_536)
    const [one] = await collect(new DataLoader(Dataset.range(4).batch(4), { batchSize: null, pinMemory: true }))
    expect(one?.data.buffer.byteLength).toBe(65_536)
  })

  test('what holds no array stays as it is', async () => {
    expect(await collect(new DataLoader(['a', 'b'], { pinMemory: true, collate: rows => rows.join() }))).toEqual(['a,b'])
    const pool = pinnedPool()
    const nothing = { a: ['x'], b: 3 }
    expect(pool.pin(nothing)).toBe(nothing)
    pool.close()
  })

  test('the next epoch goes on in the memory of the one before', async () => {
    const loader = new DataLoader(source(8), { batchSize: 4, pinMemory: true, prefetch: 0 })
    const epoch = async (): Promise<Set<ArrayBufferLike>> => {
      const memory = new Set<ArrayBufferLike>()
      for await (const batch of loader) {
        memory.add(batch.x.data.buffer)
        release(batch)
      }
      return memory
    }
    expect(await epoch()).toEqual(await epoch())
  })
})
