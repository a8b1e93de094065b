import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { ndarray } from '../../src/array/ndarray.js'
import { Dataset } from '../../src/dataset.js'
import { concatDataset, mapDataset, randomSplit, stackDataset, subset, tensorDataset } from '../../src/loader/map-dataset.js'
import type { MapDataset } from '../../src/loader/sampler.js'
import { randomSampler } from '../../src/loader/samplers/random.js'
import { sampled, sampledParams } from '../../src/operators/sampled.js'
import { planNode } from '../../src/plan/node.js'
import type { ElementContext } from '../../src/plan/operator.js'
import { operatorConformance } from '../../src/testing/operator.js'
import { keyOfSeed, Rng } from '../../src/util/rng.js'

const splits = (JSON.parse(readFileSync(new URL('../fixtures/loader/expected.json', import.meta.url), 'utf8')) as { splits: { length: number; parts: number[]; lengths: number[] }[] }).splits
const CONTEXT: ElementContext = { index: 0, rng: new Rng(keyOfSeed(1)), signal: new AbortController().signal }
const upTo = (length: number): number[] => Array.from({ length }, (_, i) => i)
const numbers = (length: number, first = 0): MapDataset<number> => mapDataset(length, index => first + index)
const all = <T>(dataset: MapDataset<T>): Promise<T[]> => Promise.all(upTo(dataset.length).map(async index => dataset.get(index, CONTEXT)))
const inRandomOrder = <T>(dataset: MapDataset<T>): Dataset<T> =>
  new Dataset<number>(planNode(sampled, sampledParams(randomSampler(dataset.length), dataset.length)) as never).map((index, context) => dataset.get(index, context))

describe('datasets of datasets, read in random order', () => {
  const slow = mapDataset(6, async index => {
    await null
    return index * 10
  })
  const make = () => inRandomOrder(stackDataset({ x: concatDataset(numbers(3), slow), y: subset(numbers(20), [9, 8, 7, 6, 5, 4, 3, 2, 1]) }))
  for (const { name, run } of operatorConformance({ make })) test(name, run)
})

describe('mapDataset', () => {
  test('gets each element by its ordinal, with its context', async () => {
    const dataset = mapDataset(3, (index, { rng }) => [index, rng instanceof Rng])
    expect(await all(dataset)).toEqual([[0, true], [1, true], [2, true]])
    expect(dataset.length).toBe(3)
  })

  test('refuses wrong arguments at the call', () => {
    expect(() => mapDataset(-1, () => 0)).toThrow(RangeError)
    expect(() => mapDataset(1, 7 as never)).toThrow(TypeError)
  })
})

describe('tensorDataset', () => {
  test('has the rows that fromTensorSlices has', async () => {
    const tensors = { x: ndarray([1, 2, 3, 4, 5, 6], [3, 2]), y: ['a', 'b', 'c'], z: Uint8Array.of(7, 8, 9) }
    const dataset = tensorDataset(tensors)
    expect(await all(dataset)).toEqual(await Dataset.fromTensorSlices(tensors).toArray())
    const typed: string = (await dataset.get(1, CONTEXT)).y
    expect(typed).toBe('b')
    expect(() => dataset.get(3, CONTEXT)).toThrow('tensorDataset: index 3 is not inside the 3 elements')
  })

  test('refuses arrays of different lengths', () => {
    expect(() => tensorDataset({ x: [1, 2], y: [1] })).toThrow(expect.objectContaining({ kind: 'Mismatch' }))
  })
})

describe('concatDataset', () => {
  test('has the elements of all, one dataset after the other, empty ones included', async () => {
    const dataset = concatDataset(numbers(3), numbers(0), mapDataset(2, index => `s${index}`), numbers(1, 100), numbers(0))
    const elements: (number | string)[] = await all(dataset)
    expect(elements).toEqual([0, 1, 2, 's0', 's1', 100])
  })

  test('finds the dataset of every ordinal', async () => {
    const dataset = concatDataset(...upTo(40).map(k => mapDataset(k % 7, index => [k, index])))
    expect(await all(dataset)).toEqual(upTo(40).flatMap(k => upTo(k % 7).map(index => [k, index])))
  })

  test('refuses indices that do not exist, negative ones too', () => {
    const dataset = concatDataset(numbers(3), numbers(2))
    for (const index of [-1, 5, 0.5, NaN]) expect(() => dataset.get(index, CONTEXT)).toThrow(new RangeError(`concatDataset: index ${index} is not inside the 5 elements`))
  })

  test('refuses what is no dataset', () => {
    expect(() => concatDataset()).toThrow(TypeError)
    expect(() => concatDataset(numbers(1), [1, 2] as never)).toThrow("concatDataset: datasets[1] must have a 'length' and a method 'get(index)'")
    expect(() => concatDataset({ length: 1.5, get: () => 0 })).toThrow(RangeError)
  })

  test('calls methods as methods', async () => {
    class Squares implements MapDataset<number> {
      readonly length = 3
      get(index: number): number {
        return this.length * index
      }
    }
    expect(await all(concatDataset(new Squares(), subset(new Squares(), [2]), stackDataset([new Squares()] as const)))).toEqual([0, 3, 6, 6, [0], [3], [6]])
  })
})

