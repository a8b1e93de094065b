import { describe, expect, test } from '@jest/globals'
import { FIELD_NAMES, variableOf } from '../../src/storage/config-fields.js'
import { DEFAULT_POOL, DEFAULT_RANGES, resolveTuning, type ConfigLine, type StoreTuning } from '../../src/storage/config.js'
import { rangeEngine } from '../../src/storage/layers/range-engine.js'

const KiB = 1 << 10
const MiB = 1 << 20
const line = (tuning: StoreTuning, env: Record<string, string | undefined>, name: string): ConfigLine | undefined =>
  resolveTuning(tuning, env).explain().find(each => each.name === name)

describe('where a value comes from', () => {
  test('defaults', () => {
    const { pool, ranges, adaptive, explain } = resolveTuning(undefined, {})
    expect({ ...pool }).toEqual(DEFAULT_POOL)
    expect({ ...ranges }).toEqual(DEFAULT_RANGES)
    expect(adaptive).toBeUndefined()
    expect(explain().map(({ name }) => name)).toEqual([...FIELD_NAMES, 'adaptive'])
    for (const each of explain()) {
      expect(each).toMatchObject({ origin: 'default', from: 'default' })
      expect(each.meaning).not.toBe('')
    }
  })

  test('the environment goes before defaults, and options before the environment', () => {
    const env = { MILLRACE_CHUNK_SIZE: '4MiB', MILLRACE_MAX_INFLIGHT: '100', MILLRACE_READ_AHEAD: '' }
    const tuning = resolveTuning({ ranges: { chunkSize: 2 * MiB } }, env)
    expect([tuning.ranges.chunkSize, tuning.pool.maxInflight, tuning.ranges.readAhead]).toEqual([2 * MiB, 100, 32 * MiB])
    expect(tuning.explain().filter(({ origin }) => origin !== 'default')).toEqual([
      { name: 'maxInflight', value: 100, origin: 'environment', from: 'MILLRACE_MAX_INFLIGHT', meaning: 'requests in flight, over all hosts' },
      { name: 'chunkSize', value: 2 * MiB, origin: 'option', from: 'ranges.chunkSize', meaning: 'bytes of one range of a large read' }
    ])
  })

  test('an option that is undefined was not given', () => {
    expect(line({ ranges: { chunkSize: undefined } } as unknown as StoreTuning, { MILLRACE_CHUNK_SIZE: '1MiB' }, 'chunkSize')).toMatchObject({ value: MiB, origin: 'environment' })
  })

  test('every field has a variable, and each of them has an effect', () => {
    const values: Record<string, string> = { share: '0.5', 'yes or no': 'true' }
    for (const name of FIELD_NAMES) {
      const field = resolveTuning({}, {}).explain().find(each => each.name === name)
      const text = typeof field?.value === 'boolean' ? String(!field.value) : (field?.value ?? 0) < 1 ? (values['share'] ?? '') : '77'
      const changed = line({}, { [variableOf(name)]: text }, name)
      expect(changed).toMatchObject({ origin: 'environment', from: variableOf(name) })
      expect(String(changed?.value)).toBe(text)
    }
    expect(variableOf('maxInflightBytes')).toBe('MILLRACE_MAX_INFLIGHT_BYTES')
  })

  test('two stores have two configurations', () => {
    const [one, two] = [resolveTuning({ pool: { poolSize: 1 } }, {}), resolveTuning({ pool: { poolSize: 2 } }, {})]
    expect([one.pool.poolSize, two.pool.poolSize]).toEqual([1, 2])
    expect(Object.isFrozen(one.pool) && Object.isFrozen(one.ranges)).toBe(true)
  })
})

