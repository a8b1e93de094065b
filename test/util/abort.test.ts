import { describe, expect, test } from '@jest/globals'
import { Dataset } from '../../src/dataset.js'
import { sharedController } from '../../src/util/abort.js'

/** At how many listeners Node warns of a leak; 0 for never. Its function to ask that knows signals of its own realm alone. */
const limitOf = (signal: AbortSignal): unknown => {
  const symbol = Object.getOwnPropertySymbols(signal).find(({ description }) => description === 'events.maxEventTargetListeners')
  return symbol === undefined ? undefined : (signal as unknown as Record<symbol, unknown>)[symbol]
}

describe('signals that many listen to', () => {
  test('have no limit at which Node would warn of a leak', () => {
    expect(limitOf(new AbortController().signal)).toBeGreaterThan(0)
    expect(limitOf(sharedController().signal)).toBe(0)
  })

  test('the signal of an iteration is one: many files may be read side by side', async () => {
    const limits: unknown[] = []
    for await (const limit of Dataset.range(1).map((_, { signal }) => limitOf(signal))) limits.push(limit)
    expect(limits).toEqual([0])
  })
})
