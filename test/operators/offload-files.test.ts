import type { Checkpoint } from '../../src/engine/checkpoint.js'
import { equal } from '../../src/array/equal.js'
import { messageOf } from '../../src/errors.js'
import { seededRandom } from '../servers/seeded.js'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { encodeExample, fixedLen } from '../../src/example/index.js'
import { optimizedPlan } from '../../src/optimizer/optimized-plan.js'
import { offloadFiles } from '../../src/operators/offload-files.js'
import { nodesOf } from '../../src/plan/node.js'
import { portable } from '../../src/portable.js'
import { defaultMemoryStore } from '../../src/storage/memory.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { cast } from '../../src/transforms.js'
import { writeNpy, writeNpz, writeHdf5 } from '../../src/write-arrays.js'
import { writeTfrecord } from '../../src/write.js'
import { inProcessWorkers, type DoubleWorkers } from '../workers/double.js'
import { offloaded, type OffloadedOptions } from './offload-files-plans.js'

const url = new URL('./offload-files-functions.mjs', import.meta.url)
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of records and of rows
type Fn = (element: any) => unknown
const fn = (name: string): Fn => portable<Readonly<Record<string, Fn>>>(url, name)
const where = 'mem://offload-files'
const spec = { x: fixedLen([3], 'float32'), y: fixedLen([], 'int64') }
const example = (i: number): Uint8Array => encodeExample({ x: new Float32Array([i, i + 1, i + 2]), y: BigInt(i) })
const bytes = (i: number): Uint8Array => Uint8Array.of(i, i + 1, i + 2, i >> 8)
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)
const SIZES = [5, 0, 7, 1, 12]

async function damage(uri: string, at: number): Promise<void> {
  const source = await defaultMemoryStore.open(uri)
  const all = new Uint8Array(source.byteLength)
  await source.read(0, all)
  await source.close()
  all[at] = (all[at] as number) ^ 0xff
  await defaultMemoryStore.put(uri, all)
}

beforeAll(async () => {
  let next = 0
  for (const [k, size] of SIZES.entries()) {
    const own = upTo(size, next)
    next += size
    await writeTfrecord(`${where}/examples-${k}.tfrecord`, own.map(example))
    await writeTfrecord(`${where}/bytes-${k}.tfrecord`, own.map(bytes))
    await writeTfrecord(`${where}/damaged-${k}.tfrecord`, own.map(bytes))
    if (size > 0) await writeNpy(`${where}/rows-${k}.npy`, { dtype: 'float32', shape: [size, 3], data: Float32Array.from(own.flatMap(i => [i, i, i])) })
    if (size > 0) await writeNpz(`${where}/both-${k}.npz`, { x: { dtype: 'float32', shape: [size, 2], data: Float32Array.from(own.flatMap(i => [i, -i])) }, y: { dtype: 'int32', shape: [size], data: Int32Array.from(own) } })
    await defaultMemoryStore.put(`${where}/fixed-${k}.bin`, Uint8Array.from(own.flatMap(i => [...bytes(i)])))
    await defaultMemoryStore.put(`${where}/raw-${k}.txt`, Uint8Array.from([k, 1, 2, 3]))
  }
  // A record whose data are damaged, and a length that is: the rest of that file is lost.
  await damage(`${where}/damaged-2.tfrecord`, 20 * 2 + 12)
  await damage(`${where}/damaged-4.tfrecord`, 20 * 6)
  await writeNpy(`${where}/large.npy`, { dtype: 'float32', shape: [53, 3], data: Float32Array.from(upTo(53).flatMap(i => [i, i, i])) })
  await writeHdf5(`${where}/large.h5`, { x: { data: { dtype: 'int32', shape: [41, 2], data: Int32Array.from(upTo(82)) } } })
})
afterAll(() => defaultMemoryStore.clear())

const tfrecord = (name: string) => () => Dataset.tfrecord(`${where}/${name}-*.tfrecord`, { index: false })

