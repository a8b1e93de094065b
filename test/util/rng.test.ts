import { describe, expect, test } from '@jest/globals'
import { bijection, randomOrder } from '../../src/util/permutation.js'
import { foldIn, integerAt, keyOfSeed, permutation, randomBits, Rng, uniformAt } from '../../src/util/rng.js'

describe('Threefry-2x32-20', () => {
  // The known answers that come with Random123, the authors' implementation (kat_vectors).
  test.each([
    [[0, 0], [0, 0], [0x6b200159, 0x99ba4efe]],
    [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x1cb996fc, 0xbb002be7]],
    [[0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3], [0xc4923a9c, 0x483df7a0]]
  ] as const)('key %p and counter %p give the known answer', (key, counter, answer) => {
    expect(randomBits(key, counter)).toEqual(answer)
  })
  test('a seed above 32 bits counts whole', () => {
    expect(keyOfSeed(2 ** 40 + 5)).not.toEqual(keyOfSeed(5))
    expect(keyOfSeed(-1)).not.toEqual(keyOfSeed(2 ** 32 - 1))
    expect(foldIn([1, 2], 2 ** 33)).not.toEqual(foldIn([1, 2], 0))
  })
})

describe('draws', () => {
  const key = keyOfSeed(1)
  test('uniform numbers are in [0, 1), and fill ten equal parts alike', () => {
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 100_000; i++) {
      const x = uniformAt(key, i)
      if (!(x >= 0 && x < 1)) throw new Error(`draw ${i} is ${x}`)
      counts[Math.floor(x * 10)]!++
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    expect(chiSquare).toBeLessThan(27.9) // 9 degrees of freedom, p = 0.001
  })
  test('normal numbers have mean 0 and deviation 1', () => {
    const rng = new Rng(key)
    const xs = Array.from({ length: 50_000 }, () => rng.normal())
    const mean = xs.reduce((sum, x) => sum + x, 0) / xs.length
    const variance = xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / xs.length
    expect(Math.abs(mean)).toBeLessThan(0.02)
    expect(Math.abs(variance - 1)).toBeLessThan(0.03)
  })
  test('two generators of one key give the same, and bounds are kept', () => {
    const [a, b] = [new Rng(key), new Rng(key)]
    for (let i = 0; i < 100; i++) {
      expect(a.integer(7)).toBe(b.integer(7))
      expect(a.uniform(5, 6)).toBeCloseTo(b.uniform(5, 6), 15)
      expect(a.bernoulli()).toBe(b.bernoulli())
    }
    expect(integerAt(key, 3, 1)).toBe(0)
    expect(() => a.integer(0)).toThrow(RangeError)
  })
})

describe('orders', () => {
  test('a permutation has every index once, and all orders of four are equally likely', () => {
    const counts = new Map<string, number>()
    for (let seed = 0; seed < 24_000; seed++) {
      const order = String(permutation(keyOfSeed(seed), 4))
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(49.7) // 23 degrees of freedom, p = 0.001
  })
  test.each([1, 2, 3, 7, 64, 100, 1000, 4097])('the bijection of constant memory meets every index of %i once', length => {
    const order = bijection(keyOfSeed(length), length)
    expect(new Set(Array.from({ length }, (_, place) => order(place))).size).toBe(length)
    for (let place = 0; place < length; place++) if (!(order(place) < length)) throw new Error(`place ${place} is outside`)
  })
  test('in the bijection every index is equally likely at a place', () => {
    const counts = new Array<number>(20).fill(0)
    for (let seed = 0; seed < 20_000; seed++) counts[bijection(keyOfSeed(seed), 20)(7)]!++
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(43.8) // 19 degrees of freedom, p = 0.001
  })
  test('long orders need no table', () => {
    const order = randomOrder(keyOfSeed(1), 1e9)
    const places = Array.from({ length: 1000 }, (_, place) => order(place))
    expect(new Set(places).size).toBe(1000)
    expect(Math.max(...places)).toBeGreaterThan(9e8)
  })
})