describe('subset', () => {
  test('has the chosen elements in the chosen order', async () => {
    const part = subset(numbers(10), [9, 0, 9])
    expect(await all(part)).toEqual([9, 0, 9])
    expect([...(part.indices as Float64Array)]).toEqual([9, 0, 9])
    expect(await all(subset(part, [2, 1]))).toEqual([9, 0])
    expect(await all(subset(numbers(10), Uint32Array.of(4)))).toEqual([4])
  })

  test('refuses indices that do not exist, when it is made and when it is read', () => {
    expect(() => subset(numbers(3), [0, 3])).toThrow('subset: indices[1] is 3, and there are only 3 elements')
    expect(() => subset(numbers(3), [-1])).toThrow(RangeError)
    expect(() => subset(numbers(3), [1]).get(1, CONTEXT)).toThrow('subset: index 1 is not inside the 1 elements')
    expect(() => subset({} as never, [])).toThrow(TypeError)
  })
})

describe('randomSplit', () => {
  test('makes parts as long as PyTorch does, of lengths and of fractions', () => {
    expect(splits.length).toBeGreaterThan(10)
    for (const { length, parts, lengths } of splits) expect(randomSplit(numbers(length), parts).map(part => part.length)).toEqual(lengths)
  })

  test('puts every element into one part', async () => {
    const parts = randomSplit(numbers(101), [0.8, 0.1, 0.1], { seed: 4 })
    const elements = (await Promise.all(parts.map(all))).flat()
    expect(elements).not.toEqual(upTo(101))
    expect(elements.sort((a, b) => a - b)).toEqual(upTo(101))
  })

  test('divides by the seed alone', async () => {
    const first = (seed?: number) => all(randomSplit(numbers(50), [25, 25], seed === undefined ? {} : { seed })[0])
    expect(await first(1)).toEqual(await first(1))
    expect(await first(2)).not.toEqual(await first(1))
    expect(await first()).toEqual(await first(0))
  })

  test('takes fractions whose sum is 1 but for rounding', () => {
    for (const fractions of [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], Array<number>(10).fill(0.1)]) {
      expect(randomSplit(numbers(1000), fractions).reduce((sum, part) => sum + part.length, 0)).toBe(1000)
    }
  })

  test('refuses lengths that do not fit', () => {
    expect(() => randomSplit(numbers(10), [5, 4])).toThrow('the lengths sum to 9, and the dataset has 10 elements')
    expect(() => randomSplit(numbers(10), [0.5, 0.4])).toThrow(RangeError)
    expect(() => randomSplit(numbers(10), [-1, 11])).toThrow('lengths[0] must be at least 0')
    expect(() => randomSplit(numbers(10), ['10'] as never)).toThrow(TypeError)
    expect(() => randomSplit(numbers(10), 10 as never)).toThrow(TypeError)
  })
})

describe('stackDataset', () => {
  test('makes objects of an object of datasets, and arrays of an array', async () => {
    const labels = mapDataset(3, index => `label ${index}`)
    const objects: { readonly x: number; readonly y: string }[] = await all(stackDataset({ x: numbers(3), y: labels }))
    expect(objects).toEqual(upTo(3).map(i => ({ x: i, y: `label ${i}` })))
    const pairs: (readonly [number, string])[] = await all(stackDataset([numbers(3), labels] as const))
    expect(pairs).toEqual(upTo(3).map(i => [i, `label ${i}`]))
  })

  test('waits for members that are promises, and only for them', async () => {
    const late = mapDataset(2, async index => index + 0.5)
    expect(stackDataset({ a: numbers(2) }).get(1, CONTEXT)).toEqual({ a: 1 })
    const element = stackDataset({ a: numbers(2), b: late }).get(1, CONTEXT)
    expect(element).toBeInstanceOf(Promise)
    expect(await element).toEqual({ a: 1, b: 1.5 })
  })

  test('refuses datasets of different lengths, and none at all', () => {
    expect(() => stackDataset({ x: numbers(3), y: numbers(4) })).toThrow('stackDataset: y has 4 elements, and x has 3')
    expect(() => stackDataset({})).toThrow(TypeError)
    expect(() => stackDataset([])).toThrow(TypeError)
    expect(() => stackDataset(7 as never)).toThrow(TypeError)
    expect(() => stackDataset({ x: numbers(3) }).get(3, CONTEXT)).toThrow(RangeError)
  })
})
