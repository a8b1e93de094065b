import { describe, expect, test } from '@jest/globals'
import { equal } from '../../src/array/equal.js'
import { Dataset } from '../../src/dataset.js'
import type { Checkpoint } from '../../src/engine/checkpoint.js'
import { cast } from '../../src/transforms/cast.js'
import { normalize } from '../../src/transforms/normalize.js'
import type { NdArray } from '../../src/types.js'
import { Rng } from '../../src/util/rng.js'
import { toyFormat, toyStore, type Toy, type ToyOptions } from '../table/toy-table.js'

/** More with `MILLRACE_PLANS=20000`. */
const PLANS = Number(process.env['MILLRACE_PLANS'] ?? 400)

const waitFor = async (turns: number): Promise<void> => {
  for (let i = 0; i < turns; i++) await null
}

/** What differs between two makings of the same plan: parallelism and buffer sizes, drawn anew each time. */
interface Knobs {
  parallel(): number | 'auto'
  buffer(): number | 'auto'
}

const knobsOf = (rng: Rng): Knobs => ({
  parallel: () => ([1, 2, 3, 8, 'auto'] as const)[rng.integer(5)] as number | 'auto',
  buffer: () => ([1, 2, 5, 16, 'auto'] as const)[rng.integer(5)] as number | 'auto'
})

type Step = (dataset: Dataset<number>, knobs: Knobs) => Dataset<number>

const STEPS: readonly ((rng: Rng) => Step)[] = [
  rng => { const add = rng.integer(9); return ds => ds.map(x => x + add) },
  () => ds => ds.map((x, { index, rng }) => x + index + rng.integer(1000)),
  () => (ds, knobs) => ds.map(async x => { await waitFor(x % 4); return x + 1 }, { parallel: knobs.parallel() }),
  () => (ds, knobs) => ds.map(async (x, { rng }) => { const y = rng.integer(1000); await waitFor(y % 5); if (y < 30) throw new Error(`no ${x}`); return x + y }, { parallel: knobs.parallel() }),
  rng => { const by = 2 + rng.integer(4); return ds => ds.filter(x => x % by !== 0) },
  () => ds => ds.filter(async x => { await waitFor(x % 3); return x % 5 !== 0 }),
  rng => { const size = 1 + rng.integer(12); return ds => ds.shuffle(size, { seed: 3 }) },
  rng => { const size = 1 + rng.integer(12); return ds => ds.shuffle(size) },
  () => ds => ds.shuffle(),
  rng => { const count = length(rng, 60); return ds => ds.take(count) },
  rng => { const count = rng.integer(10); return ds => ds.skip(count) },
  rng => { const shards = 1 + rng.integer(3); const index = rng.integer(shards); return ds => ds.shard(shards, index) },
  rng => { const count = rng.integer(3); return ds => ds.repeat(count) },
  () => (ds, knobs) => ds.prefetch(knobs.buffer()),
  rng => { const size = 1 + rng.integer(5); return ds => ds.batch(size).map(batch => batch.data.reduce((sum, x) => sum + x, 0) % 100_003) },
  rng => { const size = 1 + rng.integer(5); return (ds, knobs) => ds.batch(size, { dropRemainder: true }).prefetch(knobs.buffer()).map(batch => batch.data[0] as number) },
  () => ds => ds.map(x => { if (x % 11 === 3) throw new Error(`bad ${x}`); return x }),
  rng => { const count = 1 + rng.integer(3); return ds => ds.take(30).flatMap(x => Dataset.range(x, x + count)) },
  rng => { const cycle = 1 + rng.integer(3); const block = 1 + rng.integer(3); return (ds, knobs) => ds.take(30).interleave(x => Dataset.range(x, x + 3).map(async y => { await waitFor(y % 2); return y }), { cycleLength: cycle, blockLength: block, parallel: knobs.parallel() as number }) },
  rng => { const size = 2 + rng.integer(3); return ds => ds.batch(size).unbatch() as Dataset<number> },
  () => ds => ds.scan(0, (sum, x) => [(sum + x) % 1000, sum + x] as const) as Dataset<number>,
  () => ds => ds.enumerate().map(([i, x]) => i + x),
  () => ds => Dataset.zip([ds, Dataset.range(1000)]).map(([a, b]) => a + b),
  rng => { const count = rng.integer(8); return ds => ds.concatenate(Dataset.range(count)) }
]

/** Mostly a few elements, at times so many that old positions are let go of. */
const length = (rng: Rng, most: number): number => rng.integer(most) * (rng.bernoulli(0.15) ? 12 : 1)

/** Stores of toy tables: many rows and few, blocks and streams, whole and damaged. */
const TOYS = await Promise.all(Array.from({ length: 24 }, (_, seed) => {
  const rng = new Rng([seed, 9])
  return toyStore(...Array.from({ length: 1 + rng.integer(4) }, (): Toy => {
    const rows = rng.integer(25)
    return { rows, blockRows: 1 + rng.integer(4), sequential: rng.bernoulli(0.2), bad: rng.bernoulli(0.2) ? [rng.integer(rows + 1)] : [] }
  }))
}))

/** The rows of one of them. How much is read at once and kept is drawn anew each time; access by ordinal and selections go by the rules. */
function toyRows(rng: Rng): () => Dataset<{ x: NdArray<'float32'>; y: NdArray<'int32'>; z: number }> {
  const store = TOYS[rng.integer(TOYS.length)]
  const sizes = new Rng([rng.integer(1000), 8])
  return () => Dataset.fromFiles('mem://toys/*.toy', { format: toyFormat() as never, store: store as never, options: { readBytes: 1 + sizes.integer(600), cacheBytes: 1 + sizes.integer(2000) } satisfies ToyOptions as never })
}

