import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { scan, scanParams, type ScanParams } from '../../src/operators/scan.js'
import { planNode } from '../../src/plan/node.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { asyncRange, failing, failingLater, outcomes, ragged, slow } from './sources.js'

const scanned = <T>(dataset: Dataset<T>, initial: unknown, fn: ScanParams['fn'], seed?: number) => new Dataset(planNode(scan, scanParams(initial, fn, seed), [dataset.plan]))
const sum: ScanParams['fn'] = (total: number, x: number) => [total + x, total + x]
const failingSum: ScanParams['fn'] = (total: number, x: number) => [total + failing(x), total + x]
/** Changes its state in place. */
const histogram: ScanParams['fn'] = (counts: { seen: Int32Array; last: number[] }, x: number) => {
  failing(x)
  counts.seen[x % 4] = (counts.seen[x % 4] as number) + 1
  counts.last.push(x)
  if (counts.last.length > 3) counts.last.shift()
  return [counts, [...counts.seen, ...counts.last]]
}
const emptyHistogram = { seen: new Int32Array(4), last: [] }

const SUBJECTS: Record<string, [() => Dataset<unknown>, ...(() => Dataset<unknown>)[]]> = {
  'of a range': [() => scanned(Dataset.range(70), 0, sum)],
  'of promises': [() => scanned(asyncRange(30), 0, async (total: number, x: number) => [total + (await slow(x)), total])],
  'of a filter, under a batch': [() => scanned(ragged(80), 0, sum).batch(4), () => scanned(ragged(80).prefetch(3), 0, sum).batch(4).prefetch(2)],
  'of an input that fails': [1, 4].map(parallel => () => scanned(asyncRange(40).map(failingLater, { parallel }), 0, sum)) as never,
  'with a function that fails': [() => scanned(Dataset.range(80), 0, failingSum)],
  'with everything failing, under a batch': [() => scanned(Dataset.range(100).map(x => failing(x + 2)), 0, failingSum).batch(3)],
  'with a state changed in place': [() => scanned(Dataset.range(75), emptyHistogram, histogram)],
  'with a state changed in place, under a shuffle': [() => scanned(Dataset.range(40), emptyHistogram, histogram).shuffle(20)],
  'with odd numbers': [() => scanned(Dataset.range(20), { n: -0, big: 1n }, (s: { n: number; big: bigint }, x: number) => [{ n: x === 9 ? NaN : s.n, big: s.big * 3n }, { ...s, u: undefined }])],
  'with random numbers': [() => scanned(Dataset.range(30), 0, (s: number, _, { rng, index }) => [s + rng.uniform(), [s, index]])],
  repeated: [() => scanned(Dataset.range(9), 0, sum).repeat(3)],
  'of a scan': [() => scanned(scanned(Dataset.range(72), 0, failingSum), [], (s: number[], x: number) => [[...s.slice(-2), x], s])]
}

for (const [name, [make, ...same]] of Object.entries(SUBJECTS)) {
  describe(`scan ${name}`, () => {
    for (const { name, run } of operatorConformance({ make, same })) test(name, run)
  })
}

