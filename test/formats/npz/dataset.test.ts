import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../../src/dataset.js'
import { memoryStore } from '../../../src/storage/memory.js'
import { operatorConformance } from '../../../src/testing/operator.js'
import { generator } from '../npy/support.js'
import { npyFile, zipFile } from './support.js'

/** Files of 5, 3, 0 and 9 rows, in every layout. */
const ROWS = [5, 3, 0, 9]
const random = generator(1)
const xs = ROWS.map((rows) => Float32Array.from({ length: rows * 6 }, () => random(1000) / 8))
const ys = ROWS.map((rows) => BigInt64Array.from({ length: rows }, () => BigInt(random(1000))))
const store = memoryStore()

/** The rows of `[rows, 3, 2]` in Fortran order. */
function fortran(data: Float32Array, rows: number): Float32Array {
  const out = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 2; k++) out[i + rows * (j + 3 * k)] = data[(i * 3 + j) * 2 + k] as number
  return out
}

for (const [i, rows] of ROWS.entries()) {
  const x = npyFile('<f4', [rows, 3, 2], xs[i] as Float32Array)
  const strewn = npyFile('<f4', [rows, 3, 2], fortran(xs[i] as Float32Array, rows), true)
  const y = npyFile('<i8', [rows], ys[i] as BigInt64Array)
  await store.put(`mem://npy/${i}.npy`, x)
  await store.put(`mem://fortran/${i}.npy`, strewn)
  await store.put(`mem://stored/${i}.npz`, zipFile([{ name: 'x.npy', data: x, method: 0 }, { name: 'y.npy', data: y, method: 0 }]))
  await store.put(`mem://deflated/${i}.npz`, zipFile([{ name: 'x.npy', data: x, method: 8 }, { name: 'y.npy', data: y, method: 0 }]))
  await store.put(`mem://deflated-fortran/${i}.npz`, zipFile([{ name: 'x.npy', data: strewn, method: 8 }, { name: 'y.npy', data: y, method: 8 }]))
}

const npy = (folder: string, fortranBytes = 32 << 20): Dataset<unknown> => Dataset.npy(`mem://${folder}/*`, { store, fortranBytes })
const npz = (folder: string): Dataset<unknown> => Dataset.npz(`mem://${folder}/*`, { store, keys: { a: 'x', b: 'y' } })

describe('NPY', () => {
  for (const { name, run } of operatorConformance({ make: () => npy('npy') })) test(name, run)
  for (const { name, run } of operatorConformance({ make: () => npy('fortran'), same: [() => npy('fortran', 50)] })) test(`in Fortran order: ${name}`, run)
})

describe('NPY, a file per element', () => {
  for (const { name, run } of operatorConformance({ make: () => Dataset.npy('mem://npy/*', { store, element: 'file' }) })) test(name, run)
})

describe('NPZ, stored', () => {
  for (const { name, run } of operatorConformance({ make: () => npz('stored') })) test(name, run)
})

describe('NPZ, deflated', () => {
  for (const { name, run } of operatorConformance({ make: () => npz('deflated') })) test(name, run, 30_000)
})

describe('NPZ, deflated, in Fortran order', () => {
  for (const { name, run } of operatorConformance({ make: () => npz('deflated-fortran') })) test(name, run, 30_000)
})

describe('NPZ, shuffled and in shards', () => {
  for (const { name, run } of operatorConformance({ make: () => npz('stored').shuffle().batch(4) })) test(name, run)
  for (const { name, run } of operatorConformance({ make: () => npz('deflated').shard(3, 1) })) test(`sharded: ${name}`, run, 30_000)
})

test('all layouts have the same elements', async () => {
  const rows = await npz('stored').toArray()
  expect(rows).toHaveLength(17)
  expect(rows[0]).toEqual({ a: { dtype: 'float32', shape: [3, 2], data: (xs[0] as Float32Array).subarray(0, 6) }, b: ys[0]?.[0] })
  for (const folder of ['deflated', 'deflated-fortran']) expect(await npz(folder).toArray()).toEqual(rows)
  for (const dataset of [npy('npy'), npy('fortran'), npy('fortran', 1)]) expect((await dataset.toArray()).map((a) => ({ a }))).toEqual(rows.map((row) => ({ a: (row as { readonly a: unknown }).a })))
})

test('shards are disjoint and complete', async () => {
  for (const folder of ['stored', 'deflated']) {
    const rows = await npz(folder).toArray()
    const shards = await Promise.all([0, 1, 2].map((i) => npz(folder).shard(3, i).toArray()))
    expect(rows.map((_, i) => shards[i % 3]?.[Math.floor(i / 3)])).toEqual(rows)
  }
})

test('a shuffle of stored files has every row once, and holds none', async () => {
  const shuffled = await npz('stored').shuffle({ seed: 1 }).toArray()
  const key = (row: unknown): string => JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  expect(shuffled.map(key).sort()).toEqual((await npz('stored').toArray()).map(key).sort())
  expect(npz('stored').shuffle().explain()).toContain('npz')
})