type ToySource = ReturnType<ReturnType<typeof toyRows>>

/** What is between the rows and a number of each: selections, shuffles, transforms of whole batches. */
const OF_ROWS: readonly ((rng: Rng) => (rows: ToySource, knobs: Knobs) => Dataset<number>)[] = [
  () => rows => rows.map(({ z }) => -z),
  rng => { const [count, most] = [rng.integer(20), 1 + rng.integer(40)]; return rows => rows.skip(count).take(most).map(({ z }) => -z) },
  rng => { const shards = 1 + rng.integer(4); const index = rng.integer(shards); return rows => rows.shard(shards, index).map(({ z }) => -z) },
  () => rows => rows.shuffle().map(({ z }) => -z),
  rng => { const size = 1 + rng.integer(7); return rows => rows.batch(size).unbatch().map(({ z }) => -z) },
  rng => { const size = 1 + rng.integer(7); const times = 1 + rng.integer(2); return rows => rows.repeat(times).batch(size, { dropRemainder: true }).map(({ y }) => y.data.reduce((sum, x) => sum + x, 0)) },
  rng => {
    const size = 1 + rng.integer(7)
    const shuffled = rng.bernoulli()
    return (rows, knobs) => (shuffled ? rows.shuffle(5) : rows.skip(1)).map(normalize({ x: { scale: 2 } }), { parallel: knobs.parallel() }).map(cast({ y: 'float64' })).prefetch(knobs.buffer()).batch(size).map(({ x, y }) => (x.data[0] as number) + (y.data[0] as number))
  }
]

const SOURCES: readonly ((rng: Rng) => () => Dataset<number>)[] = [
  rng => { const count = length(rng, 80); return () => Dataset.range(count) },
  rng => { const items = Array.from({ length: length(rng, 40) }, () => rng.integer(100)); return () => Dataset.from(items) },
  rng => { const count = length(rng, 60); return () => Dataset.from(function* source() { for (let i = 0; i < count; i++) yield i }) },
  rng => {
    const rows = toyRows(rng)
    const numbers = OF_ROWS[rng.integer(OF_ROWS.length)]?.(rng) as ReturnType<(typeof OF_ROWS)[number]>
    const knobs = knobsOf(new Rng([rng.integer(1000), 7]))
    return () => numbers(rows(), knobs)
  },
  rng => { const count = length(rng, 60); return () => Dataset.from(async function* source() { for (let i = 0; i < count; i++) { await waitFor(i % 3); yield i } }) }
]

function randomPlan(seed: number): (knobs: Knobs) => Dataset<number> {
  const rng = new Rng([seed, 1])
  const source = SOURCES[rng.integer(SOURCES.length)]?.(rng) as () => Dataset<number>
  const steps = Array.from({ length: 1 + rng.integer(5) }, () => STEPS[rng.integer(STEPS.length)]?.(rng) as Step)
  return knobs => steps.reduce((dataset, step) => step(dataset, knobs), source())
}

type Event = { readonly value: unknown } | { readonly error: string }

async function* eventsOf(dataset: Dataset<number>, options: { seed?: number; epoch?: number; from?: Checkpoint }): AsyncGenerator<{ event: Event; before: Checkpoint }> {
  const iterator = dataset.iterator(options)
  try {
    for (let i = 0; i < 20_000; i++) {
      const before = JSON.parse(JSON.stringify(iterator.checkpoint())) as Checkpoint
      try {
        const step = await iterator.next()
        if (step.done === true) return
        yield { event: { value: step.value }, before }
      } catch (error) {
        yield { event: { error: (error as Error).message.replace(/ \(added at .*$/, '') }, before }
      }
    }
  } finally {
    await iterator.close()
  }
}

const collect = async (events: AsyncGenerator<{ event: Event; before: Checkpoint }>) => {
  const all: { event: Event; before: Checkpoint }[] = []
  for await (const event of events) all.push(event)
  return all
}

describe(`${PLANS} random plans`, () => {
  test('give the same elements and errors for all parallelism and buffer sizes, and from any checkpoint', async () => {
    for (let seed = 0; seed < PLANS; seed++) {
      const rng = new Rng([seed, 2])
      const make = randomPlan(seed)
      const epoch = rng.integer(3)
      const reference = await collect(eventsOf(make(knobsOf(rng)), { seed: 5, epoch }))
      const other = await collect(eventsOf(make(knobsOf(rng)), { seed: 5, epoch }))
      expectSame(seed, 'other knobs', reference.map(({ event }) => event), other.map(({ event }) => event))
      for (let k = 0; k < 4 && reference.length > 0; k++) {
        const at = rng.integer(reference.length)
        const from = (rng.bernoulli() ? reference : other)[at]?.before as Checkpoint
        const tail = await collect(eventsOf(make(knobsOf(rng)), { from }))
        expectSame(seed, `resumed at ${at} from ${JSON.stringify(from.state)}`, reference.slice(at).map(({ event }) => event), tail.map(({ event }) => event))
      }
    }
  }, 240_000)
})

function expectSame(seed: number, what: string, expected: readonly Event[], found: readonly Event[]): void {
  const at = Array.from({ length: Math.max(expected.length, found.length) }, (_, i) => i).find(i => !equal(expected[i], found[i]))
  if (at === undefined) return
  throw new Error(`plan ${seed}, ${what}: number ${at} is ${JSON.stringify(found[at])} instead of ${JSON.stringify(expected[at])}\n${randomPlan(seed)(knobsOf(new Rng([seed, 3]))).explain()}`)
}

test('the comparison of events tells differences', () => {
  expect(() => expectSame(0, 'x', [{ value: 1 }], [{ value: 2 }])).toThrow('number 0')
})