/** What is to be the same with workers as without. */
const PLANS: readonly (readonly [string, () => Dataset<unknown>, OffloadedOptions?])[] = [
  ['TFRecord, parsed and batched', () => tfrecord('examples')().parseExample(spec).batch(4)],
  ['TFRecord, with a function, not batched', () => tfrecord('bytes')().map(fn('first'))],
  ['TFRecord, filtered and batched', () => tfrecord('bytes')().filter(fn('fewer')).map(fn('numbered')).batch(3)],
  ['TFRecord, with promises and batched', () => tfrecord('bytes')().map(fn('later')).map(fn('first')).batch(4, { dropRemainder: true })],
  ['a function that fails', () => tfrecord('bytes')().map(fn('notFive')).map(fn('first')).batch(4)],
  ['damaged records', () => tfrecord('damaged')().map(fn('numbered')).batch(4)],
  ['damaged records and a function that fails behind a filter', () => tfrecord('damaged')().filter(fn('fewer')).map(fn('notFive')).map(fn('first'))],
  ['rows of NPY files', () => Dataset.npy(`${where}/rows-*.npy`).batch(4)],
  ['rows of NPY files with transforms', () => Dataset.npy(`${where}/rows-*.npy`).map(cast('int32')).batch(5)],
  ['rows of NPZ files, that look at their ordinals', () => Dataset.npz(`${where}/both-*.npz`).map(fn('drawn')).batch(4)],
  ['records of fixed length, that look at their ordinals', () => Dataset.fixedLengthRecords(`${where}/fixed-*.bin`, { recordBytes: 4 }).map(fn('withIndex'))],
  ['a large file in parts', () => Dataset.npy(`${where}/large.npy`).batch(4), { unitBytes: 100 }],
  ['a large file in parts, with ordinals', () => Dataset.npy(`${where}/large.npy`).map(cast('int32')).map(fn('withIndex')), { unitBytes: 100 }],
  ['an HDF5 file in parts', () => Dataset.hdf5(`${where}/large.h5`, 'x').batch(6), { unitBytes: 30 }],
  ['whole files', () => Dataset.raw(`${where}/raw-*.txt`).map(fn('withIndex')).batch(2)],
  ['files of which one is not there', () => Dataset.npy([`${where}/rows-0.npy`, `${where}/none.npy`, `${where}/rows-2.npy`]).map(cast('int32')).batch(4)],
  ['one file', () => Dataset.tfrecord(`${where}/examples-2.tfrecord`).parseExample(spec).batch(3)]
]

describe('files that are read in threads give what is read here', () => {
  for (const [name, make, options] of PLANS) {
    describe(name, () => {
      let workers: DoubleWorkers
      const elsewhere = () => offloaded(make(), () => (workers = inProcessWorkers({ threads: 2 })), options)
      test('the rule takes it', async () => {
        expect(elsewhere().isOffloaded).toBe(true)
        for (const iterator = elsewhere().iterator({ seed: 1 }); ;) {
          const step = await iterator.next().catch(() => undefined)
          if (step?.done === true) break
        }
        expect(workers.seen.sessions).toBeGreaterThan(0)
        expect(workers.seen.open).toBe(0)
      })
      for (const check of operatorConformance({ make, same: [elsewhere] })) test(check.name, check.run)
    })
  }
})

describe('the plan as written is run', () => {
  const sessions = async (dataset: Dataset<unknown>, found: DoubleWorkers | null = inProcessWorkers()): Promise<number> => {
    const there = offloaded(dataset, () => found)
    expect(there.isOffloaded).toBe(true)
    expect(await there.toArray()).toEqual(await dataset.toArray())
    return found?.seen.sessions ?? 0
  }
  test('where there are no threads', async () => {
    expect(await sessions(tfrecord('examples')().parseExample(spec).batch(4), null)).toBe(0)
  })
  test('when a function looks at ordinals and files do not tell how many elements they have', async () => {
    expect(await sessions(tfrecord('bytes')().map(fn('withIndex')))).toBe(0)
  })
  test('when a function looks at ordinals behind a filter', async () => {
    expect(await sessions(Dataset.fixedLengthRecords(`${where}/fixed-*.bin`, { recordBytes: 4 }).filter(fn('fewer')).map(fn('withIndex')))).toBe(0)
  })
})

