import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { backoff, retryAfter, retryBudget } from '../../../src/storage/remote/backoff.js'
import { replyHead } from './scripted.js'

const CONFIG = { backoffBase: 100, throttleBase: 500, backoffCap: 15_000 }

describe('the wait before a retry', () => {
  test('is a random part of a time that doubles up to the cap', () => {
    const waits = (random: number, throttled: boolean): number[] => [0, 1, 2, 5, 10, 5000].map(retry => backoff(CONFIG, retry, throttled, random))
    expect(waits(1, false)).toEqual([100, 200, 400, 3200, 15_000, 15_000])
    expect(waits(1, true)).toEqual([500, 1000, 2000, 15_000, 15_000, 15_000])
    expect(waits(0, true)).toEqual([0, 0, 0, 0, 0, 0])
    expect(waits(0.5, false)).toEqual([50, 100, 200, 1600, 7500, 7500])
  })

  test('is between what was asked for and the larger of that and the cap', () => {
    fc.assert(fc.property(fc.nat(100), fc.boolean(), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(100_000), (retry, throttled, random, least) => {
      const wait = backoff(CONFIG, retry, throttled, random, least)
      expect(wait).toBeGreaterThanOrEqual(least)
      expect(wait).toBeLessThanOrEqual(Math.max(least, CONFIG.backoffCap))
    }))
  })
})

describe('Retry-After', () => {
  const NOW = Date.parse('2026-11-20T10:00:00Z')
  const CASES: readonly (readonly [headers: Record<string, string>, milliseconds: number | undefined])[] = [
    [{}, undefined],
    [{ 'retry-after': '120' }, 120_000],
    [{ 'retry-after': ' 0 ' }, 0],
    [{ 'retry-after': 'Fri, 20 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Fri, 20 Nov 2026 09:00:00 GMT' }, 0],
    // The clock of the server is an hour behind ours.
    [{ 'retry-after': 'Fri, 20 Nov 2026 09:00:30 GMT', 'date': 'Fri, 20 Nov 2026 09:00:00 GMT' }, 30_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
    [{ 'x-ms-retry-after-ms': '300' }, 300]
  ]
  for (const [headers, milliseconds] of CASES) {
    test(`${JSON.stringify(headers)} is ${milliseconds} ms`, () => {
      expect(retryAfter(replyHead(503, headers), NOW)).toBe(milliseconds)
    })
  }
})

describe('the budget of retries', () => {
  test('begins with those of a thousand requests, for each host', () => {
    const budget = retryBudget({ retryBudget: 0.003 })
    const host = budget.host('https://a.example:443')
    expect(host.name).toBe('a.example:443')
    expect([1, 2, 3, 4].map(() => budget.take(host))).toEqual([true, true, true, false])
    expect(budget.take(budget.host('https://b.example:443'))).toBe(true)
    expect(budget.host('https://a.example:443')).toBe(host)
  })

  test('grows with requests that succeed, and not beyond what it began with', () => {
    const budget = retryBudget({ retryBudget: 0.25 })
    const host = budget.host('https://a')
    while (budget.take(host));
    for (let i = 0; i < 3; i++) budget.succeeded(host)
    expect(budget.take(host)).toBe(false)
    budget.succeeded(host)
    expect(budget.take(host)).toBe(true)
    expect(budget.take(host)).toBe(false)
    for (let i = 0; i < 10_000; i++) budget.succeeded(host)
    expect(host.tokens).toBe(250)
  })

  test('of nothing allows no retry at all', () => {
    const budget = retryBudget({ retryBudget: 0 })
    const host = budget.host('https://a')
    budget.succeeded(host)
    expect(budget.take(host)).toBe(false)
  })

  test('of one allows a retry for each request that succeeds', () => {
    const budget = retryBudget({ retryBudget: 1 })
    const host = budget.host('https://a')
    while (budget.take(host));
    budget.succeeded(host)
    expect(budget.take(host)).toBe(true)
  })
})
