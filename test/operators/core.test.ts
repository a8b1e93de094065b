import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { generation } from '../../src/operators/stage-loop.js'
import { operatorConformance } from '../../src/testing/operator.js'

const slow = async <T>(value: T): Promise<T> => {
  for (let i = 0; i < (value as number) % 3; i++) await null
  return value
}
const failing = (x: number): number => {
  if (x % 7 === 5) throw new Error(`no ${x}`)
  return x * 2
}
const failingLater = async (x: number): Promise<number> => failing(await slow(x))
const asyncSource = (n: number) => Dataset.from(async function* source() {
  for (let i = 0; i < n; i++) yield await slow(i)
})

/** A dataset, and others that differ in knobs alone. */
const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  range: [() => Dataset.range(5, 30, 3)],
  'an empty range': [() => Dataset.range(0)],
  of: [() => Dataset.of('a', 'b', 'c')],
  'from an iterable': [() => Dataset.from(new Set([1, 2, 3, 4]))],
  'from a function': [() => Dataset.from(() => [3, 1, 2])],
  'from an async generator': [() => asyncSource(12)],
  fromTensors: [() => Dataset.fromTensors({ a: 1 })],
  fromTensorSlices: [() => Dataset.fromTensorSlices({ xs: new Float32Array([1, 2, 3]), ys: ['a', 'b', 'c'] })],
  map: [() => Dataset.range(20).map(x => x + 1)],
  'map of promises': [() => Dataset.range(20).map(slow)],
  'map with failures': [() => Dataset.range(20).map(failing)],
  'map with late failures': [() => Dataset.range(20).map(failingLater)],
  'map with random numbers': [() => Dataset.range(20).map((x, { rng, index }) => [x, index, rng.uniform()])],
  'parallel map': [1, 2, 8, 'auto' as const].map(parallel => () => Dataset.range(40).map(slow, { parallel })) as never,
  'parallel map of plain values': [1, 2, 8].map(parallel => () => Dataset.range(40).map(x => x * 2, { parallel })) as never,
  'parallel map with failures': [1, 2, 8].map(parallel => () => Dataset.range(40).map(failingLater, { parallel })) as never,
  'parallel or inline': [() => Dataset.range(30).map(failingLater).map(x => x + 1), ...[1, 3, 16].map(parallel => () => Dataset.range(30).map(failingLater, { parallel }).map(x => x + 1))],
  'parallel maps in a row': [1, 4, 9].map(parallel => () => asyncSource(30).map(slow, { parallel }).map(failingLater, { parallel: 3 }).map(slow, { parallel })) as never,
  filter: [() => Dataset.range(30).filter(x => x % 3 === 0)],
  'filter of promises': [() => Dataset.range(30).filter(async x => (await slow(x)) % 3 === 0)],
  'fused stages': [() => Dataset.range(60).map(x => x + 1).filter(x => x % 2 === 1).map((x, { index }) => [x, index] as const).filter(([x]) => x % 5 !== 0).map(([x, i], { index, rng }) => [x, i, index, rng.integer(9)])],
  'indices behind failures': [() => Dataset.range(40).map(failing).map((x, { index }) => [x, index]).filter((_, { index }) => index % 3 !== 0).map((x, { index, rng }) => [x, index, rng.integer(99)]), () => Dataset.range(40).map(failing).prefetch(2).map((x, { index }) => [x, index]).prefetch(2).filter((_, { index }) => index % 3 !== 0).prefetch(1).map((x, { index, rng }) => [x, index, rng.integer(99)], { parallel: 1 }), () => Dataset.range(40).map(failing, { parallel: 3 }).map((x, { index }) => [x, index], { parallel: 2 }).filter((_, { index }) => index % 3 !== 0).map((x, { index, rng }) => [x, index, rng.integer(99)], { parallel: 4 })],
  'fused stages with failures': [() => Dataset.range(60).map(failing).filter(x => x % 3 !== 0).map(x => failing(x + 1)).filter(async x => (await slow(x)) % 4 !== 0)],
  take: [() => Dataset.range(20).filter(x => x > 2).take(7)],
  skip: [() => Dataset.range(20).filter(x => x > 2).skip(7)],
  'skip more than there is': [() => asyncSource(5).skip(9)],
  shard: [() => Dataset.range(20).filter(x => x > 2).shard(3, 1)],
  'shard of a failing input': [() => Dataset.range(40).map(failing).shard(3, 1)],
  'selections pushed into the source': [() => Dataset.range(100).skip(5).shard(4, 2).take(9).skip(1)],
  repeat: [() => Dataset.range(4).repeat(3)],
  'repeat of a shuffle': [() => Dataset.range(6).map(x => x).shuffle(3).repeat(4)],
  'repeat of nothing': [() => Dataset.range(0).repeat()],
  batch: [() => Dataset.range(22).batch(4), () => Dataset.range(22).prefetch(3).batch(4)],
  'batch without a remainder': [() => asyncSource(22).batch(4, { dropRemainder: true })],
  'batch of a failing input': [() => Dataset.range(40).map(failing).batch(4)],
  'batch of a failing asynchronous input': [1, 2, 8].map(parallel => () => asyncSource(40).map(failingLater, { parallel }).batch(3)) as never,
  'buffer shuffle': [() => Dataset.range(40).filter(() => true).shuffle(7, { seed: 1 })],
  'unseeded shuffle': [() => asyncSource(30).shuffle(5)],
  'shuffle of a failing input': [() => Dataset.range(60).map(failing).shuffle(6, { seed: 1 })],
  'shuffle with a buffer for all': [() => asyncSource(20).shuffle()],
  'shuffle by index': [() => Dataset.range(40).map(x => x * 3).shuffle({ seed: 5 })],
  'shuffle by index with failures': [() => Dataset.range(40).map(failing).shuffle({ seed: 5 })],
  'two shuffles': [() => Dataset.range(50).shuffle(8, { seed: 1 }).map(failing).shuffle(9)],
  prefetch: [1, 2, 8, 'auto' as const].map(size => () => asyncSource(30).map(failingLater).prefetch(size)) as never,
  'prefetch of plain values': [1, 2, 8].map(size => () => Dataset.range(30).prefetch(size)) as never,
  'a whole pipeline': ([[1, 1], [2, 2], [8, 4], ['auto', 'auto']] as const).map(([parallel, size]) => () =>
    asyncSource(60).shuffle(10, { seed: 3 }).map(failingLater, { parallel }).filter(x => x % 3 !== 0).prefetch(size).batch(4).repeat(2).prefetch(size)) as never
}

// Once with loops that are interpreted, once with loops that are generated from the first element on.
for (const [form, after] of [['interpreted', Infinity], ['generated', 0]] as const) {
  describe(form, () => {
    const usual = generation.after
    beforeAll(() => { generation.after = after })
    afterAll(() => { generation.after = usual })
    for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
      describe(name, () => {
        for (const check of operatorConformance({ make, same })) test(check.name, check.run)
      })
    }
  })
}

describe('a parallel map that gives up order', () => {
  const make = (parallel: number) => () => Dataset.range(30).map(failingLater, { parallel, deterministic: false })
  for (const check of operatorConformance({ make: make(4), same: [make(1), make(9)], deterministic: false })) test(check.name, check.run)
})

describe('an iterator that can be read once', () => {
  const make = () => Dataset.from([1, 2, 3].values())
  for (const check of operatorConformance({ make, resumable: false }).slice(-1)) test(check.name, check.run)
})