describe('a large file', () => {
  test('is read in parts by several sessions', async () => {
    const workers = inProcessWorkers()
    const make = (): Dataset<unknown> => Dataset.npy(`${where}/large.npy`).map(cast('int32')).batch(4)
    expect(await offloaded(make(), () => workers, { unitBytes: 100 }).toArray()).toEqual(await make().toArray())
    expect(workers.seen.sessions).toBeGreaterThan(4)
  })
  test('of which nothing can be reached before it was read is read by one', async () => {
    const workers = inProcessWorkers()
    await offloaded(Dataset.tfrecord(`${where}/bytes-4.tfrecord`, { index: false }).map(fn('first')), () => workers, { unitBytes: 10 }).toArray()
    expect(workers.seen.sessions).toBe(1)
  })
})

test('stacked batches come whole from threads, also behind a file that ends in the middle of one', async () => {
  const make = (): Dataset<unknown> => Dataset.npy([`${where}/rows-0.npy`, `${where}/large.npy`]).map(cast('int32')).batch(4)
  const workers = inProcessWorkers()
  expect(await offloaded(make(), () => workers).toArray()).toEqual(await make().toArray())
})

describe('the rule', () => {
  const taken = (dataset: Dataset<unknown>): boolean => [...nodesOf(optimizedPlan(dataset.plan).plan)].some(({ op }) => op === offloadFiles)
  const files = (): Dataset<Uint8Array> => Dataset.tfrecord('data/*.tfrecord')
  test('does nothing unless threads are asked for', () => {
    expect(taken(files().map(fn('first')))).toBe(false)
    expect(taken(files().map(fn('first')).options({ workers: 2 }))).toBe(true)
  })
  test('leaves files of this thread, of stores that were passed, and selections of them', () => {
    expect(taken(Dataset.tfrecord('mem://data/*.tfrecord').map(fn('first')).options({ workers: 2 }))).toBe(false)
    expect(taken(Dataset.tfrecord('data/*.tfrecord', { store: defaultMemoryStore }).map(fn('first')).options({ workers: 2 }))).toBe(false)
    expect(taken(files().take(3).map(fn('first')).options({ workers: 2 }))).toBe(false)
  })
  test('leaves closures, and what is above them', () => {
    expect(taken(files().map(record => record[0]).map(fn('first')).options({ workers: 2 }))).toBe(false)
    expect(taken(files().map(fn('first')).map(first => first as number).options({ workers: 2 }))).toBe(true)
  })
  test('leaves to auto only what computes', () => {
    expect(taken(files().parseExample(spec).batch(4).options({ workers: 'auto' }))).toBe(false)
    expect(taken(files().parseExample(spec).map(fn('first')).batch(4).options({ workers: 'auto' }))).toBe(true)
    expect(taken(Dataset.npz('data/*.npz').batch(4).options({ workers: 'auto' }))).toBe(true)
  })
})

/** All that comes, errors in their places; `stop` after so many, with a checkpoint. */
async function eventsOf(dataset: Dataset<unknown>, from?: Checkpoint, stop = Infinity): Promise<{ readonly events: unknown[]; readonly checkpoint: Checkpoint }> {
  const iterator = dataset.iterator(from === undefined ? { seed: 3, epoch: 1 } : { from })
  const events: unknown[] = []
  while (events.length < stop) {
    try {
      const step = await iterator.next()
      if (step.done === true) break
      events.push(step.value)
    } catch (error) {
      events.push({ error: messageOf(error).replace(/ \(added at .*\)$|; it holds \d+$/, '') })
    }
  }
  const checkpoint = JSON.parse(JSON.stringify(iterator.checkpoint())) as Checkpoint
  await iterator.close()
  return { events, checkpoint }
}