describe('values in the environment', () => {
  test.each<[string, string, number | boolean]>([
    ['MILLRACE_CHUNK_SIZE', '8388608', 8 * MiB], ['MILLRACE_CHUNK_SIZE', '8MiB', 8 * MiB], ['MILLRACE_CHUNK_SIZE', ' 8 mib ', 8 * MiB], ['MILLRACE_CHUNK_SIZE', '1.5MiB', 1.5 * MiB],
    ['MILLRACE_CHUNK_SIZE', '8MB', 8e6], ['MILLRACE_CHUNK_SIZE', '512KiB', 512 * KiB], ['MILLRACE_MAX_INFLIGHT_BYTES', '2GiB', 2 ** 31],
    ['MILLRACE_MIN_RATE', '64KiB/s', 64 * KiB], ['MILLRACE_DEADLINE', '30s', 30_000], ['MILLRACE_DEADLINE', '2min', 120_000], ['MILLRACE_DEADLINE', '31000ms', 31_000],
    ['MILLRACE_RETRY_BUDGET', '25%', 0.25], ['MILLRACE_RETRY_BUDGET', '.5', 0.5], ['MILLRACE_HEDGE', 'yes', true], ['MILLRACE_ADAPTIVE_CONCURRENCY', '0', false], ['MILLRACE_ADAPTIVE', 'on', true]
  ])('%s=%s', (variable, text, value) => {
    expect(resolveTuning({}, { [variable]: text }).explain().find(({ from }) => from === variable)?.value).toBe(value)
  })

  test.each([
    ['MILLRACE_CHUNK_SIZE', '8 elephants', 'a size such as 8388608, 8MiB or 8MB'], ['MILLRACE_CHUNK_SIZE', '-1', 'a size'], ['MILLRACE_MAX_INFLIGHT', '8MiB', 'a number'],
    ['MILLRACE_DEADLINE', '3 days', 'a time such as 500, 500ms or 30s'], ['MILLRACE_HEDGE', 'maybe', 'true or false'], ['MILLRACE_ADAPTIVE', 'maybe', 'true or false'], ['MILLRACE_RETRY_BUDGET', 'much', 'a share such as 0.1 or 10%']
  ])('%s=%s is refused', (variable, text, message) => {
    expect(() => resolveTuning({}, { [variable]: text })).toThrow(TypeError)
    expect(() => resolveTuning({}, { [variable]: text })).toThrow(`${variable} must be ${message}`)
  })

  test('a value out of range names the variable', () => {
    expect(() => resolveTuning({}, { MILLRACE_MAX_INFLIGHT: '0' })).toThrow(new RangeError('MILLRACE_MAX_INFLIGHT must be a whole number (count) from 1 on, got 0'))
  })
})

