import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { encodeExample, fixedLen, varLen } from '../../src/example/index.js'
import { isMillraceError } from '../../src/errors.js'
import { memoryStore } from '../../src/storage/memory.js'
import type { ByteSource, Store } from '../../src/store.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { writeTfrecord } from '../../src/write.js'

const spec = { x: fixedLen([3], 'float32'), y: fixedLen([], 'int64') }
const record = (i: number): Uint8Array => encodeExample({ x: new Float32Array([i, i + 1, i + 2]), y: BigInt(i) })

/** A store that counts what is open and what is read. */
function counting(inner: Store): Store & { open_: number; reads: number } {
  const counts = { open_: 0, reads: 0 }
  return Object.assign(Object.create(inner) as Store, counts, {
    async open(this: typeof counts, uri: string, options?: object): Promise<ByteSource> {
      const source = await inner.open(uri, options)
      this.open_++
      let closed = false
      return {
        uri: source.uri,
        byteLength: source.byteLength,
        version: source.version,
        read: (offset, into, more) => { this.reads++; return source.read(offset, into, more) },
        close: async () => { if (!closed) this.open_--; closed = true; await source.close() }
      }
    }
  })
}

async function storeOf(files: Record<string, readonly Uint8Array[]>, damage?: (name: string, bytes: Uint8Array) => Uint8Array): Promise<Store & { open_: number; reads: number }> {
  const store = memoryStore()
  for (const [name, records] of Object.entries(files)) {
    await writeTfrecord(`mem://data/${name}`, records, { store })
    const source = await store.open(`mem://data/${name}`)
    const bytes = new Uint8Array(source.byteLength)
    if (bytes.length > 0) await source.read(0, bytes)
    await source.close()
    if (damage !== undefined) await store.put(`mem://data/${name}`, damage(name, bytes))
  }
  return counting(store)
}

const FILES = { 'a-0.tfrecord': [0, 1, 2, 3, 4].map(record), 'a-1.tfrecord': [], 'a-2.tfrecord': Array.from({ length: 17 }, (_, i) => record(i + 5)) }
const FRAME = record(3).length + 16

describe('readFiles of TFRecord files', () => {
  let store: Awaited<ReturnType<typeof storeOf>>
  const records = (readBytes: number) => () => Dataset.tfrecord('mem://data/a-*.tfrecord', { store, readBytes })

  test('reads all records of all files in the order of their names', async () => {
    store = await storeOf(FILES)
    expect((await records(64)().toArray()).map(bytes => [...bytes])).toEqual(Object.values(FILES).flat().map(bytes => [...bytes]))
    expect(store.open_).toBe(0)
  })
  for (const check of operatorConformance({ make: () => records(1 << 20)(), same: [() => records(16)(), () => records(100)()] })) test(check.name, check.run)
  test('nothing is left open after all that', () => expect(store.open_).toBe(0))

  test('a file that is not there is an error in its place, and the next pull goes on with the next file', async () => {
    const iterator = Dataset.tfrecord(['mem://data/none.tfrecord', 'mem://data/a-0.tfrecord'], { store }).iterator()
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'NotFound', uri: 'mem://data/none.tfrecord' })
    expect((await iterator.next()).done).toBe(false)
    await iterator.close()
    expect(store.open_).toBe(0)
  })

  test('a pattern that matches nothing is an error that says so', async () => {
    await expect(Dataset.tfrecord('mem://data/b-*.tfrecord', { store }).toArray()).rejects.toMatchObject({ kind: 'NotFound' })
  })

  test('a checkpoint does not fit other files', async () => {
    const iterator = records(64)().iterator()
    for (let i = 0; i < 12; i++) await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    const other = await storeOf({ ...FILES, 'a-2.tfrecord': [record(1), record(2)] })
    await expect(Dataset.tfrecord('mem://data/a-*.tfrecord', { store: other }).toArray({ from })).rejects.toMatchObject({ kind: 'Changed' })
    const renamed = await storeOf({ ...FILES, 'a-1.tfrecord': [record(1)], 'a-11.tfrecord': [record(2)] })
    await expect(Dataset.tfrecord('mem://data/a-*.tfrecord', { store: renamed }).toArray({ from })).rejects.toMatchObject({ kind: 'Checkpoint' })
  })

  test('wrong options throw at the call', () => {
    expect(() => Dataset.tfrecord([])).toThrow(RangeError)
    expect(() => Dataset.tfrecord('a', { compression: 'lz4' as never })).toThrow('compression')
    expect(() => Dataset.tfrecord('a', { chunk: 1 } as never)).toThrow("unknown option 'chunk'")
    expect(() => Dataset.fromFiles('a', { format: 7 as never })).toThrow(TypeError)
  })
})