describe('random plans', () => {
  const random = seededRandom(20)
  const cases = 6 * Number(process.env['MILLRACE_FUZZ'] ?? 1)
  const below = (most: number): number => Math.floor(random() * most)
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T

  /** Files of one format, with some damage, and a chain above them. */
  async function plan(run: number): Promise<() => Dataset<unknown>> {
    const format = pick(['tfrecord', 'npy', 'fixed'] as const)
    const files: string[] = []
    let next = 0
    for (let k = 0; k < 1 + below(6); k++) {
      const size = pick([0, 1, 2, 5, below(40)]) + (format === 'npy' ? 1 : 0)
      const own = upTo(size, next)
      next += size
      const uri = `${where}/random/${run}-${k}.${format}`
      files.push(uri)
      if (format === 'tfrecord') {
        await writeTfrecord(uri, own.map(bytes))
        if (size > 0 && random() < 0.2) await damage(uri, 20 * below(size) + pick([0, 12, 14]))
      } else if (format === 'npy') await writeNpy(uri, { dtype: 'uint8', shape: [size, 4], data: Uint8Array.from(own.flatMap(i => [...bytes(i)])) })
      else await defaultMemoryStore.put(uri, Uint8Array.from([...own.flatMap(i => [...bytes(i)]), ...(random() < 0.1 ? [1] : [])]))
      if (random() < 0.05) files.push(`${where}/random/none`)
    }
    const steps: ((dataset: Dataset<Uint8Array>) => Dataset<Uint8Array>)[] = []
    for (let k = below(3); k > 0; k--) {
      const name = pick(['fewerOf', 'notFiveOf', 'later', 'same'])
      steps.push(dataset => (name === 'fewerOf' ? dataset.filter(fn(name)) : dataset.map(fn(name) as (record: Uint8Array) => Uint8Array)))
    }
    const last = pick(['valueOf', 'withIndexOf', 'drawnOf', undefined])
    const size = pick([0, 1, 3, 8])
    const dropRemainder = random() < 0.3
    return () => {
      let dataset: Dataset<unknown> = steps.reduce((dataset, step) => step(dataset), (
        format === 'tfrecord' ? Dataset.tfrecord(files, { index: false }) : format === 'npy' ? Dataset.npy(files) : Dataset.fixedLengthRecords(files, { recordBytes: 4 })) as Dataset<Uint8Array>)
      if (last !== undefined) dataset = dataset.map(fn(last) as (value: unknown) => unknown)
      return size === 0 ? dataset : dataset.batch(size, { dropRemainder })
    }
  }

  for (let group = 0; group < 8; group++) {
    test(`give the same elements and states with and without threads, ${group}`, async () => {
      for (let k = 0; k < cases; k++) {
        const run = group * cases + k
        const make = await plan(run)
        const options = { unitBytes: pick([8 << 20, 40, 10]) }
        const threads = 1 + below(4)
        const seed = below(1000)
        const all: DoubleWorkers[] = []
        const elsewhere = () => offloaded(make(), () => {
          const workers = inProcessWorkers({ threads, seed })
          all.push(workers)
          return workers
        }, options)
        const whole = (await eventsOf(make())).events
        const there = (await eventsOf(elsewhere())).events
        if (!equal(whole, there)) expect({ run, events: there }).toEqual({ run, events: whole })
        const stop = below(whole.length + 1)
        const sides = [make, elsewhere] as const
        const first = await eventsOf(pick(sides)(), undefined, stop)
        const middle = await eventsOf(pick(sides)(), first.checkpoint, below(4))
        const rest = await eventsOf(pick(sides)(), middle.checkpoint)
        const joined = [...first.events, ...middle.events, ...rest.events]
        if (!equal(whole, joined)) expect({ run, events: joined }).toEqual({ run, events: whole })
        for (const workers of all) expect(workers.seen.open).toBe(0)
      }
    }, 60_000)
  }
})