describe('what cannot be', () => {
  test.each<[string, unknown, string]>([
    ['a key that is misspelt', { ranges: { chunksize: 1 } }, "ranges: unknown option 'chunksize'; did you mean 'chunkSize'?"],
    ['another one', { pool: { maxInFlightBytes: 1 } }, "did you mean 'maxInflightBytes'?"],
    ['a level that is misspelt', { range: {} }, "did you mean 'ranges'?"],
    ['a key of another level', { pool: { chunkSize: 1 } }, "pool: unknown option 'chunkSize'; it belongs to ranges"],
    ['a key without its level', { chunkSize: 1 }, "unknown option 'chunkSize'; it belongs to ranges"],
    ['a key like none', { ranges: { zebra: 1 } }, 'known are chunkSize'],
    ['a level that is no object', { ranges: 5 }, 'ranges must be an object'],
    ['a value of another type', { ranges: { chunkSize: '8MiB' } }, 'ranges.chunkSize must be a number (bytes), got "8MiB"'],
    ['a yes that is a number', { pool: { hedge: 1 } }, 'pool.hedge must be true or false, got 1'],
    ['an adaptive that is a word', { adaptive: 'yes' }, 'adaptive must be true or false']
  ])('%s', (_, tuning, message) => {
    expect(() => resolveTuning(tuning as StoreTuning, {})).toThrow(TypeError)
    expect(() => resolveTuning(tuning as StoreTuning, {})).toThrow(message)
  })

  test.each<[StoreTuning, string]>([
    [{ ranges: { chunkSize: 0 } }, 'ranges.chunkSize must be a whole number (bytes) from 1 on, got 0'],
    [{ ranges: { chunkSize: 1.5 } }, 'whole number'],
    [{ ranges: { readAhead: -1 } }, 'from 0 on'],
    [{ ranges: { deadline: Infinity } }, 'from 1 to 2147483647'],
    [{ ranges: { deadline: Number.NaN } }, 'got NaN'],
    [{ pool: { hedgeQuantile: 1.1 } }, 'from 0.5 to 1'],
    [{ pool: { hedge: true, hedgeBudget: 0 } }, 'pool.hedge has no effect with pool.hedgeBudget = 0'],
    [{ ranges: { chunkSize: 8 * MiB, minSplitSize: MiB } }, 'ranges.chunkSize is 8388608, more than minSplitSize, 1048576 (ranges.minSplitSize)'],
    [{ ranges: { chunkSize: 512 * MiB } }, 'more than maxInflightBytes, 268435456 (default)'],
    [{ ranges: { maxConcurrentRanges: 9 }, pool: { maxInflight: 8 } }, 'more than maxInflight, 8 (pool.maxInflight)'],
    [{ ranges: { rangeTimeout: 5000, deadline: 1000 } }, 'ranges.rangeTimeout is 5000, more than deadline'],
    [{ ranges: { ttfbTimeout: 5000, rangeTimeout: 1000 } }, 'ranges.ttfbTimeout is 5000'],
    [{ ranges: { ttfbTimeout: 5000, deadline: 1000 } }, 'ranges.ttfbTimeout is 5000, more than rangeTimeout, 1000 (default, because of deadline)'],
    [{ ranges: { backoffBase: 500, backoffCap: 100 } }, 'ranges.backoffBase is 500']
  ])('%j', (tuning, message) => {
    expect(() => resolveTuning(tuning, {})).toThrow(RangeError)
    expect(() => resolveTuning(tuning, {})).toThrow(message)
  })

  test('a contradiction between option and environment names both', () => {
    expect(() => resolveTuning({ ranges: { minSplitSize: MiB } }, { MILLRACE_CHUNK_SIZE: '2MiB' })).toThrow('MILLRACE_CHUNK_SIZE is 2097152, more than minSplitSize, 1048576 (ranges.minSplitSize)')
  })
})

describe('a default gives way to what was set', () => {
  test('downwards', () => {
    const { ranges, explain } = resolveTuning({ ranges: { deadline: 500 } }, {})
    expect(ranges).toMatchObject({ deadline: 500, rangeTimeout: 500, ttfbTimeout: 500, idleTimeout: 500, connectTimeout: 500 })
    expect(explain().find(({ name }) => name === 'rangeTimeout')).toMatchObject({ origin: 'default', from: 'default, because of deadline' })
    expect(resolveTuning({ pool: { maxInflight: 4 } }, {}).ranges.maxConcurrentRanges).toBe(4)
    expect(resolveTuning({ pool: { maxInflightBytes: 100 } }, {}).ranges).toMatchObject({ chunkSize: 100, firstRange: 100 })
  })

  test('and upwards', () => {
    expect(resolveTuning({ ranges: { chunkSize: 32 * MiB } }, {}).ranges.minSplitSize).toBe(32 * MiB)
    expect(resolveTuning({ ranges: { ttfbTimeout: 200_000 } }, {}).ranges).toMatchObject({ rangeTimeout: 200_000, deadline: 200_000 })
  })
})