describe('readFiles of damaged files', () => {
  let store: Awaited<ReturnType<typeof storeOf>>
  const damaged = async () => storeOf(FILES, (name, bytes) => {
    if (name === 'a-0.tfrecord') bytes[FRAME * 2 + 20] = (bytes[FRAME * 2 + 20] as number) ^ 1 // data of record 2
    return name === 'a-2.tfrecord' ? bytes.subarray(0, bytes.length - 5) : bytes
  })
  const batches = (readBytes: number, parallel?: number) => () => {
    const parsed = Dataset.tfrecord('mem://data/a-*.tfrecord', { store, readBytes }).parseExample(spec)
    return (parallel === undefined ? parsed : parsed.prefetch(parallel)).batch(4)
  }
  test('the records around the damage are delivered, and errors say file, offset and record', async () => {
    store = await damaged()
    const iterator = Dataset.tfrecord('mem://data/a-*.tfrecord', { store }).iterator()
    const seen: unknown[] = []
    for (let i = 0; i < 40; i++) {
      const step = await iterator.next().catch((error: unknown) => error as never)
      if (isMillraceError(step)) seen.push(`${step.kind} ${step.uri} ${step.offset} ${step.record}`)
      else if (step.done === true) break
      else seen.push((step.value as Uint8Array).length)
    }
    const length = record(3).length
    expect(seen).toEqual([length, length, `Corrupt mem://data/a-0.tfrecord ${FRAME * 2} 2`, length, length, ...Array.from({ length: 16 }, (_, i) => record(i + 5).length), expect.stringMatching(/^Truncated mem:\/\/data\/a-2.tfrecord \d+ 16$/)])
    expect(store.open_).toBe(0)
  })
  // Decoded into the batch, or parsed and stacked: what comes out, errors included, and checkpoints are the same.
  for (const check of operatorConformance({ make: () => batches(1 << 20)(), same: [() => batches(16)(), () => batches(1 << 20, 2)(), () => batches(64, 8)()] })) test(check.name, check.run)
  test('nothing is left open after all that', () => expect(store.open_).toBe(0))
})

