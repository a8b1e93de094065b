import { readFileSync } from 'node:fs'
import { allocate } from '../../src/array/dtype.js'
import type { ElementContext } from '../../src/plan/operator.js'
import { isTransform } from '../../src/transforms.js'
import type { DType, NdArray } from '../../src/types.js'
import { Rng } from '../../src/util/rng.js'

/** An array as the fixtures hold it. */
export interface GoldenArray {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: string | readonly string[]
}

/** A file of `test/fixtures/transforms`. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/transforms/${name}`, import.meta.url), 'utf8')) as T
}

export const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))

/** The array that a fixture holds. */
export function golden({ dtype, shape, data }: GoldenArray): NdArray {
  if (typeof data !== 'string') return { dtype, shape, data }
  const bytes = bytesOf(data)
  const empty = allocate<Exclude<DType, 'string'>>(dtype as Exclude<DType, 'string'>, 0)
  const View = empty.constructor as new (buffer: ArrayBufferLike) => NdArray['data']
  return { dtype, shape, data: new View(bytes.buffer) }
}

/** What a function gets beside the element; the same random numbers for the same index. */
export const context = (index = 0): ElementContext => ({ index, rng: new Rng([1, index]), signal: new AbortController().signal })

/** Calls any transform on any element: what the types forbid is for it to refuse. */
export function call(transform: unknown, element: unknown, index = 0): unknown {
  if (!isTransform(transform)) throw new Error('this is no transform')
  return (transform as unknown as (element: unknown, context: ElementContext) => unknown)(element, context(index))
}