describe('scan', () => {
  test('hands the state from each element to the next', async () => {
    expect(await scanned(Dataset.range(1, 6), 100, sum).toArray()).toEqual([101, 103, 106, 110, 115])
    expect(await scanned(Dataset.range(1, 6), 100, async (s: number, x: number) => [s + x, s]).toArray()).toEqual([100, 101, 103, 106, 110])
  })

  test('keeps the state from before a call that throws', async () => {
    expect(await outcomes(scanned(Dataset.range(4, 9), 0, failingSum))).toEqual([4, 'error: scan: the function failed at element 1: no 5', 10, 17, 25])
    expect(await outcomes(scanned(Dataset.range(4, 9).map(failing), 0, sum))).toEqual([4, 'error: map: the function failed at element 1: no 5', 10, 17, 25])
  })

  test('says what is wrong with a function that returns no pair', async () => {
    for (const wrong of [3, null, { a: 1 }, [1]]) {
      await expect(scanned(Dataset.range(3), 0, () => wrong as never).toArray()).rejects.toThrow(/scan: the function failed at element 0: the function must return \[state, output\], got /)
    }
  })

  test('begins every iteration with the initial state, though the function changes it in place', async () => {
    const dataset = scanned(Dataset.range(4), emptyHistogram, histogram)
    expect(await dataset.toArray()).toEqual(await dataset.toArray())
    expect(emptyHistogram).toEqual({ seen: new Int32Array(4), last: [] })
  })

  test('refuses a checkpoint of a state that is no JSON, runs all the same, and says where', async () => {
    const iterator = scanned(Dataset.range(300), { counts: new Map<number, number>() }, (s: { counts: Map<number, number> }, x: number) => [{ counts: s.counts.set(x, 1) }, s.counts.size]).iterator()
    const refused = /scan: a checkpoint cannot hold its state: cannot write .* at counts as JSON/
    expect(() => iterator.checkpoint()).toThrow(refused)
    for (let i = 0; i < 200; i++) expect((await iterator.next()).value).toBe(i + 1)
    expect(() => iterator.checkpoint()).toThrow(refused)
    await iterator.close()
  })

  test('refuses a checkpoint as soon as the state has become one that is no JSON', async () => {
    const iterator = scanned(Dataset.range(9), null, () => [() => 1, 1]).iterator()
    iterator.checkpoint()
    await iterator.next()
    expect(() => iterator.checkpoint()).toThrow(/scan: a checkpoint cannot hold its state: cannot write a function as JSON/)
    await iterator.close()
  })

  test('writes the state once in 64 elements, a big one more rarely, and only when a position is asked for', async () => {
    const written = async (byteLength: number, elements: number, checkpoints: boolean): Promise<number> => {
      let count = 0
      const state = { get bytes() { count++; return new Uint8Array(byteLength) } } // read when it is written
      const iterator = scanned(Dataset.range(elements), 0, () => [state, 1]).iterator()
      for (let i = 0; i < elements; i++) {
        await iterator.next()
        if (checkpoints) iterator.checkpoint()
      }
      await iterator.close()
      return count
    }
    expect(await written(8, 640, true)).toBeLessThan(2 * 14) // and once to be measured
    expect(await written(2 ** 20, 8200, true)).toBeLessThan(2 * 5)
    let count = 0
    const state = { get bytes() { count++; return 1 } }
    await scanned(Dataset.range(10000), 0, () => [state, 1]).shard(10000, 0).first()
    expect(count).toBeLessThan(3) // when it is closed
  })

  test('calls the function again for fewer than 65 elements after a restore', async () => {
    let calls = 0
    const dataset = scanned(Dataset.range(1000), 0, (s: number, x: number) => { calls++; return [s + x, s] })
    const iterator = dataset.iterator()
    for (let i = 0; i < 777; i++) await iterator.next()
    const from = iterator.checkpoint()
    await iterator.close()
    calls = 0
    expect(await dataset.iterator({ from }).next()).toEqual({ done: false, value: 777 * 776 / 2 })
    expect(calls).toBeLessThan(66)
  })

  test('has the cardinality of its input', () => {
    expect(scanned(Dataset.range(4), 0, sum).cardinality).toBe(4)
    expect(scanned(Dataset.range(4).repeat(), 0, sum).cardinality).toBe(Infinity)
  })

  test('an initial state is part of the plan', () => {
    expect(scanned(Dataset.range(4), 1, sum).fingerprint()).not.toBe(scanned(Dataset.range(4), 2, sum).fingerprint())
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    expect(scanned(Dataset.range(4), cyclic, sum).fingerprint()).toMatch(/^[0-9a-f]{16}$/)
  })
})