describe('parseExample', () => {
  const broken = (i: number): Uint8Array => (i % 7 === 3 ? record(i).subarray(0, 9) : record(i))
  const make = (fused: boolean) => () => {
    const parsed = Dataset.from(Array.from({ length: 30 }, (_, i) => broken(i))).parseExample(spec)
    return (fused ? parsed : parsed.prefetch(3)).batch(4, { dropRemainder: false })
  }
  for (const check of operatorConformance({ make: make(true), same: [make(false)] })) test(check.name, check.run)

  test('decodes into the batch where it is followed by one', async () => {
    expect(make(true)().explain()).toContain('decode+batch(parseExample(x, y) → batch(4))')
    const [first] = await Dataset.of(record(1), record(2)).parseExample(spec).batch(2).toArray()
    expect(first).toEqual({ x: { dtype: 'float32', shape: [2, 3], data: new Float32Array([1, 2, 3, 2, 3, 4]) }, y: { dtype: 'int64', shape: [2], data: new BigInt64Array([1n, 2n]) } })
  })
  test('a record that cannot be parsed says its index and keeps its kind', async () => {
    await expect(Dataset.of(record(1), record(1).subarray(0, 9)).parseExample(spec).toArray()).rejects.toMatchObject({ kind: 'Corrupt', index: 1, operator: 'parseExample' })
  })
  test('rows that do not fit together fail the batch, as with batch', async () => {
    const rows = [[1], [1], [2, 2], [1], [3], [3]].map(values => encodeExample({ v: new Float32Array(values), n: new Int32Array([values.length === 2 ? 16777217 : 1]) }))
    for (const rowSpec of [{ v: varLen('float32') }, { n: fixedLen([], 'int32') }]) {
      const fused = () => Dataset.from(rows).parseExample(rowSpec).batch(2)
      const apart = () => Dataset.from(rows).parseExample(rowSpec).prefetch(1).batch(2)
      for (const { run } of operatorConformance({ make: fused, same: [apart] })) await run()
      const iterator = fused().iterator()
      expect((await iterator.next()).done).toBe(false)
      await expect(iterator.next()).rejects.toMatchObject({ kind: 'v' in rowSpec ? 'Mismatch' : 'Lossy' })
      expect((await iterator.next()).done).toBe(false)
      await iterator.close()
    }
  })
  test('a wrong spec throws at the call', () => {
    expect(() => Dataset.of(record(1)).parseExample({ x: 3 } as never)).toThrow(TypeError)
  })
  test('parses by ordinal where the source has random access', async () => {
    const shuffled = await Dataset.from([0, 1, 2, 3, 4].map(record)).parseExample(spec).shuffle({ seed: 1 }).toArray()
    expect(shuffled.map(({ y }) => y).sort()).toEqual([0n, 1n, 2n, 3n, 4n])
  })
})

describe('files of one element', () => {
  const objects = async (count: number): Promise<Store & { open_: number; reads: number }> => {
    const inner = memoryStore()
    for (let i = 0; i < count; i++) await inner.put(`mem://o/${String(i).padStart(3, '0')}`, new Uint8Array([i]))
    return counting(inner)
  }
  test('are opened some files ahead, and all closed', async () => {
    const store = await objects(40)
    const iterator = Dataset.raw('mem://o/*', { store }).iterator()
    expect(await iterator.next()).toEqual({ done: false, value: new Uint8Array([0]) })
    expect(store.open_).toBeGreaterThan(4)
    expect(store.open_).toBeLessThan(30)
    await iterator.close()
    expect(store.open_).toBe(0)
    expect((await Dataset.raw('mem://o/*', { store }).toArray()).map(([byte]) => byte)).toEqual(Array.from({ length: 40 }, (_, i) => i))
    expect(store.open_).toBe(0)
  })
  test('that are not there are told in their turn, and those around them come', async () => {
    const store = await objects(12)
    const names = Array.from({ length: 12 }, (_, i) => `mem://o/${i === 5 ? 'none' : String(i).padStart(3, '0')}`)
    const iterator = Dataset.raw(names, { store }).iterator()
    const seen: unknown[] = []
    for (;;) {
      try {
        const step = await iterator.next()
        if (step.done === true) break
        seen.push(step.value[0])
      } catch (error) {
        seen.push((error as { kind: string }).kind)
      }
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 'NotFound', 6, 7, 8, 9, 10, 11])
    expect(store.open_).toBe(0)
  })
  let store: Awaited<ReturnType<typeof objects>>
  test('are made', async () => { store = await objects(14) })
  for (const check of operatorConformance({ make: () => Dataset.raw('mem://o/*', { store }), same: [() => Dataset.raw('mem://o/*', { store }).prefetch(3)] })) test(check.name, check.run)
  test('leave nothing open after all that', () => expect(store.open_).toBe(0))
})
