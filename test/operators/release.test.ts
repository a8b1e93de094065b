import { beforeAll, describe, expect, test } from '@jest/globals'
import { release } from '../../src/array/pool.js'
import { Dataset } from '../../src/dataset.js'
import { encodeExample, fixedLen, ragged } from '../../src/example/index.js'
import { memoryStore } from '../../src/storage/memory.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { writeTfrecord } from '../../src/write.js'

const LENGTH = 4096
const spec = { x: fixedLen([LENGTH], 'float32'), t: ragged('int32'), label: fixedLen([], 'int64') }
const store = memoryStore()
const ROWS = 60

const records = Array.from({ length: ROWS }, (_, i) =>
  encodeExample({ x: new Float32Array(LENGTH).fill(i), t: new Int32Array(3000 + 40 * (i % 9)).fill(i), label: BigInt(i) }))
const plain = { x: spec.x, label: spec.label }
const batches = () => Dataset.tfrecord('mem://data/a.tfrecord', { store, readBytes: 1 << 17 }).parseExample(spec).batch(4)
const plainBatches = () => Dataset.tfrecord('mem://data/a.tfrecord', { store, readBytes: 1 << 17 }).parseExample(plain).batch(4)

beforeAll(async () => {
  await writeTfrecord('mem://data/a.tfrecord', records, { store })
  // The fifth record of this one is damaged.
  const source = await store.open('mem://data/a.tfrecord')
  const bytes = new Uint8Array(source.byteLength)
  await source.read(0, bytes)
  await source.close()
  let at = 0
  for (let i = 0; i < 5; i++) at += 16 + (records[i] as Uint8Array).length
  bytes[at + 500] = (bytes[at + 500] as number) ^ 1
  await store.put('mem://data/damaged.tfrecord', bytes)
})

type Batch = { readonly x: { readonly data: Float32Array }; readonly label: { readonly data: BigInt64Array } }

const labels = Array.from({ length: ROWS / 4 }, (_, b) => Array.from({ length: 4 }, (_, i) => BigInt(4 * b + i)))
const holds = ({ x, label }: Batch): bigint[] => {
  const rows = [...label.data]
  rows.forEach((row, i) => {
    for (let k = 0; k < LENGTH; k += 512) if (x.data[i * LENGTH + k] !== Number(row)) throw new Error(`row ${row} has ${x.data[i * LENGTH + k]}`)
  })
  return rows
}
/** Reads all batches; `each` may spoil one after it was looked at. Returns the labels and the buffers that x had. */
async function read(dataset: AsyncIterable<Batch>, each: (batch: Batch) => void): Promise<{ rows: bigint[][]; buffers: Set<ArrayBufferLike> }> {
  const rows: bigint[][] = []
  const buffers = new Set<ArrayBufferLike>()
  for await (const batch of dataset) {
    rows.push(holds(batch))
    buffers.add(batch.x.data.buffer)
    each(batch)
  }
  return { rows, buffers }
}
const spoil = (batch: Batch): void => { batch.x.data.fill(-1) }

describe('releasing batches of decoded records', () => {
  for (const make of [batches, plainBatches]) {
    test(`their memory is used for later ones, which are what they would be without it (${make === batches ? 'one by one' : 'in runs'})`, async () => {
      const { rows, buffers } = await read(make(), (batch) => { spoil(batch); release(batch) })
      expect(rows).toEqual(labels)
      expect(buffers.size).toBeLessThanOrEqual(5)
    })

    test('without it nothing is used again', async () => {
      const kept: Batch[] = []
      const { rows, buffers } = await read(make(), (batch) => { kept.push(batch) })
      expect(rows).toEqual(labels)
      expect(buffers.size).toBe(ROWS / 4)
      expect(kept.map(holds)).toEqual(labels)
    })
  }

  test('batches that are kept are safe from those that are released', async () => {
    const kept: Batch[] = []
    await read(batches(), (batch) => {
      if (Number(batch.label.data[0]) % 3 === 0) kept.push(batch)
      else { spoil(batch); release(batch) }
    })
    expect(kept.map(holds)).toEqual(labels.filter(([first]) => Number(first) % 3 === 0))
  })

  test('a second iteration goes on with the memory of the first; one that runs beside it does not share it', async () => {
    const dataset = plainBatches()
    const buffers: ArrayBufferLike[] = []
    const first = await read(dataset, release)
    const second = await read(dataset, release)
    buffers.push(...second.buffers)
    expect(buffers.some((buffer) => first.buffers.has(buffer))).toBe(true)

    const [left, right] = [dataset.iterator(), dataset.iterator()]
    for (let i = 0; i < ROWS / 4; i++) {
      const [a, b] = [await left.next(), await right.next()]
      if (a.done === true || b.done === true) throw new Error('too few')
      expect(a.value.x.data.buffer === b.value.x.data.buffer).toBe(false)
      expect([holds(a.value), holds(b.value)]).toEqual([labels[i], labels[i]])
      spoil(a.value)
      release(a.value)
    }
    await Promise.all([left.close(), right.close()])
  })

  test('releasing after the end, twice, and rows of a batch, is harmless', async () => {
    const iterator = batches().iterator()
    const { value: first } = await iterator.next()
    const { value: second } = await iterator.next()
    release(first?.x.data.subarray(0, LENGTH))
    release(first)
    release(first)
    const third = await iterator.next()
    await iterator.close()
    release(second)
    release(third)
    expect(holds(second as Batch)).toEqual(labels[1])
  })

  test('what went into a cache or a window stays as it was', async () => {
    const cached = plainBatches().cache()
    for (let pass = 0; pass < 2; pass++) expect((await read(cached, release)).rows).toEqual(labels)
    const windows = plainBatches().window(3, { shift: 1 }) as AsyncIterable<{ x: AsyncIterable<Batch['x']>; label: AsyncIterable<Batch['label']> }>
    const seen: bigint[] = []
    for await (const { x, label } of windows) {
      const rows: Batch['label'][] = []
      for await (const one of label) rows.push(one)
      let i = 0
      for await (const one of x) {
        const row = rows[i++] as Batch['label']
        seen.push(...holds({ x: one, label: row }))
        release(one)
      }
    }
    expect(seen.length).toBeGreaterThan(ROWS)
  })

  test('an error in the middle of a batch costs no row', async () => {
    const iterator = Dataset.tfrecord('mem://data/damaged.tfrecord', { store, readBytes: 1 << 17 }).parseExample(plain).batch(4).iterator()
    const rows: bigint[] = []
    const errors: unknown[] = []
    for (;;) {
      try {
        const { done, value } = await iterator.next()
        if (done === true) break
        rows.push(...holds(value))
        spoil(value)
        release(value)
      } catch (error) {
        errors.push(error)
      }
    }
    expect(rows).toEqual(labels.flat().filter((label) => label !== 5n))
    expect(errors).toEqual([expect.objectContaining({ kind: 'Corrupt', record: 5 })])
  })
})

describe('decoding records in runs', () => {
  for (const check of operatorConformance({
    make: plainBatches,
    same: [() => Dataset.tfrecord('mem://data/a.tfrecord', { store, readBytes: 5000 }).parseExample(plain).batch(4)]
  })) test(check.name, check.run)
})