describe('adaptive mode', () => {
  const observed = (tuning: StoreTuning, size: number, env: Record<string, string> = {}): ReturnType<typeof resolveTuning> => {
    const resolved = resolveTuning(tuning, env)
    for (let i = 0; i < 10; i++) resolved.adaptive?.observe(size)
    return resolved
  }

  test('is off by default, and can be switched on by option or environment', () => {
    expect(resolveTuning({}, {}).adaptive).toBeUndefined()
    expect(resolveTuning({ adaptive: false }, { MILLRACE_ADAPTIVE: '1' }).adaptive).toBeUndefined()
    expect(line({}, { MILLRACE_ADAPTIVE: '1' }, 'adaptive')).toMatchObject({ value: true, origin: 'environment' })
  })

  test('says that it chose, and for what', () => {
    const { explain } = observed({ adaptive: true }, 200 * MiB)
    expect(explain().find(({ name }) => name === 'maxConcurrentRanges')).toMatchObject({ value: 32, origin: 'adaptive', from: 'adaptive (largeFile)' })
    expect(explain().filter(({ origin }) => origin === 'adaptive').map(({ name }) => name)).toEqual(['chunkSize', 'maxConcurrentRanges', 'firstRange', 'readAhead'])
    expect(resolveTuning({ adaptive: true }, {}).explain().some(({ origin }) => origin === 'adaptive')).toBe(false)
  })

  test('what was set stays', () => {
    const { ranges, explain } = observed({ adaptive: true, ranges: { maxConcurrentRanges: 3 } }, 200 * MiB, { MILLRACE_READ_AHEAD: '1MiB' })
    expect(ranges).toMatchObject({ maxConcurrentRanges: 3, readAhead: MiB, chunkSize: 8 * MiB })
    expect(explain().find(({ name }) => name === 'maxConcurrentRanges')).toMatchObject({ value: 3, origin: 'option' })
  })

  test('changes what goes over the wire', async () => {
    const resolved = resolveTuning({ adaptive: true }, {})
    const engine = rangeEngine(async () => undefined, resolved.ranges)
    const ranges = async (): Promise<number> => {
      const before = engine.stats().ranges
      await engine.read(0, new Uint8Array(32 * MiB))
      return engine.stats().ranges - before
    }
    expect(await ranges()).toBe(4)
    for (let i = 0; i < 10; i++) resolved.adaptive?.observe(32 * MiB)
    expect(await ranges()).toBe(8)
  })
})

describe('knobs of a running store', () => {
  const knobOf = (tuning: ReturnType<typeof resolveTuning>, name: string): ReturnType<typeof resolveTuning>['knobs'][number] => {
    const found = tuning.knobs.find(knob => knob.name === name)
    if (found === undefined) throw new Error(`no knob ${name}`)
    return found
  }
  test('change the values that are used, between their bounds, and are explained', () => {
    const tuning = resolveTuning(undefined, {})
    expect(tuning.knobs.map(({ name, auto, get }) => [name, auto, get()])).toEqual([['maxConcurrentRanges', true, 16], ['chunkSize', true, 8 * MiB], ['readAhead', true, 32 * MiB]])
    knobOf(tuning, 'maxConcurrentRanges').set(5)
    knobOf(tuning, 'chunkSize').set(2 ** 40)
    knobOf(tuning, 'readAhead').set(1)
    expect(tuning.ranges).toMatchObject({ maxConcurrentRanges: 5, chunkSize: 16 * MiB, readAhead: 4 * MiB })
    expect(tuning.explain().find(({ name }) => name === 'chunkSize')).toMatchObject({ value: 16 * MiB, from: 'autotune' })
  })
  test('leave alone what was set, and what adaptive mode chooses', () => {
    const set = resolveTuning({ ranges: { chunkSize: 2 * MiB } }, { MILLRACE_READ_AHEAD: '8MiB' })
    expect(set.knobs.filter(({ auto }) => auto).map(({ name }) => name)).toEqual(['maxConcurrentRanges'])
    expect(resolveTuning({ adaptive: true }, {}).knobs.some(({ auto }) => auto)).toBe(false)
  })
  test('are bounded by what the pool allows', () => {
    const { knobs } = resolveTuning({ pool: { maxInflight: 20, maxInflightBytes: 8 * MiB } }, {})
    expect(knobs.map(({ most }) => most)).toEqual([20, 8 * MiB, 8 * MiB])
  })
})
