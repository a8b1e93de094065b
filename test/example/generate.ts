/** Random specs, and random records that fit them, from a seed. */
import {
  encodeExample, bytesList, fixedLen, floatList, int64List, ragged, varLen, type ExampleSpec, type Feature, type FeatureDType,
  type FeatureValue
} from '../../src/example/index.js'

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface Generated {
  readonly spec: ExampleSpec
  record(): Uint8Array
}

const INTEGERS: Record<string, [bigint, bigint]> = {
  bool: [0n, 1n], int8: [-128n, 127n], uint8: [0n, 255n], int16: [-32768n, 32767n], uint16: [0n, 65535n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n], uint32: [0n, 2n ** 32n - 1n], int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 63n - 1n], float32: [-(2n ** 24n), 2n ** 24n], float64: [-(2n ** 53n), 2n ** 53n]
}
const BYTES: Record<string, number> = { int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, uint64: 8, float16: 2, bfloat16: 2, float32: 4, float64: 8 }

/** A spec of a few features, and a source of records for it. Single numbers stay below 2^24, which float32 holds. */
export function generate(random: () => number): Generated {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const below = (n: number): number => Math.floor(random() * n)
  const spec: Record<string, Feature> = {}
  const values: Record<string, () => FeatureValue | undefined> = {}
  const integer = ([min, max]: [bigint, bigint]): bigint => {
    const range = pick([4n, 200n, 70000n, max - min])
    const value = pick([min, max, 0n, 1n, BigInt(below(1e9)) % (range + 1n)])
    return value < min ? min : value > max ? max : value
  }
  const text = (): string => pick(['', 'a', 'mill', 'grün 🌾', 'x'.repeat(below(200))])
  const bytes = (length: number): Uint8Array => {
    const [first, step] = [below(256), below(256)]
    return new Uint8Array(length).map((_, i) => first + i * step)
  }

  for (let i = 1 + below(6); i > 0; i--) {
    const key = `${pick(['x', 'image/encoded', 'é', ''])}${i}`
    const kind = pick(['fixedLen', 'fixedLen', 'varLen', 'ragged'] as const)
    const source = pick(['bytes', 'float', 'int64', 'list'] as const)
    const shape = pick([[], [1], [3], [2, 3], [0], [40]])
    const dtype = pick<FeatureDType>(
      source === 'list' ? ['bytes', 'string']
        : source === 'float' ? ['float32', 'float64']
          : source === 'int64' ? Object.keys(INTEGERS) as FeatureDType[] : Object.keys(BYTES) as FeatureDType[])
    if (kind === 'ragged' && dtype === 'bytes') continue
    if (kind === 'fixedLen' && shape.length === 0 && (dtype === 'float16' || dtype === 'bfloat16')) continue
    const from = source === 'list' ? 'bytes' : source
    const single = kind === 'fixedLen' && shape.length === 0
    const optional = kind !== 'fixedLen' || random() < 0.3
    const defaultValue = dtype === 'bytes' ? bytes(2) : dtype === 'string' ? 'none' : dtype === 'int64' || dtype === 'uint64' ? 7n : dtype === 'bool' ? true : 3
    const hasDefault = kind === 'fixedLen' && optional && dtype !== 'float16' && dtype !== 'bfloat16'
    spec[key] = kind === 'fixedLen'
      ? fixedLen(shape, dtype, { from, ...(hasDefault ? { defaultValue: defaultValue as never } : {}) })
      : kind === 'varLen' ? varLen(dtype, { from }) : ragged(dtype as 'float32', { from })
    const width = below(5) // of varLen rows, equal for all records
    values[key] = () => {
      if ((hasDefault || kind === 'ragged' || (kind === 'varLen' && width === 0)) && random() < 0.3) return undefined
      const length = kind === 'fixedLen' ? shape.reduce((a, b) => a * b, 1) : kind === 'varLen' ? width : below(60)
      const list = <T>(make: () => T): T[] => Array.from({ length }, make)
      switch (source) {
        case 'list': return bytesList(list(() => dtype === 'string' ? text() : bytes(pick([0, 3, 40, 400, 5000]))))
        case 'float': return floatList(list(() => Math.fround(pick([0, -0.5, NaN, Infinity, random()]))))
        case 'int64': {
          const [min, max] = INTEGERS[dtype] as [bigint, bigint]
          const small = single && !['bool', 'int64', 'uint64'].includes(dtype)
          return int64List(list(() => small ? integer([min < -1000n ? -1000n : min, max > 1000n ? 1000n : max]) : integer([min, max])))
        }
        case 'bytes': {
          const raw = bytes(length * (BYTES[dtype] as number))
          // A single raw number is batched to float32 or int64: keep it small.
          if (single) raw.fill(0, dtype.startsWith('float') ? 0 : 1).set([below(100)], 0)
          return raw
        }
      }
    }
  }
  return {
    spec,
    record: () => {
      const features: Record<string, FeatureValue> = { other: random(), another: 'text' }
      for (const [key, value] of Object.entries(values)) {
        const one = value()
        if (one !== undefined) features[key] = one
      }
      return encodeExample(features)
    }
  }
}
